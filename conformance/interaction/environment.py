"""Nodes with their storages and the messages between them, moved only by explicit calls; everything done is printed.

The model is that of etcd-io/raft's package rafttest: nodes 1 to N, and one list of messages in flight. Of the state machine only
index, term and members are kept: nothing prints its data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubeproof.conformance.interaction.datadriven import BadDirective
from kubeproof.conformance.interaction.describe import describe_entries, describe_message, describe_ready
from kubeproof.conformance.interaction.output import Output
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.impl.raft.confchange import decode_conf_change
from kubeproof.impl.raft.config import Config
from kubeproof.impl.raft.errors import RaftError, RaftPanic
from kubeproof.impl.raft.rawnode import RawNode
from kubeproof.impl.raft.storage import MemoryStorage
from kubeproof.impl.raft.types import (
    EMPTY_HARD_STATE,
    LOCAL_APPEND_THREAD,
    LOCAL_APPLY_THREAD,
    NO_LIMIT,
    Entry,
    EntryType,
    HardState,
    Message,
    MessageType,
    Snapshot,
)

ELECTION_TICK = 3
HEARTBEAT_TICK = 1
BOOTSTRAP_TERM = 1

MAX_STABILIZE_ROUNDS = 10_000
"""Nodes that nobody ticks come to rest within a few dozen rounds; those that do not are `unknown`, not a hang."""

MAX_MESSAGES = 200_000
"""More messages on their way than this are `unknown` too, before they fill the memory."""

_THREADS = (LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD)


class CommandError(Exception):
    """A command failed in a way that the suite's files expect as output."""


class AppliedStateStorage(MemoryStorage):
    """A storage whose snapshot, when a leader asks for one to send, is the state machine as last applied."""

    __slots__ = ("applied",)

    def __init__(self, applied: Snapshot) -> None:
        super().__init__()
        self.applied = applied

    def snapshot(self) -> Snapshot:
        return self.applied


@dataclass(slots=True)
class Node:
    """One member. The queues hold the work of its append and apply threads (asynchronous storage writes only)."""

    id: int
    config: Config
    storage: AppliedStateStorage
    raw: RawNode
    append_work: deque[Message] = field(default_factory=deque)
    apply_work: deque[Message] = field(default_factory=deque)


