"""What must hold of leases, on the local states of components. The names are those of models/lease.py."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from kubeproof.conformance.bindings.election.lease import Resource
from kubeproof.conformance.bindings.lease.client import KEEPALIVES, REVOCATIONS, Client, End, Keepalive, Result
from kubeproof.conformance.bindings.lease.log import Log, history_of
from kubeproof.conformance.bindings.lease.member import CRASHES, TERMS, Member
from kubeproof.conformance.explore.system import Local, Property, Recoverable
from kubeproof.impl.store.records import is_tombstone

TICKS = "ticks"


@dataclass(frozen=True, slots=True)
class Lives:
    """How long a lease lives for sure: `ttl` ticks of a clock that runs at most `clock_ratio` times as fast as real time."""

    ttl: int
    clock_ratio: int

    def outlived(self, since: int | None) -> bool:
        """Whether its time is over, `since` something."""
        return since is not None and self.ttl <= self.clock_ratio * since

    def since_granted(self, state: Local) -> bool:
        """Who was revoked as expired had its time since it was granted."""
        return not isinstance(state, Client) or state.end is not End.EXPIRED or self.outlived(state.since_granted)

    def since_ensured(self, state: Local) -> bool:
        """... and since the leader was confirmed that has answered a keepalive."""
        if not isinstance(state, Client) or state.end is not End.EXPIRED:
            return True
        return all(self.outlived(each.since_ensured) for each in state.keepalives if each.result is Result.RENEWED)


def revoked_when_expired(state: Local) -> bool:
    """No lease was revoked as expired that was not so at the current leader."""
    return not isinstance(state, Log) or not state.unexpired


def _answers(state: Local, result: Result) -> list[Keepalive]:
    return [each for each in state.keepalives if each.result is result] if isinstance(state, Client) else []


def not_renewed_when_revoked(state: Local) -> bool:
    """Nobody was answered a time to live whose lease was revoked when the leader was confirmed."""
    return not any(each.was_revoked for each in _answers(state, Result.RENEWED))


def found_if_there(state: Local) -> bool:
    """What is not found was revoked, or not granted when the leader was confirmed."""
    missed = any(each.was_granted for each in _answers(state, Result.NOT_FOUND))
    return not missed or not isinstance(state, Client) or state.end is not End.LIVES


def has_leases_of_log(state: Local) -> bool:
    """A member's leases are those that its entries have granted and not revoked, with what checkpoints have left them."""
    if not isinstance(state, Member):
        return True
    made = sorted(history_of(state.entries[: state.applied]).leases)
    return made == [(each.id, each.ttl, each.remaining_ttl) for each in state.server.leases]


def keys_have_leases(state: Local) -> bool:
    """Every key that was put with a lease goes with one that lives."""
    if not isinstance(state, Member):
        return True
    latest = {record.key: record for _, record in state.server.written.key}
    lives = {each.id for each in state.server.leases}
    return all(is_tombstone(each) or not each.lease or each.lease in lives for each in latest.values())


def one_owner(*states: Local) -> bool:
    """At most one lease that lives has taken the lock."""
    owners = [each for each in states if isinstance(each, Client) and each.token and each.end is End.LIVES]
    return len(owners) <= 1


def in_order(state: Local) -> bool:
    """No former owner of the lock has written."""
    return not (isinstance(state, Resource) and state.disordered)


# ---- witnesses


def expired(state: Local) -> bool:
    """A lease was revoked as expired."""
    return isinstance(state, Client) and state.end is End.EXPIRED


def renewed(state: Local) -> bool:
    """A keepalive was answered a time to live."""
    return bool(_answers(state, Result.RENEWED))


def not_found(state: Local) -> bool:
    """A keepalive was answered that there is no such lease, and there has been one."""
    return any(each.was_granted for each in _answers(state, Result.NOT_FOUND))


def two_lead(one: Local, other: Local) -> bool:
    """Two members keep the time: one does not know yet that it was deposed."""
    return isinstance(one, Member) and isinstance(other, Member) and one.server.is_primary and other.server.is_primary


