"""Which actions of models/watch.py a local step may be, in their order: by its cause, and by what has become of the watches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubeproof.conformance.bindings.store.member import CRASH, REPLAY, Entry
from kubeproof.conformance.bindings.watch.member import BREAK, NOTIFY, RETRY, SEND, SYNC
from kubeproof.conformance.bindings.watch.messages import Open, RequestProgress, Snapshot
from kubeproof.conformance.explore.system import Event
from kubeproof.conformance.refinement.watch_views import MemberView, Response, Watcher, WatcherView
from kubeproof.impl.store.watch_group import Group

Proposal = tuple[str, dict[str, Any]]
"""An action with its arguments."""


class Room:
    """Which channels are full so far. The specification has one for each watcher, which may be full at any moment."""

    def __init__(self, before: MemberView) -> None:
        self._full = {each.watcher: each.full for each in before.watchers}

    def is_full(self, w: Watcher, full: bool) -> Iterator[Proposal]:
        """Make it so."""
        if self._full.get(w, False) != full:
            self._full[w] = full
            yield "stall" if full else "make_room", {"w": w}

    def has_received(self, w: Watcher) -> None:
        """A response to the watcher has left the channel."""
        self._full[w] = False


def calls_of_member(before: MemberView, cause: object, after: MemberView, free: int) -> Iterator[Proposal]:
    """What a member's step may be. Nothing is at places from `free` on before."""
    room = Room(before)
    if isinstance(cause, Event):
        yield from _own(before, cause, after, free, room)
    elif isinstance(cause, Entry):
        yield from _applied(before, after, free, room)
    elif isinstance(cause, Snapshot):
        yield "restore_snapshot", {"m": before.number, "n": cause.member}
    elif isinstance(cause, Open):
        yield from (("watch_create", {"w": (cause.client, each.watch_id), "m": before.number}) for each in cause.watches)
    elif isinstance(cause, RequestProgress):
        yield from _progress(after, free, room)
    for each in after.watchers:
        if each.group is not Group.COMPACTED:
            yield from room.is_full(each.watcher, each.full)


def _own(before: MemberView, event: Event, after: MemberView, free: int, room: Room) -> Iterator[Proposal]:
    """What a member does by itself."""
    if event.name == REPLAY.name:
        yield from _applied(before, after, free, room)
    elif event.name == CRASH.name:
        yield "restart", {"m": before.number, "r": after.revision}
    elif event.name == SYNC.name:
        for was, now in sorted(_pairs(before, after), key=lambda pair: (pair[0].min_revision, pair[0].watcher)):
            yield from _read(before, was, now, free, room)
    elif event.name == RETRY.name:
        for was, now in _pairs(before, after):
            if was.group is Group.VICTIM and now.group is not Group.VICTIM:
                yield from room.is_full(was.watcher, False)
                yield from (("retry_victim", {"w": was.watcher, "i": each.place}) for each in _new(now, free))
    elif event.name == NOTIFY:
        yield from _progress(after, free, room)
    elif event.name == BREAK:
        yield from (("stream_ends", {"w": each}) for each in _ended(before, after))
    elif event.name == SEND:
        for was, now in _pairs(before, after):
            yield from _sent(was, now, room)


def _applied(before: MemberView, after: MemberView, free: int, room: Room) -> Iterator[Proposal]:
    """An entry is a write or a compaction, of which the records are removed at once."""
    if after.revision > before.revision:
        yield from _written(before, after, free, room)
    if after.compact_revision > before.compact_revision:
        yield "compact", {"m": before.number, "r": after.compact_revision}
        for revision, key in sorted(after.removed - before.removed):
            yield "compact_remove", {"m": before.number, "r": revision, "k": key}


def _written(before: MemberView, after: MemberView, free: int, room: Room) -> Iterator[Proposal]:
    behind = after.revision + 1
    told = {now.watcher for was, now in _pairs(before, after) if _new(now, free) or now.pending != was.pending}
    for _, now in _pairs(before, after):
        if now.watcher in told:
            yield from room.is_full(now.watcher, now.group is Group.VICTIM)
    yield "apply", {"m": before.number, "r": after.revision, "n": behind, "i": free}
    for was, now in _pairs(before, after):
        if was.min_revision < now.min_revision and now.watcher not in told:
            yield "skip_hidden", {"w": now.watcher, "n": now.min_revision}


def _read(before: MemberView, was: WatcherView, now: WatcherView, free: int, room: Room) -> Iterator[Proposal]:
    """A watcher that was behind has read the history, if anything has become of it: all of it, or as much as a response has."""
    w, new = was.watcher, _new(now, free)
    if was.group is not Group.UNSYNCED or was[:3] == now[:3]:
        return
    behind = before.revision + 1 if now.group is Group.SYNCED else now.min_revision
    if new or now.group is Group.VICTIM:
        yield from room.is_full(w, now.group is Group.VICTIM)
        place = new[0].place if new else free
        yield "sync", {"w": w, "r": behind - 1, "n": behind, "i": place}
    elif now.group is Group.SYNCED and before.revision < was.min_revision:
        yield "sync_future", {"w": w}
    elif now.group is Group.SYNCED:
        yield "sync_nothing", {"w": w, "n": behind}
    else:
        yield "skip_hidden", {"w": w, "n": now.min_revision}


def _progress(after: MemberView, free: int, room: Room) -> Iterator[Proposal]:
    """Whoever is in step is told how far it is."""
    for each in after.watchers:
        for response in _new(each, free):
            yield from room.is_full(each.watcher, False)
            yield "send_progress", {"w": each.watcher, "i": response.place}


def _sent(was: WatcherView, now: WatcherView, room: Room) -> Iterator[Proposal]:
    """What was first on a stream has arrived: it may be for several watches, or for another one."""
    w = was.watcher
    if now.group is Group.COMPACTED and was.group is not Group.COMPACTED:
        yield from room.is_full(w, False)
        yield "cancel_compacted", {"w": w}
    elif len(now.on_stream) < len(was.on_stream):
        yield received(w, was.on_stream[0])
        room.has_received(w)


def received(w: Watcher, response: Response) -> Proposal:
    """A response has arrived."""
    last = response.last_revision
    return f"receive_{'events' if response.events else 'progress'}", {"w": w, "i": response.place, "r": last, "n": last + 1}


def _pairs(before: MemberView, after: MemberView) -> list[tuple[WatcherView, WatcherView]]:
    """The watches that are there before and afterwards."""
    now = {each.watcher: each for each in after.watchers}
    return [(each, now[each.watcher]) for each in before.watchers if each.watcher in now]


def _new(now: WatcherView, free: int) -> list[Response]:
    """What was put on the stream in this step."""
    return [each for each in now.on_stream if each.place >= free]


def _ended(before: MemberView, after: MemberView) -> list[Watcher]:
    """Watches that end with their stream: one that is canceled has ended before."""
    left = {each.watcher for each in after.watchers}
    return [each.watcher for each in before.watchers if each.watcher not in left and each.group is not Group.COMPACTED]
