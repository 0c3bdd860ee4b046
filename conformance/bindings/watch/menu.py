"""What is written, and what is watched."""

from __future__ import annotations

from kubeproof.conformance.bindings.store.menu import KEYS, VALUE
from kubeproof.impl.store.requests import FROM_KEY, DeleteRangeRequest, FilterType, PutRequest, TxnRequest, WatchCreateRequest

PUT, PUT_OTHER, DELETE = PutRequest(KEYS[0], VALUE), PutRequest(KEYS[1], VALUE), DeleteRangeRequest(KEYS[0])
BOTH = TxnRequest(success=(PUT, PUT_OTHER))

PUTS = (PUT,)
MIXED = (BOTH, DELETE, PUT_OTHER, PUT)
"""Several changes at one revision, a deletion, and a revision that not every watch wants."""


def watches(count: int, start_revision: int, *, filters: bool, progress_notify: bool) -> tuple[WatchCreateRequest, ...]:
    """The first is of one key, the second of all. Clients choose their ids."""
    hidden = (FilterType.NODELETE,) if filters else ()
    ranges = ((KEYS[0], b""), (KEYS[0], FROM_KEY))[:count]
    return tuple(
        WatchCreateRequest(key, end, start_revision, progress_notify, hidden, watch_id=id_)
        for id_, (key, end) in enumerate(ranges, start=1)
    )
