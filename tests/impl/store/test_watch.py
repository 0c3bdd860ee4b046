"""Watches of one server, message by message."""

from __future__ import annotations

import time

import pytest

from kubeproof.impl.store import Event, KeyValue, Options, Server, Version, WatchOptions
from kubeproof.impl.store.records import EventType
from kubeproof.impl.store.requests import (
    FROM_KEY,
    INVALID_WATCH_ID,
    CompactionRequest,
    DeleteRangeRequest,
    PutRequest,
    Request,
    ResponseHeader,
    TxnRequest,
    WatchCancelRequest,
    WatchCreateRequest,
    WatchProgressRequest,
    WatchRequest,
    WatchResponse,
)
from kubeproof.impl.store.sizes import event_bytes, watch_response_bytes
from kubeproof.impl.store.watch import DUPLICATE_ID, EMPTY_RANGE
from kubeproof.impl.store.watch_fragments import OVERHEAD_BYTES, fragments
from kubeproof.impl.store.watch_group import Group

COMPACTED = "etcdserver: mvcc: required revision has been compacted"
PROGRESS = WatchProgressRequest()


def put(key: bytes = b"a", value: bytes = b"") -> PutRequest:
    return PutRequest(key, value)


class Client:
    """A server with one stream."""

    def __init__(self, *written: Request, version: Version = Version.V3_6, watch: WatchOptions | None = None) -> None:
        self.server = Server.alone(Options(version, watch=watch or WatchOptions()))
        self.hub = self.server.watches
        self.hub.open_stream(0)
        self.write(*written)

    def write(self, *requests: Request) -> None:
        for request in requests:
            self.server.do(request, 0)

    def ask(self, *requests: WatchRequest) -> None:
        for request in requests:
            self.hub.request(0, request)

    def got(self, *requests: WatchRequest) -> list[WatchResponse]:
        """What arrives after these requests, at the end."""
        self.ask(*requests)
        return self.hub.settle()[0]

    def revisions(self, *requests: WatchRequest) -> list[list[tuple[bytes, int]]]:
        """The keys and revisions in each response with events."""
        return [_keys(response) for response in self.got(*requests) if response.events]


def _keys(response: WatchResponse) -> list[tuple[bytes, int]]:
    return [(event.kv.key, event.kv.mod_revision) for event in response.events]


def created(revision: int, watch_id: int) -> WatchResponse:
    return WatchResponse(ResponseHeader(revision), watch_id, created=True)


def refused(revision: int, reason: str) -> WatchResponse:
    return WatchResponse(ResponseHeader(revision), INVALID_WATCH_ID, created=True, canceled=True, cancel_reason=reason)


def progress(revision: int, watch_id: int = INVALID_WATCH_ID) -> WatchResponse:
    return WatchResponse(ResponseHeader(revision), watch_id)


# ---- creation


def test_ids() -> None:
    client = Client()
    chosen = [WatchCreateRequest(b"a", watch_id=id_) for id_ in (0, 2, 0, 0, 2, -5)]
    assert client.got(*chosen) == [
        created(1, 0),
        created(1, 2),
        created(1, 1),
        created(1, 3),
        refused(1, DUPLICATE_ID),
        created(1, -5),
    ]
    assert client.got(WatchCancelRequest(2), WatchCreateRequest(b"a", watch_id=2))[1] == created(1, 2)


def test_empty_range() -> None:
    assert Client().got(WatchCreateRequest(b"b", b"a"), WatchCreateRequest(b"b", b"b")) == [refused(1, EMPTY_RANGE)] * 2


@pytest.mark.parametrize("version", [Version.V3_5, Version.V3_6])
def test_negative_start(version: Version) -> None:
    client = Client(put(), put(), CompactionRequest(3), version=version)
    assert client.got(WatchCreateRequest(b"b", b"a", start_revision=-3)) == [refused(3, COMPACTED)]
    assert client.got(WatchCreateRequest(b"a")) == [created(3, 0)]


def test_negative_start_in_3_4() -> None:
    client = Client(put(), put(), CompactionRequest(3), version=Version.V3_4)
    canceled = WatchResponse(ResponseHeader(0), 0, canceled=True, compact_revision=3)
    assert client.got(WatchCreateRequest(b"a", start_revision=-3)) == [created(3, 0), canceled]
    assert client.got(WatchCreateRequest(b"a")) == [created(3, 1)]


# ---- events


