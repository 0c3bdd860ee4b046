"""Arrays and tables that grow."""

from __future__ import annotations

from typing import Any

import numpy as np

from kubeproof.conformance.explore.compiled.hashing import Ints, Words, copy_keys, copy_table


class Growing:
    """An array that grows at its end, of numbers or (`width`) of rows of them; `array` is longer than what is in it."""

    __slots__ = ("_fill", "_length", "array")

    def __init__(self, fill: int = 0, dtype: Any = np.int32, width: int | None = None) -> None:
        self.array: Any = np.full(1 << 10 if width is None else (1 << 10, width), fill, dtype)
        self._fill = fill
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def filled(self) -> Any:
        """What is in it."""
        return self.array[: self._length]

    def restore(self, filled: Any) -> None:
        """Hold what was in it; ValueError if that is of another kind."""
        if filled.dtype != self.array.dtype or filled.shape[1:] != self.array.shape[1:]:
            raise ValueError(f"expected {self.array.dtype}, {self.array.shape[1:]}; got {filled.dtype}, {filled.shape[1:]}")
        self._length = 0
        if len(filled):
            self.reserve(len(filled) - 1)
            self.array[: len(filled)] = filled

    def reserve(self, index: int) -> None:
        """Make sure that there is a place `index`."""
        if index >= len(self.array):
            larger = np.full((2 * max(index, len(self.array)), *self.array.shape[1:]), self._fill, self.array.dtype)
            larger[: len(self.array)] = self.array
            self.array = larger
        self._length = max(self._length, index + 1)

    def append(self, value: Any) -> None:
        """Add a number or a row at the end."""
        place = self._length
        self.reserve(place)
        self.array[place] = value


class Table:
    """Keys, never 0, with a value each; compiled code fills it."""

    def __init__(self) -> None:
        self.keys: Words = np.zeros(1 << 12, np.uint64)
        self.values: Ints = np.zeros(1 << 12, np.int32)

    def make_room(self, entries: int) -> None:
        """Grow until so many entries are at most half of it."""
        while 2 * entries > len(self.keys):
            keys, values = np.zeros(2 * len(self.keys), np.uint64), np.zeros(2 * len(self.keys), np.int32)
            copy_table(self.keys, self.values, keys, values)
            self.keys, self.values = keys, values


class Keys:
    """A set of keys, never 0; compiled code fills it."""

    def __init__(self) -> None:
        self.keys: Words = np.zeros(1 << 13, np.uint64)
        self.count = 0

    def make_room(self, more: int) -> None:
        """Grow until so many more keys fill at most half of it."""
        while 2 * (self.count + more) > len(self.keys):
            keys = np.zeros(2 * len(self.keys), np.uint64)
            copy_keys(self.keys, keys)
            self.keys = keys
