"""A cluster's log, a member that applies it at its own pace, and clients that watch there: every promise is looked at.

The log is the oracle: a plain list of changes by revision. A client takes all that its streams send, and resumes behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kubeproof.impl.store import Event, Faults, KeyValue, Options, Server, WatchOptions
from kubeproof.impl.store.compaction import remove_batch
from kubeproof.impl.store.ranges import end_of
from kubeproof.impl.store.records import EventType
from kubeproof.impl.store.requests import (
    INVALID_WATCH_ID,
    CompactionRequest,
    FilterType,
    Request,
    WatchCancelRequest,
    WatchCreateRequest,
    WatchProgressRequest,
    WatchResponse,
)

Action = tuple[Any, ...]


class Broken(AssertionError):
    """A promise of etcd's documentation is broken; the message is its name."""


@dataclass(eq=False)
class Client:
    """A watch over all of its streams: `request` is what it first asked for."""

    request: WatchCreateRequest
    stream: int
    id: int = -2
    start: int = 0
    next_revision: int = 0
    received: list[Event] = field(default_factory=list)
    pieces: list[Event] = field(default_factory=list)
    ended: bool = False

    def wants(self, event: Event) -> bool:
        key, end = self.request.key, end_of(self.request.range_end)
        hidden = FilterType.NOPUT if event.type is EventType.PUT else FilterType.NODELETE
        in_range = event.kv.key == key if end is None else key <= event.kv.key and (not end or event.kv.key < end)
        return in_range and hidden not in self.request.filters


