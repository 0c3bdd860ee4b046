"""Replication: proposals, appends, heartbeats and their answers, and what becomes committed
(behaviours of etcd-io/raft's raft_test.go).
"""

from __future__ import annotations

import pytest

from kubeproof.impl.raft import ConfState, Entry, HardState, Message, MessageType, Snapshot, StateType
from kubeproof.impl.raft.errors import ErrProposalDropped
from kubeproof.impl.raft.tracker import StateProbe, StateReplicate
from tests.impl.raft.network import Node, ack, cluster, entries_of, in_both_modes, make_node, node_in_role

MsgApp = MessageType.MsgApp
MsgAppResp = MessageType.MsgAppResp
MsgHeartbeat = MessageType.MsgHeartbeat
MsgHeartbeatResp = MessageType.MsgHeartbeatResp


def acknowledge(leader: Node, peer: int, index: int) -> list[Message]:
    """What the leader sends when a peer acknowledges its log up to `index`."""
    leader.step(Message(MsgAppResp, to=leader.id, from_=peer, term=leader.term, index=index))
    return leader.take()


# ---- proposals


@in_both_modes
@pytest.mark.parametrize(("new_leader", "terms"), [(None, [1, 1]), (2, [1, 1, 2, 2])], ids=["one leader", "two leaders"])
def test_log_replication(new_leader: int | None, terms: list[int], async_storage_writes: bool) -> None:
    net = cluster(3, async_storage_writes=async_storage_writes)
    net.campaign(1)
    net.propose(1, b"first")
    data = [b"first"]
    if new_leader is not None:
        net.campaign(new_leader)
        net.propose(new_leader, b"second")
        data.append(b"second")
    for node in net.nodes.values():
        assert node.terms() == terms
        assert node.commit == len(terms)
        assert node.data_applied() == data


def test_learner_log_replication() -> None:
    net = cluster(1, learners=(2,))
    net.campaign(1)
    net.beat(1)
    assert [net[member].raw.raft.is_learner for member in (1, 2)] == [False, True]
    net.propose(1, b"data")
    assert net[1].commit == net[2].commit == 2
    assert net[1].data_applied() == net[2].data_applied() == [b"data"]
    assert net[1].progress(2).match == net[2].last_index == 2


@pytest.mark.parametrize(
    ("size", "dead", "taken"),
    [(3, (), True), (3, (3,), True), (3, (2, 3), False), (4, (2, 3), False), (5, (2, 3), True)],
)
def test_proposal(size: int, dead: tuple[int, ...], taken: bool) -> None:
    net = cluster(size, dead=dead)
    net.campaign(1)
    if taken:
        net.propose(1, b"data")
    else:
        with pytest.raises(ErrProposalDropped):
            net.propose(1, b"data")
    for node in net.nodes.values():
        assert node.term == 1
        assert node.data_applied() == ([b"data"] if taken else [])


@pytest.mark.parametrize("dead", [(), (3,)])
def test_proposal_by_proxy(dead: tuple[int, ...]) -> None:
    net = cluster(3, dead=dead)
    net.campaign(1)
    net.delivered.clear()
    net.propose(2, b"data")
    assert net.delivered[0] == Message(MessageType.MsgProp, to=1, from_=2, entries=(Entry(0, 0, data=b"data"),))
    for node in net.nodes.values():
        assert node.entries() == [Entry(1, 1), Entry(1, 2, data=b"data")]
        assert (node.term, node.commit) == (1, 2)


# ---- what becomes committed


