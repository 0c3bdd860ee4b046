"""Learners: members that get the log and do not decide (behaviours of etcd-io/raft's raft_test.go; Raft thesis section 4.2.1)."""

from __future__ import annotations

import pytest

from kubeproof.impl.raft import ConfState, Message, MessageType, Snapshot, StateType
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeType
from kubeproof.impl.raft.errors import RaftPanic
from tests.impl.raft.network import ELECTION_TICK, Network, ack, cluster, make_node

ADD = ConfChangeType.ConfChangeAddNode
ADD_LEARNER = ConfChangeType.ConfChangeAddLearnerNode
REMOVE = ConfChangeType.ConfChangeRemoveNode


def test_learner_election_timeout() -> None:
    learner = make_node(2, voters=(1,), learners=(2,))
    voter = make_node(2, voters=(1, 2))
    for node in (learner, voter):
        for _ in range(ELECTION_TICK):
            node.raw.tick()
    assert voter.role is StateType.StateCandidate
    assert learner.role is StateType.StateFollower
    assert learner.term == 0
    assert learner.take() == []


def test_learner_promotion() -> None:
    net = cluster(1, learners=(2,))
    net.campaign(1)
    net.campaign(2)
    assert (net[1].role, net[2].role) == (StateType.StateLeader, StateType.StateFollower)

    net[1].raw.propose_conf_change(ConfChange(ADD, 2))
    net.settle()
    assert net[1].conf_state == net[2].conf_state == ConfState(voters=(1, 2))
    assert not net[2].raw.raft.is_learner
    net.campaign(2)
    assert (net[1].role, net[2].role) == (StateType.StateFollower, StateType.StateLeader)
    assert net[1].term == net[2].term == 2


def test_learner_can_vote() -> None:
    learner = make_node(2, voters=(1,), learners=(2,))
    learner.step(Message(MessageType.MsgVote, to=2, from_=1, term=2, log_term=11, index=11))
    assert learner.vote == 1
    assert learner.take() == [Message(MessageType.MsgVoteResp, to=1, from_=2, term=2)]


@pytest.mark.parametrize("pre_vote", [False, True])
def test_learner_campaign(pre_vote: bool) -> None:
    net = cluster(1, learners=(2,), pre_vote=pre_vote)
    net.campaign(2)
    assert (net[2].role, net[2].term) == (StateType.StateFollower, 0)

    net.campaign(1)
    net.inject(Message(MessageType.MsgTimeoutNow, to=2, from_=1, term=net[1].term))
    assert (net[1].role, net[2].role) == (StateType.StateLeader, StateType.StateFollower)
    assert net[2].term == net[1].term == 1


def test_learner_receive_snapshot() -> None:
    snapshot = Snapshot(index=11, term=11, conf_state=ConfState(voters=(1,), learners=(2,)), data=b"state")
    net = Network([make_node(1, snapshot=snapshot), make_node(2, voters=(1,), learners=(2,))])
    net.campaign(1)
    assert net[2].storage.snapshot() == snapshot
    assert net[2].commit == net[1].commit == 12
    assert net[1].progress(2).match == 12


def test_add_learner() -> None:
    node = make_node(1)
    assert node.raw.apply_conf_change(ConfChange(ADD_LEARNER, 2)) == ConfState(voters=(1,), learners=(2,))
    tracker = node.raw.raft.tracker
    assert tracker.progress[2].is_learner
    assert not node.raw.raft.is_learner

    assert node.raw.apply_conf_change(ConfChange(ADD, 2)) == ConfState(voters=(1, 2))
    assert not tracker.progress[2].is_learner

    assert node.raw.apply_conf_change(ConfChange(ADD_LEARNER, 1)) == ConfState(voters=(2,), learners=(1,))
    assert tracker.progress[1].is_learner
    assert node.raw.raft.is_learner

    assert node.raw.apply_conf_change(ConfChange(ADD, 1)) == ConfState(voters=(1, 2))
    assert not tracker.progress[1].is_learner
    assert not node.raw.raft.is_learner


def test_remove_learner() -> None:
    node = make_node(1, voters=(1,), learners=(2,))
    assert node.raw.apply_conf_change(ConfChange(REMOVE, 2)) == ConfState(voters=(1,))
    assert sorted(node.raw.raft.tracker.progress) == [1]
    with pytest.raises(RaftPanic, match="removed all voters"):
        node.raw.apply_conf_change(ConfChange(REMOVE, 1))


def test_learner_acknowledgement_commits_nothing() -> None:
    leader = make_node(1, voters=(1, 2), learners=(3,))
    to_voter, to_learner = leader.win_election()
    assert (to_voter.to, to_learner.to) == (2, 3)
    leader.step(ack(to_learner))
    leader.take()
    assert leader.progress(3).match == 1
    assert leader.commit == 0
    leader.step(ack(to_voter))
    assert leader.commit == 1


def test_learner_is_not_asked_to_vote_and_its_vote_does_not_count() -> None:
    candidate = make_node(1, voters=(1, 2), learners=(3,))
    candidate.raw.campaign()
    assert [request.to for request in candidate.take()] == [2]
    candidate.step(Message(MessageType.MsgVoteResp, to=1, from_=3, term=1))
    assert candidate.role is StateType.StateCandidate
    candidate.step(Message(MessageType.MsgVoteResp, to=1, from_=2, term=1))
    assert candidate.role is StateType.StateLeader
