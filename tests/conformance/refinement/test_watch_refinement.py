"""Explored local steps of watches are steps of models/watch.py; steps of wrong hubs, and planted ones, are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from kubeproof.conformance.bindings import watch
from kubeproof.conformance.bindings.store.member import Entry, Member
from kubeproof.conformance.bindings.watch import WatchSystem, menu
from kubeproof.conformance.bindings.watch.client import Client, Watched
from kubeproof.conformance.bindings.watch.member import SEND, SYNC
from kubeproof.conformance.bindings.watch.messages import Open, RequestProgress, Sent
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Message, Model, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.binding import Reading
from kubeproof.conformance.refinement.inductive import Disproved, hold_in_every_state
from kubeproof.conformance.refinement.judge import Judge, NotAllowed, ghost_guards
from kubeproof.conformance.refinement.refine import Refinement, refine
from kubeproof.conformance.refinement.watch import WATCH, Map, world
from kubeproof.conformance.scenarios.scenario import load, shipped
from kubeproof.impl.store.requests import CompactionRequest, Request, ResponseHeader, WatchResponse
from kubeproof.impl.store.watch_group import Batch, Group
from kubeproof.impl.store.watch_state import Queued
from kubeproof.models import watch as spec
from kubeproof.models.logic.formulas import Symbol

PUT = menu.PUT


def named(group: str) -> list[str]:
    return [path.stem for path in shipped(group) if path.stem.startswith("watch-")]


REFUSED = {
    "watch-future-revision": "min_revision",
    "watch-progress-not-synchronised": "send_progress.synced",
    "watch-snapshot-missed": "synced",
    "watch-starved": "sync_nothing.not_compacted",
    "watch-told-twice": "min_revision",
}
"""What each mistake makes impossible: the guard of an action, or what the step makes something else of."""

HARMLESS = {
    "watch-event-duplicated": "a response is a set of events, so none is in it twice",
    "watch-future-progress": "the client has got everything up to there, as it wants nothing",
    "watch-progress-silenced": "nothing says that progress is told",
}
"""Mistakes of which each step until something is broken is allowed, with the reason."""


def explored(name: str, settings: tuple[str, ...] = ()) -> tuple[Model, tuple[Taken, ...]]:
    """The model of a scenario, and the local steps that its exploration takes until something is broken."""
    model = load(name, settings).model()
    exploration = Exploration(model, Limits())
    with suppress(Broken):
        exploration.run()
    return model, tuple(exploration.taken_steps())


@cache
def judged(name: str) -> Refinement:
    return refine(WATCH, *explored(name))


@pytest.mark.parametrize("name", named("quick"))
def test_every_local_step_is_one_of_the_specification(name: str) -> None:
    assert judged(name).refused == []
    assert judged(name).judged > 200


def test_every_action_is_used() -> None:
    used: Counter[str] = sum((judged(name).actions for name in named("quick")), Counter())
    assert set(used) == set(spec.watch.actions)


def test_what_the_map_does_not_speak_of_is_told() -> None:
    assert WATCH.leaves_out(load("store-crash").model()) == ["another system than watch"]
    assert not any(WATCH.leaves_out(load(name).model()) for name in (*named("quick"), *named("full")))


def test_no_guard_asks_for_history() -> None:
    assert not any(map(ghost_guards, spec.watch.actions.values()))


# ---- invariants, with all that was ever sent


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("watch-compaction", ("proposals=2", "members=1")),
        ("watch-victims", ("proposals=2", "breaks=0")),
        ("watch-future", ()),
        ("watch-two-clients", ("proposals=1", "crashes=0", "breaks=0")),
    ],
)
def test_invariants_hold_in_every_state(name: str, settings: tuple[str, ...]) -> None:
    """Clients at different members show that no action of one looks at watches of the other."""
    assert hold_in_every_state(WATCH, *explored(name, settings)).states > 150


def as_told(reading: Reading) -> Reading:
    """A client's half is taken for the whole."""
    return replace(reading, lasting=lambda step: replace(step, elements={**step.elements, spec.Place: range(20)}))


def not_placed(reading: Reading) -> Reading:
    """Places are those within a step."""
    return replace(reading, placed=lambda step, _: step)


@pytest.mark.parametrize("wrong", [as_told, not_placed])
def test_a_wrong_map_is_found_out(wrong: Callable[[Reading], Reading]) -> None:
    binding = WATCH._replace(read=lambda model, taken: wrong(WATCH.read(model, taken)))
    with pytest.raises(Disproved):
        hold_in_every_state(binding, *explored("watch-compaction", ("proposals=1", "members=1")))


