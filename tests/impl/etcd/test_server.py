"""What clients of a cluster are told."""

from __future__ import annotations

import pytest

from kubeproof.impl.etcd.errors import (
    ErrLeaderChanged,
    ErrNoLeader,
    ErrStopped,
    ErrTimeout,
    ErrTimeoutDueToLeaderFail,
    ErrTooManyRequests,
)
from kubeproof.impl.etcd.requests import (
    DefragmentRequest,
    DefragmentResponse,
    HashKVRequest,
    HashKVResponse,
    MemberListRequest,
    MembersResponse,
    MoveLeaderRequest,
    MoveLeaderResponse,
    StatusRequest,
    StatusResponse,
)
from kubeproof.impl.raft.types import Message, MessageType
from kubeproof.impl.store.errors import ErrEmptyKey, ErrLeaseNotFound
from kubeproof.impl.store.requests import (
    CompactionRequest,
    CompactionResponse,
    DeleteRangeRequest,
    LeaseGrantRequest,
    LeaseGrantResponse,
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
    LeaseRevokeRequest,
    LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
    ResponseHeader,
    TxnRequest,
    TxnResponse,
)
from tests.impl.etcd.cluster import Any, Cluster

PUT = PutRequest(b"a", b"1")


@pytest.mark.parametrize("id_", [1, 2, 3])
def test_any_member_takes_writes_and_reads(id_: int) -> None:
    cluster = Cluster(3)
    assert cluster.ask(id_, PUT) == PutResponse(ResponseHeader(2))
    answer = cluster.ask(4 - id_, RangeRequest(b"a"))
    assert isinstance(answer, RangeResponse)
    assert [kv.value for kv in answer.kvs] == [b"1"]


def test_all_members_apply_the_same() -> None:
    cluster = Cluster(3)
    for each in (PUT, PutRequest(b"b", b"2"), DeleteRangeRequest(b"a"), CompactionRequest(3), LeaseGrantRequest(10, 5)):
        cluster.ask(1, each)
    answers = [cluster.ask(id_, HashKVRequest()) for id_ in (1, 2, 3)]
    assert isinstance(answers[0], HashKVResponse)
    assert answers[0] == answers[1] == answers[2]
    assert answers[0].hash_revision == 4
    assert {member.server.kv.consistent_index for member in cluster.members.values()} == {9}


def test_what_is_refused_before_consensus() -> None:
    cluster = Cluster(1)
    committed = cluster.members[1].committed_index
    assert isinstance(cluster.ask(1, PutRequest(b"", b"1")), ErrEmptyKey)
    assert cluster.members[1].committed_index == committed


def test_a_linearizable_read_waits_until_what_was_committed_is_applied() -> None:
    """The other two have committed a write of which this member knows nothing."""
    cluster = Cluster(3)
    cluster.lose = lambda message: message.to == 3 and isinstance(message, Message) and message.type is MessageType.MsgApp
    cluster.ask(1, PUT)
    read = cluster.begin(3, RangeRequest(b"a"))
    assert read not in cluster.answers
    stale = cluster.ask(3, RangeRequest(b"a", serializable=True))
    assert isinstance(stale, RangeResponse)
    assert stale.kvs == ()
    cluster.join()
    cluster.ticks(1)
    answer = cluster.answers[read]
    assert isinstance(answer, RangeResponse)
    assert [kv.value for kv in answer.kvs] == [b"1"]


def test_reads_that_come_meanwhile_wait_for_the_next_round() -> None:
    cluster = Cluster(3)
    cluster.keep = lambda message: isinstance(message, Message) and message.type is MessageType.MsgReadIndex
    first, second = cluster.begin(3, RangeRequest(b"a")), cluster.begin(3, RangeRequest(b"b"))
    third = cluster.begin(3, RangeRequest(b"c"))
    assert len(cluster.kept) == 1
    cluster.release()
    assert {first, second, third} <= set(cluster.answers)


