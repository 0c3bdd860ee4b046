"""The log as a whole, stored and unstable: matching, appending, committing, handing out for applying, reading
(behaviours of etcd-io/raft's log_test.go).
"""

from __future__ import annotations

import pytest

from kubeproof.impl.raft import ConfState, Entry, MemoryStorage, Snapshot
from kubeproof.impl.raft.errors import ErrCompacted, ErrUnavailable, RaftError, RaftPanic
from kubeproof.impl.raft.log import RaftLog
from kubeproof.impl.raft.sizes import entries_size
from kubeproof.impl.raft.types import NO_LIMIT
from tests.impl.raft.network import entries_of, make_storage

SIZE = entries_size(entries_of((1,)))


def log_with(stored: tuple[int, ...] = (), unstable: tuple[int, ...] = (), max_applying_size: int = NO_LIMIT) -> RaftLog:
    """A log with entries of these terms from index 1 on, the first of them stored."""
    log = RaftLog(make_storage(terms=stored), max_applying_size=max_applying_size)
    log.append(entries_of(unstable, len(stored) + 1))
    return log


def log_behind_snapshot(index: int, term: int = 1, stored: tuple[int, ...] = (), unstable: tuple[int, ...] = ()) -> RaftLog:
    storage = make_storage(terms=stored, snapshot=Snapshot(index, term, ConfState(voters=(1,))))
    log = RaftLog(storage)
    log.append(entries_of(unstable, index + len(stored) + 1))
    return log


def terms_of(log: RaftLog) -> tuple[int, ...]:
    return tuple(entry.term for entry in log.entries(log.first_index()))


# ---- matching


@pytest.mark.parametrize(
    ("first", "terms", "conflict"),
    [
        pytest.param(1, (), 0, id="nothing"),
        pytest.param(1, (1, 2, 3), 0, id="known"),
        pytest.param(2, (2, 3), 0, id="known from 2"),
        pytest.param(3, (3,), 0, id="known from 3"),
        pytest.param(1, (1, 2, 3, 4, 4), 4, id="known, then new"),
        pytest.param(2, (2, 3, 4, 5), 4, id="known from 2, then new"),
        pytest.param(4, (4, 4), 4, id="new"),
        pytest.param(1, (4, 4), 1, id="conflict at 1"),
        pytest.param(2, (1, 4, 4), 2, id="conflict at 2"),
        pytest.param(3, (1, 2, 4, 4), 3, id="conflict at 3"),
    ],
)
def test_find_conflict(first: int, terms: tuple[int, ...], conflict: int) -> None:
    assert log_with((1,), (2, 3)).find_conflict(entries_of(terms, first)) == conflict


@pytest.mark.parametrize(
    ("index", "term", "expected"),
    [
        (100, 2, (100, 0)),  # behind the end
        (5, 6, (5, 5)),
        (5, 5, (5, 5)),
        (5, 4, (2, 2)),
        (2, 2, (2, 2)),
        (2, 1, (0, 0)),
        (1, 2, (1, 2)),
        (1, 1, (0, 0)),
        (0, 0, (0, 0)),
    ],
)
def test_find_conflict_by_term(index: int, term: int, expected: tuple[int, int]) -> None:
    assert log_with((2, 2), (5, 5, 5)).find_conflict_by_term(index, term) == expected


@pytest.mark.parametrize(
    ("index", "term", "expected"),
    [
        (30, 3, (30, 0)),
        (14, 9, (14, 4)),
        (14, 4, (14, 4)),
        (14, 3, (12, 3)),
        (14, 2, (9, 0)),  # compacted
        (11, 5, (11, 3)),
        (10, 5, (10, 3)),
        (10, 2, (9, 0)),
        (4, 2, (4, 0)),
        (0, 0, (0, 0)),
    ],
)
def test_find_conflict_by_term_in_a_compacted_log(index: int, term: int, expected: tuple[int, int]) -> None:
    assert log_behind_snapshot(10, 3, (3, 3), (4, 4)).find_conflict_by_term(index, term) == expected


