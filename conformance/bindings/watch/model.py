"""What is explored of watches: members that apply one log, clients that watch there, and what they are promised."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from kubeproof.conformance.bindings.store import labels as store_labels
from kubeproof.conformance.bindings.store.log import COMPACTIONS, PROPOSALS, Proposed, Script
from kubeproof.conformance.bindings.store.member import CRASHES, Entry, Fetch, Member, MemberComponent
from kubeproof.conformance.bindings.store.model import describe as describe_store
from kubeproof.conformance.bindings.store.model import switched_on
from kubeproof.conformance.bindings.watch import labels, menu, properties
from kubeproof.conformance.bindings.watch.client import PROGRESS, Client, ClientComponent, Watched
from kubeproof.conformance.bindings.watch.member import BREAKS, SNAPSHOTS, WatchedMember
from kubeproof.conformance.bindings.watch.messages import Ended, FetchSnapshot, Open, RequestProgress, Sent, Snapshot
from kubeproof.conformance.explore.system import Event, Local, Message, Model, Step
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl import store
from kubeproof.impl.store import Options, StreamState, WatchOptions
from kubeproof.impl.store.requests import WatchResponse
from kubeproof.impl.store.watch_state import Queued


@dataclass(frozen=True, slots=True)
class WatchSystem:
    """The system: the members, then the clients, then the log."""

    members: tuple[WatchedMember, ...]
    clients: tuple[ClientComponent, ...]
    log: Script

    def initial(self) -> tuple[Local, ...]:
        """Empty stores, nobody watches, and an empty log."""
        members = (each.store.initial() for each in self.members)
        return (*members, *(each.initial() for each in self.clients), Proposed())

    def events(self, component: int, state: Local) -> Iterator[Event]:
        """What it does by itself."""
        match state:
            case Member():
                yield from self.members[component].events(state)
            case Client():
                yield from self._client(component).events(state)
            case Proposed():
                yield from self.log.events(state)

    def step(self, component: int, state: Local, event: Event) -> Step | None:
        """One of these events."""
        match state:
            case Member():
                return self.members[component].step(state, event)
            case Client():
                return self._client(component).step(state, event)
        assert isinstance(state, Proposed)
        return self.log.step(state, event)

    def receive(self, component: int, state: Local, message: Message) -> Step | None:
        """All messages are calls."""
        match state, message.body:
            case Member(), Entry() | Open() | RequestProgress() | FetchSnapshot() | Snapshot() as body:
                return self.members[component].receive(state, body)
            case Client(), Sent() | Ended() as body:
                return self._client(component).receive(state, body)
            case Proposed(), Fetch() as body:
                return self.log.receive(state, body)
        raise AssertionError(message)

    def _client(self, component: int) -> ClientComponent:
        return self.clients[component - len(self.members)]


def model(
    members: int = 1,
    clients: int = 1,
    watches: int = 1,
    start: int = 2,
    proposals: int = 3,
    compactions: int = 0,
    crashes: int = 0,
    breaks: int = 0,
    snapshots: int = 0,
    progress: int = 0,
    room: int = 1,
    batch: int = 1,
    *,
    mixed: bool = False,
    filters: bool = False,
    notifications: bool = False,
    any_progress: bool = False,
    faults: Collection[str] = (),
) -> Model:
    """So many clients with `watches` each on one stream, at any of the members, which apply one log.

    - Watches are `start`ed at this revision; the first one written is 2. The first watch is of a key, the second of all.
    - `proposals`, `compactions`, `crashes`, `snapshots` that a member gets of another one, streams that break (`breaks`) and
      requests for `progress` are budgets, of all together.
    - As many responses as `room` wait on a stream; a watch that is behind is told `batch` revisions at once.
    - What is written is put after put of the first key, or with `mixed` a transaction with two keys, a deletion, another key.
    - `filters` hide deletions. `notifications` of progress come unasked, too.
    - `any_progress` lets progress be requested any number of times, and asks whether it is told in the end.

    InvalidInput if the settings make no sense together.
    """
    if not 1 <= watches <= 2:
        raise InvalidInput("size", None, f"watches: expected 1 or 2, got {watches}")
    if snapshots and members == 1:
        raise InvalidInput("size", None, "snapshots: expected none where there is one member")
    options = Options(watch=WatchOptions(room, batch, watchers_per_sync=1), faults=switched_on(faults))
    requests = menu.watches(watches, start, filters=filters, progress_notify=notifications)
    script = Script(menu.MIXED if mixed else menu.PUTS)
    has_victims = room < sum(properties.revisions_wanted(each, script.first(proposals)) for each in requests)
    asks, log = progress > 0 or any_progress, members + clients
    budgets = {PROPOSALS: proposals, COMPACTIONS: compactions, CRASHES: crashes, BREAKS: breaks, SNAPSHOTS: snapshots}
    return Model(
        WatchSystem(
            tuple(
                WatchedMember(
                    MemberComponent(options, number, log, asked=False, crashes=crashes > 0),
                    tuple(other for other in range(members) if snapshots and other != number),
                    breaks=breaks > 0,
                    notifies=notifications,
                )
                for number in range(members)
            ),
            tuple(ClientComponent(members + each, members, requests, asks) for each in range(clients)),
            script,
        ),
        (*(f"member {number}" for number in range(members)), *(f"client {number}" for number in range(clients)), "log"),
        messages_max=0,
        budgets={**budgets, PROGRESS: None if any_progress else progress},
        always=properties.always(requests),
        recoverable=(properties.catches_up(requests), *((properties.progress_is_told(requests),) if any_progress else ())),
        sometimes=(
            *((properties.A_VICTIM,) if has_victims else ()),
            *((properties.A_CANCELED_WATCH,) if compactions else ()),
            *((properties.A_FUTURE_WATCH,) if start > 2 else ()),
            *((properties.A_BROKEN_STREAM,) if breaks or crashes else ()),
            *((properties.PROGRESS_TOLD,) if asks else ()),
        ),
        labels=(
            store_labels.APPLIED,
            *labels.ALWAYS,
            *((labels.RETRIED,) if has_victims else ()),
            *((store_labels.SCHEDULED, labels.CANCELED) if compactions else ()),
            *((store_labels.COMMITTED, *store_labels.OF_CRASHES) if crashes else ()),
            *((store_labels.CRASHED_WITHIN_COMPACTION,) if crashes and compactions else ()),
            *((labels.BROKEN,) if breaks else ()),
            *((labels.ENDED,) if breaks or crashes else ()),
            *(labels.OF_SNAPSHOTS if snapshots else ()),
            *(labels.OF_PROGRESS if asks else ()),
            *((labels.NOTIFIED,) if asks and notifications else ()),
        ),
        describe=describe,
    )


def describe(value: object) -> str:
    """A short line for a local state or a message."""
    match value:
        case Member(server, log):
            at = f"revision {server.revision}, compacted {server.compact_revision}, {value.applied} of {len(log)} applied"
            return "; ".join([at, *map(_stream, server.watches)])
        case Client(watches, member):
            at = "no stream" if member is None else f"stream at member {member}"
            return "; ".join([at, *(f"watch {id_} {_watched(each)}" for id_, each in enumerate(watches, start=1))])
        case Open(_, requests):
            return ", ".join(f"watch {each.watch_id} from {each.start_revision}" for each in requests)
        case Sent(response):
            return f"watch {response.watch_id}: {_told(response.events, _revision(response), response.compact_revision)}"
        case FetchSnapshot(_, revision):
            return f"asks for a snapshot beyond revision {revision}"
        case Snapshot(member, _, log):
            return f"the store of member {member} after {len(log)} entries"
        case Ended():
            return "the stream ends"
        case RequestProgress():
            return "asks for progress"
    return describe_store(value)


def _stream(state: StreamState) -> str:
    """`watch 1 unsynced from 3, waiting: 2 a`"""
    watchers = ", ".join(f"watch {each.watch.id} {each.group.name.lower()} from {each.min_revision}" for each in state.watchers)
    waiting = [_told(each.events, each.revision, each.compact_revision) for each in state.waiting if isinstance(each, Queued)]
    return f"{watchers}, waiting: {', '.join(waiting) or 'nothing'}"


def _watched(watched: Watched) -> str:
    """`has 2 a, 3 a, progress 4`"""
    told = f", progress {watched.progress}" if watched.progress else ""
    canceled = f", canceled at {watched.compacted}" if watched.compacted else ""
    return f"has {_events(watched.got) or 'nothing'}{told}{canceled}"


def _told(events: Sequence[store.Event], revision: int, compact_revision: int) -> str:
    return _events(events) or (f"canceled at {compact_revision}" if compact_revision else f"progress {revision}")


def _events(events: Sequence[store.Event]) -> str:
    return ", ".join(f"{event.kv.mod_revision} {event.kv.key.decode()}" for event in events)


def _revision(response: WatchResponse) -> int:
    assert response.header is not None
    return response.header.revision
