"""What a RawNode takes, what it refuses, and the exact Readys it answers with
(behaviours of etcd-io/raft's rawnode_test.go and node_test.go; sizes and pages are in test_ready_pages.py).
"""

from __future__ import annotations

import pytest

from kubeproof.impl.raft import (
    ConfState,
    Entry,
    EntryType,
    HardState,
    MemoryStorage,
    Message,
    MessageType,
    Peer,
    RawNode,
    ReadState,
    Ready,
    Snapshot,
    SoftState,
    StateType,
)
from kubeproof.impl.raft.confchange import (
    ConfChange,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    conf_changes_from_string,
    encode_conf_change,
)
from kubeproof.impl.raft.errors import ErrProposalDropped, ErrStepLocalMsg, ErrStepPeerNotFound, RaftPanic
from kubeproof.impl.raft.types import LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD
from tests.impl.raft.network import Node, cluster, in_both_modes, make_config, make_node, node_in_role

AUTO = ConfChangeTransition.ConfChangeTransitionAuto
IMPLICIT = ConfChangeTransition.ConfChangeTransitionJointImplicit
EXPLICIT = ConfChangeTransition.ConfChangeTransitionJointExplicit
LOCAL = {
    MessageType.MsgHup,
    MessageType.MsgBeat,
    MessageType.MsgUnreachable,
    MessageType.MsgSnapStatus,
    MessageType.MsgCheckQuorum,
    MessageType.MsgStorageAppend,
    MessageType.MsgStorageAppendResp,
    MessageType.MsgStorageApply,
    MessageType.MsgStorageApplyResp,
}
RESPONSES = {
    MessageType.MsgAppResp,
    MessageType.MsgVoteResp,
    MessageType.MsgHeartbeatResp,
    MessageType.MsgReadIndexResp,
    MessageType.MsgPreVoteResp,
}
LEADS = SoftState(1, StateType.StateLeader)


def add(member: int) -> ConfChange:
    return ConfChange(ConfChangeType.ConfChangeAddNode, member)


def change(text: str, transition: ConfChangeTransition = AUTO) -> ConfChangeV2:
    return ConfChangeV2(transition, conf_changes_from_string(text))


def normal(data: bytes, term: int = 1, index: int = 0) -> Entry:
    return Entry(term, index, EntryType.EntryNormal, data)


# ---- messages from the network


@pytest.mark.parametrize("kind", sorted(LOCAL))
def test_step_refuses_local_messages(kind: MessageType) -> None:
    node = make_node(1, voters=(1, 2))
    before = node.raw.export_state()
    with pytest.raises(ErrStepLocalMsg):
        node.step(Message(kind, to=1, from_=2))
    assert node.raw.export_state() == before


@pytest.mark.parametrize("kind", sorted(RESPONSES))
def test_step_refuses_responses_from_unknown_peers(kind: MessageType) -> None:
    node = make_node(1, voters=(1, 2))
    before = node.raw.export_state()
    with pytest.raises(ErrStepPeerNotFound):
        node.step(Message(kind, to=1, from_=3, term=7))
    assert node.raw.export_state() == before
    node.step(Message(kind, to=1, from_=2, term=7, reject=True))
    assert node.term == 7


@pytest.mark.parametrize("kind", sorted(set(MessageType) - LOCAL - RESPONSES - {MessageType.MsgProp}))
def test_step_takes_everything_else_from_anybody(kind: MessageType) -> None:
    node = make_node(1, voters=(1, 2))
    node.step(Message(kind, to=1, from_=3, term=7))
    assert node.term == {MessageType.MsgPreVote: 0, MessageType.MsgTimeoutNow: 8}.get(kind, 7)


# ---- proposals


@pytest.mark.parametrize("role", [StateType.StateFollower, StateType.StateCandidate, StateType.StatePreCandidate])
def test_block_proposal(role: StateType) -> None:
    """Without a leader there is nobody to take it; the proposer hears of that and may try again."""
    node = make_node(1, voters=(1, 2, 3)) if role is StateType.StateFollower else node_in_role(role)
    with pytest.raises(ErrProposalDropped):
        node.raw.propose(b"x")
    assert not node.raw.has_ready()
    node.follow(2, node.term)
    node.raw.propose(b"x")
    assert node.take() == [Message(MessageType.MsgProp, to=2, from_=1, entries=(normal(b"x", 0),))]


