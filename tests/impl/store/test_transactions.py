"""Compares, branches, the order of checks, and what a server refuses before it looks at the store."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeproof.impl.store import EventType, KeyValue, Options, Server, StoreError, Version
from kubeproof.impl.store.errors import (
    ErrCompacted,
    ErrDuplicateKey,
    ErrEmptyKey,
    ErrKeyNotFound,
    ErrLeaseNotFound,
    ErrLeaseProvided,
    ErrRequestTooLarge,
    ErrTooManyOps,
    ErrValueProvided,
)
from kubeproof.impl.store.requests import (
    CompactionRequest,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    DeleteRangeResponse,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
    Request,
    RequestOp,
    ResponseHeader,
    TxnRequest,
    TxnResponse,
)
from kubeproof.impl.store.sizes import entry_bytes, is_too_large
from tests.impl.store.strategies import REQUEST

A, B = PutRequest(b"a", b"1"), PutRequest(b"b", b"2")
DELETE_ALL = DeleteRangeRequest(b"a", b"\x00")


def holds(compare: Compare) -> bool:
    """Whether it holds where a has value 1, and b has value 2 and was put twice."""
    server = Server.alone()
    for request in A, B, B:
        server.answer(request, 0)
    answer = server.answer(TxnRequest((compare,)), 0)
    assert isinstance(answer, TxnResponse)
    return answer.succeeded


@pytest.mark.parametrize(
    ("target", "field", "has", "more"),
    [
        (CompareTarget.VERSION, "version", 2, 3),
        (CompareTarget.CREATE, "create_revision", 3, 4),
        (CompareTarget.MOD, "mod_revision", 4, 5),
        (CompareTarget.VALUE, "value", b"2", b"3"),
        (CompareTarget.LEASE, "lease", 0, 1),
    ],
)
def test_compare_targets(target: CompareTarget, field: str, has: object, more: object) -> None:
    expected = {(has, CompareResult.EQUAL), (more, CompareResult.LESS), (more, CompareResult.NOT_EQUAL)}
    for given_, result in [(given_, result) for given_ in (has, more) for result in CompareResult]:
        compare = Compare(result, target, b"b")._replace(**{field: given_})  # type: ignore[arg-type]
        assert holds(compare) == ((given_, result) in expected)


def test_compare_of_what_is_not_there() -> None:
    assert holds(Compare(key=b"c"))
    assert holds(Compare(target=CompareTarget.MOD, key=b"c", mod_revision=0))
    assert not holds(Compare(CompareResult.NOT_EQUAL, CompareTarget.VALUE, b"c", value=b"x"))


def test_compare_of_a_range_is_of_each_key() -> None:
    assert holds(Compare(CompareResult.LESS, key=b"a", range_end=b"\x00", version=3))
    assert not holds(Compare(CompareResult.LESS, key=b"a", range_end=b"\x00", version=2))
    assert holds(Compare(key=b"c", range_end=b"\x00"))


def test_unknown_result_and_target() -> None:
    assert holds(Compare(9, key=b"a", version=77))
    assert holds(Compare(target=9, key=b"a", version=77))


def test_operations_see_what_those_before_have_written() -> None:
    server = Server.alone()
    read = RangeRequest(b"a", b"\x00")
    nested = TxnRequest((Compare(key=b"a", version=0),), (B, read))
    applied = server.do(TxnRequest(success=(A, read, nested, RangeRequest(b"a", b"\x00", revision=1))), 0)
    first, second = KeyValue(b"a", 2, 2, 1, b"1"), KeyValue(b"b", 2, 2, 1, b"2")
    now = ResponseHeader(2)
    inner = TxnResponse(ResponseHeader(), True, (PutResponse(now), RangeResponse(now, (first, second), False, 2)))
    responses = (PutResponse(now), RangeResponse(now, (first,), False, 1), inner, RangeResponse(now))
    assert applied.answer == TxnResponse(now, True, responses)
    assert [(event.type, event.kv, event.prev_kv) for event in applied.events] == [
        (EventType.PUT, first, None),
        (EventType.PUT, second, None),
    ]


def test_a_transaction_that_writes_nothing_has_no_revision() -> None:
    server = Server.alone()
    answer = server.answer(TxnRequest(success=(DELETE_ALL,)), 0)
    assert answer == TxnResponse(ResponseHeader(1), True, (DeleteRangeResponse(ResponseHeader(1)),))


def test_events_tell_what_was_before() -> None:
    server = Server.alone()
    server.answer(A, 0)
    events = server.do(TxnRequest(success=(PutRequest(b"a", b"3"), B)), 0).events + server.do(DELETE_ALL, 0).events
    assert [(event.type.name, event.kv.key, event.prev_kv and event.prev_kv.value) for event in events] == [
        ("PUT", b"a", b"1"),
        ("PUT", b"b", None),
        ("DELETE", b"a", b"3"),
        ("DELETE", b"b", b"2"),
    ]


def test_a_transaction_with_two_mistakes() -> None:
    """3.6 goes through the operations in order, those before it check puts first."""
    for version, error in (Version.V3_4, ErrLeaseNotFound), (Version.V3_5, ErrLeaseNotFound), (Version.V3_6, ErrCompacted):
        server = Server.alone(Options(version))
        for request in (A, B, CompactionRequest(3)):
            server.answer(request, 0)
        wrong = TxnRequest(success=(RangeRequest(b"a", revision=2), PutRequest(b"a", lease=9)))
        assert isinstance(server.answer(wrong, 0), error)


def nested(depth: int, *operations: RequestOp) -> TxnRequest:
    return TxnRequest(success=(nested(depth - 1, *operations),)) if depth else TxnRequest(success=operations)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (PutRequest(), ErrEmptyKey),
        (RangeRequest(), ErrEmptyKey),
        (DeleteRangeRequest(), ErrEmptyKey),
        (TxnRequest((Compare(),)), ErrEmptyKey),
        (nested(1, PutRequest()), ErrEmptyKey),
        (PutRequest(b"a", b"1", ignore_value=True), ErrValueProvided),
        (PutRequest(b"a", lease=1, ignore_lease=True), ErrLeaseProvided),
        (PutRequest(b"a", ignore_value=True), ErrKeyNotFound),
        (PutRequest(b"a", lease=9), ErrLeaseNotFound),
        (TxnRequest(success=(None,)), ErrKeyNotFound),
        (TxnRequest(failure=(RangeRequest(b"a"),) * 129), ErrTooManyOps),
        (nested(1, *[RangeRequest(b"a")] * 128), ErrTooManyOps),
        (nested(129), ErrTooManyOps),
        (TxnRequest(success=(A, A)), ErrDuplicateKey),
        (TxnRequest(success=(A, DeleteRangeRequest(b"a"))), ErrDuplicateKey),
        (TxnRequest(success=(DELETE_ALL, nested(2, B))), ErrDuplicateKey),
        (TxnRequest(success=(nested(0, A), nested(1, DELETE_ALL))), ErrDuplicateKey),
        (TxnRequest(success=(TxnRequest(success=(A,), failure=(A,)), A)), ErrDuplicateKey),
        (PutRequest(b"a", b"x" * 2_000_000), ErrRequestTooLarge),
    ],
)
def test_refused(request_: Request, error: type[StoreError]) -> None:
    server = Server.alone()
    before = server.store.revision
    assert isinstance(server.answer(request_, 0), error)
    assert server.store.revision == before


@pytest.mark.parametrize(
    "request_",
    [
        TxnRequest(success=(A,), failure=(A,)),
        TxnRequest(success=(TxnRequest(success=(A,), failure=(A,)), B)),
        TxnRequest(success=(DELETE_ALL, DELETE_ALL)),
        TxnRequest(success=(DeleteRangeRequest(b"a", b"b"), DeleteRangeRequest(b"c", b"b"), B)),
        nested(128),
        nested(1, *[RangeRequest(b"a")] * 127),
        TxnRequest(success=(RangeRequest(b"a"),) * 128),
    ],
)
def test_accepted(request_: Request) -> None:
    assert isinstance(Server.alone().answer(request_, 0), TxnResponse)


# ---- sizes


def test_size_of_a_put_is_that_of_its_protobuf() -> None:
    # key: 2 + 1, value: 3 + 200, lease: 1 + 1, two flags: 4; the put in the entry: 3; the header: 13
    assert entry_bytes(PutRequest(b"a", b"x" * 200, 5, True, False, True)) == 228


@settings(max_examples=200, deadline=None, derandomize=True)
@given(REQUEST, st.integers(0, 200))
def test_the_short_cut_for_puts_changes_nothing(request_: Request, limit: int) -> None:
    assert is_too_large(request_, limit) == (entry_bytes(request_) > limit)
