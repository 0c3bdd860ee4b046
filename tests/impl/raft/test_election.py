"""Elections: who wins, who steps down, who may vote, campaign or change role
(behaviours of etcd-io/raft's raft_test.go).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from kubeproof.impl.raft import Entry, HardState, Message, MessageType, Snapshot, StateType
from kubeproof.impl.raft.confchange import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeType,
    ConfChangeV2,
    encode_conf_change,
)
from kubeproof.impl.raft.errors import RaftPanic
from kubeproof.impl.raft.raft import Raft
from tests.impl.raft.network import (
    ELECTION_TICK,
    Network,
    Node,
    ack,
    cluster,
    entries_of,
    in_both_modes,
    make_node,
    node_in_role,
)

FOLLOWER = StateType.StateFollower
CANDIDATE = StateType.StateCandidate
PRE_CANDIDATE = StateType.StatePreCandidate
LEADER = StateType.StateLeader
ROLES = (FOLLOWER, CANDIDATE, PRE_CANDIDATE, LEADER)

with_and_without_pre_vote = pytest.mark.parametrize("pre_vote", [False, True], ids=["vote", "pre-vote"])


def roles_and_terms(net: Network) -> list[tuple[StateType, int]]:
    return [(net[member].role, net[member].term) for member in sorted(net.nodes)]


# ---- winning and losing


@with_and_without_pre_vote
@pytest.mark.parametrize(
    ("size", "dead", "isolated", "wins"),
    [
        (3, (), (), True),
        (3, (3,), (), True),
        (3, (), (3,), True),
        (3, (2, 3), (), False),
        (3, (3,), (2,), False),
        (4, (2, 3), (), False),
        (5, (2, 3), (), True),
        (5, (2,), (3, 4), False),
    ],
)
def test_leader_election(size: int, dead: tuple[int, ...], isolated: tuple[int, ...], wins: bool, pre_vote: bool) -> None:
    net = cluster(size, dead=dead, pre_vote=pre_vote)
    for member in isolated:
        net.isolate(member)
    net.campaign(1)
    if wins:
        assert (net[1].soft_state, net[1].term) == ((1, LEADER), 1)
    elif pre_vote:
        assert (net[1].soft_state, net[1].term) == ((0, PRE_CANDIDATE), 0)
    else:
        assert (net[1].soft_state, net[1].term) == ((0, CANDIDATE), 1)


@with_and_without_pre_vote
def test_leader_election_is_lost_to_longer_logs(pre_vote: bool) -> None:
    logs: Sequence[Sequence[int]] = ((), (1,), (1,), (1, 1), ())
    net = Network(
        make_node(member, range(1, 6), terms=terms, hard_state=HardState(term=1 if terms else 0), pre_vote=pre_vote)
        for member, terms in enumerate(logs, 1)
    )
    net.campaign(1)
    assert (net[1].soft_state, net[1].term) == ((0, FOLLOWER), 1)


@with_and_without_pre_vote
def test_leader_cycle(pre_vote: bool) -> None:
    net = cluster(3, pre_vote=pre_vote)
    for term, campaigner in enumerate((1, 2, 3, 1), 1):
        net.campaign(campaigner)
        assert roles_and_terms(net) == [(LEADER if member == campaigner else FOLLOWER, term) for member in (1, 2, 3)]
        assert [net[member].lead for member in (1, 2, 3)] == [campaigner] * 3


@with_and_without_pre_vote
def test_leader_election_overwrite_newer_logs(pre_vote: bool) -> None:
    """Node 3 won term 2 by the votes of 4 and 5, and nobody got its entry: it is not committed and may go."""

    def member(node_id: int, terms: Sequence[int], term: int, vote: int = 0) -> Node:
        return make_node(node_id, range(1, 6), terms=terms, hard_state=HardState(term=term, vote=vote), pre_vote=pre_vote)

    net = Network([member(1, (1,), 1), member(2, (1,), 1), member(3, (2,), 2, 3), member(4, (), 2, 3), member(5, (), 2, 3)])
    net.campaign(1)
    assert (net[1].role, net[1].term) == (FOLLOWER, 2)

    net.campaign(1)
    assert (net[1].role, net[1].term) == (LEADER, 3)
    assert [net[node_id].terms() for node_id in range(1, 6)] == [[1, 3]] * 5


def test_dueling_candidates() -> None:
    net = cluster(3)
    net.cut(1, 3)
    net.campaign(1)
    net.campaign(3)
    assert roles_and_terms(net) == [(LEADER, 1), (FOLLOWER, 1), (CANDIDATE, 1)]

    net.recover()
    net.campaign(3)  # its log is too short to win, but its term is high enough to depose
    assert roles_and_terms(net) == [(FOLLOWER, 2), (FOLLOWER, 2), (FOLLOWER, 2)]
    assert [net[member].terms() for member in (1, 2, 3)] == [[1], [1], []]
    assert [net[member].commit for member in (1, 2, 3)] == [1, 1, 0]


def test_dueling_pre_candidates() -> None:
    net = cluster(3, pre_vote=True)
    net.cut(1, 3)
    net.campaign(1)
    net.campaign(3)
    assert roles_and_terms(net) == [(LEADER, 1), (FOLLOWER, 1), (FOLLOWER, 1)]

    net.recover()
    net.campaign(3)
    assert roles_and_terms(net) == [(LEADER, 1), (FOLLOWER, 1), (FOLLOWER, 1)]
    assert [net[member].terms() for member in (1, 2, 3)] == [[1], [1], []]


def test_candidate_concede() -> None:
    net = cluster(3)
    net.isolate(1)
    net.campaign(1)
    net.campaign(3)
    assert roles_and_terms(net) == [(CANDIDATE, 1), (FOLLOWER, 1), (LEADER, 1)]

    net.recover()
    net.beat(3)
    assert (net[1].soft_state, net[1].term) == ((3, FOLLOWER), 1)
    net.propose(3, b"force follower")
    assert [net[member].data_applied() for member in (1, 2, 3)] == [[b"force follower"]] * 3
    assert {net[member].last_index for member in (1, 2, 3)} == {2}


def become_leader_alone(pre_vote: bool) -> None:
    net = cluster(1, pre_vote=pre_vote)
    net.campaign(1)
    assert (net[1].soft_state, net[1].term, net[1].commit) == ((1, LEADER), 1, 1)
    assert net.delivered == []


def test_single_node_candidate() -> None:
    become_leader_alone(pre_vote=False)


def test_single_node_pre_candidate() -> None:
    become_leader_alone(pre_vote=True)


def campaign_again(pre_vote: bool) -> None:
    leader = make_node(1, voters=(1, 2, 3), pre_vote=pre_vote)
    leader.become_leader()
    leader.take()
    before = leader.raw.export_state()
    leader.raw.campaign()
    assert leader.role is LEADER
    assert leader.raw.export_state() == before


def test_campaign_while_leader() -> None:
    campaign_again(pre_vote=False)


def test_pre_campaign_while_leader() -> None:
    campaign_again(pre_vote=True)


# ---- when to campaign


@pytest.mark.parametrize(("elapsed", "campaigning"), [(5, 0), (9, 0), (10, 1), (13, 4), (15, 6), (18, 9), (19, 10), (20, 10)])
def test_past_election_timeout(elapsed: int, campaigning: int) -> None:
    """Of the ten timeouts that may be drawn, so many are over."""
    nodes = [
        make_node(1, voters=(1, 2), draw_election_timeout=lambda election_tick, extra=extra: election_tick + extra)
        for extra in range(ELECTION_TICK)
    ]
    for node in nodes:
        node.tick(elapsed)
    assert sum(node.role is CANDIDATE for node in nodes) == campaigning


@pytest.mark.parametrize("kind", [MessageType.MsgApp, MessageType.MsgHeartbeat])
def test_election_waits_while_the_leader_is_heard(kind: MessageType) -> None:
    follower = node_in_role(FOLLOWER)
    for _ in range(3):
        follower.tick(ELECTION_TICK - 1)
        follower.step(Message(kind, to=1, from_=2, term=1))
    follower.tick(ELECTION_TICK - 1)
    assert follower.role is FOLLOWER
    follower.tick()
    assert follower.role is CANDIDATE


@pytest.mark.parametrize(
    ("voters", "learners", "role"),
    [
        ((1,), (), LEADER),
        ((1, 2, 3), (), CANDIDATE),
        ((), (), FOLLOWER),
        ((2, 3), (), FOLLOWER),
        ((2, 3), (1,), FOLLOWER),
    ],
)
def test_promotable(voters: tuple[int, ...], learners: tuple[int, ...], role: StateType) -> None:
    node = make_node(1, voters, learners)
    node.tick(ELECTION_TICK)
    node.take()
    assert node.role is role


def test_promotable_only_after_a_snapshot_is_stored() -> None:
    node = make_node(1, voters=(1, 2, 3))
    node.step(Message(MessageType.MsgSnap, to=1, from_=2, term=1, snapshot=Snapshot(9, 1, node.conf_state)))
    node.tick(2 * ELECTION_TICK)
    assert node.role is FOLLOWER
    node.take()
    node.tick()
    assert (node.role, node.term) == (CANDIDATE, 2)


def campaign_with_unapplied_change(change: ConfChange | ConfChangeV2) -> None:
    follower = make_node(2, voters=(1, 2, 3))
    kind, data = encode_conf_change(change)
    follower.step(Message(MessageType.MsgApp, to=2, from_=1, term=1, entries=(Entry(1, 1, kind, data), Entry(1, 2)), commit=1))
    assert follower.commit == 1
    follower.raw.campaign()
    assert (follower.role, follower.term) == (FOLLOWER, 1)
    follower.step(Message(MessageType.MsgTimeoutNow, to=2, from_=1, term=1))
    assert (follower.role, follower.term) == (FOLLOWER, 1)
    follower.tick(ELECTION_TICK)
    assert (follower.role, follower.term) == (FOLLOWER, 1)

    follower.take()
    assert follower.conf_state.voters == (1, 2)
    follower.raw.campaign()
    assert (follower.role, follower.term) == (CANDIDATE, 2)
    assert [request.to for request in follower.take()] == [1]


def test_conf_change_check_before_campaign() -> None:
    campaign_with_unapplied_change(ConfChange(ConfChangeType.ConfChangeRemoveNode, 3))


def test_conf_change_v2_check_before_campaign() -> None:
    campaign_with_unapplied_change(ConfChangeV2(changes=(ConfChangeSingle(ConfChangeType.ConfChangeRemoveNode, 3),)))


# ---- voting


@pytest.mark.parametrize("role", ROLES)
def test_vote_from_any_state(role: StateType) -> None:
    node = node_in_role(role)
    term = node.term + 1
    node.step(Message(MessageType.MsgVote, to=1, from_=2, term=term, log_term=term, index=42))
    assert node.take() == [Message(MessageType.MsgVoteResp, to=2, from_=1, term=term)]
    assert (node.soft_state, node.term, node.vote) == ((0, FOLLOWER), term, 2)


@pytest.mark.parametrize("role", ROLES)
def test_pre_vote_from_any_state(role: StateType) -> None:
    node = node_in_role(role)
    before = node.soft_state, node.term, node.vote
    term = node.term + 1
    node.step(Message(MessageType.MsgPreVote, to=1, from_=2, term=term, log_term=term, index=42))
    assert node.take() == [Message(MessageType.MsgPreVoteResp, to=2, from_=1, term=term)]
    assert (node.soft_state, node.term, node.vote) == before


VOTE_TABLE = [
    # role, (term, index) of the candidate's last entry, voted for, rejected
    *[(FOLLOWER, (term, index), 0, True) for index in (0, 1) for term in (0, 1, 2)],
    *[(FOLLOWER, (term, index), 0, True) for index in (2, 3) for term in (0, 1)],
    *[(FOLLOWER, (2, index), 0, False) for index in (2, 3)],
    *[(FOLLOWER, (3, index), 0, False) for index in (0, 1, 2, 3)],
    (FOLLOWER, (2, 3), 2, False),
    (FOLLOWER, (2, 1), 2, True),
    (FOLLOWER, (2, 3), 3, True),
    (CANDIDATE, (3, 3), 1, True),
    (PRE_CANDIDATE, (3, 3), 1, True),
    (LEADER, (3, 3), 1, True),
]


def answer_vote_request(kind: MessageType, role: StateType, last: tuple[int, int], voted: int, reject: bool) -> None:
    """A request of the node's own term; the last entry of its log is (2, 2)."""
    node = make_node(1, (1, 2, 3), terms=(2, 2), hard_state=HardState(term=3, vote=voted), pre_vote=role is PRE_CANDIDATE)
    if role is CANDIDATE:
        node.become_candidate()
    elif role is PRE_CANDIDATE:
        node.raw.campaign()
        node.take()
    elif role is LEADER:
        node.win_election()
    node.step(Message(kind, to=1, from_=2, term=node.term, log_term=last[0], index=last[1]))
    real = kind is MessageType.MsgVote
    response = MessageType.MsgVoteResp if real else MessageType.MsgPreVoteResp
    assert node.take() == [Message(response, to=2, from_=1, term=node.term, reject=reject)]
    assert node.role is role
    assert node.vote == (2 if real and not reject else voted)