@pytest.mark.parametrize(
    ("index", "term", "expected"),
    [
        pytest.param(2, 4, True, id="higher term, shorter"),
        pytest.param(3, 4, True, id="higher term"),
        pytest.param(4, 4, True, id="higher term, longer"),
        pytest.param(2, 2, False, id="lower term, shorter"),
        pytest.param(3, 2, False, id="lower term"),
        pytest.param(4, 2, False, id="lower term, longer"),
        pytest.param(2, 3, False, id="shorter"),
        pytest.param(3, 3, True, id="equal"),
        pytest.param(4, 3, True, id="longer"),
    ],
)
def test_is_up_to_date(index: int, term: int, expected: bool) -> None:
    assert log_with((1, 2, 3)).is_up_to_date(term, index) is expected


# ---- appending


@pytest.mark.parametrize(
    ("first", "terms", "expected", "offset"),
    [
        pytest.param(3, (), (1, 2), 3, id="nothing"),
        pytest.param(3, (2,), (1, 2, 2), 3, id="behind the end"),
        pytest.param(1, (2,), (2,), 1, id="replace from 1"),
        pytest.param(2, (3, 3), (1, 3, 3), 2, id="replace from 2"),
    ],
)
def test_append(first: int, terms: tuple[int, ...], expected: tuple[int, ...], offset: int) -> None:
    log = log_with((1, 2))
    assert log.append(entries_of(terms, first)) == len(expected)
    assert terms_of(log) == expected
    assert log.unstable.offset == offset


def test_append_must_not_touch_what_is_committed() -> None:
    log = log_with((1, 2))
    log.commit_to(2)
    with pytest.raises(RaftPanic, match=r"after\(1\) is out of range \[committed\(2\)\]"):
        log.append(entries_of((3,), 2))


@pytest.mark.parametrize(
    ("prev_term", "prev_index", "terms", "commit", "last_new", "committed", "log_after"),
    [
        pytest.param(2, 3, (4,), 3, None, 1, (1, 2, 3), id="other term"),
        pytest.param(3, 4, (4,), 3, None, 1, (1, 2, 3), id="behind the end"),
        pytest.param(3, 3, (), 3, 3, 3, (1, 2, 3), id="commit all"),
        pytest.param(3, 3, (), 4, 3, 3, (1, 2, 3), id="commit no more than there is"),
        pytest.param(3, 3, (), 2, 3, 2, (1, 2, 3), id="commit some"),
        pytest.param(3, 3, (), 0, 3, 1, (1, 2, 3), id="commit does not decrease"),
        pytest.param(0, 0, (), 3, 0, 1, (1, 2, 3), id="commit what is known to match only"),
        pytest.param(3, 3, (4,), 3, 4, 3, (1, 2, 3, 4), id="new"),
        pytest.param(3, 3, (4,), 4, 4, 4, (1, 2, 3, 4), id="new and committed"),
        pytest.param(3, 3, (4,), 5, 4, 4, (1, 2, 3, 4), id="new, commit no more than there is"),
        pytest.param(3, 3, (4, 4), 5, 5, 5, (1, 2, 3, 4, 4), id="two new ones"),
        pytest.param(2, 2, (4,), 3, 3, 3, (1, 2, 4), id="replace the last"),
        pytest.param(1, 1, (4,), 3, 2, 2, (1, 4), id="replace two by one"),
        pytest.param(1, 1, (4, 4), 3, 3, 3, (1, 4, 4), id="replace two by two"),
        pytest.param(1, 1, (2,), 1, 2, 1, (1, 2, 3), id="nothing new: no truncation"),
    ],
)
def test_log_maybe_append(
    prev_term: int,
    prev_index: int,
    terms: tuple[int, ...],
    commit: int,
    last_new: int | None,
    committed: int,
    log_after: tuple[int, ...],
) -> None:
    log = log_with((), (1, 2, 3))
    log.commit_to(1)
    assert log.maybe_append(prev_index, prev_term, entries_of(terms, prev_index + 1), commit) == last_new
    assert (log.committed, terms_of(log)) == (committed, log_after)


def test_log_maybe_append_panics_on_a_conflict_with_what_is_committed() -> None:
    log = log_with((), (1, 2, 3))
    log.commit_to(1)
    with pytest.raises(RaftPanic, match=r"entry 1 conflict with committed entry \[committed\(1\)\]"):
        log.maybe_append(0, 0, entries_of((4,)), 3)


# ---- compaction


def compact(log: RaftLog, index: int) -> None:
    assert isinstance(log.storage, MemoryStorage)
    log.storage.compact(index)


