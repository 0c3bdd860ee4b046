"""Leadership transfer: the target catches up, is told to campaign at once, and has one election timeout for all that
(behaviours of etcd-io/raft's raft_test.go; Raft thesis section 3.10).
"""

from __future__ import annotations

from typing import Any

import pytest

from kubeproof.impl.raft import ConfState, Message, MessageType, Snapshot, StateType
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeSingle, ConfChangeType, ConfChangeV2
from kubeproof.impl.raft.errors import ErrProposalDropped
from tests.impl.raft.network import ELECTION_TICK, Network, Node, cluster, make_node, node_in_role, vote

ADD_LEARNER = ConfChangeType.ConfChangeAddLearnerNode
REMOVE = ConfChangeType.ConfChangeRemoveNode


def led_by_1(size: int = 3, **settings: Any) -> Network:
    net = cluster(size, **settings)
    net.campaign(1)
    assert net[1].role is StateType.StateLeader
    return net


def transfer(net: Network, target: int, *, asked: int = 1) -> None:
    """Ask a member to see to it that `target` leads."""
    net[asked].raw.transfer_leader(target)
    net.settle()


def transferee(node: Node) -> int:
    return node.raw.basic_status().lead_transferee


def waiting_for_3(**settings: Any) -> Network:
    """Node 1 leads, and waits for node 3, which is cut off, to catch up."""
    net = led_by_1(**settings)
    net.isolate(3)
    net.propose(1)
    transfer(net, 3)
    assert (net[1].role, transferee(net[1])) == (StateType.StateLeader, 3)
    return net


def assert_led_by(net: Network, leader: int) -> None:
    for member, node in net.nodes.items():
        assert node.soft_state == (leader, StateType.StateLeader if member == leader else StateType.StateFollower)
        assert transferee(node) == 0


# ---- transfers that succeed


def test_leader_transfer_to_up_to_date_node() -> None:
    net = led_by_1()
    transfer(net, 2)
    assert_led_by(net, 2)
    net.propose(1)  # forwarded
    assert net[2].data_applied() == [b"data"]
    transfer(net, 1, asked=2)
    assert_led_by(net, 1)
    assert net[1].term == 3


def test_leader_transfer_to_up_to_date_node_from_follower() -> None:
    net = led_by_1()
    transfer(net, 2, asked=2)
    assert_led_by(net, 2)
    net.propose(1)
    transfer(net, 1, asked=1)
    assert_led_by(net, 1)


@pytest.mark.parametrize("pre_vote", [False, True])
def test_leader_transfer_with_check_quorum(pre_vote: bool) -> None:
    """Neither leases nor the pre-election delay it."""
    net = led_by_1(check_quorum=True, pre_vote=pre_vote)
    del net.delivered[:]
    transfer(net, 2)
    assert_led_by(net, 2)
    assert MessageType.MsgPreVote not in {message.type for message in net.delivered}
    net.propose(1)
    transfer(net, 1, asked=2)
    assert_led_by(net, 1)


def test_leader_transfer_to_slow_follower() -> None:
    net = led_by_1()
    net.isolate(3)
    net.propose(1)
    net.recover()
    assert net[3].last_index == net[1].last_index - 1
    transfer(net, 3)
    assert_led_by(net, 3)
    assert net[3].data_applied() == [b"data"]


def test_leader_transfer_after_snapshot() -> None:
    net = led_by_1()
    net.isolate(3)
    net.propose(1)
    snapshot = net[1].compact(2)
    net.recover()
    net.block(3, 1)
    net[1].raw.report_unreachable(3)
    net[1].raw.transfer_leader(3)
    net.settle()
    assert net[3].storage.snapshot() == snapshot
    assert (net[1].role, transferee(net[1]), net[1].progress(3).match) == (StateType.StateLeader, 3, 1)

    net.recover()
    net.inject(Message(MessageType.MsgAppResp, to=1, from_=3, term=1, index=2))  # the answer to the snapshot
    assert_led_by(net, 3)


def test_leader_transfer_second_transfer_to_another_node() -> None:
    net = waiting_for_3()
    transfer(net, 2)
    assert (net[2].role, net[1].lead, net[1].role) == (StateType.StateLeader, 2, StateType.StateFollower)


def test_transfer_target_asks_for_votes_in_spite_of_leases() -> None:
    follower = node_in_role(StateType.StateFollower, check_quorum=True, pre_vote=True)
    follower.step(Message(MessageType.MsgTimeoutNow, to=1, from_=2, term=1))
    requests = follower.take()
    assert requests == [Message(MessageType.MsgVote, to=peer, from_=1, term=2, context=b"CampaignTransfer") for peer in (2, 3)]


def test_leader_transfer_request_is_forwarded_with_its_term() -> None:
    follower = node_in_role(StateType.StateFollower)
    follower.raw.transfer_leader(3)
    assert follower.take() == [Message(MessageType.MsgTransferLeader, to=2, from_=3, term=1)]


def test_leader_transfer_request_without_leader_is_dropped() -> None:
    node = make_node(1, voters=(1, 2, 3))
    node.raw.transfer_leader(3)
    assert not node.raw.has_ready()


# ---- transfers that do not happen


