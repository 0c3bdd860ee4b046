"""A client with watches on one stream: it takes what the stream sends, and when that ends, it resumes behind what it has got."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kubeproof.conformance.bindings.watch import labels
from kubeproof.conformance.bindings.watch.messages import Ended, Open, RequestProgress, Sent
from kubeproof.conformance.explore.system import Event, Message, Step
from kubeproof.impl import store
from kubeproof.impl.store.requests import INVALID_WATCH_ID, WatchCreateRequest, WatchResponse

PROGRESS = "progress"

OPEN = "open_stream"
REQUEST = Event("request_progress", costs=PROGRESS)


class Watched(NamedTuple):
    """What a client has of a watch.

    `progress` is the revision of the last progress notification, if no event has come since. `compacted` is the compact revision
    with which the watch was canceled: to go on, its client would have to list the keys anew.
    """

    got: tuple[store.Event, ...] = ()
    progress: int = 0
    compacted: int = 0

    def next_revision(self, start: int) -> int:
        """Where a watch that was to begin at `start` resumes: behind the last revision that the client has got or was told of."""
        last = self.got[-1].kv.mod_revision if self.got else 0
        return max(start, last + 1, self.progress + 1)


class Client(NamedTuple):
    """`member` is the one at the other end of the stream, None if there is no stream."""

    watches: tuple[Watched, ...]
    member: int | None = None

    @property
    def is_watching(self) -> bool:
        """Whether it has a stream with a watch that is not canceled."""
        return self.member is not None and any(not each.compacted for each in self.watches)


@dataclass(frozen=True, slots=True)
class ClientComponent:
    """What client `number` does, which has made these requests. `asks` if it requests progress."""

    number: int
    members: int
    requests: tuple[WatchCreateRequest, ...]
    asks: bool = False

    def initial(self) -> Client:
        """Nothing is watched yet."""
        return Client((Watched(),) * len(self.requests))

    def events(self, state: Client) -> Iterator[Event]:
        """It opens a stream at any member, as long as there is something to watch."""
        if state.member is not None:
            if self.asks:
                yield REQUEST
        elif any(not each.compacted for each in state.watches):
            yield from (Event(OPEN, member) for member in range(self.members))

    def step(self, state: Client, event: Event) -> Step:
        """One of these events."""
        if event == REQUEST:
            assert state.member is not None
            return Step(state, (call(state.member, RequestProgress(self.number)),), (labels.REQUESTED,))
        assert isinstance(event.argument, int)
        wanted = Open(self.number, tuple(self._wanted(state)))
        return Step(state._replace(member=event.argument), (call(event.argument, wanted),), (labels.OPENED,))

    def receive(self, state: Client, body: Sent | Ended) -> Step:
        """A response, or the end of the stream."""
        if isinstance(body, Ended):
            return Step(state._replace(member=None), labels=(labels.ENDED,))
        response = body.response
        watches = [
            heard(watched, response) if is_for(request, response) and not watched.compacted else watched
            for request, watched in zip(self.requests, state.watches, strict=True)
        ]
        return Step(state._replace(watches=tuple(watches)), labels=(kind(response),))

    def _wanted(self, state: Client) -> Iterator[WatchCreateRequest]:
        """The watches that are not canceled, from where they go on."""
        for request, watched in zip(self.requests, state.watches, strict=True):
            if not watched.compacted:
                yield request._replace(start_revision=watched.next_revision(request.start_revision))


def call(to: int, body: Hashable) -> Message:
    """Something that is handed over at once."""
    return Message(to, body, synchronous=True)


def is_for(request: WatchCreateRequest, response: WatchResponse) -> bool:
    """Whether a response is for the watch, or for all of the stream."""
    return response.watch_id in (request.watch_id, INVALID_WATCH_ID)


def heard(watched: Watched, response: WatchResponse) -> Watched:
    """What a client has of a watch after a response for it."""
    if response.events:
        return watched._replace(got=(*watched.got, *response.events), progress=0)
    if response.canceled:
        return watched._replace(compacted=response.compact_revision)
    assert response.header is not None
    return watched._replace(progress=response.header.revision)


def kind(response: WatchResponse) -> str:
    """What a response says, as a label."""
    return labels.GOT if response.events else labels.CANCELED if response.canceled else labels.PROGRESSED
