"""Limits in bytes: what goes into one append, into one Ready, and how much may be uncommitted
(behaviours of etcd-io/raft's rawnode_test.go and node_test.go).
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kubeproof.impl.raft import Entry, EntryType, HardState, MemoryStorage, Message, MessageType, StateType
from kubeproof.impl.raft.errors import ErrProposalDropped
from kubeproof.impl.raft.sizes import entries_size
from kubeproof.impl.raft.types import NO_LIMIT
from tests.impl.raft.network import Node, cluster, in_both_modes, make_node, make_storage

BLOB = b"a" * 1000


def indexes(entries: Sequence[Entry]) -> list[int]:
    return [entry.index for entry in entries]


def propose(node: Node, count: int, data: bytes = BLOB) -> None:
    for _ in range(count):
        node.raw.propose(data)


# ---- appends


def test_append_pagination() -> None:
    net = cluster(3, max_size_per_msg=2048)
    net.campaign(1)
    net.isolate(3)
    for _ in range(5):
        net.propose(1, BLOB)
    net.recover()
    del net.delivered[:]
    net.beat(1)
    appends = [message.entries for message in net.delivered if message.type is MessageType.MsgApp and message.entries]
    assert [indexes(entries) for entries in appends] == [[2, 3], [4, 5], [6]]
    assert max(map(entries_size, appends)) <= 2048
    assert net[3].data_applied() == [BLOB] * 5


def test_an_entry_above_the_limit_is_sent_alone() -> None:
    net = cluster(3, max_size_per_msg=0, max_committed_size_per_ready=NO_LIMIT)
    net.campaign(1)
    net.isolate(3)
    for _ in range(3):
        net.propose(1, BLOB)
    net.recover()
    del net.delivered[:]
    net.beat(1)
    appends = [message.entries for message in net.delivered if message.type is MessageType.MsgApp and message.entries]
    assert [indexes(entries) for entries in appends] == [[2], [3], [4]]


# ---- committed entries


def test_commit_pagination() -> None:
    node = make_node(1, max_committed_size_per_ready=2048)
    node.become_leader()
    propose(node, 3)
    node.handle(node.raw.ready())
    pages = []
    while node.raw.has_ready():
        ready = node.raw.ready()
        pages.append(indexes(ready.committed_entries))
        node.handle(ready)
    assert pages == [[2, 3], [4]]


def test_commit_pagination_is_as_that_of_appends_by_default() -> None:
    node = make_node(1, max_size_per_msg=2048)
    node.become_leader()
    propose(node, 3)
    node.handle(node.raw.ready())
    assert indexes(node.raw.ready().committed_entries) == [2, 3]


def work(ready_messages: Sequence[Message], kind: MessageType) -> list[Message]:
    return [message for message in ready_messages if message.type is kind]


def test_commit_pagination_with_async_storage_writes() -> None:
    """What the apply thread was handed and has not confirmed counts, over several Readys."""
    node = make_node(1, async_storage_writes=True, max_committed_size_per_ready=2048)
    node.become_leader()

    def write() -> list[Message]:
        """Take a Ready and store what it says. Returns the work for the apply thread."""
        ready = node.raw.ready()
        node.handle(ready._replace(messages=tuple(work(ready.messages, MessageType.MsgStorageAppend))))
        return work(ready.messages, MessageType.MsgStorageApply)

    propose(node, 1)
    assert write() == []
    [first] = write()
    assert indexes(first.entries) == [2]

    propose(node, 2)
    assert write() == []
    [second] = write()
    assert indexes(second.entries) == [3]  # two of three fit
    assert not node.raw.has_ready()

    node.step(first.responses[0])
    [third] = write()
    assert indexes(third.entries) == [4]
    node.step(second.responses[0])
    node.step(third.responses[0])
    assert not node.raw.has_ready()
    assert node.raw.basic_status().applied == 4


def test_commit_pagination_with_async_storage_writes_gives_an_entry_above_the_limit_alone() -> None:
    node = make_node(1, async_storage_writes=True, max_committed_size_per_ready=100)
    node.become_leader()
    propose(node, 2)
    node.handle(node.raw.ready())
    ready = node.raw.ready()
    assert indexes(ready.committed_entries) == [2]
    assert not node.raw.has_ready()
    node.handle(ready)
    assert indexes(node.raw.ready().committed_entries) == [3]


class Generous(MemoryStorage):
    """A storage that gives more than it was asked for, as it may: the limit is a hint."""

    def entries(self, low: int, high: int, max_size: int) -> Sequence[Entry]:
        del max_size
        return super().entries(low, high, NO_LIMIT)


@in_both_modes
def test_commit_pagination_after_restart(async_storage_writes: bool) -> None:
    """The limit leaves out the last committed entry, the storage returns it all the same: it must be applied exactly once."""
    entries = tuple(Entry(1, index, data=b"a") for index in range(1, 11))
    storage = Generous()
    stored = make_storage(voters=(1, 2), hard_state=HardState(1, 0, 10)).export()
    boom = Entry(1, 11, data=b"boom")
    storage.restore(stored._replace(entries=(*stored.entries, *entries, boom)))
    limit = entries_size(entries) - entries_size(entries[-1:]) - 1
    node = Node(1, storage, max_size_per_msg=limit, async_storage_writes=async_storage_writes)
    ready = node.raw.ready()
    assert (ready.hard_state, indexes(ready.committed_entries)) == (HardState(), indexes(entries))
    node.handle(ready)
    assert (node.commit, node.raw.basic_status().applied) == (10, 10)

    node.step(Message(MessageType.MsgHeartbeat, to=1, from_=2, term=1, commit=11))
    node.take()
    assert node.applied == [*entries, boom]


# ---- uncommitted entries


@pytest.mark.parametrize("attempts", [16, 17, 1024])
def test_bounded_log_growth_with_partition(attempts: int) -> None:
    """A leader that can commit nothing lets its log grow to the limit only, and takes proposals again afterwards."""
    data = b"testdata"
    leader = make_node(1, voters=(1, 2), max_uncommitted_entries_size=16 * len(data))
    leader.become_leader()

    def uncommitted() -> int:
        return leader.raw.export_state().raft.uncommitted_size

    refused = 0
    for _ in range(attempts):
        try:
            leader.raw.propose(data)
        except ErrProposalDropped:
            refused += 1
    leader.take()
    assert (uncommitted(), refused, leader.last_index) == (16 * len(data), attempts - 16, 17)

    leader.step(Message(MessageType.MsgAppResp, to=1, from_=2, term=1, index=17))
    assert uncommitted() == 16 * len(data)  # committed, not yet applied
    leader.take()
    assert (uncommitted(), leader.data_applied()) == (0, [data] * 16)
    leader.raw.propose(data)
    assert uncommitted() == len(data)


def test_a_proposal_above_the_limit_is_taken_if_nothing_is_uncommitted() -> None:
    leader = make_node(1, voters=(1, 2), max_uncommitted_entries_size=10)
    leader.become_leader()
    leader.raw.propose(BLOB)
    assert leader.last_index == 2
    with pytest.raises(ErrProposalDropped):
        leader.raw.propose(b"x")
    leader.raw.propose(b"")  # empty ones always fit
    assert [entry.type for entry in leader.entries()] == [EntryType.EntryNormal] * 3


def test_uncommitted_size_belongs_to_a_term() -> None:
    leader = make_node(1, voters=(1, 2), max_uncommitted_entries_size=10)
    leader.become_leader()
    leader.raw.propose(b"1234567890")
    leader.take()
    leader.follow(2, 2)
    assert leader.raw.export_state().raft.uncommitted_size == 0
    leader.become_leader()
    assert (leader.role, leader.raw.export_state().raft.uncommitted_size) == (StateType.StateLeader, 0)