def test_a_read_only_transaction_is_linearizable_unless_all_its_ranges_are_serializable() -> None:
    cluster = Cluster(3)
    cluster.cut(3)
    serializable = RangeRequest(b"a", serializable=True)
    assert isinstance(cluster.ask(3, TxnRequest(success=(serializable,))), TxnResponse)
    assert cluster.begin(3, TxnRequest(success=(serializable, RangeRequest(b"a")))) not in cluster.answers


def test_a_read_is_asked_for_again_under_another_id() -> None:
    cluster = Cluster(3)
    asked: list[bytes] = []

    def lose(message: Any) -> bool:
        if isinstance(message, Message) and message.type is MessageType.MsgReadIndex:
            asked.append(message.entries[0].data)
            return len(asked) < 3
        return False

    cluster.lose = lose
    read = cluster.begin(3, RangeRequest(b"a"))
    cluster.ticks(4)
    assert len(asked) == 1
    cluster.ticks(1)
    assert len(asked) == 2
    cluster.ticks(5)
    assert read in cluster.answers
    assert len(set(asked)) == 3


def test_a_new_leader_ends_reads() -> None:
    cluster = Cluster(3)
    cluster.lose = lambda message: isinstance(message, Message) and message.type is MessageType.MsgReadIndex
    read = cluster.begin(3, RangeRequest(b"a"))
    cluster.ask(1, MoveLeaderRequest(2))
    assert isinstance(cluster.answers[read], ErrLeaderChanged)


def test_timeouts() -> None:
    cluster = Cluster(3)
    cluster.lose = lambda _: True
    write, read = cluster.begin(1, PUT), cluster.begin(1, RangeRequest(b"a"))
    cluster.ticks(69)
    assert write not in cluster.answers
    cluster.ticks(1)
    assert isinstance(cluster.answers[write], ErrTimeout)
    assert isinstance(cluster.answers[read], ErrTimeout)


def test_a_timeout_after_the_leader_has_failed() -> None:
    cluster = Cluster(3)
    cluster.ticks(1)
    cluster.lose = lambda message: isinstance(message, Message) and message.type is MessageType.MsgProp
    write = cluster.begin(3, PUT)
    cluster.crash(1)
    cluster.ticks(70)
    assert isinstance(cluster.answers[write], ErrTimeoutDueToLeaderFail)


def test_a_write_waits_for_a_leader() -> None:
    cluster = Cluster(3)
    cluster.crash(1)
    cluster.crash(2)
    cluster.ticks(25)
    assert cluster.members[3].server.leadership.leader == 0
    write = cluster.begin(3, PUT)
    cluster.start(1)
    cluster.ticks(25)
    assert cluster.answers[write] == PutResponse(ResponseHeader(2))


def test_without_a_leader_nobody_keeps_leases_alive() -> None:
    cluster = Cluster(3)
    cluster.crash(1)
    cluster.crash(2)
    cluster.ticks(25)
    asked = cluster.begin(3, LeaseKeepAliveRequest(1))
    cluster.ticks(70)
    assert isinstance(cluster.answers[asked], ErrNoLeader)


def test_too_much_to_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubeproof.impl.etcd.asking.MAX_GAP", -1)
    assert isinstance(Cluster(1).ask(1, PUT), ErrTooManyRequests)


# ---- leases


@pytest.mark.parametrize("id_", [1, 3])
def test_leases(id_: int) -> None:
    """What only the leader knows is asked there, whoever is asked."""
    cluster = Cluster(3)
    granted = cluster.ask(id_, LeaseGrantRequest(60))
    assert isinstance(granted, LeaseGrantResponse)
    assert granted.id != 0
    cluster.ask(id_, PutRequest(b"a", b"1", granted.id))
    cluster.ticks(100)
    left = cluster.ask(id_, LeaseTimeToLiveRequest(granted.id, keys=True))
    assert isinstance(left, LeaseTimeToLiveResponse)
    assert (left.ttl, left.keys) == (50, (b"a",))
    assert cluster.ask(id_, LeaseKeepAliveRequest(granted.id)) == LeaseKeepAliveResponse(ResponseHeader(2), granted.id, 60)
    cluster.ask(id_, LeaseRevokeRequest(granted.id))
    assert isinstance(cluster.ask(id_, LeaseRevokeRequest(granted.id)), ErrLeaseNotFound)


