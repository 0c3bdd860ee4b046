"""A member as a component: impl/store's server and impl/etcd's leases, its copy of the log, and its clock.

Whoever takes no step is paused: its clock goes on all the same. So nothing else is needed to stop a leader between being
confirmed and what it does then, or to keep it from hearing that it was deposed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kubeproof.conformance.bindings.lease import labels
from kubeproof.conformance.bindings.lease.client import Answered, Ask, Ensured, Result, Want
from kubeproof.conformance.bindings.lease.log import (
    Appended,
    Campaign,
    Confirm,
    Confirmation,
    Deposed,
    Elected,
    Entries,
    Entry,
    Fetch,
    Found,
    Hear,
    Proposal,
)
from kubeproof.conformance.explore.system import Event, Message, Step
from kubeproof.impl.etcd.faults import Faults
from kubeproof.impl.etcd.leases import (
    EXPIRY,
    NO_TERM,
    Answer,
    Leases,
    LeasesState,
    NotPrimary,
    Output,
    Propose,
    ReadIndex,
    Stage,
)
from kubeproof.impl.store import Backend, Options, Server, ServerState
from kubeproof.impl.store.requests import LeaseKeepAliveResponse, LeaseRevokeRequest
from kubeproof.impl.store.state import LeaseState

TERMS, CRASHES = "terms", "crashes"

CAMPAIGN, HEAR = Event("campaign", costs=TERMS), Event("hear_of_newer_term")
APPLY, REPLAY = Event("apply"), Event("replay")
FIND = Event("lessor_tick")
"""The lessor looks for what is expired, and for what is to be checkpointed."""
READ_INDEX, CONFIRMED = "read_index", "leader_confirmed"
COMMIT, CRASH = Event("backend_commit"), Event("crash", costs=CRASHES)
CLOCK = "clock"


def clock(advance: int) -> Event:
    """The member's part of time passing, in which its clock advances by so many ticks."""
    return Event(f"{CLOCK} {advance}", advance)


NOW_MS = 0
"""Times in states are relative, so each step begins now."""


class Member(NamedTuple):
    """`entries` are those of the log that it has, `confirmations` what it was told of requests that are not done with yet.

    `is_late` is history: it has begun to keep the time when it was deposed already.
    """

    server: ServerState
    leases: LeasesState = LeasesState()
    entries: Entries = ()
    confirmations: tuple[Confirmation, ...] = ()
    is_late: bool = False

    @property
    def applied(self) -> int:
        """How many entries it has applied."""
        return self.server.consistent_index

    @property
    def is_replayed(self) -> bool:
        return self.applied == len(self.entries)

    def lease(self, id_: int) -> LeaseState | None:
        """The lease as its lessor has it."""
        return next((each for each in self.server.leases if each.id == id_), None)


Act = Callable[[Server, Leases], list[Output]]


