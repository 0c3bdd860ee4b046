"""Logs in the trie against plain tuples of entries."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from kubeproof.conformance.trace.raft.log_trie import Change, Log, Segment, common_prefix, empty_log

Entry = tuple[int, str]
Entries = tuple[Entry, ...]

CHANGE: Change = (("ConfChangeAddNode", "4"),)
# Which of the logs so far gets an entry, how far that is cut first, how much the term grows, and the payload; "c" is a change.
GROWTH = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 6), st.integers(0, 2), st.sampled_from("abc")), max_size=60)
many = settings(max_examples=150, deadline=None)


def grown(growth: list[tuple[int, int, int, str]]) -> dict[Entries, Log]:
    """Logs of one trie, each with its oracle. Equal entries are appended more than once on purpose."""
    logs: dict[Entries, Log] = {(): empty_log()}
    for which, cut, rise, payload in growth:
        entries = list(logs)[which % len(logs)]
        entries = entries[: max(0, len(entries) - cut)]
        term = (entries[-1][0] if entries else 1) + rise
        log = logs[entries].append(term, payload)
        if payload == "c":
            log.segment.note_change(log.last, CHANGE)
        entries += ((term, payload),)
        assert logs.setdefault(entries, log) == log
    return logs


@many
@given(GROWTH)
def test_equal_logs_are_equal_positions(growth: list[tuple[int, int, int, str]]) -> None:
    logs = grown(growth)
    assert len(set(logs.values())) == len(logs)
    for entries, log in logs.items():
        assert (log.last, log.last_term()) == (len(entries), entries[-1][0] if entries else 0)
        assert [log.at(index) for index in range(log.last + 1)] == [logs[entries[:index]] for index in range(len(entries) + 1)]


@many
@given(GROWTH)
def test_entries_are_read_back(growth: list[tuple[int, int, int, str]]) -> None:
    for entries, log in grown(growth).items():
        read = [(log.at(index).last_term(), log.at(index).segment.payload(index)) for index in range(1, log.last + 1)]
        assert read == list(entries)


@many
@given(GROWTH)
def test_prefixes(growth: list[tuple[int, int, int, str]]) -> None:
    logs = grown(growth)
    for entries, log in logs.items():
        for others, other in logs.items():
            assert log.has_prefix(other) == (entries[: len(others)] == others)
            shared = next(
                (i for i, (a, b) in enumerate(zip(entries, others, strict=False)) if a != b), min(len(entries), len(others))
            )
            assert common_prefix(log, other) == shared


@many
@given(GROWTH)
def test_changes(growth: list[tuple[int, int, int, str]]) -> None:
    for entries, log in grown(growth).items():
        changes = [index for index, (_, payload) in enumerate(entries, 1) if payload == "c"]
        assert log.last_change() == max(changes, default=0)
        for index in range(log.last + 1):
            assert log.changes_after(index) == [(at, CHANGE) for at in changes if at > index]


@many
@given(GROWTH, st.randoms(use_true_random=False))
def test_payloads_are_learnt_once(growth: list[tuple[int, int, int, str]], random: Random) -> None:
    logs = grown([(which, cut, rise, "a") for which, cut, rise, _ in growth])
    untold: dict[Entries, Log] = {(): empty_log()}
    for entries in logs:
        for index, (term, _) in enumerate(entries):
            untold[entries[: index + 1]] = untold[entries[:index]].append(term)
    assert len(set(untold.values())) == len(untold)
    assert all(log.segment.payload(log.last) is None for log in untold.values())
    ordered = [entries for entries in untold if entries]
    random.shuffle(ordered)
    for entries in ordered:
        before, log, term = untold[entries[:-1]], untold[entries], entries[-1][0]
        assert log.segment.fits(log.last, None)
        assert before.append(term, "x") == log
        assert log.segment.payload(log.last) == "x"
        assert not log.segment.fits(log.last, "y")
        assert before.append(term, "y") != log
        assert before.append(term) == log
        assert before.append(term, "y") == before.append(term, "y")


def test_terms_from_before_the_trace_are_learnt() -> None:
    root = empty_log()
    origin = Segment(root.segment, 1, None)
    origin.last = 5
    log = Log(origin, 5)
    assert [log.at(index).last_term() for index in range(6)] == [0, None, None, None, None, None]
    origin.learn_term(3, 2)
    assert [log.at(index).last_term() for index in range(6)] == [0, None, None, 2, None, None]
    following = log.append(4, "a")
    following.segment.learn_term(6, 9)
    assert (following.last_term(), following.at(3).last_term()) == (4, 2)
    assert following.has_prefix(log)


def test_a_change_is_noted_once() -> None:
    log = empty_log().append(1, "a").append(1, "b")
    log.segment.note_change(2, ())
    log.segment.note_change(2, CHANGE)
    assert log.changes_after(0) == [(2, CHANGE)]


def test_a_log_costs_a_segment_a_term() -> None:
    log = empty_log()
    segments = set()
    for index in range(10_000):
        log = log.append(1 + index // 100, "a")
        segments.add(log.segment)
    assert len(segments) == 100


def test_going_back_takes_few_steps() -> None:
    log = empty_log()
    for term in range(1, 4097):
        log = log.append(term)
    for index in (0, 1, 2, 1000, 2047, 2048, 4095, 4096):
        segment, steps = log.segment, 0
        while index < segment.start:
            segment = segment.jump if index < segment.jump.start else segment.parent
            steps += 1
        assert log.at(index) == Log(segment, index)
        assert log.at(index).last_term() == index
        assert steps <= 3 * 12