def test_propose_wait_dropped() -> None:
    """A leader that will not take a proposal says so too, and has not taken any of it."""
    leader = node_in_role(StateType.StateLeader, max_uncommitted_entries_size=10)
    leader.raw.propose(b"fits")
    leader.take()
    before = leader.raw.export_state()
    with pytest.raises(ErrProposalDropped):
        leader.raw.propose(b"too much")
    assert leader.raw.export_state() == before


def test_disable_proposal_forwarding() -> None:
    for disabled in (False, True):
        follower = node_in_role(StateType.StateFollower, disable_proposal_forwarding=disabled)
        if disabled:
            with pytest.raises(ErrProposalDropped):
                follower.raw.propose(b"x")
            assert follower.take() == []
        else:
            follower.raw.propose(b"x")
            assert follower.take() == [Message(MessageType.MsgProp, to=2, from_=1, entries=(normal(b"x", 0),))]


@in_both_modes
def test_propose(async_storage_writes: bool) -> None:
    net = cluster(3, async_storage_writes=async_storage_writes)
    net.campaign(1)
    for member in (1, 2, 3):
        net.propose(member, b"by %d" % member)
    assert [node.data_applied() for node in net.nodes.values()] == [[b"by 1", b"by 2", b"by 3"]] * 3


# ---- membership changes, from the proposal to the configuration in force

CHANGES = [
    (add(2), ConfState((1, 2)), None),
    (change("v2"), ConfState((1, 2)), None),
    (change("l2"), ConfState((1,), (2,)), None),
    (change("u1"), ConfState((1,)), None),
    (change("v2", EXPLICIT), ConfState((1, 2), voters_outgoing=(1,)), ConfState((1, 2))),
    (change("l2", EXPLICIT), ConfState((1,), (2,), (1,)), ConfState((1,), (2,))),
    (change("l2", IMPLICIT), ConfState((1,), (2,), (1,), auto_leave=True), ConfState((1,), (2,))),
    (change("v2 l1 l3"), ConfState((2,), (3,), (1,), (1,), auto_leave=True), ConfState((2,), (1, 3))),
    (change("v2 l1 l3", EXPLICIT), ConfState((2,), (3,), (1,), (1,)), ConfState((2,), (1, 3))),
    (change("v2 l1 l3", IMPLICIT), ConfState((2,), (3,), (1,), (1,), auto_leave=True), ConfState((2,), (1, 3))),
]


@pytest.mark.parametrize(("wanted", "first", "after_leaving"), CHANGES)
def test_propose_and_conf_change(wanted: ConfChange | ConfChangeV2, first: ConfState, after_leaving: ConfState | None) -> None:
    node = make_node(1)
    node.become_leader()
    node.raw.propose(b"x")
    node.raw.propose_conf_change(wanted)
    node.handle(node.raw.ready())
    entry = Entry(1, 3, *encode_conf_change(wanted))
    assert node.storage.entries(3, 4, 2**64 - 1) == [entry]
    ready = node.raw.ready()
    assert ready.committed_entries == (normal(b"x", 1, 2), entry)
    node.handle(ready)
    assert node.conf_state == first
    if after_leaving is None:
        assert node.last_index == 3
        return

    if not first.auto_leave:
        assert node.last_index == 3
        node.raw.propose_conf_change(ConfChangeV2(context=b"manual"))
        assert node.entries()[-1].data == encode_conf_change(ConfChangeV2(context=b"manual"))[1]
    assert (node.last_index, node.entries()[-1].type) == (4, EntryType.EntryConfChangeV2)
    for peer in set(first.voters) - {1}:
        node.take()
        node.step(Message(MessageType.MsgAppResp, to=1, from_=peer, term=1, index=4))
    node.take()
    assert node.conf_state == after_leaving


@in_both_modes
def test_joint_auto_leave(async_storage_writes: bool) -> None:
    """The leader that entered the joint configuration is deposed before it applies that; having won again, it still leaves."""
    node = make_node(1, async_storage_writes=async_storage_writes)
    node.become_leader()
    node.raw.propose_conf_change(change("l2", IMPLICIT))
    while node.commit < 2:
        node.handle(node.raw.ready())
    node.step(Message(MessageType.MsgHeartbeatResp, to=1, from_=1, term=2))  # somebody has a higher term
    assert (node.role, node.term) == (StateType.StateFollower, 2)
    node.take()
    joint = ConfState((1,), (2,), (1,), auto_leave=True)
    assert (node.conf_state, node.last_index) == (joint, 2)

    node.raw.campaign()
    node.take()
    assert node.conf_state == ConfState((1,), (2,))
    assert [(entry.term, entry.type) for entry in node.entries()[2:]] == [
        (3, EntryType.EntryNormal),
        (3, EntryType.EntryConfChangeV2),
    ]


