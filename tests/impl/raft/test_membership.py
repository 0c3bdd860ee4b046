"""Membership changes: one at a time, in force when applied, with joint consensus or without
(behaviours of etcd-io/raft's raft_test.go and rawnode_test.go; Raft thesis chapter 4).
"""

from __future__ import annotations

from typing import Any

import pytest

from kubeproof.impl.raft import ConfState, Entry, EntryType, Message, MessageType, Snapshot, StateType
from kubeproof.impl.raft.confchange import (
    ConfChange,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    conf_changes_from_string,
    encode_conf_change,
)
from kubeproof.impl.raft.errors import ErrProposalDropped, RaftPanic
from tests.impl.raft.network import ELECTION_TICK, Network, Node, ack, cluster, make_node

AUTO = ConfChangeTransition.ConfChangeTransitionAuto
IMPLICIT = ConfChangeTransition.ConfChangeTransitionJointImplicit
EXPLICIT = ConfChangeTransition.ConfChangeTransitionJointExplicit
ADD_3 = ConfChange(ConfChangeType.ConfChangeAddNode, 3)
ADD_4 = ConfChange(ConfChangeType.ConfChangeAddNode, 4)
REMOVE_1 = ConfChange(ConfChangeType.ConfChangeRemoveNode, 1)
REMOVE_2 = ConfChange(ConfChangeType.ConfChangeRemoveNode, 2)
JOINT = ConfState(voters=(1, 2), voters_outgoing=(1, 3))


def change(text: str, transition: ConfChangeTransition = AUTO) -> ConfChangeV2:
    return ConfChangeV2(transition, conf_changes_from_string(text))


def proposed(conf_change: ConfChange | ConfChangeV2 | None, term: int, index: int) -> Entry:
    return Entry(term, index, *encode_conf_change(conf_change))


def new_leader(voters: tuple[int, ...] = (1, 2), **settings: Any) -> Node:
    """Node 1 as the leader of term 1, with the empty entry 1 committed and applied."""
    leader = make_node(1, voters, **settings)
    leader.become_leader()
    return leader


def acknowledge(leader: Node, *peers: int) -> None:
    """Let peers acknowledge everything."""
    for peer in peers:
        leader.step(Message(MessageType.MsgAppResp, leader.id, peer, leader.term, index=leader.last_index))


def pending_conf_index(node: Node) -> int:
    return node.raw.export_state().raft.pending_conf_index


# ---- proposing


def test_step_config() -> None:
    leader = new_leader()
    leader.raw.propose_conf_change(ADD_3)
    assert leader.entries()[1:] == [proposed(ADD_3, 1, 2)]
    assert pending_conf_index(leader) == 2


def test_step_ignore_config() -> None:
    leader = new_leader()
    leader.raw.propose_conf_change(ADD_3)
    leader.raw.propose_conf_change(ADD_4)
    assert leader.entries()[1:] == [proposed(ADD_3, 1, 2), Entry(1, 3)]
    assert pending_conf_index(leader) == 2


def test_next_change_is_taken_when_the_last_one_is_applied() -> None:
    leader = new_leader()
    leader.raw.propose_conf_change(ADD_3)
    leader.take()
    acknowledge(leader, 2)
    ready = leader.raw.ready()
    leader.raw.propose_conf_change(ADD_4)  # committed, not applied
    assert leader.entries()[-1] == Entry(1, 3)
    leader.handle(ready)
    leader.raw.propose_conf_change(ADD_4)
    assert leader.entries()[-1] == proposed(ADD_4, 1, 4)
    assert pending_conf_index(leader) == 4


@pytest.mark.parametrize("entries", [(), (proposed(ADD_3, 1, 1),)], ids=["nothing pending", "a change pending"])
def test_new_leader_pending_config(entries: tuple[Entry, ...]) -> None:
    """A new leader does not look what its log has: no change is taken until all of it is applied."""
    node = make_node(1, voters=(1, 2))
    node.step(Message(MessageType.MsgApp, 1, 2, 1, entries=entries))
    node.take()
    node.win_election()
    assert pending_conf_index(node) == len(entries)
    node.raw.propose_conf_change(ADD_4)
    last = node.last_index
    assert node.entries()[-1] == (Entry(2, last) if entries else proposed(ADD_4, 2, last))