@pytest.mark.parametrize(("role", "last", "voted", "reject"), VOTE_TABLE)
def test_recv_msg_vote(role: StateType, last: tuple[int, int], voted: int, reject: bool) -> None:
    answer_vote_request(MessageType.MsgVote, role, last, voted, reject)


@pytest.mark.parametrize(("role", "last", "voted", "reject"), VOTE_TABLE)
def test_recv_msg_pre_vote(role: StateType, last: tuple[int, int], voted: int, reject: bool) -> None:
    answer_vote_request(MessageType.MsgPreVote, role, last, voted, reject)


def test_follower_that_knows_the_leader_votes_for_nobody_in_its_term() -> None:
    node = node_in_role(FOLLOWER)
    node.step(Message(MessageType.MsgVote, to=1, from_=3, term=1, log_term=1, index=42))
    assert node.take() == [Message(MessageType.MsgVoteResp, to=3, from_=1, term=1, reject=True)]


# ---- changing roles

MOVES: dict[StateType, Callable[[Raft], None]] = {
    FOLLOWER: lambda raft: raft.become_follower(raft.term + 1, 0),
    CANDIDATE: Raft.become_candidate,
    PRE_CANDIDATE: Raft.become_pre_candidate,
    LEADER: Raft.become_leader,
}


