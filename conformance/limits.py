"""Time and memory limits that engines look at inside their inner loops. A limit reached is verdict `unknown`."""

from __future__ import annotations

import os
import resource
import sys
import time


def available_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LimitReached(Exception):
    """The work was stopped; the message says by which limit."""


class Limits:
    """`time_limit_s` counts from construction; `memory_limit_mb` is the resident size of this process."""

    def __init__(self, time_limit_s: float | None = None, memory_limit_mb: float | None = None) -> None:
        self._time_limit_s = time_limit_s
        self._deadline = None if time_limit_s is None else time.monotonic() + time_limit_s
        self._memory_limit_mb = memory_limit_mb

    def check(self) -> None:
        """Raise LimitReached if a limit is exceeded. Costs some microseconds: call it every few hundred events."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise LimitReached(f"time limit of {self._time_limit_s:g} s reached")
        if self._memory_limit_mb is not None and resident_mb() > self._memory_limit_mb:
            raise LimitReached(f"memory limit of {self._memory_limit_mb:g} MB reached")


def resident_mb() -> float:
    """The resident size of this process in MiB."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize() / 2**20
    except OSError:  # not on Linux: the peak must do
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
