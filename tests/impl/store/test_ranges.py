"""What is easy to get wrong in ranges: recordings of real servers show each of these."""

from __future__ import annotations

from kubeproof.impl.store import KeyValue, Options, Server, Version
from kubeproof.impl.store.errors import ErrCompacted, ErrFutureRev, ErrInvalidSortOption
from kubeproof.impl.store.requests import (
    CompactionRequest,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RangeResponse,
    SortOrder,
    SortTarget,
    TxnRequest,
    TxnResponse,
)


def server(version: Version = Version.V3_6) -> Server:
    """Keys a to d at revisions 2 to 5, then b again at 6; values go down."""
    made = Server.alone(Options(version))
    for key, value in (b"a", b"5"), (b"b", b"4"), (b"c", b"3"), (b"d", b"2"), (b"b", b"1"):
        made.answer(PutRequest(key, value), 0)
    return made


def ask(request: RangeRequest, of: Server | None = None) -> RangeResponse:
    answer = (of or server()).answer(request._replace(key=request.key or b"a", range_end=request.range_end or b"\x00"), 0)
    assert isinstance(answer, RangeResponse)
    return answer


def keys(response: RangeResponse) -> bytes:
    return b"".join(kv.key for kv in response.kvs)


def test_count_is_of_the_whole_range() -> None:
    response = ask(RangeRequest(limit=1, min_mod_revision=4))
    assert (keys(response), response.more, response.count) == (b"b", True, 4)


def test_count_only_has_no_more() -> None:
    assert ask(RangeRequest(limit=1, count_only=True))[1:] == ((), False, 4)


def test_more_is_about_what_passes_the_filters() -> None:
    assert ask(RangeRequest(limit=2, min_mod_revision=5)).more is False
    assert ask(RangeRequest(limit=1, min_mod_revision=5)).more is True


def test_filters() -> None:
    assert keys(ask(RangeRequest(min_mod_revision=4, max_mod_revision=5))) == b"cd"
    assert keys(ask(RangeRequest(min_create_revision=3, max_create_revision=4))) == b"bc"
    assert keys(ask(RangeRequest(max_mod_revision=-1))) == b""


def test_negative_limit_and_revision_are_none() -> None:
    assert keys(ask(RangeRequest(limit=-1, revision=-5))) == b"abcd"


def test_a_negative_revision_counts_in_a_transaction() -> None:
    made = server()
    transaction = TxnRequest(success=(RangeRequest(b"a", revision=-1),))
    assert isinstance(made.answer(transaction, 0), TxnResponse)
    made.answer(CompactionRequest(2), 0)
    assert isinstance(made.answer(transaction, 0), ErrCompacted)
    assert keys(ask(RangeRequest(revision=-1), made)) == b"abcd"


def test_order_none_sorts_by_another_target() -> None:
    assert keys(ask(RangeRequest(sort_target=SortTarget.VALUE))) == b"bdca"
    # ... but only what the limit has left over.
    assert keys(ask(RangeRequest(sort_target=SortTarget.VALUE, limit=2))) == b"bc"
    assert keys(ask(RangeRequest(sort_target=SortTarget.VALUE, sort_order=SortOrder.ASCEND, limit=2))) == b"bd"


def test_ties_stay_in_the_order_of_keys() -> None:
    by_version = RangeRequest(sort_target=SortTarget.VERSION)
    assert keys(ask(by_version)) == b"acdb"
    assert keys(ask(by_version._replace(sort_order=SortOrder.DESCEND))) == b"bacd"


def test_keys_only_sorts_by_value_all_the_same() -> None:
    response = ask(RangeRequest(sort_target=SortTarget.VALUE, keys_only=True))
    assert keys(response) == b"bdca"
    assert {kv.value for kv in response.kvs} == {b""}


def test_unknown_order() -> None:
    request = RangeRequest(b"a", b"\x00", sort_order=7, sort_target=SortTarget.VALUE)
    assert isinstance(server().answer(request, 0), ErrInvalidSortOption)
    for version in Version.V3_4, Version.V3_5:
        assert keys(ask(request, server(version))) == b"abcd"


def test_past_and_future() -> None:
    made = server()
    made.answer(DeleteRangeRequest(b"a"), 0)
    assert keys(ask(RangeRequest(revision=2), made)) == b"a"
    assert ask(RangeRequest(revision=5), made).kvs[1] == KeyValue(b"b", 3, 3, 1, b"4")
    assert isinstance(made.answer(RangeRequest(b"a", revision=8), 0), ErrFutureRev)
    made.answer(CompactionRequest(6), 0)
    assert isinstance(made.answer(RangeRequest(b"a", revision=5), 0), ErrCompacted)
    assert keys(ask(RangeRequest(revision=6), made)) == b"abcd"
    assert keys(ask(RangeRequest(), made)) == b"bcd"
