"""The storage in memory: its log behind the last compaction, and its snapshots (behaviours of etcd-io/raft's storage_test.go)."""

from __future__ import annotations

import pytest

from kubeproof.impl.raft import ConfState, Entry, HardState, MemoryStorage, Snapshot
from kubeproof.impl.raft.errors import ErrCompacted, ErrSnapOutOfDate, ErrUnavailable, RaftError, RaftPanic
from kubeproof.impl.raft.sizes import entries_size
from kubeproof.impl.raft.storage import StorageState
from kubeproof.impl.raft.types import EMPTY_HARD_STATE, NO_LIMIT
from tests.impl.raft.network import entries_of

MEMBERS = ConfState(voters=(1, 2, 3))


def storage_of(*terms: int, first: int = 3) -> MemoryStorage:
    """A storage with these entries at the indexes from `first` on, the first of which is compacted."""
    storage = MemoryStorage()
    storage.restore(StorageState(EMPTY_HARD_STATE, Snapshot(), entries_of(terms, first)))
    return storage


def log_of(storage: MemoryStorage) -> tuple[Entry, ...]:
    return storage.export().entries


@pytest.mark.parametrize(("index", "expected"), [(2, ErrCompacted), (3, 3), (4, 4), (5, 5), (6, ErrUnavailable)])
def test_storage_term(index: int, expected: int | type[RaftError]) -> None:
    storage = storage_of(3, 4, 5)
    if isinstance(expected, int):
        assert storage.term(index) == expected
    else:
        with pytest.raises(expected):
            storage.term(index)


SIZE = entries_size(entries_of((1,)))


@pytest.mark.parametrize(
    ("low", "high", "max_size", "count"),
    [
        (4, 5, NO_LIMIT, 1),
        (4, 6, NO_LIMIT, 2),
        (4, 7, NO_LIMIT, 3),
        (4, 7, 0, 1),  # at least one
        (4, 7, SIZE, 1),
        (4, 7, 2 * SIZE, 2),
        (4, 7, 3 * SIZE - 1, 2),
        (4, 7, 3 * SIZE, 3),
        (5, 7, SIZE, 1),
    ],
)
def test_storage_entries(low: int, high: int, max_size: int, count: int) -> None:
    assert tuple(storage_of(3, 4, 5, 6).entries(low, high, max_size)) == entries_of((3, 4, 5, 6), 3)[low - 3 :][:count]


@pytest.mark.parametrize(("low", "high"), [(2, 6), (3, 4)])
def test_storage_entries_compacted(low: int, high: int) -> None:
    with pytest.raises(ErrCompacted):
        storage_of(3, 4, 5, 6).entries(low, high, NO_LIMIT)


def test_storage_entries_outside() -> None:
    with pytest.raises(RaftPanic, match=r"entries' hi\(8\) is out of bound lastindex\(6\)"):
        storage_of(3, 4, 5, 6).entries(4, 8, NO_LIMIT)
    with pytest.raises(ErrUnavailable):
        storage_of(3).entries(4, 4, NO_LIMIT)


def test_storage_last_index() -> None:
    storage = storage_of(3, 4, 5)
    assert storage.last_index() == 5
    storage.append(entries_of((5,), 6))
    assert storage.last_index() == 6


def test_storage_first_index() -> None:
    storage = storage_of(3, 4, 5)
    assert storage.first_index() == 4
    storage.compact(4)
    assert storage.first_index() == 5


@pytest.mark.parametrize(("index", "left"), [(4, (4, 5)), (5, (5,))])
def test_storage_compact(index: int, left: tuple[int, ...]) -> None:
    storage = storage_of(3, 4, 5)
    storage.compact(index)
    assert log_of(storage) == entries_of(left, index)


def test_storage_compact_drops_the_data_of_the_entry_it_keeps_as_dummy() -> None:
    storage = MemoryStorage()
    storage.append([Entry(1, 1, data=b"x"), Entry(1, 2, data=b"y")])
    storage.compact(1)
    assert log_of(storage) == (Entry(1, 1), Entry(1, 2, data=b"y"))


