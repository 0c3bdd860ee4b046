"""The local states and steps of a member's store, in the terms of models/mvcc.py.

The specification is of one store, so each member is one, and everything is known of it: its records in memory and on disk from
its backend, its revisions, and from the log that it has, said independently (bindings/store/history.py), what was ever changed.
Left open is what only a step needs: compares, and what the index says to keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kubeproof.conformance.bindings.store.history import contents, history, holds
from kubeproof.conformance.bindings.store.log import PROPOSALS
from kubeproof.conformance.bindings.store.member import (
    COMMIT,
    CRASH,
    READ,
    REMOVE,
    REPLAY,
    TELL,
    Entry,
    Member,
    MemberComponent,
)
from kubeproof.conformance.bindings.store.menu import KEYS, VALUE
from kubeproof.conformance.bindings.store.model import StoreSystem
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Message, Model
from kubeproof.conformance.refinement.binding import Binding, First, Reading
from kubeproof.conformance.refinement.judge import Abstract, Call, Facts, Known, World
from kubeproof.conformance.refinement.once import Alike
from kubeproof.impl.store import Committed, KeyValue, StorePanic
from kubeproof.impl.store.backend import CONSISTENT_INDEX
from kubeproof.impl.store.records import is_tombstone
from kubeproof.impl.store.requests import (
    CompactionRequest,
    DeleteRangeRequest,
    LeaseRevokeRequest,
    PutRequest,
    Request,
    TxnRequest,
)
from kubeproof.models import mvcc as spec

REVISION_0 = 1
"""The revision of the empty store. Where etcd has no revision it is this one, too."""

WRITES = (PutRequest, DeleteRangeRequest, TxnRequest, LeaseRevokeRequest)

NOTHING = Abstract(Known(), frozenset(), (), Known(), frozenset())
"""A step that a member has no part in."""

Proposal = tuple[str, dict[str, Any]]
"""An action with its arguments."""
Records = Mapping[tuple[int, bytes], KeyValue]
"""What the records of each main revision and key have in the end."""


def leaves_out(model: Model) -> list[str]:
    """What of a model cannot be judged."""
    return [] if isinstance(model.system, StoreSystem) else ["another system than store"]


def world(model: Model) -> World:
    """As many revisions as there may be transactions, and one that is never reached."""
    revisions = range(REVISION_0, REVISION_0 + (model.budgets[PROPOSALS] or 0) + 2)
    return World(
        universes={spec.Key: KEYS, spec.Value: [VALUE], spec.Revision: revisions, spec.Version: revisions},
        rigid={},
        values={spec.revision_0.symbol: {(): REVISION_0}, spec.version_1.symbol: {(): 1}},
    )


def read(model: Model, taken: Iterable[Taken]) -> Reading:
    """The steps of members. The log is what they are told of."""
    assert isinstance(model.system, StoreSystem)
    common = world(model)
    mapped = Map(model.system.members)
    first = [First(mapped.known(each), frozenset()) for each in model.system.initial() if isinstance(each, Member)]
    return Reading(common, first, [each for each in taken if isinstance(each[1], Member)], mapped.abstract)


class Map:
    """The map of steps. States are mapped once, as many steps have them in common."""

    def __init__(self, members: tuple[MemberComponent, ...]) -> None:
        self.members = members
        known: Alike[Known] = Alike()
        self.known = known.once(known_of)

    def abstract(self, taken: Taken) -> Abstract:
        """The step as the specification sees it. What the log does by itself is nothing to a member yet."""
        component, before, happens, step = taken
        after = step.state
        if not isinstance(before, Member) or not isinstance(after, Member):
            return NOTHING
        cause = happens.body if isinstance(happens, Message) else happens
        assert isinstance(cause, Entry | Event)
        calls = tuple(self._calls(self.members[component], before, cause, after))
        return Abstract(
            self.known(before),
            frozenset(),
            tuple(Call(name, tuple(arguments.items())) for name, arguments in calls),
            self.known(after),
            _told(calls, before),
        )

    # ---- steps

    def _calls(self, member: MemberComponent, before: Member, cause: Entry | Event, after: Member) -> Iterator[Proposal]:
        """The actions that a step may be, in their order."""
        if isinstance(cause, Entry):
            yield from _applied(before, cause.request, after)
        elif cause.name == REPLAY.name:
            made = history(before.log[: before.applied + 1]).revision
            if made > history(before.log[: before.applied]).revision:
                yield "replay", {"r": made}
        elif cause.name == COMMIT.name:
            yield "backend_commit", {}
        elif cause.name == REMOVE.name:
            yield from _removed(before, after)
        elif cause.name == CRASH.name:
            yield "restart", {"r": after.server.revision}
        elif cause.name == TELL.name:
            yield "tell_revision", {}
        elif cause.name == READ:
            yield from self._reads(member, before)

    def _reads(self, member: MemberComponent, state: Member) -> Iterator[Proposal]:
        """All reads that are answered: of an event only the name is known here, and each leaves the state as it is."""
        store = member.server(state).store
        for revision in range(max(state.server.compact_revision, REVISION_0), state.server.revision + 1):
            for key in KEYS:
                try:
                    found = store.range(key, None, revision).kvs
                except StorePanic:
                    return
                at = {"r": revision, "k": key}
                if found:
                    yield "read", {**at, "p": found[0].mod_revision}
                else:
                    yield "read_nothing", {**at, "p": newest(state, key, revision)}


# ---- states


def known_of(state: Member) -> Known:
    """What the member's tuples are."""
    known, server, made = Known(), state.server, history(state.log)
    written, committed = records(server.written), records(server.committed)
    changes = {(revision[0], record.key): record for revision, record in made.changes}
    for relation, tuples in (
        (spec.record, written),
        (spec.stored_record, committed),
        (spec.changed, changes),
        (spec.writing, ()),
    ):
        known.close(relation, ())
        known.true[relation].update(tuples)
    for (revision, key), record in {**changes, **written}.items():
        _map_contents(known, revision, key, record)
    index = dict(server.committed.meta).get(CONSISTENT_INDEX, 0)
    for symbol, at in (
        (spec.current_revision, server.revision),
        (spec.compact_revision, max(server.compact_revision, REVISION_0)),
        (spec.applied_revision, history(state.log[: state.applied]).revision),
        (spec.stored_revision, history(state.log[:index]).revision),
        (spec.last_revision, made.revision),
    ):
        known.assign(symbol, (), at)
    return known


