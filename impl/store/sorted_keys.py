"""Keys in order, where etcd has a B-tree: short sorted lists in a list, so that adding one moves few others.

Keys that were added are put in their places when somebody asks: all at once, which is cheaper where there are many.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import chain

CHUNK_KEYS = 512
"""A chunk is split in two when it has more than twice as many."""
MANY = 8
"""Where more than one in so many is new, all are sorted again (which is fast: most of them are in order)."""


class SortedKeys:
    """A sorted set of keys."""

    __slots__ = ("_added", "_chunks", "_firsts")

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        self._added: list[bytes] = []
        self._fill(sorted(set(keys)))

    def _fill(self, in_order: list[bytes]) -> None:
        self._chunks = [in_order[start : start + CHUNK_KEYS] for start in range(0, len(in_order), CHUNK_KEYS)] or [[]]
        self._firsts = [chunk[0] if chunk else b"" for chunk in self._chunks]
        # Whatever comes before the first key belongs to the first chunk.
        self._firsts[0] = b""

    def __contains__(self, key: bytes) -> bool:
        self._put_in_order()
        chunk = self._chunks[bisect_right(self._firsts, key) - 1]
        place = bisect_left(chunk, key)
        return place < len(chunk) and chunk[place] == key

    def __iter__(self) -> Iterator[bytes]:
        self._put_in_order()
        for chunk in self._chunks:
            yield from chunk

    def add(self, key: bytes) -> None:
        """Add a key that is not there yet."""
        self._added.append(key)

    def remove(self, key: bytes) -> None:
        """Remove a key that is there."""
        self._put_in_order()
        at = bisect_right(self._firsts, key) - 1
        chunk = self._chunks[at]
        del chunk[bisect_left(chunk, key)]
        if not chunk and at > 0:
            del self._chunks[at], self._firsts[at]

    def between(self, key: bytes, end: bytes) -> list[bytes]:
        """The keys from `key` on and before `end`; an empty `end` is behind all keys."""
        self._put_in_order()
        first = bisect_right(self._firsts, key) - 1
        if end:
            if end <= key:
                return []
            last = bisect_left(self._firsts, end) - 1
        else:
            last = len(self._chunks) - 1
        found: list[bytes] = []
        for chunk in self._chunks[first : last + 1]:
            found += chunk
        return found[bisect_left(found, key) : bisect_left(found, end) if end else len(found)]

    def _put_in_order(self) -> None:
        if not self._added:
            return
        added, self._added = self._added, []
        if len(added) * MANY > len(self._chunks) * CHUNK_KEYS:
            self._fill(sorted(chain(*self._chunks, added)))
        else:
            for key in added:
                self._insert(key)

    def _insert(self, key: bytes) -> None:
        at = bisect_right(self._firsts, key) - 1
        chunk = self._chunks[at]
        insort(chunk, key)
        if len(chunk) > 2 * CHUNK_KEYS:
            self._chunks[at : at + 1] = [chunk[:CHUNK_KEYS], chunk[CHUNK_KEYS:]]
            self._firsts.insert(at + 1, chunk[CHUNK_KEYS])
