"""Where a node reads its log back from: the interface, and the storage in memory (etcd storage.go).

The application writes to its storage what a Ready tells it to; Raft only reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kubeproof.impl.raft.errors import ErrCompacted, ErrSnapOutOfDate, ErrUnavailable, RaftPanic
from kubeproof.impl.raft.sizes import limit_size
from kubeproof.impl.raft.types import ConfState, Entry, HardState, Snapshot


class Storage(Protocol):
    """What Raft asks of a storage. The entry before the first one is known by its term only."""

    def initial_state(self) -> tuple[HardState, ConfState]:
        """What a restarted node begins with."""

    def entries(self, low: int, high: int, max_size: int) -> Sequence[Entry]:
        """Entries [low, high), as many as fit into `max_size` bytes but at least one. ErrCompacted, ErrUnavailable."""

    def term(self, index: int) -> int:
        """The term of an entry from `first_index() - 1` on. ErrCompacted, ErrUnavailable."""

    def first_index(self) -> int: ...

    def last_index(self) -> int: ...

    def snapshot(self) -> Snapshot:
        """The newest snapshot. ErrSnapshotTemporarilyUnavailable if it is being made."""


class StorageState(NamedTuple):
    """An exported MemoryStorage; entries[0] is the dummy before the first entry."""

    hard_state: HardState
    snapshot: Snapshot
    entries: tuple[Entry, ...]


class MemoryStorage:
    """A storage in memory. `_entries[0]` stands for the last compacted entry, of which only index and term count."""

    __slots__ = ("_entries", "_hard_state", "_snapshot")

    def __init__(self) -> None:
        self._hard_state = HardState()
        self._snapshot = Snapshot()
        self._entries = [Entry(0, 0)]

    def initial_state(self) -> tuple[HardState, ConfState]:
        return self._hard_state, self._snapshot.conf_state

    def set_hard_state(self, hard_state: HardState) -> None:
        self._hard_state = hard_state

    def entries(self, low: int, high: int, max_size: int) -> Sequence[Entry]:
        offset = self._entries[0].index
        if low <= offset:
            raise ErrCompacted
        if high > self.last_index() + 1:
            raise RaftPanic(f"entries' hi({high}) is out of bound lastindex({self.last_index()})")
        if len(self._entries) == 1:
            raise ErrUnavailable
        return limit_size(self._entries[low - offset : high - offset], max_size)

    def term(self, index: int) -> int:
        position = index - self._entries[0].index
        if position < 0:
            raise ErrCompacted
        if position >= len(self._entries):
            raise ErrUnavailable
        return self._entries[position].term

    def first_index(self) -> int:
        return self._entries[0].index + 1

    def last_index(self) -> int:
        return self._entries[0].index + len(self._entries) - 1

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def apply_snapshot(self, snapshot: Snapshot) -> None:
        """Replace everything by a snapshot that another node sent. ErrSnapOutOfDate if ours is as new."""
        if self._snapshot.index != 0 and self._snapshot.index >= snapshot.index:
            raise ErrSnapOutOfDate
        self._snapshot = snapshot
        self._entries = [Entry(snapshot.term, snapshot.index)]

    def create_snapshot(self, index: int, conf_state: ConfState | None, data: bytes) -> Snapshot:
        """Make a snapshot of the state machine as of `index`; `conf_state` None keeps the previous one's."""
        if index <= self._snapshot.index:
            raise ErrSnapOutOfDate
        if index > self.last_index():
            raise RaftPanic(f"snapshot {index} is out of bound lastindex({self.last_index()})")
        term = self.term(index)
        self._snapshot = Snapshot(index, term, self._snapshot.conf_state if conf_state is None else conf_state, data)
        return self._snapshot

    def compact(self, index: int) -> None:
        """Forget the entries up to and including `index`, which must be applied. ErrCompacted if that has happened."""
        offset = self._entries[0].index
        if index <= offset:
            raise ErrCompacted
        if index > self.last_index():
            raise RaftPanic(f"compact {index} is out of bound lastindex({self.last_index()})")
        kept = self._entries[index - offset :]
        self._entries = [Entry(kept[0].term, kept[0].index), *kept[1:]]

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries; what stood at their indexes and behind is overwritten, compacted ones are skipped."""
        first = self.first_index()
        if not entries or entries[-1].index < first:
            return
        if entries[0].index < first:
            entries = entries[first - entries[0].index :]
        position = entries[0].index - self._entries[0].index
        if position > len(self._entries):
            raise RaftPanic(f"missing log entry [last: {self.last_index()}, append at: {entries[0].index}]")
        self._entries[position:] = entries

    def export(self) -> StorageState:
        return StorageState(self._hard_state, self._snapshot, tuple(self._entries))

    def restore(self, state: StorageState) -> None:
        self._hard_state, self._snapshot = state.hard_state, state.snapshot
        self._entries = list(state.entries)