@pytest.mark.parametrize(
    ("older", "own", "matches", "commit"),
    [
        # alone
        ((), 1, (), 1),
        ((1,), 1, (), 2),
        # two of three decide
        ((1,), 1, (0, 0), 0),
        ((1,), 1, (1, 0), 0),
        ((1,), 1, (1, 1), 0),  # an entry of an older term
        ((1,), 1, (2, 0), 2),
        ((1,), 1, (1, 2), 2),
        ((1,), 2, (2, 3), 3),
        ((1,), 2, (2, 2), 2),
        ((1, 1), 1, (2, 2), 0),
        # three of four
        ((1,), 1, (2, 0, 0), 0),
        ((1,), 1, (2, 1, 1), 0),
        ((1,), 1, (2, 2, 0), 2),
        ((1,), 2, (3, 2, 1), 2),
        # three of five
        ((1,), 3, (4, 0, 0, 0), 0),
        ((1,), 3, (4, 3, 2, 1), 3),
        ((1,), 3, (1, 1, 4, 4), 4),
    ],
)
def test_commit(older: tuple[int, ...], own: int, matches: tuple[int, ...], commit: int) -> None:
    """A leader with `own` entries of its term behind `older` ones, and how far each of its peers has come."""
    leader = make_node(1, range(1, len(matches) + 2), terms=older, hard_state=HardState(term=1))
    leader.win_election()
    for _ in range(own - 1):
        leader.raw.propose(b"data")
    leader.take()
    for peer, match in enumerate(matches, 2):
        acknowledge(leader, peer, match)
    assert leader.terms() == [*older, *[2] * own]
    assert leader.commit == commit


@in_both_modes
def test_single_node_commit(async_storage_writes: bool) -> None:
    net = cluster(1, async_storage_writes=async_storage_writes)
    net.campaign(1)
    net.propose(1, b"first")
    net.propose(1, b"second")
    assert net[1].commit == 3
    assert net[1].data_applied() == [b"first", b"second"]


def test_single_node_commits_nothing_before_it_is_stored() -> None:
    leader = make_node(1)
    leader.become_leader()
    leader.raw.propose(b"data")
    ready = leader.raw.ready()
    assert (ready.committed_entries, leader.commit) == ((), 1)
    leader.handle(ready)
    assert leader.commit == 2


def test_cannot_commit_without_new_term_entry() -> None:
    net = cluster(5)
    net.campaign(1)
    for member in (3, 4, 5):
        net.cut(1, member)
    net.propose(1, b"first")
    net.propose(1, b"second")
    assert net[1].commit == 1

    net.recover()
    net.ignore(MsgApp)  # the new leader's empty entry gets lost
    net.campaign(2)
    assert (net[2].role, net[2].terms(), net[2].commit) == (StateType.StateLeader, [1, 1, 1, 2], 1)

    net.recover()
    net.beat(2)
    net.propose(2, b"third")
    assert net[2].commit == 5
    for node in net.nodes.values():
        assert node.terms() == [1, 1, 1, 2, 2]


def test_commit_without_new_term_entry() -> None:
    net = cluster(5)
    net.campaign(1)
    for member in (3, 4, 5):
        net.cut(1, member)
    net.propose(1, b"first")
    net.propose(1, b"second")
    assert net[1].commit == 1

    net.recover()
    net.campaign(2)
    for node in net.nodes.values():
        assert (node.term, node.commit) == (2, 4)
        assert node.data_applied() == [b"first", b"second"]


# ---- the follower


@pytest.mark.parametrize(
    ("prev", "entries", "leader_commit", "last_index", "commit", "reject"),
    [
        # the logs do not meet at prev
        ((3, 2), (), 3, 2, 0, True),
        ((3, 3), (), 3, 2, 0, True),
        # conflicts are overwritten, new entries appended
        ((1, 1), (), 1, 2, 1, False),
        ((0, 0), (2,), 1, 1, 1, False),
        ((2, 2), (2, 2), 3, 4, 3, False),
        ((2, 2), (2,), 4, 3, 3, False),
        ((1, 1), (2,), 4, 2, 2, False),
        # commit moves to min(the leader's, last new entry)
        ((1, 1), (), 3, 2, 1, False),
        ((1, 1), (2,), 3, 2, 2, False),
        ((2, 2), (), 3, 2, 2, False),
        ((2, 2), (), 4, 2, 2, False),
    ],
)
def test_handle_msg_app(
    prev: tuple[int, int], entries: tuple[int, ...], leader_commit: int, last_index: int, commit: int, reject: bool
) -> None:
    follower = make_node(1, voters=(1, 2), terms=(1, 2), hard_state=HardState(term=2))
    term, index = prev
    follower.step(Message(MsgApp, 1, 2, 2, term, index, entries_of(entries, index + 1), leader_commit))
    assert (follower.last_index, follower.commit) == (last_index, commit)
    [answer] = follower.take()
    assert (answer.type, answer.to, answer.term, answer.reject) == (MsgAppResp, 2, 2, reject)
    assert answer.index == (index if reject else index + len(entries))


