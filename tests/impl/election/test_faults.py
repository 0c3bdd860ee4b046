"""Each mistake, off and on, in the situation where it matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kubeproof.impl.election import MISTAKES, Callback, Faults, LeaderElectionRecord, LeaseState, Options, Phase, Signal
from tests.impl.election.world import STOPPED, World, two_at_once

LEASE, DEADLINE, RETRY = 10, 5, 2

Scenario = Callable[[Faults], bool]


def options(faults: Faults, **settings: Any) -> Options:
    return Options(**{"lease_duration": LEASE, "renew_deadline": DEADLINE, "retry_period": RETRY, "faults": faults, **settings})


def leading(faults: Faults, wall_times: dict[str, int] | None = None, **settings: Any) -> World:
    w = World({name: options(faults, **settings) for name in "ab"}, wall_times)
    w.start("a", "b")
    return w


def expiry_by_renew_time(faults: Faults) -> bool:
    """The clock of b is ahead. Two leaders?"""
    w = World({name: options(faults) for name in "ab"}, {"a": 100, "b": 105})
    w.start("a", "b")
    assert w.guarded() == ["a"]
    return two_at_once(w.run(LEASE, cut=["a"]))


def first_observation_by_renew_time(faults: Faults) -> bool:
    """The clock of b is far ahead when it starts. Two leaders?"""
    w = leading(faults, {"a": 100, "b": 500})
    return two_at_once([w.guarded()])


def renewals_not_observed(faults: Faults) -> bool:
    """a renews as it should. Two leaders?"""
    return two_at_once(leading(faults).run(LEASE + 1))


def own_lease_duration_used(faults: Faults) -> bool:
    """b is set up with a shorter lease than a renews. Two leaders?"""
    long = options(faults, lease_duration=30, renew_deadline=15, retry_period=8)
    w = World({"a": long, "b": options(faults, lease_duration=5, renew_deadline=3, retry_period=1)})
    w.start("a", "b")
    return two_at_once(w.run(16))


def update_without_resource_version(faults: Faults) -> bool:
    """Both see the lease expire before either has written. Two leaders?"""
    w = World({name: options(faults) for name in "ab"})
    w.lease = LeaseState(LeaderElectionRecord("x", LEASE), 1)
    w.start("a", "b")
    w.tick(LEASE)
    for step in (lambda name: w.do(name, Signal.RETRY), w.serve, w.deliver, w.serve, w.deliver):
        for name in "ab":
            step(name)
    return two_at_once([w.guarded()])


def unknown_outcome_taken_as_renewed(faults: Faults) -> bool:
    """No renewal of a reaches the server. Two leaders?"""
    w = leading(faults)
    leaders = []
    for _ in range(2 * LEASE):
        w.tick()
        if w["a"].request is not None:
            w.lose_messages("a")
            w.do("a", Signal.REQUEST_FAILED)
        w.settle(cut=["a"])
        leaders.append(w.guarded())
    return two_at_once(leaders)


def fast_path_without_fallback(faults: Faults) -> bool:
    """One renewal of a is applied, but its answer is lost. Does a lose its lease?"""
    w = leading(faults)
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    w.serve("a")
    w.lose_messages("a")
    w.do("a", Signal.REQUEST_FAILED)
    w.run(DEADLINE)
    return w.guarded() == []


def failed_update_forgets_lease(faults: Faults) -> bool:
    """A renewal of a fails, then a is to stop. Does the lease stay its own?"""
    w = leading(faults, release_on_cancel=True, release_gets_first=False)
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    w.lose_messages("a")
    w.do("a", Signal.REQUEST_FAILED)
    w.lose_messages("a")
    w.do("a", Signal.CANCEL)
    w.exchange("a")
    return w.holder == "a"


def deadline_waits_for_answer(faults: Faults) -> bool:
    """A request of a hangs. Two leaders?"""
    return two_at_once(leading(faults).run(2 * LEASE, cut=["a"]))


def lost_leader_keeps_renewing(faults: Faults) -> bool:
    """a is cut off until it reports its lease as lost, and no longer. Does it renew again?"""
    w = leading(faults)
    w.run(RETRY + DEADLINE, cut=["a"])
    assert w.callbacks[-1] == Callback(STOPPED, "a")
    version = w.lease.resource_version
    w.tick(RETRY)
    w.settle(paused=["b"])
    return w.lease.resource_version > version and w["a"].phase is Phase.RENEW_WAIT and w.guarded() == ["a"]


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        expiry_by_renew_time,
        first_observation_by_renew_time,
        renewals_not_observed,
        own_lease_duration_used,
        update_without_resource_version,
        unknown_outcome_taken_as_renewed,
        fast_path_without_fallback,
        failed_update_forgets_lease,
        deadline_waits_for_answer,
        lost_leader_keeps_renewing,
    )
}


def test_every_mistake_has_a_scenario() -> None:
    assert set(SCENARIOS) == set(MISTAKES)


@pytest.mark.parametrize("name", SCENARIOS)
def test_off(name: str) -> None:
    assert not SCENARIOS[name](Faults())


@pytest.mark.parametrize("name", SCENARIOS)
def test_on(name: str) -> None:
    assert SCENARIOS[name](Faults(**{name: True}))
