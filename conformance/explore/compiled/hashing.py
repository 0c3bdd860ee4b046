"""Words of 64 bits for the parts of a global state, and small open-addressed tables, for compiled code.

Only typed integers may reach these functions: a Python integer would turn an unsigned key into a float.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Numbers = NDArray[np.int64]
Words = NDArray[np.uint64]

MISSING = -1

_ONE = np.uint64(1)

# Nothing here allocates. Without reference counts (`_nrt`), which are atomic and stood in the way at every access to an array of
# a tuple, loops are twice as fast; functions that are inlined need not copy those tuples.
_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
compiled: Any = njit(**_OPTIONS)
inlined: Any = njit(**_OPTIONS, inline="always")


@inlined
def mix(word: Any) -> Any:
    """MurmurHash3's finalizer: a bijection of 64-bit words in which every bit depends on every other."""
    word ^= word >> np.uint64(33)
    word *= np.uint64(0xFF51AFD7ED558CCD)
    word ^= word >> np.uint64(33)
    word *= np.uint64(0xC4CEB9FE1A85EC53)
    return word ^ (word >> np.uint64(33))


@compiled
def local_word(local: Any) -> Any:
    """The word of a local state; ids differ between components."""
    return mix(np.uint64(local) + _ONE)


@compiled
def message_word(message: Any) -> Any:
    """The word of a message under way."""
    return mix((_ONE << np.uint64(40)) | np.uint64(message))


@compiled
def budget_word(budget: Any) -> Any:
    """The word of what is left of the budgets."""
    return mix((np.uint64(2) << np.uint64(40)) | np.uint64(budget))


@inlined
def queued_word(word: Any, position: Any) -> Any:
    """The word of a message that is so many places behind the head of its link."""
    return mix(word + np.uint64(position) * np.uint64(0x9E3779B97F4A7C15))


@inlined
def pair_key(local: Any, other: Any) -> Any:
    """The key of two ids, never 0."""
    return (np.uint64(local + 1) << np.uint64(32)) | np.uint64(other + 1)


@inlined
def look_up(keys: Any, values: Any, key: Any) -> Any:
    """The value of a key, MISSING if it is not there."""
    mask = np.uint64(keys.shape[0] - 1)
    slot = mix(key) & mask
    while keys[slot] != 0:
        if keys[slot] == key:
            return values[slot]
        slot = (slot + _ONE) & mask
    return np.int32(MISSING)


@compiled
def put(keys: Any, values: Any, key: Any, value: Any) -> None:
    """Set the value of a key. The table must have room."""
    mask = np.uint64(keys.shape[0] - 1)
    slot = mix(key) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + _ONE) & mask
    keys[slot] = key
    values[slot] = value


@inlined
def add_key(keys: Any, key: Any) -> Any:
    """Add a key to a set; whether it is new. The table must have room."""
    mask = np.uint64(keys.shape[0] - 1)
    slot = mix(key) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + _ONE) & mask
    new = keys[slot] == 0
    keys[slot] = key
    return new


@compiled
def put_pair(keys: Any, values: Any, local: int, other: int, value: int) -> None:
    """Set the value of two ids."""
    put(keys, values, pair_key(local, other), np.int32(value))


@compiled
def copy_table(keys: Any, values: Any, larger_keys: Any, larger_values: Any) -> None:
    """Put all entries into a larger table."""
    for slot in range(keys.shape[0]):
        if keys[slot] != 0:
            put(larger_keys, larger_values, keys[slot], values[slot])


@compiled
def copy_keys(keys: Any, larger: Any) -> None:
    """Put all keys of a set into a larger one."""
    for slot in range(keys.shape[0]):
        if keys[slot] != 0:
            add_key(larger, keys[slot])


@compiled
def add_words(word: Any, words: Any, rows: Any) -> None:
    """Add rows of words to a row of them."""
    for row in rows:
        for image in range(word.shape[0]):
            word[image] += words[row, image]
