"""Flow control: how much a leader sends to a peer that it probes, replicates to or sends a snapshot to, and how much it takes
from clients (behaviours of etcd-io/raft's raft_test.go and raft_flow_control_test.go).
"""

from __future__ import annotations

from typing import Any

import pytest

from kubeproof.impl.raft import Message, MessageType
from kubeproof.impl.raft.errors import ErrProposalDropped
from kubeproof.impl.raft.tracker import StateProbe, StateReplicate, StateSnapshot
from tests.impl.raft.network import Node, ack, in_both_modes, make_node

MsgApp = MessageType.MsgApp
FIVE = (1, 2, 3, 4, 5)  # so that one peer's acknowledgements commit nothing, news of which would be sent too


def sent_to_second(leader: Node) -> list[Message]:
    """The appends and snapshots that the leader has for node 2."""
    kinds = (MsgApp, MessageType.MsgSnap)
    return [message for message in leader.take() if message.to == 2 and message.type in kinds]


def answer(leader: Node, kind: MessageType, index: int = 0) -> list[Message]:
    """What node 2 gets for an answer of its."""
    leader.step(Message(kind, to=leader.id, from_=2, term=leader.term, index=index))
    return sent_to_second(leader)


def propose(leader: Node, data: bytes = b"data") -> list[Message]:
    leader.raw.propose(data)
    return sent_to_second(leader)


def empty_append(leader: Node, prev_index: int) -> Message:
    return Message(MsgApp, to=2, from_=leader.id, term=1, log_term=1, index=prev_index, commit=leader.commit)


def probing_leader() -> tuple[Node, Message]:
    """A leader that has sent the empty entry of its term to all and has no answers yet; and what it has sent to node 2."""
    leader = make_node(1, voters=FIVE)
    append = leader.win_election()[0]
    assert (append.to, append.index, len(append.entries)) == (2, 0, 1)
    return leader, append


def replicating_leader(**settings: Any) -> Node:
    """A leader that replicates to all, with an empty window."""
    leader = make_node(1, voters=FIVE, **settings)
    leader.become_leader()
    leader.take()
    progress = leader.progress(2)
    assert (progress.state, progress.match, progress.next, progress.inflights.count()) == (StateReplicate, 1, 2, 0)
    return leader


# ---- progress


@in_both_modes
def test_progress_leader(async_storage_writes: bool) -> None:
    leader = make_node(1, voters=(1, 2), async_storage_writes=async_storage_writes)
    leader.win_election()
    for last in range(1, 6):
        own = leader.progress(1)
        assert (own.state, own.match, own.next) == (StateReplicate, last, last + 1)
        leader.raw.propose(b"data")
        assert leader.progress(1).match == last  # not durable yet
        leader.take()


def test_progress_resume_by_heartbeat_resp() -> None:
    leader, append = probing_leader()
    assert leader.progress(2).msg_app_flow_paused
    leader.tick()
    assert sent_to_second(leader) == []
    assert leader.progress(2).msg_app_flow_paused
    assert answer(leader, MessageType.MsgHeartbeatResp) == [append]
    answer(leader, MessageType.MsgAppResp, index=1)
    assert leader.progress(2).state is StateReplicate
    assert not leader.progress(2).msg_app_flow_paused


def test_progress_paused() -> None:
    leader, _ = probing_leader()
    for _ in range(3):
        assert propose(leader) == []
    assert (leader.last_index, leader.progress(2).next) == (4, 1)


@pytest.mark.parametrize(
    ("max_inflight_msgs", "max_inflight_bytes", "batches"),
    [
        (3, 0, [[2, 2, 2], [2, 2]]),  # so many entries in the messages of each window
        (3, 9000, [[2, 2, 2], [2, 2]]),
        (10, 4000, [[2, 2], [2, 2], [2]]),
        (10, 4001, [[2, 2, 2], [2, 2]]),  # a message may cross the limit of bytes
    ],
)
def test_progress_flow_control(max_inflight_msgs: int, max_inflight_bytes: int, batches: list[list[int]]) -> None:
    leader = make_node(
        1,
        voters=FIVE,
        max_inflight_msgs=max_inflight_msgs,
        max_inflight_bytes=max_inflight_bytes,
        max_size_per_msg=2048,
    )
    probe = leader.win_election()[0]
    for _ in range(10):
        assert propose(leader, b"a" * 1000) == []
    last = ack(probe).index
    for batch in batches:
        appends = answer(leader, MessageType.MsgAppResp, last)
        assert [len(append.entries) for append in appends] == batch
        assert [append.index for append in appends] == [last + sum(batch[:k]) for k in range(len(batch))]
        assert answer(leader, MessageType.MsgAppResp, last) == []
        last += sum(batch)
    assert last == leader.last_index == 11
    assert answer(leader, MessageType.MsgAppResp, last) == []


# ---- how many messages each state allows