def test_storage_compact_refuses() -> None:
    storage = storage_of(3, 4, 5)
    for index in (2, 3):
        with pytest.raises(ErrCompacted):
            storage.compact(index)
    with pytest.raises(RaftPanic, match=r"compact 6 is out of bound lastindex\(5\)"):
        storage.compact(6)
    assert log_of(storage) == entries_of((3, 4, 5), 3)


@pytest.mark.parametrize("index", [4, 5])
def test_storage_create_snapshot(index: int) -> None:
    storage = storage_of(3, 4, 5)
    snapshot = Snapshot(index, index, MEMBERS, b"data")
    assert storage.create_snapshot(index, MEMBERS, b"data") == snapshot
    assert storage.snapshot() == snapshot
    assert storage.initial_state() == (EMPTY_HARD_STATE, MEMBERS)
    assert log_of(storage) == entries_of((3, 4, 5), 3)  # compacting is another matter


def test_storage_create_snapshot_keeps_the_membership() -> None:
    storage = storage_of(3, 4, 5)
    storage.create_snapshot(4, MEMBERS, b"old")
    assert storage.create_snapshot(5, None, b"new") == Snapshot(5, 5, MEMBERS, b"new")


def test_storage_create_snapshot_refuses() -> None:
    storage = storage_of(3, 4, 5)
    storage.create_snapshot(4, MEMBERS, b"data")
    with pytest.raises(ErrSnapOutOfDate):
        storage.create_snapshot(4, MEMBERS, b"other")
    with pytest.raises(RaftPanic, match=r"snapshot 6 is out of bound lastindex\(5\)"):
        storage.create_snapshot(6, MEMBERS, b"data")
    assert storage.snapshot() == Snapshot(4, 4, MEMBERS, b"data")


@pytest.mark.parametrize(
    ("first", "terms", "expected"),
    [
        pytest.param(1, (1, 2), (3, 4, 5), id="compacted"),
        pytest.param(3, (3, 4, 5), (3, 4, 5), id="known"),
        pytest.param(3, (3, 6, 6), (3, 6, 6), id="replace"),
        pytest.param(3, (3, 4, 5, 5), (3, 4, 5, 5), id="known and more"),
        pytest.param(2, (3, 3, 5), (3, 5), id="begins compacted, truncates"),
        pytest.param(4, (5,), (3, 5), id="truncate"),
        pytest.param(6, (5,), (3, 4, 5, 5), id="append"),
        pytest.param(6, (), (3, 4, 5), id="nothing"),
    ],
)
def test_storage_append(first: int, terms: tuple[int, ...], expected: tuple[int, ...]) -> None:
    storage = storage_of(3, 4, 5)
    storage.append(entries_of(terms, first))
    assert log_of(storage) == entries_of(expected, 3)


def test_storage_append_leaves_no_gap() -> None:
    with pytest.raises(RaftPanic, match=r"missing log entry \[last: 5, append at: 7\]"):
        storage_of(3, 4, 5).append(entries_of((5,), 7))


def test_storage_apply_snapshot() -> None:
    storage = storage_of(1, 1, 1, first=1)
    newer = Snapshot(4, 4, MEMBERS, b"data")
    storage.apply_snapshot(newer)
    assert (storage.snapshot(), log_of(storage)) == (newer, (Entry(4, 4),))
    assert (storage.first_index(), storage.last_index(), storage.term(4)) == (5, 4, 4)
    for index in (3, 4):
        with pytest.raises(ErrSnapOutOfDate):
            storage.apply_snapshot(Snapshot(index, 3, MEMBERS, b"data"))
    assert storage.snapshot() == newer


def test_storage_hard_state() -> None:
    storage = MemoryStorage()
    assert storage.initial_state() == (EMPTY_HARD_STATE, ConfState())
    storage.set_hard_state(HardState(2, 1, 0))
    assert storage.initial_state() == (HardState(2, 1, 0), ConfState())


def test_storage_export_and_restore() -> None:
    storage = storage_of(3, 4, 5)
    storage.set_hard_state(HardState(5, 1, 4))
    storage.create_snapshot(4, MEMBERS, b"data")
    state = storage.export()
    copy = MemoryStorage()
    copy.restore(state)
    assert copy.export() == state
    assert hash(copy.export()) == hash(state)
    copy.append(entries_of((6,), 6))
    assert (storage.export(), storage.last_index(), copy.last_index()) == (state, 5, 6)