def test_propose_add_duplicate_node() -> None:
    node = make_node(1)
    node.become_leader()
    for member, expected in ((1, (1,)), (1, (1,)), (2, (1, 2))):
        node.raw.propose_conf_change(add(member))
        node.take()
        assert node.conf_state == ConfState(voters=expected)
    assert [entry.data for entry in node.applied[1:]] == [encode_conf_change(add(member))[1] for member in (1, 1, 2)]


# ---- reads


def test_raw_node_read_index() -> None:
    node = make_node(1)
    node.become_leader()
    node.raw.read_index(b"x")
    assert node.raw.has_ready()
    assert node.raw.ready() == Ready(read_states=(ReadState(1, b"x"),))
    node.raw.advance()
    assert not node.raw.has_ready()


# ---- start


def test_raw_node_start_by_bootstrap() -> None:
    node = Node(1, MemoryStorage())
    node.raw.bootstrap([Peer(1, b"address")])
    added = Entry(1, 1, *encode_conf_change(ConfChange(ConfChangeType.ConfChangeAddNode, 1, b"address")))
    ready = node.raw.ready()
    assert ready == Ready(hard_state=HardState(1, 0, 1), entries=(added,), committed_entries=(added,), must_sync=True)
    node.handle(ready)
    assert node.conf_state == ConfState(voters=(1,))

    node.raw.campaign()
    ready = node.raw.ready()
    assert ready == Ready(SoftState(0, StateType.StateCandidate), HardState(2, 1, 1), must_sync=True)
    node.handle(ready)
    ready = node.raw.ready()
    assert ready == Ready(LEADS, entries=(Entry(2, 2),), must_sync=True)
    node.handle(ready)
    ready = node.raw.ready()
    assert ready == Ready(hard_state=HardState(2, 1, 2), committed_entries=(Entry(2, 2),))
    node.handle(ready)
    assert not node.raw.has_ready()


def test_bootstrap_makes_a_cluster_of_several() -> None:
    node = Node(2, MemoryStorage())
    node.raw.bootstrap([Peer(2), Peer(1)])
    assert node.raw.raft.tracker.voter_nodes() == [1, 2]
    node.raw.campaign()  # before anything is applied: these entries stop nobody
    assert (node.role, node.term) == (StateType.StateFollower, 1)
    node.take()
    assert (node.conf_state, node.commit, node.raw.basic_status().applied) == (ConfState(voters=(1, 2)), 2, 2)
    node.raw.campaign()
    assert (node.role, node.term) == (StateType.StateCandidate, 2)


def test_bootstrap_refuses_what_is_not_new() -> None:
    with pytest.raises(ValueError, match="must provide at least one peer to Bootstrap"):
        Node(1, MemoryStorage()).raw.bootstrap([])
    with pytest.raises(ValueError, match="can't bootstrap a nonempty Storage"):
        make_node(1, terms=(1,)).raw.bootstrap([Peer(1)])


def test_raw_node_start_from_a_snapshot() -> None:
    node = make_node(1, snapshot=Snapshot(1, 0, ConfState(voters=(1,))))
    assert not node.raw.has_ready()
    node.raw.campaign()
    node.handle(node.raw.ready())
    node.raw.propose(b"foo")
    ready = node.raw.ready()
    entries = (Entry(1, 2), normal(b"foo", 1, 3))
    assert ready == Ready(LEADS, entries=entries, must_sync=True)
    node.handle(ready)
    ready = node.raw.ready()
    assert ready == Ready(hard_state=HardState(1, 1, 3), committed_entries=entries)
    node.handle(ready)
    assert not node.raw.has_ready()


