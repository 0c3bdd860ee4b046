"""The sliding window of appends that a leader has sent to one peer and that the peer has not acknowledged yet."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from kubeproof.impl.raft.errors import RaftPanic


class InflightsState(NamedTuple):
    """An exported window: (last index, bytes) of each message, oldest first, and the byte counter."""

    messages: tuple[tuple[int, int], ...] = ()
    bytes: int = 0


class Inflights:
    """A window of at most `size` messages and, if `max_bytes` is not 0, about that many bytes of entries.

    The byte limit is soft: a message may cross it, and the window is full from then on (etcd tracker/inflights.go).
    `leak_bytes` is a fault: the byte counter survives a reset, the historical mistake of etcd-io/raft#54.
    """

    __slots__ = ("_bytes", "_messages", "leak_bytes", "max_bytes", "size")

    def __init__(self, size: int, max_bytes: int = 0, *, leak_bytes: bool = False) -> None:
        self.size = size
        self.max_bytes = max_bytes
        self.leak_bytes = leak_bytes
        self._messages: deque[tuple[int, int]] = deque()
        self._bytes = 0

    def add(self, index: int, size_bytes: int) -> None:
        """Note a message whose last entry is `index`; indexes must not decrease. RaftPanic if the window is full."""
        if self.full():
            raise RaftPanic("cannot add into a Full inflights")
        self._messages.append((index, size_bytes))
        self._bytes += size_bytes

    def free_le(self, index: int) -> None:
        """Forget the messages up to and including `index`: the peer has acknowledged them."""
        messages = self._messages
        while messages and messages[0][0] <= index:
            self._bytes -= messages.popleft()[1]

    def full(self) -> bool:
        return len(self._messages) >= self.size or (self.max_bytes != 0 and self._bytes >= self.max_bytes)

    def count(self) -> int:
        return len(self._messages)

    def reset(self) -> None:
        """Empty the window."""
        self._messages.clear()
        if not self.leak_bytes:
            self._bytes = 0

    def clone(self) -> Inflights:
        copy = Inflights(self.size, self.max_bytes, leak_bytes=self.leak_bytes)
        copy.restore(self.export())
        return copy

    def export(self) -> InflightsState:
        return InflightsState(tuple(self._messages), self._bytes)

    def restore(self, state: InflightsState) -> None:
        self._messages = deque(state.messages)
        self._bytes = state.bytes
