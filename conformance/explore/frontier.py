"""Where the rows of levels are: in chunks that are used again, or, if whole states are needed later, one behind the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from kubeproof.conformance.explore.compiled.hashing import Ints

CHUNK = 1 << 16
PIECE = 1 << 14


class Piece(NamedTuple):
    """Some rows of a level; `origin` is the number of the first."""

    origin: int
    rows: Ints


class Room(NamedTuple):
    """Where new rows go, with the numbers of the states that they come from and the components that have changed."""

    number: int
    rows: Ints
    parents: Ints
    changed: Ints


class Frontier(Protocol):
    """The level under way, and the next one, which several workers fill."""

    def pieces(self) -> Iterator[Piece]:
        """The rows of the level."""

    def room(self, worker: int, least: int) -> Room:
        """Room for at least so many new rows."""

    def keep(self, worker: int, count: int) -> None:
        """So many rows of the room belong to the next level."""

    def turn(self) -> None:
        """The next level is complete, and becomes the level."""

    def store(self) -> Ints:
        """All rows of all levels; none if they are not kept."""

    def export(self) -> dict[str, Ints]:
        """What there is when a level has just become the level."""

    def restore(self, saved: Mapping[str, Ints]) -> None:
        """Hold what was exported, and be about to turn to that level."""


class Chunks:
    """Two levels. Memory that was handed out once is used again, page by page."""

    def __init__(self, width: int, workers: int) -> None:
        self._width = width
        self._free: list[Ints] = []
        self._level: list[tuple[Ints, int]] = []
        self._next: list[tuple[Ints, int]] = []
        self._open: list[tuple[Ints, int]] = [(np.empty((0, width), np.int32), 0)] * workers
        self._parents = [np.empty(CHUNK, np.int32) for _ in range(workers)]
        self._changed = [np.empty(CHUNK, np.int32) for _ in range(workers)]

    def pieces(self) -> Iterator[Piece]:
        for chunk, filled in self._level:
            for start in range(0, filled, PIECE):
                yield Piece(0, chunk[start : min(start + PIECE, filled)])

    def room(self, worker: int, least: int) -> Room:
        chunk, filled = self._open[worker]
        if len(chunk) - filled < least:
            self._close(worker)
            chunk, filled = self._chunk(least), 0
            self._open[worker] = chunk, filled
        left = len(chunk) - filled
        if left > len(self._parents[worker]):
            self._parents[worker], self._changed[worker] = np.empty(left, np.int32), np.empty(left, np.int32)
        return Room(0, chunk[filled:], self._parents[worker], self._changed[worker])

    def keep(self, worker: int, count: int) -> None:
        chunk, filled = self._open[worker]
        self._open[worker] = chunk, filled + count

    def _close(self, worker: int) -> None:
        chunk, filled = self._open[worker]
        if filled:
            self._next.append((chunk, filled))
        elif len(chunk):
            self._free.append(chunk)
        self._open[worker] = chunk[:0], 0

    def turn(self) -> None:
        for worker in range(len(self._open)):
            self._close(worker)
        self._free += [chunk for chunk, _ in self._level]
        self._level, self._next = self._next, []

    def store(self) -> Ints:
        return np.empty((0, self._width), np.int32)

    def export(self) -> dict[str, Ints]:
        return {"rows": np.concatenate([chunk[:filled] for chunk, filled in self._level])}

    def restore(self, saved: Mapping[str, Ints]) -> None:
        rows = saved["rows"]
        for at in range(0, len(rows), CHUNK):
            chunk, filled = self._chunk(0), min(CHUNK, len(rows) - at)
            chunk[:filled] = rows[at : at + filled]
            self._next.append((chunk, filled))

    def _chunk(self, least: int) -> Ints:
        return self._free.pop() if self._free else np.empty((max(CHUNK, least), self._width), np.int32)


class Store:
    """All levels, for one worker. `parents` are the numbers of the states that each state comes from, -1 for the first."""

    def __init__(self, width: int) -> None:
        self._rows = np.empty((CHUNK, width), np.int32)
        self._parents = np.empty(CHUNK, np.int32)
        self._changed = np.empty(CHUNK, np.int32)
        self._level = (0, 0)
        self.count = 0

    @property
    def rows(self) -> Ints:
        return self._rows[: self.count]

    @property
    def parents(self) -> Ints:
        return self._parents[: self.count]

    def pieces(self) -> Iterator[Piece]:
        start, stop = self._level
        for at in range(start, stop, PIECE):
            yield Piece(at, self._rows[at : min(at + PIECE, stop)])

    def room(self, _worker: int, least: int) -> Room:
        if len(self._rows) - self.count < least:
            size = 2 * len(self._rows) + least
            self._rows = _enlarged(self._rows, (size, self._rows.shape[1]), self.count)
            self._parents = _enlarged(self._parents, (size,), self.count)
        if len(self._changed) < len(self._rows) - self.count:
            self._changed = np.empty(len(self._rows) - self.count, np.int32)
        return Room(self.count, self._rows[self.count :], self._parents[self.count :], self._changed)

    def keep(self, _worker: int, count: int) -> None:
        self.count += count

    def turn(self) -> None:
        self._level = (self._level[1], self.count)

    def store(self) -> Ints:
        return self._rows

    def export(self) -> dict[str, Ints]:
        return {"rows": self.rows, "parents": self.parents, "level": np.array(self._level, np.int32)}

    def restore(self, saved: Mapping[str, Ints]) -> None:
        self._rows, self._parents = np.array(saved["rows"]), np.array(saved["parents"])
        self.count = len(self._rows)
        self._level = 0, int(saved["level"][0])


def _enlarged(array: Ints, shape: tuple[int, ...], count: int) -> Ints:
    larger = np.empty(shape, np.int32)
    larger[:count] = array[:count]
    return larger
