"""The world: one simulated clock and what is going to happen, in order."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from kubeproof.impl.sim.streams import Stream

SEED_MAX = 2**64 - 1


class World:
    """Simulated time in milliseconds from 0, and a queue of actions; everything random derives from `seed` (64 bits).

    Actions that are due at the same time run in the order in which they were scheduled. Nothing here knows what lives in the
    world: components schedule their own actions and ignore those that arrive after their crash.
    """

    def __init__(self, seed: int) -> None:
        if not 0 <= seed <= SEED_MAX:
            raise ValueError(f"a seed is an integer from 0 to {SEED_MAX}, not {seed}")
        self.seed = seed
        self.now_ms = 0
        self._queue: list[tuple[int, int, Callable[..., object], tuple[Any, ...]]] = []
        self._scheduled = 0
        self._stopped = False

    def stream(self, name: str) -> Stream:
        """The random choices of that name."""
        return Stream(self.seed, name)

    def after(self, delay_ms: int, action: Callable[..., object], *arguments: Any) -> None:
        """Run `action(*arguments)` when `delay_ms` have passed."""
        self._scheduled += 1
        heappush(self._queue, (self.now_ms + delay_ms, self._scheduled, action, arguments))

    def stop(self) -> None:
        """Let the current `run` return after the action under way."""
        self._stopped = True

    def run(self, until_ms: int | None = None) -> None:
        """Run what is due until nothing is left, `stop` is called, or the clock would pass `until_ms` (it is set to that)."""
        queue = self._queue
        self._stopped = False
        while queue and not self._stopped:
            if until_ms is not None and queue[0][0] > until_ms:
                break
            self.now_ms, _, action, arguments = heappop(queue)
            action(*arguments)
        if until_ms is not None and not self._stopped:
            self.now_ms = max(self.now_ms, until_ms)
