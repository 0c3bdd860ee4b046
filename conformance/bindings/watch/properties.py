"""What clients of watches are promised: what they have got is compared with what the log has made (bindings/store/history.py).

The names are those of models/watch.py; the promises are etcd's API guarantees (etcd.io/docs, learning/api_guarantees).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kubeproof.conformance.bindings.store.history import Change, Log, history
from kubeproof.conformance.bindings.store.log import COMPACTIONS, PROPOSALS, Proposed
from kubeproof.conformance.bindings.store.member import CRASHES, Member
from kubeproof.conformance.bindings.watch.client import PROGRESS, Client, Watched
from kubeproof.conformance.bindings.watch.member import BREAKS, SNAPSHOTS
from kubeproof.conformance.explore.system import Local, Property, Recoverable
from kubeproof.impl.store import Event, EventType
from kubeproof.impl.store.ranges import end_of
from kubeproof.impl.store.records import is_tombstone
from kubeproof.impl.store.requests import FilterType, WatchCreateRequest
from kubeproof.impl.store.watch_group import Group
from kubeproof.impl.store.watch_state import WatcherState

Promise = Callable[[WatchCreateRequest, Watched, Log], bool]


def wants(request: WatchCreateRequest, event: Event) -> bool:
    """Whether it is in the watch's range, and passes its filters."""
    key, end = request.key, end_of(request.range_end)
    in_range = event.kv.key == key if end is None else key <= event.kv.key and (not end or event.kv.key < end)
    hidden = FilterType.NODELETE if event.type is EventType.DELETE else FilterType.NOPUT
    return in_range and hidden not in request.filters


@lru_cache(maxsize=1 << 16)
def wanted(request: WatchCreateRequest, log: Log, until: int | None = None) -> tuple[Event, ...]:
    """All that a watch wants of what a log has made, from where it begins; up to a revision, if one is given."""
    made = history(log)
    last = made.revision if until is None else until
    events = map(event_of, made.since(request.start_revision))
    return tuple(event for event in events if event.kv.mod_revision <= last and wants(request, event))


def revisions_wanted(request: WatchCreateRequest, log: Log) -> int:
    """At how many revisions something happens that a watch wants."""
    return len({event.kv.mod_revision for event in wanted(request, log)})


def event_of(change: Change) -> Event:
    """A change as watches tell it."""
    record = change.record
    return Event(EventType.DELETE if is_tombstone(record) else EventType.PUT, record, None)


def has_all(request: WatchCreateRequest, watched: Watched, log: Log, until: int) -> bool:
    """Whether it has got all that it wants up to a revision."""
    return set(wanted(request, log, until)) <= set(watched.got)


def from_start_revision(request: WatchCreateRequest, watched: Watched, _: Log) -> bool:
    """No event and no notification is of a revision before the first that was asked for."""
    told = [event.kv.mod_revision for event in watched.got] + [watched.progress] * (watched.progress > 0)
    return all(revision >= request.start_revision for revision in told)


def only_what_is_wanted(request: WatchCreateRequest, watched: Watched, log: Log) -> bool:
    """Each event has happened just so."""
    everything = wanted(request._replace(start_revision=0), log)
    return all(event in everything for event in watched.got)


def unique(_: WatchCreateRequest, watched: Watched, __: Log) -> bool:
    """No event comes twice."""
    return len(set(watched.got)) == len(watched.got)


def ordered(_: WatchCreateRequest, watched: Watched, __: Log) -> bool:
    """Revisions never fall."""
    revisions = [event.kv.mod_revision for event in watched.got]
    return revisions == sorted(revisions)


def atomic(request: WatchCreateRequest, watched: Watched, log: Log) -> bool:
    """A response that has events of a revision has all of them, so they come together."""
    revisions = {event.kv.mod_revision for event in watched.got}
    return all(event in watched.got for event in wanted(request, log) if event.kv.mod_revision in revisions)


def reliable(request: WatchCreateRequest, watched: Watched, log: Log) -> bool:
    """All before the last event has come."""
    return not watched.got or has_all(request, watched, log, watched.got[-1].kv.mod_revision)


def bookmarkable(request: WatchCreateRequest, watched: Watched, log: Log) -> bool:
    """All up to a progress notification has come, and its revision is there."""
    return watched.progress <= history(log).revision and has_all(request, watched, log, watched.progress)


def resumable(request: WatchCreateRequest, watched: Watched, log: Log) -> bool:
    """All before the revision where the watch resumes has come."""
    return has_all(request, watched, log, watched.next_revision(request.start_revision) - 1)


def canceled_only_if_compacted(request: WatchCreateRequest, watched: Watched, log: Log) -> bool:
    """The watch could not have gone on."""
    going_on = watched.next_revision(request.start_revision)
    return not watched.compacted or going_on < watched.compacted <= history(log).compact_revision