class Environment:
    """All nodes, the messages in flight in the order of their sending, and what was printed."""

    def __init__(self, limits: Limits) -> None:
        self.output = Output()
        self.nodes: list[Node] = []
        self.messages: list[Message] = []
        self._limits = limits

    def add_nodes(self, count: int, options: Mapping[str, Any], snapshot: Snapshot) -> None:
        """Add nodes that start from `snapshot` (at a term of our choice), or empty if nothing in it is set.

        `options` are those of Config that differ from the suite's.
        """
        bootstrap = snapshot != Snapshot()
        if bootstrap and count > 0 and snapshot.index <= 1:
            raise CommandError("index must be specified as > 1 due to bootstrap")
        applied = snapshot._replace(term=BOOTSTRAP_TERM) if bootstrap else snapshot
        for _ in range(count):
            self.nodes.append(self._new_node(len(self.nodes) + 1, options, applied))

    def _new_node(self, node_id: int, options: Mapping[str, Any], applied: Snapshot) -> Node:
        storage = AppliedStateStorage(applied)
        if applied.index:
            storage.apply_snapshot(applied)
        try:
            config = Config(
                id=node_id,
                storage=storage,
                election_tick=ELECTION_TICK,
                heartbeat_tick=HEARTBEAT_TICK,
                draw_election_timeout=_longest_timeout,
                logger=self.output,
                **options,
            )
            return Node(node_id, config, storage, RawNode(config))
        except (ValueError, RaftPanic) as error:
            raise BadDirective(f"no node can start like this: {error}") from None

    def process_ready(self, node: Node) -> None:
        """Take the next Ready, print it and carry it out; the threads do the writing if writes are asynchronous."""
        asynchronous = node.config.async_storage_writes
        ready = node.raw.ready()
        for piece in describe_ready(ready):
            self.output.write(piece)
        if not asynchronous:
            _write(node, ready.hard_state, ready.entries, ready.snapshot)
            _apply(node, ready.committed_entries)
        for message in ready.messages:
            if message.to not in _THREADS:
                self.messages.append(message)
            elif message.type is MessageType.MsgStorageAppend:
                node.append_work.append(message)
            elif message.type is MessageType.MsgStorageApply:
                node.apply_work.append(message)
            else:
                raise BadDirective(f"member {message.to:x} cannot be: this is the address of a storage thread")
        if not asynchronous:
            node.raw.advance()

    def process_append_thread(self, node: Node) -> None:
        """Write what the oldest message to the append thread asks for, and send its responses."""
        if not node.append_work:
            self.output.write("no append work to perform")
            return
        message = node.append_work.popleft()
        self._print_work(message)
        _write(node, HardState(message.term, message.vote, message.commit), message.entries, message.snapshot)
        self._respond(message)

    def process_apply_thread(self, node: Node) -> None:
        """Apply what the oldest message to the apply thread asks for, and send its responses."""
        if not node.apply_work:
            self.output.write("no apply work to perform")
            return
        message = node.apply_work.popleft()
        self._print_work(message)
        _apply(node, message.entries)
        self._respond(message)

    def _print_work(self, message: Message) -> None:
        self.output.write(f"Processing:\n{describe_message(message._replace(responses=()))}\n")

    def _respond(self, message: Message) -> None:
        self.output.write("Responses:\n" + "".join(f"{describe_message(response)}\n" for response in message.responses))
        self.messages += message.responses

    def deliver(self, recipient: int, kind: MessageType | None = None, *, drop: bool = False) -> int:
        """Deliver or drop the messages to one node, in their order; returns how many there were.

        Messages that never leave a node are not dropped.
        """
        taken, self.messages = self._split(recipient, kind, drop)
        for message in taken:
            self.check_limits()
            self.output.write(f"{'dropped: ' if drop else ''}{describe_message(message)}\n")
            if not drop:
                self._step(message)
        return len(taken)

    def _split(self, recipient: int, kind: MessageType | None, drop: bool) -> tuple[list[Message], list[Message]]:
        taken: list[Message] = []
        left: list[Message] = []
        for message in self.messages:
            wanted = message.to == recipient and kind in (None, message.type) and not (drop and _is_local(message))
            (taken if wanted else left).append(message)
        return taken, left

    def _step(self, message: Message) -> None:
        try:
            self.node(message.to).raw.step(message)
        except RaftError as error:
            self.output.write(f"{error}\n")

    def node(self, node_id: int) -> Node:
        """BadDirective if there is no such node."""
        if not 1 <= node_id <= len(self.nodes):
            raise BadDirective(f"there is no node {node_id}, only {len(self.nodes)} nodes")
        return self.nodes[node_id - 1]

    def stabilize(self, nodes: Sequence[Node]) -> None:
        """Handle Readys, messages and threads' work of these nodes, over and over until nothing is left to do."""
        for _ in range(MAX_STABILIZE_ROUNDS):
            if not self._stabilize_once(nodes):
                return
        raise LimitReached(f"the nodes did not come to rest within {MAX_STABILIZE_ROUNDS} rounds")

    def check_limits(self) -> None:
        """LimitReached if there is no time or memory left, or too much under way."""
        self._limits.check()
        if len(self.messages) + sum([len(node.raw.raft.messages) for node in self.nodes]) > MAX_MESSAGES:
            raise LimitReached(f"more than {MAX_MESSAGES} messages are on their way")

    def _stabilize_once(self, nodes: Sequence[Node]) -> bool:
        """One round in four phases, each of which sees what the ones before did. False if there was nothing to do."""
        busy = [
            self._phase("handling Ready", nodes, lambda node: node.raw.has_ready(), self.process_ready),
            self._phase("receiving messages", nodes, self._has_messages, lambda node: self.deliver(node.id)),
            self._phase("processing append thread", nodes, lambda node: bool(node.append_work), self._drain_append_thread),
            self._phase("processing apply thread", nodes, lambda node: bool(node.apply_work), self._drain_apply_thread),
        ]
        return any(busy)

    def _phase(self, title: str, nodes: Sequence[Node], has_work: Callable[[Node], bool], work: Callable[[Node], object]) -> bool:
        """Let every node that has work of one kind do it, each in a section of its own."""
        busy = False
        for node in nodes:
            self.check_limits()
            if has_work(node):
                self.section(node, title, work)
                busy = True
        return busy

    def section(self, node: Node, title: str, work: Callable[[Node], object]) -> None:
        """A header for the node, and indented below it what its work prints."""
        self.output.write(f"> {node.id} {title}\n")
        with self.output.indented():
            work(node)

    def _has_messages(self, node: Node) -> bool:
        return any(message.to == node.id for message in self.messages)

    def _drain_append_thread(self, node: Node) -> None:
        while node.append_work:
            self.check_limits()
            self.process_append_thread(node)

    def _drain_apply_thread(self, node: Node) -> None:
        while node.apply_work:
            self.check_limits()
            self.process_apply_thread(node)

    def print_log(self, node: Node) -> None:
        """The entries in the node's storage."""
        first, last = node.storage.first_index(), node.storage.last_index()
        if last < first:
            self.output.write(f"log is empty: first index={first}, last index={last}")
        else:
            self.output.write(describe_entries(node.storage.entries(first, last + 1, NO_LIMIT)))

    def print_states(self) -> None:
        """Role, membership, term and leader of every node, each as the node itself sees it."""
        for node in self.nodes:
            status = node.raw.status()
            voter = "Voter" if node.id in status.config.voters.ids() else "Non-Voter"
            self.output.write(f"{node.id}: {status.raft_state.name} ({voter}) Term:{status.hard_state.term} Lead:{status.lead}\n")

    def send_snapshot(self, source: Node, target: int) -> None:
        """Send the newest snapshot of one node to another, which need not exist yet, without telling Raft of it."""
        message = Message(
            type=MessageType.MsgSnap,
            to=target,
            from_=source.id,
            term=source.raw.basic_status().hard_state.term,
            snapshot=source.storage.snapshot(),
        )
        self.messages.append(message)
        self.output.write(describe_message(message))


def _longest_timeout(election_tick: int) -> int:
    """No output depends on the random timeouts: nodes that may campaign by themselves are given theirs by a command."""
    return 2 * election_tick - 1


def _is_local(message: Message) -> bool:
    return message.from_ == message.to or message.from_ in _THREADS or message.to in _THREADS


def _write(node: Node, hard_state: HardState, entries: Sequence[Entry], snapshot: Snapshot | None) -> None:
    if hard_state != EMPTY_HARD_STATE:
        node.storage.set_hard_state(hard_state)
    if snapshot is not None and snapshot.index:
        if entries:
            raise CommandError("can't apply snapshot and entries at the same time")
        node.storage.apply_snapshot(snapshot)
    else:
        node.storage.append(entries)


def _apply(node: Node, entries: Sequence[Entry]) -> None:
    for entry in entries:
        conf_state = node.storage.applied.conf_state
        if entry.type is not EntryType.EntryNormal:
            conf_state = node.raw.apply_conf_change(decode_conf_change(entry.type, entry.data))
        node.storage.applied = Snapshot(entry.index, entry.term, conf_state)
