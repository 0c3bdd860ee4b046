"""A node as an application drives it: messages and ticks in, Readys out (etcd rawnode.go, bootstrap.go)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kubeproof.impl.raft import membership
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeType, ConfChangeV2, encode_conf_change
from kubeproof.impl.raft.config import Config
from kubeproof.impl.raft.errors import ErrStepLocalMsg, ErrStepPeerNotFound, RaftPanic
from kubeproof.impl.raft.raft import Raft
from kubeproof.impl.raft.ready import Ready, append_message, append_response, apply_message, apply_response
from kubeproof.impl.raft.sizes import entries_size
from kubeproof.impl.raft.state import NodeState, export_raft, import_raft
from kubeproof.impl.raft.tracker import Progress, TrackerConfig
from kubeproof.impl.raft.types import (
    EMPTY_HARD_STATE,
    LOCAL_APPEND_THREAD,
    LOCAL_APPLY_THREAD,
    NO_ID,
    ConfState,
    Entry,
    EntryType,
    HardState,
    Message,
    MessageType,
    StateType,
)

_LOCAL = frozenset(
    {
        MessageType.MsgHup,
        MessageType.MsgBeat,
        MessageType.MsgUnreachable,
        MessageType.MsgSnapStatus,
        MessageType.MsgCheckQuorum,
        MessageType.MsgStorageAppend,
        MessageType.MsgStorageAppendResp,
        MessageType.MsgStorageApply,
        MessageType.MsgStorageApplyResp,
    }
)
_RESPONSES = frozenset(
    {
        MessageType.MsgAppResp,
        MessageType.MsgVoteResp,
        MessageType.MsgHeartbeatResp,
        MessageType.MsgUnreachable,
        MessageType.MsgReadIndexResp,
        MessageType.MsgPreVoteResp,
        MessageType.MsgStorageAppendResp,
        MessageType.MsgStorageApplyResp,
    }
)
_THREADS = (LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD)


class Peer(NamedTuple):
    """A member of a cluster that is being bootstrapped; `context` is the application's."""

    id: int
    context: bytes = b""


class BasicStatus(NamedTuple):
    """What a node knows of itself."""

    id: int
    hard_state: HardState
    lead: int
    raft_state: StateType
    applied: int
    lead_transferee: int


class Status(NamedTuple):
    """The same with the membership and, on a leader, copies of everybody's progress (ids ascending)."""

    id: int
    hard_state: HardState
    lead: int
    raft_state: StateType
    applied: int
    lead_transferee: int
    config: TrackerConfig
    progress: dict[int, Progress]


