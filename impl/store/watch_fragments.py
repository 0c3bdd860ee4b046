"""A response that is too long is sent in pieces, where the client has asked for that (etcd api/v3rpc, sendFragments)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from kubeproof.impl.store.requests import WatchResponse
from kubeproof.impl.store.sizes import event_bytes, watch_response_bytes

OVERHEAD_BYTES = 512 * 1024
"""What a response may be longer than the longest request (etcd: gRPC's overhead)."""


def fragments(response: WatchResponse, limit: int) -> Iterator[WatchResponse]:
    """The response in pieces that are shorter than the limit, or have one event; all but the last say that more follows."""
    sizes = [event_bytes(event) for event in response.events]
    if len(sizes) < 2 or watch_response_bytes(response) + sum(sizes) < limit:
        yield response
        return
    piece = response._replace(fragment=True, events=())
    room = limit - watch_response_bytes(piece)
    begin = 0
    while begin < len(sizes):
        count = max(1, sum(size < room for size in accumulate(sizes[begin:])))
        end = begin + count
        yield piece._replace(fragment=end < len(sizes), events=response.events[begin:end])
        begin = end