# ---- mistakes


def test_every_mistake_is_refused_or_harmless() -> None:
    assert sorted((*REFUSED, *HARMLESS)) == named("bugs")


@pytest.mark.parametrize("name", named("bugs"))
def test_a_mistake_is_refused_for_the_reason_that_its_scenario_gives(name: str) -> None:
    bug = load(name).bug
    assert bug is not None
    expected = {"watch": REFUSED[name]} if name in REFUSED else {}
    assert bug.refused_by == expected
    assert set(expected.values()) <= {each.why.reason for each in judged(name).refused}
    assert bool(expected) == bool(judged(name).refused)


# ---- planted steps

MODEL = watch.model(members=2, proposals=4, compactions=1, snapshots=1, progress=1, watches=2, room=2)
assert isinstance(MODEL.system, WatchSystem)
SYSTEM: WatchSystem = MODEL.system
MEMBER, CLIENT = SYSTEM.members[0], SYSTEM.clients[0]
ONE, ALL = CLIENT.requests


def state_of(step: Step | None) -> Member:
    assert step is not None
    assert isinstance(step.state, Member)
    return step.state


def after(*log: Request) -> Member:
    """A member that has a stream with two watches, and has then applied a log."""
    state = state_of(MEMBER.receive(MEMBER.store.initial(), Open(CLIENT.number, (ONE, ALL))))
    for request in log:
        state = state_of(MEMBER.receive(state, Entry(request)))
    return state


def behind(*log: Request) -> Member:
    """A member that has applied a log, and then a stream."""
    state = MEMBER.store.initial()
    for request in log:
        state = state_of(MEMBER.receive(state, Entry(request)))
    return state_of(MEMBER.receive(state, Open(CLIENT.number, (ONE, ALL))))


def verdict(component: int, before: Member | Client, cause: Event | object, step: Step, *ignoring: Symbol) -> str:
    """Why a step is refused; nothing if it is not."""
    happens = cause if isinstance(cause, Event) else Message(component, cause, synchronous=True)
    try:
        Judge(spec.watch, world(MODEL), frozenset(ignoring)).judge(Map(SYSTEM).abstract((component, before, happens, step)))
    except NotAllowed as why:
        return why.reason
    return ""


Change = Callable[[Member], Member]


def with_server(**changes: Any) -> Change:
    return lambda state: state._replace(server=state.server._replace(**changes))


def with_stream(**changes: Any) -> Change:
    return lambda state: with_server(watches=(state.server.watches[0]._replace(**changes),))(state)


def with_watcher(number: int, **changes: Any) -> Change:
    def changed(state: Member) -> Member:
        watchers = list(state.server.watches[0].watchers)
        watchers[number] = watchers[number]._replace(**changes)
        return with_stream(watchers=tuple(watchers))(state)

    return changed


def with_waiting(change: Callable[[list[Any]], list[Any]]) -> Change:
    return lambda state: with_stream(waiting=tuple(change(list(state.server.watches[0].waiting))))(state)


def without_first_record(state: Member) -> Member:
    return with_server(written=state.server.written._replace(key=state.server.written.key[1:]))(state)


def of_other_revision(waiting: list[Any]) -> list[Any]:
    """The last response tells of the first one's event again."""
    return [*waiting[:-1], waiting[-1]._replace(events=waiting[0].events)]


TOLD = after(PUT)
"""Both watches were told of one write, and the stream is full."""
SEND_FIRST = Event(SEND, CLIENT.number)
SENT = state_of(MEMBER.step(TOLD, SEND_FIRST))
RESTED = state_of(MEMBER.step(SENT, SEND_FIRST))
"""All is received."""
ASKED = state_of(MEMBER.receive(RESTED, RequestProgress(CLIENT.number)))

PLANTED: dict[str, tuple[Member, Event | object, Change, tuple[Symbol, ...]]] = {
    "current_revision": (TOLD, SEND_FIRST, with_server(revision=3), (spec.current_revision,)),
    "compact_revision": (TOLD, SEND_FIRST, with_server(compact_revision=2), (spec.compact_revision,)),
    "removed": (TOLD, SEND_FIRST, without_first_record, (spec.removed,)),
    "unsynced": (TOLD, SEND_FIRST, with_watcher(0, group=Group.UNSYNCED), (spec.synced, spec.unsynced)),
    "victim": (TOLD, SEND_FIRST, with_watcher(0, group=Group.VICTIM), (spec.synced, spec.victim)),
    "min_revision": (RESTED, Entry(PUT), with_watcher(0, min_revision=3), (spec.min_revision,)),
    "pending": (
        TOLD,
        Entry(PUT),
        with_watcher(1, pending=Batch(TOLD.server.watches[0].waiting[1].events)),
        (spec.pending,),
    ),
    "on_stream": (RESTED, Entry(PUT), with_waiting(lambda each: [*each, each[-1]]), (spec.on_stream, spec.carries)),
    "carries": (SENT, Entry(PUT), with_waiting(of_other_revision), (spec.carries,)),
    "progress_at": (
        RESTED,
        RequestProgress(CLIENT.number),
        with_waiting(lambda each: [each[0]._replace(revision=3)]),
        (spec.progress_at,),
    ),
}
"""Wrong steps of a member by what they make something else of, with the symbols by which alone they are found out."""


