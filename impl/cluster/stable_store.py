"""What a member keeps through a crash: Raft's storage on a write-ahead disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubeproof.impl.cluster.faults import ApplicationFaults
from kubeproof.impl.raft.storage import MemoryStorage, StorageState
from kubeproof.impl.raft.types import EMPTY_HARD_STATE, NO_ID, ConfState, Entry, HardState, Snapshot
from kubeproof.impl.sim.disk import Disk

BACKUP_AFTER_SYNCS = 8


class SnapshotsOnDemand(MemoryStorage):
    """A storage that takes a new snapshot whenever Raft wants to send one, as etcd's server does.

    An older one may lack the member it is sent to, which would refuse it.
    """

    __slots__ = ("_take",)

    def __init__(self, take: Callable[[], object]) -> None:
        super().__init__()
        self._take = take

    def snapshot(self) -> Snapshot:
        """A snapshot of now, if one can be taken; else the last one."""
        self._take()
        return self.stored_snapshot()

    def stored_snapshot(self) -> Snapshot:
        """The last snapshot that was taken or received."""
        return super().snapshot()


class StableStore:
    """`storage` holds what is durable, no more; what is written joins it when the disk has synced it.

    Entries are written before the HardState that may refer to them, so a crash can leave new entries under an old term but
    never a commit index beyond the log. A snapshot replaces the log in one step together with its HardState, as in etcd, where
    a snapshot counts only once the write-ahead log mentions it.
    """

    def __init__(self, disk: Disk, take_snapshot: Callable[[], object], faults: ApplicationFaults) -> None:
        self.storage = SnapshotsOnDemand(take_snapshot)
        self._take_snapshot = take_snapshot
        self.disk = disk
        self._faults = faults
        self._syncs = 0
        self._backup: StorageState | None = None

    def write(self, snapshot: Snapshot | None, entries: tuple[Entry, ...], hard_state: HardState) -> None:
        """Write without syncing. An empty HardState means that it has not changed."""
        hard_state = self._as_stored(hard_state)
        if snapshot is not None:
            self.disk.write(self._install, snapshot, entries, hard_state)
            return
        if entries:
            self.disk.write(self.storage.append, entries)
        if hard_state != EMPTY_HARD_STATE:
            self.disk.write(self._set_hard_state, hard_state)

    def sync(self, then: Callable[..., object], *arguments: Any) -> None:
        """Make all that was written durable, then call."""
        self._syncs += 1
        if self._faults.restored_from_backup and self._syncs == BACKUP_AFTER_SYNCS:
            self._backup = self.storage.export()
        self.disk.sync(then, *arguments)

    def snapshot(self, applied: int, term: int, conf_state: ConfState, state: bytes) -> None:
        """Store the state machine as of the entry (applied, term), unless that is not stored yet or a snapshot covers it.

        The stored commit index moves along: a restart begins behind the snapshot.
        """
        storage = self.storage
        if not storage.stored_snapshot().index < applied <= storage.last_index() or storage.term(applied) != term:
            return
        index = storage.last_index() if self._faults.snapshot_labelled_with_last_index else applied
        storage.create_snapshot(index, conf_state, state)
        self._set_hard_state(storage.initial_state()[0])

    def compact(self, index: int) -> None:
        """Drop the log up to `index`, as far as a snapshot covers it."""
        index = min(index, self.storage.stored_snapshot().index)
        if index >= self.storage.first_index():
            self.storage.compact(index)

    def crash(self, kept: int | None = None) -> int:
        """Lose what is not durable, all but the first `kept` writes (None: by chance). Returns how many writes were lost."""
        lost = self.disk.crash(kept)
        if self._faults.restored_from_backup and self._backup is not None:
            self.storage.restore(self._backup)
        if self._faults.empty_disk_at_restart:
            self.storage = SnapshotsOnDemand(self._take_snapshot)
        if self._faults.last_entries_lost_at_restart:
            self._lose_last_entries(2)
        return lost

    def _as_stored(self, hard_state: HardState) -> HardState:
        if self._faults.hard_state_not_stored:
            return EMPTY_HARD_STATE
        if self._faults.vote_not_stored:
            return hard_state._replace(vote=NO_ID)
        return hard_state

    def _lose_last_entries(self, count: int) -> None:
        """Cut the log, but not what a snapshot covers, and make the commit index fit."""
        hard_state, snapshot, entries = self.storage.export()
        kept = max(1 + snapshot.index - entries[0].index, len(entries) - count, 1)
        last = entries[:kept][-1].index
        self.storage.restore(StorageState(hard_state._replace(commit=min(hard_state.commit, last)), snapshot, entries[:kept]))

    def _install(self, snapshot: Snapshot, entries: tuple[Entry, ...], hard_state: HardState) -> None:
        self.storage.apply_snapshot(snapshot)
        if entries:
            self.storage.append(entries)
        if hard_state != EMPTY_HARD_STATE:
            self._set_hard_state(hard_state)

    def _set_hard_state(self, hard_state: HardState) -> None:
        # a write that waited must not take the commit index back behind a snapshot
        commit = max(hard_state.commit, self.storage.stored_snapshot().index)
        self.storage.set_hard_state(hard_state._replace(commit=commit))