@pytest.mark.parametrize(("leader_commit", "commit"), [(3, 3), (2, 2), (1, 2)])
def test_handle_heartbeat(leader_commit: int, commit: int) -> None:
    follower = make_node(1, voters=(1, 2), terms=(1, 2, 3), hard_state=HardState(term=3, commit=2))
    follower.step(Message(MsgHeartbeat, to=1, from_=2, term=3, commit=leader_commit))
    assert follower.commit == commit
    assert follower.take() == [Message(MsgHeartbeatResp, to=2, from_=1, term=3)]


def test_old_messages() -> None:
    net = cluster(3)
    for leader in (1, 2, 1):
        net.campaign(leader)
    stale = Message(MsgApp, to=1, from_=2, term=2, log_term=2, index=2, entries=entries_of((2,), 3))
    net.inject(stale)
    net.propose(1, b"data")
    for node in net.nodes.values():
        assert node.entries() == [*entries_of((1, 2, 3)), Entry(3, 4, data=b"data")]
        assert node.commit == 4


# ---- the leader


def test_step_ignore_old_term_msg() -> None:
    leader = make_node(1, voters=(1, 2, 3), hard_state=HardState(term=1))
    leader.become_leader()
    leader.raw.propose(b"data")
    leader.take()
    leader.step(Message(MsgAppResp, to=1, from_=2, term=1, index=2))
    assert (leader.progress(2).match, leader.commit) == (1, 1)
    leader.step(Message(MsgAppResp, to=1, from_=2, term=2, index=2))
    assert (leader.progress(2).match, leader.commit) == (2, 2)


def test_handle_heartbeat_resp() -> None:
    leader = make_node(1, voters=(1, 2), terms=(1, 2, 3), hard_state=HardState(term=3, commit=3))
    [append] = leader.win_election()
    answer = Message(MsgHeartbeatResp, to=1, from_=2, term=4)
    for _ in range(2):  # the append may have got lost
        leader.step(answer)
        assert leader.take() == [append]
    leader.step(ack(append))
    leader.take()
    leader.step(answer)
    assert leader.take() == []


@pytest.mark.parametrize(
    ("index", "hint", "progress", "commit", "sent"),
    [
        (2, 2, (0, 2), 0, None),  # rejects what was not asked
        (1, 0, (0, 1), 0, (0, 3)),  # go back, probe again
        (0, None, (0, 4), 0, (0, 3)),  # the probe is answered, if only by where the peer began
        (1, None, (1, 4), 0, (1, 2)),  # an entry of an older term is not committed
        (2, None, (2, 4), 2, (2, 1)),
        (3, None, (3, 4), 3, (3, 0)),  # only news of the commit
    ],
)
def test_leader_app_resp(
    index: int, hint: int | None, progress: tuple[int, int], commit: int, sent: tuple[int, int] | None
) -> None:
    """A leader with the log 1, 2, 2 has probed with index 1. `sent` is where an append begins and how many entries it has."""
    leader = make_node(1, voters=(1, 2, 3), terms=(1,), hard_state=HardState(term=1))
    leader.win_election()
    leader.raw.propose(b"data")
    assert leader.take() == []
    leader.step(Message(MsgAppResp, to=1, from_=2, term=2, index=index, reject=hint is not None, reject_hint=hint or 0))
    assert (leader.progress(2).match, leader.progress(2).next) == progress
    assert leader.commit == commit
    if sent is None:
        assert leader.take() == []
        return
    prev, count = sent
    entries = tuple(leader.entries()[prev : prev + count])
    prev_term = (0, 1, 2, 2)[prev]
    assert leader.take() == [Message(MsgApp, 2, 1, 2, prev_term, prev, entries, commit)]


