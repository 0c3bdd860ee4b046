"""Random choices: every stream derives from the one seed of its world and a name."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


class Stream:
    """Choices for one purpose. Streams of other names are not disturbed by how often this one is asked.

    Only `Random.random` is used, the one method whose sequence Python promises to keep.
    """

    def __init__(self, seed: int, name: str) -> None:
        digest = sha256(f"{seed}/{name}".encode()).digest()
        self._random = Random(int.from_bytes(digest[:8], "big")).random

    def below(self, bound: int) -> int:
        """An integer from 0 to bound - 1."""
        return int(self._random() * bound)

    def between(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random() < probability

    def choose(self, items: Sequence[Item]) -> Item:
        """One of the items, which must not be empty."""
        return items[int(self._random() * len(items))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """All of the items, in random order."""
        keyed = sorted((self._random(), position) for position in range(len(items)))
        return [items[position] for _, position in keyed]
