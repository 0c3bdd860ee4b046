"""Snapshots: what a follower makes of one, and how a leader goes on with a peer that needs one
(behaviours of etcd-io/raft's raft_test.go and raft_snap_test.go; Raft paper section 7).
"""

from __future__ import annotations

import pytest

from kubeproof.impl.raft import ConfState, Entry, HardState, Message, MessageType, Snapshot, StateType
from kubeproof.impl.raft.errors import ErrSnapshotTemporarilyUnavailable
from kubeproof.impl.raft.storage import MemoryStorage
from kubeproof.impl.raft.tracker import Progress, ProgressStateType, StateProbe, StateReplicate, StateSnapshot
from tests.impl.raft.network import ELECTION_TICK, Node, ack, cluster, in_both_modes, make_node, make_storage

TWO = ConfState(voters=(1, 2))
THREE = ConfState(voters=(1, 2, 3))
DEMOTED = ConfState(voters=(1, 2), learners=(3,))


def snapshot_of(conf_state: ConfState, index: int = 11, term: int = 11) -> Snapshot:
    return Snapshot(index, term, conf_state, b"state")


def receive(node: Node, snapshot: Snapshot, leader: int = 2) -> None:
    node.step(Message(MessageType.MsgSnap, to=node.id, from_=leader, term=max(node.term, snapshot.term), snapshot=snapshot))


def acknowledged(node: Node) -> int:
    """What the node, which has nothing else to say, acknowledges to its leader."""
    [answer] = node.take()
    assert (answer.type, answer.reject) == (MessageType.MsgAppResp, False)
    return answer.index


# ---- a follower restores


def test_restore() -> None:
    node = make_node(1, voters=(1, 2))
    snapshot = snapshot_of(THREE)
    receive(node, snapshot)
    log = node.raw.raft.log
    assert (log.last_entry_id(), node.commit) == ((11, 11), 11)
    assert node.raw.raft.tracker.voter_nodes() == [1, 2, 3]
    for _ in range(2 * ELECTION_TICK):  # it must not campaign before the snapshot is stored
        node.raw.tick()
    assert node.soft_state == (2, StateType.StateFollower)
    assert acknowledged(node) == 11
    assert node.storage.snapshot() == snapshot
    assert node.raw.basic_status().applied == 11
    for _ in range(ELECTION_TICK):
        node.raw.tick()
    assert node.soft_state == (0, StateType.StateCandidate)


def test_restore_the_same_snapshot_again() -> None:
    node = make_node(1, voters=(1, 2))
    receive(node, snapshot_of(THREE))
    node.take()
    receive(node, snapshot_of(THREE)._replace(conf_state=TWO))
    assert node.raw.raft.tracker.voter_nodes() == [1, 2, 3]
    assert acknowledged(node) == 11


def test_restore_with_learner() -> None:
    node = make_node(3, voters=(1, 2), learners=(3,))
    receive(node, snapshot_of(DEMOTED))
    tracker = node.raw.raft.tracker
    assert tracker.conf_state() == DEMOTED
    assert {member: progress.is_learner for member, progress in tracker.progress.items()} == {1: False, 2: False, 3: True}
    assert node.raw.raft.is_learner
    assert acknowledged(node) == 11


def test_restore_with_voters_outgoing() -> None:
    joint = ConfState(voters=(2, 3, 4), voters_outgoing=(1, 2, 3))
    node = make_node(1, voters=(1, 2))
    receive(node, snapshot_of(joint))
    assert node.raw.raft.tracker.voter_nodes() == [1, 2, 3, 4]
    assert node.raw.raft.tracker.conf_state() == joint
    assert acknowledged(node) == 11


def test_restore_voter_to_learner() -> None:
    node = make_node(3, voters=(1, 2, 3))
    assert not node.raw.raft.is_learner
    receive(node, snapshot_of(DEMOTED))
    assert node.raw.raft.is_learner
    assert acknowledged(node) == 11


def test_restore_learner_promotion() -> None:
    node = make_node(3, voters=(1, 2), learners=(3,))
    assert node.raw.raft.is_learner
    receive(node, snapshot_of(THREE))
    assert not node.raw.raft.is_learner
    assert acknowledged(node) == 11


@pytest.mark.parametrize(
    ("index", "commit"), [pytest.param(1, 1, id="old"), pytest.param(2, 2, id="in the log: commit is fast-forwarded")]
)
def test_restore_ignore_snapshot(index: int, commit: int) -> None:
    node = make_node(1, voters=(1, 2), terms=(1, 1, 1), hard_state=HardState(term=1, commit=1))
    receive(node, snapshot_of(THREE, index, 1))
    assert node.raw.raft.log.unstable.snapshot is None
    assert (node.commit, node.last_index, node.raw.raft.tracker.conf_state()) == (commit, 3, TWO)
    assert acknowledged(node) == commit


