"""One attempt to acquire or renew: client-go's tryAcquireOrRenew, cut where it waits for the API server.

The lease is judged by the time at which the attempt began, however long the answers take.
"""

from __future__ import annotations

from enum import Enum

from kubeproof.impl.election.options import Options
from kubeproof.impl.election.record import EMPTY_RECORD, NO_VERSION, Answer, LeaderElectionRecord, Outcome, Request, Verb
from kubeproof.impl.election.state import ElectorState, Phase, is_leader


class Verdict(Enum):
    """How an attempt stands: it waits for the answer to `ElectorState.request`, or it has ended."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


def send(
    identity: str,
    options: Options,
    state: ElectorState,
    verb: Verb,
    record: LeaderElectionRecord | None = None,
    resource_version: int = NO_VERSION,
) -> ElectorState:
    """Make a request the one in flight."""
    request = Request(identity, state.request_id, verb, record, resource_version)
    return state._replace(request=request, request_left=options.request_timeout)


def end_request(state: ElectorState, *, answered: bool) -> ElectorState:
    """Nothing is in flight. Only an unanswered request makes the next one another, as its answer may come yet."""
    request_id = state.request_id if answered else state.request_id + 1
    return state._replace(request=None, request_id=request_id, request_left=0, fast_path=False, draft=None, expired=False)


def begin(identity: str, options: Options, state: ElectorState) -> ElectorState:
    """Send the first request of an attempt: an update if the lease is one's own and valid (the fast path), else a get."""
    draft = LeaderElectionRecord(identity, options.lease_duration, state.wall_time, state.wall_time)
    expired = _has_expired(options, state)
    if options.fast_path and is_leader(state, identity) and not expired:
        observed = state.observed_record
        draft = draft._replace(acquire_time=observed.acquire_time, leader_transitions=observed.leader_transitions)
        # without a remembered Lease the update fails before it is sent
        if state.resource_version != NO_VERSION:
            return _send_update(identity, options, state, draft)._replace(fast_path=True)
    return _send_get(identity, options, state, draft, expired)


def go_on(identity: str, options: Options, state: ElectorState, answer: Answer | None) -> tuple[ElectorState, Verdict]:
    """Take the answer to the request in flight, None if there is none, and go on with the attempt."""
    request, fast_path, draft, expired = state.request, state.fast_path, state.draft, state.expired
    assert request is not None
    state = end_request(state, answered=answer is not None)
    if request.verb is Verb.GET:
        assert draft is not None
        return _decide(identity, options, state, answer, draft, expired)
    assert request.record is not None
    if answer is not None and answer.outcome is Outcome.OK:
        return _hold(identity, options, state, request.record, answer.resource_version), Verdict.SUCCEEDED
    if request.verb is Verb.CREATE:
        # the failed call replaces the remembered Lease by an empty one
        return state._replace(resource_version=NO_VERSION), Verdict.FAILED
    faults = options.faults
    if faults.unknown_outcome_taken_as_renewed and answer is None and state.guarded:
        return _hold(identity, options, state, request.record, state.resource_version), Verdict.SUCCEEDED
    if faults.failed_update_forgets_lease:
        state = state._replace(resource_version=NO_VERSION)
    if not fast_path or faults.fast_path_without_fallback or _context_has_ended(state):
        return state, Verdict.FAILED
    # what the fast path put into the record stays there, even if the lease turns out to be another's: a leader that re-acquires
    # keeps the old acquire time. It was valid when the attempt began, or there had been no fast path.
    return _send_get(identity, options, state, request.record, expired=False), Verdict.PENDING


def _decide(
    identity: str, options: Options, state: ElectorState, answer: Answer | None, draft: LeaderElectionRecord, expired: bool
) -> tuple[ElectorState, Verdict]:
    """Create the Lease, leave it to its holder, or take it, by what the get has brought."""
    if answer is None or answer.outcome not in (Outcome.OK, Outcome.NOT_FOUND):
        return state, Verdict.FAILED
    if answer.outcome is Outcome.NOT_FOUND:
        if _context_has_ended(state):
            return state, Verdict.FAILED
        return send(identity, options, state, Verb.CREATE, draft), Verdict.PENDING
    record = answer.record
    assert record is not None
    state, expired = _observe(options, state, record, answer.resource_version, draft.renew_time, expired)
    if record.holder_identity and not expired and not is_leader(state, identity):
        return state, Verdict.FAILED
    if _context_has_ended(state):
        return state, Verdict.FAILED
    if is_leader(state, identity):
        draft = draft._replace(acquire_time=record.acquire_time, leader_transitions=record.leader_transitions)
    else:
        draft = draft._replace(leader_transitions=record.leader_transitions + 1)
    return _send_update(identity, options, state, draft), Verdict.PENDING


def _observe(
    options: Options, state: ElectorState, record: LeaderElectionRecord, version: int, began: int | None, expired: bool
) -> tuple[ElectorState, bool]:
    """Remember what a get has brought. If it is new, it is observed from now on, and has not expired."""
    faults = options.faults
    first = state.observed_record == EMPTY_RECORD
    changed = version != state.observed_version
    if faults.renewals_not_observed and not first:
        changed = record.holder_identity != state.observed_record.holder_identity
    if changed:
        age = _age_by_renew_time(record, began) if first and faults.first_observation_by_renew_time else 0
        state, expired = state._replace(observed_age=age), age >= record.lease_duration
    if faults.expiry_by_renew_time:
        expired = _age_by_renew_time(record, began) >= record.lease_duration
    return state._replace(observed_record=record, observed_version=version, resource_version=version), expired


def _hold(identity: str, options: Options, state: ElectorState, record: LeaderElectionRecord, version: int) -> ElectorState:
    """The record was written: the lease is one's own."""
    token = state.fencing_token
    if options.fencing and not (state.guarded and is_leader(state, identity)):
        token = version
    return state._replace(observed_record=record, observed_age=0, resource_version=version, fencing_token=token)


def _has_expired(options: Options, state: ElectorState) -> bool:
    """Whether the observed record has expired by now."""
    faults = options.faults
    duration = options.lease_duration if faults.own_lease_duration_used else state.observed_record.lease_duration
    if faults.expiry_by_renew_time:
        return _age_by_renew_time(state.observed_record, state.wall_time) >= duration
    return state.observed_age >= duration


def _age_by_renew_time(record: LeaderElectionRecord, now: int | None) -> int:
    """How long ago another's clock says that the record was renewed, by one's own clock."""
    return 0 if record.renew_time is None or now is None else min(max(0, now - record.renew_time), record.lease_duration)


def _context_has_ended(state: ElectorState) -> bool:
    """Whether a request would fail before it is sent, as the renew deadline has passed."""
    return state.phase is Phase.RENEW and state.deadline_left == 0


def _send_get(identity: str, options: Options, state: ElectorState, draft: LeaderElectionRecord, expired: bool) -> ElectorState:
    return send(identity, options, state, Verb.GET)._replace(draft=draft, expired=expired)


def _send_update(identity: str, options: Options, state: ElectorState, record: LeaderElectionRecord) -> ElectorState:
    version = NO_VERSION if options.faults.update_without_resource_version else state.resource_version
    return send(identity, options, state, Verb.UPDATE, record, version)