def test_raw_node_start_with_async_storage_writes() -> None:
    """The same, seen by the two threads: nothing is applied before it is stored."""
    node = make_node(1, snapshot=Snapshot(1, 0, ConfState(voters=(1,))), async_storage_writes=True)
    raw = node.raw
    raw.campaign()
    ready = raw.ready()
    own_vote = Message(MessageType.MsgVoteResp, to=1, from_=1, term=1)
    write = Message(MessageType.MsgStorageAppend, LOCAL_APPEND_THREAD, 1, term=1, vote=1, commit=1, responses=(own_vote,))
    assert ready == Ready(SoftState(0, StateType.StateCandidate), HardState(1, 1, 1), messages=(write,), must_sync=True)
    raw.step(own_vote)
    ready = raw.ready()
    own_ack = Message(MessageType.MsgAppResp, to=1, from_=1, term=1, index=2)
    done = Message(MessageType.MsgStorageAppendResp, to=1, from_=LOCAL_APPEND_THREAD, term=1, log_term=1, index=2)
    write = Message(MessageType.MsgStorageAppend, LOCAL_APPEND_THREAD, 1, entries=(Entry(1, 2),), responses=(own_ack, done))
    assert ready == Ready(LEADS, entries=(Entry(1, 2),), messages=(write,), must_sync=True)
    assert not raw.has_ready()
    raw.step(own_ack)
    ready = raw.ready()
    assert (ready.hard_state, ready.committed_entries) == (HardState(1, 1, 2), ())
    node.storage.append([Entry(1, 2)])
    raw.step(done)
    ready = raw.ready()
    applied = Message(MessageType.MsgStorageApplyResp, to=1, from_=LOCAL_APPLY_THREAD, entries=(Entry(1, 2),))
    apply = Message(MessageType.MsgStorageApply, LOCAL_APPLY_THREAD, 1, entries=(Entry(1, 2),), responses=(applied,))
    assert ready == Ready(committed_entries=(Entry(1, 2),), messages=(apply,))
    assert raw.basic_status().applied == 1
    raw.step(applied)
    assert raw.basic_status().applied == 2
    with pytest.raises(RaftPanic, match="Advance must not be called when using AsyncStorageWrites"):
        raw.advance()


def test_confirmation_of_an_overwritten_append_is_ignored() -> None:
    """The log is rewritten and written back before the first write is confirmed, with the second one still to come (raft#8)."""
    node = make_node(1, voters=(1, 2, 3), async_storage_writes=True)
    writes = []
    for term, entry in ((1, Entry(1, 1)), (2, Entry(2, 1)), (3, Entry(1, 1))):
        node.step(Message(MessageType.MsgApp, 1, 2, term, entries=(entry,)))
        [write] = node.raw.ready().messages
        assert (write.type, write.entries) == (MessageType.MsgStorageAppend, (entry,))
        writes.append(write)
    unstable = node.raw.raft.log.unstable
    for write, left in zip(writes, ([Entry(1, 1)], [Entry(1, 1)], []), strict=True):
        node.storage.append(write.entries)
        [confirmation] = [response for response in write.responses if response.type is MessageType.MsgStorageAppendResp]
        node.step(confirmation)
        assert unstable.entries == left


@in_both_modes
def test_raw_node_restart(async_storage_writes: bool) -> None:
    node = make_node(1, terms=(1, 1), hard_state=HardState(1, 0, 1), async_storage_writes=async_storage_writes)
    ready = node.raw.ready()
    assert ready._replace(messages=()) == Ready(committed_entries=(Entry(1, 1),))
    assert [message.type for message in ready.messages] == [MessageType.MsgStorageApply] * async_storage_writes
    node.handle(ready)
    assert not node.raw.has_ready()


def test_raw_node_restart_from_snapshot() -> None:
    snapshot = Snapshot(2, 1, ConfState(voters=(1, 2)), b"state")
    node = make_node(1, terms=(1,), snapshot=snapshot, hard_state=HardState(1, 0, 3))
    ready = node.raw.ready()
    assert ready == Ready(committed_entries=(Entry(1, 3),))  # the application has the snapshot
    node.handle(ready)
    assert not node.raw.has_ready()
    assert node.raw.raft.tracker.voter_nodes() == [1, 2]


def test_raw_node_restart_behind_what_the_application_has_applied() -> None:
    storage = make_node(1, terms=(1, 1, 1), hard_state=HardState(1, 0, 3)).storage
    assert RawNode(make_config(1, storage, applied=2)).ready() == Ready(committed_entries=(Entry(1, 3),))
    with pytest.raises(RaftPanic, match=r"applied\(4\) is out of range \[prevApplied\(0\), committed\(3\)\]"):
        RawNode(make_config(1, storage, applied=4))


