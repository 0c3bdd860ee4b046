"""Nodes with their application, and a network that delivers everything at once: what the behaviour tests are written with.

A `Node` is a RawNode with a MemoryStorage and an application that does what a Ready asks for: store, send, apply, advance. With
`async_storage_writes=True` it does the work of both storage threads, at once. Nothing happens before it is asked to `take`::

    node = make_node(1, voters=(1, 2, 3), terms=(1, 1, 2), hard_state=HardState(term=2), check_quorum=True)
    node.step(Message(MsgHeartbeat, to=1, from_=2, term=2))     # as if it came from the network; also node.raw.<anything>
    messages = node.take()                                      # work off all Readys; what they send to others
    node.applied, node.read_states, node.storage, node.conf_state   # what the application has got

`terms` are the terms of the entries 1, 2, ... in its storage; further keywords are those of Config. Peers that are in no network
are played by hand: `node.become_leader()`, `node.win_election()` (nothing acknowledged yet), `node.become_candidate()` and
`node.follow(leader, term)` bring a node into a role by messages only (`node_in_role(role)` makes one); `ack(append)` and
`vote(request)` are what well-behaved peers answer. A write in flight is a Ready that is taken but not handled yet: between
`ready = node.raw.ready()` and `node.handle(ready)`.

A `Network` connects nodes and delivers first in, first out until it is quiet::

    net = cluster(5, dead=(4, 5), pre_vote=True)                # five voters, two of which never answer
    net.campaign(1); net.propose(1, b"x"); net.beat(1)          # act at a node, then settle
    net.tick(1, 20)                                             # 20 ticks, settling after each
    net.inject(message)                                         # a message from the network, then settle
    net[1].raw.transfer_leader(3); net.settle()                 # everything else
    net.cut(1, 2); net.block(1, 2); net.isolate(3); net.ignore(MsgApp); net.recover()   # recover undoes all of them
    net.delivered                                               # all messages that arrived, in order

Election timeouts are `election_tick` (10) ticks exactly unless a test passes its own `draw_election_timeout`; the heartbeat
timeout is one tick, so one tick of a leader is one round of heartbeats. A test marked `in_both_modes` takes an argument
`async_storage_writes` and runs with both ways of writing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from kubeproof.impl.raft import (
    Config,
    ConfState,
    Entry,
    EntryType,
    HardState,
    MemoryStorage,
    Message,
    MessageType,
    RawNode,
    ReadState,
    Ready,
    Snapshot,
    SoftState,
    StateType,
)
from kubeproof.impl.raft.confchange import decode_conf_change
from kubeproof.impl.raft.errors import RaftError
from kubeproof.impl.raft.storage import StorageState
from kubeproof.impl.raft.tracker import Progress
from kubeproof.impl.raft.types import EMPTY_HARD_STATE, LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD

ELECTION_TICK = 10
MESSAGES_UNTIL_SUSPICIOUS = 100_000

in_both_modes = pytest.mark.parametrize("async_storage_writes", [False, True], ids=["sync", "async"])


def entries_of(terms: Iterable[int], first: int = 1) -> tuple[Entry, ...]:
    """Empty entries of the given terms at the indexes from `first` on."""
    return tuple(Entry(term, index) for index, term in enumerate(terms, first))


def make_storage(
    voters: Sequence[int] = (1,),
    learners: Sequence[int] = (),
    terms: Sequence[int] = (),
    hard_state: HardState = EMPTY_HARD_STATE,
    snapshot: Snapshot | None = None,
) -> MemoryStorage:
    """A storage with that membership and entries of these `terms`, from index 1 or from behind the snapshot on."""
    base = snapshot or Snapshot(conf_state=ConfState(tuple(voters), tuple(learners)))
    storage = MemoryStorage()
    storage.restore(StorageState(hard_state, base, (Entry(base.term, base.index), *entries_of(terms, base.index + 1))))
    return storage


def make_config(node_id: int, storage: MemoryStorage, **settings: Any) -> Config:
    defaults: dict[str, Any] = {
        "election_tick": ELECTION_TICK,
        "heartbeat_tick": 1,
        "draw_election_timeout": lambda election_tick: election_tick,
        "max_inflight_msgs": 256,
    }
    return Config(id=node_id, storage=storage, **defaults | settings)


def make_node(
    node_id: int,
    voters: Sequence[int] = (1,),
    learners: Sequence[int] = (),
    terms: Sequence[int] = (),
    hard_state: HardState = EMPTY_HARD_STATE,
    snapshot: Snapshot | None = None,
    **settings: Any,
) -> Node:
    """A node over `make_storage`; `settings` are Config's."""
    return Node(node_id, make_storage(voters, learners, terms, hard_state, snapshot), **settings)


