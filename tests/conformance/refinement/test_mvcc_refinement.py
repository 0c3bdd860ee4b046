"""Explored local steps of the store are steps of models/mvcc.py; steps of wrong stores, and planted ones, are not."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import pytest

from kubeproof.conformance.bindings import store
from kubeproof.conformance.bindings.store import menu
from kubeproof.conformance.bindings.store.member import COMMIT, CRASH, READ, REPLAY, TELL, Entry, Member, MemberComponent
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Message, Model, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.judge import Judge, NotAllowed, ghost_guards
from kubeproof.conformance.refinement.mvcc import MVCC, Map, world
from kubeproof.conformance.refinement.refine import Refinement, refine
from kubeproof.conformance.scenarios.scenario import load, shipped
from kubeproof.impl.store import KeyValue, Options, Server
from kubeproof.impl.store.requests import DeleteRangeRequest, PutRequest, Request
from kubeproof.models import mvcc as spec
from kubeproof.models.logic.formulas import Symbol

A = menu.KEYS[0]
PUT, DELETE = PutRequest(A, menu.VALUE), DeleteRangeRequest(A)


def named(group: str) -> list[str]:
    return [path.stem for path in shipped(group) if path.stem.startswith("store-")]


REFUSED = {
    "store-compaction-forgotten": "restart.scheduled_compaction",
    "store-consistent-index-apart": "stored_revision",
    "store-lease-revoked-apart": "stored_record",
    "store-lone-tombstone": "compact_remove_tombstone.before_compact_revision",
    "store-ranges-dropped": "changed",
    "store-second-change-compacted": "txn_put.once_in_transaction",
    "store-two-changes": "txn_put.once_in_transaction",
    "store-tombstone-compacted": "compact_remove_tombstone.before_compact_revision",
}
"""What each mistake makes impossible: the guard of an action, or what the step makes something else of."""

HARMLESS = {
    "store-checkpoint-lost": "it is the leases of another specification, lease.py",
    "store-put-cannot-be-applied": "a member that has died does nothing wrong any more",
    "store-unknown-sort-target": "a member that has died does nothing wrong any more",
}
"""Mistakes of which each step until something is broken is allowed, with the reason."""


@cache
def taken(name: str) -> tuple[Model, tuple[Taken, ...]]:
    """The model of a scenario, and the local steps that its exploration takes until something is broken."""
    model = load(name).model()
    exploration = Exploration(model, Limits())
    with suppress(Broken):
        exploration.run()
    return model, tuple(exploration.taken_steps())


@cache
def judged(name: str) -> Refinement:
    return refine(MVCC, *taken(name))


@pytest.mark.parametrize("name", named("quick"))
def test_every_local_step_is_one_of_the_specification(name: str) -> None:
    assert judged(name).refused == []
    assert judged(name).judged > 300


def test_every_action_is_used() -> None:
    used: Counter[str] = sum((judged(name).actions for name in named("quick")), Counter())
    assert set(used) == set(spec.mvcc.actions)


def test_what_the_map_does_not_speak_of_is_told() -> None:
    assert MVCC.leaves_out(load("two-phase-commit").model()) == ["another system than store"]
    assert not any(MVCC.leaves_out(load(name).model()) for name in (*named("quick"), *named("full")))


def test_no_guard_asks_for_history() -> None:
    assert not any(map(ghost_guards, spec.mvcc.actions.values()))


# ---- mistakes


def test_every_mistake_is_refused_or_harmless() -> None:
    assert sorted((*REFUSED, *HARMLESS)) == named("bugs")


@pytest.mark.parametrize("name", named("bugs"))
def test_a_mistake_is_refused_for_the_reason_that_its_scenario_gives(name: str) -> None:
    bug = load(name).bug
    assert bug is not None
    expected = {"mvcc": REFUSED[name]} if name in REFUSED else {}
    assert bug.refused_by == expected
    assert set(expected.values()) <= {each.why.reason for each in judged(name).refused}
    assert bool(expected) == bool(judged(name).refused)


# ---- planted steps

MODEL = store.model(proposals=4, compactions=1, crashes=1)
MEMBER = MemberComponent(Options(), 0, 1)


def after(*log: Request, commits: bool = False) -> Member:
    """A member that has applied a log, and perhaps committed."""
    state = MEMBER.initial()
    for request in log:
        state = state_of(MEMBER.receive(state, Entry(request)))
    return state_of(MEMBER.step(state, COMMIT)) if commits else state


def state_of(step: Step | None) -> Member:
    assert step is not None
    assert isinstance(step.state, Member)
    return step.state


def verdict(before: Member, cause: Event | Request, state: Member, ignoring: frozenset[Symbol] = frozenset()) -> str:
    """Why a step is refused; nothing if it is not."""
    happens = cause if isinstance(cause, Event) else Message(0, Entry(cause), synchronous=True)
    common = world(MODEL)
    try:
        Judge(spec.mvcc, common, ignoring).judge(Map((MEMBER,)).abstract((0, before, happens, Step(state))))
    except NotAllowed as why:
        return why.reason
    return ""


def with_server(state: Member, **changes: object) -> Member:
    return state._replace(server=state.server._replace(**changes))  # type: ignore[arg-type]


def with_record(state: Member, place: int, **changes: object) -> Member:
    """A record in memory has other contents."""
    records = list(state.server.written.key)
    revision, record = records[place]
    records[place] = revision, record._replace(**changes)  # type: ignore[arg-type]
    return with_server(state, written=state.server.written._replace(key=tuple(records)))


def without_first(state: Member, bucket: str) -> Member:
    """The first record is gone, in memory or on disk."""
    kept = getattr(state.server, bucket)
    return with_server(state, **{bucket: kept._replace(key=kept.key[1:])})


COMMITTED = after(PUT, PUT, commits=True)
LOST = state_of(MEMBER.step(after(PUT, PUT), CRASH))
"""It has two puts to apply again."""
REPLAYED = state_of(MEMBER.step(LOST, REPLAY))
MARKS = COMMITTED.server.committed

PLANTED: dict[str, tuple[Member, Event | Request, Member, tuple[Symbol, ...]]] = {
    "record": (after(PUT), PUT, without_first(after(PUT, PUT), "written"), (spec.record,)),
    "stored_record": (after(PUT, PUT), COMMIT, without_first(COMMITTED, "committed"), (spec.stored_record,)),
    "stored_revision": (
        after(PUT, PUT),
        COMMIT,
        with_server(COMMITTED, committed=MARKS._replace(meta=(("consistent_index", 1),))),
        (spec.stored_revision,),
    ),
    "current_revision": (LOST, REPLAY, with_server(REPLAYED, revision=3), (spec.current_revision,)),
    "applied_revision": (LOST, REPLAY, with_server(REPLAYED, consistent_index=2), (spec.applied_revision,)),
    "compact_revision": (after(PUT, PUT), COMMIT, with_server(COMMITTED, compact_revision=2), (spec.compact_revision,)),
    "value": (LOST, REPLAY, with_record(REPLAYED, 0, value=b"w"), (spec.value,)),
    "version": (LOST, REPLAY, with_record(REPLAYED, 0, version=2), (spec.version,)),
    "create_revision": (LOST, REPLAY, with_record(REPLAYED, 0, create_revision=3), (spec.create_revision,)),
    "tombstone": (
        LOST,
        REPLAY,
        with_server(REPLAYED, written=REPLAYED.server.written._replace(key=(((2, 0), KeyValue(A, mod_revision=2)),))),
        (spec.tombstone,),
    ),
    "changed": (
        after(PUT),
        PUT,
        after(PUT, PUT)._replace(log=(PUT, DeleteRangeRequest(menu.KEYS[1]))),
        (spec.changed, spec.last_revision, spec.applied_revision),
    ),
}
"""Wrong steps by what they make something else of, with the symbols by which alone they are found out."""


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_step_is_refused(name: str) -> None:
    before, cause, state, carried = PLANTED[name]
    assert verdict(before, cause, state) == name
    assert verdict(before, cause, state, frozenset(carried)) == ""


def test_what_is_planted_in_is_right() -> None:
    assert verdict(after(PUT), PUT, after(PUT, PUT)) == ""
    assert verdict(after(PUT, PUT), COMMIT, COMMITTED) == ""
    assert verdict(LOST, REPLAY, REPLAYED) == ""


def test_nothing_new_comes_before_the_log_is_replayed() -> None:
    assert verdict(LOST, PUT, LOST._replace(log=(PUT, PUT, PUT))) == "txn_begin.log_is_replayed"
    assert verdict(LOST, TELL, LOST) == "tell_revision.log_is_replayed"


@dataclass(frozen=True, slots=True)
class Stale(MemberComponent):
    """It answers reads as a store with another history does."""

    def server(self, _: Member) -> Server:
        return Server.restore(self.options, after(PUT, PUT, DELETE).server, 0)


def test_reads_are_of_the_records() -> None:
    common, state = world(MODEL), after(PUT, DELETE, PUT)
    step = Map((Stale(Options(), 0, 1),)).abstract((0, state, Event(READ), Step(state)))
    with pytest.raises(NotAllowed) as why:
        Judge(spec.mvcc, common).judge(step)
    assert why.value.reason == "read.not_deleted"