def test_restore_ignores_a_snapshot_that_does_not_know_the_node() -> None:
    node = make_node(3, voters=(1, 2, 3))
    receive(node, snapshot_of(TWO))
    assert (node.commit, node.last_index, node.raw.raft.tracker.conf_state()) == (0, 0, THREE)
    assert acknowledged(node) == 0


def test_restore_replaces_a_log_that_conflicts_with_the_snapshot() -> None:
    node = make_node(1, voters=(1, 2), terms=(1, 1, 1))
    receive(node, snapshot_of(TWO, 2, 2))
    assert (node.terms(), node.last_index, node.raw.raft.log.last_entry_id()) == ([], 2, (2, 2))
    assert acknowledged(node) == 2
    assert node.storage.export().entries == (Entry(2, 2),)


def test_restore_from_snap_msg() -> None:
    node = make_node(2, voters=(1, 2))
    node.step(Message(MessageType.MsgSnap, to=2, from_=1, term=11, snapshot=snapshot_of(TWO)))
    assert (node.lead, node.term, node.role) == (1, 11, StateType.StateFollower)


def test_candidate_follows_whoever_sends_a_snapshot() -> None:
    node = make_node(1, voters=(1, 2), hard_state=HardState(term=10))
    node.become_candidate()
    receive(node, snapshot_of(TWO))
    assert (node.lead, node.term, node.role) == (2, 11, StateType.StateFollower)
    assert acknowledged(node) == 11


@in_both_modes
def test_nothing_is_applied_while_a_snapshot_waits(async_storage_writes: bool) -> None:
    node = make_node(1, voters=(1, 2), async_storage_writes=async_storage_writes)
    receive(node, snapshot_of(TWO))
    appended = (Entry(11, 12), Entry(11, 13))
    node.step(Message(MessageType.MsgApp, 1, 2, 11, log_term=11, index=11, entries=appended, commit=13))
    ready = node.raw.ready()
    assert (ready.snapshot, ready.entries, ready.committed_entries) == (snapshot_of(TWO), appended, ())
    assert not node.raw.has_ready()
    node.handle(ready)
    node.take()
    assert node.applied == list(appended)


# ---- a leader provides


def leader_at_snapshot(voters: tuple[int, ...] = (1, 2)) -> tuple[Node, Message]:
    """Node 1 just elected, with a log that is a snapshot at 11, and its append of entry 12 to node 2."""
    leader = make_node(1, snapshot=snapshot_of(ConfState(voters)), hard_state=HardState(term=11, commit=11))
    append = leader.win_election()[0]
    assert (append.to, append.index, leader.last_index) == (2, 11, 12)
    return leader, append


def reject(append: Message, hint: int = 0, hint_term: int = 0) -> Message:
    """The answer of a peer whose log ends with (hint_term, hint)."""
    return ack(append)._replace(index=append.index, log_term=hint_term, reject=True, reject_hint=hint)


def leader_sending_snapshot() -> tuple[Node, Message]:
    """The same with node 2's empty log, and the snapshot on its way."""
    leader, append = leader_at_snapshot()
    leader.step(reject(append))
    [message] = leader.take()
    return leader, message


def test_provide_snap() -> None:
    _, message = leader_sending_snapshot()
    assert message == Message(MessageType.MsgSnap, to=2, from_=1, term=12, snapshot=snapshot_of(TWO))


def test_ignore_providing_snap() -> None:
    """Snapshots are large: a peer that was not heard of lately gets none."""
    leader = make_node(1, voters=(1, 2, 3), check_quorum=True)
    leader.become_leader()
    leader.raw.report_unreachable(3)  # what is sent next begins at 2
    for data in (b"a", b"b"):
        leader.raw.propose(data)
        leader.step(ack([message for message in leader.take() if message.to == 2][-1]))
    leader.take()
    leader.compact(3)
    for _ in range(2 * ELECTION_TICK):
        leader.raw.tick()
        leader.step(Message(MessageType.MsgHeartbeatResp, to=1, from_=2, term=1))
    leader.take()
    assert (leader.role, leader.progress(3).recent_active) == (StateType.StateLeader, False)
    leader.raw.report_unreachable(3)

    leader.raw.propose(b"c")
    assert [(message.type, message.to) for message in leader.take()] == [(MessageType.MsgApp, 2)]
    leader.step(Message(MessageType.MsgHeartbeatResp, to=1, from_=3, term=1))
    assert [(message.type, message.to) for message in leader.take()] == [(MessageType.MsgSnap, 3)]


def test_no_snapshot_while_it_is_being_made() -> None:
    class Busy(MemoryStorage):
        busy = True

        def snapshot(self) -> Snapshot:
            if self.busy:
                raise ErrSnapshotTemporarilyUnavailable
            return super().snapshot()

    storage = Busy()
    storage.restore(make_storage(snapshot=snapshot_of(TWO), hard_state=HardState(term=11, commit=11)).export())
    leader = Node(1, storage)
    [append] = leader.win_election()
    leader.step(reject(append))
    assert leader.take() == []
    assert leader.progress(2).state is StateProbe

    storage.busy = False
    leader.step(Message(MessageType.MsgHeartbeatResp, to=1, from_=2, term=12))
    assert [message.type for message in leader.take()] == [MessageType.MsgSnap]