@pytest.mark.parametrize(
    ("conf_state", "wanted"),
    [
        pytest.param(ConfState(voters=(1, 2)), None, id="leave what is not joint"),
        pytest.param(JOINT, ADD_3, id="simple change while joint"),
        pytest.param(JOINT, change("v3 v4"), id="joint change while joint"),
    ],
)
@pytest.mark.parametrize("disabled", [False, True])
def test_validation_and_its_switch(conf_state: ConfState, wanted: ConfChange | ConfChangeV2 | None, disabled: bool) -> None:
    base = Snapshot(1, 1, conf_state)
    leader = make_node(1, snapshot=base, disable_conf_change_validation=disabled)
    leader.become_leader()
    leader.raw.propose_conf_change(wanted)
    assert leader.entries()[-1] == (proposed(wanted, 1, 3) if disabled else Entry(1, 3))
    assert pending_conf_index(leader) == (3 if disabled else 1)


def test_validation_switched_off_takes_a_second_change() -> None:
    leader = new_leader(disable_conf_change_validation=True)
    leader.raw.propose_conf_change(ADD_3)
    leader.raw.propose_conf_change(ADD_4)
    assert leader.entries()[1:] == [proposed(ADD_3, 1, 2), proposed(ADD_4, 1, 3)]
    assert pending_conf_index(leader) == 3


def test_changes_of_one_proposal_are_admitted_one_by_one() -> None:
    leader = new_leader()
    batch = (Entry(0, 0, data=b"x"), proposed(ADD_3, 0, 0), proposed(ADD_4, 0, 0))
    leader.step(Message(MessageType.MsgProp, 1, 2, entries=batch))
    assert leader.entries()[1:] == [Entry(1, 2, data=b"x"), proposed(ADD_3, 1, 3), Entry(1, 4)]
    assert pending_conf_index(leader) == 3


# ---- applying


def test_add_node() -> None:
    node = make_node(1)
    assert node.raw.apply_conf_change(REMOVE_2._replace(type=ConfChangeType.ConfChangeAddNode)) == ConfState(voters=(1, 2))
    assert node.raw.raft.tracker.voter_nodes() == [1, 2]


def test_remove_node() -> None:
    node = make_node(1, voters=(1, 2))
    assert node.raw.apply_conf_change(REMOVE_2) == ConfState(voters=(1,))
    assert node.raw.raft.tracker.voter_nodes() == [1]
    with pytest.raises(RaftPanic, match="removed all voters"):
        node.raw.apply_conf_change(REMOVE_1)


@pytest.mark.parametrize("voters", [(1, 2, 3), (3, 2, 1)])
def test_raft_nodes(voters: tuple[int, ...]) -> None:
    assert make_node(1, voters).raw.raft.tracker.voter_nodes() == [1, 2, 3]


def test_change_is_in_force_when_applied() -> None:
    leader = new_leader()
    leader.raw.propose_conf_change(ADD_3)
    [append] = leader.take()
    leader.step(ack(append))
    ready = leader.raw.ready()
    assert ready.committed_entries == (proposed(ADD_3, 1, 2),)
    assert leader.raw.raft.tracker.voter_nodes() == [1, 2]
    leader.handle(ready)
    assert leader.raw.raft.tracker.voter_nodes() == [1, 2, 3]
    [probe] = leader.take()  # the newcomer need not wait for a heartbeat
    assert (probe.type, probe.to, probe.index, probe.entries) == (MessageType.MsgApp, 3, 1, ready.committed_entries)


def test_change_is_in_force_for_each_member_when_that_one_applies_it() -> None:
    net = cluster(2)
    net.campaign(1)
    net[1].raw.propose_conf_change(ADD_3)
    for message in net[1].take():
        net[2].step(message)
    for message in net[2].take():
        net[1].step(message)
    net[1].take()
    assert net[1].conf_state == ConfState(voters=(1, 2, 3))
    assert net[2].conf_state == ConfState(voters=(1, 2))
    net.beat(1)
    assert net[2].conf_state == ConfState(voters=(1, 2, 3))


