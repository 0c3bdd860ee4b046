"""A member with its watch hub as a component: what etcd's goroutines do for watches are events of their own, in any order.

The store below is the one of bindings/store: it applies the log, commits, crashes, and applies again what was lost. Only the
records of a compaction are removed at once here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kubeproof.conformance.bindings.store.member import (
    APPLY,
    COMMIT,
    CRASH,
    NOW_MS,
    REPLAY,
    Entry,
    Member,
    MemberComponent,
)
from kubeproof.conformance.bindings.watch import labels
from kubeproof.conformance.bindings.watch.client import PROGRESS, call
from kubeproof.conformance.bindings.watch.messages import Ended, FetchSnapshot, Open, RequestProgress, Sent, Snapshot
from kubeproof.conformance.explore.system import Event, Step
from kubeproof.impl.store import Backend, Server
from kubeproof.impl.store.compaction import remove_batch
from kubeproof.impl.store.requests import WatchProgressRequest

BREAKS, SNAPSHOTS = "breaks", "snapshots"

SYNC, RETRY = Event("sync_unsynced"), Event("retry_victims")
SEND, NOTIFY, BREAK, RESTORE = "send", "notify_progress", "stream_ends", "restore_snapshot"

Asked = Entry | Open | RequestProgress | FetchSnapshot | Snapshot


@dataclass(frozen=True, slots=True)
class WatchedMember:
    """What a member does. `others` are those that it may get a snapshot of; streams end if it `breaks` some."""

    store: MemberComponent
    others: tuple[int, ...] = ()
    breaks: bool = False
    notifies: bool = False
    """Whether it tells of progress unasked."""

    def events(self, state: Member) -> Iterator[Event]:
        """What the store does, the steps of the hub, and a snapshot."""
        yield from (APPLY, REPLAY)
        if self.store.crashes:
            yield from (COMMIT, CRASH)
        yield from (SYNC, RETRY)
        for stream in state.server.watches:
            yield Event(SEND, stream.id)
            if self.breaks:
                yield Event(BREAK, stream.id, BREAKS)
            if self.notifies:
                yield Event(NOTIFY, stream.id, PROGRESS)
        yield from (Event(RESTORE, other, SNAPSHOTS) for other in self.others)

    def step(self, state: Member, event: Event) -> Step | None:
        """One of these events."""
        if event == SYNC:
            return self._does(state, lambda server: server.watches.sync_unsynced(), labels.READ)
        if event == RETRY:
            return self._does(state, lambda server: server.watches.retry_victims(), labels.RETRIED)
        if event.name == SEND:
            return self._sends(state, event)
        if event.name == NOTIFY:
            stream = stream_of(event)
            return self._does(state, lambda server: server.watches.notify_progress(stream), labels.NOTIFIED)
        if event.name == BREAK:
            stream = stream_of(event)
            after = self._after(state, lambda server: server.watches.close_stream(stream))
            return Step(after, (call(stream, Ended()),), (labels.BROKEN,))
        if event.name == RESTORE:
            asked = call(stream_of(event), FetchSnapshot(self.store.number, state.server.revision))
            return Step(state, (asked,)) if state.is_replayed else None
        step = self.store.step(state, event)
        if step is None or event != CRASH:
            return step
        ended = tuple(call(stream.id, Ended()) for stream in state.server.watches)
        return self._compacted(step)._replace(sends=ended)

    def receive(self, state: Member, body: Asked) -> Step | None:
        """An entry, what a client asks, or what is between two members because of a snapshot."""
        match body:
            case Entry():
                step = self.store.receive(state, body)
                return None if step is None else self._compacted(step)
            case Open():
                return Step(self._after(state, lambda server: _open(server, body)), labels=(labels.CREATED,))
            case RequestProgress(client):
                return Step(self._after(state, lambda server: server.watches.request(client, WatchProgressRequest())))
            case FetchSnapshot():
                return self._gives(state, body)
            case Snapshot():
                return self._takes(state, body)

    def _sends(self, state: Member, event: Event) -> Step | None:
        """What is first on a stream. Nothing is cut into fragments here."""
        server = self.store.server(state)
        sent = server.watches.send(stream_of(event))
        if not sent:
            return None
        (response,) = sent
        after = state._replace(server=server.export(NOW_MS))
        return Step(after, (call(stream_of(event), Sent(response)),), (labels.SENT,))

    def _gives(self, state: Member, asked: FetchSnapshot) -> Step | None:
        """A snapshot is of what is committed: so that is done first (etcd backend.go, Snapshot)."""
        if state.server.revision <= asked.revision or not state.is_replayed:
            return None
        after = self._after(state, lambda server: server.backend.commit())
        snapshot = call(asked.member, Snapshot(self.store.number, after.server.committed, state.log))
        return Step(after, (snapshot,), (labels.SNAPSHOT_TAKEN,))

    def _takes(self, state: Member, snapshot: Snapshot) -> Step:
        """The store of another member takes the place of its own; its streams go on."""
        options = self.store.options
        server = Server.start(options, Backend(options.batch_limit, snapshot.backend))
        server.watches.restore(state.server.watches)
        server.watches.restore_snapshot(server.store)
        after = Member(server.export(NOW_MS), snapshot.log)
        return self._compacted(Step(after, labels=(labels.SNAPSHOT_RESTORED,)))

    def _compacted(self, step: Step) -> Step:
        """The step, with what is compacted removed."""
        state = step.state
        assert isinstance(state, Member)
        if not state.server.compactions:
            return step
        server = self.store.server(state)
        while remove_batch(server.store):
            pass
        return step._replace(state=state._replace(server=server.export(NOW_MS)))

    def _does(self, state: Member, what: Callable[[Server], object], label: str) -> Step | None:
        """None if nothing comes of it."""
        after = self._after(state, what)
        return None if after == state else Step(after, labels=(label,))

    def _after(self, state: Member, what: Callable[[Server], object]) -> Member:
        server = self.store.server(state)
        what(server)
        return state._replace(server=server.export(NOW_MS))


def stream_of(event: Event) -> int:
    """Which stream, or which other member, an event is about."""
    assert isinstance(event.argument, int)
    return event.argument


def _open(server: Server, asked: Open) -> None:
    """That a watch is created is told at once: until then its client could know of nothing else."""
    server.watches.open_stream(asked.client)
    for request in asked.watches:
        server.watches.request(asked.client, request)
        (created,) = server.watches.send(asked.client)
        assert created.created
        assert not created.canceled
