"""Compaction: forget the past at once, remove its records in batches (etcd kvstore_compaction.go).

Two marks on disk make it safe against crashes: `scheduled` is committed before the first record is removed, `finished` is written
with the last. A store that is opened between the two goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubeproof.impl.store.backend import FINISHED_COMPACT, SCHEDULED_COMPACT
from kubeproof.impl.store.errors import ErrCompacted, ErrFutureRev
from kubeproof.impl.store.state import Compaction

if TYPE_CHECKING:
    from kubeproof.impl.store.mvcc import Store

BATCH_LIMIT = 1000
"""etcd's default for Store.compaction_batch_limit: records that are removed between two commits."""


def schedule(store: Store, revision: int) -> None:
    """Forget what no read from a main revision on can see; its records wait to be removed. ErrCompacted, ErrFutureRev.

    A sync point. Before any compaction the store's compact_revision is -1, so revision 0 is accepted then, and changes nothing.
    """
    if revision <= store.compact_revision:
        raise ErrCompacted
    if revision > store.revision:
        raise ErrFutureRev
    store.compact_revision = revision
    store.backend.meta.put(SCHEDULED_COMPACT, revision)
    store.backend.commit()
    removed = store.index.compact(revision, store.backend.key.now)
    store.compactions.append(Compaction(revision, tuple(removed)))


def remove_batch(store: Store) -> bool:
    """Remove the next batch of records. Whether there was anything to do.

    A full batch is committed at once. The last one comes with the mark `finished`, and waits for the next commit.
    """
    if not store.compactions:
        return False
    current = store.compactions.popleft()
    batch, rest = current.removed[: store.compaction_batch_limit], current.removed[store.compaction_batch_limit :]
    for revision in batch:
        store.backend.key.delete(revision)
    if len(batch) == store.compaction_batch_limit:
        store.compactions.appendleft(current._replace(removed=rest))
        store.backend.commit()
    else:
        store.backend.meta.put(FINISHED_COMPACT, current.revision)
    return True