def test_leader_transfer_to_self() -> None:
    net = led_by_1()
    transfer(net, 1)
    assert_led_by(net, 1)
    assert net[1].term == 1


def test_leader_transfer_to_non_existing_node() -> None:
    net = led_by_1()
    transfer(net, 4)
    assert_led_by(net, 1)
    net.propose(1)  # is not waiting for anybody
    assert net[1].data_applied() == [b"data"]


def test_leader_transfer_to_learner() -> None:
    net = cluster(1, learners=(2,))
    net.campaign(1)
    transfer(net, 2)
    assert_led_by(net, 1)
    assert net[1].term == 1


# ---- transfers that are given up


@pytest.mark.parametrize("check_quorum", [False, True])
def test_leader_transfer_timeout(check_quorum: bool) -> None:
    net = waiting_for_3(check_quorum=check_quorum)
    net.tick(1, ELECTION_TICK - 1)
    assert transferee(net[1]) == 3
    net.tick(1, 1)
    assert (net[1].role, transferee(net[1])) == (StateType.StateLeader, 0)
    net.recover()
    net.beat(1)
    assert_led_by(net, 1)


def test_leader_transfer_starts_its_own_timeout() -> None:
    net = led_by_1()
    net.tick(1, ELECTION_TICK - 1)
    net.isolate(3)
    net.propose(1)
    transfer(net, 3)
    net.tick(1, ELECTION_TICK - 1)
    assert transferee(net[1]) == 3
    net.tick(1, 1)
    assert transferee(net[1]) == 0


def test_leader_transfer_ignore_proposal() -> None:
    net = waiting_for_3()
    match = net[1].progress(1).match
    with pytest.raises(ErrProposalDropped):
        net[1].raw.propose(b"meanwhile")
    assert net[1].progress(1).match == net[1].last_index == match == 2
    net.tick(1, ELECTION_TICK)
    net.propose(1, b"afterwards")
    assert net[1].data_applied() == [b"data", b"afterwards"]


def test_leader_transfer_receive_higher_term_vote() -> None:
    net = waiting_for_3()
    net.campaign(2)
    assert (net[2].role, net[1].lead, net[1].role) == (StateType.StateLeader, 2, StateType.StateFollower)
    assert transferee(net[1]) == 0


def test_leader_transfer_remove_node() -> None:
    net = led_by_1()
    net.ignore(MessageType.MsgTimeoutNow)
    transfer(net, 3)
    assert transferee(net[1]) == 3
    assert net[1].raw.apply_conf_change(ConfChange(REMOVE, 3)) == ConfState(voters=(1, 2))
    assert (net[1].role, transferee(net[1])) == (StateType.StateLeader, 0)


def test_leader_transfer_demote_node() -> None:
    net = led_by_1()
    net.ignore(MessageType.MsgTimeoutNow)
    transfer(net, 3)
    demotion = ConfChangeV2(changes=(ConfChangeSingle(REMOVE, 3), ConfChangeSingle(ADD_LEARNER, 3)))
    joint = net[1].raw.apply_conf_change(demotion)
    assert (joint.voters, joint.voters_outgoing, joint.learners_next) == ((1, 2), (1, 2, 3), (3,))
    assert transferee(net[1]) == 3  # still a voter
    assert net[1].raw.apply_conf_change(ConfChangeV2()) == ConfState(voters=(1, 2), learners=(3,))
    assert (net[1].role, transferee(net[1])) == (StateType.StateLeader, 0)


def test_leader_transfer_back() -> None:
    net = waiting_for_3()
    transfer(net, 1)
    assert (net[1].role, net[1].term, transferee(net[1])) == (StateType.StateLeader, 1, 0)
    net.propose(1)
    assert net[1].data_applied() == [b"data", b"data"]


def test_leader_transfer_second_transfer_to_same_node() -> None:
    net = waiting_for_3()
    net.tick(1, 1)
    transfer(net, 3)
    net.tick(1, ELECTION_TICK - 2)
    assert transferee(net[1]) == 3
    net.tick(1, 1)  # the second request has not prolonged the first one's time
    assert (net[1].role, transferee(net[1])) == (StateType.StateLeader, 0)


# ---- a target that must not campaign


def test_transfer_non_member() -> None:
    removed = make_node(1, voters=(2, 3, 4))
    removed.step(Message(MessageType.MsgTimeoutNow, to=1, from_=2, term=1))
    assert removed.take() == []
    for peer in (2, 3):
        with_vote = vote(Message(MessageType.MsgVote, to=peer, from_=1, term=1))
        removed.step(with_vote)
    assert (removed.role, removed.term) == (StateType.StateFollower, 1)


def test_transfer_target_with_a_snapshot_to_restore_does_not_campaign() -> None:
    target = make_node(1, voters=(1, 2, 3))
    snapshot = Snapshot(5, 1, ConfState(voters=(1, 2, 3)))
    target.step(Message(MessageType.MsgSnap, to=1, from_=2, term=1, snapshot=snapshot))
    target.step(Message(MessageType.MsgTimeoutNow, to=1, from_=2, term=1))
    assert (target.role, target.term) == (StateType.StateFollower, 1)
    target.take()
    target.step(Message(MessageType.MsgTimeoutNow, to=1, from_=2, term=1))
    assert (target.role, target.term) == (StateType.StateCandidate, 2)