def node_in_role(role: StateType, voters: Sequence[int] = (1, 2, 3), **settings: Any) -> Node:
    """Node 1 in a role: a follower of node 2, or what it becomes by campaigning. Its term is 1 or 2."""
    pre_vote = role is StateType.StatePreCandidate
    node = make_node(1, voters, hard_state=HardState(term=1), **{"pre_vote": pre_vote} | settings)
    if role is StateType.StateFollower:
        node.follow(2, 1)
    elif role is StateType.StateLeader:
        node.win_election()
    elif role is StateType.StateCandidate:
        node.become_candidate()
    else:
        node.raw.campaign()
        node.take()
    assert node.role is role
    return node


def ack(append: Message) -> Message:
    """The answer of a follower that took all entries of a MsgApp, or the snapshot of a MsgSnap."""
    last = append.index + len(append.entries) if append.snapshot is None else append.snapshot.index
    return Message(MessageType.MsgAppResp, append.from_, append.to, append.term, index=last)


def vote(request: Message, *, granted: bool = True) -> Message:
    """The answer to a MsgVote or MsgPreVote."""
    kind = MessageType.MsgVoteResp if request.type is MessageType.MsgVote else MessageType.MsgPreVoteResp
    return Message(kind, request.from_, request.to, request.term, reject=not granted)


