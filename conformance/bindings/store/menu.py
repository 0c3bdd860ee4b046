"""What clients ask for: few requests that meet everything."""

from __future__ import annotations

from collections.abc import Iterator

from kubeproof.conformance.bindings.store.history import History
from kubeproof.impl.store.requests import (
    FROM_KEY,
    CompactionRequest,
    Compare,
    CompareTarget,
    DeleteRangeRequest,
    LeaseCheckpoint,
    LeaseCheckpointRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    PutRequest,
    RangeRequest,
    Request,
    TxnRequest,
)

KEYS = (b"a", b"b", b"c")
VALUE = b"v"
LEASE, TTL, LEFT = 1, 10, 5
FIRST = 2
"""The revision of the first write: the one of an empty store is 1."""

TOGGLE = TxnRequest(
    (Compare(target=CompareTarget.MOD, key=KEYS[0], mod_revision=0),),
    (PutRequest(KEYS[0], VALUE),),
    (DeleteRangeRequest(KEYS[0]),),
)
"""Create a key if it is not there, else delete it."""
DELETE_FIRST = TxnRequest(
    (Compare(target=CompareTarget.MOD, key=KEYS[0], mod_revision=FIRST),),
    (DeleteRangeRequest(KEYS[0]),),
)
"""Delete a key if it is as the first write has made it."""
PUT_AND_READ_PAST = TxnRequest(success=(PutRequest(KEYS[0], VALUE), RangeRequest(KEYS[0], revision=1)))
"""Put, and read the revision of the empty store: refused as a whole once that is compacted."""
LEASES = (
    LeaseGrantRequest(TTL, LEASE),
    PutRequest(KEYS[0], VALUE, LEASE),
    LeaseCheckpointRequest((LeaseCheckpoint(LEASE, LEFT),)),
    LeaseRevokeRequest(LEASE),
)
PUT_AGAIN = TxnRequest(success=(DeleteRangeRequest(KEYS[0], FROM_KEY), PutRequest(KEYS[0], VALUE)))
"""Delete all keys from one on, and put it."""
KEEP_VALUE = TxnRequest(success=(DeleteRangeRequest(KEYS[0], FROM_KEY), PutRequest(KEYS[0], ignore_value=True)))
"""Delete all keys from one on, and put it with the value that it has."""


def compactions(past: History) -> Iterator[Request]:
    """Those that are not refused, but at the revision of the empty store."""
    yield from map(CompactionRequest, range(max(FIRST, past.compact_revision + 1), past.revision + 1))


def spoken(request: Request) -> str:
    """A request for people."""
    match request:
        case PutRequest(key, lease=lease):
            kept = " keeping its value" if request.ignore_value else ""
            return f"put {key.decode()}{kept}" + (f" with lease {lease}" if lease else "")
        case DeleteRangeRequest(key, range_end):
            return f"delete {key.decode()}" + ("" if not range_end else " to the end")
        case RangeRequest(key, revision=revision):
            return f"read {key.decode()} at {revision}"
        case CompactionRequest(revision):
            return f"compact {revision}"
        case LeaseGrantRequest(_, id_):
            return f"grant lease {id_}"
        case LeaseRevokeRequest(id_):
            return f"revoke lease {id_}"
        case LeaseCheckpointRequest():
            return "checkpoint leases"
        case TxnRequest(compare, success, failure):
            then, otherwise = (", ".join(spoken(each) for each in branch if each is not None) for branch in (success, failure))
            wanted = " and ".join(f"{each.key.decode()} is of {each.mod_revision}" for each in compare)
            return f"txn {{{then}}}" if not compare else f"txn if {wanted} {{{then}}} else {{{otherwise}}}"
    return type(request).__name__
