"""The Lease and the resource that leaders write, as components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kubeproof.conformance.bindings.election.candidate import Call, Write, Written
from kubeproof.conformance.bindings.election.labels import FENCED_OFF, WRITTEN, lease_label
from kubeproof.conformance.bindings.election.versions import CURRENT, uncounted
from kubeproof.conformance.explore.system import Message, Step
from kubeproof.impl.election import (
    NO_LEASE,
    Faults,
    FenceState,
    LeaderElectionRecord,
    LeaseState,
    Outcome,
    Request,
    Verb,
    fenced_write,
    lease_step,
)
from kubeproof.impl.election.record import EMPTY_RECORD, NO_IDENTITY, NO_VERSION


class Lease(NamedTuple):
    """What is stored, and what should never have happened to it."""

    stored: LeaseState = NO_LEASE
    taken_over: bool = False
    """The last write has taken it from another holder."""
    robbed: bool = False
    """Somebody has emptied the record of another."""
    miscounted: bool = False
    """A write has counted a transition that was none, or none where there was one."""


@dataclass(frozen=True, slots=True)
class LeaseComponent:
    """The API server with the Lease, for so many candidates. `writes` bounds those that it takes, 0 is any number."""

    candidates: int
    writes: int
    faults: Faults

    def receive(self, state: Lease, call: Call, caller: int) -> Step | None:
        """Serve a request, and tell everybody if there is a new version."""
        request, before = call.request, state.stored
        served = lease_step(before, request, self.faults)
        assert served is not None
        stored, (answer,) = served
        told: tuple[Message, ...] = ()
        if request.verb is not Verb.GET and answer.outcome is Outcome.OK:
            if 0 < self.writes < stored.resource_version:
                return None
            stored = self._canonical(stored)
            answer = answer._replace(record=stored.record, resource_version=stored.resource_version)
            if not self.writes:
                told = tuple(Message(each, Written(), synchronous=True) for each in range(self.candidates))
            old = before.record or EMPTY_RECORD
            robbed, miscounted = state.robbed or _robs(old, request), state.miscounted or _miscounts(old, request)
            state = Lease(stored, _takes_over(old, request), robbed, miscounted)
        if call.awaited:
            told += (Message(caller, answer, synchronous=True),)
        return Step(state, told, (lease_label(before.record, request, answer.outcome),))

    def _canonical(self, stored: LeaseState) -> LeaseState:
        assert stored.record is not None
        return LeaseState(uncounted(stored.record), stored.resource_version if self.writes else CURRENT)


def _takes_over(old: LeaderElectionRecord, request: Request) -> bool:
    assert request.record is not None
    return NO_IDENTITY not in (holders := (old.holder_identity, request.record.holder_identity)) and holders[0] != holders[1]


def _robs(old: LeaderElectionRecord, request: Request) -> bool:
    assert request.record is not None
    return request.record.holder_identity == NO_IDENTITY and old.holder_identity not in (NO_IDENTITY, request.identity)


def _miscounts(old: LeaderElectionRecord, request: Request) -> bool:
    """The first holder is no transition, nor is who holds it already, nor nobody.

    An update that does not say which version it replaces cannot count, either.
    """
    assert request.record is not None
    if request.verb is Verb.UPDATE and request.resource_version == NO_VERSION:
        return False
    holder = request.record.holder_identity
    transitions = request.verb is Verb.UPDATE and holder not in (NO_IDENTITY, old.holder_identity)
    return request.record.leader_transitions != transitions


class Resource(NamedTuple):
    """What the guarded work writes."""

    fence: FenceState = FenceState()
    disordered: bool = False
    """It was written by a former leader after a later one."""


@dataclass(frozen=True, slots=True)
class ResourceComponent:
    """Takes writes: all, or with `fencing` those that are not older than the newest."""

    fencing: bool

    def receive(self, state: Resource, write: Write) -> Step:
        """Take a write, or refuse it."""
        fence = fenced_write(state.fence, write.token)
        if fence is not None:
            return Step(state._replace(fence=fence), labels=(WRITTEN,))
        if self.fencing:
            return Step(state, labels=(FENCED_OFF,))
        return Step(state._replace(disordered=True), labels=(WRITTEN,))
