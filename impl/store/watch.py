"""Watches: who is told of which changes, and what waits on which stream (etcd's watchableStore and its gRPC watch streams).

A watcher is synced and is told of each revision when that is applied, or unsynced and reads what is behind from the history, or a
victim whose last response did not fit into the channel of its stream. What etcd's goroutines do are steps here, which somebody
takes: `sync_unsynced`, `retry_victims`, `notify_progress` and `send`. `settle` takes them until nothing is left to do.

A stream sends answers to requests and what its watches are told in the order in which they came about. (In etcd these are two
channels that race: events wait for the creation of their watch, but progress that a creation overtakes seems to be that of the
new watch too.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest

from kubeproof.impl.store.errors import ErrCompacted
from kubeproof.impl.store.faults import NO_FAULTS, Faults
from kubeproof.impl.store.mvcc import Store
from kubeproof.impl.store.ranges import end_of
from kubeproof.impl.store.records import Event, EventType, is_tombstone
from kubeproof.impl.store.requests import (
    INVALID_WATCH_ID,
    FilterType,
    ResponseHeader,
    WatchCancelRequest,
    WatchCreateRequest,
    WatchRequest,
    WatchResponse,
)
from kubeproof.impl.store.sizes import MAX_REQUEST_BYTES
from kubeproof.impl.store.versions import Version
from kubeproof.impl.store.watch_fragments import OVERHEAD_BYTES, fragments
from kubeproof.impl.store.watch_group import Batch, Group, Watch, Watcher, WatcherGroup, batches
from kubeproof.impl.store.watch_state import Queued, StreamState, WatcherState

EMPTY_RANGE = "mvcc: watcher range is empty"
DUPLICATE_ID = "mvcc: duplicate watch ID provided on the WatchStream"

_HIDES = {FilterType.NOPUT: EventType.PUT, FilterType.NODELETE: EventType.DELETE}


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """etcd's constants."""

    channel_limit: int = 128
    """Responses that wait on a stream."""
    batch_revisions: int = 1000
    """Revisions in one response to a watcher that is behind."""
    watchers_per_sync: int = 512


@dataclass(slots=True, eq=False)
class Stream:
    """A client's stream: `waiting` are answers to its requests, and what its watches are told, which is `queued` responses."""

    watchers: dict[int, Watcher] = field(default_factory=dict)
    next_id: int = 0
    waiting: deque[Queued | WatchResponse] = field(default_factory=deque)
    queued: int = 0

    def put(self, queued: Queued, limit: int) -> bool:
        """Let a response wait; False if the channel has no room."""
        if self.queued >= limit:
            return False
        self.waiting.append(queued)
        self.queued += 1
        return True

    def take(self) -> Queued | WatchResponse | None:
        """What is to be sent next."""
        if not self.waiting:
            return None
        first = self.waiting.popleft()
        self.queued -= isinstance(first, Queued)
        return first

    def drop(self, watch_id: int) -> None:
        """What waits for a watch is not sent any more."""
        waiting = [each for each in self.waiting if isinstance(each, WatchResponse) or each.watch_id != watch_id]
        self.queued -= len(self.waiting) - len(waiting)
        self.waiting = deque(waiting)

    def take_id(self, wanted: int) -> int:
        """The id of a new watch: the one that the client wants, or the next that is free."""
        if wanted:
            return wanted
        while self.next_id in self.watchers:
            self.next_id += 1
        self.next_id += 1
        return self.next_id - 1


