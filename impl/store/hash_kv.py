"""HashKV: equal members have equal hashes at a revision, however far each is with removing what a compaction forgot.

The value itself is not etcd's: that is a CRC over its own encoding of records.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from kubeproof.impl.store.errors import ErrCompacted, ErrFutureRev
from kubeproof.impl.store.mvcc import Store
from kubeproof.impl.store.records import KeyValue, Revision


class HashKV(NamedTuple):
    """The hash (32 bits) of the records behind `compact_revision` and up to `hash_revision`, with what was left before."""

    hash: int
    compact_revision: int
    hash_revision: int


def hash_kv(store: Store, revision: int = 0) -> HashKV:
    """The hash up to a main revision; 0 or less is the current one. ErrCompacted, ErrFutureRev."""
    if revision > store.revision:
        raise ErrFutureRev
    if 0 < revision < store.compact_revision:
        raise ErrCompacted
    at = revision if revision > 0 else store.revision
    visible = set(store.index.revisions(b"\x00", b"", at))
    records = store.backend.key.now
    value = 0
    for each in sorted(records):
        # A tombstone at the compaction itself was removed by older members, and is not by newer ones (etcd kvHasher).
        if store.compact_revision < each[0] <= at or each in visible:
            value = zlib.crc32(_encoded(each, records[each]), value)
    return HashKV(value, store.compact_revision, at)


def _encoded(revision: Revision, record: KeyValue) -> bytes:
    numbers = (*revision, record.create_revision, record.version, record.lease, len(record.key), len(record.value))
    return b"%d %d %d %d %d %d %d " % numbers + record.key + record.value
