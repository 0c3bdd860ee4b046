"""Leases behind consensus: what a leader may do in which order, and what each mistake does instead."""

from __future__ import annotations

import pytest

from kubeproof.impl.etcd.faults import Faults
from kubeproof.impl.etcd.leases import (
    EXPIRY,
    NO_TERM,
    Answer,
    LeaseRequest,
    Leases,
    NotPrimary,
    Output,
    Propose,
    ReadIndex,
)
from kubeproof.impl.etcd.server import ServerOptions
from kubeproof.impl.store import Options, Server
from kubeproof.impl.store.lessor import CHECKPOINT_INTERVAL_MS, cleared
from kubeproof.impl.store.requests import (
    LeaseCheckpoint,
    LeaseCheckpointRequest,
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
    LeaseRevokeRequest,
    LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
    Request,
    ResponseHeader,
)
from tests.impl.etcd.cluster import Cluster, options

SECOND = 1000
GRANT, LONG, REVOKE = LeaseGrantRequest(10, 1), LeaseGrantRequest(1000, 1), LeaseRevokeRequest(1)
KEEP_ALIVE = LeaseKeepAliveRequest(1)
HEADER = ResponseHeader(1)
RENEWED, NOT_FOUND = Answer(7, LeaseKeepAliveResponse(HEADER, 1, 10)), Answer(7, LeaseKeepAliveResponse(HEADER, 1))


class Member:
    """A member, to which the entries of a log are given by hand."""

    def __init__(self, *log: Request, **faults: bool) -> None:
        """The leader of term 1, which has applied a log of that term."""
        self.server = Server.start(Options(election_timeout_ms=0))
        self.leases = Leases(self.server, Faults(**faults))
        self.index = 0
        assert self.leases.lead(1) == []
        self.apply(None)
        for request in log:
            self.apply(request)

    def apply(self, request: Request | None, now_ms: int = 0, term: int = 1) -> list[Output]:
        self.index += 1
        if request is not None:
            self.server.apply(self.index, request, now_ms)
        return self.leases.applied(self.index, term, request, now_ms)

    def ask(self, request: LeaseRequest = KEEP_ALIVE, now_ms: int = 0) -> list[Output]:
        return self.leases.ask(7, request, now_ms)

    def confirm(self, now_ms: int = 0, context: int = 7) -> list[Output]:
        return self.leases.confirmed(context, self.index, now_ms)

    def left_ms(self, now_ms: int) -> int | None:
        return self.server.lessor.export(now_ms)[0].expires_in_ms


# ---- who keeps the time


def test_a_leader_keeps_the_time_from_the_first_entry_of_its_term_on() -> None:
    member = Member(GRANT)
    member.leases.lead(3)
    assert member.left_ms(0) is None
    member.apply(None, term=2)
    assert not member.server.lessor.is_primary
    member.apply(None, 5 * SECOND, term=3)
    assert member.left_ms(5 * SECOND) == 10 * SECOND
    member.apply(GRANT, 6 * SECOND, term=3)
    assert member.left_ms(6 * SECOND) == 9 * SECOND


def test_who_follows_keeps_no_time_and_forwards() -> None:
    member = Member(GRANT)
    assert member.ask() == [ReadIndex(7)]
    assert member.leases.follow() == [NotPrimary(7)]
    assert member.ask() == [NotPrimary(7)]
    assert member.confirm() == []
    assert member.leases.tick(99 * SECOND) == []
    assert member.leases.export().term == NO_TERM


def test_who_was_elected_lets_requests_wait() -> None:
    member = Member(GRANT)
    member.leases.lead(2)
    assert member.ask() == []
    assert member.apply(None, term=2) == [ReadIndex(7)]


# ---- keepalives


def test_a_keepalive_is_confirmed_then_renewed() -> None:
    member = Member(GRANT)
    assert member.ask(now_ms=4 * SECOND) == [ReadIndex(7)]
    assert member.confirm(5 * SECOND) == [RENEWED]
    assert member.left_ms(5 * SECOND) == 10 * SECOND
    assert member.confirm() == []


def test_what_was_committed_is_applied_first() -> None:
    member = Member()
    member.ask()
    member.index += 1
    assert member.confirm() == []
    member.index -= 1
    assert member.apply(GRANT) == [RENEWED]
    member.ask()
    member.index += 1
    assert member.confirm() == []
    member.index -= 1
    assert member.apply(REVOKE) == [NOT_FOUND]


def test_a_keepalive_of_what_is_expired_waits_for_the_revocation() -> None:
    member = Member(GRANT)
    member.ask()
    assert member.confirm(10 * SECOND) == []
    assert member.leases.tick(10 * SECOND) == [ReadIndex(EXPIRY)]
    assert member.leases.tick(11 * SECOND) == []
    assert member.confirm(11 * SECOND, EXPIRY) == [Propose(REVOKE, 1)]
    assert member.leases.tick(12 * SECOND) == []
    assert member.apply(REVOKE, 12 * SECOND) == [NOT_FOUND]
    assert member.leases.tick(13 * SECOND) == []


def test_a_confirmation_that_nobody_waits_for_revokes_nothing() -> None:
    member = Member(GRANT)
    assert member.confirm(10 * SECOND, EXPIRY) == []


