"""Linearizable reads: confirmed by a round of heartbeats or by the lease, and never by answers to something else
(behaviours of etcd-io/raft's raft_test.go and node_test.go; Raft thesis section 6.4).
"""

from __future__ import annotations

from typing import Any

import pytest

from kubeproof.impl.raft import ConfState, Entry, EntryType, HardState, Message, MessageType, ReadOnlyOption, ReadState, StateType
from kubeproof.impl.raft.types import Snapshot
from tests.impl.raft.network import Network, Node, cluster, make_node, node_in_role

LEASE: dict[str, Any] = {"read_only_option": ReadOnlyOption.ReadOnlyLeaseBased, "check_quorum": True}


def read_entries(context: bytes) -> tuple[Entry, ...]:
    return (Entry(0, 0, EntryType.EntryNormal, context),)


def read(net: Network, member: int, context: bytes) -> list[ReadState]:
    """Ask for a read at a member. Returns what that brought to its application."""
    before = len(net[member].read_states)
    net[member].raw.read_index(context)
    net.settle()
    return net[member].read_states[before:]


def ten_proposals(net: Network) -> None:
    for _ in range(10):
        net.propose(1)


def heartbeats(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message.type is MessageType.MsgHeartbeat]


def follow_heartbeat(heartbeat: Message) -> Message:
    return Message(MessageType.MsgHeartbeatResp, heartbeat.from_, heartbeat.to, heartbeat.term, context=heartbeat.context)


def start_read(leader: Node, context: bytes) -> dict[int, Message]:
    """Ask a leader for a read. Returns its peers' answers to the heartbeats of that round."""
    leader.raw.read_index(context)
    return {heartbeat.to: follow_heartbeat(heartbeat) for heartbeat in heartbeats(leader.take())}


def confirmed(leader: Node) -> list[ReadState]:
    leader.take()
    return leader.read_states


# ---- confirmed by a round of heartbeats


def test_read_only_option_safe() -> None:
    net = cluster(3)
    net.campaign(1)
    for round_number, member in enumerate((1, 2, 3, 1, 2, 3), 1):
        ten_proposals(net)
        context = b"read %d" % round_number
        assert read(net, member, context) == [ReadState(1 + 10 * round_number, context)]


def test_read_only_option_safe_needs_a_quorum_of_answers() -> None:
    net = cluster(3)
    net.campaign(1)
    net.isolate(1)
    assert read(net, 1, b"x") == []
    net.recover()
    net.beat(1)  # carries the context again
    assert net[1].read_states == [ReadState(1, b"x")]


def test_read_only_with_learner() -> None:
    net = cluster(1, learners=(2,))
    net.campaign(1)
    for round_number, member in enumerate((1, 2, 1, 2), 1):
        ten_proposals(net)
        context = b"read %d" % round_number
        assert read(net, member, context) == [ReadState(1 + 10 * round_number, context)]


def test_read_is_not_confirmed_by_a_learner() -> None:
    leader = make_node(1, voters=(1, 2), learners=(3,))
    leader.become_leader()
    answers = start_read(leader, b"x")
    leader.step(answers[3])
    assert confirmed(leader) == []
    leader.step(answers[2])
    assert confirmed(leader) == [ReadState(1, b"x")]


def test_read_in_a_joint_configuration_needs_both_halves() -> None:
    base = Snapshot(1, 1, ConfState(voters=(1, 2, 3), voters_outgoing=(1, 4, 5)))
    leader = make_node(1, snapshot=base)
    leader.become_leader()
    answers = start_read(leader, b"x")
    assert sorted(answers) == [2, 3, 4, 5]
    for peer, expected in ((2, []), (3, []), (4, [ReadState(2, b"x")])):
        leader.step(answers[peer])
        assert confirmed(leader) == expected


def test_confirmation_of_a_read_confirms_those_before_it() -> None:
    leader = make_node(1, voters=(1, 2, 3))
    leader.become_leader()
    start_read(leader, b"a")
    leader.step(start_read(leader, b"b")[2])
    start_read(leader, b"c")
    assert confirmed(leader) == [ReadState(1, b"a"), ReadState(1, b"b")]


def test_read_returns_the_commit_index_of_its_arrival() -> None:
    net = cluster(3)
    net.campaign(1)
    net.ignore(MessageType.MsgHeartbeatResp)
    assert read(net, 1, b"x") == []
    ten_proposals(net)
    assert net[1].commit == 11
    net.recover()
    net.beat(1)
    assert net[1].read_states == [ReadState(1, b"x")]


def test_read_only_duplicate_request() -> None:
    """A client repeats a read at a leader that has been deposed meanwhile; late answers to the first try prove nothing."""
    leader = make_node(1, voters=(1, 2, 3, 4, 5))
    leader.become_leader()
    first = start_read(leader, b"same")
    for peer in (2, 3):
        leader.step(first[peer])
    assert confirmed(leader) == [ReadState(1, b"same")]

    other = start_read(leader, b"other")
    second = start_read(leader, b"same")
    for late in (first[4], first[5], first[2], first[3]):
        leader.step(late)
    assert confirmed(leader) == [ReadState(1, b"same")]

    for peer in (4, 5):
        leader.step(other[peer])
    assert confirmed(leader)[1:] == [ReadState(1, b"other")]
    for peer in (2, 3):
        leader.step(second[peer])
    assert confirmed(leader)[2:] == [ReadState(1, b"same")]


