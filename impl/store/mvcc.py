"""The store: keys with all their versions since the last compaction (etcd server/storage/mvcc).

A write transaction makes one main revision, whatever it writes; if it writes nothing, the revision stays. Reads are of the
current revision or of a past one. What is in memory (index, current revision) can be made again from the backend: `Store.open`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from kubeproof.impl.store import compaction
from kubeproof.impl.store.backend import FINISHED_COMPACT, SCHEDULED_COMPACT, Backend
from kubeproof.impl.store.errors import ErrCompacted, ErrFutureRev, StorePanic
from kubeproof.impl.store.faults import NO_FAULTS, Faults
from kubeproof.impl.store.lessor import NO_LEASE, Lessor
from kubeproof.impl.store.records import Event, EventType, KeyValue, Revision
from kubeproof.impl.store.state import Compaction, Memory
from kubeproof.impl.store.tree_index import TreeIndex

FIRST_REVISION = 1
"""The current revision of an empty store."""
NEVER_COMPACTED = -1


class RangeResult(NamedTuple):
    """`total` is the number of keys in the range, also where the limit left some out; `revision` is the current one."""

    kvs: list[KeyValue]
    total: int
    revision: int


class View(Protocol):
    """What can be read from: a store, or a write transaction with what it has written."""

    @property
    def revision(self) -> int:
        """The current main revision."""

    @property
    def compact_revision(self) -> int:
        """The main revision before which nothing can be read; -1 if there was no compaction."""

    def range(
        self, key: bytes, end: bytes | None, at_revision: int = 0, limit: int = 0, count_only: bool = False
    ) -> RangeResult: ...


class Store:
    """The records of a backend and their index.

    `compactions` are those that are scheduled and have records left to remove.
    """

    def __init__(self, backend: Backend, lessor: Lessor, compaction_batch_limit: int, faults: Faults = NO_FAULTS) -> None:
        self.backend = backend
        self.lessor = lessor
        self.compaction_batch_limit = compaction_batch_limit
        self._faults = faults
        self.revision = FIRST_REVISION
        self.compact_revision = NEVER_COMPACTED
        self.index = TreeIndex(faults)
        self.compactions: deque[Compaction] = deque()
        self._records = backend.key.now

    @classmethod
    def open(cls, backend: Backend, lessor: Lessor, compaction_batch_limit: int, faults: Faults = NO_FAULTS) -> Store:
        """The store of what a backend has. A compaction that was interrupted waits for `resume_compaction`."""
        store = cls(backend, lessor, compaction_batch_limit, faults)
        store.compact_revision = store._finished_compaction()
        scheduled = backend.meta.now.get(SCHEDULED_COMPACT, NEVER_COMPACTED)
        last_written = max(backend.key.now, default=(FIRST_REVISION, 0))[0]
        store.revision = max(last_written, store.compact_revision)
        if not faults.scheduled_compaction_forgotten:
            # The records of the last revisions may be removed already (etcd#17780).
            store.revision = max(store.revision, scheduled)
        store.index = TreeIndex.restore(backend.key.now, store.compact_revision, faults)
        for key, lease in store._leases_of_records().items():
            lessor.attach(lease, key)
        return store

    def resume_compaction(self) -> None:
        """Schedule a compaction again that was interrupted. (etcd forgets one at revision 0, whose mark it takes for none.)"""
        scheduled = self.backend.meta.now.get(SCHEDULED_COMPACT, NEVER_COMPACTED)
        if self.compact_revision < scheduled <= self.revision:
            compaction.schedule(self, scheduled)

    def memory(self) -> Memory:
        """What `restore` could not know otherwise."""
        finished = self._finished_compaction()
        told = TreeIndex.restore(self._records, finished, self._faults)
        if finished < self.compact_revision:
            told.compact(self.compact_revision, self._records)
        leases, told_leases = self.lessor.attached(), self._leases_of_records()
        others = sorted(key for key, _ in leases.items() ^ told_leases.items())
        return Memory(self.index.unlike(told), tuple((key, leases.get(key, NO_LEASE)) for key in dict.fromkeys(others)))

    def restore(self, revision: int, compact_revision: int, compactions: Iterable[Compaction], memory: Memory) -> None:
        """The state in memory of a store with the same records."""
        if self.compact_revision < compact_revision:
            self.index.compact(compact_revision, self._records)
        self.index.take(memory.keys)
        for key, lease in memory.leases:
            if self.lessor.lease_of(key) != NO_LEASE:
                self.lessor.detach(self.lessor.lease_of(key), key)
            if lease != NO_LEASE:
                self.lessor.attach(lease, key)
        self.revision, self.compact_revision = revision, compact_revision
        self.compactions = deque(compactions)

    def write(self) -> WriteTransaction:
        """Begin a write transaction. There is one at a time, and no read of the store beside it."""
        return WriteTransaction(self)

    def range(self, key: bytes, end: bytes | None, at_revision: int = 0, limit: int = 0, count_only: bool = False) -> RangeResult:
        """The keys from `key` to `end` (None: the one key; empty: to the end of the key space), in order.

        `at_revision` 0 or less is the current revision, `limit` 0 or less is none. ErrCompacted, ErrFutureRev.
        """
        return self.range_at(self.revision, key, end, at_revision, limit, count_only)

    def range_at(
        self, current: int, key: bytes, end: bytes | None, at_revision: int, limit: int, count_only: bool
    ) -> RangeResult:
        """As `range`, where `current` is the current revision (a write transaction has its own)."""
        if at_revision > current:
            raise ErrFutureRev
        if at_revision <= 0:
            at_revision = current
        if at_revision < self.compact_revision:
            raise ErrCompacted
        revisions = self.index.revisions(key, end, at_revision)
        count = len(revisions)
        if count_only:
            return RangeResult([], count, current)
        if 0 < limit < count:
            del revisions[limit:]
        records = self._records
        try:
            return RangeResult([records[revision] for revision in revisions], count, current)
        except KeyError:
            raise StorePanic("range failed to find revision pair") from None

    def records_since(self, at_revision: int) -> list[tuple[Revision, KeyValue]]:
        """What was written from a main revision on, in order: what a watch from there must tell. ErrCompacted."""
        return list(self.history_since(at_revision))

    def history_since(self, at_revision: int) -> Iterator[tuple[Revision, KeyValue]]:
        """As `records_since`, one after the other, for who may not need all. The store must not change meanwhile.

        What is on disk counts, whatever the index says (etcd's syncWatchers reads the backend).
        """
        if at_revision < self.compact_revision:
            raise ErrCompacted
        records = self._records
        return ((revision, records[revision]) for revision in self.index.written_since(at_revision) if revision in records)

    def _finished_compaction(self) -> int:
        return self.backend.meta.now.get(FINISHED_COMPACT, NEVER_COMPACTED)

    def _leases_of_records(self) -> dict[bytes, int]:
        """The keys that go with a lease that there is."""
        lease_of = {record.key: record.lease for _, record in sorted(self._records.items())}
        return {key: lease for key, lease in lease_of.items() if self.lessor.lookup(lease)}


class WriteTransaction:
    """Writes that become one main revision. `end` must be called, and nothing after it.

    `events` are the changes so far, in the order in which they were made.
    """

    __slots__ = ("_backend_key", "_index", "_lessor", "_main", "_store", "events")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._backend_key = store.backend.key
        self._index = store.index
        self._lessor = store.lessor
        self._main = store.revision + 1
        self.events: list[Event] = []

    @property
    def revision(self) -> int:
        """The current main revision: that of this transaction as soon as it has written."""
        return self._main if self.events else self._main - 1

    @property
    def compact_revision(self) -> int:
        return self._store.compact_revision

    def range(self, key: bytes, end: bytes | None, at_revision: int = 0, limit: int = 0, count_only: bool = False) -> RangeResult:
        """As Store.range. What this transaction has written is seen."""
        return self._store.range_at(self.revision, key, end, at_revision, limit, count_only)

    def put(self, key: bytes, value: bytes, lease: int) -> int:
        """Write a key. Its lease, if any, must exist. The main revision of the write."""
        main, events = self._main, self.events
        revision = (main, len(events))
        key_index = self._index.put(key, revision)
        version = key_index.version
        record = KeyValue(key, key_index.created, main, version, value, lease)
        if version == 1:
            previous, previous_lease = None, NO_LEASE
        else:
            previous, previous_lease = self._backend_key.now.get(key_index.revisions[-2]), self._lessor.lease_of(key)
        self._backend_key.append(revision, record)
        events.append(Event(EventType.PUT, record, previous))
        if lease != previous_lease:
            if previous_lease != NO_LEASE:
                self._lessor.detach(previous_lease, key)
            if lease != NO_LEASE:
                self._attach(lease, key)
        return main

    def delete_range(self, key: bytes, end: bytes | None) -> tuple[int, int]:
        """Delete the keys from `key` to `end`: how many there were, and the main revision afterwards."""
        keys = self._index.keys(key, end)
        for each in keys:
            self._delete(each)
        return len(keys), self.revision

    def end(self) -> tuple[Event, ...]:
        """Make the writes the store's. What was changed, in order: this is what watchers are told."""
        if self.events:
            self._store.revision = self._main
        self._store.backend.end_transaction()
        return tuple(self.events)

    def _attach(self, lease: int, key: bytes) -> None:
        """A request names a lease that there is; a put that keeps its lease may keep one that is gone (lease_forgotten_apart)."""
        if self._lessor.lookup(lease) is None:
            raise StorePanic("unexpected error from lease Attach")
        self._lessor.attach(lease, key)

    def _delete(self, key: bytes) -> None:
        revision = (self._main, len(self.events))
        previous = self._backend_key.now.get(self._index.tombstone(key, revision))
        record = KeyValue(key, mod_revision=self._main)
        self._backend_key.append(revision, record)
        self.events.append(Event(EventType.DELETE, record, previous))
        lease = self._lessor.lease_of(key)
        if lease != NO_LEASE:
            self._lessor.detach(lease, key)