def test_compaction_side_effects() -> None:
    log = log_with(tuple(range(1, 751)), tuple(range(751, 1001)))
    log.commit_to(1000)
    log.applied_to(1000, 0)
    compact(log, 500)
    assert (log.first_index(), log.last_index()) == (501, 1000)
    assert all(log.term(index) == index for index in range(500, 1001))
    assert all(log.match_term(index, index) for index in range(500, 1001))
    assert log.unstable.next_entries() == list(entries_of(range(751, 1001), 751))
    log.append(entries_of((1001,), 1001))
    assert (log.last_index(), len(log.entries(1001))) == (1001, 1)


@pytest.mark.parametrize(
    ("steps", "left"), [((300, 500, 800, 900), (700, 500, 200, 100)), ((300, 299), (700, ErrCompacted)), ((1001,), (RaftPanic,))]
)
def test_compaction(steps: tuple[int, ...], left: tuple[int | type[Exception], ...]) -> None:
    log = log_with((1,) * 1000)
    log.commit_to(1000)
    log.applied_to(1000, 0)
    for index, expected in zip(steps, left, strict=True):
        if isinstance(expected, int):
            compact(log, index)
            assert len(log.entries(log.first_index())) == expected
        else:
            with pytest.raises(expected):
                compact(log, index)


def test_log_restore() -> None:
    log = log_behind_snapshot(1000, 1000)
    assert terms_of(log) == ()
    assert (log.first_index(), log.committed, log.unstable.offset, log.term(1000)) == (1001, 1000, 1001, 1000)

    log.restore(Snapshot(2000, 3))
    assert (log.first_index(), log.last_index(), log.committed, log.applied) == (2001, 2000, 2000, 1000)
    assert (log.last_entry_id(), log.snapshot()) == ((3, 2000), Snapshot(2000, 3))


# ---- applying


@pytest.mark.parametrize("allow_unstable", [False, True])
@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("snapshot", [False, True])
@pytest.mark.parametrize(
    ("applied", "applying", "stable", "unstable"),
    [(3, 3, (4,), (4, 5)), (3, 4, (), (5,)), (3, 5, (), ()), (4, 4, (), (5,)), (5, 5, (), ())],
)
def test_next_committed_entries(
    applied: int,
    applying: int,
    stable: tuple[int, ...],
    unstable: tuple[int, ...],
    allow_unstable: bool,
    paused: bool,
    snapshot: bool,
) -> None:
    """Entries 4 and 5 are committed, entry 5 is not stored."""
    log = log_behind_snapshot(3, stored=(1,), unstable=(1, 1))
    log.commit_to(5)
    log.applied_to(applied, 0)
    log.accept_applying(applying, 0, allow_unstable=allow_unstable)
    log.applying_paused = paused
    if snapshot:
        log.unstable.snapshot = Snapshot(4, 1)
    expected = () if paused or snapshot else unstable if allow_unstable else stable
    assert tuple(entry.index for entry in log.next_committed_entries(allow_unstable)) == expected
    assert log.has_next_committed_entries(allow_unstable) is bool(expected)


@pytest.mark.parametrize(("handed_out", "expected"), [(0, (4, 5)), (SIZE, (4, 5)), (SIZE + 1, (4,)), (3 * SIZE - 1, (4,))])
def test_next_committed_entries_within_the_budget(handed_out: int, expected: tuple[int, ...]) -> None:
    """Room for three entries, of which some bytes are in the application's hands. The first entry is given whatever its size."""
    log = RaftLog(make_storage(terms=(1, 1, 1, 1, 1)), max_applying_size=3 * SIZE)
    log.commit_to(5)
    log.applied_to(3, 0)
    log.applying_size = handed_out
    assert tuple(entry.index for entry in log.next_committed_entries(True)) == expected


@pytest.mark.parametrize("allow_unstable", [False, True])
@pytest.mark.parametrize(
    ("index", "size", "paused", "paused_if_stable_only"),
    [
        pytest.param(3, 99, True, True, id="entries were held back"),
        pytest.param(4, 99, True, False, id="the unstable entry was held back"),
        pytest.param(5, 99, False, False, id="all"),
        pytest.param(5, 100, True, True, id="as much as allowed"),
        pytest.param(5, 101, True, True, id="more than allowed"),
    ],
)
def test_accept_applying(index: int, size: int, paused: bool, paused_if_stable_only: bool, allow_unstable: bool) -> None:
    log = log_with((1, 1, 1, 1), (1,), max_applying_size=100)
    log.commit_to(5)
    log.applied_to(3, 0)
    log.accept_applying(index, size, allow_unstable=allow_unstable)
    assert (log.applied, log.applying, log.applying_size) == (3, index, size)
    assert log.applying_paused is (paused if allow_unstable else paused_if_stable_only)


