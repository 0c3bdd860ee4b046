"""The Lease is a compare-and-swap register; a fence refuses the tokens of former leaders."""

from __future__ import annotations

from kubeproof.impl.election import (
    NO_LEASE,
    Answer,
    Faults,
    FenceState,
    LeaderElectionRecord,
    LeaseEvent,
    LeaseState,
    Outcome,
    Request,
    Verb,
    fenced_write,
    lease_step,
)

A = LeaderElectionRecord("a", 5)
B = LeaderElectionRecord("b", 5)
HELD = LeaseState(A, 7)


def call(
    state: LeaseState, verb: Verb, record: LeaderElectionRecord | None = None, version: int = 0
) -> tuple[LeaseState, Answer]:
    stepped = lease_step(state, Request("b", 3, verb, record, version))
    assert stepped is not None
    after, (answer,) = stepped
    assert (answer.identity, answer.request_id) == ("b", 3)
    return after, answer


def test_get_of_a_lease_that_is_not_there() -> None:
    assert call(NO_LEASE, Verb.GET) == (NO_LEASE, Answer("b", 3, Outcome.NOT_FOUND))


def test_get_reads_record_and_version() -> None:
    assert call(HELD, Verb.GET) == (HELD, Answer("b", 3, Outcome.OK, A, 7))


def test_create_makes_the_first_version() -> None:
    assert call(NO_LEASE, Verb.CREATE, B) == (LeaseState(B, 1), Answer("b", 3, Outcome.OK, B, 1))


def test_create_of_a_lease_that_is_there() -> None:
    assert call(HELD, Verb.CREATE, B) == (HELD, Answer("b", 3, Outcome.ALREADY_EXISTS))


def test_update_of_the_current_version() -> None:
    assert call(HELD, Verb.UPDATE, B, 7) == (LeaseState(B, 8), Answer("b", 3, Outcome.OK, B, 8))


def test_update_of_another_version_is_a_conflict() -> None:
    assert call(HELD, Verb.UPDATE, B, 6) == (HELD, Answer("b", 3, Outcome.CONFLICT))


def test_update_without_a_version_is_refused() -> None:
    assert call(HELD, Verb.UPDATE, B) == (HELD, Answer("b", 3, Outcome.INVALID))


def test_update_of_a_lease_that_is_not_there() -> None:
    assert call(NO_LEASE, Verb.UPDATE, B, 1) == (NO_LEASE, Answer("b", 3, Outcome.NOT_FOUND))


def test_update_without_a_version_is_taken_under_the_fault() -> None:
    stepped = lease_step(HELD, Request("b", 0, Verb.UPDATE, B), Faults(update_without_resource_version=True))
    assert stepped is not None
    assert stepped[0] == LeaseState(B, 8)


def test_a_version_is_not_used_again_after_a_deletion() -> None:
    stepped = lease_step(HELD, LeaseEvent.DELETE)
    assert stepped is not None
    deleted, answers = stepped
    assert answers == ()
    assert call(deleted, Verb.CREATE, B)[0] == LeaseState(B, 8)


def test_nothing_can_be_deleted_twice() -> None:
    assert lease_step(NO_LEASE, LeaseEvent.DELETE) is None


def test_a_fence_refuses_lower_tokens() -> None:
    fence = fenced_write(FenceState(), 4)
    assert fence == FenceState(4)
    assert fenced_write(fence, 4) == FenceState(4)
    assert fenced_write(fence, 9) == FenceState(9)
    assert fenced_write(fence, 3) is None
