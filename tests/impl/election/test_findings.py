"""How two come to act as leader at once: with client-go as it is, by clocks and pauses, and what prevents it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from kubeproof.impl.election import FenceState, Options, Phase, Signal, fenced_write, works
from tests.impl.election.world import World, two_at_once

LEASE, DEADLINE, RETRY = 10, 5, 2


def leading(names: str, **settings: Any) -> World:
    given = {"lease_duration": LEASE, "renew_deadline": DEADLINE, "retry_period": RETRY, **settings}
    w = World({name: Options(**given) for name in names})
    w.start(*names)
    assert w.guarded() == ["a"]
    return w


# ---- a stale release clears the lease of another


def resumed_and_terminated(**settings: Any) -> World:
    """a is frozen for longer than its lease, b takes over; then a gets SIGTERM before it runs again."""
    w = leading("abc", release_on_cancel=True, **settings)
    w.run(LEASE + 1, paused=["a"])
    assert w.holder == "b"
    w.do("a", Signal.CANCEL)
    assert w.guarded() == ["b"]
    return w


def test_a_stale_release_clears_the_lease_of_another() -> None:
    w = resumed_and_terminated()
    stolen_version = w.lease.resource_version
    w.serve("a")
    w.deliver("a")
    assert w.requests[-1].resource_version == stolen_version  # which only b has written
    w.exchange("a")
    assert w.holder == ""
    leaders: list[list[str]] = []
    while not leaders or two_at_once(leaders[-1:]) or leaders[-1] == ["b"]:
        # a third candidate takes the lease; b works until it has tried to renew for its whole deadline
        leaders += w.run(1, cut=["b"])
    assert two_at_once(leaders)
    assert w.guarded() == ["c"]


def test_b_and_c_lead_even_where_b_still_reaches_the_server() -> None:
    w = resumed_and_terminated()
    w.exchange("a")
    for _ in range(3):
        w.tick()
        w.settle(paused=["b"])  # c happens to be first
    assert w.guarded() == ["b", "c"]
    overlap = 0
    while w.guarded() == ["b", "c"]:
        overlap += 1
        w.run(1)
    # the next renewal of b finds c, and goes on to its deadline
    assert overlap > DEADLINE


def test_the_release_that_looks_at_the_holder_leaves_it_alone() -> None:
    w = resumed_and_terminated(release_only_own=True)
    w.exchange("a")
    assert w["a"].phase is Phase.STOPPED
    assert w.holder == "b"
    assert not two_at_once(w.run(3 * LEASE))
    assert w.guarded() == ["b"]


def test_the_older_release_fails_with_a_conflict() -> None:
    w = resumed_and_terminated(release_gets_first=False)
    w.exchange("a")
    assert w["a"].phase is Phase.STOPPED
    assert w.holder == "b"


def partition_healed_during_release(**settings: Any) -> World:
    """No pause: a is cut off, loses its lease, and its release reaches the server only after c has taken over."""
    w = leading("abc", release_on_cancel=True, **settings)
    w.run(LEASE - 1, cut=["a"])
    assert w["a"].phase is Phase.RELEASE
    assert w["a"].request is not None
    w.tick()
    w.settle(cut=["a"], paused=["b"])  # c happens to be first
    assert w.holder == "c"
    w.requests = [w["a"].request]
    w.exchange("a")
    return w


def test_a_partition_that_heals_during_the_release() -> None:
    assert partition_healed_during_release().holder == ""
    # it is not enough to end the guarded context first
    w = partition_healed_during_release(cancel_before_release=True)
    assert w.holder == ""
    w.run(RETRY, cut=["c"])
    assert w.guarded() == ["b", "c"]


def test_a_partition_that_heals_during_the_release_of_only_ones_own() -> None:
    w = partition_healed_during_release(cancel_before_release=True, release_only_own=True)
    assert w.holder == "c"
    w.run(RETRY, cut=["c"])
    assert w.guarded() == ["c"]


# ---- the release comes before the end of the guarded context


def test_a_leader_works_on_while_it_releases() -> None:
    w = leading("ab", release_on_cancel=True)
    leaders = w.run(RETRY + 2 * DEADLINE, cut=["a"])
    # it works for a retry period and two renew deadlines since its last renewal, longer than the lease
    assert leaders == [["a"]] * (LEASE - 1) + [["a", "b"]] * (RETRY + 2 * DEADLINE - LEASE) + [["b"]]


def test_a_leader_that_first_ends_its_work() -> None:
    w = leading("ab", release_on_cancel=True, cancel_before_release=True)
    leaders = w.run(RETRY + 2 * DEADLINE, cut=["a"])
    assert leaders == [["a"]] * (RETRY + DEADLINE - 1) + [[]] * (LEASE - RETRY - DEADLINE) + [["b"]] * 3


def test_the_timeout_of_a_request_ends_the_release_earlier() -> None:
    w = leading("ab", release_on_cancel=True, request_timeout=2)
    w.run(RETRY + DEADLINE, cut=["a"])
    assert (w["a"].phase, w.electors["a"].slack(w["a"])) == (Phase.RELEASE, 2)
    w.tick(2)
    w.do("a", Signal.REQUEST_FAILED)
    assert w["a"].phase is Phase.STOPPED


def test_cancelling_run_during_the_release_ends_the_guarded_context() -> None:
    w = leading("ab", release_on_cancel=True)
    w.run(RETRY + DEADLINE, cut=["a"])
    assert w.guarded() == ["a"]
    w.do("a", Signal.CANCEL)
    assert w.guarded() == []
    assert not w.enabled("a", Signal.CANCEL)


def test_no_timing_makes_up_for_a_release_that_comes_first() -> None:
    w = leading("ab", release_on_cancel=True, lease_duration=LEASE * 10, validated_timing=True)
    w.run(RETRY + DEADLINE, cut=["a"])
    assert w["a"].request is not None
    w.requests = [w["a"].request]
    w.serve("a")
    w.deliver("a")
    w.serve("a")  # the lease is free, the answer is under way
    w.run(RETRY, paused=["a"])
    assert w.guarded() == ["a", "b"]


@pytest.mark.parametrize("waits", [False, True])
def test_work_that_has_not_returned_when_the_lease_is_released(waits: bool) -> None:
    w = leading("ab", release_on_cancel=True, slow_drain=True, cancel_before_release=True, drain_before_release=waits)
    w.do("a", Signal.CANCEL)
    assert w.guarded() == []
    w.run(RETRY)
    assert [name for name in "ab" if works(w[name])] == (["a"] if waits else ["a", "b"])
    w.do("a", Signal.WORK_RETURNED)
    w.run(2 * RETRY)
    assert [name for name in "ab" if works(w[name])] == ["b"]


# ---- timing that allows two leaders is accepted


TIGHT: dict[str, Any] = {"lease_duration": 5, "renew_deadline": 4, "retry_period": 3}


def test_accepted_timing_allows_two_leaders() -> None:
    w = leading("ab", **TIGHT)
    leaders = w.run(8, cut=["a"])
    # the deadline begins a retry period after the last renewal: 7 ticks in all. b looks at 3 and at 6
    assert leaders == [["a"]] * 5 + [["a", "b"]] + [["b"]] * 2


def test_validated_timing_refuses_it() -> None:
    with pytest.raises(ValueError, match="longest guarded time"):
        Options(**TIGHT, validated_timing=True)


def test_validated_timing_allows_one() -> None:
    w = leading("ab", **TIGHT | {"lease_duration": 8}, validated_timing=True)
    assert not two_at_once(w.run(20, cut=["a"]))
    assert w.guarded() == ["b"]


def test_an_answer_that_comes_late_adds_to_the_guarded_time() -> None:
    # timing that is safe only for answers that come at once
    w = leading("ab", lease_duration=8, validated_timing=True)
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    w.serve("a")
    leaders = []
    for tick in range(2 * LEASE):
        w.settle(cut=["a"] if tick > 2 else [], paused=["a"] if tick < 2 else [])
        leaders.append(w.guarded())
        w.tick()
    assert two_at_once(leaders)


# ---- clocks and pauses


def test_clocks_of_different_rates_make_two_leaders() -> None:
    w = leading("ab", validated_timing=True)
    assert two_at_once(w.run(LEASE, cut=["a"], rates={"b": 2}))


def test_timing_that_is_validated_for_the_rates_does_not() -> None:
    ratio = Fraction(2)
    with pytest.raises(ValueError, match="clock ratio"):
        Options(lease_duration=2 * (RETRY + DEADLINE), renew_deadline=5, validated_timing=True, clock_ratio_max=ratio)
    w = leading("ab", lease_duration=2 * (RETRY + DEADLINE) + 1, validated_timing=True, clock_ratio_max=ratio)
    leaders = w.run(3 * LEASE, cut=["a"], rates={"b": 2})
    assert not two_at_once(leaders)
    assert leaders[-1] == ["b"]


def test_a_pause_makes_two_leaders_and_only_a_fence_keeps_the_first_from_writing() -> None:
    w = leading("ab", validated_timing=True, fencing=True)
    before = w["a"].fencing_token
    leaders = w.run(LEASE, paused=["a"])
    assert leaders[-1] == ["a", "b"]
    fence = fenced_write(FenceState(before), w["b"].fencing_token)
    assert fence is not None
    assert fenced_write(fence, w["a"].fencing_token) is None
    # what a does when it goes on: it reads, sees b, and works to its deadline
    assert w.run(DEADLINE + 1)[-1] == ["b"]


def test_a_pause_between_check_and_write_does_not_take_the_lease_from_another() -> None:
    w = leading("abc")
    w.do("a", Signal.CRASH)
    w.tick(LEASE)
    w.do("b", Signal.RETRY)
    w.serve("b")
    w.deliver("b")  # b has checked, its update is on the way
    w.settle(paused=["b"])
    assert w.guarded() == ["c"]
    w.run(LEASE, paused=["b"])
    w.settle()
    assert w.guarded() == ["c"]
