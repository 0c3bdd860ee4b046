"""Leases as a system: states are whole members, a log with a leader for each term, and every property can be broken."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from kubeproof.conformance.bindings import lease
from kubeproof.conformance.bindings.election.lease import Resource
from kubeproof.conformance.bindings.lease import labels, properties
from kubeproof.conformance.bindings.lease.client import Client, End, Keepalive, Result
from kubeproof.conformance.bindings.lease.describe import describe
from kubeproof.conformance.bindings.lease.log import Confirm, Deposed, Fetch, Granted, Hear, Log, Proposal
from kubeproof.conformance.bindings.lease.member import NOW_MS, Member, leads
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.liveness import unrecoverable
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Local, Message
from kubeproof.conformance.limits import Limits
from kubeproof.impl.etcd.leases import EXPIRY, NO_TERM, Leases, Output
from kubeproof.impl.store import KeyValue, Server

SETTINGS: dict[str, Any] = {"keepalives": 1, "ticks": 2, "crashes": 1, "members": 1, "revocations": 1}


@cache
def steps(**settings: Any) -> tuple[Taken, ...]:
    exploration = Exploration(lease.model(**(settings or SETTINGS)), Limits())
    exploration.run()
    return tuple(exploration.taken_steps())


def two_members() -> tuple[Taken, ...]:
    return steps(members=2, keepalives=1, ticks=2, ttl=1)


def reached(taken: tuple[Taken, ...]) -> set[Local]:
    return {step.state for _, _, _, step in taken}


def test_states_are_whole_members() -> None:
    members = [each for each in reached(steps()) if isinstance(each, Member)]
    assert len(members) > 300
    options = lease.model(**SETTINGS).system.members[0].options  # type: ignore[attr-defined]
    for state in members:
        server = Server.restore(options, state.server, NOW_MS)
        assert server.export(NOW_MS) == state.server
        assert Leases(server, state=state.leases).export() == state.leases
        assert state.leases.applied_index == state.applied


def test_messages_of_different_kinds_are_different() -> None:
    """Those with equal contents would be one to the explorer."""
    assert Fetch(0, 1, 2) != Confirm(0, 1, 2)
    assert Hear(0, 1) == Hear(0, 1)
    assert Deposed() != Granted()
    assert len({Deposed(), Granted()}) == 2


def test_only_the_leader_of_the_newest_term_appends() -> None:
    """But for what is forwarded, which nothing is here."""
    proposed = [
        (before, cause.body, step)
        for _, before, cause, step in two_members()
        if isinstance(cause, Message) and isinstance(before, Log) and isinstance(cause.body, Proposal)
    ]
    lost = [(before, step) for before, body, step in proposed if body.term != before.term]
    assert lost
    assert all(step.state == before for before, step in lost)
    assert all(body.term != NO_TERM for _, body, _ in proposed)


def test_a_leader_hears_of_a_newer_term_before_it_has_its_entries() -> None:
    members = [each for each in reached(two_members()) if isinstance(each, Member) and leads(each)]
    assert any(each.entries for each in members)
    assert all(entry.term <= each.leases.term for each in members for entry in each.entries)


def test_who_is_promoted_late_is_known_as_such() -> None:
    late = [step for _, _, _, step in two_members() if labels.PROMOTED_LATE in step.labels]
    assert late
    assert all(isinstance(each.state, Member) and each.state.is_late for each in late)


def test_a_crash_loses_what_was_not_committed_and_nothing_else() -> None:
    crashes = [(before, step.state) for _, before, _, step in steps() if labels.CRASHED in step.labels]
    assert len(crashes) > 100
    for before, after in crashes:
        assert isinstance(before, Member)
        assert isinstance(after, Member)
        assert after.entries == before.entries
        assert after.server.committed == after.server.written == before.server.committed
        assert not leads(after)
        assert not after.leases.waiting


def test_everything_can_be_described() -> None:
    values: set[object] = set(reached(two_members())) | set(reached(steps()))
    values |= {cause.body for _, _, cause, _ in (*two_members(), *steps()) if isinstance(cause, Message)}
    for value in values:
        text = describe(value)
        assert text
        assert "(" not in text or type(value).__name__ + "(" not in text
    with pytest.raises(TypeError):
        describe(object())


# ---- nothing gets stuck


class Forgetful(Leases):
    """It asks the quorum because something is expired, and does not go on: who keeps that alive waits for ever."""

    def confirmed(self, context: int, read_index: int, now_ms: int) -> list[Output]:
        return [] if context == EXPIRY else super().confirmed(context, read_index, now_ms)


class Stubborn(Leases):
    """It lets those wait who have asked a leader that is deposed."""

    def follow(self) -> list[Output]:
        waiting = dict(self._waiting)
        super().follow()
        self._waiting |= waiting
        return []


@pytest.mark.parametrize(
    ("wrong", "stuck"),
    [
        (Leases, set()),
        (Forgetful, {properties.CAN_REVOKE.id, properties.CAN_ANSWER.id}),
        (Stubborn, {properties.CAN_ANSWER.id}),
    ],
)
def test_what_gets_stuck_is_found(wrong: type[Leases], stuck: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubeproof.conformance.bindings.lease.member.Leases", wrong)
    exploration = Exploration(lease.model(keepalives=1, ttl=1, ticks=1, recovery=True), Limits(), numbered=True)
    exploration.run()
    assert {each.id for each in exploration.model.recoverable if unrecoverable(exploration, each) is not None} == stuck


# ---- every property can be broken

LIVES = properties.Lives(ttl=2, clock_ratio=1)
ALWAYS = properties.always(LIVES)
RENEWED = Keepalive(Result.RENEWED, 1, was_granted=True)


def member(**changes: Any) -> Member:
    """A member that has applied the grant of a lease."""
    states = [each for each in reached(steps()) if isinstance(each, Member) and each.server.leases and each.is_replayed]
    (first, *_) = sorted(states, key=lambda each: (len(each.entries), str(each)))
    return first._replace(server=first.server._replace(**changes))


def with_key(lease_id: int) -> Member:
    state = member()
    put = ((2, 0), KeyValue(b"k", 2, 2, 1, b"v", lease_id))
    return member(written=state.server.written._replace(key=(put,)))


@pytest.mark.parametrize(
    ("broken", "by", "right"),
    [
        ("revoked_only_if_expired", Log(unexpired=True), Log()),
        ("granted_lives_for_ttl", Client(1, End.EXPIRED), Client(2, End.EXPIRED)),
        (
            "keepalive_is_honest",
            Client(2, End.EXPIRED, (RENEWED,)),
            Client(2, End.EXPIRED, (RENEWED._replace(since_ensured=2),)),
        ),
        (
            "no_renew_after_revoke",
            Client(2, End.GIVEN_UP, (RENEWED._replace(was_revoked=True),)),
            Client(2, End.GIVEN_UP, (RENEWED,)),
        ),
        (
            "not_found_is_honest",
            Client(1, End.LIVES, (Keepalive(Result.NOT_FOUND, was_granted=True),)),
            Client(1, End.GIVEN_UP, (Keepalive(Result.NOT_FOUND, was_granted=True),)),
        ),
        ("leases_are_of_log", member(leases=()), member()),
        ("keys_go_with_leases", with_key(9), with_key(1)),
        ("no_write_of_a_former_owner", Resource(disordered=True), Resource()),
    ],
)
def test_what_is_wrong_breaks_a_property(broken: str, by: Local, right: Local) -> None:
    assert not ALWAYS[broken].holds(by)
    assert ALWAYS[broken].holds(right)


def test_two_owners_break_a_property() -> None:
    one, other = Client(0, token=2), Client(0, token=3)
    assert not ALWAYS["one_living_owner"].holds(one, other)
    assert ALWAYS["one_living_owner"].holds(one._replace(end=End.EXPIRED), other)


def test_a_fast_clock_shortens_what_a_lease_lives_for() -> None:
    assert not LIVES.outlived(1)
    assert properties.Lives(ttl=2, clock_ratio=2).outlived(1)
    assert not LIVES.outlived(None)
