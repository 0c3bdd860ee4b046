"""Recorded requests and answers as they stand in a file: one JSON object a line (docs/store.md describes the format).

Fields have their protobuf names, and are left out where they have proto3's default. Bytes are strings whose code points are the
bytes. Enums are names, or numbers where etcd has no name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct
from msgspec.json import encode

Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Enum = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class _Message(Struct, gc=False, forbid_unknown_fields=True):
    """A protobuf message."""


# ---- the first line


class Recording(_Message):
    """What the file tells about itself. `operations` or, in recordings of watches, `steps` is the number of lines that follow."""

    server: str
    name: str = ""
    profile: str = ""
    kind: str = ""
    seed: int = 0
    operations: Natural | None = None
    steps: Natural | None = None
    max_request_bytes: Natural = 1_572_864
    min_lease_ttl: Natural = 2
    progress_notify_interval: str = ""


class FirstLine(_Message):
    meta: Recording


# ---- pieces


class Header(_Message):
    revision: Integer = 0


class KeyValue(_Message):
    key: str = ""
    create_revision: Integer = 0
    mod_revision: Integer = 0
    version: Integer = 0
    value: str = ""
    lease: Integer = 0


class Error(_Message):
    """gRPC status: `name` is that of the code."""

    code: Natural
    msg: str
    name: str = ""


# ---- requests


class RangeRequest(_Message):
    key: str = ""
    range_end: str = ""
    limit: Integer = 0
    revision: Integer = 0
    sort_order: Literal["NONE", "ASCEND", "DESCEND"] | Enum = 0
    sort_target: Literal["KEY", "VERSION", "CREATE", "MOD", "VALUE"] | Enum = 0
    serializable: bool = False
    keys_only: bool = False
    count_only: bool = False
    min_mod_revision: Integer = 0
    max_mod_revision: Integer = 0
    min_create_revision: Integer = 0
    max_create_revision: Integer = 0


class PutRequest(_Message):
    key: str = ""
    value: str = ""
    lease: Integer = 0
    prev_kv: bool = False
    ignore_value: bool = False
    ignore_lease: bool = False


class DeleteRangeRequest(_Message):
    key: str = ""
    range_end: str = ""
    prev_kv: bool = False


class Compare(_Message):
    result: Literal["EQUAL", "GREATER", "LESS", "NOT_EQUAL"] | Enum = 0
    target: Literal["VERSION", "CREATE", "MOD", "VALUE", "LEASE"] | Enum = 0
    key: str = ""
    version: Integer = 0
    create_revision: Integer = 0
    mod_revision: Integer = 0
    value: str = ""
    lease: Integer = 0
    range_end: str = ""


class RequestOp(_Message):
    request_range: RangeRequest | None = None
    request_put: PutRequest | None = None
    request_delete_range: DeleteRangeRequest | None = None
    request_txn: TxnRequest | None = None


class TxnRequest(_Message):
    compare: tuple[Compare, ...] = ()
    success: tuple[RequestOp, ...] = ()
    failure: tuple[RequestOp, ...] = ()


class CompactionRequest(_Message):
    revision: Integer = 0
    physical: bool = False


class LeaseGrantRequest(_Message, rename={"ttl": "TTL", "id": "ID"}):
    ttl: Integer = 0
    id: Integer = 0


class LeaseIdRequest(_Message, rename={"id": "ID"}):
    id: Integer = 0


class LeaseTimeToLiveRequest(_Message, rename={"id": "ID"}):
    id: Integer = 0
    keys: bool = False


class LeaseLeasesRequest(_Message):
    pass


# ---- responses


class RangeResponse(_Message):
    header: Header | None = None
    kvs: tuple[KeyValue, ...] = ()
    more: bool = False
    count: Integer = 0


class PutResponse(_Message):
    header: Header | None = None
    prev_kv: KeyValue | None = None


class DeleteRangeResponse(_Message):
    header: Header | None = None
    deleted: Integer = 0
    prev_kvs: tuple[KeyValue, ...] = ()


class ResponseOp(_Message):
    response_range: RangeResponse | None = None
    response_put: PutResponse | None = None
    response_delete_range: DeleteRangeResponse | None = None
    response_txn: TxnResponse | None = None


class TxnResponse(_Message):
    header: Header | None = None
    succeeded: bool = False
    responses: tuple[ResponseOp, ...] = ()


class HeaderResponse(_Message):
    header: Header | None = None


class LeaseGrantResponse(_Message, rename={"ttl": "TTL", "id": "ID"}):
    header: Header | None = None
    id: Integer = 0
    ttl: Integer = 0


class LeaseTimeToLiveResponse(_Message, rename={"ttl": "TTL", "id": "ID", "granted_ttl": "grantedTTL"}):
    header: Header | None = None
    id: Integer = 0
    ttl: Integer = 0
    granted_ttl: Integer = 0
    keys: tuple[str, ...] = ()


class LeaseStatus(_Message, rename={"id": "ID"}):
    id: Integer = 0


class LeaseLeasesResponse(_Message):
    header: Header | None = None
    leases: tuple[LeaseStatus, ...] = ()


# ---- lines


class _Exchange(Struct, gc=False, forbid_unknown_fields=True, tag_field="op", kw_only=True):
    """A request and its answer, which is a response or an error. `i` counts them from 0."""

    i: Natural | None = None
    err: Error | None = None
    server_chose_id: bool = False


class Range(_Exchange, tag="Range"):
    req: RangeRequest
    resp: RangeResponse | None = None


class Put(_Exchange, tag="Put"):
    req: PutRequest
    resp: PutResponse | None = None


class DeleteRange(_Exchange, tag="DeleteRange"):
    req: DeleteRangeRequest
    resp: DeleteRangeResponse | None = None


class Txn(_Exchange, tag="Txn"):
    req: TxnRequest
    resp: TxnResponse | None = None


class Compact(_Exchange, tag="Compact"):
    req: CompactionRequest
    resp: HeaderResponse | None = None


class LeaseGrant(_Exchange, tag="LeaseGrant"):
    req: LeaseGrantRequest
    resp: LeaseGrantResponse | None = None


class LeaseRevoke(_Exchange, tag="LeaseRevoke"):
    req: LeaseIdRequest
    resp: HeaderResponse | None = None


class LeaseKeepAlive(_Exchange, tag="LeaseKeepAlive"):
    req: LeaseIdRequest
    resp: LeaseGrantResponse | None = None


class LeaseTimeToLive(_Exchange, tag="LeaseTimeToLive"):
    req: LeaseTimeToLiveRequest
    resp: LeaseTimeToLiveResponse | None = None


class LeaseLeases(_Exchange, tag="LeaseLeases"):
    req: LeaseLeasesRequest
    resp: LeaseLeasesResponse | None = None


Exchange = Range | Put | DeleteRange | Txn | Compact | LeaseGrant | LeaseRevoke | LeaseKeepAlive | LeaseTimeToLive | LeaseLeases


class Case(Struct, forbid_unknown_fields=True, kw_only=True):
    """A line of a file of cases: each is about a server of its own, which may die of the last step.

    What the server did when it was restarted after that is told, but not judged.
    """

    case: str
    server: str
    steps: tuple[Exchange, ...]
    server_died: bool = False
    after_restart_on_same_data: str = ""
    full_range_after_restart: RangeResponse | None = None
    panic: str = ""


# ---- watches


class WatchCreateRequest(_Message):
    key: str = ""
    range_end: str = ""
    start_revision: Integer = 0
    progress_notify: bool = False
    filters: tuple[Literal["NOPUT", "NODELETE"] | Enum, ...] = ()
    prev_kv: bool = False
    watch_id: Integer = 0
    fragment: bool = False


class WatchCancelRequest(_Message):
    watch_id: Integer = 0


class WatchEvent(_Message):
    kv: KeyValue
    type: Literal["PUT", "DELETE"] = "PUT"
    prev_kv: KeyValue | None = None


class WatchResponse(_Message):
    header: Header | None = None
    watch_id: Integer = 0
    created: bool = False
    canceled: bool = False
    compact_revision: Integer = 0
    cancel_reason: str = ""
    fragment: bool = False
    events: tuple[WatchEvent, ...] = ()


class _Step(Struct, forbid_unknown_fields=True, tag_field="do", kw_only=True):
    """What the recorder did, and what arrived on its stream until the next step. `i` counts them from 0."""

    i: Natural | None = None
    got: tuple[WatchResponse, ...] = ()


class Request(_Step, tag="kv"):
    """A request beside the stream. `exchange` is the line of such a request, as in the recordings of answers."""

    op: str
    req: Raw
    resp: Raw = Raw()
    err: Raw = Raw()
    server_chose_id: bool = False

    def exchange(self) -> bytes:
        answer = {name: raw for name, raw in (("resp", self.resp), ("err", self.err)) if raw}
        return encode({"op": self.op, "req": self.req, "server_chose_id": self.server_chose_id, **answer})


class Create(_Step, tag="create"):
    req: WatchCreateRequest


class Cancel(_Step, tag="cancel"):
    req: WatchCancelRequest


class Progress(_Step, tag="progress"):
    """The stream is asked for progress."""


class Wait(_Step, tag="wait"):
    """The recorder waits for progress notifications."""


Step = Request | Create | Cancel | Progress | Wait