def test_application_may_reject_a_change() -> None:
    leader = new_leader()
    leader.raw.propose_conf_change(ADD_3)
    leader.take()
    acknowledge(leader, 2)
    assert leader.raw.ready().committed_entries == (proposed(ADD_3, 1, 2),)
    leader.raw.advance()  # without apply_conf_change
    assert leader.raw.raft.tracker.voter_nodes() == [1, 2]
    leader.raw.propose_conf_change(ADD_4)
    assert leader.entries()[-1] == proposed(ADD_4, 1, 3)


def test_commit_after_remove_node() -> None:
    leader = new_leader()
    leader.raw.propose_conf_change(REMOVE_2)
    leader.raw.propose(b"x")
    leader.take()
    assert leader.commit == 1
    leader.step(Message(MessageType.MsgAppResp, to=1, from_=2, term=1, index=2))
    assert leader.commit == 2
    ready = leader.raw.ready()
    assert ready.committed_entries == (proposed(REMOVE_2, 1, 2),)
    assert leader.raw.apply_conf_change(REMOVE_2) == ConfState(voters=(1,))
    assert leader.commit == 3  # what the smaller quorum has
    leader.raw.advance()
    assert leader.raw.ready().committed_entries == (Entry(1, 3, data=b"x"),)


def test_commit_after_remove_node_is_told_to_the_others() -> None:
    leader = new_leader(voters=(1, 2, 3))
    leader.raw.propose(b"x")
    leader.take()
    leader.raw.apply_conf_change(REMOVE_2)
    acknowledge(leader, 3)
    leader.take()
    assert leader.commit == 2
    leader.raw.propose(b"y")
    leader.take()
    leader.raw.apply_conf_change(ConfChange(ConfChangeType.ConfChangeRemoveNode, 3))
    assert leader.commit == 3


# ---- a leader that is removed or demoted


@pytest.mark.parametrize("by", [REMOVE_1, ConfChange(ConfChangeType.ConfChangeAddLearnerNode, 1)], ids=["removed", "demoted"])
def test_step_down_on_removal(by: ConfChange) -> None:
    leader = new_leader(voters=(1, 2, 3), step_down_on_removal=True)
    leader.raw.apply_conf_change(by)
    assert (leader.role, leader.lead, leader.term) == (StateType.StateFollower, 0, 1)


def test_removed_leader_stays_leader_and_takes_no_proposals() -> None:
    leader = new_leader(voters=(1, 2, 3))
    leader.raw.apply_conf_change(REMOVE_1)
    assert leader.role is StateType.StateLeader
    with pytest.raises(ErrProposalDropped):
        leader.raw.propose(b"x")
    leader.raw.tick()
    assert [(message.type, message.to) for message in leader.take()] == [(MessageType.MsgHeartbeat, peer) for peer in (2, 3)]


def test_removed_leader_does_not_count_itself() -> None:
    leader = new_leader(voters=(1, 2, 3))
    leader.raw.propose(b"x")
    leader.take()
    leader.raw.apply_conf_change(REMOVE_1)
    acknowledge(leader, 2)
    assert leader.commit == 1
    acknowledge(leader, 3)
    assert leader.commit == 2


# ---- joint consensus


def swap_2_and_3_for_4_and_5(transition: ConfChangeTransition) -> Network:
    net = cluster(3, learners=(4, 5))
    net.campaign(1)
    net[1].raw.propose_conf_change(change("v4 v5 r2 r3", transition))
    net.settle()
    return net


@pytest.mark.parametrize("transition", [AUTO, IMPLICIT])
def test_joint_change_is_left_by_the_leader(transition: ConfChangeTransition) -> None:
    net = swap_2_and_3_for_4_and_5(transition)
    for member in (1, 4, 5):
        assert net[member].conf_state == ConfState(voters=(1, 4, 5))
        assert net[member].applied[-2:] == [proposed(change("v4 v5 r2 r3", transition), 1, 2), proposed(None, 1, 3)]
    assert pending_conf_index(net[1]) == 3