class Node:
    """A RawNode and its application."""

    def __init__(self, node_id: int, storage: MemoryStorage, **settings: Any) -> None:
        self.id = node_id
        self.storage = storage
        self.settings = settings
        self.raw = RawNode(make_config(node_id, storage, **settings))
        self.conf_state = storage.initial_state()[1]
        self.applied: list[Entry] = []
        self.read_states: list[ReadState] = []

    # ---- what a test sees

    @property
    def role(self) -> StateType:
        return self.raw.basic_status().raft_state

    @property
    def lead(self) -> int:
        return self.raw.basic_status().lead

    @property
    def term(self) -> int:
        return self.raw.basic_status().hard_state.term

    @property
    def vote(self) -> int:
        return self.raw.basic_status().hard_state.vote

    @property
    def commit(self) -> int:
        return self.raw.basic_status().hard_state.commit

    @property
    def soft_state(self) -> SoftState:
        return SoftState(self.lead, self.role)

    @property
    def last_index(self) -> int:
        return self.raw.raft.log.last_index()

    def progress(self, peer: int) -> Progress:
        """A copy of the leader's progress of `peer`."""
        return self.raw.status().progress[peer]

    def entries(self) -> list[Entry]:
        """The whole log behind the last snapshot, stored or not."""
        log = self.raw.raft.log
        return list(log.entries(log.first_index()))

    def terms(self) -> list[int]:
        return [entry.term for entry in self.entries()]

    def data_applied(self) -> list[bytes]:
        """The payloads that were applied, without the empty entries and membership changes."""
        return [entry.data for entry in self.applied if entry.type is EntryType.EntryNormal and entry.data]

    # ---- what a test does

    def step(self, message: Message) -> None:
        self.raw.step(message)

    def take(self) -> list[Message]:
        """Do what the node wants done until it wants nothing more. Returns the messages for other nodes, in order."""
        sent: list[Message] = []
        while self.raw.has_ready():
            sent += self.handle(self.raw.ready())
        return sent

    def handle(self, ready: Ready) -> list[Message]:
        """Do what one Ready asks for. Returns the messages for other nodes."""
        self.read_states += ready.read_states
        if self.settings.get("async_storage_writes"):
            return [sent for message in ready.messages for sent in self._work_as_thread(message)]
        self._store(ready.hard_state, ready.entries, ready.snapshot)
        self._apply(ready.committed_entries)
        self.raw.advance()
        return list(ready.messages)

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.raw.tick()

    def become_candidate(self) -> None:
        """Campaign, past the pre-election if there is one; the requests get lost."""
        self.raw.campaign()
        requests = self.take()
        for request in requests:
            if request.type is MessageType.MsgPreVote and self.role is StateType.StatePreCandidate:
                self.step(vote(request))
        self.take()
        assert self.role is StateType.StateCandidate

    def win_election(self) -> list[Message]:
        """Become leader by the votes of all peers. Returns the appends of the term's empty entry, one for each peer."""
        self.raw.campaign()
        sent = deque(self.take())
        while self.role is not StateType.StateLeader:
            self.step(vote(sent.popleft()))
            sent += self.take()
        return [message for message in sent if message.type is MessageType.MsgApp]

    def become_leader(self) -> None:
        """Win an election and commit the term's empty entry; the news of the commit gets lost. All peers replicate then."""
        for append in self.win_election():
            self.step(ack(append))
            self.take()

    def follow(self, leader: int, term: int) -> None:
        """Become a follower by a heartbeat; its answer gets lost."""
        self.step(Message(MessageType.MsgHeartbeat, self.id, leader, term))
        self.take()

    def compact(self, index: int, data: bytes = b"state") -> Snapshot:
        """Make a snapshot at `index`, which must be applied, and forget the log up to there."""
        snapshot = self.storage.create_snapshot(index, self.conf_state, data)
        self.storage.compact(index)
        return snapshot

    def restarted(self, **settings: Any) -> Node:
        """The node that starts from this one's storage, with these settings changed; all else is forgotten."""
        return Node(self.id, self.storage, **self.settings | settings)

    # ---- the application

    def _work_as_thread(self, message: Message) -> list[Message]:
        """Do what a message asks for if it is for a storage thread; the messages that may leave then."""
        if message.to == LOCAL_APPEND_THREAD:
            self._store(HardState(message.term, message.vote, message.commit), message.entries, message.snapshot)
        elif message.to == LOCAL_APPLY_THREAD:
            self._apply(message.entries)
        else:
            return [message]
        for response in message.responses:
            if response.to == self.id:
                self.step(response)
        return [response for response in message.responses if response.to != self.id]

    def _store(self, hard_state: HardState, entries: Sequence[Entry], snapshot: Snapshot | None) -> None:
        if snapshot is not None:
            self.storage.apply_snapshot(snapshot)
            self.conf_state = snapshot.conf_state
        self.storage.append(entries)
        if hard_state != EMPTY_HARD_STATE:
            self.storage.set_hard_state(hard_state)

    def _apply(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.applied.append(entry)
            if entry.type is not EntryType.EntryNormal:
                self.conf_state = self.raw.apply_conf_change(decode_conf_change(entry.type, entry.data))


class Network:
    """Nodes that hear each other at once. Members that are not in it are dead."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self.delivered: list[Message] = []
        self._blocked: set[tuple[int, int]] = set()
        self._ignored: set[MessageType] = set()

    def __getitem__(self, node_id: int) -> Node:
        return self.nodes[node_id]

    # ---- the wires

    def block(self, source: int, target: int) -> None:
        """Lose everything on the way from `source` to `target`, but not on the way back."""
        self._blocked.add((source, target))

    def cut(self, one: int, other: int) -> None:
        """Lose everything between two nodes."""
        self.block(one, other)
        self.block(other, one)

    def isolate(self, node_id: int) -> None:
        """Cut a node off from all others."""
        for other in self.nodes:
            if other != node_id:
                self.cut(node_id, other)

    def ignore(self, kind: MessageType) -> None:
        """Lose all messages of a type."""
        self._ignored.add(kind)

    def recover(self) -> None:
        """Lose nothing any more."""
        self._blocked.clear()
        self._ignored.clear()

    # ---- what happens

    def settle(self) -> None:
        """Deliver until there is nothing left to deliver."""
        queue = deque((node.id, message) for node in self.nodes.values() for message in node.take())
        for _ in range(MESSAGES_UNTIL_SUSPICIOUS):
            if not queue:
                return
            source, message = queue.popleft()
            queue += [(message.to, answer) for answer in self._deliver(source, message)]
        raise AssertionError("the network does not come to rest")

    def _deliver(self, source: int, message: Message) -> list[Message]:
        """Give a message to its addressee, if it gets there. Returns what that node sends then."""
        target = self.nodes.get(message.to)
        if target is None or message.type in self._ignored or (source, message.to) in self._blocked:
            return []
        self.delivered.append(message)
        with suppress(RaftError):  # whoever sent it does not hear of a refusal
            target.step(message)
        return target.take()

    def inject(self, *messages: Message) -> None:
        """Let messages arrive, whatever is blocked."""
        for message in messages:
            self[message.to].step(message)
            self.settle()

    def campaign(self, node_id: int) -> None:
        self[node_id].raw.campaign()
        self.settle()

    def propose(self, node_id: int, data: bytes = b"data") -> None:
        self[node_id].raw.propose(data)
        self.settle()

    def beat(self, leader: int) -> None:
        """One round of heartbeats."""
        self.tick(leader, 1)

    def tick(self, node_id: int, count: int) -> None:
        for _ in range(count):
            self[node_id].raw.tick()
            self.settle()


def cluster(
    size: int, *, dead: Sequence[int] = (), learners: Sequence[int] = (), terms: Sequence[int] = (), **settings: Any
) -> Network:
    """A network of the voters 1 to `size` and of `learners`, without the dead ones, all with the same log and settings."""
    voters = range(1, size + 1)
    members = [member for member in (*voters, *learners) if member not in dead]
    return Network([make_node(member, voters, learners, terms, **settings) for member in members])
