"""What models/watch.py sees of a member: its revisions, and of each watch the group, what is under way and what waits for room.

A watch counts as canceled when its client has been told so. Until then it is behind, and may still resume elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kubeproof.conformance.bindings.store.history import Log, history
from kubeproof.conformance.bindings.store.member import Member
from kubeproof.impl.store import Committed, Event, StreamState
from kubeproof.impl.store.requests import INVALID_WATCH_ID, WatchResponse
from kubeproof.impl.store.watch_group import Group
from kubeproof.impl.store.watch_state import Queued, WatcherState

REVISION_0 = 1
"""The revision of the empty store. A store that was never compacted is compacted up to here."""

Watcher = tuple[int, int]
"""A client's stream, and the watch's id on it."""
Changes = frozenset[tuple[int, bytes]]
"""Revisions and keys."""
Places = Mapping[int, Sequence[int]]
"""Of each stream, the places of what waits there."""


class Response(NamedTuple):
    """What is under way to a watcher: events, or progress at this revision."""

    place: int
    events: Changes
    progress: int = 0

    @property
    def last_revision(self) -> int:
        return max((revision for revision, _ in self.events), default=self.progress)


class WatcherView(NamedTuple):
    """A watcher; `full` if the channel of its stream is."""

    watcher: Watcher
    group: Group
    min_revision: int
    full: bool
    pending: Changes
    on_stream: tuple[Response, ...]


class MemberView(NamedTuple):
    """A member."""

    number: int
    revision: int
    compact_revision: int
    removed: Changes
    watchers: tuple[WatcherView, ...]

    def watcher(self, watcher: Watcher) -> WatcherView | None:
        """The watch, if its stream ends here."""
        return next((each for each in self.watchers if each.watcher == watcher), None)


def view(number: int, state: Member, room: int, places: Places) -> MemberView:
    """A member's state, with room for so many responses on each stream."""
    server = state.server
    return MemberView(
        number,
        server.revision,
        max(server.compact_revision, REVISION_0),
        removed(server.written, state.log[: state.applied]),
        tuple(_watcher(stream, each, room, places[stream.id]) for stream in server.watches for each in stream.watchers),
    )


def removed(records: Committed, log: Log) -> Changes:
    """What was changed and has no record any more."""
    kept = {(main, record.key) for (main, _), record in records.key}
    return frozenset({(main, record.key) for (main, _), record in history(log).changes} - kept)


def _watcher(stream: StreamState, state: WatcherState, room: int, places: Sequence[int]) -> WatcherView:
    watch = state.watch
    pending = () if state.pending is None else state.pending.events
    cancellation = next((at for at, each in enumerate(stream.waiting) if _cancels(each, watch.id)), None)
    under_way = state.group is Group.COMPACTED and cancellation is not None
    is_told = state.group is Group.COMPACTED and cancellation is None
    return WatcherView(
        (stream.id, watch.id),
        Group.UNSYNCED if under_way else state.group,
        state.min_revision,
        sum(isinstance(each, Queued) for each in stream.waiting) >= room,
        changes(event for event in pending if event.type not in watch.hidden),
        () if is_told else tuple(_responses(watch.id, stream.waiting[:cancellation], places)),
    )


def _responses(watch_id: int, waiting: Iterable[Queued | WatchResponse], places: Sequence[int]) -> Iterator[Response]:
    """What waits for a watch, or for all of the stream."""
    for each, place in zip(waiting, places, strict=False):
        if each.watch_id in (watch_id, INVALID_WATCH_ID):
            yield Response(place, changes(each.events), 0 if each.events else _revision(each))


def changes(events: Iterable[Event]) -> Changes:
    """What events tell of."""
    return frozenset((event.kv.mod_revision, event.kv.key) for event in events)


def _revision(each: Queued | WatchResponse) -> int:
    if isinstance(each, Queued):
        return each.revision
    assert each.header is not None
    return each.header.revision


def _cancels(each: Queued | WatchResponse, watch_id: int) -> bool:
    return each.watch_id == watch_id and each.compact_revision != 0


# ---- places


def places_before(state: Member) -> Places:
    """On each stream from 1 on."""
    return {stream.id: range(1, len(stream.waiting) + 1) for stream in state.server.watches}


def places_after(before: Member, after: Member, sent: int | None, *, together: bool) -> Places:
    """What was there before keeps its place. What is new is behind all, in its order, or at one place if told `together`.

    `sent` is the stream of which the first was sent.
    """
    waited, free = places_before(before), last_place(before) + 1
    found: dict[int, Sequence[int]] = {}
    for stream in after.server.watches:
        kept = list(waited.get(stream.id, ()))[stream.id == sent :]
        new = stream.waiting[len(kept) :]
        found[stream.id] = [*kept, *(_together(new, free) if together else range(free, free + len(new)))]
        free += 0 if together else len(new)
    return found


def _together(new: Sequence[Queued | WatchResponse], free: int) -> list[int]:
    """The same place for each watch: only what is for the same one comes one after the other."""
    return [free + sum(each.watch_id == before.watch_id for before in new[:at]) for at, each in enumerate(new)]


def last_place(before: Member) -> int:
    """The last place at which something waits."""
    return max((len(stream.waiting) for stream in before.server.watches), default=0)