class World:
    """Actions are method names with arguments; what cannot be done is left out."""

    def __init__(self, faults: Iterable[str] = (), channel_limit: int = 2, batch_revisions: int = 2) -> None:
        watch = WatchOptions(channel_limit, batch_revisions, watchers_per_sync=2)
        self.options = Options(watch=watch, max_request_bytes=0, faults=Faults(**dict.fromkeys(faults, True)))
        self.ahead = Server.alone(self.options)
        self.member = Server.alone(self.options)
        self.log: list[Request] = []
        self.history: dict[int, list[Event]] = {}
        self.clients: list[Client] = []
        self._streams = 0

    def run(self, actions: Iterable[Action]) -> None:
        for name, *arguments in actions:
            getattr(self, name)(*arguments)
        self.settle()

    # the cluster

    def propose(self, request: Request) -> None:
        self.log.append(request)
        applied = self.ahead.apply(len(self.log), request, 0)
        assert applied is not None
        if applied.events:
            self.history[self.ahead.store.revision] = [event._replace(prev_kv=None) for event in applied.events]

    def apply(self) -> None:
        if self.member.consistent_index < len(self.log):
            self.member.apply(self.member.consistent_index + 1, self.log[self.member.consistent_index], 0)
            remove_batch(self.member.store)

    def write(self, request: Request) -> None:
        """Propose, and apply all there is."""
        self.propose(request)
        self._apply_all()

    def compact(self, revision: int) -> None:
        if self.ahead.store.compact_revision < revision <= self.ahead.store.revision:
            self.propose(CompactionRequest(revision))

    def compact_now(self) -> None:
        """Compact all, and apply that."""
        self.compact(self.ahead.store.revision)
        self._apply_all()

    def commit(self) -> None:
        self.member.backend.commit()

    def snapshot(self) -> None:
        """The member gets all that it is behind at once."""
        if self.member.consistent_index < len(self.log):
            watches = self.member.watches
            self.member = Server.restore(self.options, self.ahead.export(0), 0)
            self.member.watches = watches
            watches.restore_snapshot(self.member.store)

    def restart(self) -> None:
        """Its streams end with a member; the clients resume."""
        self.member = Server.restore(self.options, self.member.export(0)._replace(watches=()), 0)
        for client in self.clients:
            if not client.ended:
                self._open(client)

    def exported(self) -> None:
        """A member with the same state goes on just so."""
        state = self.member.export(0)
        self.member = Server.restore(self.options, state, 0)
        assert self.member.export(0) == state

    # clients

    def watch(self, request: WatchCreateRequest, stream: int | None = None) -> None:
        """Open a stream, or share one."""
        client = Client(request, -1)
        self.clients.append(client)
        if stream in self.member.watches.streams:
            assert stream is not None
            client.stream = stream
            self._create(client, request.start_revision)
        else:
            self._open(client)

    def cancel(self, number: int) -> None:
        for client in self.clients[number : number + 1]:
            if not client.ended and client.id >= 0:
                self.member.watches.request(client.stream, WatchCancelRequest(client.id))
                client.ended = True

    def resume(self, number: int) -> None:
        """The stream breaks, for all that share it."""
        for client in self.clients[number : number + 1]:
            if not client.ended:
                together = [each for each in self.clients if each.stream == client.stream and not each.ended]
                self.member.watches.close_stream(client.stream)
                for each in together:
                    self._open(each)

    def ask_progress(self, stream: int) -> None:
        if stream in self.member.watches.streams:
            self.member.watches.request(stream, WatchProgressRequest())

    def notify_progress(self) -> None:
        for stream in self.member.watches.streams:
            self.member.watches.notify_progress(stream)

    def sync(self) -> None:
        self.member.watches.sync_unsynced()

    def retry(self) -> None:
        self.member.watches.retry_victims()

    def send(self, stream: int) -> None:
        if stream in self.member.watches.streams:
            for response in self.member.watches.send(stream):
                self._receive(stream, response)

    def settle(self) -> None:
        self._apply_all()
        for stream, responses in self.member.watches.settle().items():
            for response in responses:
                self._receive(stream, response)
        for client in self.clients:
            if not client.ended:
                self._has_all(client, self.member.store.revision, "reliable")

    def _apply_all(self) -> None:
        while self.member.consistent_index < len(self.log):
            self.apply()

    def _open(self, client: Client) -> None:
        client.stream = self._streams
        self._streams += 1
        self.member.watches.open_stream(client.stream)
        self._create(client, client.next_revision or client.request.start_revision)

    def _create(self, client: Client, start: int) -> None:
        """Another watch must not be created before the answer is here: ids are the server's choice."""
        client.pieces.clear()
        client.id = -2
        first = start or self.member.store.revision + 1
        client.start = client.start or first
        client.next_revision = client.next_revision or first
        self.member.watches.request(client.stream, client.request._replace(start_revision=start))
        while client.id == -2:
            self.send(client.stream)

    # promises

    def _receive(self, stream: int, response: WatchResponse) -> None:
        assert response.header is not None
        mine = [client for client in self.clients if client.stream == stream and not client.ended]
        if response.created:
            next(client for client in mine if client.id == -2).id = response.watch_id
            return
        revision = response.header.revision
        if response.watch_id == INVALID_WATCH_ID:
            for client in mine:
                self._progress(client, revision)
            return
        for client in mine:
            if client.id == response.watch_id:
                self._told(client, response)

    def _told(self, client: Client, response: WatchResponse) -> None:
        assert response.header is not None
        if response.compact_revision:
            if client.next_revision >= response.compact_revision:
                raise Broken("resumable")
            client.ended = True
        elif not response.events:
            self._progress(client, response.header.revision)
        else:
            client.pieces += response.events
            if not response.fragment:
                events, client.pieces = client.pieces, []
                self._events(client, events)

    def _events(self, client: Client, events: list[Event]) -> None:
        for event in events:
            if event.kv.mod_revision < client.start:
                raise Broken("from_start_revision")
            if any(event.kv.mod_revision == old.kv.mod_revision and event.kv.key == old.kv.key for old in client.received):
                raise Broken("unique")
            if client.received and event.kv.mod_revision < client.received[-1].kv.mod_revision:
                raise Broken("ordered")
            if client.request.prev_kv:
                self._previous(event)
            client.received.append(event._replace(prev_kv=None))
        last = events[-1].kv.mod_revision
        if any(event.kv.mod_revision < client.next_revision for event in events):
            raise Broken("atomic")
        self._has_all(client, last, "reliable")
        client.next_revision = last + 1

    def _progress(self, client: Client, revision: int) -> None:
        if client.id == -2:
            return
        if revision < client.start and client.request.start_revision > revision:
            raise Broken("from_start_revision")
        self._has_all(client, revision, "bookmarkable")
        client.next_revision = max(client.next_revision, revision + 1)

    def _has_all(self, client: Client, revision: int, promise: str) -> None:
        wanted = [
            event for main in range(client.start, revision + 1) for event in self.history.get(main, []) if client.wants(event)
        ]
        if [event for event in client.received if event.kv.mod_revision <= revision] != wanted:
            raise Broken(promise)

    def _previous(self, event: Event) -> None:
        before: dict[bytes, KeyValue] = {}
        for main in range(event.kv.mod_revision):
            for each in self.history.get(main, []):
                before[each.kv.key] = each.kv
        there = before.get(event.kv.key)
        expected = there if there is not None and there.version else None
        if event.prev_kv != expected and (event.prev_kv or event.kv.mod_revision > self.member.store.compact_revision):
            raise Broken("previous")
