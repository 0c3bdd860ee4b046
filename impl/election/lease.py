"""The Lease object as a component: a compare-and-swap register; and a resource that is guarded by fencing tokens."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from kubeproof.impl.election.faults import NO_FAULTS, Faults
from kubeproof.impl.election.record import NO_VERSION, Answer, LeaderElectionRecord, Outcome, Request, Verb


class LeaseState(NamedTuple):
    """The stored Lease, None where there is none, and the version of the last write, which survives a deletion.

    Versions grow by one with every write, so a bound on writes bounds the states. They are compared only for equality.
    """

    record: LeaderElectionRecord | None = None
    resource_version: int = NO_VERSION


NO_LEASE = LeaseState()


class LeaseEvent(Enum):
    """What happens to a Lease without an elector."""

    DELETE = "lease_delete"


def step(
    state: LeaseState, event: Request | LeaseEvent, faults: Faults = NO_FAULTS
) -> tuple[LeaseState, tuple[Answer, ...]] | None:
    """Serve one request, atomically; None where an event is not enabled. Every accepted write makes a new version.

    (The API server makes none for a write that changes nothing, but a renewal changes the renew time.)
    """
    if isinstance(event, LeaseEvent):
        return None if state.record is None else (LeaseState(None, state.resource_version), ())
    if event.verb is Verb.GET:
        outcome = Outcome.NOT_FOUND if state.record is None else Outcome.OK
    elif event.verb is Verb.CREATE:
        outcome = Outcome.OK if state.record is None else Outcome.ALREADY_EXISTS
    else:
        outcome = _judge_update(state, event.resource_version, faults)
    if outcome is not Outcome.OK:
        return state, (Answer(event.identity, event.request_id, outcome),)
    if event.verb is not Verb.GET:
        state = LeaseState(event.record, state.resource_version + 1)
    return state, (Answer(event.identity, event.request_id, outcome, state.record, state.resource_version),)


def _judge_update(state: LeaseState, resource_version: int, faults: Faults) -> Outcome:
    if state.record is None:
        return Outcome.NOT_FOUND
    if resource_version == NO_VERSION:
        # a Lease takes no unconditional update: metadata.resourceVersion must be specified
        return Outcome.OK if faults.update_without_resource_version else Outcome.INVALID
    return Outcome.OK if resource_version == state.resource_version else Outcome.CONFLICT


class FenceState(NamedTuple):
    """A resource that remembers the highest fencing token with which it was written."""

    highest_token: int = NO_VERSION


def fenced_write(state: FenceState, fencing_token: int) -> FenceState | None:
    """Take a write with a leader's token, or refuse it (None) because a later leader has written already.

    The token is the version of the write by which the leader took the lease, so a later leader has a higher one. Kubernetes
    has nothing of the kind: its API server takes the writes of a former leader.
    """
    return None if fencing_token < state.highest_token else FenceState(fencing_token)