@pytest.mark.parametrize(
    ("before", "after", "terms_later", "lead"),
    [
        (FOLLOWER, FOLLOWER, 1, 0),
        (FOLLOWER, PRE_CANDIDATE, 0, 0),
        (FOLLOWER, CANDIDATE, 1, 0),
        (PRE_CANDIDATE, FOLLOWER, 1, 0),
        (PRE_CANDIDATE, PRE_CANDIDATE, 0, 0),
        (PRE_CANDIDATE, CANDIDATE, 1, 0),
        (PRE_CANDIDATE, LEADER, 0, 1),
        (CANDIDATE, FOLLOWER, 1, 0),
        (CANDIDATE, PRE_CANDIDATE, 0, 0),
        (CANDIDATE, CANDIDATE, 1, 0),
        (CANDIDATE, LEADER, 0, 1),
        (LEADER, FOLLOWER, 1, 0),
        (LEADER, LEADER, 0, 1),
    ],
)
def test_state_transition(before: StateType, after: StateType, terms_later: int, lead: int) -> None:
    node = node_in_role(before)
    term = node.term
    MOVES[after](node.raw.raft)
    assert (node.soft_state, node.term) == ((lead, after), term + terms_later)


@pytest.mark.parametrize(("before", "after"), [(FOLLOWER, LEADER), (LEADER, CANDIDATE), (LEADER, PRE_CANDIDATE)])
def test_state_transition_that_must_not_happen(before: StateType, after: StateType) -> None:
    node = node_in_role(before)
    with pytest.raises(RaftPanic, match="invalid transition"):
        MOVES[after](node.raw.raft)
    assert node.role is before


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("kind", "lead"), [(MessageType.MsgVote, 0), (MessageType.MsgApp, 2)])
def test_all_server_stepdown(role: StateType, kind: MessageType, lead: int) -> None:
    node = node_in_role(role)
    log = node.entries()
    node.step(Message(kind, to=1, from_=2, term=3, log_term=3))
    assert (node.soft_state, node.term) == ((lead, FOLLOWER), 3)
    assert node.entries() == log == list(entries_of((2,) if role is LEADER else ()))