PROMISES: dict[Promise, str] = {
    from_start_revision: "Nothing comes from before the revision that the watch was to begin at.",
    only_what_is_wanted: "Only events that have happened come, in the watch's range, and such as pass its filters.",
    unique: "No event comes twice.",
    ordered: "Events come in the order of their revisions, over all streams of a watch.",
    atomic: "All events of a revision come together.",
    reliable: "Who gets an event has got all earlier ones, back to where the watch began.",
    bookmarkable: "A progress notification tells that all events up to its revision were delivered.",
    resumable: "Before the revision where a client resumes it has got every event that it wants.",
    canceled_only_if_compacted: "A watch is canceled only if what comes next for it is compacted.",
}
"""What each says, in the order in which they are looked at."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A promise, of all watches of a client."""

    promise: Promise
    requests: tuple[WatchCreateRequest, ...]

    def __call__(self, client: Local, log: Local) -> bool:
        """Clients come before the log; of other components nothing is asked."""
        if not isinstance(client, Client) or not isinstance(log, Proposed):
            return True
        return all(self.promise(*each, log.log) for each in zip(self.requests, client.watches, strict=True))


def always(requests: tuple[WatchCreateRequest, ...]) -> tuple[Property, ...]:
    """All that is promised."""
    return tuple(Property(each.__name__, says, Kept(each, requests), 2) for each, says in PROMISES.items())


# ---- what must be possible

WITHOUT = (PROPOSALS, COMPACTIONS, CRASHES, BREAKS, SNAPSHOTS)


@dataclass(frozen=True, slots=True)
class Informed:
    """What all clients come to know, if nothing happens to them."""

    requests: tuple[WatchCreateRequest, ...]

    def have_all(self, *states: Local) -> bool:
        """Every client is watching, and has got all that there is, but for what was canceled."""
        log, revision = _log(states), _revision(states)
        return all(
            watched.compacted or (client.member is not None and has_all(request, watched, log, revision))
            for client in clients(states)
            for request, watched in zip(self.requests, client.watches, strict=True)
        )

    def are_in_time(self, *states: Local) -> bool:
        """Somebody watches, and no watch waits for a revision that may never come: until then nothing is told of progress."""
        revision = _revision(states)
        watching = [client for client in clients(states) if client.is_watching]
        starts = [each.watch.start_revision for client in watching for each in _watchers(states, client)]
        return bool(watching) and all(start <= revision for start in starts)

    def are_told(self, *states: Local) -> bool:
        """Whoever watches was told that it has got all there is."""
        revision = _revision(states)
        return all(
            watched.compacted or watched.progress == revision
            for client in clients(states)
            if client.is_watching
            for watched in client.watches
        )


def clients(states: Sequence[Local]) -> list[Client]:
    """Those among the components."""
    return [each for each in states if isinstance(each, Client)]


def _log(states: Sequence[Local]) -> Log:
    """It is the last component."""
    log = states[-1]
    assert isinstance(log, Proposed)
    return log.log


def _revision(states: Sequence[Local]) -> int:
    """What the log has come to."""
    return history(_log(states)).revision


def _watchers(states: Sequence[Local], client: Client) -> list[WatcherState]:
    """A client's watches that live, as its member has them."""
    assert client.member is not None
    member = states[client.member]
    assert isinstance(member, Member)
    own = next(stream for stream in member.server.watches if states[stream.id] is client)
    return [each for each in own.watchers if each.group is not Group.COMPACTED]


def catches_up(requests: tuple[WatchCreateRequest, ...]) -> Recoverable:
    """Nothing gets stuck."""
    sentence = "Every client can get all that there is, or is told that it is compacted."
    return Recoverable("catches_up", sentence, Informed(requests).have_all, without=(*WITHOUT, PROGRESS))


def progress_is_told(requests: tuple[WatchCreateRequest, ...]) -> Recoverable:
    """Where progress may be requested any number of times."""
    informed = Informed(requests)
    sentence = "Who requests progress on a stream whose watches are in step can be told."
    return Recoverable("progress_is_told", sentence, informed.are_told, informed.are_in_time, WITHOUT)


# ---- what must be seen


def has_group(group: Group) -> Callable[[Local], bool]:
    """Whether a member has a watcher in the group."""

    def has(state: Local) -> bool:
        if not isinstance(state, Member):
            return False
        return any(each.group is group for stream in state.server.watches for each in stream.watchers)

    return has


def waits(state: Local) -> bool:
    """A watch waits for a revision that its member does not have yet."""
    if not isinstance(state, Member):
        return False
    starts = [each.watch.start_revision for stream in state.server.watches for each in stream.watchers]
    return any(start > state.server.revision + 1 for start in starts)


def is_told(state: Local) -> bool:
    """A client was told of progress."""
    return isinstance(state, Client) and any(each.progress for each in state.watches)


def has_resumed(state: Local) -> bool:
    """A client has events, and no stream."""
    return isinstance(state, Client) and state.member is None and any(each.got for each in state.watches)


A_VICTIM = Property("a_victim", "A watcher's response waits until there is room.", has_group(Group.VICTIM))
A_CANCELED_WATCH = Property("a_canceled_watch", "A watch was canceled by a compaction.", has_group(Group.COMPACTED))
A_FUTURE_WATCH = Property("a_future_watch", "A watch waits for more than the next revision.", waits)
PROGRESS_TOLD = Property("progress_told", "A client was told of progress.", is_told)
A_BROKEN_STREAM = Property("a_broken_stream", "A client that has got events has lost its stream.", has_resumed)
