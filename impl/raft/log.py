"""A node's log: the stored part and the unstable part as one, and how far it is committed and applied (etcd log.go).

applied <= applying <= committed always: the application has been handed everything up to `applying` and has confirmed `applied`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kubeproof.impl.raft.config import Logger
from kubeproof.impl.raft.errors import ErrCompacted, ErrUnavailable, RaftPanic
from kubeproof.impl.raft.log_unstable import Unstable, UnstableState
from kubeproof.impl.raft.sizes import entries_size, limit_size
from kubeproof.impl.raft.storage import Storage
from kubeproof.impl.raft.types import NO_LIMIT, Entry, Snapshot


class LogState(NamedTuple):
    """An exported RaftLog, without its storage."""

    unstable: UnstableState
    committed: int
    applying: int
    applied: int
    applying_size: int
    applying_paused: bool


class RaftLog:
    """`max_applying_size` limits the bytes of entries that the application was handed and has not confirmed."""

    __slots__ = (
        "_logger",
        "applied",
        "applying",
        "applying_paused",
        "applying_size",
        "committed",
        "max_applying_size",
        "storage",
        "unstable",
    )

    def __init__(self, storage: Storage, logger: Logger | None = None, max_applying_size: int = NO_LIMIT) -> None:
        self.storage = storage
        self._logger = logger
        self.unstable = Unstable(storage.last_index() + 1, logger)
        self.max_applying_size = max_applying_size
        self.applying_size = 0
        self.applying_paused = False
        # a storage begins behind its last compaction, which covered applied entries only
        self.committed = self.applying = self.applied = storage.first_index() - 1

    def __str__(self) -> str:
        unstable = self.unstable
        return (
            f"committed={self.committed}, applied={self.applied}, applying={self.applying}, unstable.offset={unstable.offset}, "
            f"unstable.offsetInProgress={unstable.offset_in_progress}, len(unstable.Entries)={len(unstable.entries)}"
        )

    # ---- where it begins and ends

    def first_index(self) -> int:
        first = self.unstable.maybe_first_index()
        return self.storage.first_index() if first is None else first

    def last_index(self) -> int:
        last = self.unstable.maybe_last_index()
        return self.storage.last_index() if last is None else last

    def last_entry_id(self) -> tuple[int, int]:
        """(term, index) of the last entry."""
        index = self.last_index()
        return self.term(index), index

    def term(self, index: int) -> int:
        """The term at `index`, known from the entry before the first one on. ErrCompacted, ErrUnavailable."""
        term = self.unstable.maybe_term(index)
        if term is not None:
            return term
        if index + 1 < self.first_index():
            raise ErrCompacted
        if index > self.last_index():
            raise ErrUnavailable
        return self.storage.term(index)

    def term_or_zero(self, index: int) -> int:
        """The term at `index`, 0 where it is not known."""
        try:
            return self.term(index)
        except (ErrCompacted, ErrUnavailable):
            return 0

    def match_term(self, index: int, term: int) -> bool:
        try:
            return self.term(index) == term
        except (ErrCompacted, ErrUnavailable):
            return False

    def is_up_to_date(self, term: int, index: int) -> bool:
        """Whether a log that ends with (term, index) is at least as up to date as this one (Raft paper section 5.4.1)."""
        return (term, index) >= self.last_entry_id()

    # ---- appending

    def maybe_append(self, prev_index: int, prev_term: int, entries: Sequence[Entry], committed: int) -> int | None:
        """A follower's append (Raft paper figure 2). The index of the last new entry, or None if the logs do not meet."""
        if not self.match_term(prev_index, prev_term):
            return None
        last_new = prev_index + len(entries)
        conflict = self.find_conflict(entries)
        if conflict:
            if conflict <= self.committed:
                raise RaftPanic(f"entry {conflict} conflict with committed entry [committed({self.committed})]")
            self.append(entries[conflict - prev_index - 1 :])
        self.commit_to(min(committed, last_new))
        return last_new

    def append(self, entries: Sequence[Entry]) -> int:
        """Append entries, dropping what stood at their indexes and behind. Returns the last index."""
        if entries:
            after = entries[0].index - 1
            if after < self.committed:
                raise RaftPanic(f"after({after}) is out of range [committed({self.committed})]")
            self.unstable.truncate_and_append(entries)
        return self.last_index()

    def find_conflict(self, entries: Sequence[Entry]) -> int:
        """The index of the first entry that is not in the log, because it is new or another one stands there; 0 if none."""
        for entry in entries:
            if not self.match_term(entry.index, entry.term):
                if self._logger is not None and entry.index <= self.last_index():
                    self._logger.info(
                        f"found conflict at index {entry.index} "
                        f"[existing term: {self.term_or_zero(entry.index)}, conflicting term: {entry.term}]"
                    )
                return entry.index
        return 0

    def find_conflict_by_term(self, index: int, term: int) -> tuple[int, int]:
        """The last (index, term) up to `index` whose term is at most `term`: behind it the logs cannot agree.

        Where our term is not known, that index with term 0; (0, 0) if no entry qualifies.
        """
        while index > 0:
            try:
                ours = self.term(index)
            except (ErrCompacted, ErrUnavailable):
                return index, 0
            if ours <= term:
                return index, ours
            index -= 1
        return 0, 0

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the log by a snapshot."""
        if self._logger is not None:
            self._logger.info(f"log [{self}] starts to restore snapshot [index: {snapshot.index}, term: {snapshot.term}]")
        self.committed = snapshot.index
        self.unstable.restore(snapshot)

    # ---- committing and applying

    def commit_to(self, index: int) -> None:
        """Commit up to `index`; the commit index never decreases."""
        if self.committed < index:
            if self.last_index() < index:
                raise RaftPanic(
                    f"tocommit({index}) is out of range [lastIndex({self.last_index()})]. "
                    "Was the raft log corrupted, truncated, or lost?"
                )
            self.committed = index

    def accept_applying(self, index: int, size: int, *, allow_unstable: bool) -> None:
        """The application was handed `size` bytes of entries up to `index`; pause if that is as much as it may have."""
        if self.committed < index:
            raise RaftPanic(f"applying({index}) is out of range [prevApplying({self.applying}), committed({self.committed})]")
        self.applying = index
        self.applying_size += size
        # entries held back although they could be applied were held back for their size
        held_back = index < self.max_appliable_index(allow_unstable)
        self.applying_paused = self.applying_size >= self.max_applying_size or held_back

    def applied_to(self, index: int, size: int) -> None:
        """The application has applied `size` bytes of entries up to `index`."""
        if self.committed < index or index < self.applied:
            raise RaftPanic(f"applied({index}) is out of range [prevApplied({self.applied}), committed({self.committed})]")
        self.applied = index
        self.applying = max(self.applying, index)
        self.applying_size = max(0, self.applying_size - size)
        self.applying_paused = self.applying_size >= self.max_applying_size

    def max_appliable_index(self, allow_unstable: bool) -> int:
        return self.committed if allow_unstable else min(self.committed, self.unstable.offset - 1)

    def has_next_committed_entries(self, allow_unstable: bool) -> bool:
        """Whether there are entries to apply now. None are handed out while a snapshot waits: what came first?"""
        return (
            self.applying < self.committed
            and not self.applying_paused
            and self.unstable.snapshot is None
            and self.applying < self.max_appliable_index(allow_unstable)
        )

    def next_committed_entries(self, allow_unstable: bool) -> Sequence[Entry]:
        """The entries to apply now, as many as the size limit allows."""
        if not self.has_next_committed_entries(allow_unstable):
            return ()
        budget = self.max_applying_size - self.applying_size
        if budget <= 0:
            raise RaftPanic(f"applying entry size ({self.max_applying_size}-{self.applying_size})={budget} not positive")
        try:
            return self.slice(self.applying + 1, self.max_appliable_index(allow_unstable) + 1, budget)
        except ErrCompacted as error:
            raise RaftPanic(f"unexpected error when getting unapplied entries ({error})") from error

    # ---- reading

    def snapshot(self) -> Snapshot:
        """The newest snapshot. ErrSnapshotTemporarilyUnavailable."""
        return self.storage.snapshot() if self.unstable.snapshot is None else self.unstable.snapshot

    def entries(self, index: int, max_size: int = NO_LIMIT) -> Sequence[Entry]:
        """The entries from `index` on within `max_size` bytes, but at least one if there is any. ErrCompacted."""
        last = self.last_index()
        return () if index > last else self.slice(index, last + 1, max_size)

    def pages(self, low: int, high: int, page_size: int) -> Iterator[Sequence[Entry]]:
        """Entries [low, high) in pages of `page_size` bytes, so that a long scan does not hold them all in memory."""
        while low < high:
            page = self.slice(low, high, page_size)
            if not page:
                raise RaftPanic(f"got 0 entries in [{low}, {high})")
            yield page
            low += len(page)

    def slice(self, low: int, high: int, max_size: int) -> Sequence[Entry]:
        """Entries [low, high) within `max_size` bytes, but at least one. ErrCompacted."""
        self._check_bounds(low, high)
        if low == high:
            return ()
        offset = self.unstable.offset
        if low >= offset:
            return limit_size(self.unstable.slice(low, high), max_size)
        cut = min(high, offset)
        try:
            stored = self.storage.entries(low, cut, max_size)
        except ErrUnavailable:
            raise RaftPanic(f"entries[{low}:{cut}) is unavailable from storage") from None
        if high <= offset or len(stored) < cut - low:
            return stored
        if max_size == NO_LIMIT:
            return [*stored, *self.unstable.slice(offset, high)]
        left = max_size - entries_size(stored)
        if left <= 0:
            return stored
        unstable = limit_size(self.unstable.slice(offset, high), left)
        if len(unstable) == 1 and entries_size(unstable) > left:
            return stored
        return [*stored, *unstable]

    def _check_bounds(self, low: int, high: int) -> None:
        if low > high:
            raise RaftPanic(f"invalid slice {low} > {high}")
        first, last = self.first_index(), self.last_index()
        if low < first:
            raise ErrCompacted
        if high > last + 1:
            raise RaftPanic(f"slice[{low},{high}) out of bound [{first},{last}]")

    # ---- whole state

    def export(self) -> LogState:
        return LogState(
            self.unstable.export(), self.committed, self.applying, self.applied, self.applying_size, self.applying_paused
        )

    def import_state(self, state: LogState) -> None:
        self.unstable.import_state(state.unstable)
        self.committed, self.applying, self.applied = state.committed, state.applying, state.applied
        self.applying_size, self.applying_paused = state.applying_size, state.applying_paused