@pytest.mark.parametrize(
    ("index", "size", "applying", "left", "paused"),
    [
        (4, 4, 5, 101 - 4, False),
        (5, 5, 5, 101 - 5, False),
        (4, 1, 5, 100, True),
        (4, 0, 5, 101, True),
        (5, 200, 5, 0, False),
    ],
)
def test_applied_to(index: int, size: int, applying: int, left: int, paused: bool) -> None:
    log = log_with((1, 1, 1, 1), (1,), max_applying_size=100)
    log.commit_to(5)
    log.applied_to(3, 0)
    log.accept_applying(5, 101, allow_unstable=True)
    log.applied_to(index, size)
    assert (log.applied, log.applying, log.applying_size, log.applying_paused) == (index, applying, left, paused)


def test_applied_to_moves_applying_along() -> None:
    log = log_with((1, 1, 1))
    log.commit_to(2)
    log.applied_to(2, 0)
    assert (log.applied, log.applying) == (2, 2)


@pytest.mark.parametrize("index", [2, 6])
def test_applied_to_panics_outside(index: int) -> None:
    log = log_with((1, 1, 1, 1, 1, 1))
    log.commit_to(5)
    log.applied_to(3, 0)
    with pytest.raises(RaftPanic, match=rf"applied\({index}\) is out of range \[prevApplied\(3\), committed\(5\)\]"):
        log.applied_to(index, 0)


def test_accept_applying_panics_beyond_the_commit_index() -> None:
    log = log_with((1, 1, 1))
    log.commit_to(2)
    with pytest.raises(RaftPanic, match=r"applying\(3\) is out of range \[prevApplying\(0\), committed\(2\)\]"):
        log.accept_applying(3, 0, allow_unstable=True)


# ---- stable and unstable


@pytest.mark.parametrize(("stored", "unstable", "next_first"), [((1, 2), (), 3), ((), (1, 2), 1), ((1,), (2,), 2)])
def test_next_unstable_entries(stored: tuple[int, ...], unstable: tuple[int, ...], next_first: int) -> None:
    log = log_with(stored, unstable)
    entries = tuple(log.unstable.next_entries())
    assert entries == entries_of(unstable, next_first)
    if entries:
        log.unstable.stable_to(entries[-1].index, entries[-1].term)
    assert (log.unstable.offset, log.unstable.next_entries()) == (3, [])


@pytest.mark.parametrize(("commit", "expected"), [(3, 3), (1, 2)])
def test_commit_to(commit: int, expected: int) -> None:
    log = log_with((1, 2, 3))
    log.commit_to(2)
    log.commit_to(commit)
    assert log.committed == expected


def test_commit_to_panics_behind_the_end() -> None:
    log = log_with((1, 2, 3))
    with pytest.raises(RaftPanic, match=r"tocommit\(4\) is out of range \[lastIndex\(3\)\]"):
        log.commit_to(4)


@pytest.mark.parametrize(("index", "term", "offset"), [(1, 1, 2), (2, 2, 3), (2, 1, 1), (3, 1, 1)])
def test_stable_to(index: int, term: int, offset: int) -> None:
    log = log_with((), (1, 2))
    log.unstable.stable_to(index, term)
    assert log.unstable.offset == offset


@pytest.mark.parametrize("unstable", [(), (2,)])
@pytest.mark.parametrize(
    ("index", "term", "moves"), [(6, 2, True), (5, 2, False), (4, 2, False), (6, 3, False), (5, 3, False), (4, 3, False)]
)
def test_stable_to_with_snap(index: int, term: int, moves: bool, unstable: tuple[int, ...]) -> None:
    log = log_behind_snapshot(5, 2, (), unstable)
    log.unstable.stable_to(index, term)
    assert log.unstable.offset == (7 if moves and unstable else 6)


# ---- reading