def candidate_meets_leader(kind: MessageType) -> None:
    net = cluster(3)
    net.campaign(1)
    net.isolate(3)
    net.campaign(2)
    net.campaign(1)
    net.tick(3, ELECTION_TICK)
    assert roles_and_terms(net) == [(LEADER, 3), (FOLLOWER, 3), (CANDIDATE, 2)]

    net.recover()
    net.inject(Message(kind, to=3, from_=1, term=3))
    assert roles_and_terms(net) == [(LEADER, 3), (FOLLOWER, 3), (FOLLOWER, 3)]
    assert (net[3].lead, net[3].vote) == (1, 0)


def test_candidate_reset_term_msg_heartbeat() -> None:
    candidate_meets_leader(MessageType.MsgHeartbeat)


def test_candidate_reset_term_msg_app() -> None:
    candidate_meets_leader(MessageType.MsgApp)


# ---- a node's own votes and acknowledgements, which come back late


@in_both_modes
@with_and_without_pre_vote
def test_candidate_self_vote_after_lost_election(pre_vote: bool, async_storage_writes: bool) -> None:
    node = make_node(1, voters=(1, 2, 3), pre_vote=pre_vote, async_storage_writes=async_storage_writes)
    node.raw.campaign()
    own_vote = node.raw.ready()
    node.step(Message(MessageType.MsgHeartbeat, to=1, from_=2, term=1))
    assert node.role is FOLLOWER
    node.handle(own_vote)
    assert (node.soft_state, node.term, node.raw.raft.tracker.votes) == ((2, FOLLOWER), 1, {})


