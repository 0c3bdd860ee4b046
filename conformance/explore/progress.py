"""One line on the terminal that tells how far a search is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from kubeproof.conformance.explore.explorer import Exploration, Statistics
from kubeproof.conformance.limits import resident_mb

EVERY_S = 0.2


@contextmanager
def progress_line(stream: TextIO = sys.stderr) -> Iterator[Callable[[Exploration], None] | None]:
    """States, rate, depth, memory and an estimate, in a line that is written over and over, and cleared in the end.

    None where nobody looks at it.
    """
    if not stream.isatty():
        yield None
        return
    begun = last = time.monotonic()

    def show(exploration: Exploration) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= EVERY_S:
            last = now
            _rewrite(stream, line(exploration.statistics, now - begun))

    try:
        yield show
    finally:
        _rewrite(stream, "")


def _rewrite(stream: TextIO, text: str) -> None:
    stream.write(f"\r\x1b[K{text}")
    stream.flush()


def line(found: Statistics, seconds: float) -> str:
    """How far a search is after so many seconds."""
    rate = found.distinct / seconds
    known = f"{found.distinct:,} states, {rate:,.0f}/s, depth {found.depth}, {resident_mb():,.0f} MB"
    return known + _outlook(found.levels, rate)


def _outlook(levels: Sequence[int], rate: float) -> str:
    """While levels grow nobody knows what is to come; when they shrink, about as much as a geometric series has left."""
    if len(levels) < 3 or not levels[-3] > levels[-2] > levels[-1] > 0:
        return ", levels still grow"
    ratio = levels[-1] / levels[-2]
    left = levels[-1] * ratio / (1 - ratio)
    return f", about {left:,.0f} to come ({left / rate:,.0f} s)"
