"""What a server refuses before consensus (etcd api/v3rpc): requests that could not be meant so, and those that are too large."""

from __future__ import annotations

from bisect import bisect_right

from kubeproof.impl.store.errors import (
    ErrDuplicateKey,
    ErrEmptyKey,
    ErrInvalidSortOption,
    ErrKeyNotFound,
    ErrLeaseProvided,
    ErrTooManyOps,
    ErrValueProvided,
)
from kubeproof.impl.store.faults import Faults
from kubeproof.impl.store.ranges import end_of
from kubeproof.impl.store.requests import (
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    Request,
    RequestOp,
    SortOrder,
    SortTarget,
    TxnRequest,
)
from kubeproof.impl.store.sorted_keys import SortedKeys
from kubeproof.impl.store.versions import Version

MAX_TXN_OPS = 128
"""etcd's default. A nested transaction may have so many as the one around it has left."""

_ORDERS = frozenset(SortOrder)
_TARGETS = frozenset(SortTarget)


class Validator:
    """Refuses requests as a server of a version does."""

    def __init__(self, version: Version, max_txn_ops: int, faults: Faults) -> None:
        self._known_order_only = version >= Version.V3_6
        self._known_target_only = not faults.unknown_sort_target_accepted
        self._open_ranges_seen = not faults.open_range_not_seen
        self._max_txn_ops = max_txn_ops

    def check(self, request: Request) -> None:
        """Raise the StoreError that the request gets whatever the store has, if there is one."""
        if isinstance(request, PutRequest):
            _check_put(request)
        elif isinstance(request, RangeRequest):
            self._check_range(request)
        elif isinstance(request, DeleteRangeRequest):
            if not request.key:
                raise ErrEmptyKey
        elif isinstance(request, TxnRequest):
            self._check_txn(request, self._max_txn_ops)
            _changes(request.success, self._open_ranges_seen)
            _changes(request.failure, self._open_ranges_seen)

    def _check_range(self, request: RangeRequest) -> None:
        if not request.key:
            raise ErrEmptyKey
        if self._known_order_only and request.sort_order not in _ORDERS:
            raise ErrInvalidSortOption
        if self._known_target_only and request.sort_target not in _TARGETS:
            raise ErrInvalidSortOption

    def _check_txn(self, request: TxnRequest, max_ops: int) -> None:
        count = max(len(request.compare), len(request.success), len(request.failure))
        if count > max_ops:
            raise ErrTooManyOps
        if not all(compare.key for compare in request.compare):
            raise ErrEmptyKey
        for operation in (*request.success, *request.failure):
            if operation is None:
                raise ErrKeyNotFound
            if isinstance(operation, TxnRequest):
                self._check_txn(operation, max_ops - count)
            else:
                self.check(operation)


def _check_put(request: PutRequest) -> None:
    if not request.key:
        raise ErrEmptyKey
    if request.ignore_value and request.value:
        raise ErrValueProvided
    if request.ignore_lease and request.lease:
        raise ErrLeaseProvided


# ---- one change of a key in a transaction


class _Intervals:
    """Disjoint intervals of keys, in order: adding one merges those that it touches. An empty end is behind all keys."""

    def __init__(self) -> None:
        self._begins: list[bytes] = []
        self._ends: list[bytes] = []

    def add(self, begin: bytes, end: bytes) -> None:
        if end and end <= begin:
            return
        first = bisect_right(self._begins, begin)
        if first > 0 and _reaches(self._ends[first - 1], begin):
            first -= 1
            begin = self._begins[first]
        last = bisect_right(self._begins, end) if end else len(self._begins)
        if last > first and not _reaches(end, self._ends[last - 1]):
            end = self._ends[last - 1]
        self._begins[first:last] = [begin]
        self._ends[first:last] = [end]

    def __contains__(self, key: bytes) -> bool:
        place = bisect_right(self._begins, key) - 1
        if place < 0:
            return False
        end = self._ends[place]
        return not end or key < end

    def pairs(self) -> list[tuple[bytes, bytes]]:
        return list(zip(self._begins, self._ends, strict=True))


def _reaches(end: bytes, point: bytes) -> bool:
    return not end or (bool(point) and point <= end)


class _Changes:
    """The keys that operations may put, and the ranges that they may delete."""

    def __init__(self) -> None:
        self.puts = SortedKeys()
        self.deletes = _Intervals()

    def add_put(self, key: bytes) -> None:
        if key in self.puts or key in self.deletes:
            raise ErrDuplicateKey
        self.puts.add(key)


def _changes(operations: tuple[RequestOp, ...], open_ranges_seen: bool) -> _Changes:
    """What the operations may change; ErrDuplicateKey if that is a key twice. Only one branch of a transaction is taken.

    Deleting what is deleted already is no second change. etcd (checkIntervals) compares strings, so a range that ends with "\\0"
    is empty for it; and it does not look at the puts before a nested transaction when that deletes.
    """
    changes = _Changes()
    for operation in operations:
        if isinstance(operation, DeleteRangeRequest):
            _add_delete(changes.deletes, operation, open_ranges_seen)
    for operation in operations:
        if isinstance(operation, TxnRequest):
            _add_nested(changes, operation, open_ranges_seen)
    for operation in operations:
        if isinstance(operation, PutRequest):
            changes.add_put(operation.key)
    return changes


def _add_delete(deletes: _Intervals, request: DeleteRangeRequest, open_ranges_seen: bool) -> None:
    end = end_of(request.range_end)
    if end is None:
        deletes.add(request.key, request.key + b"\x00")
    elif end or open_ranges_seen:
        deletes.add(request.key, end)


def _add_nested(changes: _Changes, request: TxnRequest, open_ranges_seen: bool) -> None:
    then = _changes(request.success, open_ranges_seen)
    otherwise = _changes(request.failure, open_ranges_seen)
    if open_ranges_seen:
        for begin, end in (*then.deletes.pairs(), *otherwise.deletes.pairs()):
            if changes.puts.between(begin, end):
                raise ErrDuplicateKey
    for key in then.puts:
        changes.add_put(key)
    for key in otherwise.puts:
        if key not in then.puts:  # else it was checked with the other branch
            changes.add_put(key)
    for begin, end in (*then.deletes.pairs(), *otherwise.deletes.pairs()):
        changes.deletes.add(begin, end)