def test_leader_app_resp_rejects_what_was_sent_ahead() -> None:
    leader = make_node(1, voters=(1, 2, 3))
    leader.become_leader()
    leader.raw.propose(b"first")
    leader.raw.propose(b"second")
    leader.take()
    assert (leader.progress(2).state, leader.progress(2).next) == (StateReplicate, 4)
    leader.step(Message(MsgAppResp, to=1, from_=2, term=1, index=2, reject=True, log_term=1, reject_hint=1))
    [append] = leader.take()
    assert (append.index, len(append.entries)) == (1, 2)
    progress = leader.progress(2)
    assert (progress.state, progress.match, progress.next) == (StateProbe, 1, 2)


def test_msg_app_resp_wait_reset() -> None:
    leader = make_node(1, voters=(1, 2, 3))
    _, to_third = leader.win_election()
    assert acknowledge(leader, 2, 1) == [Message(MsgApp, to=2, from_=1, term=1, log_term=1, index=1, commit=1)]

    leader.raw.propose(b"data")
    entry = Entry(1, 2, data=b"data")
    append = Message(MsgApp, from_=1, term=1, log_term=1, index=1, entries=(entry,), commit=1)
    assert leader.take() == [append._replace(to=2)]  # the third one still owes an answer
    leader.step(ack(to_third))
    assert leader.take() == [append._replace(to=3)]


def test_bcast_beat() -> None:
    offset = 1000
    snapshot = Snapshot(offset, 1, ConfState(voters=(1, 2, 3)), b"state")
    leader = make_node(1, snapshot=snapshot, hard_state=HardState(term=1, commit=offset))
    leader.win_election()
    for _ in range(10):
        leader.raw.propose(b"data")
    leader.take()
    acknowledge(leader, 2, offset + 5)
    acknowledge(leader, 3, offset + 11)
    assert leader.commit == offset + 11
    leader.tick()
    assert leader.take() == [
        Message(MsgHeartbeat, to=2, from_=1, term=2, commit=offset + 5),
        Message(MsgHeartbeat, to=3, from_=1, term=2, commit=offset + 11),
    ]


@pytest.mark.parametrize("role", list(StateType))
def test_recv_msg_beat(role: StateType) -> None:
    node = node_in_role(role)
    node.raw.raft.step(Message(MessageType.MsgBeat, from_=1))
    kinds = [(message.type, message.to) for message in node.take()]
    assert kinds == ([(MsgHeartbeat, 2), (MsgHeartbeat, 3)] if role is StateType.StateLeader else [])


@pytest.mark.parametrize(("probing", "following"), [(False, 4), (True, 3)])
def test_leader_increase_next(probing: bool, following: int) -> None:
    leader = make_node(1, voters=(1, 2), terms=(1, 1), hard_state=HardState(term=1))
    [append] = leader.win_election()
    if not probing:
        leader.step(ack(append))
        leader.take()
    assert leader.progress(2).next == following
    leader.raw.propose(b"data")
    assert leader.progress(2).next == (following if probing else following + 1)
    assert leader.progress(2).state is (StateProbe if probing else StateReplicate)


# ---- where two logs meet


