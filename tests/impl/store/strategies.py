"""Random requests over few keys, so that they meet."""

from __future__ import annotations

from hypothesis import strategies as st

from kubeproof.impl.store.requests import (
    CompactionRequest,
    Compare,
    DeleteRangeRequest,
    LeaseGrantRequest,
    LeaseLeasesRequest,
    LeaseRevokeRequest,
    LeaseTimeToLiveRequest,
    PutRequest,
    RangeRequest,
    Request,
    RequestOp,
    TxnRequest,
)
from tests.impl.store.naive import ALL_KEYS

FLAG = st.sampled_from([False, False, True])
KEY = st.sampled_from(ALL_KEYS)
END = st.sampled_from([b"", b"", b"\x00", b"b", b"c", b"d", b"\xff"])
REVISION = st.sampled_from([0, 0, 0, -1, 1, 2, 3, 4, 5, 7, 9, 12, 16])
BOUND = st.sampled_from([0, 0, 0, 0, 0, 2, 3, 5, 8, -1])
LEASE = st.sampled_from([0, 0, 0, 1, -7])

RANGE = st.builds(
    RangeRequest,
    st.sampled_from([*ALL_KEYS, b"a", b"\x00", b""]),
    END,
    st.sampled_from([0, 0, 1, 2, 3, -1, 2**63 - 1]),
    REVISION,
    st.sampled_from([0, 0, 1, 2, 7]),
    st.sampled_from([0, 0, 1, 2, 3, 4, 9]),
    FLAG,
    FLAG,
    st.sampled_from([False, False, False, True]),
    BOUND,
    BOUND,
    BOUND,
    BOUND,
)
PUT = st.builds(PutRequest, KEY, st.sampled_from([b"", b"x", b"y"]), LEASE, FLAG, FLAG, FLAG)
PLAIN_PUT = st.builds(PutRequest, KEY, st.sampled_from([b"", b"x", b"y"]), st.sampled_from([0, 0, 0, 1]))
DELETE_RANGE = st.builds(DeleteRangeRequest, KEY, END, FLAG)
COMPARE = st.builds(
    Compare,
    st.integers(0, 3),
    st.integers(0, 4),
    KEY,
    st.integers(0, 3),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from([b"", b"x", b"y"]),
    LEASE,
    END,
)
OPERATION: st.SearchStrategy[RequestOp] = st.recursive(
    RANGE | PUT | PLAIN_PUT | DELETE_RANGE,
    lambda inner: st.builds(
        TxnRequest,
        st.lists(COMPARE, max_size=1).map(tuple),
        st.lists(inner, max_size=3).map(tuple),
        st.lists(inner, max_size=2).map(tuple),
    ),
    max_leaves=6,
)
TXN = st.builds(
    TxnRequest,
    st.lists(COMPARE, max_size=2).map(tuple),
    st.lists(OPERATION, max_size=4).map(tuple),
    st.lists(OPERATION, max_size=3).map(tuple),
)
COMPACT = st.builds(CompactionRequest, REVISION, FLAG)
LEASES: st.SearchStrategy[Request] = st.one_of(
    st.builds(LeaseGrantRequest, st.sampled_from([-1, 1, 1000, 2000, 9_000_000_001]), st.sampled_from([1, -7])),
    st.builds(LeaseRevokeRequest, st.sampled_from([1, 2, -7])),
    st.builds(LeaseTimeToLiveRequest, st.sampled_from([1, 2, -7]), FLAG),
    st.just(LeaseLeasesRequest()),
)
REQUEST: st.SearchStrategy[Request] = st.one_of(PLAIN_PUT, PLAIN_PUT, PUT, DELETE_RANGE, RANGE, RANGE, TXN, TXN, COMPACT, LEASES)
