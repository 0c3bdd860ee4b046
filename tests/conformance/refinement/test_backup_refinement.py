"""Explored steps of backups are steps of models/backup.py; steps of wrong restores, and planted ones, are not."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import cache

import pytest

from kubeproof.conformance.bindings import backup
from kubeproof.conformance.bindings.backup.state import Client, Cluster
from kubeproof.conformance.bindings.backup.system import (
    COMPACT,
    DELIVER,
    DISCONNECT,
    LIST,
    RESTORE,
    SAVE,
    WATCH,
    WRITE,
    BackupSystem,
)
from kubeproof.conformance.bindings.store.menu import KEYS
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Model, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.backup import BACKUP, Map, world
from kubeproof.conformance.refinement.judge import Judge, NotAllowed, ghost_guards
from kubeproof.conformance.refinement.refine import Refinement, refine
from kubeproof.conformance.scenarios.scenario import load, shipped
from kubeproof.impl.store.requests import CompactionRequest, PutRequest
from kubeproof.models import backup as spec
from kubeproof.models.logic.formulas import Symbol


def named(group: str) -> list[str]:
    return [path.stem for path in shipped(group) if path.stem.startswith("backup-")]


TOO_SMALL = "restore.bump_exceeds_lost"
REFUSED = {name: "compact_revision" if name == "backup-not-marked" else TOO_SMALL for name in named("bugs")}
"""What each mistake makes impossible: the guard of an action, or what the step makes something else of."""


@cache
def taken(name: str) -> tuple[Model, tuple[Taken, ...]]:
    """The model of a scenario, and the steps that its exploration takes until something is broken."""
    model = load(name).model()
    exploration = Exploration(model, Limits())
    with suppress(Broken):
        exploration.run()
    return model, tuple(exploration.taken_steps())


@cache
def judged(name: str) -> Refinement:
    return refine(BACKUP, *taken(name))


@pytest.mark.parametrize("name", named("quick"))
def test_every_step_is_one_of_the_specification(name: str) -> None:
    assert judged(name).refused == []
    assert judged(name).judged > 1000


def test_every_action_is_used() -> None:
    used: Counter[str] = sum((judged(name).actions for name in named("quick")), Counter())
    assert set(used) == set(spec.backup.actions)


def test_what_the_map_does_not_speak_of_is_told() -> None:
    assert BACKUP.leaves_out(load("two-phase-commit").model()) == ["another system than backup"]
    assert not any(BACKUP.leaves_out(load(name).model()) for name in (*named("quick"), *named("full")))


def test_no_guard_asks_for_history() -> None:
    assert not any(map(ghost_guards, spec.backup.actions.values()))


@pytest.mark.parametrize("name", named("bugs"))
def test_a_mistake_is_refused_for_the_reason_that_its_scenario_gives(name: str) -> None:
    bug = load(name).bug
    assert bug is not None
    assert bug.refused_by == {"backup": REFUSED[name]}
    assert {each.why.reason for each in judged(name).refused} == {REFUSED[name]}


# ---- planted steps

MODEL = backup.model(writes=4, bump=4)
KEY, OTHER = KEYS[0], PutRequest(KEYS[0], b"2")
W, S, R, L, G, D = (
    Event(WRITE, PutRequest(KEY, b"1")),
    Event(SAVE),
    Event(RESTORE),
    Event(LIST, 0),
    Event(WATCH, 0),
    Event(DELIVER, 0),
)
"""Write, save, restore; a client lists, watches, is delivered something."""
C, E = Event(COMPACT, CompactionRequest(3)), Event(DISCONNECT, 0)
"""Compact; a stream ends."""


def after(*events: Event) -> Cluster:
    """What comes of these events."""
    assert isinstance(MODEL.system, BackupSystem)
    [state] = MODEL.system.initial()
    for event in events:
        after = MODEL.system.step(0, state, event).state
        assert isinstance(after, Cluster)
        state = after
    return state


def verdict(before: Cluster, event: Event, state: Cluster, ignoring: frozenset[Symbol] = frozenset()) -> str:
    """Why a step is refused; nothing if it is not."""
    common = world(MODEL)
    try:
        Judge(spec.backup, common, ignoring).judge(Map(common).abstract((0, before, event, Step(state))))
    except NotAllowed as why:
        return why.reason
    return ""


def with_client(state: Cluster, **changes: object) -> Cluster:
    [client] = state.clients
    return state._replace(clients=(client._replace(**changes),))  # type: ignore[arg-type]


def with_server(state: Cluster, **changes: object) -> Cluster:
    return state._replace(server=state.server._replace(**changes))  # type: ignore[arg-type]


RIGHT = {
    "write": ((W,), W),
    "compact": ((W, W), C),
    "save": ((W,), S),
    "restore": ((W, S, W), R),
    "list_all": ((W,), L),
    "watch_from": ((W, L), G),
    "deliver": ((W, L, G, W), D),
    "stream_ends": ((W, L, G), E),
    "refuse_compacted": ((W, S, L, W, G, D, R, G), D),
    "a watch that is refused": ((W, S, L, R), G),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_planted_in_is_right(name: str) -> None:
    events, event = RIGHT[name]
    assert verdict(after(*events), event, after(*events, event)) == ""


WRITTEN, SAVED, LISTED, WATCHING, TOLD = after(W), after(W, S), after(W, L), after(W, L, G, W), after(W, L, G, W, D)
LOST, RESTORED = after(W, S, L, W, G, D), after(W, S, L, W, G, D, R)
REWRITTEN = after(W, S, W, R, Event(WRITE, OTHER))
"""The records of another store."""

PLANTED: dict[str, tuple[Cluster, Event, Cluster, tuple[Symbol, ...]]] = {
    "record": (SAVED, L, with_server(after(W, S, L), written=REWRITTEN.server.written), (spec.record,)),
    "current_revision": (
        WRITTEN,
        L,
        with_client(with_server(LISTED, revision=3), listed_at=2, position=2),
        (spec.current_revision,),
    ),
    "compact_revision": (WRITTEN, S, with_server(SAVED, compact_revision=2), (spec.compact_revision,)),
    "saved_record": (after(W, W), S, after(W, W, S)._replace(saved=SAVED.saved), (spec.saved_record, spec.saved_revision)),
    "position": (WATCHING, D, with_client(TOLD, position=4), (spec.position,)),
    "listed_at": (WATCHING, D, with_client(TOLD, listed_at=3), (spec.listed_at,)),
    "has_list": (WATCHING, E, after(W, L, G, W, E)._replace(clients=(Client(),)), (spec.has_list,)),
    "watching": (WATCHING, E, with_server(WATCHING, watches=after(W, L, G).server.watches), (spec.watching,)),
    "saw": (WATCHING, D, with_client(TOLD, seen=(TOLD.clients[0].seen[0]._replace(value=b"2"),)), (spec.saw,)),
    "restore.bump_exceeds_lost": (LOST, R, with_server(RESTORED, revision=4), ()),
    "deliver.new": (TOLD, D, with_client(TOLD, seen=TOLD.clients[0].seen * 2), ()),
    "deliver.watching": (after(W, L, W), D, with_client(after(W, L, W), seen=TOLD.clients[0].seen, position=3), ()),
    "watch_from.not_compacted": (
        RESTORED,
        G,
        with_server(after(W, S, L, W, G, D, R, G), watches=WATCHING.server.watches),
        (),
    ),
}
"""Wrong steps by why they are refused; where they make something else of a symbol, with those by which alone that is seen."""


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_step_is_refused(name: str) -> None:
    before, event, state, carried = PLANTED[name]
    assert verdict(before, event, state) == name
    if carried:
        assert verdict(before, event, state, frozenset(carried)) == ""
