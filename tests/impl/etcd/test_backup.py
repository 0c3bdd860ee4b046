"""A restored server answers as etcd does; the cluster is a new one; what cannot be restored is refused with the words of etcd."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kubeproof.impl.etcd import backup
from kubeproof.impl.etcd.alarms import ALARMS
from kubeproof.impl.etcd.backup import Restored, RestoreError, Snapshot
from kubeproof.impl.etcd.configure import added
from kubeproof.impl.etcd.member import Member, MemberOptions
from kubeproof.impl.etcd.membership import MEMBERS, REMOVED
from kubeproof.impl.etcd.requests import AlarmMember, AlarmType
from kubeproof.impl.etcd.requests import Member as ClusterMember
from kubeproof.impl.raft import HardState
from kubeproof.impl.raft.confchange import decode_conf_change
from kubeproof.impl.store import Backend, Server, hash_kv
from kubeproof.impl.store.errors import ErrCompacted, ErrFutureRev
from kubeproof.impl.store.requests import (
    CompactionRequest,
    CompactionResponse,
    DeleteRangeRequest,
    LeaseGrantRequest,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
    Request,
    ResponseHeader,
    WatchCreateRequest,
    WatchResponse,
)

KEY, END = b"\x00", b"\x00"
ALL = RangeRequest(KEY, END)
ALONE = {"m1": ("http://127.0.0.1:2380",)}
FIRST = PutRequest(b"a", b"1"), PutRequest(b"b", b"1"), DeleteRangeRequest(b"b"), PutRequest(b"a", b"2")
"""Revisions 2 to 5."""


def server_of(*requests: Request) -> Server:
    server = Server.alone()
    for request in requests:
        server.answer(request, 0)
    return server


def saved(*requests: Request) -> Snapshot:
    return backup.save(server_of(*requests).backend)


def started(restored: Restored) -> Server:
    return Server.alone(backend=Backend(committed=restored.disk.backend))


def restored(snapshot: Snapshot, bump: int = 0) -> Server:
    return started(backup.restore(snapshot, "m1", ALONE, bump_revision=bump, mark_compacted=bump > 0))


def found(server: Server, request: RangeRequest = ALL) -> RangeResponse:
    answer = server.answer(request, 0)
    assert isinstance(answer, RangeResponse)
    return answer


def watched(server: Server, start_revision: int) -> list[WatchResponse]:
    """What a watch of everything is sent at first, behind that it was created."""
    server.watches.open_stream(0)
    server.watches.request(0, WatchCreateRequest(KEY, END, start_revision))
    [created, *told] = server.watches.settle()[0]
    server.watches.close_stream(0)
    assert created.created
    return told


# ---- the backup


def test_a_backup_has_what_was_written_and_not_yet_committed() -> None:
    server = server_of(*FIRST)
    assert server.backend.committed().key == ()
    assert [revision for revision, _ in backup.save(server.backend).content.key] == [(2, 0), (3, 0), (4, 0), (5, 0)]


def test_a_backup_stays_as_it_is() -> None:
    server = server_of(*FIRST)
    snapshot = backup.save(server.backend)
    server.answer(PutRequest(b"c"), 0)
    assert snapshot == saved(*FIRST)


# ---- a restore without a bump


def test_without_a_bump_the_store_goes_on_from_the_backup() -> None:
    server, before = restored(saved(*FIRST)), server_of(*FIRST)
    assert found(server) == found(before)
    assert hash_kv(server.store) == hash_kv(before.store)
    assert server.answer(PutRequest(b"c"), 0) == PutResponse(ResponseHeader(6))
    assert [event.kv.mod_revision for event in watched(server, 2)[0].events] == [2, 3, 4, 5, 6]
    assert watched(server, 100) == []


def test_a_compaction_that_was_under_way_goes_on() -> None:
    server = server_of(*FIRST)
    server.apply(server.consistent_index + 1, CompactionRequest(4), 0)
    snapshot = backup.save(server.backend)
    assert len(snapshot.content.key) == 4
    assert restored(snapshot).store.compact_revision == 4
    assert restored(snapshot).store.compactions


def test_leases_are_restored_with_their_keys() -> None:
    server = restored(saved(LeaseGrantRequest(10, 1), PutRequest(b"a", b"1", lease=1)))
    lease = server.lessor.lookup(1)
    assert lease is not None
    assert lease.keys == {b"a"}


# ---- a bump


def test_a_bumped_store_has_the_same_content_at_a_later_revision() -> None:
    server = restored(saved(*FIRST), bump=10)
    assert found(server) == found(server_of(*FIRST))._replace(header=ResponseHeader(15))
    assert server.store.compact_revision == 15
    assert server.answer(RangeRequest(KEY, END, revision=14), 0).__class__ is ErrCompacted
    assert found(server, RangeRequest(KEY, END, revision=15)).count == 1
    assert server.answer(RangeRequest(KEY, END, revision=16), 0).__class__ is ErrFutureRev
    assert server.answer(PutRequest(b"a"), 0) == PutResponse(ResponseHeader(16))


def test_watches_from_before_the_bumped_revision_are_canceled_as_compacted() -> None:
    server = restored(saved(*FIRST), bump=10)
    for start in (2, 5, 6, 14):
        assert watched(server, start) == [WatchResponse(ResponseHeader(), canceled=True, compact_revision=15)]
    assert watched(server, 15) == watched(server, 16) == []


def test_nobody_is_told_of_the_record_that_bumps() -> None:
    server = restored(saved(*FIRST), bump=10)
    server.answer(PutRequest(b"c"), 0)
    [told] = watched(server, 15)
    assert [event.kv.key for event in told.events] == [b"c"]
    assert [kv.key for kv in found(server).kvs] == [b"a", b"c"]


def test_compactions_go_on_behind_the_bumped_revision() -> None:
    server = restored(saved(*FIRST), bump=10)
    assert isinstance(server.answer(CompactionRequest(15), 0), ErrCompacted)
    server.answer(PutRequest(b"a"), 0)
    assert isinstance(server.answer(CompactionRequest(16, physical=True), 0), CompactionResponse)
    assert found(server).count == 1
    assert restored(backup.save(server.backend), bump=4).store.revision == 20


def test_a_restart_changes_nothing() -> None:
    content = backup.restore(saved(*FIRST), "m1", ALONE, bump_revision=10, mark_compacted=True).disk.backend
    backend = Backend(committed=content)
    Server.alone(backend=backend)
    backend.crash()
    server = Server.alone(backend=backend)
    assert (server.store.revision, server.store.compact_revision) == (15, 15)
    assert found(server).count == 1


def test_a_bump_counts_from_the_last_record_which_an_empty_store_has_not() -> None:
    """As a real etcd 3.6.14 does: the revision of the empty store is 1, and 5 behind a bump by 5."""
    assert restored(saved()).store.revision == 1
    assert restored(saved(), bump=5).store.revision == 5


# ---- the new cluster

THREE = {name: (f"http://127.0.0.1:{port}",) for name, port in (("m1", 2380), ("m2", 2480), ("m3", 2580))}


def running(new: Restored) -> Member:
    return Member(new.member_id, MemberOptions(), new.disk, lambda ticks: ticks)


def carry(members: Sequence[Member]) -> None:
    """Let them do and send all that they have to."""
    by_id = {member.id: member for member in members}
    while True:
        for member in members:
            member.settle(0)
        sent = [message for member in members for message in member.take_messages()]
        if not sent:
            return
        for message in sent:
            by_id[message.to].receive(message, 0)


def answered(member: Member, members: Sequence[Member], request: Request) -> object:
    member.ask(request, 0)
    carry(members)
    [(_, answer)] = member.take_answers()
    return answer


def test_restored_members_are_a_cluster_that_goes_on() -> None:
    members = [running(backup.restore(saved(*FIRST), name, THREE, bump_revision=10, mark_compacted=True)) for name in THREE]
    members[1].node.campaign()
    carry(members)
    assert [member.node.raft.lead for member in members] == [members[1].id] * 3
    assert answered(members[0], members, PutRequest(b"c", b"3")) == PutResponse(ResponseHeader(16))
    assert answered(members[2], members, ALL) == found(members[1].server.kv)
    assert {member.server.kv.store.revision for member in members} == {16}


def test_the_members_are_those_of_the_new_cluster_and_its_log_begins_with_them() -> None:
    new = backup.restore(saved(*FIRST), "m2", THREE)
    members = running(new).server.cluster.members
    ids = tuple(member.id for member in members)
    assert ids == tuple(sorted(ids))
    assert [member.name for member in members if member.id == new.member_id] == ["m2"]
    hard_state, begin, [_, *entries] = new.disk.wal
    assert hard_state == HardState(1, ids[0], 3)
    assert (begin.index, begin.term) == (3, 1)
    assert [(entry.term, entry.index) for entry in entries] == [(1, 1), (1, 2), (1, 3)]
    assert [decode_conf_change(entry.type, entry.data) for entry in entries] == [added(member) for member in members]
    assert started(new).consistent_index == 3


def test_former_members_are_gone_and_alarms_are_not() -> None:
    """As etcd trims the buckets of members only (schema/membership.go)."""
    server = server_of(*FIRST)
    for name, value in ((MEMBERS, (ClusterMember(9),)), (REMOVED, (8,)), (ALARMS, (AlarmMember(9, AlarmType.NOSPACE),))):
        server.backend.cluster.put(name, value)
    restored = running(backup.restore(backup.save(server.backend), "m1", ALONE)).server
    assert [member.name for member in restored.cluster.members] == ["m1"]
    assert restored.cluster.removed == ()
    assert restored.alarms.alarms == (AlarmMember(9, AlarmType.NOSPACE),)


def test_all_members_restore_the_same_cluster_and_each_restores_itself() -> None:
    restores = [backup.restore(saved(*FIRST), name, THREE) for name in THREE]
    assert len({new.member_id for new in restores}) == 3
    assert len({new._replace(member_id=0) for new in restores}) == 1


def test_another_token_makes_another_cluster() -> None:
    one, other = (backup.restore(saved(*FIRST), "m1", ALONE, token) for token in ("one", "other"))
    assert one.cluster_id != other.cluster_id
    assert one.member_id != other.member_id


def test_what_was_applied_before_is_no_entry_of_the_new_log() -> None:
    """The log begins anew, so the index of what the backend has does, too: else the first entries would be taken for applied."""
    server = started(backup.restore(saved(*FIRST * 10), "m1", ALONE))
    applied = server.apply(2, PutRequest(b"c"), 0)
    assert applied is not None
    assert isinstance(applied.answer, PutResponse)


# ---- refusals


@pytest.mark.parametrize(("bump", "mark"), [(5, False), (0, True)])
def test_a_bump_and_its_mark_come_together(bump: int, mark: bool) -> None:
    with pytest.raises(RestoreError, match="--mark-compacted required if --revision-bump > 0"):
        backup.restore(saved(*FIRST), "m1", ALONE, bump_revision=bump, mark_compacted=mark)


def test_who_restores_is_a_member() -> None:
    with pytest.raises(RestoreError, match='couldn\'t find local name "m9" in the initial cluster configuration'):
        backup.restore(saved(*FIRST), "m9", THREE)


def test_a_backup_that_was_changed_is_refused() -> None:
    snapshot = saved(*FIRST)
    changed = snapshot._replace(content=snapshot.content._replace(key=snapshot.content.key[:-1]))
    with pytest.raises(RestoreError, match="expected sha256"):
        backup.restore(changed, "m1", ALONE)
    assert started(backup.restore(changed, "m1", ALONE, skip_hash_check=True)).store.revision == 4


def test_a_copy_of_a_data_directory_has_no_hash() -> None:
    copy = Snapshot(saved(*FIRST).content)
    with pytest.raises(RestoreError, match="snapshot missing hash but --skip-hash-check=false"):
        backup.restore(copy, "m1", ALONE)
    assert started(backup.restore(copy, "m1", ALONE, skip_hash_check=True)).store.revision == 5
