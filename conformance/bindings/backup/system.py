"""What happens: writes, compactions, a backup, a restore, and clients that list, watch and resume.

The events are named as the actions of models/backup.py. One member is enough: a store's answers are the same from all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubeproof.conformance.bindings.backup import labels
from kubeproof.conformance.bindings.backup.state import Client, Cluster, Saved
from kubeproof.conformance.bindings.store.history import Change, extended
from kubeproof.conformance.bindings.store.menu import KEYS, compactions
from kubeproof.conformance.explore.system import Event, Local, Message, Step
from kubeproof.impl.etcd import backup
from kubeproof.impl.store import Backend, Committed, Options, Server
from kubeproof.impl.store.compaction import remove_batch
from kubeproof.impl.store.requests import (
    CompactionRequest,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RangeResponse,
    Request,
    WatchCreateRequest,
)

WRITES, COMPACTIONS, SAVES, DISCONNECTS = "writes", "compactions", "saves", "disconnects"
WRITE, COMPACT, SAVE, RESTORE = "write", "compact", "save", "restore"
LIST, WATCH, DELIVER, DISCONNECT = "list_all", "watch_from", "deliver", "stream_ends"

NOW_MS = 0
"""No time passes: there are no leases."""
ALL_KEYS, TO_THE_END = b"\x00", b"\x00"
NAME, PEER_URL = "m1", "http://127.0.0.1:2380"


@dataclass(frozen=True, slots=True)
class BackupSystem:
    """One component, as each of its steps is of the store and of a client at once.

    There are up to so many `restores`, and no backup is taken that can never be restored. A restore bumps the revision by `bump`,
    and marks it as compacted if it `marks`. Backups are of a store in which something was written, unless `saves_empty`.
    """

    clients: int
    keys: int
    restores: int
    bump: int
    marks: bool
    saves_empty: bool
    options: Options

    def initial(self) -> tuple[Cluster]:
        """An empty store."""
        return (Cluster(Server.alone(self.options).export(NOW_MS), (Client(),) * self.clients),)

    def events(self, _component: int, state: Local) -> Iterator[Event]:
        """What may be asked, and when."""
        cluster = _cluster(state)
        yield from (Event(WRITE, request, WRITES) for request in self._writes(cluster))
        yield from (Event(COMPACT, request, COMPACTIONS) for request in compactions(cluster.made))
        if cluster.restores < self.restores:
            if self.saves_empty or cluster.made.changes:
                yield Event(SAVE, None, SAVES)
            if cluster.saved is not None:
                yield Event(RESTORE)
        for number, client in enumerate(cluster.clients):
            stream = cluster.stream(number)
            if stream is not None:
                yield Event(DISCONNECT, number, DISCONNECTS)
                yield from (Event(DELIVER, number) for _ in stream.waiting[:1])
            else:
                yield Event(WATCH if client.has_list else LIST, number)

    def step(self, _component: int, state: Local, event: Event) -> Step:
        """One of these events."""
        cluster = _cluster(state)
        server = Server.restore(self.options, cluster.server, NOW_MS)
        if event.name == SAVE:
            return self._save(cluster, server)
        if event.name == RESTORE:
            return self._restore(cluster)
        if event.name in (WRITE, COMPACT):
            assert isinstance(event.argument, PutRequest | DeleteRangeRequest | CompactionRequest)
            return self._write(cluster, server, event.argument)
        assert isinstance(event.argument, int)
        return _OF_CLIENTS[event.name](cluster, server, event.argument)

    def receive(self, _component: int, _state: Local, _message: Message) -> Step | None:
        """No messages are sent."""
        return None

    # ---- the store

    def _writes(self, cluster: Cluster) -> Iterator[Request]:
        """No value is written twice, so that what is lost can be told from what has taken its place."""
        now, count = cluster.made.at(cluster.made.revision), len(cluster.made.changes) + len(cluster.lost) + 1
        for key in KEYS[: self.keys]:
            yield PutRequest(key, b"%d" % count)
        if KEYS[0] in now:
            yield DeleteRangeRequest(KEYS[0])

    def _write(self, cluster: Cluster, server: Server, request: Request) -> Step:
        server.answer(request, NOW_MS)
        label = labels.COMPACTED if isinstance(request, CompactionRequest) else labels.WROTE
        return Step(_with(cluster, server)._replace(made=extended(cluster.made, request)), labels=(label,))

    def _save(self, cluster: Cluster, server: Server) -> Step:
        saved = Saved(backup.save(server.backend), cluster.made)
        return Step(_with(cluster, server)._replace(saved=saved), labels=(labels.SAVED,))

    def _restore(self, cluster: Cluster) -> Step:
        """All streams end. What was written since the backup is lost."""
        assert cluster.saved is not None
        server = Server.alone(self.options, Backend(self.options.batch_limit, self._restored(cluster.saved)))
        while remove_batch(server.store):
            pass
        made = cluster.saved.made
        lost = sorted({*cluster.lost, *cluster.made.changes} - set(made.changes), key=_place)
        compacted = max(made.compact_revision, server.store.compact_revision)
        new = _with(cluster, server)._replace(
            made=made._replace(revision=server.store.revision, compact_revision=compacted),
            lost=tuple(lost),
            restores=cluster.restores + 1,
        )
        return Step(new, labels=(labels.RESTORED, *((labels.WRITES_LOST,) if lost else ())))

    def _restored(self, saved: Saved) -> Committed:
        """etcdutl refuses to bump without the mark: who does so writes the record by other means."""
        marked = self.bump if self.marks else 0
        cluster = {NAME: (PEER_URL,)}
        new = backup.restore(saved.snapshot, NAME, cluster, bump_revision=marked, mark_compacted=marked > 0)
        restored = new.disk.backend
        return backup.bumped(restored, self.bump) if self.bump > marked else restored


# ---- clients


def _list(cluster: Cluster, server: Server, number: int) -> Step:
    answer = server.answer(RangeRequest(ALL_KEYS, TO_THE_END), NOW_MS)
    assert isinstance(answer, RangeResponse)
    assert answer.header is not None
    revision = answer.header.revision
    client = Client(revision, cluster.restores, answer.kvs, (), revision)
    return Step(_with(cluster, server, number, client), labels=(labels.LISTED,))


def _watch(cluster: Cluster, server: Server, number: int) -> Step:
    """From right behind what the client knows. If that is past the history is read at once, as far as it is there."""
    hub, start = server.watches, cluster.clients[number].position + 1
    hub.open_stream(number)
    hub.request(number, WatchCreateRequest(ALL_KEYS, TO_THE_END, start))
    hub.send(number)
    hub.sync_unsynced()
    past = start <= cluster.server.revision
    return Step(_with(cluster, server), labels=(labels.RESUMES if past else labels.WATCHES,))


def _deliver(cluster: Cluster, server: Server, number: int) -> Step:
    """The next response on the client's stream. Who is told that it is compacted forgets what it knows."""
    [response] = server.watches.send(number)
    if response.canceled:
        server.watches.close_stream(number)
        return Step(_with(cluster, server, number, Client()), labels=(labels.TOLD_COMPACTED,))
    client, told = cluster.clients[number], tuple(event.kv for event in response.events)
    knows = client._replace(seen=(*client.seen, *told), position=told[-1].mod_revision)
    return Step(_with(cluster, server, number, knows), labels=(labels.RECEIVED,))


def _disconnect(cluster: Cluster, server: Server, number: int) -> Step:
    server.watches.close_stream(number)
    return Step(_with(cluster, server), labels=(labels.DISCONNECTED,))


_OF_CLIENTS = {LIST: _list, WATCH: _watch, DELIVER: _deliver, DISCONNECT: _disconnect}


def _with(cluster: Cluster, server: Server, number: int = 0, client: Client | None = None) -> Cluster:
    """The cluster with this server, and if a client is given that one in its place."""
    server.backend.commit()
    clients = cluster.clients
    return cluster._replace(
        server=server.export(NOW_MS),
        clients=clients if client is None else (*clients[:number], client, *clients[number + 1 :]),
        last_revision=max(cluster.last_revision, server.store.revision),
    )


def _place(change: Change) -> tuple[object, ...]:
    return change.revision, change.record.key, change.record.value


def _cluster(state: Local) -> Cluster:
    assert isinstance(state, Cluster)
    return state
