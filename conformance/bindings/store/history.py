"""What a log makes, said once more and simply: all changes ever made, and what each revision contains.

Nothing is compacted, committed or lost here, so this is what every member must agree with.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from kubeproof.impl.store import KeyValue, Revision
from kubeproof.impl.store.ranges import end_of
from kubeproof.impl.store.records import is_tombstone
from kubeproof.impl.store.requests import (
    CompactionRequest,
    DeleteRangeRequest,
    LeaseCheckpointRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    PutRequest,
    RangeRequest,
    Request,
    RequestOp,
    TxnRequest,
)

Log = tuple[Request, ...]
Contents = dict[bytes, KeyValue]
Leases = tuple[tuple[int, int, int], ...]
"""Of each lease its id, time to live, and what a checkpoint has left of it (0: all)."""


class Change(NamedTuple):
    """A change of a key, as a record."""

    revision: Revision
    record: KeyValue


class History(NamedTuple):
    """What a log has made, from an empty store on."""

    revision: int = 1
    compact_revision: int = -1
    changes: tuple[Change, ...] = ()
    leases: Leases = ()

    def at(self, revision: int) -> Contents:
        """What the store contains at a main revision."""
        return contents([change for change in self.changes if change.revision[0] <= revision])

    def since(self, revision: int) -> tuple[Change, ...]:
        """The changes from a main revision on."""
        return tuple(change for change in self.changes if change.revision[0] >= revision)


class _Refused(Exception):
    """An operation cannot be done, so nothing of its transaction is."""


def contents(changes: Sequence[Change]) -> Contents:
    """What is there after these changes, in the order of keys."""
    last = {change.record.key: change.record for change in changes}
    return {key: last[key] for key in sorted(last) if not is_tombstone(last[key])}


@lru_cache(maxsize=1 << 16)
def history(log: Log) -> History:
    """What a log makes."""
    return extended(history(log[:-1]), log[-1]) if log else History()


def extended(past: History, request: Request) -> History:
    """What an entry makes of it. One that is refused makes nothing."""
    match request:
        case PutRequest() | DeleteRangeRequest():
            return _txn(past, (request,))
        case TxnRequest():
            return _txn(past, request.success if holds(past, request) else request.failure)
        case CompactionRequest(revision):
            compacts = past.compact_revision < revision <= past.revision
            return past._replace(compact_revision=revision) if compacts else past
        case LeaseGrantRequest(ttl, id_):
            granted = any(each[0] == id_ for each in past.leases)
            return past if granted else past._replace(leases=(*past.leases, (id_, ttl, 0)))
        case LeaseRevokeRequest(id_):
            keys = [record.key for record in past.at(past.revision).values() if record.lease == id_]
            revoked = _txn(past, tuple(map(DeleteRangeRequest, keys)))
            return revoked._replace(leases=tuple(each for each in past.leases if each[0] != id_))
        case LeaseCheckpointRequest(checkpoints):
            left = dict(checkpoints)
            return past._replace(leases=tuple((id_, ttl, left.get(id_, has)) for id_, ttl, has in past.leases))
    raise TypeError(f"no log has {type(request).__name__} here")


def holds(past: History, request: TxnRequest) -> bool:
    """Compares are of the mod revision here, which is 0 of a key that is not there."""
    now = past.at(past.revision)
    return all(now.get(each.key, KeyValue(each.key)).mod_revision == each.mod_revision for each in request.compare)


def _txn(past: History, operations: tuple[RequestOp, ...]) -> History:
    """All operations at the next revision, or none of them."""
    made: list[Change] = []
    try:
        for operation in operations:
            made += _changes(past, made, operation)
    except _Refused:
        return past
    return past._replace(revision=past.revision + bool(made), changes=(*past.changes, *made))


def _changes(past: History, made: Sequence[Change], operation: RequestOp) -> list[Change]:
    """What an operation changes, where its transaction has made these changes."""
    now, main = contents((*past.changes, *made)), past.revision + 1
    match operation:
        case PutRequest(key, value, lease, ignore_value=keeps):
            before = now.get(key)
            if (keeps and before is None) or (lease and all(each[0] != lease for each in past.leases)):
                raise _Refused
            created, version = (main, 1) if before is None else (before.create_revision, before.version + 1)
            kept = before.value if keeps and before is not None else value
            return [Change((main, len(made)), KeyValue(key, created, main, version, kept, lease))]
        case DeleteRangeRequest(key, range_end):
            end = end_of(range_end)
            gone = [each for each in now if each == key or (end is not None and key <= each and (not end or each < end))]
            return [Change((main, len(made) + sub), KeyValue(each, mod_revision=main)) for sub, each in enumerate(gone)]
        case RangeRequest() if past.revision < operation.revision or 0 < operation.revision < past.compact_revision:
            raise _Refused
    return []
