"""What the Raft paper promises, section by section (5.1 to 5.4.2; behaviours of etcd-io/raft's raft_paper_test.go)."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from kubeproof.impl.raft import Entry, HardState, Message, MessageType, Snapshot, StateType
from tests.impl.raft.network import (
    ELECTION_TICK,
    Network,
    Node,
    ack,
    entries_of,
    make_node,
    node_in_role,
    vote,
)

FOLLOWER = StateType.StateFollower
CANDIDATE = StateType.StateCandidate
LEADER = StateType.StateLeader
MsgApp = MessageType.MsgApp
MsgAppResp = MessageType.MsgAppResp


# ---- 5.1: terms


def meet_append_of_next_term(role: StateType) -> None:
    node = node_in_role(role)
    term = node.term + 1
    node.step(Message(MsgApp, to=1, from_=3, term=term))
    assert (node.soft_state, node.term, node.vote) == ((3, FOLLOWER), term, 0)
    assert node.take() == [Message(MsgAppResp, to=3, from_=1, term=term)]


def test_follower_update_term_from_message() -> None:
    meet_append_of_next_term(FOLLOWER)


def test_candidate_update_term_from_message() -> None:
    meet_append_of_next_term(CANDIDATE)


def test_leader_update_term_from_message() -> None:
    meet_append_of_next_term(LEADER)


@pytest.mark.parametrize("role", [FOLLOWER, CANDIDATE, LEADER])
def test_reject_stale_term_message(role: StateType) -> None:
    node = make_node(1, voters=(1, 2, 3), hard_state=HardState(term=2))
    if role is FOLLOWER:
        node.follow(2, 2)
    elif role is CANDIDATE:
        node.become_candidate()
    else:
        node.become_leader()
    before = node.raw.export_state()
    for stale in (
        Message(MsgApp, to=1, from_=3, term=1, entries=entries_of((1,)), commit=1),
        Message(MsgAppResp, to=1, from_=3, term=1, reject=True),
        Message(MessageType.MsgVote, to=1, from_=3, term=1, log_term=1, index=9),
        Message(MessageType.MsgVoteResp, to=1, from_=3, term=1),
        Message(MessageType.MsgHeartbeat, to=1, from_=3, term=1),
        Message(MessageType.MsgSnap, to=1, from_=3, term=1, snapshot=Snapshot(9, 1, node.conf_state)),
        Message(MessageType.MsgTimeoutNow, to=1, from_=3, term=1),
    ):
        node.step(stale)
        assert node.raw.export_state() == before


# ---- 5.2: elections


def test_start_as_follower() -> None:
    node = make_node(1, voters=(1, 2, 3))
    assert (node.soft_state, node.term) == ((0, FOLLOWER), 0)
    assert not node.raw.has_ready()


def test_leader_bcast_beat() -> None:
    leader = make_node(1, voters=(1, 2, 3), heartbeat_tick=3)
    leader.become_leader()
    leader.raw.propose(b"data")
    to_second, _ = leader.take()
    leader.step(ack(to_second))
    leader.take()

    leader.tick(2)
    assert leader.take() == []
    leader.tick()
    assert leader.take() == [
        Message(MessageType.MsgHeartbeat, to=2, from_=1, term=1, commit=2),
        Message(MessageType.MsgHeartbeat, to=3, from_=1, term=1, commit=1),  # which has not got the second entry
    ]


def start_election_after_timeout(node: Node) -> None:
    term = node.term + 1
    role = node.role
    node.tick(ELECTION_TICK - 1)
    assert (node.role, node.term) == (role, term - 1)
    node.tick()
    assert (node.role, node.term, node.vote, node.lead) == (CANDIDATE, term, 1, 0)
    assert node.take() == [Message(MessageType.MsgVote, to=peer, from_=1, term=term) for peer in (2, 3)]


def test_follower_start_election() -> None:
    start_election_after_timeout(node_in_role(FOLLOWER))


def test_candidate_start_new_election() -> None:
    start_election_after_timeout(node_in_role(CANDIDATE))


@pytest.mark.parametrize(
    ("size", "granted", "rejected", "role"),
    [
        (1, (), (), LEADER),
        (3, (2, 3), (), LEADER),
        (3, (2,), (), LEADER),
        (5, (2, 3, 4, 5), (), LEADER),
        (5, (2, 3), (), LEADER),
        (5, (2, 3), (4, 5), LEADER),
        (3, (), (2, 3), FOLLOWER),
        (5, (), (2, 3, 4, 5), FOLLOWER),
        (5, (2,), (3, 4, 5), FOLLOWER),
        (3, (), (), CANDIDATE),
        (3, (), (2,), CANDIDATE),
        (4, (2,), (3,), CANDIDATE),
        (5, (2,), (), CANDIDATE),
        (5, (2,), (3, 4), CANDIDATE),
        (5, (), (2, 3), CANDIDATE),
    ],
)
def test_leader_election_in_one_round_rpc(
    size: int, granted: tuple[int, ...], rejected: tuple[int, ...], role: StateType
) -> None:
    node = make_node(1, voters=range(1, size + 1))
    node.raw.campaign()
    for request in node.take():
        if request.to in granted + rejected:
            node.step(vote(request, granted=request.to in granted))
    assert (node.role, node.term, node.vote) == (role, 1, 1)
    assert node.lead == (1 if role is LEADER else 0)


@pytest.mark.parametrize(
    ("voted", "candidate", "reject"),
    [(0, 2, False), (0, 3, False), (2, 2, False), (3, 3, False), (2, 3, True), (3, 2, True)],
)
def test_follower_vote(voted: int, candidate: int, reject: bool) -> None:
    node = make_node(1, voters=(1, 2, 3), hard_state=HardState(term=1, vote=voted))
    node.step(Message(MessageType.MsgVote, to=1, from_=candidate, term=1))
    assert node.take() == [Message(MessageType.MsgVoteResp, to=candidate, from_=1, term=1, reject=reject)]
    assert node.vote == (voted or candidate)


@pytest.mark.parametrize("ahead", [0, 1])
def test_candidate_fallback(ahead: int) -> None:
    node = node_in_role(CANDIDATE)
    term = node.term + ahead
    node.step(Message(MsgApp, to=1, from_=2, term=term))
    assert (node.soft_state, node.term) == ((2, FOLLOWER), term)


# ---- 5.2: randomised timeouts


def seeded_timeouts(seed: int) -> Callable[[int], int]:
    """Election timeouts as an application should draw them, the same in every run."""
    generator = random.Random(seed)
    return lambda election_tick: generator.randrange(election_tick, 2 * election_tick)


def wait_as_follower(node: Node, term: int) -> None:
    node.follow(9, term)


def wait_as_candidate(node: Node, _: int) -> None:
    node.become_candidate()


Wait = Callable[[Node, int], None]


def ticks_until_campaign(node: Node) -> int:
    for ticks in range(1, 3 * ELECTION_TICK):
        node.tick()
        if node.take():
            return ticks
    raise AssertionError("no campaign")


def election_timeouts_randomized(wait: Wait) -> None:
    node = make_node(1, voters=(1, 2, 3), draw_election_timeout=seeded_timeouts(1))
    timeouts = set()
    for _ in range(50 * ELECTION_TICK):
        wait(node, node.term + 1)
        timeouts.add(ticks_until_campaign(node))
    assert timeouts == set(range(ELECTION_TICK, 2 * ELECTION_TICK))


def election_timeouts_nonconflict(wait: Wait) -> None:
    draw, rounds, conflicts = seeded_timeouts(2), 1000, 0
    nodes = [make_node(member, voters=range(1, 6), draw_election_timeout=draw) for member in range(1, 6)]
    for _ in range(rounds):
        term = 1 + max(node.term for node in nodes)
        for node in nodes:
            wait(node, term)
        campaigning = 0
        while not campaigning:
            for node in nodes:
                node.tick()
                campaigning += bool(node.take())
        conflicts += campaigning > 1
    assert 0 < conflicts / rounds <= 0.3


def test_follower_election_timeout_randomized() -> None:
    election_timeouts_randomized(wait_as_follower)


def test_candidate_election_timeout_randomized() -> None:
    election_timeouts_randomized(wait_as_candidate)


def test_followers_election_timeout_nonconflict() -> None:
    election_timeouts_nonconflict(wait_as_follower)


def test_candidates_election_timeout_nonconflict() -> None:
    election_timeouts_nonconflict(wait_as_candidate)


# ---- 5.3: replication


def test_leader_start_replication() -> None:
    leader = make_node(1, voters=(1, 2, 3))
    leader.become_leader()
    leader.raw.propose(b"data")
    ready = leader.raw.ready()
    entry = Entry(1, 2, data=b"data")
    assert ready.entries == (entry,)
    assert ready.messages == tuple(
        Message(MsgApp, to=peer, from_=1, term=1, log_term=1, index=1, entries=(entry,), commit=1) for peer in (2, 3)
    )
    assert (leader.commit, leader.storage.last_index(), ready.committed_entries) == (1, 1, ())


def test_leader_commit_entry() -> None:
    leader = make_node(1, voters=(1, 2, 3))
    leader.become_leader()
    leader.raw.propose(b"data")
    leader.step(ack(leader.take()[0]))
    assert leader.commit == 2
    ready = leader.raw.ready()
    assert ready.committed_entries == (Entry(1, 2, data=b"data"),)
    assert ready.messages == tuple(Message(MsgApp, to=peer, from_=1, term=1, log_term=1, index=2, commit=2) for peer in (2, 3))


@pytest.mark.parametrize(
    ("size", "accepting", "committed"),
    [
        (1, (), True),
        (2, (), False),
        (2, (2,), True),
        (3, (), False),
        (3, (2,), True),
        (3, (2, 3), True),
        (4, (2,), False),
        (4, (2, 3), True),
        (5, (), False),
        (5, (2,), False),
        (5, (2, 3), True),
        (5, (2, 3, 4), True),
        (5, (2, 3, 4, 5), True),
    ],
)
def test_leader_acknowledge_commit(size: int, accepting: tuple[int, ...], committed: bool) -> None:
    leader = make_node(1, voters=range(1, size + 1))
    leader.become_leader()
    leader.take()
    leader.raw.propose(b"data")
    for append in leader.take():
        if append.to in accepting:
            leader.step(ack(append))
    leader.take()
    assert leader.commit == (2 if committed else 1)
    assert leader.data_applied() == ([b"data"] if committed else [])


@pytest.mark.parametrize("terms", [(), (2,), (1, 2), (1,)])
def test_leader_commit_preceding_entries(terms: tuple[int, ...]) -> None:
    leader = make_node(1, voters=(1, 2, 3), terms=terms, hard_state=HardState(term=2))
    to_second, _ = leader.win_election()
    leader.raw.propose(b"data")
    leader.step(ack(to_second))
    [append, *_] = leader.take()
    leader.step(ack(append))
    leader.take()
    last = len(terms)
    assert leader.applied == [*entries_of(terms), Entry(3, last + 1), Entry(3, last + 2, data=b"data")]


@pytest.mark.parametrize(("count", "commit", "applied"), [(1, 0, 0), (1, 1, 1), (2, 1, 1), (2, 2, 2), (2, 5, 2), (0, 5, 0)])
def test_follower_commit_entry(count: int, commit: int, applied: int) -> None:
    follower = make_node(1, voters=(1, 2, 3))
    entries = tuple(Entry(1, index, data=b"%d" % index) for index in range(1, count + 1))
    follower.step(Message(MsgApp, to=1, from_=2, term=1, entries=entries, commit=commit))
    follower.take()
    assert follower.commit == applied
    assert follower.applied == list(entries[:applied])


@pytest.mark.parametrize(
    ("prev", "index", "hint"),
    [
        ((0, 0), 1, None),  # below its commit: it answers where it stands
        ((1, 1), 1, None),
        ((2, 2), 2, None),
        ((1, 2), 2, (1, 1)),  # another entry stands there: (1, 1) is the last that the leader may have too
        ((2, 3), 3, (2, 2)),  # behind its last entry
    ],
)
def test_follower_check_msg_app(prev: tuple[int, int], index: int, hint: tuple[int, int] | None) -> None:
    follower = make_node(1, voters=(1, 2, 3), terms=(1, 2), hard_state=HardState(term=1, commit=1))
    follower.step(Message(MsgApp, to=1, from_=2, term=2, log_term=prev[0], index=prev[1]))
    answer = Message(MsgAppResp, to=2, from_=1, term=2, index=index)
    if hint is not None:
        answer = answer._replace(reject=True, log_term=hint[0], reject_hint=hint[1])
    assert follower.take() == [answer]


@pytest.mark.parametrize(
    ("prev_index", "entries", "log", "unstable"),
    [
        (2, entries_of((3,), 3), (1, 2, 3), 3),
        (1, entries_of((3, 4), 2), (1, 3, 4), 2),
        (0, entries_of((1,), 1), (1, 2), None),
        (0, entries_of((3,), 1), (3,), 1),
        (1, entries_of((2, 2), 2), (1, 2, 2), 3),
    ],
)
def test_follower_append_entries(prev_index: int, entries: tuple[Entry, ...], log: tuple[int, ...], unstable: int | None) -> None:
    """`unstable` is the first index that has to be written, if any has."""
    follower = make_node(1, voters=(1, 2, 3), terms=(1, 2), hard_state=HardState(term=2))
    prev_term = (0, 1, 2)[prev_index]
    follower.step(Message(MsgApp, to=1, from_=2, term=4, log_term=prev_term, index=prev_index, entries=entries))
    assert follower.entries() == list(entries_of(log))
    ready = follower.raw.ready()
    assert ready.entries == (() if unstable is None else entries_of(log[unstable - 1 :], unstable))
    follower.handle(ready)
    assert follower.restarted().entries() == list(entries_of(log))


@pytest.mark.parametrize(
    "diverged",
    [
        (1, 1, 1, 4, 4, 5, 5, 6, 6),
        (1, 1, 1, 4),
        (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
        (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
        (1, 1, 1, 4, 4, 4, 4),
        (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
    ],
    ids="abcdef",
)
def test_leader_sync_follower_log(diverged: tuple[int, ...]) -> None:
    """The followers of the paper's figure 7; the third voter is only there to help the leader to win."""
    log = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)
    leader = make_node(1, voters=(1, 2, 3), terms=log, hard_state=HardState(term=8, commit=len(log)))
    follower = make_node(2, voters=(1, 2, 3), terms=diverged, hard_state=HardState(term=7))
    net = Network([leader, follower])
    net.campaign(1)
    net.inject(Message(MessageType.MsgVoteResp, to=1, from_=3, term=9))
    assert leader.role is LEADER
    net.propose(1)
    assert follower.terms() == [*log, 9, 9]
    assert follower.entries() == leader.entries()
    assert follower.applied == leader.applied
    assert follower.commit == leader.commit == 12


