"""PreVote: asking whether an election could be won before disturbing anybody with a higher term
(behaviours of etcd-io/raft's raft_test.go; Raft thesis section 9.6).
"""

from __future__ import annotations

import pytest

from kubeproof.impl.raft import HardState, MessageType, StateType
from tests.impl.raft.network import Network, cluster, make_node


@pytest.mark.parametrize("candidates", [(1,), (3, 1)])
def test_node_with_smaller_term_can_complete_election(candidates: tuple[int, ...]) -> None:
    net = cluster(3, pre_vote=True, hard_state=HardState(term=1))
    net.isolate(3)
    net.campaign(1)
    net.campaign(3)
    net.campaign(2)
    assert [(net[member].role, net[member].term) for member in (1, 2, 3)] == [
        (StateType.StateFollower, 3),
        (StateType.StateLeader, 3),
        (StateType.StatePreCandidate, 1),
    ]

    net.recover()
    net.isolate(2)
    for candidate in candidates:
        net.campaign(candidate)
    assert (net[1].role, net[1].term) == (StateType.StateLeader, 4)
    assert (net[3].soft_state, net[3].term) == ((1, StateType.StateFollower), 4)


def test_pre_vote_with_split_vote() -> None:
    net = cluster(3, pre_vote=True)
    net.campaign(1)
    net.isolate(1)
    for candidate in (2, 3):
        net[candidate].raw.campaign()
    net.settle()
    for candidate in (2, 3):
        assert (net[candidate].role, net[candidate].term) == (StateType.StateCandidate, 2)

    net.campaign(2)
    assert (net[2].role, net[2].term) == (StateType.StateLeader, 3)
    assert (net[3].role, net[3].term) == (StateType.StateFollower, 3)


def test_pre_vote_with_check_quorum() -> None:
    net = cluster(3, pre_vote=True, check_quorum=True)
    net.campaign(1)
    assert [net[member].lead for member in (1, 2, 3)] == [1, 1, 1]

    net.isolate(1)
    net.campaign(3)  # the other follower still trusts the leader
    assert (net[2].role, net[3].role) == (StateType.StateFollower, StateType.StatePreCandidate)
    net.campaign(2)  # the pre-candidate does not
    assert (net[2].role, net[3].role) == (StateType.StateLeader, StateType.StateFollower)


def network_in_migration() -> Network:
    """PreVote is being rolled out: 1 leads 2 in term 1, and 3 comes back with term 3, a shorter log, and PreVote just enabled."""
    members = [make_node(member, voters=(1, 2, 3), pre_vote=member != 3) for member in (1, 2, 3)]
    net = Network(members)
    net.campaign(1)
    net.isolate(3)
    net.propose(1)
    net.campaign(3)
    net.campaign(3)
    assert [(net[member].role, net[member].term) for member in (1, 2, 3)] == [
        (StateType.StateLeader, 1),
        (StateType.StateFollower, 1),
        (StateType.StateCandidate, 3),
    ]
    net.nodes[3] = net[3].restarted(pre_vote=True)
    net.recover()
    return net


def test_pre_vote_migration_can_complete_election() -> None:
    net = network_in_migration()
    net.isolate(1)
    net.campaign(3)  # its log is too short
    assert (net[2].role, net[3].role) == (StateType.StateFollower, StateType.StatePreCandidate)
    net.campaign(2)  # its term is too low, of which it learns now
    assert (net[2].role, net[2].term, net[3].role) == (StateType.StateFollower, 3, StateType.StatePreCandidate)

    net.campaign(3)
    net.campaign(2)
    assert (net[2].role, net[2].term) == (StateType.StateLeader, 4)
    assert net[3].soft_state == (2, StateType.StateFollower)


def test_pre_vote_migration_with_free_stuck_pre_candidate() -> None:
    net = network_in_migration()
    for _ in range(2):
        net.campaign(3)
        assert [net[member].role for member in (1, 2, 3)] == [
            StateType.StateLeader,
            StateType.StateFollower,
            StateType.StatePreCandidate,
        ]
    net.beat(1)  # answered with the pre-candidate's term
    assert (net[1].role, net[1].term, net[3].term) == (StateType.StateFollower, 3, 3)

    net.campaign(1)
    assert (net[1].role, net[1].term) == (StateType.StateLeader, 4)
    assert net[3].last_index == net[1].last_index


def test_pre_vote_moves_nobodys_term() -> None:
    net = cluster(3, pre_vote=True)
    net.ignore(MessageType.MsgPreVoteResp)
    for _ in range(3):
        net.campaign(1)
    assert [(net[member].role, net[member].term, net[member].vote) for member in (1, 2, 3)] == [
        (StateType.StatePreCandidate, 0, 0),
        (StateType.StateFollower, 0, 0),
        (StateType.StateFollower, 0, 0),
    ]
    assert {message.term for message in net.delivered} == {1}
