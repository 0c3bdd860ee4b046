"""One Raft member as a component: restore it, let one thing happen, carry out its Readys, export it.

Ticks are replaced by what they lead to (a campaign, a heartbeat), so that no counter makes equal situations different. What a
Ready asks for is done at once: written, sent, applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from kubeproof.conformance.explore import system
from kubeproof.impl.raft import Config, ConfState, MemoryStorage, RawNode
from kubeproof.impl.raft.confchange import decode_conf_change
from kubeproof.impl.raft.config import Tracer
from kubeproof.impl.raft.errors import ErrProposalDropped, ErrStepPeerNotFound, RaftPanic
from kubeproof.impl.raft.faults import NO_FAULTS, Faults
from kubeproof.impl.raft.state import NodeState
from kubeproof.impl.raft.storage import StorageState
from kubeproof.impl.raft.types import EMPTY_HARD_STATE, Entry, EntryType, Message, MessageType, Snapshot, StateType

ELECTION_TICK, HEARTBEAT_TICK = 10, 1
PAYLOAD = b"p"

CAMPAIGN = system.Event("campaign")
PROPOSE = system.Event("propose", costs="proposals")
HEARTBEAT = system.Event("heartbeat", costs="heartbeats")
RESTART = system.Event("restart", costs="crashes")


class Running(NamedTuple):
    """A member between two events."""

    node: NodeState
    storage: StorageState

    @property
    def term(self) -> int:
        return self.node.raft.term

    @property
    def commit(self) -> int:
        return self.node.raft.log.committed

    @property
    def leads(self) -> bool:
        return self.node.raft.state is StateType.StateLeader

    @property
    def log(self) -> tuple[Entry, ...]:
        """All entries; nothing is compacted, and everything is written."""
        return self.storage.entries[1:]

    def __str__(self) -> str:
        log = " ".join(f"{entry.term}/{entry.index}" for entry in self.log)
        return f"{self.node.raft.state.name} term {self.term} commit {self.commit} log [{log}]"


class Panicked(NamedTuple):
    """A member that found its own state impossible."""

    reason: str


@dataclass(frozen=True, slots=True)
class Members:
    """The system: `size` voters with empty logs; nobody campaigns beyond term `terms`."""

    size: int
    terms: int
    pre_vote: bool = False
    faults: Faults = NO_FAULTS
    trace: Tracer | None = None

    def initial(self) -> tuple[system.Local, ...]:
        """Every member starts from an empty disk that knows the voters."""
        voters = tuple(range(1, self.size + 1))
        empty = StorageState(EMPTY_HARD_STATE, Snapshot(conf_state=ConfState(voters)), (Entry(0, 0),))
        return tuple(self._start(component, empty).state for component in range(self.size))

    def events(self, _component: int, state: system.Local) -> Iterator[system.Event]:
        """What a member may do by itself."""
        if not isinstance(state, Running):
            return
        if state.leads:
            yield PROPOSE
            yield HEARTBEAT
        elif state.term < self.terms:
            yield CAMPAIGN
        yield RESTART

    def step(self, component: int, state: system.Local, event: system.Event) -> system.Step | None:
        """One of these events."""
        assert isinstance(state, Running)
        if event is RESTART:
            return self._start(component, state.storage)
        happens: dict[system.Event, Callable[[RawNode], object]] = {
            CAMPAIGN: lambda node: node.campaign(),
            PROPOSE: lambda node: node.propose(PAYLOAD),
            HEARTBEAT: lambda node: node.raft.step(Message(MessageType.MsgBeat)),
        }
        return self._do(component, state, happens[event])

    def receive(self, component: int, state: system.Local, message: system.Message) -> system.Step | None:
        """A message arrives; who has panicked takes none."""
        body = message.body
        if not isinstance(state, Running) or not isinstance(body, Message):
            return None
        return self._do(component, state, lambda node: node.step(body))

    def _start(self, component: int, stored: StorageState) -> system.Step:
        storage = MemoryStorage()
        storage.restore(stored)
        try:
            node = RawNode(self._config(component, storage))
            return system.Step(*_settled(node, storage))
        except RaftPanic as panic:
            return system.Step(Panicked(str(panic)))

    def _do(self, component: int, state: Running, happens: Callable[[RawNode], object]) -> system.Step:
        storage = MemoryStorage()
        storage.restore(state.storage)
        # creating the node is no event of the run
        node = RawNode(self._config(component, storage, silent=True))
        node.restore_state(state.node)
        node.raft.trace = self.trace
        try:
            with suppress(ErrProposalDropped, ErrStepPeerNotFound):
                happens(node)
            return system.Step(*_settled(node, storage))
        except RaftPanic as panic:
            return system.Step(Panicked(str(panic)))

    def _config(self, component: int, storage: MemoryStorage, *, silent: bool = False) -> Config:
        return Config(
            id=component + 1,
            election_tick=ELECTION_TICK,
            heartbeat_tick=HEARTBEAT_TICK,
            storage=storage,
            draw_election_timeout=lambda ticks: ticks,
            pre_vote=self.pre_vote,
            faults=self.faults,
            trace=None if silent else self.trace,
        )


def _settled(node: RawNode, storage: MemoryStorage) -> tuple[Running, tuple[system.Message, ...]]:
    """Do all that the node wants done, in the order that a Ready demands (etcd-io/raft doc.go)."""
    sent: list[system.Message] = []
    while node.has_ready():
        ready = node.ready()
        if ready.snapshot is not None:
            storage.apply_snapshot(ready.snapshot)
        storage.append(ready.entries)
        if ready.hard_state != EMPTY_HARD_STATE:
            storage.set_hard_state(ready.hard_state)
        sent += [system.Message(message.to - 1, message) for message in ready.messages]
        for entry in ready.committed_entries:
            if entry.type is not EntryType.EntryNormal:
                node.apply_conf_change(decode_conf_change(entry.type, entry.data))
        node.advance()
    return Running(node.export_state(), storage.export()), tuple(sent)
