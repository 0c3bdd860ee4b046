"""The fingerprints of all states seen so far: 8 bytes each, in a table that is nearly full when it is large.

A fingerprint's first slot is its share of the table, so entries stand in ascending order but for collisions. When the table
grows, that order is kept: the new table is filled from front to back while the old one is given back, page by page.
"""

from __future__ import annotations

import mmap
import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kubeproof.conformance.explore.compiled.hashing import Ints, Words, compiled, inlined

SLOTS_MIN = 1 << 20
LARGE = 1 << 24
"""Slots from which on memory counts: 128 MiB."""
LOAD_MAX, LOAD_MAX_LARGE = 0.5, 0.85
GROWTH, GROWTH_LARGE = 2.0, 1.25
"""A large table has at most 8 * 1.25 / 0.85 < 12 bytes for a state."""
OVERHANG = 1 << 12
"""Slots behind the last first slot, so that no search needs to begin again at the front."""
COPIED_AT_ONCE = 1 << 20
HUGE_PAGE = 1 << 21


class Seen:
    """`words` holds the fingerprints, 0 for none; if states are `numbered`, `numbers` has the number of each."""

    def __init__(self, *, numbered: bool = False) -> None:
        self._slots = SLOTS_MIN
        self._memory = _memory(SLOTS_MIN)
        self.words: Words = np.frombuffer(self._memory, np.uint64)[: SLOTS_MIN + OVERHANG]
        self.numbers: Ints = np.empty(SLOTS_MIN + OVERHANG if numbered else 0, np.int32)

    def restore(self, words: Words, numbers: Ints) -> None:
        """Hold what was in `words` and `numbers`."""
        self._slots = len(words) - OVERHANG
        self._memory = _memory(self._slots)
        self.words = np.frombuffer(self._memory, np.uint64)[: len(words)]
        self.words[:] = words
        self.numbers = np.array(numbers)

    def make_room(self, states: int) -> None:
        """Grow until so many states fit."""
        while states > self._slots * (LOAD_MAX if self._slots < LARGE else LOAD_MAX_LARGE):
            self._grow(int(self._slots * (GROWTH if self._slots < LARGE else GROWTH_LARGE)))

    def _grow(self, slots: int) -> None:
        memory = _memory(slots)
        words = np.frombuffer(memory, np.uint64)[: slots + OVERHANG]
        numbers = np.empty(slots + OVERHANG if len(self.numbers) else 0, np.int32)
        for start in range(0, len(self.words), COPIED_AT_ONCE):
            stop = start + COPIED_AT_ONCE
            copy_words(self.words[start:stop], self.numbers[start:stop], words, numbers)
            if stop < len(self.words) and hasattr(mmap, "MADV_DONTNEED"):
                self._memory.madvise(mmap.MADV_DONTNEED, start * 8, COPIED_AT_ONCE * 8)
        self._slots, self._memory, self.words, self.numbers = slots, memory, words, numbers


def _memory(slots: int) -> mmap.mmap:
    """Zeros, which cost no memory before they are used; in huge pages where the system gives them."""
    size = -(-(slots + OVERHANG) * 8 // HUGE_PAGE) * HUGE_PAGE
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # shared memory would not get huge pages
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


@intrinsic
def _compare_and_swap(_context: Any, array: Any, index: Any, expected: Any, new: Any) -> Any:
    """Put `new` at a place of an array if `expected` stands there, in one step. Returns what stood there."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        contents = context.make_array(signature.args[0])(context, builder, arguments[0])
        element: Any = cgutils.get_item_pointer
        place = element(context, builder, signature.args[0], contents, [arguments[1]], wraparound=False)
        return builder.extract_value(builder.cmpxchg(place, arguments[2], arguments[3], "acq_rel", "monotonic"), 0)

    return types.uint64(array, index, expected, new), codegen


compare_and_swap: Any = _compare_and_swap  # which is called without the context


@inlined
def first_slot(words: Any, word: Any) -> Any:
    """Where the search for a fingerprint begins."""
    return ((word >> np.uint64(32)) * np.uint64(words.shape[0] - OVERHANG)) >> np.uint64(32)


@inlined
def find_or_add(words: Any, word: Any) -> Any:
    """The slot of a fingerprint, and whether it was added just now. Several threads may do this at once."""
    slot = first_slot(words, word)
    while True:
        there = words[slot]
        if there == 0:
            there = compare_and_swap(words, slot, np.uint64(0), word)
            if there == 0:
                return slot, True
        if there == word:
            return slot, False
        slot += np.uint64(1)


@compiled
def copy_words(words: Any, numbers: Any, larger: Any, larger_numbers: Any) -> None:
    """Put fingerprints, and numbers if there are any, into a larger table."""
    for old in range(words.shape[0]):
        if words[old] != 0:
            slot, _ = find_or_add(larger, words[old])
            if numbers.shape[0] > 0:
                larger_numbers[slot] = numbers[old]