def test_what_expires_is_revoked() -> None:
    cluster = Cluster(3)
    cluster.ask(2, LeaseGrantRequest(2, 7))
    cluster.ask(2, PutRequest(b"a", b"1", 7))
    cluster.ticks(19)
    assert len(cluster.members[3].server.kv.lessor.leases()) == 1
    cluster.ticks(2)
    assert all(member.server.kv.lessor.leases() == [] for member in cluster.members.values())


def test_a_request_for_the_leader_follows_it() -> None:
    cluster = Cluster(3)
    cluster.ask(1, LeaseGrantRequest(60, 7))
    cluster.lose = lambda message: not isinstance(message, Message)
    asked = cluster.begin(3, LeaseKeepAliveRequest(7))
    cluster.join()
    cluster.ask(1, MoveLeaderRequest(2))
    answer = cluster.answers[asked]
    assert isinstance(answer, LeaseKeepAliveResponse)
    assert answer.ttl == 60


# ---- maintenance


def test_status() -> None:
    cluster = Cluster(3)
    cluster.ask(1, PUT)
    answer = cluster.ask(2, StatusRequest())
    assert isinstance(answer, StatusResponse)
    assert (answer.leader, answer.raft_term, answer.raft_index, answer.raft_applied_index) == (1, 2, 5, 5)
    assert (answer.version, answer.errors, answer.is_learner) == ("3.6", (), False)


def test_status_without_a_leader() -> None:
    cluster = Cluster(3)
    cluster.crash(1)
    cluster.crash(2)
    cluster.ticks(25)
    answer = cluster.ask(3, StatusRequest())
    assert isinstance(answer, StatusResponse)
    assert answer.errors == ("etcdserver: no leader",)


def test_defragment_is_a_sync_point_and_makes_the_file_smaller() -> None:
    cluster = Cluster(1)
    for _ in range(10):
        cluster.ask(1, PUT)
    cluster.ask(1, CompactionRequest(11))
    server = cluster.members[1].server
    assert server.space.in_use < server.space.size
    assert cluster.ask(1, DefragmentRequest()) == DefragmentResponse()
    assert server.space.in_use == server.space.size
    assert server.kv.backend.committed() == server.kv.backend.written()


def test_a_physical_compaction_is_answered_when_it_is_done() -> None:
    cluster = Cluster(1)
    for _ in range(10):
        cluster.ask(1, PUT)
    member = cluster.members[1]
    asked = member.ask(CompactionRequest(11, physical=True), 0)
    while not member.server.kv.store.compactions:
        member.step(0)
    assert member.take_answers() == []
    member.settle(0)
    [(id_, answer)] = member.take_answers()
    assert (id_, answer) == (asked, CompactionResponse(ResponseHeader(11)))
    assert len(member.disk().backend.key) == 1


def test_leadership_moves() -> None:
    cluster = Cluster(3)
    assert cluster.ask(1, MoveLeaderRequest(3)) == MoveLeaderResponse()
    assert cluster.members[2].server.leadership.leader == 3
    assert cluster.ask(3, MoveLeaderRequest(3)) == MoveLeaderResponse()


def test_members_are_listed() -> None:
    cluster = Cluster(3)
    answer = cluster.ask(2, MemberListRequest(linearizable=True))
    assert isinstance(answer, MembersResponse)
    assert [member.name for member in answer.members] == ["m1", "m2", "m3"]
    cluster.cut(2)
    assert cluster.ask(2, MemberListRequest()) == answer
    assert cluster.begin(2, MemberListRequest(linearizable=True)) not in cluster.answers


def test_who_waits_at_a_member_that_stops_is_told() -> None:
    cluster = Cluster(1)
    server = cluster.members[1].server
    id_ = server.ask(PUT, 0)
    server.stop()
    [(told, answer)] = server.waits.take_answers()
    assert told == id_
    assert isinstance(answer, ErrStopped)
    assert isinstance(cluster.ask(1, PUT), ErrStopped)