def test_explicit_joint_change_is_left_by_the_application() -> None:
    net = swap_2_and_3_for_4_and_5(EXPLICIT)
    joint = ConfState(voters=(1, 4, 5), voters_outgoing=(1, 2, 3))
    net.propose(1)
    assert {node.conf_state for node in net.nodes.values()} == {joint}
    net[1].raw.propose_conf_change(ConfChangeV2(context=b"done"))
    net.settle()
    assert {net[member].conf_state for member in (1, 4, 5)} == {ConfState(voters=(1, 4, 5))}


@pytest.mark.parametrize(
    ("transition", "joint", "entries"),
    [
        (AUTO, False, 1),
        (IMPLICIT, True, 2),
        (EXPLICIT, True, 1),
    ],
)
def test_single_change_is_joint_only_on_request(transition: ConfChangeTransition, joint: bool, entries: int) -> None:
    leader = new_leader()
    leader.raw.propose_conf_change(change("v3", transition))
    leader.take()
    acknowledge(leader, 2)
    leader.handle(leader.raw.ready())
    first = leader.conf_state
    assert first.voters_outgoing == ((1, 2) if joint else ())
    assert first.auto_leave is (transition is IMPLICIT)
    leader.take()
    acknowledge(leader, 2, 3)
    leader.take()
    assert [entry.type for entry in leader.applied].count(EntryType.EntryConfChangeV2) == entries
    assert leader.conf_state.voters == (1, 2, 3)


@pytest.mark.parametrize("missing", [(2, 3), (4, 5)], ids=["old half", "new half"])
def test_joint_configuration_decides_by_both_halves(missing: tuple[int, int]) -> None:
    net = swap_2_and_3_for_4_and_5(EXPLICIT)
    for member in missing:
        net.isolate(member)
    commit = net[1].commit
    net.propose(1)
    assert net[1].commit == commit
    net.campaign(next(iter({2, 4} - set(missing))))  # nobody can win either
    assert StateType.StateLeader not in {node.role for node in net.nodes.values()}


def test_joint_change_demotes_a_voter_when_it_is_left() -> None:
    net = cluster(3)
    net.campaign(1)
    net[1].raw.propose_conf_change(change("l3", EXPLICIT))
    net.settle()
    assert net[1].conf_state == ConfState(voters=(1, 2), voters_outgoing=(1, 2, 3), learners_next=(3,))
    assert not net[3].raw.raft.is_learner
    net[1].raw.propose_conf_change(None)
    net.settle()
    assert net[1].conf_state == net[3].conf_state == ConfState(voters=(1, 2), learners=(3,))
    assert net[3].raw.raft.is_learner


def test_automatic_leaving_is_proposed_once_and_at_once() -> None:
    leader = new_leader()
    leader.raw.propose_conf_change(change("v3", IMPLICIT))
    leader.raw.propose(b"x")
    leader.take()
    leader.step(Message(MessageType.MsgAppResp, to=1, from_=2, term=1, index=2))
    assert proposed(None, 1, 4) in [entry for message in leader.take() if message.to == 2 for entry in message.entries]
    leader.step(Message(MessageType.MsgAppResp, to=1, from_=2, term=1, index=3))
    leader.take()
    assert leader.raw.basic_status().applied == 3  # while joint
    assert leader.last_index == 4


def test_automatic_leaving_waits_for_the_end_of_a_transfer() -> None:
    leader = new_leader(voters=(1, 2, 3))
    leader.raw.propose_conf_change(change("v4", IMPLICIT))
    leader.take()
    leader.raw.transfer_leader(3)
    acknowledge(leader, 2)
    leader.take()
    assert leader.conf_state == ConfState(voters=(1, 2, 3, 4), voters_outgoing=(1, 2, 3), auto_leave=True)
    assert leader.last_index == 2
    for _ in range(ELECTION_TICK):
        leader.raw.tick()
    leader.raw.propose(b"x")
    leader.take()
    assert leader.entries()[-1] == Entry(1, 3, data=b"x")
    acknowledge(leader, 2, 4)
    leader.take()
    assert leader.entries()[-1] == proposed(None, 1, 4)
