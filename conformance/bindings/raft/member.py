"""Raft as a system to explore: members whose every step impl/raft takes itself, and perhaps a client.

A member's step is: restore its process, let one thing happen, carry out its Readys, export it. Ticks are replaced by what they
lead to (a campaign, a heartbeat, a lease that ends), so that no counter makes equal situations different.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from kubeproof.conformance.bindings.raft import client
from kubeproof.conformance.bindings.raft.changes import LEAVE, menu
from kubeproof.conformance.bindings.raft.labels import labels
from kubeproof.conformance.bindings.raft.process import ELECTION_TICK, Process, Watch
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Panicked, Running, Stopped, conf_state_of
from kubeproof.conformance.explore import system
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeV2
from kubeproof.impl.raft.errors import ErrProposalDropped, ErrStepPeerNotFound, RaftPanic
from kubeproof.impl.raft.storage import StorageState
from kubeproof.impl.raft.tracker import StateSnapshot
from kubeproof.impl.raft.types import EMPTY_HARD_STATE, NO_ID, Entry, Message, MessageType, Snapshot

RESTART, STOP, CUT_OFF, RECONNECT = "restart", "stop", "cut_off", "reconnect"
CAMPAIGN, LEASE_ENDS, ELECTION_TIMEOUT, HEARTBEAT = "campaign", "lease_ends", "election_timeout", "heartbeat"
PROPOSE, CHANGE, TRANSFER, FORGET_LEADER = "propose", "change_membership", "transfer_leader", "forget_leader"
COMPACT, REPORT_SNAPSHOT = "compact", "report_snapshot"
WRITTEN, WRITE, ANSWER, APPLY = "written", "write", "answer", "apply"

TIMEOUTS, QUORUM_CHECKS = "timeouts", "quorum_checks"
"""Budgets without a limit, so that a recovery can be asked to do without them."""


@dataclass(frozen=True)
class Members:
    """Component k is the member of id k + 1; after the members comes the client, if there is one."""

    setup: Setup
    watch: Watch | None = None

    @cached_property
    def _processes(self) -> dict[tuple[int, bool], Process]:
        return {}

    @cached_property
    def _budgets(self) -> dict[str, int | None]:
        return self.setup.budgets()

    def initial(self) -> tuple[system.Local, ...]:
        """Every member starts from an empty disk that knows the first membership."""
        empty = StorageState(EMPTY_HARD_STATE, Snapshot(conf_state=self.setup.conf_state), (Entry(0, 0),))
        pre_vote = self.setup.pre_vote and not self.setup.pre_vote_rollout
        members = [self._start(member, empty, pre_vote=pre_vote).state for member in self.setup.ids]
        return (*members, client.Client()) if self.setup.has_client else tuple(members)

    # ---- what may happen

    def events(self, component: int, state: system.Local) -> Iterator[system.Event]:
        """What a member or the client may do by itself in this state."""
        budgets = self._budgets
        return (event for event in self._events(component, state) if event.costs is None or budgets[event.costs] != 0)

    def _events(self, component: int, state: system.Local) -> Iterator[system.Event]:
        member, setup = component + 1, self.setup
        if component == setup.members:
            yield from client.events(state, setup.ids)
        if not isinstance(state, Running):
            return
        yield from _clock(setup, member, state)
        yield from _work_in_hand(state)
        yield from _asked(setup, state)
        if setup.may_crash(member):
            yield system.Event(RESTART, costs="crashes")
        if state.leads:
            yield system.Event(STOP, costs="stops")
        yield system.Event(RECONNECT) if state.cut_off else system.Event(CUT_OFF, costs="partitions")

    def step(self, component: int, state: system.Local, event: system.Event) -> system.Step | None:
        """One of these events."""
        if isinstance(state, client.Client):
            return client.step(state, event)
        assert isinstance(state, Running)
        if event.name == RESTART:
            return self._restart(component + 1, state)
        if event.name == STOP:
            return system.Step(Stopped())
        if event.name in (CUT_OFF, RECONNECT):
            return system.Step(state._replace(cut_off=event.name == CUT_OFF))
        return self._do(component + 1, state, event, lambda process: _HAPPENS[event.name](process, event.argument))

    def receive(self, component: int, state: system.Local, message: system.Message) -> system.Step | None:
        """A message arrives. Who has stopped takes it and does nothing, who is cut off takes none so far."""
        body = message.body
        if component == self.setup.members:
            return client.receive(state, body)
        if not isinstance(state, Running):
            return None if message.synchronous else system.Step(state)
        if isinstance(body, client.Ask):
            return self._do(component + 1, state, message, lambda process: _take_ask(process, body))
        assert isinstance(body, Message)
        if state.cut_off:
            return None
        return self._do(component + 1, state, message, lambda process: process.node.step(body))

    # ---- steps

    def _process(self, member: int, *, pre_vote: bool) -> Process:
        key = member, pre_vote
        if key not in self._processes:
            self._processes[key] = Process(self.setup, member, pre_vote=pre_vote, watch=self.watch)
        return self._processes[key]

    def _restart(self, member: int, state: Running) -> system.Step:
        stored = _after_crash(self.setup, state.storage)
        return self._start(member, stored, pre_vote=self.setup.pre_vote)

    def _start(self, member: int, stored: StorageState, *, pre_vote: bool) -> system.Step:
        process = self._process(member, pre_vote=pre_vote)
        try:
            process.start(stored)
            process.settle()
        except RaftPanic as panic:
            return system.Step(Panicked(str(panic)))
        return system.Step(*process.export())

    def _do(
        self, member: int, state: Running, cause: system.Event | system.Message, happens: Callable[[Process], object]
    ) -> system.Step:
        process = self._process(member, pre_vote=state.pre_vote)
        process.restore(state)
        try:
            with suppress(ErrProposalDropped, ErrStepPeerNotFound):
                happens(process)
            process.settle()
        except RaftPanic as panic:
            return system.Step(Panicked(str(panic)))
        reached, sends = process.export()
        return system.Step(reached, sends, labels(state, cause, reached, sends))


def _after_crash(setup: Setup, stored: StorageState) -> StorageState:
    """What a crash leaves, which is everything that is stored unless the application is at fault."""
    faults = setup.application
    if faults.empty_disk_at_restart:
        return StorageState(EMPTY_HARD_STATE, Snapshot(conf_state=setup.conf_state), (Entry(0, 0),))
    if faults.last_entries_lost_at_restart and len(stored.entries) > 1:
        entries = stored.entries[:-1]
        hard_state = stored.hard_state._replace(commit=min(stored.hard_state.commit, entries[-1].index))
        return stored._replace(hard_state=hard_state, entries=entries)
    return stored


def _clock(setup: Setup, member: int, state: Running) -> Iterator[system.Event]:
    """What comes with time. A follower under a lease must see it end before it campaigns."""
    if state.leads:
        yield system.Event(HEARTBEAT, costs=None if setup.endless_heartbeats else "heartbeats")
        if setup.check_quorum or state.node.raft.lead_transferee != NO_ID:
            yield system.Event(ELECTION_TIMEOUT, costs=QUORUM_CHECKS)
    elif setup.check_quorum and state.node.raft.lead != NO_ID and state.node.raft.election_elapsed < ELECTION_TICK:
        yield system.Event(LEASE_ENDS, costs=TIMEOUTS)
    elif state.term < setup.terms and setup.may_campaign(member) and member in state.config.voters.ids():
        yield system.Event(CAMPAIGN)


def _work_in_hand(state: Running) -> Iterator[system.Event]:
    if state.ready is not None:
        yield system.Event(WRITTEN)
    if state.writes:
        yield system.Event(WRITE)
    if state.answers:
        yield system.Event(ANSWER)
    if state.applies:
        yield system.Event(APPLY)


def _asked(setup: Setup, state: Running) -> Iterator[system.Event]:
    """What clients and operators ask for."""
    raft = state.node.raft
    if state.leads or (setup.forward_proposals and raft.lead != NO_ID):
        yield system.Event(PROPOSE, costs="proposals")
    if setup.forget_leader and raft.lead != NO_ID and not state.leads:
        yield system.Event(FORGET_LEADER)
    if not state.leads:
        return
    current = conf_state_of(state.config)
    for change in menu(setup, current):
        yield system.Event(CHANGE, change, "changes")
    for voter in current.voters:
        yield system.Event(TRANSFER, voter, "transfers")
    if state.applied > state.storage.snapshot.index and state.applied < state.node.raft.log.unstable.offset:
        yield system.Event(COMPACT, costs="compactions")
    if setup.report_snapshots:
        for member, progress in raft.tracker.progress:
            if progress.state is StateSnapshot:
                yield system.Event(REPORT_SNAPSHOT, (member, True))
                yield system.Event(REPORT_SNAPSHOT, (member, False))


# ---- what each event does


def _propose(process: Process, _: object) -> None:
    process.node.propose(b"p%d" % process.id)


def _change(process: Process, change: object) -> None:
    assert isinstance(change, ConfChange | ConfChangeV2)
    process.node.propose_conf_change(change if change != LEAVE else None)
    if process.setup.application.conf_change_applied_when_proposed and change != LEAVE:
        process.node.apply_conf_change(change)


def _end_lease(process: Process, _: object) -> None:
    process.node.raft.election_elapsed = ELECTION_TICK


def _leader_timeout(process: Process, _: object) -> None:
    """The tick at which a leader looks at its quorum and gives a transfer up, without the heartbeat of that tick."""
    raft = process.node.raft
    raft.election_elapsed, raft.heartbeat_elapsed = ELECTION_TICK - 1, -1
    process.node.tick()


def _report_snapshot(process: Process, argument: object) -> None:
    assert isinstance(argument, tuple)
    process.node.report_snapshot(argument[0], succeeded=argument[1])


def _transfer(process: Process, target: object) -> None:
    assert isinstance(target, int)
    process.node.transfer_leader(target)


def _take_ask(process: Process, ask: client.Ask) -> None:
    if not ask.again:
        process.observe("read_request", {"id": str(ask.read)})
    process.read(ask.read)


_HAPPENS: Mapping[str, Callable[[Process, object], object]] = {
    CAMPAIGN: lambda process, _: process.node.campaign(),
    LEASE_ENDS: _end_lease,
    ELECTION_TIMEOUT: _leader_timeout,
    HEARTBEAT: lambda process, _: process.node.raft.step(Message(MessageType.MsgBeat)),
    PROPOSE: _propose,
    CHANGE: _change,
    TRANSFER: _transfer,
    FORGET_LEADER: lambda process, _: process.node.forget_leader(),
    COMPACT: lambda process, _: process.compact(),
    REPORT_SNAPSHOT: _report_snapshot,
    WRITTEN: lambda process, _: process.written(),
    WRITE: lambda process, _: process.write_next(),
    ANSWER: lambda process, _: process.hear_answers(),
    APPLY: lambda process, _: process.apply_next(),
}
