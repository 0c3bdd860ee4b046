"""A member as a component: impl/store's server on its backend, and how far it has the log.

What a member was given of the log it has for ever (its write-ahead log); what it has applied is only as durable as its backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kubeproof.conformance.bindings.store import labels
from kubeproof.conformance.bindings.store.history import Log
from kubeproof.conformance.explore.system import Event, Message, Step
from kubeproof.impl.store import Applied, Backend, Committed, Options, Server, ServerState, StoreError, StorePanic
from kubeproof.impl.store.backend import FINISHED_COMPACT, SCHEDULED_COMPACT
from kubeproof.impl.store.compaction import remove_batch
from kubeproof.impl.store.requests import CompactionRequest, RangeRequest, Request

CRASHES = "crashes"

APPLY, REPLAY = Event("apply"), Event("replay")
COMMIT, REMOVE = Event("backend_commit"), Event("compact_remove_batch")
CRASH = Event("crash", costs=CRASHES)
READ = "read"
TELL = Event("tell_revision")
SORT = Event("read_sorted")

NOW_MS = 0
"""No time passes: leases end by revocation only."""
ALL_KEYS, TO_THE_END = b"\x00", b"\x00"
UNKNOWN_SORT_TARGET = 9


class Fetch(NamedTuple):
    """A member asks the log for the entry behind those that it has."""

    member: int
    place: int


class Entry(NamedTuple):
    """The next entry of the log."""

    request: Request


class ReadIndex(NamedTuple):
    """A member asks whether it has all of the log, as a linearizable read does."""

    place: int


class Member(NamedTuple):
    """`log` are the entries that it has, `panic` what it died of."""

    server: ServerState
    log: Log = ()
    panic: str = ""

    @property
    def applied(self) -> int:
        """How many entries it has applied."""
        return self.server.consistent_index

    @property
    def is_replayed(self) -> bool:
        return self.applied >= len(self.log)


@dataclass(frozen=True, slots=True)
class MemberComponent:
    """What member `number` does. `log` is a component.

    Clients wait for its answers if `asked`; `crashes` if it may, `sorts` if somebody reads with an unknown sort target.
    """

    options: Options
    number: int
    log: int
    asked: bool = True
    crashes: bool = True
    sorts: bool = False

    def initial(self) -> Member:
        """An empty store."""
        return Member(Server.start(self.options).export(NOW_MS))

    def server(self, state: Member) -> Server:
        """A server with this state."""
        return Server.restore(self.options, state.server, NOW_MS)

    def events(self, state: Member) -> Iterator[Event]:
        """A member that has panicked is gone: it would die again."""
        if state.panic:
            return
        yield from (APPLY, REPLAY, COMMIT, REMOVE, TELL)
        if self.crashes:
            yield CRASH
        first = max(state.server.compact_revision, 1)
        yield from (Event(READ, revision) for revision in range(first, state.server.revision + 1))
        if self.sorts:
            yield SORT

    def step(self, state: Member, event: Event) -> Step | None:
        """One of these events."""
        if event == APPLY:
            wanted = Message(self.log, Fetch(self.number, len(state.log)), synchronous=True)
            return Step(state, (wanted,)) if state.is_replayed else None
        if event == REPLAY:
            return None if state.is_replayed else self._apply(state, state.log[state.applied], labels.REPLAYED, asked=False)
        if event == CRASH:
            return self._restarted(state)
        if event == COMMIT:
            return self._does(state, lambda server: server.backend.commit(), labels.COMMITTED)
        if event == REMOVE:
            return self._does(state, lambda server: remove_batch(server.store), labels.REMOVED)
        if event == TELL:
            told = Message(self.log, ReadIndex(len(state.log)), synchronous=True)
            return Step(state, (told,), (labels.TOLD,)) if state.is_replayed else None
        return self._read(state, self._range(event))

    def receive(self, state: Member, entry: Entry) -> Step | None:
        """The next entry: it is in the member's log from now on."""
        return self._apply(state._replace(log=(*state.log, entry.request)), entry.request, labels.APPLIED, asked=self.asked)

    def _apply(self, state: Member, request: Request, label: str, *, asked: bool) -> Step:
        server = self.server(state)
        try:
            applied = server.apply(state.applied + 1, request, NOW_MS, asked)
        except StorePanic as panic:
            return Step(state._replace(panic=str(panic)), labels=(label, labels.PANICKED))
        refused = (labels.REFUSED,) if isinstance(applied, Applied) and isinstance(applied.answer, StoreError) else ()
        scheduled = (labels.SCHEDULED,) if isinstance(request, CompactionRequest) and not refused else ()
        return Step(state._replace(server=server.export(NOW_MS)), labels=(label, *refused, *scheduled))

    def _restarted(self, state: Member) -> Step:
        """What is on disk is all that is left. A step has one sync point at most, so no crash within one leaves anything else."""
        committed = state.server.committed
        server = Server.start(self.options, Backend(self.options.batch_limit, committed))
        within = (labels.CRASHED_WITHIN_COMPACTION,) if is_compacting(committed) else ()
        return Step(state._replace(server=server.export(NOW_MS)), labels=(labels.CRASHED, *within))

    def _does(self, state: Member, what: Callable[[Server], object], label: str) -> Step | None:
        """None if nothing comes of it."""
        server = self.server(state)
        what(server)
        after = server.export(NOW_MS)
        return None if after == state.server else Step(state._replace(server=after), labels=(label,))

    def _range(self, event: Event) -> RangeRequest:
        if event == SORT:
            return RangeRequest(ALL_KEYS, TO_THE_END, sort_target=UNKNOWN_SORT_TARGET)
        assert isinstance(event.argument, int)
        return RangeRequest(ALL_KEYS, TO_THE_END, revision=event.argument)

    def _read(self, state: Member, request: RangeRequest) -> Step:
        server = self.server(state)
        past = 0 < request.revision < state.server.revision
        try:
            server.check(request)
            server.read(request, NOW_MS)
        except StoreError:
            return Step(state, labels=(labels.READ_REFUSED,))
        except StorePanic as panic:
            return Step(state._replace(panic=str(panic)), labels=(labels.PANICKED,))
        return Step(state, labels=(labels.READ_PAST if past else labels.READ,))


def is_compacting(committed: Committed) -> bool:
    """Whether a compaction is under way on disk."""
    marks = dict(committed.meta)
    return SCHEDULED_COMPACT in marks and marks.get(FINISHED_COMPACT) != marks[SCHEDULED_COMPACT]
