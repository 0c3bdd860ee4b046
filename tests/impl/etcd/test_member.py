"""A member alone and with others: what a crash leaves at each step, snapshots, and its state as one value."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubeproof.impl.etcd.member import Member, MemberOptions
from kubeproof.impl.etcd.requests import MemberRemoveRequest
from kubeproof.impl.etcd.state import Disk
from kubeproof.impl.etcd.wal import WAL, Record
from kubeproof.impl.raft.types import Entry, HardState, Message, MessageType, Snapshot
from kubeproof.impl.store import StoreError, StorePanic, hash_kv
from kubeproof.impl.store.requests import (
    CompactionRequest,
    DeleteRangeRequest,
    LeaseGrantRequest,
    PutRequest,
    RangeRequest,
    Request,
    WatchCreateRequest,
)
from tests.impl.etcd.cluster import Cluster, members, options

SCRIPT: tuple[Request, ...] = (
    PutRequest(b"a", b"1"),
    PutRequest(b"b", b"2"),
    LeaseGrantRequest(100, 1),
    PutRequest(b"c", b"3", lease=1),
    DeleteRangeRequest(b"b"),
    CompactionRequest(4),
    PutRequest(b"a", b"4"),
)


def alone(options_: MemberOptions, disk: Disk | None = None) -> Member:
    """A cluster of one, which leads."""
    member = Member(1, options_, disk or Disk(), lambda ticks: ticks)
    if disk is None:
        member.bootstrap(members(1))
    member.settle(0)
    member.node.campaign()
    member.settle(0)
    return member


def run(member: Member, steps: int, commit_after: int | None = None) -> tuple[int, int]:
    """Ask for the script, one request after the other, for so many steps: how many are answered, and the steps left."""
    answered = 0
    for request in SCRIPT:
        member.server.ask(request, 0)
        while steps and member.step(0):
            steps -= 1
            if steps == commit_after:
                member.server.kv.backend.commit()
        answers = member.take_answers()
        assert not any(isinstance(each.answer, StoreError) for each in answers)
        answered += len(answers)
        if not steps:
            break
    return answered, steps


def steps_of_the_script() -> int:
    return 10_000 - run(alone(options()), 10_000)[1]


def made_by_the_script() -> list[object]:
    """What there is after each of its requests."""
    member = alone(options())
    made = [content(member)]
    for request in SCRIPT:
        member.server.ask(request, 0)
        member.settle(0)
        made.append(content(member))
    return made


def content(member: Member) -> object:
    return hash_kv(member.server.kv.store), [lease.id for lease in member.server.kv.lessor.leases()]


@pytest.mark.parametrize("snapshot_count", [2, 10_000])
@pytest.mark.parametrize("commit_after", [None, 5, 12])
def test_a_crash_at_any_step_loses_nothing_that_was_answered(snapshot_count: int, commit_after: int | None) -> None:
    """And what is there is what a number of requests has made, each once."""
    made = made_by_the_script()
    options_ = options(snapshot_count=snapshot_count, catch_up_entries=0)
    for steps in range(steps_of_the_script() + 1):
        member = alone(options_)
        answered, _ = run(member, steps, None if commit_after is None else max(0, steps - commit_after))
        again = alone(options_, member.disk())
        assert made.index(content(again)) >= answered


def test_what_is_not_synced_is_lost() -> None:
    member = alone(options())
    member.server.ask(PutRequest(b"a", b"1"), 0)
    before = member.disk()
    assert member.step(0)
    assert member.disk() == before
    assert member.step(0)
    assert len(member.disk().wal.entries) == len(before.wal.entries) + 1


def test_the_log_is_cut_behind_what_the_backend_has() -> None:
    member = alone(options(snapshot_count=4, catch_up_entries=1))
    for _ in range(10):
        member.server.ask(PutRequest(b"a", b"1"), 0)
        member.settle(0)
    disk = member.disk()
    assert disk.wal.snapshot.index == 12
    assert [entry.index for entry in disk.wal.entries] == [11, 12]
    assert dict(disk.backend.meta)["consistent_index"] == 12
    assert alone(options(), disk).server.kv.store.revision == 11


def test_a_log_that_has_lost_what_the_backend_has() -> None:
    member = alone(options())
    run(member, 10_000)
    member.server.kv.backend.commit()
    disk = member.disk()
    with pytest.raises(StorePanic, match="the log ends at 4"):
        Member(1, options(), disk._replace(wal=disk.wal._replace(entries=disk.wal.entries[:5])), lambda ticks: ticks)


# ---- snapshots


def behind() -> Cluster:
    """Member 3 has not heard of what the others have dropped from their logs."""
    cluster = Cluster(3, options(snapshot_count=4, catch_up_entries=1))
    cluster.ask(1, PutRequest(b"a", b"0"))
    cluster.members[3].server.kv.watches.open_stream(0)
    cluster.members[3].server.kv.watches.request(0, WatchCreateRequest(b"a"))
    cluster.cut(3)
    for number in range(10):
        cluster.ask(1, PutRequest(b"a", b"%d" % number))
    return cluster


def test_a_member_that_is_far_behind_gets_the_whole_backend() -> None:
    cluster = behind()
    cluster.join()
    cluster.ticks(3)
    assert cluster.members[3].server.kv.store.revision == 12
    assert {hash_kv(member.server.kv.store) for member in cluster.members.values()} == {
        hash_kv(cluster.members[1].server.kv.store)
    }
    cluster.ask(3, PutRequest(b"a", b"last"))
    assert cluster.members[1].server.kv.store.revision == 13


def test_who_watches_there_misses_nothing() -> None:
    cluster = behind()
    cluster.join()
    cluster.ticks(3)
    told = cluster.members[3].server.kv.watches.settle()[0]
    assert [event.kv.mod_revision for response in told for event in response.events] == list(range(3, 13))


@pytest.mark.parametrize("steps", range(6))
def test_a_crash_while_a_snapshot_is_taken_up(steps: int) -> None:
    """Before, the member is as it was; after, it is as the other one: its log begins behind the snapshot then, too."""
    cluster = behind()
    cluster.join()
    cluster.keep = lambda message: isinstance(message, Message) and message.type is MessageType.MsgSnap
    cluster.ticks(1)
    [message] = cluster.kept
    member = cluster.members[3]
    member.receive(message, 0)
    for _ in range(steps):
        member.step(0)
    cluster.crash(3)
    member = cluster.start(3)
    assert member.server.kv.store.revision == (12 if steps >= 2 else 2)
    cluster.keep = lambda _: False
    cluster.members[1].report_snapshot(3, succeeded=True)
    cluster.ticks(3)
    assert member.server.kv.store.revision == 12
    assert member.disk().snapshots == ()


def test_a_mark_without_its_file() -> None:
    wal = WAL()
    wal.write(Record(HardState(1, 0, 5), (), Snapshot(5, 1)))
    wal.sync()
    with pytest.raises(StorePanic, match="failed to find database snapshot file"):
        Member(1, options(), Disk(wal=wal.export().synced), lambda ticks: ticks)


def test_the_write_ahead_log() -> None:
    wal = WAL()
    wal.write(Record(HardState(1, 1, 0), (Entry(1, 1), Entry(1, 2))))
    wal.sync()
    wal.write(Record(HardState(2, 1, 1), (Entry(2, 2),)))
    assert wal.export().synced.entries[-1] == Entry(1, 2)
    assert wal.written().entries[-1] == Entry(2, 2)
    assert wal.written().hard_state == HardState(2, 1, 1)
    wal.mark(1, 0)
    assert [entry.index for entry in wal.export().synced.entries] == [1, 2]
    assert wal.export().synced.snapshot.index == 1


# ---- state

ACTIONS = st.lists(
    st.sampled_from(("put", "read", "tick", "step", "step", "step", "grant", "remove", "compact", "commit")), max_size=30
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
@given(ACTIONS)
def test_a_state_is_all_there_is(actions: list[str]) -> None:
    """A member that was exported and restored goes on as the other one does."""
    one = alone(options(snapshot_count=3, catch_up_entries=1))
    one.server.kv.watches.open_stream(0)
    one.server.kv.watches.request(0, WatchCreateRequest(b"a", start_revision=1))
    now_ms = 0
    for action in actions:
        state = one.export(now_ms)
        hash(state)
        other = Member.restore(1, one.options, state, now_ms, lambda ticks: ticks)
        assert other.export(now_ms) == state
        for member in (one, other):
            _act(member, action, now_ms)
        now_ms += 100 * (action == "tick")
        assert other.take_messages() == one.take_messages()
        assert repr(other.take_answers()) == repr(one.take_answers())
        assert other.export(now_ms) == one.export(now_ms)
        assert other.disk() == one.disk()


def _act(member: Member, action: str, now_ms: int) -> None:
    match action:
        case "put":
            member.ask(PutRequest(b"a", b"1"), now_ms)
        case "read":
            member.ask(RangeRequest(b"a"), now_ms)
        case "grant":
            member.ask(LeaseGrantRequest(2), now_ms)
        case "compact":
            member.ask(CompactionRequest(member.server.kv.store.revision, physical=True), now_ms)
        case "remove":
            member.ask(MemberRemoveRequest(7), now_ms)
        case "tick":
            member.tick(now_ms + 100)
        case "step":
            member.step(now_ms)
        case "commit":
            member.server.kv.backend.commit()