@pytest.mark.parametrize(
    ("key", "end", "keys"),
    [
        (b"b", b"", [b"b"]),
        (b"a", b"c", [b"a", b"b"]),
        (b"b", FROM_KEY, [b"b", b"c"]),
        (b"", FROM_KEY, [b"a", b"b", b"c"]),
        (b"", b"", []),
    ],
)
@pytest.mark.parametrize("start", [0, 2, 5])
def test_ranges(key: bytes, end: bytes, keys: list[bytes], start: int) -> None:
    """From now on, from the past and from the future: each gets what is in its range."""
    client = Client(put(b"b"), put(b"b"))
    request = WatchCreateRequest(key, end, start_revision=start)
    client.got(request)
    client.write(put(b"a"), put(b"b"), put(b"c"), put(b"a"), put(b"b"), put(b"c"))
    changed = [(each, revision) for revision, each in enumerate([b"a", b"b", b"c"] * 2, 4)]
    wanted = [each for each in changed if each[0] in keys and each[1] >= start]
    assert client.revisions() == [[each] for each in wanted]


def test_one_response_a_revision_in_step() -> None:
    client = Client()
    client.ask(WatchCreateRequest(b"a", b"z"))
    client.write(TxnRequest(success=(put(b"c"), put(b"a"))), put(b"b"), DeleteRangeRequest(b"a", b"z"))
    response = client.got()[1:]
    assert [_keys(each) for each in response] == [[(b"c", 2), (b"a", 2)], [(b"b", 3)], [(b"a", 4), (b"b", 4), (b"c", 4)]]
    assert [each.header for each in response] == [ResponseHeader(revision) for revision in (2, 3, 4)]


def test_catching_up() -> None:
    """At most so many revisions in a response, of all in the range, also where a filter hides them."""
    written: list[Request] = [put(), put(), DeleteRangeRequest(b"a")]
    client = Client(*written * 3, watch=WatchOptions(batch_revisions=4))
    watch = WatchCreateRequest(b"a", start_revision=1)
    assert client.revisions(watch) == [[(b"a", each) for each in range(*bounds)] for bounds in ((2, 6), (6, 10), (10, 11))]
    assert client.revisions(watch._replace(filters=(0,))) == [[(b"a", 4)], [(b"a", 7)], [(b"a", 10)]]
    assert client.revisions(watch._replace(filters=(1, 7))) == [
        [(b"a", 2), (b"a", 3), (b"a", 5)],
        [(b"a", 6), (b"a", 8), (b"a", 9)],
    ]
    assert client.revisions(watch._replace(filters=(0, 1))) == []


def test_previous() -> None:
    """What was there before the revision, unless that is compacted or there was nothing."""
    first, second = KeyValue(b"a", 2, 2, 1, b"1"), KeyValue(b"a", 2, 3, 2, b"2")
    deletion = Event(EventType.DELETE, KeyValue(b"a", mod_revision=4), None)
    client = Client(put(value=b"1"), put(value=b"2"), DeleteRangeRequest(b"a"))
    watch = WatchCreateRequest(b"a", start_revision=2, prev_kv=True)
    events = (Event(EventType.PUT, first, None), Event(EventType.PUT, second, first), deletion._replace(prev_kv=second))
    assert client.got(watch)[1].events == events
    client.write(CompactionRequest(3))
    assert client.got(watch._replace(start_revision=3))[1].events == (events[1]._replace(prev_kv=None), events[2])
    client.ask(WatchCreateRequest(b"a"))
    client.write(put())
    assert [response.events[0].prev_kv for response in client.got() if response.events] == [None] * 3


# ---- ends


def test_compacted() -> None:
    client = Client(put(), put(), put(), CompactionRequest(3))
    canceled = WatchResponse(ResponseHeader(0), 0, canceled=True, compact_revision=3)
    assert client.got(WatchCreateRequest(b"a", start_revision=2)) == [created(4, 0), canceled]
    assert client.revisions(WatchCreateRequest(b"a", start_revision=3)) == [[(b"a", 3), (b"a", 4)]]
    client.write(put())
    assert client.revisions() == [[(b"a", 5)]]
    gone = WatchResponse(ResponseHeader(5), 0, canceled=True)
    assert client.got(WatchCancelRequest(0), WatchCancelRequest(0)) == [gone]


def test_cancel() -> None:
    """What waits for a watch is not sent after its end, whoever gets its id then."""
    client = Client()
    client.got(WatchCreateRequest(b"a"), WatchCreateRequest(b"a"))
    client.write(put())
    response = client.got(WatchCancelRequest(1), WatchCancelRequest(9), WatchCreateRequest(b"a", watch_id=1))
    assert [each.watch_id for each in response] == [0, 1, 1]
    assert response[1] == WatchResponse(ResponseHeader(2), 1, canceled=True)


@pytest.mark.parametrize("group", [Group.SYNCED, Group.UNSYNCED, Group.VICTIM, Group.COMPACTED])
def test_ends_from_every_group(group: Group) -> None:
    client = Client(put(), put(), watch=WatchOptions(channel_limit=1))
    client.got(WatchCreateRequest(b"a"))
    client.ask(WatchCreateRequest(b"a", start_revision=2 * (group in (Group.UNSYNCED, Group.COMPACTED)), watch_id=7))
    if group == Group.COMPACTED:
        client.write(CompactionRequest(3))
        client.hub.sync_unsynced()
    if group == Group.VICTIM:
        client.write(put())
    assert client.hub.export()[0].watchers[1].group == group
    before = client.server.export(0)
    assert Server.restore(client.server.options, before, 0).export(0) == before
    assert hash(before)
    client.ask(WatchCancelRequest(7))
    client.hub.close_stream(0)
    assert client.hub.export() == ()
    client.write(put())
    assert client.hub.settle() == {}