def test_send_append_for_progress_probe() -> None:
    leader, append = probing_leader()
    for _ in range(3):
        for _ in range(10):
            assert propose(leader) == []
        assert leader.progress(2).msg_app_flow_paused
        leader.tick()
        [heartbeat] = [message for message in leader.take() if message.to == 2]
        assert heartbeat.type is MessageType.MsgHeartbeat
        [probe] = answer(leader, MessageType.MsgHeartbeatResp)
        assert (probe.index, len(probe.entries)) == (append.index, leader.last_index)
        assert (leader.progress(2).state, leader.progress(2).next) == (StateProbe, 1)


def test_send_append_for_progress_replicate() -> None:
    leader = replicating_leader()
    for index in range(1, 11):
        [append] = propose(leader)
        assert (append.index, len(append.entries)) == (index, 1)
    assert (leader.progress(2).match, leader.progress(2).next) == (1, 12)


def test_send_append_for_progress_snapshot() -> None:
    leader = replicating_leader()
    leader.raw.propose(b"data")
    for append in leader.take():
        if append.to != 2:
            leader.step(ack(append))
    leader.take()
    snapshot = leader.compact(2)
    rejection = Message(MessageType.MsgAppResp, to=1, from_=2, term=1, index=2, reject=True)
    leader.step(rejection)
    assert sent_to_second(leader) == [Message(MessageType.MsgSnap, to=2, from_=1, term=1, snapshot=snapshot)]
    progress = leader.progress(2)
    assert (progress.state, progress.pending_snapshot, progress.next) == (StateSnapshot, 2, 3)
    for _ in range(10):
        assert propose(leader) == []
    assert answer(leader, MessageType.MsgHeartbeatResp) == []
    assert leader.progress(2).next == 3


def test_recv_msg_unreachable() -> None:
    leader = replicating_leader()
    for _ in range(3):
        propose(leader)
    answer(leader, MessageType.MsgAppResp, index=2)
    assert leader.progress(2).next == 5
    leader.raw.report_unreachable(2)
    progress = leader.progress(2)
    assert (progress.state, progress.match, progress.next) == (StateProbe, 2, 3)
    assert sent_to_second(leader) == []


# ---- how much the leader takes


def test_uncommitted_entry_limit() -> None:
    data = b"8 bytes."
    leader = make_node(1, voters=(1, 2, 3), max_uncommitted_entries_size=4 * len(data))
    leader.become_leader()
    leader.take()

    def commit() -> None:
        leader.step(Message(MessageType.MsgAppResp, to=1, from_=2, term=1, index=leader.last_index))
        leader.take()
        assert (leader.commit, leader.raw.raft.uncommitted_size) == (leader.last_index, 0)

    def take(payload: bytes) -> None:
        leader.raw.propose(payload)
        leader.take()

    for _ in range(4):
        take(data)
    assert leader.raw.raft.uncommitted_size == 4 * len(data)
    with pytest.raises(ErrProposalDropped):
        take(b"1")
    assert leader.last_index == 5
    commit()

    take(3 * 4 * data)  # too large, but nothing waits: it would never be taken otherwise
    with pytest.raises(ErrProposalDropped):
        take(data)
    take(b"")
    assert leader.last_index == 7
    commit()
    take(data)
    assert leader.raw.raft.uncommitted_size == len(data)


# ---- the window

WINDOW = 4


def leader_with_full_window() -> Node:
    leader = replicating_leader(max_inflight_msgs=WINDOW)
    for index in range(1, WINDOW + 1):
        assert not leader.progress(2).inflights.full()
        [append] = propose(leader)
        assert (append.index, len(append.entries)) == (index, 1)
    assert leader.progress(2).inflights.full()
    return leader


def test_msg_app_flow_control_full() -> None:
    leader = leader_with_full_window()
    for _ in range(10):
        assert propose(leader) == []
    assert (leader.progress(2).next, leader.progress(2).inflights.count()) == (WINDOW + 2, WINDOW)


def test_msg_app_flow_control_move_forward() -> None:
    leader = leader_with_full_window()
    for acknowledged in range(2, 2 + WINDOW):
        assert answer(leader, MessageType.MsgAppResp, acknowledged) == []
        assert leader.progress(2).inflights.count() == WINDOW - 1
        [append] = propose(leader)
        assert (append.index, len(append.entries)) == (acknowledged + WINDOW - 1, 1)
        assert leader.progress(2).inflights.full()
        for stale in range(acknowledged):
            assert answer(leader, MessageType.MsgAppResp, stale) == []
            assert leader.progress(2).inflights.full()

    for _ in range(2):
        assert propose(leader) == []
    [append] = answer(leader, MessageType.MsgAppResp, 2 * WINDOW)  # opens the window for both
    assert (append.index, len(append.entries)) == (1 + 2 * WINDOW, 2)
    assert leader.progress(2).inflights.count() == 2


def test_msg_app_flow_control_recv_heartbeat() -> None:
    leader = leader_with_full_window()
    assert propose(leader) == []
    for _ in range(WINDOW + 1):
        # only an empty append, which shows whether the peer got what fills the window (etcd#14633)
        assert answer(leader, MessageType.MsgHeartbeatResp) == [empty_append(leader, WINDOW + 1)]
        for _ in range(3):
            assert propose(leader) == []
        assert leader.progress(2).inflights.count() == WINDOW
