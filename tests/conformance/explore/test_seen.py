"""The table of fingerprints: nothing is lost when it grows, it stays full enough, and threads do not add anything twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from kubeproof.conformance.explore.compiled import seen
from kubeproof.conformance.explore.compiled.hashing import Words, compiled
from kubeproof.conformance.explore.compiled.seen import Seen, find_or_add

BYTES_MAX = 12


@compiled
def add_all(words: Any, fingerprints: Any) -> int:
    """How many of them are new."""
    new = 0
    for fingerprint in fingerprints:
        new += find_or_add(words, fingerprint)[1]
    return new


def fingerprints(count: int, seed: int = 1) -> Words:
    return np.random.default_rng(seed).integers(1, 2**64, count, np.uint64)


def test_what_was_added_is_known_after_growing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "LARGE", 1 << 21)  # so that it grows both ways, and gives memory back
    table = Seen()
    everything = fingerprints(3_000_000)
    for start in range(0, len(everything), 100_000):
        table.make_room(start + 100_000)
        assert add_all(table.words, everything[start : start + 100_000]) == 100_000
    assert add_all(table.words, everything) == 0
    assert np.count_nonzero(table.words) == len(everything)


def test_a_large_table_takes_at_most_twelve_bytes_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it grows, the table is never larger than that, in the moment in which it has just grown."""
    monkeypatch.setattr(seen, "LARGE", 1 << 20)
    table = Seen()
    states = int(seen.SLOTS_MIN * seen.LOAD_MAX_LARGE)
    for _ in range(8):
        before = len(table.words)
        while len(table.words) == before:
            states += 1000
            table.make_room(states)
        assert 8 * (len(table.words) - seen.OVERHANG) / states <= BYTES_MAX


def test_numbers_move_along() -> None:
    table = Seen(numbered=True)
    some = fingerprints(1000)
    for number, fingerprint in enumerate(some):
        slot, new = place_of(table.words, fingerprint)
        assert new
        table.numbers[slot] = number
    table.make_room(5_000_000)
    assert [table.numbers[place_of(table.words, fingerprint)[0]] for fingerprint in some] == list(range(1000))


@compiled
def place_of(words: Any, fingerprint: Any) -> Any:
    """Its slot, and whether it is new."""
    return find_or_add(words, fingerprint)


def test_threads_add_each_fingerprint_once() -> None:
    table = Seen()
    shared = fingerprints(400_000)
    table.make_room(len(shared))
    add_all(table.words, shared[:1])  # compiles
    with ThreadPoolExecutor(4) as executor:
        added = sum(executor.map(lambda _: add_all(table.words, shared), range(4)))
    assert added == len(shared) - 1
    assert np.count_nonzero(table.words) == len(shared)


def test_fingerprints_that_begin_alike_are_told_apart() -> None:
    """They all have the same first slot, the last one of the table."""
    table = Seen()
    alike = np.uint64(0xFFFFFFFF00000000) + np.arange(1, 1000, dtype=np.uint64)
    assert add_all(table.words, alike) == len(alike)
    assert add_all(table.words, alike) == 0
