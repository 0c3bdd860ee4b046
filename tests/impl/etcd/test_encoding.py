"""Every value has one encoding, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeproof.impl.etcd.encoding import MESSAGES, DecodeError, decode, decode_request, encode
from kubeproof.impl.etcd.requests import AlarmRequest, ConfChangeContext, InternalRaftRequest, Member
from kubeproof.impl.store import Committed, KeyValue
from kubeproof.impl.store.backend import LeaseRecord
from kubeproof.impl.store.requests import LeaseCheckpoint, LeaseCheckpointRequest, LeaseLeasesRequest, PutRequest
from kubeproof.impl.store.server import needs_consensus
from tests.impl.store.strategies import REQUEST

ENTRY = st.builds(InternalRaftRequest, st.integers(0, 2**64 - 1), REQUEST.filter(needs_consensus))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary() | st.text(),
    lambda inner: st.lists(inner).map(tuple),
)
OTHERS = (
    InternalRaftRequest(1, AlarmRequest(1, 2, 1)),
    InternalRaftRequest(1, LeaseCheckpointRequest((LeaseCheckpoint(1, -1),))),
    ConfChangeContext(Member(7, "é", ("u",), (), True), True),
    Committed(
        (((2, 0), KeyValue(b"a", 2, 2, 1, b"v")),),
        (("consistent_index", 3),),
        ((1, LeaseRecord(5)),),
        (("members", (Member(1),)),),
    ),
)


@given(ENTRY)
def test_a_request_comes_back(entry: InternalRaftRequest) -> None:
    assert decode_request(encode(entry)) == entry


@given(VALUES)
def test_a_value_comes_back_with_its_kind(value: object) -> None:
    assert repr(decode(encode(value))) == repr(value)


@pytest.mark.parametrize("value", OTHERS)
def test_other_messages_come_back(value: object) -> None:
    assert decode(encode(value)) == value


@given(ENTRY, st.data())
def test_what_is_read_is_what_is_written(entry: InternalRaftRequest, data: st.DataObject) -> None:
    """An edited encoding is refused, or is that of another value: no two are of the same."""
    written = encode(entry)
    place = data.draw(st.integers(0, len(written) - 1))
    edited = written[:place] + bytes([data.draw(st.integers(0, 255))]) + written[place + 1 :]
    try:
        value = decode(edited)
    except DecodeError:
        return
    assert encode(value) == edited


@given(st.binary(max_size=40))
def test_anything_is_read_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except DecodeError:
        return
    assert encode(value) == data


PUT = encode(InternalRaftRequest(1, PutRequest(b"a")))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (PUT[:-1], "the end is missing"),
        (PUT + b"0", "1 bytes too many"),
        (b"x", "unknown kind at byte 0"),
        (b"m\x7f", "unknown message 127"),
        (b"i\x80\x00", "a number with more bytes than it needs"),
        (b"s\x01\xff", "invalid start byte"),
        (b"t\x01" * 100 + b"0", "nested too deeply"),
        (PUT.replace(b"b\x01a", b"s\x01a"), "PutRequest.key: a str"),
        (encode(Member(1)), "expected InternalRaftRequest, got Member"),
    ],
)
def test_what_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        decode_request(data)


@pytest.mark.parametrize("value", [1.5, LeaseLeasesRequest()])
def test_what_has_no_encoding(value: object) -> None:
    with pytest.raises(TypeError, match="has no encoding"):
        encode(value)


def test_numbers_of_messages_stay() -> None:
    """Logs are read by later versions of this program, too."""
    assert [message.__name__ for message in MESSAGES[:3]] == ["InternalRaftRequest", "RangeRequest", "PutRequest"]
