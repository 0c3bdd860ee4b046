"""Giving the lease back when Run ends: client-go's release and tryRelease, cut where they wait for the API server."""

from __future__ import annotations

from kubeproof.impl.election.attempt import end_request, send
from kubeproof.impl.election.options import Options
from kubeproof.impl.election.record import NO_IDENTITY, NO_VERSION, Answer, LeaderElectionRecord, Outcome, Verb
from kubeproof.impl.election.state import ElectorState, Phase, is_leader

RELEASED_LEASE_DURATION = 1
"""The duration of a released lease, in ticks (client-go: a second). Nobody waits for it, as the record names no holder."""


def begin(identity: str, options: Options, state: ElectorState) -> ElectorState:
    """Send the first request; without one (`request` is None) the release has ended already."""
    state = state._replace(phase=Phase.RELEASE, deadline_left=options.renew_deadline, retry_ready=False, waited=0)
    if options.release_gets_first:
        return send(identity, options, state, Verb.GET)
    return _clear(identity, options, state, state.observed_record)


def go_on(identity: str, options: Options, state: ElectorState, answer: Answer | None) -> ElectorState:
    """Take the answer to the request in flight, None if there is none; without a new request the release has ended."""
    request = state.request
    assert request is not None
    state = end_request(state, answered=answer is not None)
    if answer is None:
        return state
    if request.verb is Verb.GET:
        if answer.outcome is not Outcome.OK or answer.record is None:
            return state
        # The version is remembered but the record is not observed: what follows asks the old observation who the holder is,
        # and overwrites the new one.
        state = state._replace(resource_version=answer.resource_version)
        if options.release_only_own and answer.record.holder_identity != identity:
            return state
        return _clear(identity, options, state, answer.record)
    if answer.outcome is Outcome.OK and request.record is not None:
        return state._replace(observed_record=request.record, observed_age=0, resource_version=answer.resource_version)
    if answer.outcome is Outcome.CONFLICT and options.release_gets_first and state.deadline_left > 0:
        # perhaps one's own renewal, which was applied although its answer did not come
        return send(identity, options, state, Verb.GET)
    return state


def _clear(identity: str, options: Options, state: ElectorState, record: LeaderElectionRecord) -> ElectorState:
    """Write a record without a holder over `record`, if one believes to be the holder."""
    if not is_leader(state, identity) or state.resource_version == NO_VERSION or state.deadline_left == 0:
        return state
    now = state.wall_time
    released = LeaderElectionRecord(NO_IDENTITY, RELEASED_LEASE_DURATION, now, now, record.leader_transitions)
    return send(identity, options, state, Verb.UPDATE, released, state.resource_version)
