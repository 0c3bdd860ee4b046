"""A write-ahead disk: what was written is durable only when a sync that came after it is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from kubeproof.impl.sim.streams import Stream
from kubeproof.impl.sim.world import World

Change = Callable[..., object]


class Disk:
    """Changes to one component's durable contents, in order.

    A change is a call that alters the contents; it takes effect when it has been synced. A crash makes a prefix of the changes
    that were not synced durable, how much is chance, and loses the rest. A sync takes between the two times of `latency_ms`;
    those asked for meanwhile are done together by the next one. 0 and 0 make syncs immediate. A `held` disk completes a sync
    only when a script calls `release`.
    """

    def __init__(self, world: World, name: str) -> None:
        self.latency_ms = (0, 0)
        self.held = False
        self._world = world
        self._stream: Stream = world.stream(f"disk/{name}")
        self._unsynced: deque[tuple[Change, tuple[Any, ...]]] = deque()
        # One entry for each sync asked for: the number of changes it adds to the one before, and what to call when it is done.
        self._asked: deque[tuple[int, Change, tuple[Any, ...]]] = deque()
        self._covered = 0
        self._under_way = 0
        self._boot = 0

    def write(self, change: Change, *arguments: Any) -> None:
        """Append a change. It is not durable yet."""
        self._unsynced.append((change, arguments))

    def sync(self, then: Change, *arguments: Any) -> None:
        """Make durable what has been written so far, then call `then(*arguments)`. Syncs complete in order."""
        self._asked.append((len(self._unsynced) - self._covered, then, arguments))
        self._covered = len(self._unsynced)
        if not self.held and not self._under_way:
            self._begin()

    def release(self) -> bool:
        """Complete the oldest sync that was asked for; False when there is none."""
        if not self._asked:
            return False
        changes, then, arguments = self._asked.popleft()
        self._covered -= changes
        for _ in range(changes):
            change, change_arguments = self._unsynced.popleft()
            change(*change_arguments)
        then(*arguments)
        return True

    def crash(self, kept: int | None = None) -> int:
        """Lose what was not synced, but for the first `kept` changes (None: by chance). Returns how many were lost."""
        self._boot += 1
        self._asked.clear()
        self._covered = self._under_way = 0
        survivors = self._stream.between(0, len(self._unsynced)) if kept is None else min(kept, len(self._unsynced))
        for _ in range(survivors):
            change, arguments = self._unsynced.popleft()
            change(*arguments)
        lost = len(self._unsynced)
        self._unsynced.clear()
        return lost

    def _begin(self) -> None:
        """Begin one sync for all that were asked for."""
        self._under_way = len(self._asked)
        latency_ms = self._stream.between(*self.latency_ms) if self._covered and self.latency_ms[1] else 0
        if latency_ms:
            self._world.after(latency_ms, self._complete, self._boot)
        else:
            self._complete(self._boot)

    def _complete(self, boot: int) -> None:
        if boot != self._boot:
            return
        for _ in range(self._under_way):
            self.release()
        self._under_way = 0
        if self._asked:
            self._begin()
