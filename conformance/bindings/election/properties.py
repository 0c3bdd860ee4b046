"""What must hold of an election, on the local states of its components."""

from __future__ import annotations

from kubeproof.conformance.bindings.election.candidate import CANCELS, CRASHES, FAILURES, PAUSES, Candidate
from kubeproof.conformance.bindings.election.lease import Lease, Resource
from kubeproof.conformance.explore.system import Eventually, Local, Property, Recoverable
from kubeproof.impl.election import Phase, guarded_leader, works
from kubeproof.impl.election.record import NO_IDENTITY


def guarded(state: Local) -> bool:
    """A candidate that acts as leader."""
    return isinstance(state, Candidate) and guarded_leader(state.elector)


def working(state: Local) -> bool:
    """A candidate whose guarded work runs."""
    return isinstance(state, Candidate) and works(state.elector)


def runs(state: Local) -> bool:
    """A candidate whose Run has been called and has not returned."""
    return isinstance(state, Candidate) and state.elector.phase not in (Phase.IDLE, Phase.STOPPED)


def tries_to_release(state: Local) -> bool:
    """No leader has left without a try to give back the lease."""
    return not (isinstance(state, Candidate) and state.left)


def not_robbed(state: Local) -> bool:
    """Whoever has emptied the record was its holder."""
    return not (isinstance(state, Lease) and state.robbed)


def not_miscounted(state: Local) -> bool:
    """Transitions are counted as they are."""
    return not (isinstance(state, Lease) and state.miscounted)


def in_order(state: Local) -> bool:
    """No former leader has written."""
    return not (isinstance(state, Resource) and state.disordered)


# ---- witnesses


def somebody_leads(*states: Local) -> bool:
    """A candidate acts as leader."""
    return any(map(guarded, states))


def failed_over(candidate: Local, lease: Local) -> bool:
    """A candidate leads that has taken the lease from another."""
    return guarded(candidate) and isinstance(lease, Lease) and lease.taken_over


def emptied(state: Local) -> bool:
    """The Lease is there and has no holder."""
    return isinstance(state, Lease) and state.stored.record is not None and state.stored.record.holder_identity == NO_IDENTITY


def applied_unanswered(candidate: Local, lease: Local) -> bool:
    """A leader reads the lease again, and will find that its own renewal was applied."""
    if not isinstance(candidate, Candidate) or not _holds(candidate, lease):
        return False
    assert isinstance(lease, Lease)
    elector = candidate.elector
    reads = elector.phase is Phase.RENEW and elector.draft is not None and candidate.answer is None
    return reads and elector.resource_version != lease.stored.resource_version


def _holds(candidate: Candidate, lease: Local) -> bool:
    """Whether the lease is its own, and it leads."""
    if not isinstance(lease, Lease) or lease.stored.record is None or not candidate.elector.guarded:
        return False
    return lease.stored.record.holder_identity == candidate.elector.observed_record.holder_identity


# ---- recovery


def is_to_renew(candidate: Local, lease: Local, *_: Local) -> bool:
    """Of one candidate: it leads, the lease is its own, and it may try to renew it now."""
    if not isinstance(candidate, Candidate) or not _holds(candidate, lease):
        return False
    elector = candidate.elector
    return elector.phase is Phase.RENEW_WAIT or elector.retry_ready


def has_renewed(candidate: Local, *_: Local) -> bool:
    """Of one candidate: it leads and has just renewed."""
    return (
        guarded(candidate)
        and isinstance(candidate, Candidate)
        and candidate.elector.phase is Phase.RENEW_WAIT
        and not candidate.elector.waited
    )


ONE_GUARDED_LEADER = Property(
    "one_guarded_leader",
    "At most one candidate has been told to lead and not to stop.",
    lambda one, other: not (guarded(one) and guarded(other)),
    2,
)
ONE_WORKING_LEADER = Property(
    "one_working_leader",
    "The guarded work of at most one candidate runs.",
    lambda one, other: not (working(one) and working(other)),
    2,
)
RELEASE_ONLY_OWN = Property("release_only_own", "Who empties the record was its holder.", not_robbed)
RELEASE_IS_TRIED = Property("release_is_tried", "A holder that stops tries to give back the lease.", tries_to_release)
TRANSITIONS = Property(
    "transitions_counted", "A write counts one transition if it makes another the holder, and else none.", not_miscounted
)
WRITES_IN_ORDER = Property(
    "no_write_of_a_former_leader", "No write of a former leader is taken after one of a later leader.", in_order
)

ALWAYS = (RELEASE_IS_TRIED, TRANSITIONS, WRITES_IN_ORDER)

A_LEADER = Property("a_leader", "Somebody leads.", guarded)
A_FAILOVER = Property("a_failover", "Somebody leads who has taken the lease from another.", failed_over, 2)
A_RELEASE = Property("a_release", "The lease is given back.", emptied)
AN_AMBIGUOUS_RENEWAL = Property(
    "an_ambiguous_renewal", "A leader reads the lease after a renewal that was applied but not answered.", applied_unanswered, 2
)

BUDGETS = (CRASHES, CANCELS, FAILURES, PAUSES)
LEADER_AGAIN = Recoverable("leader_again", "Somebody can lead again.", goal=somebody_leads, without=BUDGETS)
CAN_RENEW = Recoverable(
    "can_renew", "A leader that still holds the lease can renew it.", goal=has_renewed, when=is_to_renew, without=BUDGETS
)
LED_IN_THE_END = Eventually(
    "led_in_the_end",
    "As long as there is a candidate, somebody leads in the end.",
    goal=lambda *states: somebody_leads(*states) or not any(map(runs, states)),
)
