"""Settings that make no sense are refused, as NewLeaderElector does; unsafe ones only on demand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from kubeproof.impl.election import MISTAKES, Elector, Faults, Options


def test_the_defaults_are_those_of_client_go() -> None:
    options = Options()
    assert (options.lease_duration, options.renew_deadline, options.retry_period) == (15, 10, 2)
    assert options.acquire_wait_max == 4  # 2 * 2.2


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"lease_duration": 10}, "lease duration must be greater than renew deadline"),
        ({"renew_deadline": 6, "retry_period": 5}, "renew deadline must be greater than retry period"),
        ({"renew_deadline": 1, "retry_period": 1}, "renew deadline must be greater than retry period"),
        ({"retry_period": 0}, "retry period must be greater than zero"),
        ({"lease_duration": 0, "renew_deadline": -1, "retry_period": -2}, "lease duration must be greater than zero"),
        ({"renew_deadline": 0, "retry_period": -1}, "renew deadline must be greater than zero"),
        ({"jitter_factor": Fraction(-1)}, "jitter factor"),
        ({"request_timeout": -1}, "request timeout"),
        ({"clock_ratio_max": Fraction(1, 2)}, "clock ratio"),
        ({"response_delay_max": -1}, "response delay"),
    ],
)
def test_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Options(**settings)


def test_the_tightest_timing_that_client_go_accepts() -> None:
    Options(lease_duration=3, renew_deadline=2, retry_period=1)


@pytest.mark.parametrize(
    "settings",
    [
        {"lease_duration": 12},  # what happens at one tick may happen in any order
        {"release_on_cancel": True, "lease_duration": 22},
        {"release_on_cancel": True, "cancel_before_release": True, "lease_duration": 12},
        {"clock_ratio_max": Fraction(5, 4)},
        {"clock_ratio_max": Fraction(6, 5)},  # 14.4 ticks, and clocks are read in whole ones
        {"clock_ratio_max": Fraction(2), "response_delay_max": 1, "lease_duration": 26},
        {"response_delay_max": 3},
    ],
)
def test_validated_timing_refuses(settings: dict[str, Any]) -> None:
    Options(**settings)
    with pytest.raises(ValueError, match="longest guarded time"):
        Options(**settings, validated_timing=True)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lease_duration": 13},
        {"release_on_cancel": True, "lease_duration": 23},
        {"release_on_cancel": True, "cancel_before_release": True},
        {"release_on_cancel": True, "drain_before_release": True},
        {"clock_ratio_max": Fraction(6, 5), "lease_duration": 16},
        {"clock_ratio_max": Fraction(2), "response_delay_max": 1, "lease_duration": 27},
        {"response_delay_max": 2},
    ],
)
def test_validated_timing_accepts(settings: dict[str, Any]) -> None:
    Options(**settings, validated_timing=True)


def test_the_control_plane_components_lease_is_too_short_for_slow_answers() -> None:
    """Their client timeout is half of the renew deadline: 5 + 2 + 10 seconds, more than the lease of 15."""
    options = Options(request_timeout=5, response_delay_max=5)
    assert not options.timing_is_safe
    assert options.safe_lease_duration == 18
    assert Options(lease_duration=18, request_timeout=5, response_delay_max=5).timing_is_safe


def test_an_elector_needs_an_identity() -> None:
    with pytest.raises(ValueError, match="identity is empty"):
        Elector("")


@pytest.mark.parametrize("name", ["expiry_by_renew_time", "first_observation_by_renew_time"])
def test_who_trusts_the_times_needs_a_clock(name: str) -> None:
    elector = Elector("a", Options(faults=Faults(**{name: True})))
    with pytest.raises(ValueError, match="needs a wall clock"):
        elector.initial()
    elector.initial(wall_time=0)


def test_every_mistake_is_described() -> None:
    assert all(mistake.reference and mistake.sentence.endswith(".") for mistake in MISTAKES.values())
    assert {mistake.kind for mistake in MISTAKES.values()} == {"safety", "liveness"}
    assert Faults() == Faults(**dict.fromkeys(MISTAKES, False))
