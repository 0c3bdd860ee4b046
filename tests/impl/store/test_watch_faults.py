"""Each switch of watches breaks a promise, in a world in which nothing is broken without it."""

from __future__ import annotations

import pytest

from kubeproof.impl.store import Faults, Options, Server, Version, as_released
from kubeproof.impl.store.requests import (
    INVALID_WATCH_ID,
    CompactionRequest,
    DeleteRangeRequest,
    PutRequest,
    ResponseHeader,
    TxnRequest,
    WatchCancelRequest,
    WatchCreateRequest,
    WatchProgressRequest,
    WatchResponse,
)
from tests.impl.store.watch_world import Action, Broken, World

PUT = PutRequest(b"a", b"1")
TXN = TxnRequest(success=(PUT, PutRequest(b"b", b"1")))
WATCH = WatchCreateRequest(b"a")


def since(revision: int, progress_notify: bool = False) -> WatchCreateRequest:
    return WatchCreateRequest(b"a", start_revision=revision, progress_notify=progress_notify)


SCRIPTS: list[tuple[str, str, list[Action]]] = [
    ("progress_not_synchronised", "bookmarkable", [("write", PUT), ("watch", since(1)), ("ask_progress", 0), ("send", 0)]),
    ("told_revision_not_noted", "unique", [("watch", WATCH), ("write", PUT), ("send", 0), ("propose", PUT), ("snapshot",)]),
    ("synced_after_snapshot", "reliable", [("watch", WATCH), ("propose", PUT), ("snapshot",)]),
    ("read_buffer_has_duplicates", "unique", [("write", TXN), ("watch", since(2))]),
    (
        "starved_watch_taken_for_synced",
        "reliable",
        [("write", PUT), ("watch", WATCH), ("watch", since(2), 0), ("write", PUT), ("compact", 3), ("apply",), ("sync",)],
    ),
    (
        "future_watch_taken_for_past",
        "from_start_revision",
        [("watch", since(4)), ("propose", PUT), ("snapshot",), ("sync",), ("write", PUT)],
    ),
    ("future_watch_taken_for_past", "from_start_revision", [("watch", since(4, True)), ("notify_progress",)]),
    (
        "tombstone_compacted",
        "reliable",
        [("write", PUT), ("write", DeleteRangeRequest(b"a")), ("compact", 3), ("apply",), ("watch", since(3))],
    ),
]


@pytest.mark.parametrize(("fault", "promise", "actions"), SCRIPTS)
def test_a_promise_is_broken(fault: str, promise: str, actions: list[Action]) -> None:
    World(channel_limit=1).run(actions)
    with pytest.raises(Broken, match=promise):
        World([fault], channel_limit=1).run(actions)


def test_what_is_committed_is_read_once() -> None:
    World(["read_buffer_has_duplicates"]).run([("write", TXN), ("commit",), ("watch", since(2))])


def test_compacted_watch_blocks_progress() -> None:
    """A watch is in step, another is canceled by a compaction. The client asks for progress, and again without that one."""
    progress = [WatchResponse(ResponseHeader(3), INVALID_WATCH_ID)]
    for faults, answer in (Faults(), progress), (Faults(compacted_watch_blocks_progress=True), []):
        server = Server.alone(Options(faults=faults))
        server.watches.open_stream(0)
        for request in PUT, PUT, CompactionRequest(3):
            server.do(request, 0)
        for watch in WATCH, since(1):
            server.watches.request(0, watch)
        told = server.watches.settle()[0]
        assert told[-1] == WatchResponse(ResponseHeader(0), 1, canceled=True, compact_revision=3)
        server.watches.request(0, WatchProgressRequest())
        assert server.watches.settle()[0] == answer
        server.watches.request(0, WatchCancelRequest(1))
        assert server.watches.settle()[0] == [WatchResponse(ResponseHeader(3), 1, canceled=True)]
        server.watches.request(0, WatchProgressRequest())
        assert server.watches.settle()[0] == progress


def test_what_releases_still_do() -> None:
    by_fault = {
        "progress_not_synchronised": [Version.V3_4],
        "future_watch_taken_for_past": [Version.V3_4],
        "compacted_watch_blocks_progress": [Version.V3_5, Version.V3_6],
    }
    for fault, versions in by_fault.items():
        assert [version for version in Version if getattr(as_released(version), fault)] == versions