@in_both_modes
def test_candidate_delivers_pre_candidate_self_vote_after_becoming_candidate(async_storage_writes: bool) -> None:
    node = make_node(1, voters=(1, 2, 3), pre_vote=True, async_storage_writes=async_storage_writes)
    node.raw.campaign()
    own_pre_vote = node.raw.ready()
    assert node.role is PRE_CANDIDATE
    for peer in (2, 3):
        node.step(Message(MessageType.MsgPreVoteResp, to=1, from_=peer, term=1))
    assert node.role is CANDIDATE
    node.handle(own_pre_vote)
    assert (node.role, node.raw.raft.tracker.votes) == (CANDIDATE, {})

    node.step(Message(MessageType.MsgVoteResp, to=1, from_=2, term=1))
    assert node.role is CANDIDATE
    node.take()  # its own vote
    assert node.role is LEADER


@in_both_modes
def test_leader_msg_app_self_ack_after_term_change(async_storage_writes: bool) -> None:
    leader = make_node(1, voters=(1, 2, 3), async_storage_writes=async_storage_writes)
    leader.become_leader()
    leader.raw.propose(b"data")
    own_ack = leader.raw.ready()
    append = Message(MessageType.MsgApp, to=2, from_=1, term=1, log_term=1, index=1, entries=entries_of((1,), 2))
    leader.step(ack(append))  # with the leader's own, that would be a majority
    leader.step(Message(MessageType.MsgHeartbeat, to=1, from_=2, term=2))
    leader.handle(own_ack)
    assert (leader.soft_state, leader.term, leader.commit) == ((2, FOLLOWER), 2, 1)