def test_the_time_to_live_is_told_when_leadership_is_confirmed() -> None:
    member = Member(GRANT)
    assert member.ask(LeaseTimeToLiveRequest(1)) == [ReadIndex(7)]
    assert member.confirm(3 * SECOND) == [Answer(7, LeaseTimeToLiveResponse(HEADER, 1, 7, 10))]
    member.ask(LeaseTimeToLiveRequest(2))
    assert member.confirm() == [Answer(7, LeaseTimeToLiveResponse(HEADER, 2, -1))]


# ---- checkpoints

DUE = LeaseCheckpointRequest((LeaseCheckpoint(1, 700),))


def test_a_lease_that_is_renewed_has_no_checkpoint() -> None:
    member = Member(LONG)
    assert member.leases.tick(CHECKPOINT_INTERVAL_MS) == [Propose(DUE, 1)]
    assert member.ask(now_ms=CHECKPOINT_INTERVAL_MS) == []
    assert member.apply(DUE, CHECKPOINT_INTERVAL_MS) == [Propose(cleared(1), 1)]
    assert member.apply(cleared(1), CHECKPOINT_INTERVAL_MS) == [ReadIndex(7)]
    assert member.confirm(CHECKPOINT_INTERVAL_MS) == [Answer(7, LeaseKeepAliveResponse(HEADER, 1, 1000))]


def test_a_lease_that_is_about_to_be_renewed_is_not_checkpointed() -> None:
    member = Member(LONG)
    assert member.ask() == [ReadIndex(7)]
    assert member.leases.tick(CHECKPOINT_INTERVAL_MS) == []
    member.leases.follow()
    member.leases.lead(2)
    member.apply(None, 0, term=2)
    assert member.leases.tick(CHECKPOINT_INTERVAL_MS) == [Propose(DUE, 2)]


# ---- state


def test_the_whole_state_is_exported() -> None:
    member = Member(LONG, LeaseGrantRequest(10, 2))
    member.leases.ask(8, LeaseKeepAliveRequest(1), 0)
    member.leases.ask(7, LeaseKeepAliveRequest(2), 0)
    member.leases.tick(10 * SECOND)
    member.confirm(10 * SECOND, EXPIRY)
    state = member.leases.export()
    assert (state.revoking, [context for context, _ in state.waiting]) == ((2,), [7, 8])
    again = Leases(member.server, state=state)
    assert again.export() == state
    assert again.confirmed(8, member.index, 10 * SECOND) == [Answer(8, LeaseKeepAliveResponse(HEADER, 1, 1000))]
    assert again.export() != state


# ---- mistakes

LATE = 10 * SECOND


def revoked_unasked(**faults: bool) -> bool:
    """A leader that finds a lease expired proposes to revoke it, and asks nobody."""
    return Member(GRANT, **faults).leases.tick(LATE) == [Propose(REVOKE, NO_TERM)]


def revoked_in_any_term(**faults: bool) -> bool:
    """It does so when it was confirmed, and the proposal may be appended by anybody."""
    member = Member(GRANT, **faults)
    return member.leases.tick(LATE) == [ReadIndex(EXPIRY)] and member.confirm(LATE, EXPIRY) == [Propose(REVOKE, NO_TERM)]


def renewed_unasked(**faults: bool) -> bool:
    return Member(GRANT, **faults).ask() == [RENEWED]


def renewed_unapplied(**faults: bool) -> bool:
    member = Member(GRANT, **faults)
    return member.ask() == [ReadIndex(7)] and member.leases.confirmed(7, member.index + 1, 0) == [RENEWED]


def renewed_expired(**faults: bool) -> bool:
    member = Member(GRANT, **faults)
    return member.ask() == [ReadIndex(7)] and member.confirm(LATE) == [RENEWED]


def renewed_with_checkpoint(**faults: bool) -> bool:
    return Member(LONG, DUE, **faults).ask() == [ReadIndex(7)]


def renewed_before_checkpoint(**faults: bool) -> bool:
    member = Member(LONG, **faults)
    member.leases.tick(CHECKPOINT_INTERVAL_MS)
    return member.ask() == [ReadIndex(7)]


MISTAKES = {
    "stale_leader_revokes": revoked_unasked,
    "revocation_is_forwarded": revoked_in_any_term,
    "stale_leader_renews": renewed_unasked,
    "answered_before_applied": renewed_unapplied,
    "expired_is_renewed": renewed_expired,
    "checkpoint_is_not_cleared": renewed_with_checkpoint,
    "checkpointed_while_renewed": renewed_before_checkpoint,
}


@pytest.mark.parametrize("fault", MISTAKES)
def test_a_mistake_shows_and_only_with_its_switch(fault: str) -> None:
    assert MISTAKES[fault](**{fault: True})
    assert not MISTAKES[fault]()


# ---- over Raft


@pytest.mark.parametrize("on", [False, True])
def test_stale_leader_renews_over_raft(on: bool) -> None:
    """A leader that is cut off answers no keepalive, until it hears of the new one and sends the request there."""
    cluster = Cluster(3, options(ServerOptions(faults=Faults(stale_leader_renews=on)), check_quorum=False))
    cluster.ask(1, GRANT)
    cluster.cut(1)
    cluster.members[2].node.campaign()
    cluster.settle()
    asked = cluster.begin(1, KEEP_ALIVE)
    assert (asked in cluster.answers) is on
    cluster.join()
    cluster.ticks(2)
    answer = cluster.answers[asked]
    assert isinstance(answer, LeaseKeepAliveResponse)
    assert answer.ttl == 10
