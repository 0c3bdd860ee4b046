"""From what stands in a file to the requests and responses of impl/store."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from kubeproof.conformance.answers import recorded
from kubeproof.conformance.answers.recorded import Exchange, Step
from kubeproof.impl.store import requests as store
from kubeproof.impl.store.records import Event, EventType, KeyValue
from kubeproof.impl.store.requests import Request, RequestOp, Response, ResponseHeader, ResponseOp


class NotBytes(ValueError):
    """A string has characters that stand for no byte."""


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise NotBytes(f"expected code points up to 255 in keys and values, got {text[error.start]!r}") from error


def _number(value: str | int, names: type[IntEnum]) -> int:
    return names[value] if isinstance(value, str) else value


# ---- requests


def request_of(exchange: Exchange) -> Request:
    """The request of a line."""
    match exchange.req:
        case recorded.PutRequest() as put:
            return _put(put)
        case recorded.RangeRequest() as read:
            return _range(read)
        case recorded.TxnRequest() as txn:
            return _txn(txn)
        case recorded.DeleteRangeRequest() as delete:
            return _delete_range(delete)
        case recorded.CompactionRequest(revision, physical):
            return store.CompactionRequest(revision, physical)
        case recorded.LeaseGrantRequest(ttl, id_):
            return store.LeaseGrantRequest(ttl, id_)
        case recorded.LeaseTimeToLiveRequest(id_, keys):
            return store.LeaseTimeToLiveRequest(id_, keys)
        case recorded.LeaseIdRequest(id_):
            keep_alive = isinstance(exchange, recorded.LeaseKeepAlive)
            return store.LeaseKeepAliveRequest(id_) if keep_alive else store.LeaseRevokeRequest(id_)
        case recorded.LeaseLeasesRequest():
            return store.LeaseLeasesRequest()


def _range(request: recorded.RangeRequest) -> store.RangeRequest:
    return store.RangeRequest(
        _bytes(request.key),
        _bytes(request.range_end),
        request.limit,
        request.revision,
        _number(request.sort_order, store.SortOrder),
        _number(request.sort_target, store.SortTarget),
        request.serializable,
        request.keys_only,
        request.count_only,
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    )


def _put(request: recorded.PutRequest) -> store.PutRequest:
    return store.PutRequest(
        _bytes(request.key),
        _bytes(request.value),
        request.lease,
        request.prev_kv,
        request.ignore_value,
        request.ignore_lease,
    )


def _delete_range(request: recorded.DeleteRangeRequest) -> store.DeleteRangeRequest:
    return store.DeleteRangeRequest(_bytes(request.key), _bytes(request.range_end), request.prev_kv)


def _txn(request: recorded.TxnRequest) -> store.TxnRequest:
    return store.TxnRequest(
        tuple(_compare(each) for each in request.compare),
        tuple(_operation(each) for each in request.success),
        tuple(_operation(each) for each in request.failure),
    )


def _compare(compare: recorded.Compare) -> store.Compare:
    return store.Compare(
        _number(compare.result, store.CompareResult),
        _number(compare.target, store.CompareTarget),
        _bytes(compare.key),
        compare.version,
        compare.create_revision,
        compare.mod_revision,
        _bytes(compare.value),
        compare.lease,
        _bytes(compare.range_end),
    )


def _operation(operation: recorded.RequestOp) -> RequestOp:
    """The member of the union that is set; None if none is. (Of several protobuf takes the last.)"""
    if operation.request_txn is not None:
        return _txn(operation.request_txn)
    if operation.request_delete_range is not None:
        return _delete_range(operation.request_delete_range)
    if operation.request_put is not None:
        return _put(operation.request_put)
    return None if operation.request_range is None else _range(operation.request_range)


# ---- responses


def response_of(exchange: Exchange) -> Response | None:
    """The response of a line; None if it has none."""
    return None if exchange.resp is None else _RESPONSES[type(exchange)](exchange.resp)


def _header(header: recorded.Header | None) -> ResponseHeader | None:
    return None if header is None else ResponseHeader(header.revision)


def _pair(kv: recorded.KeyValue) -> KeyValue:
    return KeyValue(_bytes(kv.key), kv.create_revision, kv.mod_revision, kv.version, _bytes(kv.value), kv.lease)


def _range_response(response: recorded.RangeResponse) -> store.RangeResponse:
    return store.RangeResponse(_header(response.header), tuple([_pair(kv) for kv in response.kvs]), response.more, response.count)


def _put_response(response: recorded.PutResponse) -> store.PutResponse:
    return store.PutResponse(_header(response.header), None if response.prev_kv is None else _pair(response.prev_kv))


def _delete_range_response(response: recorded.DeleteRangeResponse) -> store.DeleteRangeResponse:
    return store.DeleteRangeResponse(_header(response.header), response.deleted, tuple([_pair(kv) for kv in response.prev_kvs]))


def _txn_response(response: recorded.TxnResponse) -> store.TxnResponse:
    responses = tuple([_operation_response(each) for each in response.responses])
    return store.TxnResponse(_header(response.header), response.succeeded, responses)


def _operation_response(response: recorded.ResponseOp) -> ResponseOp:
    """The member of the union that is set. One without content is as a range that found nothing, but has no header."""
    if response.response_txn is not None:
        return _txn_response(response.response_txn)
    if response.response_delete_range is not None:
        return _delete_range_response(response.response_delete_range)
    if response.response_put is not None:
        return _put_response(response.response_put)
    return _range_response(response.response_range or recorded.RangeResponse())


def _time_to_live_response(response: recorded.LeaseTimeToLiveResponse) -> store.LeaseTimeToLiveResponse:
    return store.LeaseTimeToLiveResponse(
        _header(response.header), response.id, response.ttl, response.granted_ttl, tuple(map(_bytes, response.keys))
    )


_RESPONSES: dict[type[Exchange], Callable[[Any], Response]] = {
    recorded.Range: _range_response,
    recorded.Put: _put_response,
    recorded.DeleteRange: _delete_range_response,
    recorded.Txn: _txn_response,
    recorded.Compact: lambda it: store.CompactionResponse(_header(it.header)),
    recorded.LeaseGrant: lambda it: store.LeaseGrantResponse(_header(it.header), it.id, it.ttl),
    recorded.LeaseRevoke: lambda it: store.LeaseRevokeResponse(_header(it.header)),
    recorded.LeaseKeepAlive: lambda it: store.LeaseKeepAliveResponse(_header(it.header), it.id, it.ttl),
    recorded.LeaseTimeToLive: _time_to_live_response,
    recorded.LeaseLeases: lambda it: store.LeaseLeasesResponse(
        _header(it.header), tuple(store.LeaseStatus(each.id) for each in it.leases)
    ),
}


# ---- watches


def watch_request_of(step: Step) -> store.WatchRequest | None:
    """What a step asks on the stream; None if nothing."""
    match step:
        case recorded.Create(req=create):
            return store.WatchCreateRequest(
                _bytes(create.key),
                _bytes(create.range_end),
                create.start_revision,
                create.progress_notify,
                tuple(_number(each, store.FilterType) for each in create.filters),
                create.prev_kv,
                create.watch_id,
                create.fragment,
            )
        case recorded.Cancel(req=cancel):
            return store.WatchCancelRequest(cancel.watch_id)
        case recorded.Progress():
            return store.WatchProgressRequest()
    return None


def watch_response_of(response: recorded.WatchResponse) -> store.WatchResponse:
    """What arrived on the stream."""
    return store.WatchResponse(
        _header(response.header),
        response.watch_id,
        response.created,
        response.canceled,
        response.compact_revision,
        response.cancel_reason,
        response.fragment,
        tuple([_event(event) for event in response.events]),
    )


def _event(event: recorded.WatchEvent) -> Event:
    previous = None if event.prev_kv is None else _pair(event.prev_kv)
    return Event(EventType[event.type], _pair(event.kv), previous)
