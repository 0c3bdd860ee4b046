"""Local states and messages for people."""

from __future__ import annotations

from dataclasses import dataclass

from kubeproof.conformance.bindings.election.candidate import Call, Candidate, Write
from kubeproof.conformance.bindings.election.lease import Lease, Resource
from kubeproof.conformance.bindings.election.versions import CURRENT
from kubeproof.impl.election import Answer, ElectorState, LeaderElectionRecord, Phase, Request

_PHASES = {
    Phase.IDLE: "not started",
    Phase.ACQUIRE: "asks for the lease",
    Phase.ACQUIRE_WAIT: "waits for the lease",
    Phase.RENEW: "renews",
    Phase.RENEW_RETRY: "is to renew again",
    Phase.RENEW_WAIT: "has renewed",
    Phase.DRAIN: "drains",
    Phase.RELEASE: "gives back the lease",
    Phase.STOPPED: "stopped",
}


@dataclass(frozen=True, slots=True)
class Describe:
    """Gives a short line for a local state or a message. `relative` tells how versions count (versions.py)."""

    relative: bool = True

    def __call__(self, value: object) -> str:
        if isinstance(value, Candidate):
            return self._candidate(value)
        if isinstance(value, Lease):
            stored = value.stored
            robbed = ", taken from its holder" if value.robbed else ""
            return "no lease" if stored.record is None else self._lease(stored.resource_version, stored.record) + robbed
        if isinstance(value, Resource):
            late = ", then by a former leader" if value.disordered else ""
            return f"written with token {value.fence.highest_token}{late}"
        if isinstance(value, Call):
            return _request(value.request) + ("" if value.awaited else ", given up")
        if isinstance(value, Answer):
            return f"{value.outcome.value} to {value.identity}"
        if isinstance(value, Write):
            return f"write with token {value.token}"
        return "the lease was written"

    def _candidate(self, state: Candidate) -> str:
        elector = state.elector
        parts = [_PHASES[elector.phase] + _timers(elector)]
        if elector.guarded:
            parts.insert(0, "leads")
        elif elector.working:
            parts.insert(0, f"still works (for {state.drained})")
        if state.paused:
            parts.insert(0, "paused")
        if elector.request is not None:
            parts.append(f"{elector.request.verb.value} {'under way' if state.answer is None else 'answered'}")
        if elector.observed_record.lease_duration:
            lease = self._lease(elector.resource_version, elector.observed_record)
            parts.append(f"remembers {lease}, age {elector.observed_age}")
        parts += [f"given up: {each}" for each in sorted(map(_request, state.late))]
        return ", ".join(parts)

    def _lease(self, version: int, record: LeaderElectionRecord) -> str:
        holder = record.holder_identity or "nobody"
        if self.relative:
            return f"{'' if version == CURRENT else 'old '}lease of {holder}"
        return f"lease v{version} of {holder}"


def _timers(elector: ElectorState) -> str:
    if elector.phase in (Phase.ACQUIRE_WAIT, Phase.RENEW_WAIT):
        return f" ({elector.waited} ago)"
    if elector.phase in (Phase.RENEW, Phase.RENEW_RETRY, Phase.RELEASE):
        return f" ({elector.deadline_left} left)"
    return ""


def _request(request: Request) -> str:
    record = "" if request.record is None else f" to {request.record.holder_identity or 'nobody'}"
    return f"{request.verb.value}{record} by {request.identity}"
