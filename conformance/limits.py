"""Time and memory limits that engines look at inside their inner loops. A limit reached is verdict `unknown`."""

from __future__ import annotations

import resource
import sys
import time


class LimitReached(Exception):
    """The work was stopped; the message says by which limit."""


class Limits:
    """`time_limit_s` counts from construction; `memory_limit_mb` is the peak resident size of this process."""

    def __init__(self, time_limit_s: float | None = None, memory_limit_mb: float | None = None) -> None:
        self._time_limit_s = time_limit_s
        self._deadline = None if time_limit_s is None else time.monotonic() + time_limit_s
        self._memory_limit_mb = memory_limit_mb

    def check(self) -> None:
        """Raise LimitReached if a limit is exceeded. Costs about a microsecond: call it every few hundred events."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise LimitReached(f"time limit of {self._time_limit_s:g} s reached")
        if self._memory_limit_mb is not None and _peak_memory_mb() > self._memory_limit_mb:
            raise LimitReached(f"memory limit of {self._memory_limit_mb:g} MB reached")


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