@pytest.mark.parametrize(
    ("index", "expected"), [(99, ErrCompacted), (100, 5), (101, 1), (149, 49), (199, 99), (200, ErrUnavailable)]
)
def test_term(index: int, expected: int | type[RaftError]) -> None:
    log = log_behind_snapshot(100, 5, tuple(range(1, 50)), tuple(range(50, 100)))
    if isinstance(expected, int):
        assert log.term(index) == log.term_or_zero(index) == expected
    else:
        with pytest.raises(expected):
            log.term(index)
        assert log.term_or_zero(index) == 0
        assert not log.match_term(index, 0)


@pytest.mark.parametrize(
    ("index", "expected"),
    [(100, ErrCompacted), (101, ErrCompacted), (104, ErrCompacted), (105, 1), (106, ErrUnavailable), (110, ErrUnavailable)],
)
def test_term_with_unstable_snapshot(index: int, expected: int | type[RaftError]) -> None:
    """The storage's snapshot at 100 and entry 101 are overtaken by the one at 105, from which on nothing is known."""
    log = log_behind_snapshot(100, 1, (1,))
    log.restore(Snapshot(105, 1))
    if isinstance(expected, int):
        assert log.term(index) == expected
    else:
        with pytest.raises(expected):
            log.term(index)


FIRST, LAST = 101, 110


def half_stored() -> RaftLog:
    """Entries 101 to 110 behind a snapshot, of which those from 106 on are unstable."""
    return log_behind_snapshot(100, 1, (1,) * 5, (2,) * 5)


@pytest.mark.parametrize(
    ("low", "high", "error"),
    [
        (FIRST - 2, FIRST + 1, ErrCompacted),
        (FIRST - 1, FIRST + 1, ErrCompacted),
        (FIRST, FIRST, None),
        (FIRST + 5, FIRST + 5, None),
        (LAST, LAST, None),
        (LAST + 1, LAST + 1, None),
        (LAST + 1, LAST + 2, RaftPanic),
        (LAST + 2, LAST + 2, RaftPanic),
        (FIRST + 1, FIRST, RaftPanic),
    ],
)
def test_is_out_of_bounds(low: int, high: int, error: type[Exception] | None) -> None:
    if error is None:
        assert half_stored().slice(low, high, NO_LIMIT) == ()
    else:
        with pytest.raises(error):
            half_stored().slice(low, high, NO_LIMIT)


@pytest.mark.parametrize(
    ("low", "high", "max_size", "last"),
    [
        pytest.param(101, 104, NO_LIMIT, 103, id="stored"),
        pytest.param(106, 111, NO_LIMIT, 110, id="unstable"),
        pytest.param(104, 108, NO_LIMIT, 107, id="both"),
        pytest.param(101, 111, NO_LIMIT, 110, id="all"),
        pytest.param(105, 108, 0, 105, id="at least one stored"),
        pytest.param(106, 108, 0, 106, id="at least one unstable"),
        pytest.param(101, 111, 3 * SIZE, 103, id="limit in the stored part"),
        pytest.param(101, 111, 4 * SIZE - 1, 103, id="limit in the middle of an entry"),
        pytest.param(101, 111, 5 * SIZE, 105, id="limit at the border"),
        pytest.param(101, 111, 6 * SIZE - 1, 105, id="limit just behind the border: no unstable entry"),
        pytest.param(101, 111, 6 * SIZE, 106, id="limit behind the border"),
        pytest.param(106, 111, 2 * SIZE, 107, id="limit in the unstable part"),
    ],
)
def test_slice(low: int, high: int, max_size: int, last: int) -> None:
    expected = entries_of((1,) * 5 + (2,) * 5, FIRST)[low - FIRST : last + 1 - FIRST]
    assert tuple(half_stored().slice(low, high, max_size)) == expected


@pytest.mark.parametrize(("page_size", "counts"), [(0, [1] * 6), (2 * SIZE, [2, 2, 2]), (4 * SIZE, [4, 2]), (NO_LIMIT, [6])])
def test_scan(page_size: int, counts: list[int]) -> None:
    pages = list(half_stored().pages(103, 109, page_size))
    assert [len(page) for page in pages] == counts
    assert [entry.index for page in pages for entry in page] == list(range(103, 109))


def test_scan_of_what_is_compacted() -> None:
    with pytest.raises(ErrCompacted):
        next(half_stored().pages(100, 103, NO_LIMIT))


def test_entries_from_an_index() -> None:
    log = half_stored()
    assert list(log.entries(109)) == [Entry(2, 109), Entry(2, 110)]
    assert list(log.entries(109, 0)) == [Entry(2, 109)]
    assert list(log.entries(111)) == []