def _map_contents(known: Known, revision: int, key: bytes, record: KeyValue) -> None:
    known.set(spec.tombstone, (revision, key), is_tombstone(record))
    if not is_tombstone(record):
        known.assign(spec.value, (revision, key), record.value)
        known.assign(spec.version, (revision, key), record.version)
        known.close(spec.create_revision, (revision, key), record.create_revision)


def records(backend: Committed) -> Records:
    """By main revision and key."""
    return {(main, record.key): record for (main, _), record in backend.key}


def newest(state: Member, key: bytes, revision: int) -> int:
    """The newest record of a key at the revision or before; REVISION_0 if there is none."""
    return max((main for main, each in records(state.server.written) if each == key and main <= revision), default=REVISION_0)


def _applied(before: Member, request: Request, after: Member) -> Iterator[Proposal]:
    """An entry that is applied for the first time."""
    if after.panic:
        return
    if isinstance(request, CompactionRequest):
        if before.server.compact_revision < request.revision <= before.server.revision:
            yield "compact", {"r": request.revision}
    elif isinstance(request, WRITES):
        yield from _transaction(before, request, after)


def _transaction(before: Member, request: Request, after: Member) -> Iterator[Proposal]:
    """What the records say that it has done."""
    revision = before.server.revision + 1
    yield "txn_begin", {"r": revision}
    yield from _compares(before, request, revision)
    made = [record for (main, _), record in after.server.written.key if main == revision]
    there = contents(history(before.log).changes)
    for record in made:
        at = {"k": record.key, "p": newest(before, record.key, revision), "r": revision}
        if is_tombstone(record):
            yield "txn_delete", at
        elif record.key in there:
            was = there[record.key]
            yield "txn_put", {**at, "v": record.value, "c": was.create_revision, "w": was.version + 1}
        else:
            yield "txn_put_new", {**at, "v": record.value}
    yield "txn_end" if made else "txn_end_unchanged", {"r": revision}


def _compares(before: Member, request: Request, revision: int) -> Iterator[Proposal]:
    """Those that hold, if all do."""
    if not isinstance(request, TxnRequest) or not holds(history(before.log), request):
        return
    for each in request.compare:
        at = {"k": each.key, "p": newest(before, each.key, revision), "r": revision}
        yield "txn_compare" if each.mod_revision else "txn_compare_absent", at


def _removed(before: Member, after: Member) -> Iterator[Proposal]:
    """Records that a compaction removes, each for the one that stays; a full batch is committed."""
    left = dict(after.server.written.key)
    for revision, record in before.server.written.key:
        if revision not in left:
            stays = newest(before, record.key, before.server.compact_revision)
            yield "compact_index", {"k": record.key, "p": stays}
            if revision[0] == stays:
                yield "compact_remove_tombstone", {"k": record.key, "p": stays}
            else:
                yield "compact_remove", {"r": revision[0], "k": record.key, "p": stays}
    if before.server.committed != after.server.committed:
        yield "backend_commit", {}


def _told(calls: Iterable[Proposal], state: Member) -> Facts:
    """What readers are told."""
    found = {(spec.read_found, (each["r"], each["k"], each["p"])) for name, each in calls if name == "read"}
    revision = {(spec.told_revision, (state.server.revision,)) for name, _ in calls if name == "tell_revision"}
    return frozenset(found | revision)


MVCC = Binding(spec.mvcc, leaves_out, read)
