"""Put, delete and transactions on a write transaction of the store (etcd server/etcdserver/txn).

A transaction goes in three steps. All compares, also those of nested transactions, are made against the state before it: that
gives the branches that are taken. What these ask for is checked before anything is written, so that a transaction fails as a
whole. Then the operations are done, in order; each sees what those before it have written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kubeproof.impl.store.errors import ErrCompacted, ErrFutureRev, ErrKeyNotFound, ErrLeaseNotFound, StorePanic
from kubeproof.impl.store.lessor import NO_LEASE, Lessor
from kubeproof.impl.store.mvcc import View, WriteTransaction
from kubeproof.impl.store.ranges import end_of, read_range
from kubeproof.impl.store.records import KeyValue
from kubeproof.impl.store.requests import (
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    DeleteRangeResponse,
    PutRequest,
    PutResponse,
    RangeRequest,
    ResponseHeader,
    ResponseOp,
    TxnRequest,
    TxnResponse,
)
from kubeproof.impl.store.versions import Version

_NOT_THERE = KeyValue(b"")
"""What compares of anything but a value see where no key is."""


class Branch(NamedTuple):
    """The branch of a transaction that is taken; nested transactions are in it as their branches."""

    succeeded: bool
    operations: tuple[RangeRequest | PutRequest | DeleteRangeRequest | Branch, ...]

    def plain(self) -> Iterator[RangeRequest | PutRequest | DeleteRangeRequest]:
        """The operations in order, nested ones in their place."""
        for operation in self.operations:
            if isinstance(operation, Branch):
                yield from operation.plain()
            else:
                yield operation


# ---- operations


def put(transaction: WriteTransaction, lessor: Lessor, request: PutRequest) -> PutResponse:
    """Write a key. ErrLeaseNotFound, ErrKeyNotFound."""
    _check_lease(lessor, request)
    previous = _previous(transaction, request)
    if previous is None and (request.ignore_value or request.ignore_lease):
        raise ErrKeyNotFound
    return _put(transaction, request, previous)


def delete_range(transaction: WriteTransaction, request: DeleteRangeRequest) -> DeleteRangeResponse:
    """Delete keys."""
    end = end_of(request.range_end)
    previous = tuple(transaction.range(request.key, end).kvs) if request.prev_kv else ()
    deleted, revision = transaction.delete_range(request.key, end)
    return DeleteRangeResponse(ResponseHeader(revision), deleted, previous)


def _put(transaction: WriteTransaction, request: PutRequest, previous: KeyValue | None) -> PutResponse:
    value, lease = request.value, request.lease
    if previous is not None:
        if request.ignore_value:
            value = previous.value
        if request.ignore_lease:
            lease = previous.lease
    revision = transaction.put(request.key, value, lease)
    return PutResponse(ResponseHeader(revision), previous if request.prev_kv else None)


def _previous(view: View, request: PutRequest) -> KeyValue | None:
    """What the key has now, if the request asks for it."""
    if not (request.ignore_value or request.ignore_lease or request.prev_kv):
        return None
    found = view.range(request.key, None).kvs
    return found[0] if found else None


def _check_lease(lessor: Lessor, request: PutRequest) -> None:
    if request.lease != NO_LEASE and lessor.lookup(request.lease) is None:
        raise ErrLeaseNotFound


# ---- transactions


def is_read_only(request: TxnRequest) -> bool:
    """Whether it goes without consensus: it has nothing but ranges. (One with a nested transaction counts as writing.)"""
    return all(isinstance(operation, RangeRequest) for operation in (*request.success, *request.failure))


def choose(view: View, request: TxnRequest) -> Branch:
    """Make all compares."""
    succeeded = all(_holds(view, compare) for compare in request.compare)
    operations = request.success if succeeded else request.failure
    return Branch(
        succeeded,
        tuple(
            choose(view, operation) if isinstance(operation, TxnRequest) else operation
            for operation in operations
            if operation is not None
        ),
    )


def check(view: View, lessor: Lessor, branch: Branch, version: Version, previous_before_txn: bool) -> None:
    """Whether every operation of the branch can be done. ErrKeyNotFound, ErrLeaseNotFound, ErrCompacted, ErrFutureRev.

    Before 3.6 all puts are checked first. `previous_before_txn` is the fault previous_looked_up_before_txn.
    """
    operations = list(branch.plain())
    if version < Version.V3_6:
        operations.sort(key=lambda operation: isinstance(operation, RangeRequest))
    deleted: list[DeleteRangeRequest] = []
    for operation in operations:
        if isinstance(operation, RangeRequest):
            _check_range(view, operation)
        elif isinstance(operation, PutRequest):
            _check_put(view, lessor, operation, deleted)
        elif not previous_before_txn:
            deleted.append(operation)


def execute(transaction: WriteTransaction, branch: Branch) -> TxnResponse:
    """Do the operations of a branch that was checked. In nested transactions the header stays empty, as in etcd."""
    response = _execute(transaction, branch)
    return response._replace(header=ResponseHeader(transaction.revision))


def _execute(transaction: WriteTransaction, branch: Branch) -> TxnResponse:
    responses: list[ResponseOp] = []
    for operation in branch.operations:
        if isinstance(operation, RangeRequest):
            responses.append(read_range(transaction, operation))
        elif isinstance(operation, PutRequest):
            previous = _previous(transaction, operation)
            if previous is None and (operation.ignore_value or operation.ignore_lease):
                # An entry of the log that kills whoever applies it, at every restart again.
                raise StorePanic("unexpected error during txn with writes")
            responses.append(_put(transaction, operation, previous))
        elif isinstance(operation, DeleteRangeRequest):
            responses.append(delete_range(transaction, operation))
        else:
            responses.append(_execute(transaction, operation))
    return TxnResponse(ResponseHeader(), branch.succeeded, tuple(responses))


def without_ranges(branch: Branch) -> Branch:
    """What is left where nobody waits for the answers to ranges (etcd#18667)."""
    return branch._replace(
        operations=tuple(
            without_ranges(operation) if isinstance(operation, Branch) else operation
            for operation in branch.operations
            if not isinstance(operation, RangeRequest)
        )
    )


def _check_range(view: View, request: RangeRequest) -> None:
    """Here, and not for ranges alone, a negative revision counts: as one before any compaction (etcd#13871)."""
    if request.revision == 0:
        return
    if request.revision > view.revision:
        raise ErrFutureRev
    if request.revision < view.compact_revision:
        raise ErrCompacted


def _check_put(view: View, lessor: Lessor, request: PutRequest, deleted: list[DeleteRangeRequest]) -> None:
    if request.ignore_value or request.ignore_lease:
        gone = any(_covers(each, request.key) for each in deleted)
        if gone or _previous(view, request) is None:
            raise ErrKeyNotFound
    _check_lease(lessor, request)


def _covers(request: DeleteRangeRequest, key: bytes) -> bool:
    end = end_of(request.range_end)
    if end is None:
        return key == request.key
    return request.key <= key and (not end or key < end)


# ---- compares


def _holds(view: View, compare: Compare) -> bool:
    """Whether each key in the range stands in the relation. A value that is not there stands in none."""
    kvs = view.range(compare.key, end_of(compare.range_end)).kvs
    if not kvs:
        return compare.target != CompareTarget.VALUE and _compare(compare, _NOT_THERE)
    return all(_compare(compare, kv) for kv in kvs)


def _compare(compare: Compare, kv: KeyValue) -> bool:
    """An unknown target is equal to everything, an unknown result always holds."""
    order = _order(compare, kv)
    match compare.result:
        case CompareResult.EQUAL:
            return order == 0
        case CompareResult.NOT_EQUAL:
            return order != 0
        case CompareResult.GREATER:
            return order > 0
        case CompareResult.LESS:
            return order < 0
    return True


def _order(compare: Compare, kv: KeyValue) -> int:
    """-1, 0 or 1 as what the key has is less than, equal to or greater than what the compare gives."""
    match compare.target:
        case CompareTarget.VALUE:
            return (kv.value > compare.value) - (kv.value < compare.value)
        case CompareTarget.VERSION:
            has, given = kv.version, compare.version
        case CompareTarget.CREATE:
            has, given = kv.create_revision, compare.create_revision
        case CompareTarget.MOD:
            has, given = kv.mod_revision, compare.mod_revision
        case CompareTarget.LEASE:
            has, given = kv.lease, compare.lease
        case _:
            return 0
    return (has > given) - (has < given)
