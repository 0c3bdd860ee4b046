"""The shortest lease for which at most one candidate leads, found by exploration: it is the one that Options tells."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from kubeproof.conformance.bindings import election
from kubeproof.conformance.bindings.election.properties import ONE_GUARDED_LEADER
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.limits import Limits
from kubeproof.impl.election import Options


def at_most_one_leads(model: Model) -> bool:
    """Whether that alone holds."""
    try:
        Exploration(replace(model, always=(ONE_GUARDED_LEADER,)), Limits()).run()
    except Broken:
        return False
    return True


RATIOS = {0: Fraction(1), 2: Fraction(2), 3: Fraction(3, 2)}


@pytest.mark.parametrize("slow_clocks", RATIOS)
@pytest.mark.parametrize(
    ("release_on_cancel", "cancel_before_release"), [(False, False), (True, False), (True, True)], ids=["", "release", "mended"]
)
@pytest.mark.parametrize(("renew_deadline", "retry_period"), [(2, 1), (3, 1), (3, 2), (5, 1)])
def test_requests_that_are_answered_at_once(
    renew_deadline: int, retry_period: int, release_on_cancel: bool, cancel_before_release: bool, slow_clocks: int
) -> None:
    """At one tick too little two lead, with the safe lease one does."""
    settings: dict[str, Any] = {
        "renew_deadline": renew_deadline,
        "retry_period": retry_period,
        "release_on_cancel": release_on_cancel,
        "cancel_before_release": cancel_before_release,
    }
    options = Options(lease_duration=64, clock_ratio_max=RATIOS[slow_clocks], **settings)
    safe = options.safe_lease_duration
    assert at_most_one_leads(election.model(lease_duration=safe, slow_clocks=slow_clocks, **settings))
    assert not at_most_one_leads(election.model(lease_duration=safe - 1, slow_clocks=slow_clocks, **settings))


@pytest.mark.parametrize(
    ("request_timeout", "slow_clocks", "release", "safe"),
    [(1, 0, False, 5), (2, 0, False, 6), (1, 2, False, 9), (1, 3, False, 7), (1, 0, True, 5), (2, 0, True, 6)],
)
def test_answers_that_take_time(request_timeout: int, slow_clocks: int, release: bool, safe: int) -> None:
    """The delay of a renewal's answer adds to the guarded time, on the leader's clock."""
    options = Options(
        lease_duration=64,
        renew_deadline=2,
        retry_period=1,
        clock_ratio_max=RATIOS[slow_clocks],
        response_delay_max=request_timeout,
        release_on_cancel=release,
        cancel_before_release=release,
    )
    assert options.safe_lease_duration == safe
    settings: dict[str, Any] = {"latency": True, "request_timeout": request_timeout, "failures": 1, "slow_clocks": slow_clocks}
    settings |= {"release_on_cancel": release, "cancel_before_release": release}
    assert at_most_one_leads(election.model(lease_duration=safe, **settings))
    assert not at_most_one_leads(election.model(lease_duration=safe - 1, **settings))


@pytest.mark.parametrize("lease_duration", [4, 16, 64])
def test_no_lease_makes_up_for_a_release_that_comes_first(lease_duration: int) -> None:
    """If its answer takes time, another candidate finds the lease free while the work goes on."""
    settings: dict[str, Any] = {"latency": True, "request_timeout": 1, "failures": 2, "release_on_cancel": True}
    assert not at_most_one_leads(election.model(lease_duration=lease_duration, **settings))


@pytest.mark.parametrize("lease_duration", [4, 10])
def test_no_lease_makes_up_for_a_client_without_a_timeout(lease_duration: int) -> None:
    """No deadline runs while a candidate acquires: it may learn that it leads when its lease has expired."""
    assert not at_most_one_leads(election.model(lease_duration=lease_duration, latency=True))


def test_a_timeout_of_the_client_shortens_a_release() -> None:
    """There the formula is too strict: a release ends after two requests that fail, not only at its deadline."""
    settings: dict[str, Any] = {"renew_deadline": 3, "request_timeout": 1, "failures": 5, "release_on_cancel": True}
    assert Options(lease_duration=9, renew_deadline=3, retry_period=1, release_on_cancel=True).safe_lease_duration == 8
    assert at_most_one_leads(election.model(lease_duration=7, **settings))
    assert not at_most_one_leads(election.model(lease_duration=6, **settings))


@pytest.mark.parametrize(
    ("settings", "lease_duration"),
    [({}, 4), ({"lease_duration": 3}, 4), ({"lease_duration": 9}, 9), ({"slow_clocks": 2}, 7), ({"release_on_cancel": True}, 6)],
)
def test_validated_timing_makes_the_lease_long_enough(settings: dict[str, Any], lease_duration: int) -> None:
    system = election.model(validated_timing=True, **settings).system
    assert isinstance(system, election.Election)
    assert {each.elector.options.lease_duration for each in system.candidates} == {lease_duration}
