"""Resource versions and other numbers that grow, cut down to what matters: so that a long-lived cluster has few states.

Versions are only compared for equality, and always with the one that the Lease has at that moment, or had when it answered. So
the Lease always has the version CURRENT, and when it is written all that candidates remember or have under way of it becomes
STALE. (The versions that serve as fencing tokens are compared by size: there they are left as they are, and bounded.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubeproof.impl.election import Answer, ElectorState, LeaderElectionRecord, Request, Verb
from kubeproof.impl.election.record import NO_VERSION

STALE, OTHER_STALE, CURRENT = 1, 2, 3
"""OTHER_STALE is that of an answer under way which is not what the candidate has observed so far, but older than the Lease."""


def canonical(state: ElectorState) -> ElectorState:
    """Without what counts on for ever and decides nothing.

    Answers are delivered only to those who wait for them, so requests need no numbers. Of the transitions it only matters by how
    much a write changes them: they are counted from the record that is stored.
    """
    request = state.request
    if request is not None:
        request = request._replace(request_id=0, record=_counted_from(state.observed_record, request.record))
    return state._replace(
        request_id=0,
        request=request,
        observed_record=uncounted(state.observed_record),
        draft=None if state.draft is None else uncounted(state.draft),
    )


def _counted_from(old: LeaderElectionRecord, record: LeaderElectionRecord | None) -> LeaderElectionRecord | None:
    if record is None:
        return None
    return record._replace(leader_transitions=record.leader_transitions - old.leader_transitions)


def uncounted(record: LeaderElectionRecord) -> LeaderElectionRecord:
    """The record with its transitions counted from itself."""
    return record._replace(leader_transitions=0)


def settled(state: ElectorState) -> ElectorState:
    """An answer has been taken: all stale versions are alike now."""
    return _each_version(state, {OTHER_STALE: STALE})


def aged(state: ElectorState) -> ElectorState:
    """The Lease was written: what was its current version is no longer."""
    return _each_version(state, {CURRENT: STALE})


def _each_version(state: ElectorState, instead: Mapping[int, int]) -> ElectorState:
    request = state.request
    if request is not None:
        request = request._replace(resource_version=instead.get(request.resource_version, request.resource_version))
    return state._replace(
        request=request,
        observed_version=instead.get(state.observed_version, state.observed_version),
        resource_version=instead.get(state.resource_version, state.resource_version),
    )


def aged_answer(answer: Answer, observed_version: int) -> Answer:
    """The same for an answer under way to a candidate with this observed version."""
    if answer.resource_version != CURRENT:
        return answer
    return answer._replace(resource_version=STALE if observed_version == CURRENT else OTHER_STALE)


def can_still_be_applied(requests: Iterable[Request]) -> frozenset[Request]:
    """Which of the requests that were given up may change the Lease after it was written: updates without a version, a fault."""
    return frozenset(each for each in requests if each.verb is Verb.UPDATE and each.resource_version == NO_VERSION)
