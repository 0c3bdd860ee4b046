"""How long a request is as an entry of the log (protobuf, InternalRaftRequest): what `max_request_bytes` limits."""

from __future__ import annotations

from kubeproof.impl.store.records import Event, KeyValue
from kubeproof.impl.store.requests import (
    CompactionRequest,
    Compare,
    CompareTarget,
    DeleteRangeRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    PutRequest,
    RangeRequest,
    Request,
    RequestOp,
    TxnRequest,
    WatchResponse,
)

MAX_REQUEST_BYTES = 1_572_864
"""etcd's default."""

_HEADER = 13
"""The request's header with its id, which begins with the end of the member's id: of some members it has one byte more."""
_PUT_WITHOUT_BYTES = 64
"""More than what a put has besides its key and its value: most puts need no exact count."""


def is_too_large(request: Request, max_request_bytes: int) -> bool:
    """Whether the entry with this request is longer than that."""
    if isinstance(request, PutRequest) and len(request.key) + len(request.value) + _PUT_WITHOUT_BYTES <= max_request_bytes:
        return False
    return entry_bytes(request) > max_request_bytes


def entry_bytes(request: Request) -> int:
    """The length of the entry with this request."""
    return _HEADER + _message(_content(request))


# Cluster id and member id, which take ten bytes more often than nine, and a term below 128.
_RESPONSE_HEADER = 11 + 11 + 2


def watch_response_bytes(response: WatchResponse) -> int:
    """The length of a response without its events."""
    revision = 0 if response.header is None else response.header.revision
    return (
        _message(_RESPONSE_HEADER + _number(revision))
        + _number(response.watch_id)
        + 2 * (response.created + response.canceled + response.fragment)
        + _number(response.compact_revision)
        + _bytes(response.cancel_reason.encode())
    )


def event_bytes(event: Event) -> int:
    """What an event adds to the length of a response."""
    previous = 0 if event.prev_kv is None else _message(_pair(event.prev_kv))
    return _message(_number(event.type) + _message(_pair(event.kv)) + previous)


def _pair(kv: KeyValue) -> int:
    numbers = (kv.create_revision, kv.mod_revision, kv.version, kv.lease)
    return _bytes(kv.key) + _bytes(kv.value) + sum(map(_number, numbers))


def _content(request: RequestOp | CompactionRequest | LeaseGrantRequest | LeaseRevokeRequest | Request) -> int:
    match request:
        case PutRequest():
            flags = request.prev_kv + request.ignore_value + request.ignore_lease
            return _bytes(request.key) + _bytes(request.value) + _number(request.lease) + 2 * flags
        case DeleteRangeRequest():
            return _bytes(request.key) + _bytes(request.range_end) + 2 * request.prev_kv
        case TxnRequest():
            operations = (*request.success, *request.failure)
            return sum(_message(_compare(each)) for each in request.compare) + sum(
                _message(0 if each is None else _message(_content(each))) for each in operations
            )
        case RangeRequest():
            return (
                _bytes(request.key)
                + _bytes(request.range_end)
                + sum(_number(value) for value in request[2:6])
                + 2 * (request.serializable + request.keys_only + request.count_only)
                + sum(_number(value) for value in request[9:])
            )
        case CompactionRequest():
            return _number(request.revision) + 2 * request.physical
        case LeaseGrantRequest():
            return _number(request.ttl) + _number(request.id)
        case LeaseRevokeRequest():
            return _number(request.id)
    return 0


def _compare(compare: Compare) -> int:
    union = {
        CompareTarget.VERSION: _number(compare.version),
        CompareTarget.CREATE: _number(compare.create_revision),
        CompareTarget.MOD: _number(compare.mod_revision),
        CompareTarget.VALUE: _bytes(compare.value),
        CompareTarget.LEASE: _number(compare.lease),
    }
    content = union.get(CompareTarget(compare.target), 0) if compare.target in union else 0
    # range_end has a number above 15, and so a tag of two bytes.
    end = _bytes(compare.range_end) + bool(compare.range_end)
    return _number(compare.result) + _number(compare.target) + _bytes(compare.key) + content + end


def _bytes(value: bytes) -> int:
    """A field of bytes; left out when empty."""
    return _message(len(value)) if value else 0


def _message(length: int) -> int:
    """A field with so many bytes in it."""
    return 1 + _varint(length) + length


def _number(value: int) -> int:
    """A field with a number; left out when 0. Negative ones take ten bytes."""
    if value == 0:
        return 0
    return 11 if value < 0 else 1 + _varint(value)


def _varint(value: int) -> int:
    return max(1, (value.bit_length() + 6) // 7)
