"""A second store, as plain as can be: a whole map of keys for each revision. It shares no code with impl/store but its words.

It does what etcd's documentation promises: no key changes twice in a revision, unknown sort options are refused.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubeproof.impl.store import errors
from kubeproof.impl.store.errors import StoreError
from kubeproof.impl.store.records import KeyValue
from kubeproof.impl.store.requests import (
    CompactionRequest,
    CompactionResponse,
    Compare,
    DeleteRangeRequest,
    DeleteRangeResponse,
    LeaseGrantRequest,
    LeaseGrantResponse,
    LeaseLeasesRequest,
    LeaseLeasesResponse,
    LeaseRevokeRequest,
    LeaseRevokeResponse,
    LeaseStatus,
    LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
    Request,
    RequestOp,
    Response,
    ResponseHeader,
    ResponseOp,
    TxnRequest,
    TxnResponse,
)

Keys = dict[bytes, KeyValue]


def within(key: bytes, first: bytes, range_end: bytes) -> bool:
    if range_end == b"":
        return key == first
    return key >= first and (range_end == b"\x00" or key < range_end)


class NaiveStore:
    """`maps[revision]` is every key as of that revision; there is no revision 0 but an empty map in its place."""

    def __init__(self) -> None:
        self.maps: list[Keys] = [{}, {}]
        self.compacted = -1
        self.leases: dict[int, int] = {}

    @property
    def revision(self) -> int:
        return len(self.maps) - 1

    def answer(self, request: Request) -> Response | StoreError:
        try:
            return self._answer(request)
        except StoreError as error:
            return error

    def _answer(self, request: Request) -> Response:
        if isinstance(request, (RangeRequest, PutRequest, DeleteRangeRequest)):
            refuse(request)
            return self._alone(request)
        if isinstance(request, TxnRequest):
            refuse_txn(request, 128)
            touched(request.success)
            touched(request.failure)
            return self._txn(request)
        if isinstance(request, CompactionRequest):
            if request.revision <= self.compacted:
                raise errors.ErrCompacted
            if request.revision > self.revision:
                raise errors.ErrFutureRev
            self.compacted = request.revision
            return CompactionResponse(self._header())
        return self._lease(request)

    def _header(self) -> ResponseHeader:
        return ResponseHeader(self.revision)

    # ---- keys

    def _alone(self, request: RangeRequest | PutRequest | DeleteRangeRequest) -> Response:
        if isinstance(request, PutRequest) and request.lease and request.lease not in self.leases:
            raise errors.ErrLeaseNotFound
        keeps = isinstance(request, PutRequest) and (request.ignore_value or request.ignore_lease)
        if keeps and request.key not in self.maps[-1]:
            raise errors.ErrKeyNotFound
        draft = Draft(self)
        response = draft.do(request)
        draft.end()
        return response

    def _txn(self, request: TxnRequest) -> TxnResponse:
        before = self.maps[-1]
        draft = Draft(self)
        for operation in flat(request, before):
            self._can_be_done(operation)
        succeeded, responses = self._run(request, before, draft)
        revision = draft.revision
        draft.end()
        return TxnResponse(ResponseHeader(revision), succeeded, responses)

    def _run(self, request: TxnRequest, before: Keys, draft: Draft) -> tuple[bool, tuple[ResponseOp, ...]]:
        succeeded = all(holds(before, each) for each in request.compare)
        responses: list[ResponseOp] = []
        for operation in request.success if succeeded else request.failure:
            if isinstance(operation, TxnRequest):
                inner = self._run(operation, before, draft)
                responses.append(TxnResponse(ResponseHeader(), *inner))
            else:
                assert operation is not None
                responses.append(draft.do(operation))
        return succeeded, tuple(responses)

    def _can_be_done(self, operation: RequestOp) -> None:
        if isinstance(operation, RangeRequest) and operation.revision != 0:
            if operation.revision > self.revision:
                raise errors.ErrFutureRev
            if operation.revision < self.compacted:
                raise errors.ErrCompacted
        if isinstance(operation, PutRequest):
            if (operation.ignore_value or operation.ignore_lease) and operation.key not in self.maps[-1]:
                raise errors.ErrKeyNotFound
            if operation.lease and operation.lease not in self.leases:
                raise errors.ErrLeaseNotFound

    def past(self, revision: int, current: int, now: Keys) -> Keys:
        if revision > current:
            raise errors.ErrFutureRev
        if revision > 0 and revision < self.compacted:
            raise errors.ErrCompacted
        return now if revision <= 0 or revision >= len(self.maps) else self.maps[revision]

    # ---- leases

    def _lease(self, request: Request) -> Response:
        if isinstance(request, LeaseGrantRequest):
            if request.ttl > 9_000_000_000:
                raise errors.ErrLeaseTTLTooLarge
            if request.id in self.leases:
                raise errors.ErrLeaseExist
            self.leases[request.id] = max(2, request.ttl)
            return LeaseGrantResponse(self._header(), request.id, max(2, request.ttl))
        if isinstance(request, LeaseRevokeRequest):
            if request.id not in self.leases:
                raise errors.ErrLeaseNotFound
            left = {key: kv for key, kv in self.maps[-1].items() if kv.lease != request.id}
            if left != self.maps[-1]:
                self.maps.append(left)
            del self.leases[request.id]
            return LeaseRevokeResponse(self._header())
        if isinstance(request, LeaseTimeToLiveRequest):
            if request.id not in self.leases:
                return LeaseTimeToLiveResponse(self._header(), request.id, -1)
            ttl = self.leases[request.id]
            keys = sorted(key for key, kv in self.maps[-1].items() if kv.lease == request.id) if request.keys else []
            return LeaseTimeToLiveResponse(self._header(), request.id, ttl, ttl, tuple(keys))
        assert isinstance(request, LeaseLeasesRequest)
        in_order = sorted(self.leases.items(), key=lambda lease: (lease[1], lease[0]))
        return LeaseLeasesResponse(self._header(), tuple(LeaseStatus(id_) for id_, _ in in_order))


class Draft:
    """The next revision, while it is being written."""

    def __init__(self, store: NaiveStore) -> None:
        self._store = store
        self._main = store.revision + 1
        self.now = dict(store.maps[-1])
        self._wrote = False

    @property
    def revision(self) -> int:
        return self._main if self._wrote else self._main - 1

    def end(self) -> None:
        if self._wrote:
            self._store.maps.append(self.now)

    def do(self, request: RangeRequest | PutRequest | DeleteRangeRequest) -> RangeResponse | PutResponse | DeleteRangeResponse:
        if isinstance(request, RangeRequest):
            keys = self._store.past(request.revision, self.revision, self.now)
            return read(keys, request, self.revision)
        if isinstance(request, PutRequest):
            old = self.now.get(request.key)
            value = old.value if old and request.ignore_value else request.value
            lease = old.lease if old and request.ignore_lease else request.lease
            created, version = (old.create_revision, old.version + 1) if old else (self._main, 1)
            self.now[request.key] = KeyValue(request.key, created, self._main, version, value, lease)
            self._wrote = True
            return PutResponse(ResponseHeader(self._main), old if request.prev_kv else None)
        gone = [self.now[key] for key in sorted(self.now) if within(key, request.key, request.range_end)]
        for kv in gone:
            del self.now[kv.key]
            self._wrote = True
        return DeleteRangeResponse(ResponseHeader(self.revision), len(gone), tuple(gone) if request.prev_kv else ())


def read(keys: Keys, request: RangeRequest, revision: int) -> RangeResponse:
    header = ResponseHeader(revision)
    found = [keys[key] for key in sorted(keys) if within(key, request.key, request.range_end)]
    if request.count_only:
        return RangeResponse(header, (), False, len(found))
    no_order = request.sort_order == 0
    no_filters = not any(request[9:13])
    # Without order and filters the first limit + 1 keys are all that is looked at.
    kept = found[: request.limit + 1] if request.limit > 0 and no_order and no_filters else list(found)
    for kv in list(kept):
        too_low = kv.mod_revision < request.min_mod_revision or kv.create_revision < request.min_create_revision
        too_high = 0 != request.max_mod_revision < kv.mod_revision or 0 != request.max_create_revision < kv.create_revision
        if too_low or too_high:
            kept.remove(kv)
    field = ("key", "version", "create_revision", "mod_revision", "value")[request.sort_target]
    if request.sort_order == 2:
        descending = sorted({getattr(kv, field) for kv in kept}, reverse=True)
        kept = [kv for value in descending for kv in kept if getattr(kv, field) == value]
    else:
        kept.sort(key=lambda kv: getattr(kv, field))
    more = 0 < request.limit < len(kept)
    kept = kept[: request.limit] if more else kept
    if request.keys_only:
        kept = [kv._replace(value=b"") for kv in kept]
    return RangeResponse(header, tuple(kept), more, len(found))


def holds(keys: Keys, compare: Compare) -> bool:
    found = [kv for key, kv in keys.items() if within(key, compare.key, compare.range_end)]
    if not found:
        if compare.target == 3:
            return False
        found = [KeyValue(b"")]
    given = (compare.version, compare.create_revision, compare.mod_revision, compare.value, compare.lease)[compare.target]
    field = ("version", "create_revision", "mod_revision", "value", "lease")[compare.target]
    for kv in found:
        has = getattr(kv, field)
        if not (has == given, has > given, has < given, has != given)[compare.result]:
            return False
    return True


def flat(request: TxnRequest, before: Keys) -> Iterable[RequestOp]:
    taken = request.success if all(holds(before, each) for each in request.compare) else request.failure
    for operation in taken:
        if isinstance(operation, TxnRequest):
            yield from flat(operation, before)
        else:
            yield operation


# ---- what is refused before anything is done


def refuse(request: RangeRequest | PutRequest | DeleteRangeRequest) -> None:
    if request.key == b"":
        raise errors.ErrEmptyKey
    if isinstance(request, RangeRequest) and not (0 <= request.sort_order <= 2 and 0 <= request.sort_target <= 4):
        raise errors.ErrInvalidSortOption
    if isinstance(request, PutRequest) and request.ignore_value and request.value:
        raise errors.ErrValueProvided
    if isinstance(request, PutRequest) and request.ignore_lease and request.lease:
        raise errors.ErrLeaseProvided


def refuse_txn(request: TxnRequest, left: int) -> None:
    most = max(len(request.compare), len(request.success), len(request.failure))
    if most > left:
        raise errors.ErrTooManyOps
    if any(compare.key == b"" for compare in request.compare):
        raise errors.ErrEmptyKey
    for operation in request.success + request.failure:
        if operation is None:
            raise errors.ErrKeyNotFound
        if isinstance(operation, TxnRequest):
            refuse_txn(operation, left - most)
        else:
            refuse(operation)


ALL_KEYS = tuple(bytes(letters) for letters in ([97], [97, 0], [97, 98], [98], [98, 47, 49], [99], [0], [255]))
"""Every key that tests write: a range is the set of those that it covers."""


def touched(operations: Iterable[RequestOp]) -> tuple[set[bytes], set[bytes]]:
    """The keys that may be put, and those that may be deleted; ErrDuplicateKey if one operation puts what another changes."""
    each = [touched_by(operation) for operation in operations]
    for place, (puts, _) in enumerate(each):
        for other, (other_puts, other_deletes) in enumerate(each):
            if place != other and puts & (other_puts | other_deletes):
                raise errors.ErrDuplicateKey
    return set().union(*(puts for puts, _ in each)), set().union(*(deletes for _, deletes in each))


def touched_by(operation: RequestOp) -> tuple[set[bytes], set[bytes]]:
    if isinstance(operation, PutRequest):
        return {operation.key}, set()
    if isinstance(operation, DeleteRangeRequest):
        return set(), {key for key in ALL_KEYS if within(key, operation.key, operation.range_end)}
    if isinstance(operation, TxnRequest):
        (puts, deletes), (other_puts, other_deletes) = touched(operation.success), touched(operation.failure)
        return puts | other_puts, deletes | other_deletes
    return set(), set()
