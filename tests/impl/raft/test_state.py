"""The exported state of a node: a canonical, hashable value, from which a node that does the same ever after can be made."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from kubeproof.impl.raft import (
    ConfState,
    Entry,
    EntryType,
    Faults,
    HardState,
    MemoryStorage,
    Message,
    MessageType,
    RawNode,
    ReadOnlyOption,
    Ready,
    Snapshot,
    StateType,
)
from kubeproof.impl.raft.confchange import (
    ConfChangeTransition,
    ConfChangeV2,
    conf_changes_from_string,
    decode_conf_change,
)
from kubeproof.impl.raft.errors import RaftError
from kubeproof.impl.raft.log import LogState, RaftLog
from kubeproof.impl.raft.log_unstable import Unstable, UnstableState
from kubeproof.impl.raft.raft import Raft
from kubeproof.impl.raft.state import NodeState, RaftState
from kubeproof.impl.raft.tracker import Progress, ProgressTracker, TrackerState
from kubeproof.impl.raft.tracker.progress import ProgressState
from kubeproof.impl.raft.types import EMPTY_HARD_STATE, LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD
from tests.impl.raft.network import Node, ack, cluster, make_config, make_node, node_in_role, vote

# ---- canonical values


def exported(node: Node) -> NodeState:
    return node.raw.export_state()


@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
def test_votes_in_any_order_are_the_same_state(order: tuple[int, int]) -> None:
    def candidate(peers: tuple[int, int]) -> NodeState:
        node = make_node(1, voters=(1, 2, 3, 4, 5, 6, 7))
        node.raw.campaign()
        requests = {request.to: request for request in node.take()}
        for peer in peers:
            node.step(vote(requests[peer]))
        return exported(node)

    assert candidate(order) == candidate((2, 3))
    assert hash(candidate(order)) == hash(candidate((2, 3)))
    assert candidate((2, 4)) != candidate((2, 3))


@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
def test_acknowledgements_in_any_order_are_the_same_state(order: tuple[int, int]) -> None:
    def leader(peers: tuple[int, int]) -> NodeState:
        node = make_node(1, voters=(1, 2, 3))
        appends = {append.to: append for append in node.win_election()}
        for peer in peers:
            node.step(ack(appends[peer]))
            node.take()
        node.raw.read_index(b"x")
        beats = {beat.to: beat for beat in node.take()}
        node.raw.apply_conf_change(ConfChangeV2(changes=conf_changes_from_string("v4 v5")))
        node.take()
        for peer in peers:
            answer = MessageType.MsgHeartbeatResp
            node.step(Message(answer, 1, peer, 1, context=beats[peer].context))
        node.take()
        return exported(node)

    assert leader(order) == leader((2, 3))
    assert leader(order).raft.read_only.acks == ((1, 1), (2, 1), (3, 1))


def test_members_added_in_any_order_are_the_same_state() -> None:
    def grown(changes: str) -> NodeState:
        node = make_node(1)
        for text in changes.split():
            node.raw.apply_conf_change(ConfChangeV2(changes=conf_changes_from_string(text)))
        return exported(node)

    assert grown("v4 l3 v2") == grown("v2 l3 v4")
    assert grown("v4 l3 v2") != grown("v2 v3 v4")


def test_the_way_to_a_situation_does_not_matter() -> None:
    """A node that has been there all the time is as one that was started with its storage and heard of the same leader."""
    lived = make_node(1, voters=(1, 2))
    entry = Entry(1, 1, data=b"x")
    lived.step(Message(MessageType.MsgApp, 1, 2, 1, entries=(entry,), commit=1))
    lived.take()
    started = lived.restarted()
    started.take()
    assert exported(started) != exported(lived)  # which leader?
    for node in (lived, started):
        node.follow(2, 1)
    assert exported(started) == exported(lived)


EVENTS: dict[str, Callable[[Node], object]] = {
    "tick": lambda node: node.raw.tick(),
    "propose": lambda node: node.raw.propose(b"x"),
    "propose a change": lambda node: node.raw.propose_conf_change(ConfChangeV2(changes=conf_changes_from_string("v4"))),
    "read": lambda node: node.raw.read_index(b"x"),
    "transfer": lambda node: node.raw.transfer_leader(2),
    "unreachable": lambda node: node.raw.report_unreachable(2),
    "acknowledgement": lambda node: node.step(Message(MessageType.MsgHeartbeatResp, 1, 3, 1)),
    "higher term": lambda node: node.step(Message(MessageType.MsgHeartbeat, 1, 2, 5)),
    "apply a change": lambda node: node.raw.apply_conf_change(ConfChangeV2(changes=conf_changes_from_string("v4"))),
}


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_shows_and_an_export_stays_as_it_is(event: str) -> None:
    node = make_node(1, voters=(1, 2, 3), check_quorum=True)
    node.become_leader()
    for _ in range(20):
        node.raw.tick()  # a quorum check: nobody counts as active
        node.step(Message(MessageType.MsgHeartbeatResp, 1, 2, 1))
    node.take()
    before = exported(node)
    code = hash(before)
    copy = Node(1, node.storage, **node.settings)
    copy.raw.restore_state(before)
    EVENTS[event](copy)
    assert exported(copy) != before
    assert exported(node) == before
    assert hash(before) == code


CONFIGURATION = {"config", "faults", "id", "logger", "max_uncommitted_size", "promises", "trace"}


@pytest.mark.parametrize(
    ("live", "state", "derived"),
    [
        (Raft, RaftState, CONFIGURATION),
        (RaftLog, LogState, {"_logger", "max_applying_size", "storage"}),
        (Unstable, UnstableState, {"_logger"}),
        (Progress, ProgressState, set()),
        (ProgressTracker, TrackerState, {"leak_inflight_bytes", "max_inflight", "max_inflight_bytes"}),
        (RawNode, NodeState, {"_asynchronous"}),
    ],
)
def test_nothing_is_left_out(live: Any, state: Any, derived: set[str]) -> None:
    """Whatever an object has is exported, or comes from its configuration."""
    assert {slot.lstrip("_") for slot in live.__slots__} - {name.lstrip("_") for name in derived} == set(state._fields)


def test_ready_in_progress_is_part_of_the_state() -> None:
    node = node_in_role(StateType.StateLeader)
    node.raw.propose(b"x")
    ready = node.raw.ready()
    copy = Node(1, node.storage)
    copy.raw.restore_state(exported(node))
    for half_way in (node, copy):
        half_way.storage.append(ready.entries if half_way is node else ())
        half_way.raw.advance()
    assert exported(copy) == exported(node)
    assert copy.progress(1).match == 2


# ---- a walk


class Machine:
    """A node, its application and its threads, of which everything can be copied."""

    def __init__(self, node_id: int, storage: MemoryStorage, settings: dict[str, Any]) -> None:
        self.id = node_id
        self.storage = storage
        self.settings = settings
        self.asynchronous = bool(settings.get("async_storage_writes"))
        self.appends: list[Message] = []
        self.applies: list[Message] = []
        self.start()

    def start(self) -> None:
        """Start, or after a crash start again, with what the storage has."""
        self.raw = RawNode(make_config(self.id, self.storage, **self.settings))
        self.conf_state = self.storage.initial_state()[1]
        self.ready: Ready | None = None
        self.written = False
        self.appends.clear()
        self.applies.clear()

    def copy(self) -> Machine:
        """Another machine, made of exported state only."""
        storage = MemoryStorage()
        storage.restore(self.storage.export())
        other = Machine(self.id, storage, self.settings)
        other.raw.restore_state(self.raw.export_state())
        other.conf_state, other.ready, other.written = self.conf_state, self.ready, self.written
        other.appends, other.applies = list(self.appends), list(self.applies)
        return other

    def everything(self) -> tuple[object, ...]:
        state = self.raw.export_state(), self.storage.export(), self.conf_state, self.ready, self.written
        return (*state, tuple(self.appends), tuple(self.applies))

    # ---- what may happen. Everything returns the messages that leave.

    def attempt(self, call: Callable[[RawNode], object]) -> list[Message]:
        with suppress(RaftError):
            call(self.raw)
        return []

    def work(self, rng: Random) -> list[Message]:
        """Go on with the Ready in hand, or take a new one; let one of the threads do something."""
        if self.asynchronous:
            choices = [self.take] * self.raw.has_ready() + [self.append] * bool(self.appends) + [self.apply] * bool(self.applies)
            return rng.choice(choices)() if choices else []
        if self.ready is None:
            return self.take() if self.raw.has_ready() else []
        return self.finish() if self.written else self.write()

    def take(self) -> list[Message]:
        ready = self.raw.ready()
        if not self.asynchronous:
            self.ready = ready
            return []
        self.appends += [message for message in ready.messages if message.to == LOCAL_APPEND_THREAD]
        self.applies += [message for message in ready.messages if message.to == LOCAL_APPLY_THREAD]
        return [message for message in ready.messages if message.to not in (LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD)]

    def write(self) -> list[Message]:
        assert self.ready is not None
        self.written = True
        self._store(self.ready.hard_state, self.ready.entries, self.ready.snapshot)
        return list(self.ready.messages)

    def finish(self) -> list[Message]:
        assert self.ready is not None
        self._apply(self.ready.committed_entries)
        self.ready, self.written = None, False
        self.raw.advance()
        return []

    def append(self) -> list[Message]:
        message = self.appends.pop(0)
        self._store(HardState(message.term, message.vote, message.commit), message.entries, message.snapshot)
        return self._respond(message)

    def apply(self) -> list[Message]:
        message = self.applies.pop(0)
        self._apply(message.entries)
        return self._respond(message)

    def compact(self) -> list[Message]:
        applied = self.raw.basic_status().applied
        committed = self.storage.initial_state()[0].commit  # a log that begins behind it would start no node
        if self.storage.snapshot().index < applied <= committed:
            self.storage.create_snapshot(applied, self.conf_state, b"state %d" % applied)
            self.storage.compact(applied)
        return []

    def crash(self) -> list[Message]:
        self.start()
        return []

    def _respond(self, message: Message) -> list[Message]:
        for response in message.responses:
            if response.to == self.id:
                self.raw.step(response)
        return [response for response in message.responses if response.to != self.id]

    def _store(self, hard_state: HardState, entries: tuple[Entry, ...], snapshot: Snapshot | None) -> None:
        if snapshot is not None:
            self.storage.apply_snapshot(snapshot)
            self.conf_state = snapshot.conf_state
        self.storage.append(entries)
        if hard_state != EMPTY_HARD_STATE:
            self.storage.set_hard_state(hard_state)

    def _apply(self, entries: tuple[Entry, ...]) -> None:
        for entry in entries:
            if entry.type is not EntryType.EntryNormal:
                self.conf_state = self.raw.apply_conf_change(decode_conf_change(entry.type, entry.data))


CHANGES = ["v2", "l2", "v3", "l3", "r3", "v4", "l4", "r4", "v3 l2", "v2 v3", "v4 r3", "l3 l4"]
"""Node 1 stays a voter, so that no change can remove all."""


class Walk:
    """A cluster in which anything may happen, in any order. `seen` says what did."""

    def __init__(self, seed: int, settings: dict[str, Any]) -> None:
        self.rng = Random(seed)
        self.now = 0
        self.messages: list[Message] = []
        self.seen: set[object] = set()
        settings = settings | {"draw_election_timeout": lambda tick: tick + self.now % tick}
        self.machines = {}
        for member in (1, 2, 3, 4):
            storage = MemoryStorage()
            if member < 4:
                storage.apply_snapshot(Snapshot(2, 1, ConfState((1, 2, 3)), b"begin"))
            self.machines[member] = Machine(member, storage, settings)

    def step(self) -> None:
        self.now += 1
        machine, event = self.choose()
        twin = machine.copy()
        assert twin.everything() == machine.everything()
        draws = self.rng.getstate()
        sent = event(machine)
        self.rng.setstate(draws)
        assert event(twin) == sent
        assert twin.everything() == machine.everything()
        assert hash(twin.everything()) == hash(machine.everything())
        self.machines[machine.id] = twin
        cut_off = self.now // 100 % 8  # one member after the other for a while, then none
        self.messages += [message for message in sent if cut_off not in (message.to, machine.id)]
        self.note(machine)
        assert twin.raw.has_ready() == machine.raw.has_ready()
        if machine.ready is None and machine.raw.has_ready():
            ready = machine.raw.ready()
            assert twin.copy().raw.ready() == ready
            self.seen |= {name for name in ("read_states", "snapshot") if getattr(ready, name)}

    def note(self, machine: Machine) -> None:
        status = machine.raw.basic_status()
        happens = {"joint": machine.conf_state.voters_outgoing, "transfer": status.lead_transferee}
        self.seen |= {status.raft_state, *[name for name, does in happens.items() if does]}

    def choose(self) -> tuple[Machine, Callable[[Machine], list[Message]]]:
        """Where something happens, and what."""
        rng = self.rng
        machine = rng.choice(list(self.machines.values()))
        fate = rng.random()
        if fate < 0.06:
            return machine, _attempt(RawNode.tick)
        if fate < 0.15:
            return machine, self.choose_rarity()
        if self.messages and fate < 0.5:
            position = 0 if rng.random() < 0.8 else rng.randrange(len(self.messages))
            message = self.messages[position] if rng.random() < 0.05 else self.messages.pop(position)
            return self.machines[message.to], _attempt(lambda raw: raw.step(message))
        busy = [
            machine
            for machine in self.machines.values()
            if machine.ready or machine.appends or machine.applies or machine.raw.has_ready()
        ]
        return rng.choice(busy) if busy else machine, lambda it: it.work(rng)

    def choose_rarity(self) -> Callable[[Machine], list[Message]]:
        rng = self.rng
        peer = rng.randrange(1, 5)
        data = b"%d" % self.now
        change = ConfChangeV2(rng.choice([None, *ConfChangeTransition]), conf_changes_from_string(rng.choice(CHANGES)))
        succeeded = rng.random() < 0.5
        calls: list[tuple[int, Callable[[RawNode], object]]] = [
            (30, lambda raw: raw.propose(data)),
            (20, lambda raw: raw.read_index(data)),
            (12, lambda raw: raw.propose_conf_change(change)),
            (3, lambda raw: raw.propose_conf_change(None)),
            (2, lambda raw: raw.campaign()),
            (6, lambda raw: raw.transfer_leader(peer)),
            (1, lambda raw: raw.forget_leader()),
            (2, lambda raw: raw.report_unreachable(peer)),
            (2, lambda raw: raw.report_snapshot(peer, succeeded=succeeded)),
        ]
        whole: list[tuple[int, Callable[[Machine], list[Message]]]] = [(20, Machine.compact), (1, Machine.crash)]
        events = [(weight, _attempt(call)) for weight, call in calls] + whole
        return rng.choices([event for _, event in events], [weight for weight, _ in events])[0]


def _attempt(call: Callable[[RawNode], object]) -> Callable[[Machine], list[Message]]:
    return lambda machine: machine.attempt(call)


WALKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "pre-vote": {"pre_vote": True, "check_quorum": True},
    "lease": {"check_quorum": True, "read_only_option": ReadOnlyOption.ReadOnlyLeaseBased, "step_down_on_removal": True},
    "faulty reads": {"faults": Faults(read_index_context_reused=True)},
}


@pytest.mark.parametrize("settings", WALKS.values(), ids=WALKS)
@pytest.mark.parametrize("async_storage_writes", [False, True], ids=["sync", "async"])
def test_a_restored_node_goes_on_as_the_original(settings: dict[str, Any], async_storage_writes: bool) -> None:
    limits = {"max_inflight_msgs": 2, "max_size_per_msg": 40, "max_uncommitted_entries_size": 20, "election_tick": 5}
    writes = {"async_storage_writes": async_storage_writes, "vote_request_after_write": async_storage_writes}
    wanted = {StateType.StateLeader, StateType.StateCandidate, "read_states", "snapshot", "joint", "transfer"}
    for seed in range(20):
        walk = Walk(seed, limits | writes | settings)
        for _ in range(1000):
            walk.step()
        wanted -= walk.seen
        if not wanted:
            return
    raise AssertionError(f"the walks are too short for {wanted}")


def test_a_cluster_of_restored_nodes_settles_as_the_original() -> None:
    net = cluster(3)
    net.campaign(1)
    net.propose(1)
    for member, node in list(net.nodes.items()):
        net.nodes[member] = copy = node.restarted()
        copy.raw.restore_state(exported(node))
    net.propose(1, b"more")
    assert [exported(node).raft.log.applied for node in net.nodes.values()] == [3, 3, 3]
