"""Watches and their streams as immutable, canonical values."""

from __future__ import annotations

from typing import NamedTuple

from kubeproof.impl.store.records import Event
from kubeproof.impl.store.requests import WatchResponse
from kubeproof.impl.store.watch_group import Batch, Group, Watch


class Queued(NamedTuple):
    """What waits to be sent to a watch: events; or that the watch is canceled by a compaction; or progress, if neither."""

    watch_id: int
    revision: int
    events: tuple[Event, ...] = ()
    compact_revision: int = 0


class WatcherState(NamedTuple):
    """A watcher as a value; see Watcher."""

    watch: Watch
    group: Group
    min_revision: int
    pending: Batch | None
    notify_next: bool


class StreamState(NamedTuple):
    """A stream as a value; watchers in the order of their ids."""

    id: int
    next_id: int
    watchers: tuple[WatcherState, ...]
    waiting: tuple[Queued | WatchResponse, ...]
