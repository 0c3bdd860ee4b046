"""The states and steps of a store that is backed up and restored, in the terms of models/backup.py.

An action of the specification is of the store and of a client at once, and so is a step of the system: its one component is both,
and all is known of it. What the store's records tell of no more, as it is compacted, is taken from what was written, said
independently (bindings/store/history.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from kubeproof.conformance.bindings.backup.state import Client, Cluster, Saved
from kubeproof.conformance.bindings.backup.system import (
    COMPACT,
    DELIVER,
    DISCONNECT,
    LIST,
    RESTORE,
    SAVE,
    WATCH,
    WRITE,
    WRITES,
    BackupSystem,
)
from kubeproof.conformance.bindings.store.history import History
from kubeproof.conformance.bindings.store.menu import KEYS
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Model
from kubeproof.conformance.refinement.binding import Binding, First, Reading
from kubeproof.conformance.refinement.judge import Abstract, Call, Known, World
from kubeproof.conformance.refinement.once import Once
from kubeproof.impl.store import Backend, Committed, KeyValue, Server
from kubeproof.models import backup as spec
from kubeproof.models.logic.formulas import Relation
from kubeproof.models.mvcc import Key, Revision

REVISION_0 = 1
"""The revision of the empty store. Where etcd has no revision it is this one, too."""
NOTHING = b""
"""What a deletion makes of a key; no key has this value otherwise."""

Proposal = tuple[str, dict[str, Any]]
"""An action with its arguments."""
Written = Mapping[tuple[int, bytes], bytes]
"""What revisions have made of keys."""


def leaves_out(model: Model) -> list[str]:
    """What of a model cannot be judged."""
    return [] if isinstance(model.system, BackupSystem) else ["another system than backup"]


def world(model: Model) -> World:
    """As many revisions as can be given, and one that is never reached."""
    assert isinstance(model.system, BackupSystem)
    system = model.system
    writes = model.budgets[WRITES] or 0
    return World(
        universes={
            spec.Watcher: range(system.clients),
            Key: KEYS[: system.keys],
            spec.Value: [NOTHING, *(b"%d" % each for each in range(1, writes + 1))],
            Revision: range(REVISION_0, REVISION_0 + writes + system.restores * system.bump + 2),
        },
        rigid={},
        values={spec.revision_0.symbol: {(): REVISION_0}},
    )


def read(model: Model, taken: Iterable[Taken]) -> Reading:
    """All steps."""
    mapped = Map(world(model))
    [first] = model.system.initial()
    assert isinstance(first, Cluster)
    return Reading(mapped.world, [First(mapped.map(first), frozenset())], list(taken), mapped.abstract)


class Map:
    """The map of steps. States are mapped once, as many steps have them in common."""

    def __init__(self, common: World) -> None:
        self.world = common
        self.known = Once(self.map)

    def abstract(self, taken: Taken) -> Abstract:
        """The step as the specification sees it."""
        _, before, event, (after, _, _, *_) = taken
        assert isinstance(before, Cluster)
        assert isinstance(event, Event)
        assert isinstance(after, Cluster)
        calls = tuple(Call(name, tuple(arguments.items())) for name, arguments in proposed(before, event.name, after))
        return Abstract(self.known(before), frozenset(), calls, self.known(after), frozenset())

    # ---- states

    def map(self, state: Cluster) -> Known:
        """What the tuples of the store, its backup and the clients are."""
        known, server = Known(), state.server
        self._written(known, spec.record, written(server.written, server.compact_revision, state.made))
        known.assign(spec.current_revision, (), server.revision)
        known.assign(spec.compact_revision, (), max(server.compact_revision, REVISION_0))
        self._saved(known, state.saved)
        for number, client in enumerate(state.clients):
            self._client(known, number, client, server.revision)
            known.set(spec.watching, (number,), state.watches(number))
        return known

    def _saved(self, known: Known, saved: Saved | None) -> None:
        """Without a backup it is one of the empty store."""
        revision, compacted, records = REVISION_0, REVISION_0, {}
        if saved is not None:
            revision, compacted = revisions(saved.snapshot.content)
            records = dict(written(saved.snapshot.content, compacted, saved.made))
        self._written(known, spec.saved_record, records)
        known.assign(spec.saved_revision, (), revision)
        known.assign(spec.saved_compact_revision, (), max(compacted, REVISION_0))

    def _client(self, known: Known, number: int, client: Client, current_revision: int) -> None:
        """A client without a list has forgotten what it knew, which was nothing that is still to come.

        Of what was before its list nothing is asked.
        """
        known.set(spec.has_list, (number,), client.has_list)
        if client.has_list:
            known.assign(spec.position, (number,), client.position)
            known.assign(spec.listed_at, (number,), client.listed_at)
        since = client.listed_at if client.has_list else current_revision
        seen = {(record.mod_revision, record.key): record.value for record in client.seen}
        for revision in self.world.universes[Revision]:
            if revision > since:
                for key in self.world.universes[Key]:
                    known.close(spec.saw, (number, revision, key), *_value(seen, revision, key))

    def _written(self, known: Known, relation: Relation, by: Written) -> None:
        for revision in self.world.universes[Revision]:
            for key in self.world.universes[Key]:
                known.close(relation, (revision, key), *_value(by, revision, key))


def _value(by: Written, revision: int, key: bytes) -> tuple[bytes, ...]:
    value = by.get((revision, key))
    return () if value is None else (value,)


def written(content: Committed, compact_revision: int, made: History) -> Written:
    """What the records have; before the compacted revision, what was written."""
    forgotten = {(main, record.key): record.value for (main, _), record in made.changes if main < compact_revision}
    return forgotten | {(main, record.key): record.value for main, record in records(content) if main >= compact_revision}


def records(content: Committed) -> Iterator[tuple[int, KeyValue]]:
    """Those that clients can ask for: the one that a bump writes has no key."""
    yield from ((main, record) for (main, _), record in content.key if record.key)


@lru_cache(maxsize=1 << 12)
def revisions(content: Committed) -> tuple[int, int]:
    """The current and the compacted revision of a store that is opened on this."""
    store = Server(backend=Backend(committed=content)).store
    return store.revision, store.compact_revision


# ---- steps


def proposed(before: Cluster, name: str, after: Cluster) -> Iterator[Proposal]:
    """The actions that a step may be, in their order."""
    revision = after.server.revision
    if name == WRITE:
        made = ((main, each) for main, each in records(after.server.written) if main == revision)
        yield from (("write", {"r": main, "k": each.key, "v": each.value}) for main, each in made)
    elif name == COMPACT:
        yield "compact", {"r": after.server.compact_revision}
    elif name == SAVE:
        yield "save", {}
    elif name == RESTORE:
        yield "restore", {"r": revision, "between": revision - 1}
    else:
        for number in range(len(after.clients)):
            if _of(before, number) != _of(after, number):
                yield from _of_client(before, name, after, number)


def _of_client(before: Cluster, name: str, after: Cluster, number: int) -> Iterator[Proposal]:
    """A watch that is refused is nothing yet: the client is told so later."""
    is_, was = after.clients[number], before.clients[number]
    behind = {"w": number, "r": was.position + 1}
    if name == LIST:
        yield "list_all", {"w": number}
    elif name == WATCH and after.watches(number):
        yield "watch_from", behind
    elif name == DELIVER and is_.has_list:
        told = is_.seen[len(was.seen) :]
        yield from (("deliver", {"w": number, "r": each}) for each in sorted({record.mod_revision for record in told}))
    elif name == DELIVER:
        yield "refuse_compacted", behind
    elif name == DISCONNECT:
        yield "stream_ends", {"w": number}


def _of(state: Cluster, number: int) -> object:
    return state.clients[number], state.stream(number)


BACKUP = Binding(spec.backup, leaves_out, read)