def right(before: Member, cause: Event | object) -> Step:
    step = MEMBER.step(before, cause) if isinstance(cause, Event) else MEMBER.receive(before, cause)  # type: ignore[arg-type]
    assert step is not None
    return step


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_step_is_refused(name: str) -> None:
    before, cause, change, carried = PLANTED[name]
    step = right(before, cause)
    assert verdict(0, before, cause, step) == ""
    wrong = step._replace(state=change(state_of(step)))
    assert verdict(0, before, cause, wrong) == name
    assert verdict(0, before, cause, wrong, *carried) == ""
    if len(carried) > 1:
        assert all(verdict(0, before, cause, wrong, *(set(carried) - {each})) for each in carried)


def test_what_is_sent_is_the_first() -> None:
    step = right(TOLD, SEND_FIRST)
    second = with_waiting(lambda _: [TOLD.server.watches[0].waiting[0]])(state_of(step))
    assert verdict(0, TOLD, SEND_FIRST, step._replace(state=second)) == "on_stream"


def test_nobody_is_canceled_who_is_not_behind_the_compact_revision() -> None:
    compacted = behind(PUT, PUT, PUT, CompactionRequest(3))
    canceled = state_of(MEMBER.step(compacted, SYNC))
    assert verdict(0, compacted, SYNC, Step(canceled)) == ""
    assert verdict(0, canceled, SEND_FIRST, right(canceled, SEND_FIRST)) == ""
    waiting = with_waiting(lambda _: [Queued(ONE.watch_id, 0, (), 3)])
    planted = with_watcher(0, group=Group.COMPACTED)(waiting(behind(PUT, PUT, PUT)))
    assert verdict(0, planted, SEND_FIRST, right(planted, SEND_FIRST)) == "cancel_compacted.compacted"


# ---- clients

HEARD = Sent(WatchResponse(ResponseHeader(2), ONE.watch_id, events=TOLD.server.watches[0].waiting[0].events))
PROGRESS = Sent(WatchResponse(ResponseHeader(2), -1))
CANCELED = Sent(WatchResponse(ResponseHeader(0), ONE.watch_id, canceled=True, compact_revision=4))
WATCHING = Client((Watched(), Watched()), 0)
NUMBER = CLIENT.number


@pytest.mark.parametrize("cause", [HEARD, PROGRESS, CANCELED])
def test_a_client_goes_on_behind_what_it_is_told(cause: Sent) -> None:
    step = CLIENT.receive(WATCHING, cause)
    assert isinstance(step.state, Client)
    assert verdict(NUMBER, WATCHING, cause, step) == ""
    further = step._replace(state=step.state._replace(watches=(Watched(progress=3), step.state.watches[1])))
    assert verdict(NUMBER, WATCHING, cause, further) == ("canceled" if cause is CANCELED else "next_revision")
    assert verdict(NUMBER, WATCHING, cause, further, spec.next_revision, spec.canceled) == ""


def test_nobody_takes_a_watch_for_canceled_without_being_told() -> None:
    planted = WATCHING._replace(watches=(Watched(compacted=3), Watched()))
    assert verdict(NUMBER, WATCHING, Event("request_progress"), Step(planted)) == "canceled"


def test_no_stream_is_left_unless_it_ends() -> None:
    assert verdict(NUMBER, WATCHING, Event("request_progress"), Step(WATCHING._replace(member=None))) == "synced"


def test_a_watch_is_opened_where_its_client_goes_on() -> None:
    before, asked = behind(PUT), Open(NUMBER, (ONE, ALL))
    empty = with_server(watches=())(before)
    step = right(empty, asked)
    assert verdict(0, empty, asked, step) == ""
    later = step._replace(state=with_watcher(0, min_revision=3)(state_of(step)))
    assert verdict(0, empty, asked, later) == "min_revision"