class RawNode:
    """One node. Not safe for several threads; every call returns at once, and what is to be done comes with `ready`."""

    __slots__ = ("_asynchronous", "_prev_hard_state", "_prev_soft_state", "_steps_on_advance", "raft")

    def __init__(self, config: Config) -> None:
        self.raft = Raft(config)
        self._asynchronous = config.async_storage_writes
        self._prev_hard_state = self.raft.hard_state()
        self._prev_soft_state = self.raft.soft_state()
        self._steps_on_advance: list[Message] = []

    def bootstrap(self, peers: Sequence[Peer]) -> None:
        """Begin a cluster: pretend that entries which add `peers` are committed. ValueError unless the storage is empty."""
        raft = self.raft
        if not peers:
            raise ValueError("must provide at least one peer to Bootstrap")
        if raft.config.storage.last_index() != 0:
            raise ValueError("can't bootstrap a nonempty Storage")
        self._prev_hard_state = EMPTY_HARD_STATE
        raft.become_follower(1, NO_ID)
        changes = [ConfChange(ConfChangeType.ConfChangeAddNode, peer.id, peer.context) for peer in peers]
        raft.log.append(
            [Entry(1, k, EntryType.EntryConfChange, encode_conf_change(change)[1]) for k, change in enumerate(changes, 1)]
        )
        # Applied here so that the node may campaign at once; the application will see and apply the entries too.
        raft.log.committed = len(peers)
        for change in changes:
            membership.apply_conf_change(raft, change.as_v2())

    # ---- what happens to the node

    def tick(self) -> None:
        self.raft.tick()

    def campaign(self) -> None:
        self.raft.step(Message(MessageType.MsgHup))

    def propose(self, data: bytes) -> None:
        """ErrProposalDropped if there is no leader to take it, or the leader will not."""
        self.raft.step(Message(MessageType.MsgProp, from_=self.raft.id, entries=(Entry(0, 0, EntryType.EntryNormal, data),)))

    def propose_conf_change(self, change: ConfChange | ConfChangeV2 | None) -> None:
        """Propose a membership change; None leaves a joint configuration. ErrProposalDropped as for `propose`."""
        kind, data = encode_conf_change(change)
        self.raft.step(Message(MessageType.MsgProp, entries=(Entry(0, 0, kind, data),)))

    def apply_conf_change(self, change: ConfChange | ConfChangeV2) -> ConfState:
        """To be called when the application applies the change's entry, unless it rejects the change."""
        return membership.apply_conf_change(self.raft, change.as_v2())

    def step(self, message: Message) -> None:
        """Take a message from the network. ErrStepLocalMsg, ErrStepPeerNotFound, ErrProposalDropped."""
        if message.from_ not in _THREADS:
            if message.type in _LOCAL:
                raise ErrStepLocalMsg
            if message.type in _RESPONSES and message.from_ not in self.raft.tracker.progress:
                raise ErrStepPeerNotFound
        self.raft.step(message)

    def report_unreachable(self, peer: int) -> None:
        """The transport could not deliver the last message to `peer`."""
        self.raft.step(Message(MessageType.MsgUnreachable, from_=peer))

    def report_snapshot(self, peer: int, *, succeeded: bool) -> None:
        """The transport has sent a snapshot to `peer`, or has failed to."""
        self.raft.step(Message(MessageType.MsgSnapStatus, from_=peer, reject=not succeeded))

    def transfer_leader(self, target: int) -> None:
        self.raft.step(Message(MessageType.MsgTransferLeader, from_=target))

    def forget_leader(self) -> None:
        self.raft.step(Message(MessageType.MsgForgetLeader))

    def read_index(self, context: bytes) -> None:
        """Ask for a linearizable read; a ReadState with this context will come with a Ready, if a leader can be asked."""
        self.raft.step(Message(MessageType.MsgReadIndex, entries=(Entry(0, 0, EntryType.EntryNormal, context),)))

    # ---- what the node wants done

    def has_ready(self) -> bool:
        raft = self.raft
        log = raft.log
        if raft.messages or raft.messages_after_append or log.unstable.has_next_entries():
            return True
        if raft.soft_state() != self._prev_soft_state or raft.read_states:
            return True
        hard_state = raft.hard_state()
        return (
            (hard_state != self._prev_hard_state and hard_state != EMPTY_HARD_STATE)
            or log.unstable.next_snapshot() is not None
            or log.has_next_committed_entries(not self._asynchronous)
        )

    def ready(self) -> Ready:
        """Take the work that is to be done now. Without asynchronous writes, `advance` must follow before the next one."""
        raft, log = self.raft, self.raft.log
        if self._steps_on_advance:
            raise RaftPanic("two accepted Ready structs without call to Advance")
        soft_state, hard_state = raft.soft_state(), raft.hard_state()
        previous = self._prev_hard_state
        entries = tuple(log.unstable.next_entries())
        ready = Ready(
            soft_state=soft_state if soft_state != self._prev_soft_state else None,
            hard_state=hard_state if hard_state != previous else EMPTY_HARD_STATE,
            read_states=tuple(raft.read_states),
            entries=entries,
            snapshot=log.unstable.next_snapshot(),
            committed_entries=tuple(log.next_committed_entries(not self._asynchronous)),
            messages=(),
            must_sync=bool(entries) or hard_state.vote != previous.vote or hard_state.term != previous.term,
        )
        ready = ready._replace(messages=self._messages(ready))
        self._accept(ready)
        return ready

    def _messages(self, ready: Ready) -> tuple[Message, ...]:
        raft = self.raft
        if not self._asynchronous:
            # Nothing leaves before the write, so what waits for it can go along.
            return (*raft.messages, *[message for message in raft.messages_after_append if message.to != raft.id])
        messages = list(raft.messages)
        append = append_message(raft, ready.entries, ready.hard_state, ready.snapshot)
        if append is not None:
            messages.append(append)
        if ready.committed_entries:
            messages.append(apply_message(raft, ready.committed_entries))
        return tuple(messages)

    def _accept(self, ready: Ready) -> None:
        raft, log = self.raft, self.raft.log
        self._prev_soft_state = raft.soft_state()
        if ready.hard_state != EMPTY_HARD_STATE:
            self._prev_hard_state = ready.hard_state
        raft.read_states = []
        if not self._asynchronous:
            own = [message for message in raft.messages_after_append if message.to == raft.id]
            stored = append_response(raft, ready.snapshot)
            self._steps_on_advance = own if stored is None else [*own, stored]
            if ready.committed_entries:
                self._steps_on_advance.append(apply_response(raft, ready.committed_entries))
        raft.messages = []
        raft.messages_after_append = []
        log.unstable.accept_in_progress()
        if ready.committed_entries:
            last = ready.committed_entries[-1].index
            if raft.faults.pagination_skips_entries:
                last = log.max_appliable_index(not self._asynchronous)
            log.accept_applying(last, entries_size(ready.committed_entries), allow_unstable=not self._asynchronous)
        raft.note("ready")

    def advance(self) -> None:
        """The last Ready is done. Not with asynchronous writes, where the threads' responses say so."""
        if self._asynchronous:
            raise RaftPanic("Advance must not be called when using AsyncStorageWrites")
        steps, self._steps_on_advance = self._steps_on_advance, []
        for message in steps:
            self.raft.step(message)

    # ---- what the node is

    def basic_status(self) -> BasicStatus:
        raft = self.raft
        return BasicStatus(raft.id, raft.hard_state(), raft.lead, raft.state, raft.log.applied, raft.lead_transferee)

    def status(self) -> Status:
        tracker = self.raft.tracker
        leads = self.raft.state is StateType.StateLeader
        progress = {member: progress.clone() for member, progress in sorted(tracker.progress.items())} if leads else {}
        return Status(*self.basic_status(), tracker.config, progress)

    def export_state(self) -> NodeState:
        """The whole state as one immutable, hashable, canonical value, without the storage."""
        return NodeState(export_raft(self.raft), self._prev_hard_state, self._prev_soft_state, tuple(self._steps_on_advance))

    def restore_state(self, state: NodeState) -> None:
        """Become the node that exported `state`; the storage must be as it was then."""
        import_raft(self.raft, state.raft)
        self._prev_hard_state, self._prev_soft_state = state.prev_hard_state, state.prev_soft_state
        self._steps_on_advance = list(state.steps_on_advance)
