"""How an elector is set up (client-go, LeaderElectionConfig), and which of its documented defects are mended."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from kubeproof.impl.election.faults import NO_FAULTS, Faults

JITTER_FACTOR = Fraction(6, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One candidate's settings. Durations count in ticks of its own clock; with ticks of a second the defaults are client-go's.

    - `release_on_cancel` gives the lease back when Run ends, for whatever reason.
    - `restart` calls Run again with a new elector of the same identity, as programs do that wrap it in a loop: an elector itself
      is one-shot.
    - `request_timeout` is that of the HTTP client, 0 is none. The control plane's components take half of the renew deadline.
    - `watchdog_timeout` is what HealthzAdaptor adds to the lease duration before it calls a leader unhealthy; None: no watchdog.
    - `slow_drain` lets the guarded work go on after its context was cancelled, until it returns.
    - `fencing` keeps a fencing token for the guarded work (lease.fenced_write).
    - `fast_path` lets a leader update without a get (since k/k#122069).
    - `release_gets_first` is how client-go releases since v0.34 (k/k#132849). Before, it updated at once, with the version that
      it remembered.

    Documented defects of client-go's elector, each with the option that mends it:

    - a release reads the Lease, does not look at the holder it reads, and clears it: `release_only_own`;
    - a leader that has lost its lease releases it, for up to a renew deadline, before it cancels the guarded context:
      `cancel_before_release`; the guarded work may even then not have returned: `drain_before_release` waits for it too;
    - timing that allows two leaders is accepted: `validated_timing` refuses it, under the assumptions `clock_ratio_max` (the rate
      of the fastest clock by that of the slowest) and `response_delay_max` (ticks of the leader's clock from when a write is
      applied to when it has the answer: at most `request_timeout`; without one nothing bounds it while the lease is acquired).
    """

    lease_duration: int = 15
    renew_deadline: int = 10
    retry_period: int = 2
    jitter_factor: Fraction = JITTER_FACTOR
    release_on_cancel: bool = False
    restart: bool = False
    request_timeout: int = 0
    watchdog_timeout: int | None = None
    slow_drain: bool = False
    fencing: bool = False
    fast_path: bool = True
    release_gets_first: bool = True
    release_only_own: bool = False
    cancel_before_release: bool = False
    drain_before_release: bool = False
    validated_timing: bool = False
    clock_ratio_max: Fraction = Fraction(1)
    response_delay_max: int = 0
    faults: Faults = NO_FAULTS

    def __post_init__(self) -> None:
        problems = (
            (self.lease_duration <= self.renew_deadline, "lease duration must be greater than renew deadline"),
            (
                self.renew_deadline <= self.retry_period * JITTER_FACTOR,
                "renew deadline must be greater than retry period * jitter factor",
            ),
            (self.lease_duration < 1, "lease duration must be greater than zero"),
            (self.renew_deadline < 1, "renew deadline must be greater than zero"),
            (self.retry_period < 1, "retry period must be greater than zero"),
            (self.jitter_factor < 0, "jitter factor must not be negative"),
            (self.request_timeout < 0, "request timeout must not be negative"),
            (self.clock_ratio_max < 1, "clock ratio must be at least one"),
            (self.response_delay_max < 0, "response delay must not be negative"),
            (
                self.validated_timing and not self.timing_is_safe,
                "lease duration must be greater than clock ratio * (longest guarded time + response delay)",
            ),
        )
        for wrong, text in problems:
            if wrong:
                raise ValueError(text)

    @property
    def acquire_wait_max(self) -> int:
        """The longest pause between two tries to acquire, in ticks; the shortest is the retry period."""
        return self.retry_period + int(self.retry_period * self.jitter_factor)

    @property
    def cancels_first(self) -> bool:
        """Whether the guarded context has ended when the release begins. To wait for the work is to end its context."""
        return self.cancel_before_release or self.drain_before_release or not self.release_on_cancel

    @property
    def guarded_ticks_max(self) -> int:
        """The longest time from a renewal to the end of the guarded context, in ticks of the leader's clock, if nothing pauses.

        The deadline does not run while the leader sleeps between renewals: both times add up.
        """
        release = 0 if self.cancels_first else self.renew_deadline
        return self.retry_period + self.renew_deadline + release

    @property
    def safe_lease_duration(self) -> int:
        """The shortest lease duration for which no other candidate can take an unreleased lease before the guarded context ends.

        By the slowest clock the leader counts the response delay of a renewal and the guarded time after it, by the fastest clock
        another candidate counts the lease. Clocks are read in whole ticks, so a part of a tick counts as one; and what happens at
        one tick may happen in any order, so the lease must be longer than that.
        """
        return ceil(self.clock_ratio_max * (self.response_delay_max + self.guarded_ticks_max)) + 1

    @property
    def timing_is_safe(self) -> bool:
        """Whether no other candidate can take an unreleased lease before the guarded context has ended."""
        return self.lease_duration >= self.safe_lease_duration
