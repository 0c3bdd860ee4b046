"""The backend: what a member keeps on disk, and the batch of writes that is not there yet (etcd server/storage/backend).

A sync point is `commit`: a crash loses exactly what was written since. Writes of a transaction come into the same batch, with the
consistent index of the entry that made them, so that what is on disk is always the effect of a whole number of entries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from kubeproof.impl.store.records import KeyValue, Revision

BATCH_LIMIT = 10_000
"""etcd's default: a batch that has grown to so many writes is committed at the end of the transaction."""

K = TypeVar("K")
V = TypeVar("V")

CONSISTENT_INDEX = "consistent_index"
SCHEDULED_COMPACT = "scheduledCompactRev"
FINISHED_COMPACT = "finishedCompactRev"


class LeaseRecord(NamedTuple):
    """What is kept of a lease (leasepb.Lease), in seconds. `remaining_ttl` is 0 if it was never checkpointed."""

    ttl: int
    remaining_ttl: int = 0


class Bucket(Generic[K, V]):
    """A bucket: `now` is its content, `before` what was committed of the keys that have something else now (None: nothing).

    Read `now` as you like; write by the methods.
    """

    __slots__ = ("before", "now")

    def __init__(self) -> None:
        self.now: dict[K, V] = {}
        self.before: dict[K, V | None] = {}

    def put(self, key: K, value: V) -> None:
        self._note(key, value)
        self.now[key] = value

    def append(self, key: K, value: V) -> None:
        """Put what is not there, and was not at the last commit either."""
        self.before[key] = None
        self.now[key] = value

    def delete(self, key: K) -> None:
        """Deleting what is not there changes nothing."""
        self._note(key, None)
        self.now.pop(key, None)

    def take_back(self) -> None:
        """What a crash does: the content is again what was committed last."""
        for key, value in self.before.items():
            if value is None:
                self.now.pop(key, None)
            else:
                self.now[key] = value
        self.before.clear()

    def differ_from(self, committed: dict[K, V]) -> None:
        """Take what differs for written since the last commit."""
        for key in {**committed, **self.now}:
            if committed.get(key) != self.now.get(key):
                self.before[key] = committed.get(key)

    def committed(self) -> dict[K, V]:
        """What is on disk."""
        bucket = Bucket[K, V]()
        bucket.now, bucket.before = self.now.copy(), self.before.copy()
        bucket.take_back()
        return bucket.now

    def _note(self, key: K, value: V | None) -> None:
        if self.before.setdefault(key, self.now.get(key)) == value:
            del self.before[key]


class Committed(NamedTuple):
    """What is on disk as one immutable, canonical value: the pairs of each bucket in the order of their keys."""

    key: tuple[tuple[Revision, KeyValue], ...] = ()
    meta: tuple[tuple[str, int], ...] = ()
    lease: tuple[tuple[int, LeaseRecord], ...] = ()
    cluster: tuple[tuple[str, Any], ...] = ()


class Backend:
    """The buckets: records by revision, marks by name, leases by id; and by name what a cluster keeps of itself (impl/etcd)."""

    __slots__ = ("batch_limit", "cluster", "key", "lease", "meta", "on_commit")

    def __init__(self, batch_limit: int = BATCH_LIMIT, committed: Committed | None = None) -> None:
        self.batch_limit = batch_limit
        self.key: Bucket[Revision, KeyValue] = Bucket()
        self.meta: Bucket[str, int] = Bucket()
        self.lease: Bucket[int, LeaseRecord] = Bucket()
        self.cluster: Bucket[str, Any] = Bucket()
        self.on_commit: Callable[[], None] | None = None
        """Called before each commit: at the sync points, whoever makes them."""
        if committed is not None:
            self.key.now.update(committed.key)
            self.meta.now.update(committed.meta)
            self.lease.now.update(committed.lease)
            self.cluster.now.update(committed.cluster)

    @classmethod
    def restore(cls, committed: Committed, written: Committed, batch_limit: int) -> Backend:
        """A backend with `committed` on disk, and the writes that make it `written` still in the batch."""
        backend = cls(batch_limit, written)
        backend.key.differ_from(dict(committed.key))
        backend.meta.differ_from(dict(committed.meta))
        backend.lease.differ_from(dict(committed.lease))
        backend.cluster.differ_from(dict(committed.cluster))
        return backend

    def end_transaction(self) -> None:
        """The writes of a transaction are complete: they may be committed."""
        if len(self.key.before) + len(self.lease.before) >= self.batch_limit:
            self.commit()

    def crash(self) -> None:
        """What is not committed is lost. Whoever uses the backend must be opened again."""
        self.key.take_back()
        self.meta.take_back()
        self.lease.take_back()
        self.cluster.take_back()

    def commit(self) -> None:
        """The sync point: everything written so far survives a crash."""
        if self.on_commit is not None:
            self.on_commit()
        self.key.before.clear()
        self.meta.before.clear()
        self.lease.before.clear()
        self.cluster.before.clear()

    def committed(self) -> Committed:
        """What a crash would leave."""
        return Committed(
            tuple(sorted(self.key.committed().items())),
            tuple(sorted(self.meta.committed().items())),
            tuple(sorted(self.lease.committed().items())),
            tuple(sorted(self.cluster.committed().items())),
        )

    def written(self) -> Committed:
        """What a commit would leave."""
        return Committed(
            tuple(sorted(self.key.now.items())),
            tuple(sorted(self.meta.now.items())),
            tuple(sorted(self.lease.now.items())),
            tuple(sorted(self.cluster.now.items())),
        )
