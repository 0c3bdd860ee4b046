"""The unstable part of the log: what it holds, what is being written, and what a confirmed write ends
(behaviours of etcd-io/raft's log_unstable_test.go).
"""

from __future__ import annotations

import pytest

from kubeproof.impl.raft import Entry, Snapshot
from kubeproof.impl.raft.errors import RaftPanic
from kubeproof.impl.raft.log_unstable import Unstable, UnstableState
from tests.impl.raft.network import entries_of

SNAPSHOT = Snapshot(index=4, term=1)


def unstable(
    offset: int,
    terms: tuple[int, ...] = (),
    snapshot: Snapshot | None = None,
    in_progress: int | None = None,
    *,
    snapshot_in_progress: bool = False,
) -> UnstableState:
    """Entries of these terms from `offset` on, those below `in_progress` being written."""
    begun = offset if in_progress is None else in_progress
    return UnstableState(snapshot, entries_of(terms, offset), offset, begun, snapshot_in_progress)


def log_of(state: UnstableState) -> Unstable:
    log = Unstable(0)
    log.import_state(state)
    return log


@pytest.mark.parametrize(
    ("state", "first"),
    [
        (unstable(5, (1,)), None),
        (unstable(0), None),
        (unstable(5, (1,), SNAPSHOT), 5),
        (unstable(5, (), SNAPSHOT), 5),
    ],
)
def test_maybe_first_index(state: UnstableState, first: int | None) -> None:
    assert log_of(state).maybe_first_index() == first


@pytest.mark.parametrize(
    ("state", "last"),
    [
        (unstable(5, (1,)), 5),
        (unstable(5, (1, 1), SNAPSHOT), 6),
        (unstable(5, (), SNAPSHOT), 4),
        (unstable(0), None),
    ],
)
def test_maybe_last_index(state: UnstableState, last: int | None) -> None:
    assert log_of(state).maybe_last_index() == last


@pytest.mark.parametrize(
    ("state", "index", "term"),
    [
        (unstable(5, (3,)), 5, 3),
        (unstable(5, (3,)), 6, None),
        (unstable(5, (3,)), 4, None),
        (unstable(5, (3,), SNAPSHOT), 5, 3),
        (unstable(5, (3,), SNAPSHOT), 6, None),
        (unstable(5, (3,), SNAPSHOT), 4, 1),
        (unstable(5, (3,), SNAPSHOT), 3, None),
        (unstable(5, (), SNAPSHOT), 5, None),
        (unstable(5, (), SNAPSHOT), 4, 1),
        (unstable(0), 5, None),
    ],
)
def test_maybe_term(state: UnstableState, index: int, term: int | None) -> None:
    assert log_of(state).maybe_term(index) == term


def test_restore() -> None:
    log = log_of(unstable(5, (1,), SNAPSHOT, in_progress=6, snapshot_in_progress=True))
    newer = Snapshot(index=6, term=2)
    log.restore(newer)
    assert log.export() == UnstableState(newer, (), 7, 7, False)


@pytest.mark.parametrize(
    ("in_progress", "entries"),
    [(5, entries_of((1, 1), 5)), (6, entries_of((1,), 6)), (7, ())],
)
def test_next_entries(in_progress: int, entries: tuple[Entry, ...]) -> None:
    log = log_of(unstable(5, (1, 1), in_progress=in_progress))
    assert tuple(log.next_entries()) == entries
    assert log.has_next_entries() is bool(entries)


@pytest.mark.parametrize(
    ("snapshot", "in_progress", "expected"), [(None, False, None), (SNAPSHOT, False, SNAPSHOT), (SNAPSHOT, True, None)]
)
def test_next_snapshot(snapshot: Snapshot | None, in_progress: bool, expected: Snapshot | None) -> None:
    log = log_of(unstable(5, (), snapshot, snapshot_in_progress=in_progress))
    assert log.next_snapshot() == expected


@pytest.mark.parametrize("snapshot", [None, SNAPSHOT])
@pytest.mark.parametrize("snapshot_in_progress", [False, True])
@pytest.mark.parametrize(("terms", "before", "after"), [((), 5, 5), ((1,), 5, 6), ((1, 1), 5, 7), ((1, 1), 6, 7), ((1, 1), 7, 7)])
def test_accept_in_progress(
    terms: tuple[int, ...], before: int, after: int, snapshot: Snapshot | None, snapshot_in_progress: bool
) -> None:
    snapshot_in_progress = snapshot_in_progress and snapshot is not None
    log = log_of(unstable(5, terms, snapshot, before, snapshot_in_progress=snapshot_in_progress))
    log.accept_in_progress()
    assert log.export() == UnstableState(snapshot, entries_of(terms, 5), 5, after, snapshot is not None)


