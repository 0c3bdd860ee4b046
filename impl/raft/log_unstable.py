"""The part of the log that is not yet known to be durable (etcd log_unstable.go).

It holds new entries, and perhaps a snapshot, until a Ready hands them out, and from then on until their write is confirmed,
because the storage does not show them before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kubeproof.impl.raft.config import Logger
from kubeproof.impl.raft.errors import RaftPanic
from kubeproof.impl.raft.types import Entry, Snapshot


class UnstableState(NamedTuple):
    """An exported Unstable."""

    snapshot: Snapshot | None
    entries: tuple[Entry, ...]
    offset: int
    offset_in_progress: int
    snapshot_in_progress: bool


class Unstable:
    """entries[i] has index `offset + i`; those below `offset_in_progress` are being written, as may be the snapshot.

    `offset` may lie inside the stored log: the next write then overwrites the storage from there on.
    """

    __slots__ = ("_logger", "entries", "offset", "offset_in_progress", "snapshot", "snapshot_in_progress")

    def __init__(self, offset: int, logger: Logger | None = None) -> None:
        self.snapshot: Snapshot | None = None
        self.entries: list[Entry] = []
        self.offset = offset
        self.offset_in_progress = offset
        self.snapshot_in_progress = False
        self._logger = logger

    def maybe_first_index(self) -> int | None:
        return None if self.snapshot is None else self.snapshot.index + 1

    def maybe_last_index(self) -> int | None:
        if self.entries:
            return self.offset + len(self.entries) - 1
        return None if self.snapshot is None else self.snapshot.index

    def maybe_term(self, index: int) -> int | None:
        """The term of the entry or snapshot at `index`; None if it is not here."""
        position = index - self.offset
        if position < 0:
            return self.snapshot.term if self.snapshot is not None and self.snapshot.index == index else None
        return self.entries[position].term if position < len(self.entries) else None

    def next_entries(self) -> list[Entry]:
        """Entries whose write has not begun."""
        return self.entries[self.offset_in_progress - self.offset :]

    def has_next_entries(self) -> bool:
        return len(self.entries) > self.offset_in_progress - self.offset

    def next_snapshot(self) -> Snapshot | None:
        """The snapshot if its write has not begun."""
        return None if self.snapshot_in_progress else self.snapshot

    def accept_in_progress(self) -> None:
        """Everything here is being written from now on."""
        if self.entries:
            self.offset_in_progress = self.entries[-1].index + 1
        if self.snapshot is not None:
            self.snapshot_in_progress = True

    def stable_to(self, index: int, term: int) -> None:
        """Entries up to `index` are durable, provided that the one at `index` still is the one of `term`."""
        ours = self.maybe_term(index)
        if ours is None:
            self._info(f"entry at index {index} missing from unstable log; ignoring")
        elif index < self.offset:
            self._info(f"entry at index {index} matched unstable snapshot; ignoring")
        elif ours != term:
            # the entries were replaced while they were being written
            self._info(
                f"entry at (index,term)=({index},{term}) mismatched with entry at ({index},{ours}) in unstable log; ignoring"
            )
        else:
            del self.entries[: index + 1 - self.offset]
            self.offset = index + 1
            self.offset_in_progress = max(self.offset_in_progress, self.offset)

    def stable_snap_to(self, index: int) -> None:
        """The snapshot at `index` is durable."""
        if self.snapshot is not None and self.snapshot.index == index:
            self.snapshot = None
            self.snapshot_in_progress = False

    def restore(self, snapshot: Snapshot) -> None:
        """Begin anew behind a snapshot."""
        self.offset = self.offset_in_progress = snapshot.index + 1
        self.entries = []
        self.snapshot = snapshot
        self.snapshot_in_progress = False

    def truncate_and_append(self, entries: Sequence[Entry]) -> None:
        """Append entries; what stood at the first one's index and behind is dropped."""
        first = entries[0].index
        if first == self.offset + len(self.entries):
            self.entries.extend(entries)
        elif first <= self.offset:
            self._info(f"replace the unstable entries from index {first}")
            self.entries = list(entries)
            self.offset = self.offset_in_progress = first
        else:
            self._info(f"truncate the unstable entries before index {first}")
            self.entries[first - self.offset :] = entries
            self.offset_in_progress = min(self.offset_in_progress, first)

    def slice(self, low: int, high: int) -> list[Entry]:
        """Entries [low, high), all of which must be here."""
        if low > high:
            raise RaftPanic(f"invalid unstable.slice {low} > {high}")
        upper = self.offset + len(self.entries)
        if low < self.offset or high > upper:
            raise RaftPanic(f"unstable.slice[{low},{high}) out of bound [{self.offset},{upper}]")
        return self.entries[low - self.offset : high - self.offset]

    def _info(self, text: str) -> None:
        if self._logger is not None:
            self._logger.info(text)

    def export(self) -> UnstableState:
        return UnstableState(self.snapshot, tuple(self.entries), self.offset, self.offset_in_progress, self.snapshot_in_progress)

    def import_state(self, state: UnstableState) -> None:
        self.snapshot, self.offset = state.snapshot, state.offset
        self.entries = list(state.entries)
        self.offset_in_progress, self.snapshot_in_progress = state.offset_in_progress, state.snapshot_in_progress
