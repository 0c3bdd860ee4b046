"""Range requests: filter, sort, cut (etcd executeRange).

The order of these steps is what clients see: the limit counts after filters and sorting, except that without a sort order it is
taken in the order of keys first, whatever the target. `count` is taken before all of it.
"""

from __future__ import annotations

from operator import attrgetter

from kubeproof.impl.store.errors import StorePanic
from kubeproof.impl.store.mvcc import View
from kubeproof.impl.store.records import KeyValue
from kubeproof.impl.store.requests import FROM_KEY, RangeRequest, RangeResponse, ResponseHeader, SortOrder, SortTarget

_FIELD = {
    SortTarget.KEY: attrgetter("key"),
    SortTarget.VERSION: attrgetter("version"),
    SortTarget.CREATE: attrgetter("create_revision"),
    SortTarget.MOD: attrgetter("mod_revision"),
    SortTarget.VALUE: attrgetter("value"),
}


def end_of(range_end: bytes) -> bytes | None:
    """A request's range_end as the store takes it: None is the one key, empty the end of the key space."""
    if not range_end:
        return None
    return b"" if range_end == FROM_KEY else range_end


def read_range(view: View, request: RangeRequest) -> RangeResponse:
    """Answer a range. ErrCompacted, ErrFutureRev; StorePanic for an unknown sort target that nothing has refused (etcd#13554)."""
    filtered = _has_filters(request)
    # One more than asked for tells whether there are more.
    limit = 0 if filtered or request.sort_order != SortOrder.NONE or request.limit <= 0 else request.limit + 1
    kvs, count, revision = view.range(request.key, end_of(request.range_end), request.revision, limit, request.count_only)
    if filtered:
        kvs = [kv for kv in kvs if _passes(kv, request)]
    kvs = _sort(kvs, request)
    more = 0 < request.limit < len(kvs)
    if more:
        kvs = kvs[: request.limit]
    if request.keys_only:
        kvs = [KeyValue(kv.key, kv.create_revision, kv.mod_revision, kv.version, b"", kv.lease) for kv in kvs]
    return RangeResponse(ResponseHeader(revision), tuple(kvs), more, count)


def _has_filters(request: RangeRequest) -> bool:
    return bool(
        request.min_mod_revision or request.max_mod_revision or request.min_create_revision or request.max_create_revision
    )


def _passes(kv: KeyValue, request: RangeRequest) -> bool:
    """Whether the filters let a pair through; 0 is no filter, and a negative maximum lets nothing through."""
    return (
        (not request.max_mod_revision or kv.mod_revision <= request.max_mod_revision)
        and (not request.min_mod_revision or kv.mod_revision >= request.min_mod_revision)
        and (not request.max_create_revision or kv.create_revision <= request.max_create_revision)
        and (not request.min_create_revision or kv.create_revision >= request.min_create_revision)
    )


def _sort(kvs: list[KeyValue], request: RangeRequest) -> list[KeyValue]:
    """Sorted as the request wants; ties stay in the order of keys. An unknown order leaves the order of keys (before 3.6)."""
    order, target = request.sort_order, request.sort_target
    if target == SortTarget.KEY and order in (SortOrder.NONE, SortOrder.ASCEND):
        return kvs
    if order == SortOrder.NONE:
        order = SortOrder.ASCEND
    if order not in (SortOrder.ASCEND, SortOrder.DESCEND):
        return kvs
    if target not in _FIELD:
        raise StorePanic("runtime error: invalid memory address or nil pointer dereference")
    # A reversed sort keeps ties in their order, too.
    return sorted(kvs, key=_FIELD[SortTarget(target)], reverse=order == SortOrder.DESCEND)
