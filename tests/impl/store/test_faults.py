"""Each switch shows, and nothing shows without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kubeproof.impl.store import (
    MISTAKES,
    Backend,
    Faults,
    KeyValue,
    Options,
    Revision,
    Server,
    StorePanic,
    Version,
    as_released,
    hash_kv,
)
from kubeproof.impl.store.compaction import remove_batch
from kubeproof.impl.store.errors import ErrCompacted, ErrDuplicateKey, ErrInvalidSortOption, ErrKeyNotFound
from kubeproof.impl.store.requests import (
    FROM_KEY,
    CompactionRequest,
    DeleteRangeRequest,
    LeaseCheckpoint,
    LeaseCheckpointRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    PutRequest,
    RangeRequest,
    Request,
    RequestOp,
    TxnRequest,
)

PUT = PutRequest(b"a", b"1")
DELETE = DeleteRangeRequest(b"a")
CRASHES = (
    "scheduled_compaction_forgotten",
    "lone_tombstone_not_restored",
    "consistent_index_saved_apart",
    "lease_forgotten_apart",
    "checkpoints_not_persisted",
)


def options(*faults: str, batch_limit: int = 1000, version: Version = Version.V3_6) -> Options:
    return Options(version, compaction_batch_limit=batch_limit, faults=Faults(**dict.fromkeys(faults, True)))


def apply(server: Server, *requests: Request) -> None:
    for request in requests:
        server.apply(server.consistent_index + 1, request, 0)


def crashed(server: Server) -> Server:
    """The member that starts on what is left of this one."""
    server.backend.crash()
    return Server.alone(server.options, server.backend)


def test_every_mistake_has_a_test() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*faults.py"))
    assert [name for name in MISTAKES if f'"{name}"' not in text] == []


def test_the_page_lists_them() -> None:
    page = (Path(__file__).parents[3] / "docs" / "store.md").read_text(encoding="utf-8")
    table = page.partition("<!-- table: store -->")[2].partition("<!-- end -->")[0]
    rows = [
        f"| `{name}` | {mistake.reference.removesuffix(' (docs/store.md)')} | {mistake.sentence} | {mistake.kind} |"
        for name, mistake in MISTAKES.items()
    ]
    assert table.strip().splitlines()[2:] == rows


# ---- compaction and restart


def revision_after_crash(*faults: str) -> int:
    """The last records are removed, the mark `finished` is not written."""
    server = Server.alone(options(*faults, "tombstone_compacted", batch_limit=2))
    apply(server, PUT, DELETE, CompactionRequest(3))
    remove_batch(server.store)
    assert not server.backend.committed().key
    return crashed(server).store.revision


def test_scheduled_compaction_forgotten() -> None:
    assert revision_after_crash() == 3
    assert revision_after_crash("scheduled_compaction_forgotten") == 1


def watched_from(server: Server, revision: int) -> list[tuple[Revision, KeyValue]]:
    while remove_batch(server.store):
        pass
    server.backend.commit()
    return crashed(server).store.records_since(revision)


def test_tombstone_compacted() -> None:
    for faults, events in ((), [((3, 0), KeyValue(b"a", mod_revision=3))]), (("tombstone_compacted",), []):
        server = Server.alone(options(*faults))
        apply(server, PUT, DELETE, CompactionRequest(3))
        assert watched_from(server, 3) == events


def test_lone_tombstone_not_restored() -> None:
    for faults, events in ((), [((3, 0), KeyValue(b"a", mod_revision=3))]), (("lone_tombstone_not_restored",), []):
        server = Server.alone(options(*faults, batch_limit=1))
        apply(server, PUT, DELETE, CompactionRequest(3))
        remove_batch(server.store)
        assert watched_from(crashed(server), 3) == events


DELETE_AND_PUT = TxnRequest(success=(DeleteRangeRequest(b"a", FROM_KEY), PutRequest(b"a", b"2")))


def test_second_change_compacted() -> None:
    for faults in ((), ("second_change_compacted",)):
        server = Server.alone(options("open_range_not_seen", *faults))
        apply(server, PUT, DELETE_AND_PUT)
        server.answer(CompactionRequest(3), 0)
        if faults:
            with pytest.raises(StorePanic, match="range failed to find revision pair"):
                server.answer(RangeRequest(b"a"), 0)
        else:
            assert server.store.range(b"a", None).kvs == [KeyValue(b"a", 3, 3, 1, b"2")]
        # A write does not read, and the next compaction meets the record that is gone.
        server.answer(PutRequest(b"a", b"3"), 0)
        server.answer(CompactionRequest(4), 0)
        assert server.store.range(b"a", None).kvs == [KeyValue(b"a", 3, 4, 2, b"3")]


def test_consistent_index_saved_apart() -> None:
    for faults, revision in ((), 2), (("consistent_index_saved_apart",), 1):
        server = Server.alone(options(*faults))
        server.apply(1, PUT, 0)
        again = crashed(server)
        again.apply(1, PUT, 0)  # the log has it, and it is applied again unless the backend says that it was
        assert again.store.revision == revision


# ---- transactions

NESTED = TxnRequest(success=(TxnRequest(success=(PUT,)), TxnRequest(success=(DELETE,))))


@pytest.mark.parametrize("request_", [DELETE_AND_PUT, NESTED], ids=["to the end", "nested"])
def test_open_range_not_seen(request_: TxnRequest) -> None:
    server = Server.alone()
    apply(server, PutRequest(b"a"))
    assert isinstance(server.answer(request_, 0), ErrDuplicateKey)
    server = Server.alone(options("open_range_not_seen"))
    apply(server, PutRequest(b"a"))
    events = server.do(request_, 0).events
    assert [event.kv.key for event in events] == [b"a", b"a"]
    assert {event.kv.mod_revision for event in events} == {3}


@pytest.mark.parametrize("put", [PutRequest(b"a", ignore_value=True), PutRequest(b"a", b"2", ignore_lease=True)])
def test_previous_looked_up_before_txn(put: PutRequest) -> None:
    deadly = TxnRequest(success=(DeleteRangeRequest(b"a", FROM_KEY), put))
    server = Server.alone()
    apply(server, PUT)
    assert isinstance(server.answer(deadly, 0), ErrDuplicateKey)
    server = Server.alone(options("open_range_not_seen"))
    apply(server, PUT)
    before = server.export(0)
    assert isinstance(server.answer(deadly, 0), ErrKeyNotFound)
    assert server.export(0)._replace(consistent_index=before.consistent_index) == before
    server = Server.alone(options("open_range_not_seen", "previous_looked_up_before_txn"))
    apply(server, PUT)
    server.backend.commit()
    for _ in range(2):  # the entry is in the log: every restart ends in the same way
        with pytest.raises(StorePanic):
            server.apply(server.consistent_index + 1, deadly, 0)
        server = crashed(server)


def test_unknown_sort_target_accepted() -> None:
    for request in RangeRequest(b"a", sort_target=9), TxnRequest(success=(RangeRequest(b"a", sort_target=9),)):
        for version in Version:
            assert isinstance(Server.alone(options(version=version)).answer(request, 0), ErrInvalidSortOption)
        with pytest.raises(StorePanic):
            Server.alone(options("unknown_sort_target_accepted", version=Version.V3_5)).answer(request, 0)


def test_ranges_dropped_where_nobody_waits() -> None:
    past: RequestOp = RangeRequest(b"a", revision=1)
    for faults in ((), ("ranges_dropped_where_nobody_waits",)):
        asked, other = (Server.alone(options(*faults)) for _ in range(2))
        for server in (asked, other):
            apply(server, PUT, CompactionRequest(2))
        entry = TxnRequest(success=(past, PutRequest(b"b")))
        answer = asked.apply(3, entry, 0)
        assert answer is not None
        assert isinstance(answer.answer, ErrCompacted)
        other.apply(3, entry, 0, answered=False)
        assert (hash_kv(asked.store) == hash_kv(other.store)) == (not faults)


# ---- leases


def test_lease_forgotten_apart() -> None:
    for faults in ((), ("lease_forgotten_apart",)):
        server = Server.alone(options(*faults))
        apply(server, LeaseGrantRequest(100, 7), PutRequest(b"a", lease=7))
        server.backend.commit()
        apply(server, LeaseRevokeRequest(7))
        server = crashed(server)
        server.apply(3, LeaseRevokeRequest(7), 0)  # the log has it
        assert server.lessor.lookup(7) is None
        assert bool(server.store.range(b"a", None).kvs) == bool(faults)


def test_checkpoints_not_persisted() -> None:
    for faults, ttl in ((), 100), (("checkpoints_not_persisted",), 1000):
        server = Server.alone(replace(options(*faults), election_timeout_ms=0))
        apply(server, LeaseGrantRequest(1000, 7), LeaseCheckpointRequest((LeaseCheckpoint(7, 100),)))
        server.backend.commit()
        assert crashed(server).lessor.time_to_live(7, 0) == ttl


# ---- releases


def test_releases_do_nothing_that_only_a_crash_shows() -> None:
    for version in Version:
        assert not any(getattr(as_released(version), name) for name in CRASHES)
    assert not as_released(Version.V3_6).unknown_sort_target_accepted


def test_a_backend_of_its_own_for_each_server() -> None:
    assert Server.alone().backend is not Server.alone(backend=Backend()).backend
