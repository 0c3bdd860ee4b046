"""The names of the branches that a step takes, for coverage."""

from __future__ import annotations

from collections.abc import Iterator

from kubeproof.impl.election import Answer, ElectorState, LeaderElectionRecord, Outcome, Phase, Request, Signal, Verb
from kubeproof.impl.election.record import NO_IDENTITY

_RENEWING = (Phase.RENEW, Phase.RENEW_RETRY, Phase.RENEW_WAIT)

SIGNAL_LABELS = {
    Signal.START: "started",
    Signal.CANCEL: "cancelled",
    Signal.RETRY: "retried",
    Signal.DEADLINE_EXCEEDED: "deadline exceeded",
    Signal.REQUEST_FAILED: "request failed",
    Signal.WORK_RETURNED: "work returned",
    Signal.CRASH: "crashed",
}
ACQUIRED, RENEWED, LOST, CONFLICT = "acquired", "renewed", "lost", "conflict"
LEFT_TO_HOLDER, FELL_BACK, DRAINS = "left to its holder", "fell back from the fast path", "drains"
READ, CREATED, HELD_ON = "lease read", "lease created", "lease renewed"
TAKEN_OVER, REFUSED = "lease taken over", "request refused"
LABELS = (ACQUIRED, RENEWED, LOST, CONFLICT, LEFT_TO_HOLDER, FELL_BACK, READ, CREATED, HELD_ON, TAKEN_OVER, REFUSED)

RELEASED, EMPTIED, TAKEN = "released", "lease emptied", "free lease taken"
RELEASE_LABELS = (RELEASED, EMPTIED, TAKEN)

WRITTEN, FENCED_OFF = "resource written", "fenced off"
RESOURCE_LABELS = (WRITTEN, FENCED_OFF)


def elector_labels(before: ElectorState, event: Signal | Answer, after: ElectorState) -> Iterator[str]:
    """What has become of an elector by an event."""
    if isinstance(event, Signal):
        yield SIGNAL_LABELS[event]
    elif event.outcome is Outcome.CONFLICT:
        yield CONFLICT
    if before.fast_path and after.draft is not None:
        yield FELL_BACK
    if before.phase is Phase.ACQUIRE and after.phase is Phase.ACQUIRE_WAIT and after.observed_record.holder_identity:
        yield LEFT_TO_HOLDER
    if before.phase is Phase.ACQUIRE and after.phase is Phase.RENEW:
        yield ACQUIRED
    if before.phase is Phase.RENEW and after.phase is Phase.RENEW_WAIT and event is not Signal.DEADLINE_EXCEEDED:
        yield RENEWED
    if before.phase in _RENEWING and after.phase not in _RENEWING and event not in (Signal.CANCEL, Signal.CRASH):
        yield LOST
    if before.phase is not Phase.DRAIN and after.phase is Phase.DRAIN:
        yield DRAINS
    if isinstance(event, Answer) and _is_release(before.request) and event.outcome is Outcome.OK:
        yield RELEASED


def lease_label(old: LeaderElectionRecord | None, request: Request, outcome: Outcome) -> str:
    """What a request has done to the Lease."""
    if request.verb is Verb.GET:
        return READ
    if outcome is not Outcome.OK:
        return REFUSED
    if old is None:
        return CREATED
    if _is_release(request):
        return EMPTIED
    if old.holder_identity == NO_IDENTITY:
        return TAKEN
    return HELD_ON if request.identity == old.holder_identity else TAKEN_OVER


def _is_release(request: Request | None) -> bool:
    return request is not None and request.record is not None and request.record.holder_identity == NO_IDENTITY
