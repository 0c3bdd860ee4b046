"""NOSPACE and CORRUPT: who raises them, and what is refused then."""

from __future__ import annotations

import pytest

from kubeproof.impl.etcd.alarms import KV_OVERHEAD, Space, cost
from kubeproof.impl.etcd.errors import ErrCorrupt, ErrNoSpace
from kubeproof.impl.etcd.faults import NO_FAULTS, Faults
from kubeproof.impl.etcd.requests import (
    AlarmAction,
    AlarmMember,
    AlarmRequest,
    AlarmResponse,
    AlarmType,
    DefragmentRequest,
    StatusRequest,
    StatusResponse,
)
from kubeproof.impl.etcd.server import ServerOptions
from kubeproof.impl.store import Backend, KeyValue, StoreError
from kubeproof.impl.store.requests import (
    CompactionRequest,
    DeleteRangeRequest,
    DeleteRangeResponse,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    PutRequest,
    RangeRequest,
    RangeResponse,
    ResponseHeader,
    TxnRequest,
    TxnResponse,
)
from tests.impl.etcd.cluster import Cluster, options

PUT = PutRequest(b"a", b"1" * 99)
BYTES = KV_OVERHEAD + 100
ALARM = AlarmMember(1, AlarmType.NOSPACE)


def small(records: int = 3, faults: Faults = NO_FAULTS) -> Cluster:
    """A cluster with room for so many puts."""
    return Cluster(3, options(ServerOptions(quota_bytes=records * BYTES + 1, faults=faults)))


def full(faults: Faults = NO_FAULTS) -> Cluster:
    """The same with the alarm raised."""
    cluster = small(faults=faults)
    for _ in range(4):
        cluster.ask(1, PUT)
    return cluster


def test_the_alarm_is_raised_for_all_members() -> None:
    cluster = small()
    assert not any(isinstance(cluster.ask(1, PUT), StoreError) for _ in range(3))
    assert isinstance(cluster.ask(1, PUT), ErrNoSpace)
    assert all(member.server.alarms.alarms == (ALARM,) for member in cluster.members.values())
    status = cluster.ask(3, StatusRequest())
    assert isinstance(status, StatusResponse)
    assert status.errors == ("memberID:1 alarm:NOSPACE ",)


@pytest.mark.parametrize(
    "request_", [PUT, TxnRequest(success=(PUT,)), TxnRequest(failure=(TxnRequest(success=(PUT,)),)), LeaseGrantRequest(10, 1)]
)
def test_what_is_refused(request_: PutRequest | TxnRequest | LeaseGrantRequest) -> None:
    cluster = full()
    assert isinstance(cluster.ask(2, request_), ErrNoSpace)
    assert cluster.members[2].server.kv.store.revision == 4


def test_reads_and_deletions_go_on() -> None:
    cluster = full()
    assert isinstance(cluster.ask(2, RangeRequest(b"a")), RangeResponse)
    assert isinstance(cluster.ask(2, DeleteRangeRequest(b"a")), DeleteRangeResponse)
    assert isinstance(cluster.ask(2, TxnRequest(success=(DeleteRangeRequest(b"a"),))), TxnResponse)


def test_an_operator_makes_room_and_disarms_it() -> None:
    cluster = full()
    cluster.ask(1, DeleteRangeRequest(b"a"))
    cluster.ask(1, CompactionRequest(5))
    for id_ in cluster.members:
        cluster.ask(id_, DefragmentRequest())
    header = ResponseHeader(5)
    assert cluster.ask(3, AlarmRequest(AlarmAction.DEACTIVATE, 1, AlarmType.NOSPACE)) == AlarmResponse(header, (ALARM,))
    assert cluster.ask(3, AlarmRequest(AlarmAction.DEACTIVATE, 1, AlarmType.NOSPACE)) == AlarmResponse(header, ())
    assert not isinstance(cluster.ask(2, PUT), StoreError)


def test_without_defragmentation_there_is_no_room_in_the_file() -> None:
    """What a compaction frees is used again, but the quota looks at the file."""
    cluster = full()
    cluster.ask(1, DeleteRangeRequest(b"a"))
    cluster.ask(1, CompactionRequest(5))
    cluster.ask(1, AlarmRequest(AlarmAction.DEACTIVATE, 1, AlarmType.NOSPACE))
    assert isinstance(cluster.ask(1, PUT), ErrNoSpace)


def test_who_is_full_tells_when_it_applies() -> None:
    """Two writes that fit one by one: the second is applied all the same, as other members may have room for it."""
    cluster = small(records=1)
    member = cluster.members[1]
    first, second = member.ask(PUT, 0), member.ask(PUT, 0)
    cluster.settle()
    assert not isinstance(cluster.answers[1, first], StoreError)
    assert isinstance(cluster.answers[1, second], ErrNoSpace)
    assert {each.server.kv.store.revision for each in cluster.members.values()} == {3}
    assert len(cluster.members[2].server.alarms.alarms) == 3


def test_alarms_are_told_and_survive_a_crash() -> None:
    cluster = full()
    cluster.ask(2, AlarmRequest(AlarmAction.ACTIVATE, 3, AlarmType.CORRUPT))
    answer = cluster.ask(2, AlarmRequest())
    assert isinstance(answer, AlarmResponse)
    assert answer.alarms == (ALARM, AlarmMember(3, AlarmType.CORRUPT))
    one = cluster.ask(2, AlarmRequest(alarm=AlarmType.NOSPACE))
    assert isinstance(one, AlarmResponse)
    assert one.alarms == (ALARM,)
    cluster.ticks(1)
    cluster.crash(3)
    assert cluster.start(3).server.alarms.alarms == answer.alarms


def test_nothing_is_written_to_a_corrupt_cluster() -> None:
    cluster = Cluster(3)
    cluster.ask(2, AlarmRequest(AlarmAction.ACTIVATE, 3, AlarmType.CORRUPT))
    for request in (PUT, DeleteRangeRequest(b"a"), LeaseRevokeRequest(1), CompactionRequest(1)):
        assert isinstance(cluster.ask(1, request), ErrCorrupt)
    assert isinstance(cluster.ask(1, RangeRequest(b"a")), RangeResponse)


def test_what_requests_cost() -> None:
    assert cost(PUT) == BYTES
    assert cost(TxnRequest(success=(PUT, PUT), failure=(PUT,))) == 2 * BYTES
    assert cost(TxnRequest(success=(TxnRequest(success=(PUT,)),))) == BYTES
    assert cost(DeleteRangeRequest(b"a")) == 0


def test_the_file_is_as_large_as_what_was_in_use_at_most() -> None:
    backend = Backend()
    space = Space(backend)
    for sub in range(3):
        record = KeyValue(b"a", value=b"1" * 99)
        backend.key.put((2, sub), record)
        space.wrote(record)
    backend.key.delete((2, 0))
    space.measure()
    assert (space.in_use, space.size) == (2 * BYTES, 3 * BYTES)
    assert Space(backend).size == 2 * BYTES