class WatchHub:
    """The watches of a member, by their streams, which are numbered by whoever opens them."""

    def __init__(
        self,
        store: Store,
        version: Version = Version.V3_6,
        max_request_bytes: int = MAX_REQUEST_BYTES,
        options: WatchOptions | None = None,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self.store = store
        self.streams: dict[int, Stream] = {}
        self._refuses_negative = version >= Version.V3_5
        self._fragment_limit = max_request_bytes + OVERHEAD_BYTES
        self._options = options or WatchOptions()
        self._faults = faults
        self._groups = {group: WatcherGroup() for group in Group}

    # clients

    def open_stream(self, id_: int) -> None:
        """A client opens a stream; the id must not be in use."""
        self.streams[id_] = Stream()

    def close_stream(self, id_: int) -> None:
        """A stream ends, with its watches and all that waits on it."""
        for watcher in self.streams.pop(id_).watchers.values():
            self._groups[watcher.group].remove(watcher)

    def request(self, stream_id: int, request: WatchRequest) -> None:
        """What a client asks on a stream. The answer, if there is one, waits to be sent."""
        stream = self.streams[stream_id]
        if isinstance(request, WatchCreateRequest):
            self._create(stream_id, stream, request)
        elif isinstance(request, WatchCancelRequest):
            self._cancel(stream, request.watch_id)
        else:
            self._request_progress(stream)

    def send(self, stream_id: int) -> tuple[WatchResponse, ...]:
        """Send what waits first on a stream: its fragments, which are one if it is not cut; nothing if nothing waits."""
        stream = self.streams[stream_id]
        queued = stream.take()
        if queued is None:
            return ()
        if isinstance(queued, WatchResponse):
            return (queued,)
        watcher = stream.watchers.get(queued.watch_id)
        events = queued.events
        if watcher is not None and events:
            watcher.notify_next = False
            if watcher.watch.prev_kv:
                events = tuple(map(self._with_previous, events))
        canceled, header = queued.compact_revision != 0, ResponseHeader(queued.revision)
        response = WatchResponse(header, queued.watch_id, False, canceled, queued.compact_revision, events=events)
        if watcher is None or not watcher.watch.fragment:
            return (response,)
        return tuple(fragments(response, self._fragment_limit))

    # the store

    def notify(self, events: Sequence[Event]) -> None:
        """A write transaction has made these changes: tell the synced watchers. Who has no room becomes a victim."""
        synced = self._groups[Group.SYNCED]
        if not events or not synced:
            return
        revision = events[-1].kv.mod_revision
        without_previous = [event._replace(prev_kv=None) for event in events]
        for watcher, batch in batches(synced, without_previous, 1):
            fits = self._tell(watcher, batch.events, revision)
            if not fits:
                watcher.pending = batch
                self._move(watcher, Group.VICTIM)
            if not (fits and self._faults.told_revision_not_noted):
                watcher.min_revision = revision + 1

    def restore_snapshot(self, store: Store) -> None:
        """The member has got the store of another one: its synced watchers have missed what is between."""
        self.store = store
        if not self._faults.synced_after_snapshot:
            for watcher in list(self._groups[Group.SYNCED].watchers.values()):
                self._move(watcher, Group.UNSYNCED)

    # what goes on by itself

    def sync_unsynced(self) -> None:
        """Read the history for some unsynced watchers, those that are furthest behind. (etcd takes any.)"""
        current = self.store.revision
        chosen = WatcherGroup()
        for watcher in self._furthest_behind():
            if self._reads_history(watcher):
                chosen.add(watcher)
        told = {watcher.place: batch for watcher, batch in self._from_history(chosen)}
        for watcher in chosen.watchers.values():
            wanted = 0 if self._faults.future_watch_taken_for_past else watcher.min_revision
            watcher.min_revision = max(current + 1, wanted)
            batch = told.get(watcher.place, Batch(()))
            if batch.more_revision:
                watcher.min_revision = batch.more_revision
            if not self._tell(watcher, batch.events, current):
                watcher.pending = batch
                self._move(watcher, Group.VICTIM)
            elif not batch.more_revision:
                self._move(watcher, Group.SYNCED)

    def retry_victims(self) -> None:
        """Send what waits for room, as far as there is room now. Who was a victim is behind, or not."""
        for watcher in sorted(self._groups[Group.VICTIM].watchers.values(), key=lambda victim: victim.place):
            batch = watcher.pending
            assert batch is not None
            if self._tell(watcher, batch.events, watcher.min_revision - 1):
                watcher.pending = None
                self._move(watcher, Group.UNSYNCED if watcher.min_revision <= self.store.revision else Group.SYNCED)

    def notify_progress(self, stream_id: int) -> None:
        """It is time for progress notifications (etcd: every 10 minutes). After events a watch leaves out one."""
        for _, watcher in sorted(self.streams[stream_id].watchers.items()):
            if watcher.watch.progress_notify:
                if watcher.notify_next and self._is_in_step(watcher):
                    self._put(watcher, Queued(watcher.watch.id, self.store.revision))
                watcher.notify_next = True

    def settle(self) -> dict[int, list[WatchResponse]]:
        """Take steps until nothing waits any more: what each stream was sent."""
        sent: dict[int, list[WatchResponse]] = {id_: [] for id_ in self.streams}
        while True:
            for id_, responses in sent.items():
                while found := self.send(id_):
                    responses += found
            if not (self._groups[Group.VICTIM] or self._groups[Group.UNSYNCED]):
                return sent
            self.retry_victims()
            self.sync_unsynced()

    # state

    def export(self) -> tuple[StreamState, ...]:
        """All streams with their watches, in the order of their ids; `restore` makes an equal hub of it."""
        return tuple(_state_of(id_, stream) for id_, stream in sorted(self.streams.items()))

    def restore(self, states: Iterable[StreamState]) -> None:
        """The streams of a hub that has none yet."""
        for state in states:
            stream = self.streams[state.id] = Stream({}, state.next_id, deque(state.waiting))
            stream.queued = sum(isinstance(each, Queued) for each in state.waiting)
            for each in state.watchers:
                watcher = Watcher(state.id, each.watch, each.group, each.min_revision, each.pending, each.notify_next)
                stream.watchers[each.watch.id] = watcher
                self._groups[each.group].add(watcher)

    # requests

    def _create(self, stream_id: int, stream: Stream, request: WatchCreateRequest) -> None:
        key, end = request.key or b"\x00", end_of(request.range_end)
        current = self.store.revision
        if request.start_revision < 0 and self._refuses_negative:
            self._refuse(stream, ErrCompacted.text)
        elif end and key >= end:
            self._refuse(stream, EMPTY_RANGE)
        elif request.watch_id and request.watch_id in stream.watchers:
            self._refuse(stream, DUPLICATE_ID)
        else:
            id_, start = stream.take_id(request.watch_id), request.start_revision
            hidden = tuple(sorted({_HIDES[FilterType(each)] for each in request.filters if each in _HIDES}))
            watch = Watch(id_, key, end, start, hidden, request.prev_kv, request.fragment, request.progress_notify)
            is_behind = start != 0 and start <= current
            watcher = Watcher(
                stream_id,
                watch,
                Group.UNSYNCED if is_behind else Group.SYNCED,
                min_revision=start or current + 1,
                notify_next=request.progress_notify,
            )
            stream.watchers[id_] = watcher
            self._groups[watcher.group].add(watcher)
            stream.waiting.append(WatchResponse(ResponseHeader(current), id_, created=True))

    def _refuse(self, stream: Stream, reason: str) -> None:
        header = ResponseHeader(self.store.revision)
        refusal = WatchResponse(header, INVALID_WATCH_ID, created=True, canceled=True, cancel_reason=reason)
        stream.waiting.append(refusal)

    def _cancel(self, stream: Stream, watch_id: int) -> None:
        """What waits for the watch is not sent any more. (etcd keeps it for a later watch with the same id.)"""
        watcher = stream.watchers.pop(watch_id, None)
        if watcher is None:
            return
        self._groups[watcher.group].remove(watcher)
        stream.drop(watch_id)
        stream.waiting.append(WatchResponse(ResponseHeader(self.store.revision), watch_id, canceled=True))

    def _request_progress(self, stream: Stream) -> None:
        """Progress comes behind all that was sent to the watches, so it is told only where all are in step."""
        current = self.store.revision
        if self._faults.progress_not_synchronised:
            stream.waiting.append(WatchResponse(ResponseHeader(current), INVALID_WATCH_ID))
            return
        asked = [watcher for watcher in stream.watchers.values() if self._counts_for_progress(watcher)]
        if asked and all(map(self._is_in_step, asked)):
            stream.put(Queued(INVALID_WATCH_ID, current), self._options.channel_limit)

    def _counts_for_progress(self, watcher: Watcher) -> bool:
        return watcher.group != Group.COMPACTED or self._faults.compacted_watch_blocks_progress

    def _is_in_step(self, watcher: Watcher) -> bool:
        """Whether the current revision is progress for the watcher, and not before what it waits for."""
        waits = watcher.watch.start_revision > self.store.revision and not self._faults.future_watch_taken_for_past
        return watcher.group == Group.SYNCED and not waits

    # groups and channels

    def _move(self, watcher: Watcher, group: Group) -> None:
        self._groups[watcher.group].remove(watcher)
        watcher.group = group
        self._groups[group].add(watcher)

    def _tell(self, watcher: Watcher, events: tuple[Event, ...], revision: int) -> bool:
        """Queue what the filters let through of the events, if that is anything; False if there is no room for it."""
        passed = tuple(filter(watcher.passes, events))
        return not passed or self._put(watcher, Queued(watcher.watch.id, revision, passed))

    def _put(self, watcher: Watcher, queued: Queued) -> bool:
        """Queue a response; False if the channel has no room."""
        return self.streams[watcher.stream].put(queued, self._options.channel_limit)

    # history

    def _furthest_behind(self) -> list[Watcher]:
        unsynced = self._groups[Group.UNSYNCED].watchers.values()
        return nsmallest(self._options.watchers_per_sync, unsynced, key=lambda each: (each.min_revision, each.place))

    def _reads_history(self, watcher: Watcher) -> bool:
        """Whether the history has all that an unsynced watcher wants; if not, it is told so as soon as there is room."""
        compact_revision = self.store.compact_revision
        if watcher.min_revision >= compact_revision:
            return True
        if self._put(watcher, Queued(watcher.watch.id, 0, (), compact_revision)):
            self._move(watcher, Group.COMPACTED)
            return False
        return self._faults.starved_watch_taken_for_synced

    def _from_history(self, chosen: WatcherGroup) -> list[tuple[Watcher, Batch]]:
        revisions = [watcher.min_revision for watcher in chosen.watchers.values()]
        first = min((each for each in revisions if each >= self.store.compact_revision), default=self.store.revision + 1)
        return batches(chosen, self._events_since(first), self._options.batch_revisions)

    def _events_since(self, revision: int) -> Iterator[Event]:
        before: Event | None = None
        for (main, sub), kv in self.store.history_since(revision):
            event = Event(EventType.DELETE if is_tombstone(kv) else EventType.PUT, kv, None)
            yield event
            if before and sub == 1 and self._faults.read_buffer_has_duplicates and (main, sub) in self.store.backend.key.before:
                yield before
            before = event

    def _with_previous(self, event: Event) -> Event:
        """The event with what was there before its revision, as far as that is not compacted."""
        if event.type == EventType.PUT and event.kv.create_revision == event.kv.mod_revision:
            return event
        try:
            found = self.store.range(event.kv.key, None, event.kv.mod_revision - 1).kvs
        except ErrCompacted:
            return event
        return event._replace(prev_kv=found[0]) if found else event


def _state_of(id_: int, stream: Stream) -> StreamState:
    watchers = tuple(
        WatcherState(each.watch, each.group, each.min_revision, each.pending, each.notify_next)
        for _, each in sorted(stream.watchers.items())
    )
    return StreamState(id_, stream.next_id, watchers, tuple(stream.waiting))
