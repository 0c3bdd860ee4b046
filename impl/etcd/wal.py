"""The write-ahead log (etcd server/storage/wal): Raft's entries and HardState, and which snapshot they come behind.

A sync point is `sync`: a crash loses exactly what was written since. The content of a snapshot is not here: that of the own
state is the backend, and another member's comes in a file. So a mark says only where the log begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kubeproof.impl.raft.storage import MemoryStorage, StorageState
from kubeproof.impl.raft.types import EMPTY_HARD_STATE, ConfState, Entry, HardState, Snapshot

EMPTY = StorageState(EMPTY_HARD_STATE, Snapshot(), (Entry(0, 0),))
"""The log of a member that has never run."""


class Record(NamedTuple):
    """What a Ready wants stored. An empty HardState has not changed."""

    hard_state: HardState = EMPTY_HARD_STATE
    entries: tuple[Entry, ...] = ()
    snapshot: Snapshot | None = None
    """The log begins anew behind this one, which another member has sent."""


class WALState(NamedTuple):
    """`synced` is what a crash leaves; `unsynced` was written since."""

    synced: StorageState = EMPTY
    unsynced: tuple[Record, ...] = ()


class WAL:
    """A write-ahead log."""

    def __init__(self, state: WALState = WALState()) -> None:  # noqa: B008  # immutable
        self._synced = MemoryStorage()
        self._synced.restore(state.synced)
        self._unsynced = list(state.unsynced)

    def write(self, record: Record) -> None:
        """Append a record; it is not durable yet."""
        self._unsynced.append(record)

    def sync(self) -> None:
        """The sync point: what was written survives a crash."""
        for record in self._unsynced:
            store(self._synced, record)
        self._unsynced.clear()

    def mark(self, index: int, kept: int) -> None:
        """The backend has all up to `index`: forget entries up to there, but for the last `kept` (etcd SaveSnap and Release)."""
        self.sync()
        mark(self._synced, index, kept)

    def written(self) -> StorageState:
        """With all that was written: what the running member reads."""
        storage = MemoryStorage()
        storage.restore(self._synced.export())
        for record in self._unsynced:
            store(storage, record)
        return storage.export()

    def export(self) -> WALState:
        return WALState(self._synced.export(), tuple(self._unsynced))


class Log(MemoryStorage):
    """What Raft reads its log back from. `applied` tells what snapshots are made of: the index and membership of what is applied.

    So a snapshot that is sent is as new as can be, as in etcd, whatever mark the log begins with.
    """

    __slots__ = ("applied",)

    def __init__(self, written: StorageState, applied: Callable[[], Snapshot]) -> None:
        super().__init__()
        self.restore(written)
        self.applied = applied

    def initial_state(self) -> tuple[HardState, ConfState]:
        """What is applied, or cut off, is known to be committed, whether that has become durable or not."""
        applied, (hard_state, _) = self.applied(), super().initial_state()
        return hard_state._replace(commit=max(hard_state.commit, applied.index, self.mark.index)), applied.conf_state

    def snapshot(self) -> Snapshot:
        return self.applied()

    @property
    def mark(self) -> Snapshot:
        """Where the log begins."""
        return super().snapshot()


def store(storage: MemoryStorage, record: Record) -> None:
    """Do to a storage what a record says."""
    if record.snapshot is not None:
        storage.apply_snapshot(Snapshot(record.snapshot.index, record.snapshot.term))
    if record.entries:
        storage.append(record.entries)
    if record.hard_state != EMPTY_HARD_STATE:
        storage.set_hard_state(record.hard_state)


def mark(storage: MemoryStorage, index: int, kept: int) -> None:
    """Let a storage begin behind `index`, but for the last `kept` entries."""
    if index > MemoryStorage.snapshot(storage).index:  # a Log makes its own
        storage.create_snapshot(index, None, b"")
    if index - kept >= storage.first_index():
        storage.compact(index - kept)