# ---- 5.4: safety


@pytest.mark.parametrize("terms", [(1,), (1, 2), (1, 2, 2)])
def test_vote_request(terms: tuple[int, ...]) -> None:
    node = make_node(1, voters=(1, 2, 3))
    node.step(Message(MsgApp, to=1, from_=2, term=terms[-1], entries=entries_of(terms)))
    node.take()
    node.tick(ELECTION_TICK)
    assert node.take() == [
        Message(MessageType.MsgVote, to=peer, from_=1, term=terms[-1] + 1, log_term=terms[-1], index=len(terms))
        for peer in (2, 3)
    ]


@pytest.mark.parametrize(
    ("terms", "last", "reject"),
    [
        # the same last term
        ((1,), (1, 1), False),
        ((1,), (1, 2), False),
        ((1, 1), (1, 1), True),
        # the candidate's is higher
        ((1,), (2, 1), False),
        ((1,), (2, 2), False),
        ((1, 1), (2, 1), False),
        # the voter's is higher
        ((2,), (1, 1), True),
        ((2,), (1, 2), True),
        ((1, 2), (1, 9), True),
    ],
)
def test_voter(terms: tuple[int, ...], last: tuple[int, int], reject: bool) -> None:
    voter = make_node(1, voters=(1, 2), terms=terms, hard_state=HardState(term=2))
    voter.step(Message(MessageType.MsgVote, to=1, from_=2, term=3, log_term=last[0], index=last[1]))
    assert voter.take() == [Message(MessageType.MsgVoteResp, to=2, from_=1, term=3, reject=reject)]
    assert voter.vote == (0 if reject else 2)


@pytest.mark.parametrize(("acknowledged", "commit"), [(1, 0), (2, 0), (3, 3), (4, 4)])
def test_leader_only_commits_log_from_current_term(acknowledged: int, commit: int) -> None:
    leader = make_node(1, voters=(1, 2), terms=(1, 2), hard_state=HardState(term=2))
    leader.win_election()
    leader.raw.propose(b"data")
    leader.take()
    leader.step(Message(MsgAppResp, to=1, from_=2, term=3, index=acknowledged))
    assert (leader.last_index, leader.commit) == (4, commit)