@dataclass(frozen=True, slots=True)
class MemberComponent:
    """What member `number` does. `log` is a component, `client_of` gives that of a keepalive. `tick_ms` is how long a tick is."""

    options: Options
    faults: Faults
    number: int
    log: int
    client_of: Callable[[int], int]
    tick_ms: int
    crashes: bool = False

    def initial(self) -> Member:
        """An empty store."""
        return Member(Server.start(self.options).export(NOW_MS))

    def events(self, state: Member) -> Iterator[Event]:
        """What it does by itself."""
        yield from (HEAR, FIND) if leads(state) else (CAMPAIGN,)
        yield APPLY if state.is_replayed else REPLAY
        told = {each.context for each in state.confirmations}
        for context in _asks(state.leases):
            yield Event(CONFIRMED if context in told else READ_INDEX, context)
        if self.crashes:
            yield from (COMMIT, CRASH)

    def step(self, state: Member, event: Event) -> Step | None:
        """One of these events, or time passing."""
        match event.name:
            case CAMPAIGN.name:
                return self._calls(state, Campaign(self.number))
            case HEAR.name:
                return self._calls(state, Hear(self.number, state.leases.term))
            case APPLY.name:
                return self._calls(state, Fetch(self.number, len(state.entries), state.leases.term))
            case REPLAY.name:
                return self._apply(state, state.entries[state.applied], labels.REPLAYED)
            case FIND.name:
                found = self._does(state, lambda _, leases: leases.tick(NOW_MS))
                return None if found == Step(state) else found
            case COMMIT.name:
                return self._commit(state)
            case CRASH.name:
                return self._crash(state)
        assert isinstance(event.argument, int)
        if event == clock(event.argument):
            return Step(state._replace(server=self.server(state).export(NOW_MS + event.argument * self.tick_ms)))
        if event.name == READ_INDEX:
            return self._calls(state, Confirm(self.number, state.leases.term, event.argument))
        return self._go_on(state, event.argument)

    def receive(self, state: Member, body: Elected | Deposed | Appended | Confirmation | Ask | Want) -> Step | None:
        """What the log says, and what clients want of a leader."""
        match body:
            case Elected(term):
                return self._does(state, lambda _, leases: leases.lead(term))
            case Deposed():
                return self._does(state._replace(is_late=False), lambda _, leases: leases.follow(), labels.DEPOSED)
            case Appended(entry, newest):
                late = self._is_promoted_by(state, entry) and entry.term < newest
                state = state._replace(entries=(*state.entries, entry), is_late=state.is_late or late)
                return self._apply(state, entry, labels.APPLIED)
            case Confirmation(context):
                ensured = () if context == EXPIRY else (self._ensured(context),)
                told = tuple(sorted((*state.confirmations, body), key=lambda each: each.context))
                return Step(state._replace(confirmations=told), ensured, (labels.CONFIRMED,))
            case Ask() if leads(state):
                ensured = (self._ensured(body.context),) if self.faults.stale_leader_renews else ()
                asked = self._does(state, lambda _, leases: leases.ask(body.context, body.request, NOW_MS))
                return asked._replace(sends=(*ensured, *asked.sends))
            case Want(request) if leads(state):
                return self._calls(state, Proposal(self.number, state.leases.term, request))
        return None

    def server(self, state: Member) -> Server:
        """A server with this state."""
        return Server.restore(self.options, state.server, NOW_MS)

    def remaining(self, state: Member, id_: int) -> int:
        """What remains of a lease of which the member keeps the time, in ticks."""
        lease = state.lease(id_)
        assert lease is not None
        assert lease.expires_in_ms is not None
        return lease.expires_in_ms // self.tick_ms

    # ---- steps

    def _calls(self, state: Member, body: Campaign | Hear | Fetch | Confirm | Proposal) -> Step:
        return Step(state, (Message(self.log, body, synchronous=True),))

    def _does(self, state: Member, act: Act, *borne: str) -> Step:
        """The member does something, and what its leases ask for."""
        server = self.server(state)
        leases = Leases(server, self.faults, state.leases)
        outputs = act(server, leases)
        after = state._replace(server=server.export(NOW_MS), leases=leases.export())
        pending = {*_asks(after.leases), *(context for context, _ in after.leases.waiting)}
        after = after._replace(confirmations=tuple(each for each in after.confirmations if each.context in pending))
        return Step(after, tuple(self._messages(state, outputs)), borne)

    def _messages(self, before: Member, outputs: list[Output]) -> Iterator[Message]:
        for output in outputs:
            match output:
                case Propose(request, term):
                    found = self._found(before, request.id) if isinstance(request, LeaseRevokeRequest) else None
                    yield Message(self.log, Proposal(self.number, term, request, found), synchronous=True)
                case Answer(context, answer):
                    assert isinstance(answer, LeaseKeepAliveResponse)
                    yield self._answered(context, Result.RENEWED if answer.ttl else Result.NOT_FOUND)
                case NotPrimary(context):
                    yield self._answered(context, Result.NOT_PRIMARY)
                case ReadIndex():
                    pass  # an event of its own, as long as it waits

    def _found(self, state: Member, lease: int) -> Found:
        confirmed = not self.faults.stale_leader_revokes
        return Found(state.leases.term, self.remaining(state, lease), confirmed)

    def _answered(self, context: int, result: Result) -> Message:
        return Message(self.client_of(context), Answered(context, result), synchronous=True)

    def _ensured(self, context: int) -> Message:
        return Message(self.client_of(context), Ensured(context), synchronous=True)

    def _apply(self, state: Member, entry: Entry, label: str) -> Step:
        index = state.applied + 1

        def act(server: Server, leases: Leases) -> list[Output]:
            if entry.request is None:
                server.consistent_index = index
            else:
                server.apply(index, entry.request, NOW_MS)
            return leases.applied(index, entry.term, entry.request, NOW_MS)

        promoted = (labels.PROMOTED,) if self._is_promoted_by(state, entry) else ()
        late = (labels.PROMOTED_LATE,) if promoted and state.is_late else ()
        return self._does(state, act, label, *promoted, *late)

    def _is_promoted_by(self, state: Member, entry: Entry) -> bool:
        return state.leases.term == entry.term and not state.server.is_primary

    def _go_on(self, state: Member, context: int) -> Step:
        told = next(each for each in state.confirmations if each.context == context)
        return self._does(state, lambda _, leases: leases.confirmed(context, told.read_index, NOW_MS))

    def _commit(self, state: Member) -> Step | None:
        server = self.server(state)
        server.backend.commit()
        after = server.export(NOW_MS)
        return None if after == state.server else Step(state._replace(server=after), labels=(labels.COMMITTED,))

    def _crash(self, state: Member) -> Step:
        """What is on disk is left, and the log. Whoever waits for an answer waits for ever."""
        server = Server.start(self.options, Backend(self.options.batch_limit, state.server.committed))
        after = Member(server.export(NOW_MS), LeasesState(applied_index=server.consistent_index), state.entries)
        return Step(after, labels=(labels.CRASHED,))


def leads(state: Member) -> bool:
    """Whether it acts as leader of a term."""
    return state.leases.term != NO_TERM


def _asks(leases: LeasesState) -> list[int]:
    """The contexts for which the quorum is to confirm the leader."""
    waiting = [context for context, each in leases.waiting if each.stage is Stage.LEADERSHIP]
    return [EXPIRY, *waiting] if leases.is_confirming else waiting
