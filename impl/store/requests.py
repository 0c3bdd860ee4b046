"""Requests and responses, named and shaped as in etcd's rpc.proto. All are immutable.

Defaults are those of proto3. `range_end` is empty for the one key, "\\0" for all keys from `key` on, and else the first key
behind the range. Times to live are in seconds.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from kubeproof.impl.store.records import Event, KeyValue

FROM_KEY = b"\x00"
"""The range_end that means: to the end of the key space."""


class ResponseHeader(NamedTuple):
    """`revision` is that of the store when the answer was made. (Cluster, member and term are the member's to tell.)"""

    revision: int = 0


# ---- range


class SortOrder(IntEnum):
    """RangeRequest.SortOrder"""

    NONE = 0
    ASCEND = 1
    DESCEND = 2


class SortTarget(IntEnum):
    """RangeRequest.SortTarget"""

    KEY = 0
    VERSION = 1
    CREATE = 2
    MOD = 3
    VALUE = 4


class RangeRequest(NamedTuple):
    """Read keys. Enums are open in proto3: sort_order and sort_target may be numbers that have no name."""

    key: bytes = b""
    range_end: bytes = b""
    limit: int = 0
    """At most so many keys; 0 or less is no limit."""
    revision: int = 0
    """Read as of this main revision; 0 or less is the current one."""
    sort_order: int = SortOrder.NONE
    sort_target: int = SortTarget.KEY
    serializable: bool = False
    """Answered by any member from what it has; no difference in a store alone."""
    keys_only: bool = False
    count_only: bool = False
    min_mod_revision: int = 0
    max_mod_revision: int = 0
    min_create_revision: int = 0
    max_create_revision: int = 0


class RangeResponse(NamedTuple):
    """`count` is the number of keys in the range, whatever limit and filters took away."""

    header: ResponseHeader | None = None
    kvs: tuple[KeyValue, ...] = ()
    more: bool = False
    count: int = 0  # type: ignore[assignment]  # it hides tuple.count, which nobody needs


# ---- put, delete


class PutRequest(NamedTuple):
    """Write a key."""

    key: bytes = b""
    value: bytes = b""
    lease: int = 0
    prev_kv: bool = False
    ignore_value: bool = False
    """Keep the value that the key has."""
    ignore_lease: bool = False
    """Keep the lease that the key has."""


class PutResponse(NamedTuple):
    """`prev_kv` only if it was asked for and there was one."""

    header: ResponseHeader | None = None
    prev_kv: KeyValue | None = None


class DeleteRangeRequest(NamedTuple):
    """Delete keys."""

    key: bytes = b""
    range_end: bytes = b""
    prev_kv: bool = False


class DeleteRangeResponse(NamedTuple):
    """`prev_kvs` only if they were asked for."""

    header: ResponseHeader | None = None
    deleted: int = 0
    prev_kvs: tuple[KeyValue, ...] = ()


# ---- transaction


class CompareResult(IntEnum):
    """Compare.CompareResult"""

    EQUAL = 0
    GREATER = 1
    LESS = 2
    NOT_EQUAL = 3


class CompareTarget(IntEnum):
    """Compare.CompareTarget"""

    VERSION = 0
    CREATE = 1
    MOD = 2
    VALUE = 3
    LEASE = 4


class Compare(NamedTuple):
    """`target` of each key in the range stands in relation `result` to the union's member of that name.

    The union is told by its members: the one that `target` names counts, and is 0 or empty if it was not given.
    """

    result: int = CompareResult.EQUAL
    target: int = CompareTarget.VERSION
    key: bytes = b""
    version: int = 0
    create_revision: int = 0
    mod_revision: int = 0
    value: bytes = b""
    lease: int = 0
    range_end: bytes = b""


class TxnRequest(NamedTuple):
    """If all compares hold, do `success`, else `failure`, at one revision. An operation without content is None."""

    compare: tuple[Compare, ...] = ()
    success: tuple[RequestOp, ...] = ()
    failure: tuple[RequestOp, ...] = ()


class TxnResponse(NamedTuple):
    """One response for each operation of the branch that was taken."""

    header: ResponseHeader | None = None
    succeeded: bool = False
    responses: tuple[ResponseOp, ...] = ()


RequestOp = RangeRequest | PutRequest | DeleteRangeRequest | TxnRequest | None
ResponseOp = RangeResponse | PutResponse | DeleteRangeResponse | TxnResponse


# ---- compaction


class CompactionRequest(NamedTuple):
    """Forget what no read from `revision` on can see. `physical`: answer when it is removed, not only forgotten."""

    revision: int = 0
    physical: bool = False


class CompactionResponse(NamedTuple):
    """CompactionResponse"""

    header: ResponseHeader | None = None


# ---- leases


class LeaseGrantRequest(NamedTuple):
    """Grant a lease; with id 0 the server chooses one."""

    ttl: int = 0
    id: int = 0


class LeaseGrantResponse(NamedTuple):
    """`ttl` is what was granted, which may be more than was asked for."""

    header: ResponseHeader | None = None
    id: int = 0
    ttl: int = 0


class LeaseRevokeRequest(NamedTuple):
    """End a lease, and delete its keys."""

    id: int = 0


class LeaseRevokeResponse(NamedTuple):
    """LeaseRevokeResponse"""

    header: ResponseHeader | None = None


class LeaseKeepAliveRequest(NamedTuple):
    """Let a lease live for its whole time again."""

    id: int = 0


class LeaseKeepAliveResponse(NamedTuple):
    """`ttl` is 0 if there is no such lease."""

    header: ResponseHeader | None = None
    id: int = 0
    ttl: int = 0


class LeaseTimeToLiveRequest(NamedTuple):
    """How long a lease has to live, and which keys are attached to it."""

    id: int = 0
    keys: bool = False


class LeaseTimeToLiveResponse(NamedTuple):
    """`ttl` is -1 if there is no such lease. `keys` are sorted (in etcd they come in no order)."""

    header: ResponseHeader | None = None
    id: int = 0
    ttl: int = 0
    granted_ttl: int = 0
    keys: tuple[bytes, ...] = ()


class LeaseLeasesRequest(NamedTuple):
    """Which leases there are."""


class LeaseStatus(NamedTuple):
    """LeaseStatus"""

    id: int = 0


class LeaseLeasesResponse(NamedTuple):
    """The leases, the one that expires first before the others."""

    header: ResponseHeader | None = None
    leases: tuple[LeaseStatus, ...] = ()


class LeaseCheckpoint(NamedTuple):
    """How many seconds the lease `id` has still to live."""

    id: int = 0
    remaining_ttl: int = 0


class LeaseCheckpointRequest(NamedTuple):
    """Sent through consensus by the primary, so that whoever follows it need not start leases anew. No client's request."""

    checkpoints: tuple[LeaseCheckpoint, ...] = ()


class LeaseCheckpointResponse(NamedTuple):
    """LeaseCheckpointResponse"""

    header: ResponseHeader | None = None


Request = (
    RangeRequest
    | PutRequest
    | DeleteRangeRequest
    | TxnRequest
    | CompactionRequest
    | LeaseGrantRequest
    | LeaseRevokeRequest
    | LeaseKeepAliveRequest
    | LeaseTimeToLiveRequest
    | LeaseLeasesRequest
    | LeaseCheckpointRequest
)
Response = (
    RangeResponse
    | PutResponse
    | DeleteRangeResponse
    | TxnResponse
    | CompactionResponse
    | LeaseGrantResponse
    | LeaseRevokeResponse
    | LeaseKeepAliveResponse
    | LeaseTimeToLiveResponse
    | LeaseLeasesResponse
    | LeaseCheckpointResponse
)

# ---- watches: they have a stream of their own (watch.py)

INVALID_WATCH_ID = -1
"""In a response: it is for no one watch, but answers a progress request or refuses a creation."""


class FilterType(IntEnum):
    """WatchCreateRequest.FilterType"""

    NOPUT = 0
    NODELETE = 1


class WatchCreateRequest(NamedTuple):
    """Be told of changes from `start_revision` on; 0 is from now on. With watch id 0 the server chooses one."""

    key: bytes = b""
    range_end: bytes = b""
    start_revision: int = 0
    progress_notify: bool = False
    filters: tuple[int, ...] = ()
    prev_kv: bool = False
    watch_id: int = 0
    fragment: bool = False


class WatchCancelRequest(NamedTuple):
    """End a watch."""

    watch_id: int = 0


class WatchProgressRequest(NamedTuple):
    """Tell the revision up to which all watches of the stream were told everything."""


class WatchResponse(NamedTuple):
    """Events of a watch; or that it was created or canceled; or progress, if it says nothing else."""

    header: ResponseHeader | None = None
    watch_id: int = 0
    created: bool = False
    canceled: bool = False
    compact_revision: int = 0
    cancel_reason: str = ""
    fragment: bool = False
    """More of the response follows in the next one."""
    events: tuple[Event, ...] = ()


WatchRequest = WatchCreateRequest | WatchCancelRequest | WatchProgressRequest