@pytest.mark.parametrize("commit", [1, 6])
def test_restart_refuses_a_commit_index_outside_the_log(commit: int) -> None:
    snapshot = Snapshot(2, 1, ConfState(voters=(1,)))
    with pytest.raises(RaftPanic, match=rf"1 state.commit {commit} is out of range \[2, 5\]"):
        make_node(1, terms=(1, 1, 1), snapshot=snapshot, hard_state=HardState(1, 0, commit))


# ---- Ready and advance


def test_raw_node_consume_ready() -> None:
    """Messages belong to one Ready; what comes after it is not lost with it."""
    follower = node_in_role(StateType.StateFollower)
    heartbeat = Message(MessageType.MsgHeartbeat, to=1, from_=2, term=1)
    follower.step(heartbeat._replace(context=b"1"))
    ready = follower.raw.ready()
    assert [message.context for message in ready.messages] == [b"1"]
    follower.step(heartbeat._replace(context=b"2"))
    follower.raw.advance()
    assert [message.context for message in follower.raw.ready().messages] == [b"2"]
    follower.raw.advance()
    assert not follower.raw.has_ready()


def test_node_advance() -> None:
    """The next Ready waits for `advance`, since what it says depends on the write of the last one."""
    node = make_node(1)
    node.become_leader()
    node.raw.propose(b"x")
    ready = node.raw.ready()
    assert (ready.entries, ready.committed_entries) == ((normal(b"x", 1, 2),), ())
    with pytest.raises(RaftPanic, match="two accepted Ready structs without call to Advance"):
        node.raw.ready()
    assert node.commit == 1
    node.handle(ready)
    assert node.commit == 2
    assert node.raw.ready().committed_entries == (normal(b"x", 1, 2),)


def test_ready_announces_each_change_of_state_once() -> None:
    node = make_node(1, voters=(1, 2))
    node.step(Message(MessageType.MsgHeartbeat, to=1, from_=2, term=3))
    ready = node.raw.ready()
    assert (ready.soft_state, ready.hard_state, ready.must_sync) == (SoftState(2, StateType.StateFollower), HardState(3), True)
    node.handle(ready)
    node.step(Message(MessageType.MsgApp, 1, 2, 3, entries=(Entry(3, 1),)))
    ready = node.raw.ready()
    assert (ready.soft_state, ready.hard_state, ready.must_sync) == (None, HardState(), True)
    node.handle(ready)
    node.step(Message(MessageType.MsgHeartbeat, to=1, from_=2, term=3, commit=1))
    ready = node.raw.ready()
    assert (ready.soft_state, ready.hard_state, ready.must_sync) == (None, HardState(3, 0, 1), False)


def test_a_hard_state_that_is_taken_back_is_no_change() -> None:
    """Compared is what the application has, not what happened in between."""
    node = node_in_role(StateType.StateFollower)
    node.raw.forget_leader()
    node.step(Message(MessageType.MsgHeartbeat, to=1, from_=2, term=1))
    ready = node.raw.ready()
    assert (ready.soft_state, ready.hard_state) == (None, HardState())


# ---- equality


@pytest.mark.parametrize(
    ("state", "equal"),
    [(HardState(), True), (HardState(vote=1), False), (HardState(commit=1), False), (HardState(term=1), False)],
)
def test_hard_state_equality(state: HardState, equal: bool) -> None:
    assert (state == HardState()) is equal


@pytest.mark.parametrize(
    ("state", "equal"),
    [(SoftState(), True), (SoftState(lead=1), False), (SoftState(raft_state=StateType.StateLeader), False)],
)
def test_soft_state_equality(state: SoftState, equal: bool) -> None:
    assert (state == SoftState()) is equal


# ---- status


def test_status() -> None:
    node = make_node(1, voters=(1, 2), learners=(3,))
    assert node.raw.status().progress == {}
    node.become_leader()
    node.raw.transfer_leader(2)
    status = node.raw.status()
    assert status[:6] == node.raw.basic_status() == (1, HardState(1, 1, 1), 1, StateType.StateLeader, 1, 2)
    assert str(status.config) == "voters=(1 2) learners=(3)"
    assert {member: progress.match for member, progress in status.progress.items()} == {1: 1, 2: 1, 3: 1}
    status.progress[2].match = 0
    assert node.progress(2).match == 1
