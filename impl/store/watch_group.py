"""Watchers by what they watch: who is told of a change of a key, and in which batches (etcd watcher_group.go)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from kubeproof.impl.store.records import Event, EventType


class Watch(NamedTuple):
    """What a client wants to see. `end` None is the one key, empty the end of the key space."""

    id: int
    key: bytes
    end: bytes | None
    start_revision: int
    hidden: tuple[EventType, ...] = ()
    prev_kv: bool = False
    fragment: bool = False
    progress_notify: bool = False


class Batch(NamedTuple):
    """Events for one response. `more_revision` is the first revision that it had no room for; 0 if it has all."""

    events: tuple[Event, ...]
    more_revision: int = 0


class Group(IntEnum):
    """Where a watcher stands (the words of models/watch.py)."""

    SYNCED = 0
    """It is told of each revision when that is applied."""
    UNSYNCED = 1
    """It is behind, and reads the history."""
    VICTIM = 2
    """Its last response waits until the channel has room."""
    COMPACTED = 3
    """It was told that its revision is compacted; its id is taken until the client cancels it."""


@dataclass(slots=True, eq=False)
class Watcher:
    """A watch of a stream. What was before `min_revision` it was sent, or waits to be."""

    stream: int
    watch: Watch
    group: Group
    min_revision: int
    pending: Batch | None = None
    """The response of a victim."""
    notify_next: bool = False
    """Whether the next progress notification is sent: one is left out after events."""

    @property
    def place(self) -> tuple[int, int]:
        """Stream and watch id: by this watchers are found and ordered."""
        return self.stream, self.watch.id

    def passes(self, event: Event) -> bool:
        """Whether its filters let an event through."""
        return event.type not in self.watch.hidden


class WatcherGroup:
    """Watchers, found by a key that they watch.

    Those of one key are found at once. Equal ranges are one entry; those that begin behind a key are not looked at.
    """

    def __init__(self) -> None:
        self.watchers: dict[tuple[int, int], Watcher] = {}
        self._by_key: dict[bytes, dict[tuple[int, int], Watcher]] = {}
        self._by_range: dict[tuple[bytes, bytes], dict[tuple[int, int], Watcher]] = {}
        self._ranges: list[tuple[bytes, bytes]] = []

    def __bool__(self) -> bool:
        return bool(self.watchers)

    def add(self, watcher: Watcher) -> None:
        """Add a watcher that is not there yet."""
        self.watchers[watcher.place] = watcher
        key, end = watcher.watch.key, watcher.watch.end
        if end is None:
            self._by_key.setdefault(key, {})[watcher.place] = watcher
            return
        if (key, end) not in self._by_range:
            self._by_range[key, end] = {}
            self._ranges.insert(bisect_left(self._ranges, (key, end)), (key, end))
        self._by_range[key, end][watcher.place] = watcher

    def remove(self, watcher: Watcher) -> None:
        """Remove a watcher that is there."""
        del self.watchers[watcher.place]
        key, end = watcher.watch.key, watcher.watch.end
        if end is None:
            del self._by_key[key][watcher.place]
            if not self._by_key[key]:
                del self._by_key[key]
            return
        del self._by_range[key, end][watcher.place]
        if not self._by_range[key, end]:
            del self._by_range[key, end]
            del self._ranges[bisect_left(self._ranges, (key, end))]

    def watching(self, key: bytes) -> Iterator[Watcher]:
        """Who watches a key."""
        begun = bisect_right(self._ranges, key, key=itemgetter(0))
        ranges = (bounds for bounds in self._ranges[:begun] if not bounds[1] or key < bounds[1])
        return chain(self._by_key.get(key, {}).values(), *(self._by_range[bounds].values() for bounds in ranges))


def batches(group: WatcherGroup, events: Iterable[Event], most_revisions: int) -> list[tuple[Watcher, Batch]]:
    """What each watcher is to be sent of events in order. As in etcd, what filters will hide counts as well."""
    growing: dict[tuple[int, int], _Growing] = {}
    unfilled = len(group.watchers)
    for event in events:
        if not unfilled:
            break
        revision = event.kv.mod_revision
        for watcher in group.watching(event.kv.key):
            if watcher.min_revision <= revision:
                batch = growing.setdefault(watcher.place, _Growing())
                if not batch.more:
                    batch.add(event, most_revisions)
                    unfilled -= batch.more != 0
    in_order = sorted(growing.items(), key=itemgetter(0))
    return [(group.watchers[place], Batch(tuple(batch.events), batch.more)) for place, batch in in_order]


class _Growing:
    """A batch that takes events until it has enough revisions: then `more` is the first that it did not take."""

    __slots__ = ("events", "more", "revisions")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.revisions = 0
        self.more = 0

    def add(self, event: Event, most_revisions: int) -> None:
        revision = event.kv.mod_revision
        if not self.events or revision > self.events[-1].kv.mod_revision:
            if self.revisions == most_revisions:
                self.more = revision
                return
            self.revisions += 1
        self.events.append(event)