def test_raft_frees_read_only_mem() -> None:
    leader = make_node(1, voters=(1, 2))
    leader.become_leader()
    leader.step(Message(MessageType.MsgReadIndex, to=1, from_=2, entries=read_entries(b"x")))
    [heartbeat] = leader.take()
    assert (heartbeat.type, heartbeat.to) == (MessageType.MsgHeartbeat, 2)
    [pending] = leader.raw.export_state().raft.read_only.pending
    assert (pending.index, pending.request.entries) == (1, read_entries(b"x"))

    leader.step(follow_heartbeat(heartbeat))
    assert leader.take() == [Message(MessageType.MsgReadIndexResp, to=2, from_=1, term=1, index=1, entries=read_entries(b"x"))]
    assert leader.raw.export_state().raft.read_only.pending == ()
    leader.raw.tick()
    [heartbeat] = leader.take()
    assert heartbeat.context == b""


def test_leader_that_steps_down_forgets_its_reads() -> None:
    leader = make_node(1, voters=(1, 2, 3))
    leader.become_leader()
    answers = start_read(leader, b"old")
    leader.follow(2, 2)
    leader.become_leader()
    new = start_read(leader, b"new")
    for peer in (2, 3):
        leader.step(answers[peer])  # of an old term, although with the number that the new read has
    assert answers[2].context == new[2].context
    assert confirmed(leader) == []
    leader.step(new[2])
    assert confirmed(leader) == [ReadState(2, b"new")]


# ---- confirmed by the lease


def test_read_only_option_lease() -> None:
    net = cluster(3, **LEASE)
    net.campaign(1)
    for round_number, member in enumerate((1, 2, 3, 1, 2, 3), 1):
        ten_proposals(net)
        context = b"read %d" % round_number
        assert read(net, member, context) == [ReadState(1 + 10 * round_number, context)]
    assert not heartbeats(net.delivered)


# ---- a new leader


@pytest.mark.parametrize("lease", [False, True], ids=["safe", "lease"])
def test_read_only_for_new_leader(lease: bool) -> None:
    """Until it commits in its own term, a leader may not know all that is committed: here entry 2, which 2 and 3 have applied."""
    members = [
        make_node(member, (1, 2, 3), terms=(1, 1), hard_state=HardState(1, 0, commit), **(LEASE if lease else {}))
        for member, commit in ((1, 1), (2, 2), (3, 2))
    ]
    net = Network(members)
    net.ignore(MessageType.MsgApp)
    net.campaign(1)
    assert (net[1].role, net[1].commit) == (StateType.StateLeader, 1)
    assert read(net, 1, b"early") == []
    net.beat(1)
    assert net[1].read_states == []

    net.recover()
    net.beat(1)
    assert net[1].commit == 3
    assert net[1].read_states == [ReadState(3, b"early")]
    assert read(net, 1, b"late") == [ReadState(3, b"late")]


# ---- a cluster of one


def test_singleton_answers_at_once() -> None:
    node = make_node(1)
    node.become_leader()
    node.raw.read_index(b"x")
    ready = node.raw.ready()
    assert (ready.read_states, ready.messages) == ((ReadState(1, b"x"),), ())


def test_singleton_answers_its_learner_at_once() -> None:
    node = make_node(1, voters=(1,), learners=(2,))
    node.become_leader()
    node.step(Message(MessageType.MsgReadIndex, to=1, from_=2, entries=read_entries(b"x")))
    assert node.take() == [Message(MessageType.MsgReadIndexResp, to=2, from_=1, term=1, index=1, entries=read_entries(b"x"))]


# ---- on the way to a leader


def test_read_is_forwarded_without_a_term() -> None:
    follower = node_in_role(StateType.StateFollower)
    follower.raw.read_index(b"x")
    assert follower.take() == [Message(MessageType.MsgReadIndex, to=2, from_=1, term=0, entries=read_entries(b"x"))]


def test_node_read_index_to_old_leader() -> None:
    """A read that reaches a deposed leader is passed on to the new one, which answers whoever asked."""
    net = cluster(3)
    net.campaign(1)
    requests = []
    for member in (2, 3):
        net[member].raw.read_index(b"from %d" % member)
        [request] = net[member].take()
        assert (request.type, request.to, request.from_) == (MessageType.MsgReadIndex, 1, member)
        requests.append(request)
    net.campaign(3)
    assert (net[1].lead, net[3].role) == (3, StateType.StateLeader)

    for request in requests:
        net[1].step(request)
    assert net[1].take() == [request._replace(to=3) for request in requests]

    net.inject(*[request._replace(to=3) for request in requests])
    assert net[2].read_states == [ReadState(2, b"from 2")]
    assert net[3].read_states == [ReadState(2, b"from 3")]
    assert net[1].read_states == []


@pytest.mark.parametrize("role", [StateType.StateFollower, StateType.StateCandidate, StateType.StatePreCandidate])
def test_read_without_leader_is_dropped(role: StateType) -> None:
    node = make_node(1, voters=(1, 2, 3)) if role is StateType.StateFollower else node_in_role(role)
    assert (node.role, node.lead) == (role, 0)
    node.raw.read_index(b"x")
    assert not node.raw.has_ready()


@pytest.mark.parametrize("entries", [(), read_entries(b"x") * 2], ids=["none", "two"])
def test_malformed_answer_is_ignored(entries: tuple[Entry, ...]) -> None:
    follower = node_in_role(StateType.StateFollower)
    follower.step(Message(MessageType.MsgReadIndexResp, to=1, from_=2, term=1, index=1, entries=entries))
    assert not follower.raw.has_ready()
