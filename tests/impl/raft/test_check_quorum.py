"""CheckQuorum: a leader that a quorum does not hear steps down, and whoever hears a leader helps nobody to depose it
(behaviours of etcd-io/raft's raft_test.go; Raft thesis sections 4.2.3 and 6.2).
"""

from __future__ import annotations

import pytest

from kubeproof.impl.raft import ConfState, Message, MessageType, StateType
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeType
from tests.impl.raft.network import ELECTION_TICK, Network, Node, cluster, make_node


def longest_timeout(election_tick: int) -> int:
    """Leaves time between the end of a lease and a follower's own campaign."""
    return 2 * election_tick - 1


def heartbeat_answer(leader: Node, peer: int) -> Message:
    return Message(MessageType.MsgHeartbeatResp, to=leader.id, from_=peer, term=leader.term)


def end_lease(follower: Node) -> None:
    """Let a follower wait for its leader as long as a lease lasts."""
    for _ in range(ELECTION_TICK):
        follower.raw.tick()
    assert follower.role is StateType.StateFollower


def test_leader_stepdown_when_quorum_active() -> None:
    leader = make_node(1, voters=(1, 2, 3), check_quorum=True)
    leader.become_leader()
    for _ in range(3 * ELECTION_TICK):
        leader.step(heartbeat_answer(leader, 2))
        leader.raw.tick()
        leader.take()
        assert leader.role is StateType.StateLeader


def test_leader_stepdown_when_quorum_lost() -> None:
    leader = make_node(1, voters=(1, 2, 3), check_quorum=True)
    careless = make_node(1, voters=(1, 2, 3))
    for node in (leader, careless):
        node.win_election()
        for _ in range(ELECTION_TICK - 1):
            node.raw.tick()
        assert node.role is StateType.StateLeader
        node.raw.tick()
    assert (leader.role, leader.lead, leader.term) == (StateType.StateFollower, 0, 1)
    assert careless.role is StateType.StateLeader


@pytest.mark.parametrize(("active", "role"), [((2,), StateType.StateFollower), ((2, 3), StateType.StateLeader)])
def test_leader_stepdown_counts_who_was_heard_since_the_last_check(active: tuple[int, ...], role: StateType) -> None:
    leader = make_node(1, voters=(1, 2, 3, 4, 5), check_quorum=True)
    leader.become_leader()  # everybody was heard before the first check
    for _ in range(ELECTION_TICK):
        leader.raw.tick()
    assert leader.role is StateType.StateLeader
    for peer in active:
        leader.step(heartbeat_answer(leader, peer))
    for _ in range(ELECTION_TICK):
        leader.raw.tick()
    assert leader.role is role


def test_leader_superseding_with_check_quorum() -> None:
    net = cluster(3, check_quorum=True, draw_election_timeout=longest_timeout)
    net.campaign(1)
    assert [net[member].lead for member in (1, 2, 3)] == [1, 1, 1]

    net.campaign(3)
    assert net[3].role is StateType.StateCandidate
    assert (net[1].term, net[2].term) == (1, 1)

    end_lease(net[2])
    net.campaign(3)
    assert net[3].role is StateType.StateLeader
    assert net[1].soft_state == net[2].soft_state == (3, StateType.StateFollower)


def test_leader_election_with_check_quorum() -> None:
    net = cluster(3, check_quorum=True, draw_election_timeout=longest_timeout)
    net.campaign(1)  # nobody has heard a leader yet, so there is no lease to wait for
    assert (net[1].role, net[3].lead) == (StateType.StateLeader, 1)

    for _ in range(ELECTION_TICK):
        net[1].raw.tick()
    net[1].take()  # its heartbeats get lost
    end_lease(net[2])
    net.campaign(3)
    assert (net[1].role, net[3].role) == (StateType.StateFollower, StateType.StateLeader)


def test_free_stuck_candidate_with_check_quorum() -> None:
    net = cluster(3, check_quorum=True, draw_election_timeout=longest_timeout)
    net.campaign(1)
    net.isolate(1)
    for term in (2, 3):
        net.campaign(3)
        assert (net[2].role, net[2].term) == (StateType.StateFollower, 1)
        assert (net[3].role, net[3].term) == (StateType.StateCandidate, term)

    net.recover()
    net.beat(1)  # answered with the candidate's term
    assert (net[1].role, net[1].term) == (StateType.StateFollower, 3)
    net.campaign(3)
    assert net[3].role is StateType.StateLeader


def test_non_promotable_voter_with_check_quorum() -> None:
    leader = make_node(1, voters=(1, 2), check_quorum=True)
    uninformed = make_node(2, voters=(1,), check_quorum=True)  # does not know yet that it is a voter
    net = Network([leader, uninformed])
    net.tick(2, 2 * ELECTION_TICK)
    assert (uninformed.role, uninformed.term) == (StateType.StateFollower, 0)

    net.campaign(1)
    assert leader.role is StateType.StateLeader
    assert uninformed.soft_state == (1, StateType.StateFollower)


def test_disruptive_follower() -> None:
    net = cluster(3, check_quorum=True)
    net.campaign(1)
    slow = net[3]
    for _ in range(ELECTION_TICK - 1):
        slow.raw.tick()
    assert slow.role is StateType.StateFollower
    slow.raw.tick()
    assert [(net[member].role, net[member].term) for member in (1, 2, 3)] == [
        (StateType.StateLeader, 1),
        (StateType.StateFollower, 1),
        (StateType.StateCandidate, 2),
    ]

    slow.step(Message(MessageType.MsgHeartbeat, to=3, from_=1, term=1))  # comes too late
    [answer] = [message for message in slow.take() if message.type is MessageType.MsgAppResp]
    assert (answer.to, answer.term) == (1, 2)
    net[1].step(answer)
    assert [(net[member].role, net[member].term) for member in (1, 2, 3)] == [
        (StateType.StateFollower, 2),
        (StateType.StateFollower, 1),
        (StateType.StateCandidate, 2),
    ]


def test_disruptive_follower_pre_vote() -> None:
    net = cluster(3, check_quorum=True, pre_vote=True)
    net.campaign(1)
    net.isolate(3)
    for _ in range(3):
        net.propose(1)
    net.recover()
    net.campaign(3)
    assert [net[member].role for member in (1, 2, 3)] == [
        StateType.StateLeader,
        StateType.StateFollower,
        StateType.StatePreCandidate,
    ]
    assert {net[member].term for member in (1, 2, 3)} == {1}

    net.beat(1)
    assert net[1].role is StateType.StateLeader
    assert (net[3].soft_state, net[3].term) == ((1, StateType.StateFollower), 1)


def test_add_node_check_quorum() -> None:
    leader = make_node(1, check_quorum=True)
    leader.raw.campaign()
    leader.take()
    for _ in range(ELECTION_TICK - 1):
        leader.raw.tick()
    added = leader.raw.apply_conf_change(ConfChange(ConfChangeType.ConfChangeAddNode, 2))
    assert added == ConfState(voters=(1, 2))

    leader.raw.tick()  # the first check with the newcomer, who had no time to answer
    assert leader.role is StateType.StateLeader
    for _ in range(ELECTION_TICK - 1):
        leader.raw.tick()
    assert leader.role is StateType.StateLeader
    leader.raw.tick()
    assert leader.role is StateType.StateFollower