@pytest.mark.parametrize(
    ("leader_log", "follower_log", "hint", "probe"),
    [
        # (term, index) of the follower's hint: its last entry with a term up to that of the leader's last entry;
        # of the leader's next probe: its last entry with a term up to that of the hint
        ((1, 2, 2, 4, 4, 4, 4), (1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3), (3, 7), (2, 3)),
        ((1, 2, 2, 3, 4, 4, 4, 5), (1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3), (3, 8), (3, 4)),
        ((1, 1, 1, 1), (1, 2, 2, 4), (1, 1), (1, 1)),
        ((1, 1, 1, 1, 1, 1), (1, 2, 2, 4), (1, 1), (1, 1)),
        ((1, 1, 1, 1), (1, 2, 2, 4, 4, 4), (1, 1), (1, 1)),
        ((1, 1, 1, 4, 5), (1, 1, 1, 4), (4, 4), (4, 4)),
        ((2, 5, 5, 5, 5, 5, 5, 5), (2, 4, 4, 4, 4, 4), (4, 6), (2, 1)),
        ((2, 2, 2, 2, 2), (2, 4, 4, 4, 4, 4, 4), (2, 1), (2, 1)),
    ],
)
def test_fast_log_rejection(
    leader_log: tuple[int, ...], follower_log: tuple[int, ...], hint: tuple[int, int], probe: tuple[int, int]
) -> None:
    leader = make_node(1, (1, 2, 3), terms=leader_log, hard_state=HardState(term=leader_log[-1]))
    follower = make_node(2, (1, 2, 3), terms=follower_log, hard_state=HardState(term=follower_log[-1]))
    if leader.term < follower.term:
        leader.follow(3, follower.term)  # or the follower would not listen to it
    append, _ = leader.win_election()
    assert (append.log_term, append.index) == (leader_log[-1], len(leader_log))

    follower.step(append)
    [rejection] = follower.take()
    assert (rejection.reject, rejection.index) == (True, len(leader_log))
    assert (rejection.log_term, rejection.reject_hint) == hint

    leader.step(rejection)
    [next_append] = leader.take()
    assert (next_append.log_term, next_append.index) == probe
    assert leader.progress(2).next == probe[1] + 1
    follower.step(next_append)
    [answer] = follower.take()
    assert (answer.reject, answer.index) == (False, len(leader_log) + 1)
    assert follower.entries() == leader.entries()


def test_fast_log_rejection_without_a_term_for_the_hint() -> None:
    """The follower has compacted what it has not committed: that must not happen, and then the leader goes back one by one."""
    leader = make_node(1, (1, 2, 3), terms=(1, 1, 3), hard_state=HardState(term=3))
    follower = make_node(2, (1, 2, 3), terms=(1, 1, 3, 3, 3), hard_state=HardState(term=3))
    follower.storage.compact(5)
    append, _ = leader.win_election()
    for prev, prev_term in ((3, 3), (2, 1), (1, 1)):
        assert (append.log_term, append.index) == (prev_term, prev)
        follower.step(append)
        rejection = Message(MsgAppResp, to=1, from_=2, term=4, index=prev, reject=True, reject_hint=prev)
        assert follower.take() == [rejection]
        leader.step(rejection)
        [append] = leader.take()
    assert (append.log_term, append.index) == (0, 0)


def test_log_replication_with_reordered_message() -> None:
    net = cluster(2)
    net.campaign(1)
    leader, follower = net[1], net[2]
    leader.raw.propose(b"first")
    leader.raw.propose(b"second")
    first, second = leader.take()
    follower.step(second)
    [rejection] = follower.take()
    assert (rejection.reject, rejection.index, rejection.reject_hint) == (True, 2, 1)

    follower.step(first)
    [answer] = follower.take()
    leader.step(answer)
    leader.take()
    assert (leader.progress(2).match, leader.progress(2).next) == (2, 4)
    leader.step(rejection)  # what it rejects is acknowledged meanwhile
    assert (leader.progress(2).match, leader.progress(2).next) == (2, 4)

    leader.raw.report_unreachable(2)
    assert (leader.progress(2).state, leader.progress(2).next) == (StateProbe, 3)
    leader.step(rejection)  # looks like the answer to the probe
    assert (leader.progress(2).match, leader.progress(2).next) == (2, 3)
    net.settle()
    assert follower.data_applied() == [b"first", b"second"]