@pytest.mark.parametrize(
    ("state", "index", "term", "offset", "in_progress", "left"),
    [
        pytest.param(unstable(0), 5, 1, 0, 0, 0, id="empty"),
        pytest.param(unstable(5, (1,), None, 6), 5, 1, 6, 6, 0, id="the only entry"),
        pytest.param(unstable(5, (1, 1), None, 6), 5, 1, 6, 6, 1, id="the first entry"),
        pytest.param(unstable(5, (1, 1), None, 7), 5, 1, 6, 7, 1, id="the first entry, the next is being written"),
        pytest.param(unstable(6, (2,), None, 7), 6, 1, 6, 7, 1, id="another term: it was replaced"),
        pytest.param(unstable(5, (1,), None, 6), 4, 1, 5, 6, 1, id="an older entry"),
        pytest.param(unstable(5, (1,), None, 6), 4, 2, 5, 6, 1, id="an older entry of another term"),
        pytest.param(unstable(5, (1,), None, 6), 6, 1, 5, 6, 1, id="an unknown entry"),
        pytest.param(unstable(5, (1, 1), None, 5), 6, 1, 7, 7, 0, id="written before its turn"),
        pytest.param(unstable(5, (1,), SNAPSHOT, 6), 5, 1, 6, 6, 0, id="behind a snapshot"),
        pytest.param(unstable(5, (1, 1), SNAPSHOT, 7), 5, 1, 6, 7, 1, id="behind a snapshot, more to come"),
        pytest.param(unstable(6, (2,), Snapshot(5, 1), 7), 6, 1, 6, 7, 1, id="behind a snapshot, another term"),
        pytest.param(unstable(5, (1,), SNAPSHOT, 6), 4, 1, 5, 6, 1, id="the snapshot's index"),
        pytest.param(unstable(5, (2,), SNAPSHOT, 6), 4, 1, 5, 6, 1, id="the snapshot's index, a later entry"),
    ],
)
def test_stable_to(state: UnstableState, index: int, term: int, offset: int, in_progress: int, left: int) -> None:
    log = log_of(state)
    log.stable_to(index, term)
    assert (log.offset, log.offset_in_progress, len(log.entries)) == (offset, in_progress, left)
    assert log.snapshot == state.snapshot


@pytest.mark.parametrize(("index", "left"), [(3, SNAPSHOT), (4, None), (5, SNAPSHOT)])
def test_stable_snap_to(index: int, left: Snapshot | None) -> None:
    log = log_of(unstable(5, (1,), SNAPSHOT, 6, snapshot_in_progress=True))
    log.stable_snap_to(index)
    assert log.export() == UnstableState(left, entries_of((1,), 5), 5, 6, left is not None)


@pytest.mark.parametrize(
    ("state", "first", "terms", "offset", "in_progress", "expected"),
    [
        pytest.param(unstable(5, (1,), None, 5), 6, (1, 1), 5, 5, (1, 1, 1), id="append"),
        pytest.param(unstable(5, (1,), None, 6), 6, (1, 1), 5, 6, (1, 1, 1), id="append to what is being written"),
        pytest.param(unstable(5, (1,), None, 5), 5, (2, 2), 5, 5, (2, 2), id="replace"),
        pytest.param(unstable(5, (1,), None, 5), 4, (2, 2, 2), 4, 4, (2, 2, 2), id="replace and more"),
        pytest.param(unstable(5, (1,), None, 6), 5, (2, 2), 5, 5, (2, 2), id="replace what is being written"),
        pytest.param(unstable(5, (1,), None, 6), 4, (2, 2), 4, 4, (2, 2), id="replace that and more"),
        pytest.param(unstable(5, (1, 1, 1), None, 5), 6, (2,), 5, 5, (1, 2), id="truncate"),
        pytest.param(unstable(5, (1, 1, 1), None, 5), 7, (2, 2), 5, 5, (1, 1, 2, 2), id="truncate the last"),
        pytest.param(unstable(5, (1, 1, 1), None, 6), 6, (2,), 5, 6, (1, 2), id="truncate from what is next"),
        pytest.param(unstable(5, (1, 1, 1), None, 7), 6, (2,), 5, 6, (1, 2), id="truncate what is being written"),
    ],
)
def test_truncate_and_append(
    state: UnstableState, first: int, terms: tuple[int, ...], offset: int, in_progress: int, expected: tuple[int, ...]
) -> None:
    log = log_of(state)
    log.truncate_and_append(entries_of(terms, first))
    assert log.export() == UnstableState(None, entries_of(expected, offset), offset, in_progress, False)


def test_slice() -> None:
    log = log_of(unstable(5, (1, 2, 3)))
    assert tuple(log.slice(6, 8)) == entries_of((2, 3), 6)
    assert log.slice(6, 6) == []


@pytest.mark.parametrize(
    ("low", "high", "problem"),
    [(7, 6, "invalid unstable.slice 7 > 6"), (4, 6, r"\[4,6\) out of bound \[5,8\]"), (6, 9, r"\[6,9\) out of bound \[5,8\]")],
)
def test_slice_panics_outside(low: int, high: int, problem: str) -> None:
    with pytest.raises(RaftPanic, match=problem):
        log_of(unstable(5, (1, 2, 3))).slice(low, high)