@in_both_modes
def test_slow_node_restore(async_storage_writes: bool) -> None:
    net = cluster(3, async_storage_writes=async_storage_writes)
    net.campaign(1)
    net.isolate(3)
    for _ in range(101):
        net.propose(1)
    snapshot = net[1].compact(net[1].applied[-1].index)
    net.recover()
    net.beat(1)  # the leader hears of node 3 again
    assert net[1].progress(3).recent_active
    net.propose(1)  # needs a snapshot
    net.propose(1)  # needs none any more
    assert net[3].storage.snapshot() == snapshot
    assert net[3].commit == net[1].commit == 104
    assert net[3].data_applied() == [b"data", b"data"]


# ---- a leader waits for a peer to restore


def test_sending_snapshot_set_pending_snapshot() -> None:
    leader, _ = leader_sending_snapshot()
    progress = leader.progress(2)
    assert (progress.state, progress.pending_snapshot, progress.match, progress.next) == (StateSnapshot, 11, 0, 12)


def test_pending_snapshot_pause_replication() -> None:
    leader, _ = leader_sending_snapshot()
    leader.raw.propose(b"x")
    assert leader.take() == []
    leader.step(Message(MessageType.MsgHeartbeatResp, to=1, from_=2, term=12))
    assert leader.take() == []


def report_snapshot(*, succeeded: bool) -> tuple[Progress, Message]:
    """Report on the snapshot. Returns node 2's progress then, and what it is sent when it is heard of."""
    leader, _ = leader_sending_snapshot()
    leader.raw.report_snapshot(2, succeeded=succeeded)
    progress = leader.progress(2)
    leader.raw.propose(b"x")
    assert leader.take() == []
    leader.step(Message(MessageType.MsgHeartbeatResp, to=1, from_=2, term=12))
    [message] = leader.take()
    return progress, message


def test_snapshot_failure() -> None:
    progress, message = report_snapshot(succeeded=False)
    assert (progress.state, progress.pending_snapshot, progress.match, progress.next) == (StateProbe, 0, 0, 1)
    assert progress.msg_app_flow_paused
    assert message.type is MessageType.MsgSnap


def test_snapshot_succeed() -> None:
    progress, message = report_snapshot(succeeded=True)
    assert (progress.state, progress.pending_snapshot, progress.match, progress.next) == (StateProbe, 0, 0, 12)
    assert progress.msg_app_flow_paused
    assert (message.type, message.index) == (MessageType.MsgApp, 11)


def test_snapshot_abort() -> None:
    """The peer's own acknowledgement settles it, without a report by the transport."""
    leader, message = leader_sending_snapshot()
    leader.step(ack(message))
    [append] = leader.take()
    assert (append.type, append.index, [entry.index for entry in append.entries]) == (MessageType.MsgApp, 11, [12])
    progress = leader.progress(2)
    assert (progress.state, progress.pending_snapshot, progress.match, progress.next) == (StateReplicate, 0, 11, 13)
    assert progress.inflights.count() == 1


@pytest.mark.parametrize(
    ("compacted", "match", "state"), [(11, 10, StateSnapshot), (10, 10, StateReplicate), (10, 9, StateSnapshot)]
)
def test_acknowledgement_below_the_pending_snapshot(compacted: int, match: int, state: ProgressStateType) -> None:
    """What counts is whether the log goes on from there, not which snapshot was sent (etcd-io/raft#110)."""
    leader = make_node(1, voters=(1, 2), terms=[1] * 11, hard_state=HardState(term=1, commit=11))
    leader.take()
    leader.storage.create_snapshot(11, leader.conf_state, b"state")
    leader.storage.compact(compacted)
    [append] = leader.win_election()
    leader.step(reject(append))
    assert [message.type for message in leader.take()] == [MessageType.MsgSnap]
    leader.step(Message(MessageType.MsgAppResp, to=1, from_=2, term=2, index=match))
    assert leader.progress(2).state is state


def test_report_about_a_peer_that_waits_for_no_snapshot() -> None:
    leader = make_node(1, voters=(1, 2))
    leader.become_leader()
    before = leader.raw.export_state()
    for succeeded in (False, True):
        leader.raw.report_snapshot(2, succeeded=succeeded)
    leader.raw.report_snapshot(3, succeeded=False)
    assert leader.raw.export_state() == before


def test_unreachable_does_not_end_the_wait_for_a_snapshot() -> None:
    leader, _ = leader_sending_snapshot()
    leader.raw.report_unreachable(2)
    assert leader.progress(2).state is StateSnapshot