def checkpointed(state: Local) -> bool:
    """A primary keeps the time of a lease that has a checkpoint."""
    return isinstance(state, Member) and state.server.is_primary and any(each.remaining_ttl for each in state.server.leases)


def cleared(state: Local) -> bool:
    """A lease had a checkpoint, and has none any more."""
    if not isinstance(state, Log):
        return False
    left = [history_of(state.entries[:place]).leases for place in range(len(state.entries) + 1)]
    return any(any(was[2] for was in before) and after and not after[0][2] for before, after in pairwise(left))


def replays(state: Local) -> bool:
    """A member that was a leader has entries to apply again."""
    return isinstance(state, Member) and not state.is_replayed and any(each.request is not None for each in state.entries)


def both_work(one: Local, other: Local) -> bool:
    """A client does not notice that its lease has expired and works on, while another has the lock."""
    return isinstance(one, Client) and isinstance(other, Client) and one.works and other.works


def always(lives: Lives) -> dict[str, Property]:
    """All by their ids."""
    properties = (
        Property(
            "revoked_only_if_expired", "What is revoked as expired is so at the leader of the newest term.", revoked_when_expired
        ),
        Property("granted_lives_for_ttl", "A lease that has expired had its time since it was granted.", lives.since_granted),
        Property(
            "keepalive_is_honest", "Who is answered a time to live has it since the leader was confirmed.", lives.since_ensured
        ),
        Property(
            "no_renew_after_revoke",
            "Who asks after the lease was revoked is not answered a time to live.",
            not_renewed_when_revoked,
        ),
        Property(
            "not_found_is_honest", "What is not found was revoked, or not granted when the leader was confirmed.", found_if_there
        ),
        Property("leases_are_of_log", "A member's leases are those that the applied entries have left.", has_leases_of_log),
        Property("keys_go_with_leases", "No key outlives its lease.", keys_have_leases),
        Property("one_living_owner", "At most one lease that lives has the lock.", one_owner, None),
        Property("no_write_of_a_former_owner", "No write of a former owner is taken after one of a later owner.", in_order),
    )
    return {each.id: each for each in properties}


# ---- recovery


def nobody_waits(*states: Local) -> bool:
    """Every request that a member has got is answered, or sent elsewhere."""
    return not any(isinstance(each, Member) and each.leases.waiting for each in states)


def nothing_is_expired(*states: Local) -> bool:
    """What was expired at a member that keeps the time is revoked, or that one keeps it no more."""
    members = [each for each in states if isinstance(each, Member)]
    return all(each.expires_in_ms is None or each.expires_in_ms > 0 for state in members for each in state.server.leases)


BUDGETS = (TERMS, CRASHES, KEEPALIVES, REVOCATIONS, TICKS)
CAN_ANSWER = Recoverable("can_answer", "Whoever waits at a member can be answered.", goal=nobody_waits, without=BUDGETS)
CAN_REVOKE = Recoverable("can_revoke", "What is expired can be revoked.", goal=nothing_is_expired, without=BUDGETS)

AN_EXPIRY = Property("an_expiry", "A lease expires, and is revoked.", expired)
A_RENEWAL = Property("a_renewal", "A keepalive is answered a time to live.", renewed)
NOTHING_FOUND = Property("nothing_found", "A keepalive is told that its lease is gone.", not_found)
TWO_PRIMARIES = Property("two_primaries", "A deposed leader keeps the time beside the new one.", two_lead, 2)
A_CHECKPOINT = Property("a_checkpoint", "A lease has a checkpoint.", checkpointed)
A_CLEARED_CHECKPOINT = Property("a_cleared_checkpoint", "A checkpoint is cleared for a renewal.", cleared)
A_REPLAY = Property("a_replay", "A member that has restarted has entries to apply again.", replays)
TWO_AT_WORK = Property("two_at_work", "A client works on without its lease, while another has the lock.", both_work, 2)
