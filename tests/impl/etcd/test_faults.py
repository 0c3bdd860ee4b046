"""Each switch of a server shows, and nothing shows without it. (Those of leases are in test_leases.py.)"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kubeproof.impl.etcd.errors import ErrTooManyLearners
from kubeproof.impl.etcd.faults import MISTAKES, Faults
from kubeproof.impl.etcd.member import Member, MemberOptions
from kubeproof.impl.etcd.requests import (
    AlarmType,
    DefragmentRequest,
    MemberAddRequest,
    MemberAddResponse,
    MemberUpdateRequest,
)
from kubeproof.impl.etcd.server import ServerOptions
from kubeproof.impl.etcd.state import Disk
from kubeproof.impl.raft.faults import Faults as RaftFaults
from kubeproof.impl.raft.types import Message, MessageType
from kubeproof.impl.store import StoreError, StorePanic
from kubeproof.impl.store.requests import PutRequest, PutResponse, RangeRequest, RangeResponse, ResponseHeader, TxnRequest
from tests.impl.etcd.cluster import Any, Cluster, members, options
from tests.impl.etcd.test_alarms import full

PUT = PutRequest(b"a", b"1")


def with_fault(name: str, *, on: bool, **others: object) -> MemberOptions:
    return options(ServerOptions(faults=Faults(**{name: on})), **others)


def test_every_mistake_has_a_test() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in MISTAKES if name not in text] == []


def test_the_page_lists_them() -> None:
    page = (Path(__file__).parents[3] / "docs" / "etcd.md").read_text(encoding="utf-8")
    table = page.partition("<!-- table: etcd -->")[2].partition("<!-- end -->")[0]
    rows = [
        f"| `{name}` | {mistake.reference.removesuffix(' (docs/etcd.md)')} | {mistake.sentence} | {mistake.kind} |"
        for name, mistake in MISTAKES.items()
    ]
    assert table.strip().splitlines()[2:] == rows


def alone(options_: MemberOptions, disk: Disk | None = None) -> Member:
    member = Member(1, options_, disk or Disk(), lambda ticks: ticks)
    if disk is None:
        member.bootstrap(members(1))
    member.settle(0)
    member.node.campaign()
    member.settle(0)
    member.take_answers()
    return member


@pytest.mark.parametrize("on", [False, True])
def test_single_member_answers_before_sync(on: bool) -> None:
    """The client has its answer, the member crashes, and the write is gone."""
    options_ = with_fault("single_member_answers_before_sync", on=on)
    member = alone(options_)
    member.ask(PUT, 0)
    while not (answers := member.take_answers()):
        assert member.step(0)
    assert [answer.answer for answer in answers] == [PutResponse(ResponseHeader(2))]
    assert alone(options_, member.disk()).server.kv.store.revision == (1 if on else 2)


@pytest.mark.parametrize("on", [False, True])
def test_defragment_without_consistent_index(on: bool) -> None:
    """What the member has applied is applied again after a crash: it has a revision more than others."""
    options_ = with_fault("defragment_without_consistent_index", on=on)
    member = alone(options_)
    member.ask(PUT, 0)
    member.settle(0)
    member.ask(DefragmentRequest(), 0)
    assert alone(options_, member.disk()).server.kv.store.revision == (3 if on else 2)


@pytest.mark.parametrize("on", [False, True])
def test_snapshot_file_released_early(on: bool) -> None:
    """A second snapshot comes while the first is in hand."""
    cluster = Cluster(3, with_fault("snapshot_file_released_early", on=on, snapshot_count=2, catch_up_entries=0))
    cluster.cut(3)
    for _ in range(4):
        cluster.ask(1, PUT)
    cluster.join()
    cluster.keep = _is_snapshot
    cluster.ticks(1)
    for _ in range(4):
        cluster.ask(1, PUT)
    cluster.members[1].report_snapshot(3, succeeded=False)
    cluster.ticks(2)
    first, second = cluster.kept
    member = cluster.members[3]
    member.receive(first, 0)
    member.step(0)
    member.receive(second, 0)
    if on:
        with pytest.raises(StorePanic, match="failed to find database snapshot file"):
            member.settle(0)
    else:
        member.settle(0)
        assert member.server.kv.store.revision == 9


def _is_snapshot(message: Any) -> bool:
    return isinstance(message, Message) and message.type is MessageType.MsgSnap


@pytest.mark.parametrize("on", [False, True])
def test_read_index_id_reused(on: bool) -> None:
    """A follower has asked twice; what was late of the first answer confirms the second, and another read at a former leader."""
    options_ = with_fault("read_index_id_reused", on=on, check_quorum=False, pre_vote=False)
    cluster = Cluster(3, replace(options_, raft_faults=RaftFaults(read_index_context_reused=True)))
    late: list[Message] = []

    def lose(message: Any) -> bool:
        """Member 1 hears of the first try from 3, not from 2, whose second try is late as well."""
        wanted = (MessageType.MsgHeartbeatResp, MessageType.MsgReadIndex)
        if isinstance(message, Message) and message.from_ == 2 and message.type in wanted and message.to == 1:
            asks = [each for each in late if each.type is MessageType.MsgReadIndex]
            if message.type is MessageType.MsgReadIndex and not asks and not second_try:
                return False
            late.append(message)
            return True
        return isinstance(message, Message) and message.type is MessageType.MsgReadIndexResp

    second_try: list[bool] = []
    cluster.lose = lose
    cluster.begin(2, RangeRequest(b"a"))
    second_try.append(True)
    cluster.now_ms += 500
    cluster.members[2].server.tick(cluster.now_ms)
    cluster.settle()
    assert {message.type for message in late} == {MessageType.MsgHeartbeatResp, MessageType.MsgReadIndex}

    cluster.cut(1)
    cluster.members[2].node.campaign()
    cluster.settle()
    assert cluster.ask(2, PUT) == PutResponse(ResponseHeader(2))
    read = cluster.begin(1, RangeRequest(b"a"))
    for message in sorted(late, key=lambda each: each.type is MessageType.MsgHeartbeatResp):
        cluster.members[1].receive(message, cluster.now_ms)
    cluster.settle()
    if not on:
        assert read not in cluster.answers
        return
    answer = cluster.answers[read]
    assert isinstance(answer, RangeResponse)
    assert answer.kvs == ()


@pytest.mark.parametrize("on", [False, True])
def test_updated_learner_forgotten(on: bool) -> None:
    """It cannot be promoted any more, and there may be a second one."""
    cluster = Cluster(1, with_fault("updated_learner_forgotten", on=on))
    added = cluster.ask(1, MemberAddRequest(("http://new:1",), is_learner=True))
    assert isinstance(added, MemberAddResponse)
    cluster.ask(1, MemberUpdateRequest(added.member.id, ("http://new:2",)))
    server = cluster.members[1].server
    assert server.cluster.is_learner(added.member.id) is not on
    assert cluster.members[1].node.raft.tracker.config.voters.ids() == {1}
    second = cluster.ask(1, MemberAddRequest(("http://other:1",), is_learner=True))
    assert isinstance(second, ErrTooManyLearners) is not on


@pytest.mark.parametrize("on", [False, True])
def test_nested_puts_cost_nothing(on: bool) -> None:
    cluster = full(Faults(nested_puts_cost_nothing=on))
    assert cluster.members[2].server.alarms.is_raised(AlarmType.NOSPACE)
    answer = cluster.ask(2, TxnRequest(success=(TxnRequest(success=(PUT,)),)))
    assert isinstance(answer, StoreError) is not on