# ---- streams without room


def test_victims() -> None:
    client = Client(watch=WatchOptions(channel_limit=1))
    client.got(WatchCreateRequest(b"a"))
    client.write(put(), put(), put())
    group = client.hub.export()[0].watchers[0].group
    assert group == Group.VICTIM
    client.hub.retry_victims()
    assert client.hub.export()[0].watchers[0].group == group
    assert [_keys(response) for response in client.hub.send(0)] == [[(b"a", 2)]]
    client.hub.retry_victims()
    client.hub.sync_unsynced()
    assert client.hub.export()[0].watchers[0].group == group
    assert client.revisions() == [[(b"a", 3)], [(b"a", 4)]]
    client.write(put())
    assert client.revisions() == [[(b"a", 5)]]


def test_fragments() -> None:
    """Pieces are as long as they may be, and as whole responses say that more follows."""
    events = tuple(Event(EventType.PUT, KeyValue(b"a", 2, main, 1, b"x" * 100), None) for main in range(2, 12))
    whole = WatchResponse(ResponseHeader(11), 3, events=events)
    length = watch_response_bytes(whole) + sum(map(event_bytes, events))
    assert list(fragments(whole, length + 1)) == [whole]
    for limit in (1, 300, length // 2, length):
        pieces = list(fragments(whole, limit))
        assert [piece.fragment for piece in pieces] == [True] * (len(pieces) - 1) + [False]
        assert sum((piece.events for piece in pieces), ()) == events
        sizes = [watch_response_bytes(piece._replace(fragment=True)) + sum(map(event_bytes, piece.events)) for piece in pieces]
        assert all(size < limit or len(piece.events) == 1 for size, piece in zip(sizes, pieces, strict=True))
        assert all(size + event_bytes(events[0]) >= limit for size in sizes[:-1])


def test_only_who_asks_gets_fragments() -> None:
    client = Client(*[put(value=b"x" * 1_100_000) for _ in range(3)])
    assert client.server.options.max_request_bytes + OVERHEAD_BYTES < 2_200_000
    watch = WatchCreateRequest(b"a", start_revision=2)
    assert [response.fragment for response in client.got(watch)] == [False, False]
    assert [response.fragment for response in client.got(watch._replace(fragment=True))] == [False, True, True, False]


# ---- progress


def test_progress_when_all_are_in_step() -> None:
    client = Client(put())
    assert client.got(PROGRESS) == []
    client.got(WatchCreateRequest(b"a"))
    assert client.got(PROGRESS) == [progress(2)]
    client.ask(WatchCreateRequest(b"a", start_revision=1), PROGRESS)
    assert client.got()[0] == created(2, 1)
    assert client.got(PROGRESS) == [progress(2)]
    client.got(WatchCreateRequest(b"a", start_revision=4))
    assert client.got(PROGRESS) == []
    client.write(put(), put())
    assert client.got(PROGRESS)[-1] == progress(4)


def test_progress_comes_behind_events() -> None:
    client = Client()
    client.got(WatchCreateRequest(b"a"))
    client.write(put())
    assert [response.header for response in client.got(PROGRESS)] == [ResponseHeader(2)] * 2
    client.hub.close_stream(0)
    client.hub.open_stream(0)
    assert client.got(PROGRESS) == []


def test_notifications() -> None:
    """One is left out after events."""
    client = Client()
    client.got(
        WatchCreateRequest(b"a", progress_notify=True), WatchCreateRequest(b"a"), WatchCreateRequest(b"b", progress_notify=True)
    )
    client.hub.notify_progress(0)
    assert client.got() == [progress(1, 0), progress(1, 2)]
    client.write(put())
    client.got()
    client.hub.notify_progress(0)
    assert client.got() == [progress(2, 2)]
    client.hub.notify_progress(0)
    assert client.got() == [progress(2, 0), progress(2, 2)]


# ---- many


def test_many_watchers_on_one_key() -> None:
    """The work for a change grows with who is told of it, not with who is there."""
    client = Client()
    client.ask(*[WatchCreateRequest(b"key %d" % number) for number in range(3000)])
    client.ask(*[WatchCreateRequest(b"range %d" % number, FROM_KEY) for number in range(3)])
    client.got()
    begun = time.process_time()
    for _ in range(300):
        client.write(put(b"key 7"))
        assert [response.watch_id for response in client.got()] == [7]
    assert time.process_time() - begun < 1
