"""One thread of the search: it expands rows, and finds the combinations of local states that no property was asked about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kubeproof.conformance.explore.compiled.hashing import Ints, Numbers
from kubeproof.conformance.explore.compiled.judging import unjudged
from kubeproof.conformance.explore.compiled.kernel import expand
from kubeproof.conformance.explore.compiled.seen import Seen
from kubeproof.conformance.explore.compiled.tables import (
    BATCH,
    CHANGED_MANY,
    ENDLESS,
    ENDS,
    EVENTS_MAX,
    PAIRS,
    ROWS,
    SENDS_MAX,
    Asked,
    Asks,
    Batch,
    Edges,
    Found,
    StepTable,
    World,
)
from kubeproof.conformance.explore.frontier import PIECE, Frontier, Piece
from kubeproof.conformance.explore.growing import Keys
from kubeproof.conformance.explore.plain import CHAIN_MAX
from kubeproof.conformance.explore.system import Model

MISSING_AT_ONCE = 1 << 11
JUDGED_AT_ONCE = 1 << 12
FOUND_AT_ONCE = 1 << 15
"""New states after which a worker stops so that tables may grow."""


class Task(NamedTuple):
    """Rows to expand: `todo` are places in the piece."""

    piece: Piece
    todo: Ints


Question = tuple[list[int], int]
"""Local states, given by number, that are met together for the first time, and the number of the state where they are."""


@dataclass(slots=True)
class Report:
    """What came of a task: how many states are new, the rest of it, and the questions that it raises."""

    found: int
    left: list[Task]
    missing: list[tuple[int, int]]
    questions: list[Question] = field(default_factory=list)
    ends: list[Question] = field(default_factory=list)


class Worker:
    """Its buffers are its own; tables, fingerprints and the frontier are shared."""

    def __init__(self, number: int, model: Model, world: World, sizes: Iterable[int]) -> None:
        self._number = number
        self._world = world
        self._components = len(model.component_names)
        self._asks_ends = model.may_end is not None
        self.taken: Numbers = np.zeros(1 << 10, np.int64)
        self.totals: Numbers = np.zeros(3, np.int64)
        self.edges = Edges(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int32), np.zeros(1, np.int64))
        self.ended: list[int] = []
        self._batch = _batch(model, world)
        self._asks = Asks(
            np.empty((MISSING_AT_ONCE, 2), np.int32),
            np.zeros(2 * MISSING_AT_ONCE, np.uint64),
            np.empty(PIECE, np.int32),
            np.empty(PIECE, np.int32),
            np.zeros(4, np.int64),
        )
        self._judged, self._ended = Keys(), Keys()
        self._everyone = _asked(self._components, [self._components])
        self._unjudged: Ints = np.empty((JUDGED_AT_ONCE, 2), np.int32)
        self.ask_about(sizes)

    def export(self) -> dict[str, NDArray[Any]]:
        """What it has noted of numbered states."""
        edges = {name: array[: self.edges.counts[0]] for name, array in zip(Edges._fields, self.edges[:3], strict=False)}
        return {"ended": np.array(self.ended, np.int64), **edges}

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Go on noting, and counting."""
        self.taken, self.totals = np.array(saved["taken"]), np.array(saved["totals"])
        self.ended = saved["ended"].tolist()
        source, target, via = (np.array(saved[name]) for name in Edges._fields[:3])
        self.edges = Edges(source, target, via, np.array([len(source)]))

    def ask_about(self, sizes: Iterable[int]) -> None:
        """Raise questions about so many components together."""
        self._asked = _asked(self._components, sizes)

    def expand(self, task: Task, steps: StepTable, seen: Seen, frontier: Frontier) -> Report:
        """Visit successors of the task's rows until it is done, or tables must grow first."""
        asks, piece = self._asks, task.piece
        asks.counts[:] = 0
        most = len(self._batch.word)
        room = frontier.room(self._number, most)
        found = Found(room.rows[: FOUND_AT_ONCE + most], room.parents, room.changed)
        if len(self.taken) < len(steps.steps):
            self.taken = np.concatenate([self.taken, np.zeros(len(steps.steps) - len(self.taken), np.int64)])
        if self._world.numbered:
            self._make_room_for_edges(FOUND_AT_ONCE + most)
        count, stopped = expand(
            self._world,
            piece.rows,
            task.todo,
            0,
            piece.origin,
            steps,
            asks,
            self._batch,
            seen.words,
            seen.numbers,
            frontier.store(),
            found,
            room.number,
            self.edges,
            self.totals,
            self.taken,
        )
        if asks.counts[ENDLESS]:
            raise ValueError(f"{CHAIN_MAX} local steps in one: expected that synchronous messages come to an end")
        frontier.keep(self._number, count)
        if self._world.numbered:
            self.ended += (asks.ends[: asks.counts[ENDS]] + piece.origin).tolist()
        report = Report(count, self._left(task, stopped), self._missing())
        self._question(report, found.rows[:count], found.changed[:count], room.number)
        if self._asks_ends:
            self._question_ends(report, piece)
        return report

    def first(self, row: Ints) -> list[Question]:
        """What is to be asked about the first state."""
        report = Report(1, [], [])
        self._question(report, row, np.full(1, CHANGED_MANY, np.int32), 0)
        return report.questions

    def _left(self, task: Task, stopped: int) -> list[Task]:
        waiting = self._asks.rows[: self._asks.counts[ROWS]].copy()
        return [Task(task.piece, rows) for rows in (waiting, task.todo[stopped:]) if len(rows)]

    def _missing(self) -> list[tuple[int, int]]:
        count = int(self._asks.counts[PAIRS])
        if count:
            self._asks.keys[:] = 0
        return [(local, message) for local, message in self._asks.pairs[:count].tolist()]

    def _question(self, report: Report, rows: Ints, changed: Ints, number: int) -> None:
        report.questions += self._ask(self._asked, self._judged, rows, changed, number)

    def _question_ends(self, report: Report, piece: Piece) -> None:
        places = self._asks.ends[: self._asks.counts[ENDS]]
        changed = np.full(len(places), CHANGED_MANY, np.int32)
        asked = self._ask(self._everyone, self._ended, piece.rows[places], changed, 0)
        report.ends = [(locals_, piece.origin + int(places[at])) for locals_, at in asked]

    def _ask(self, asked: Asked, judged: Keys, rows: Ints, changed: Ints, number: int) -> list[Question]:
        questions: list[Question] = []
        stopped = 0
        while stopped < len(rows):
            judged.make_room(len(self._unjudged))
            count, stopped = unjudged(rows, changed, stopped, asked, judged.keys, self._unjudged)
            judged.count += count
            at, combination = self._unjudged[:count, 0], self._unjudged[:count, 1]
            met = rows[at[:, None], asked.columns[combination]].tolist()
            if len(set(asked.sizes.tolist())) > 1:
                met = [ids[:size] for ids, size in zip(met, asked.sizes[combination].tolist(), strict=True)]
            questions += zip(met, (number + at).tolist(), strict=True)
        return questions

    def _make_room_for_edges(self, more: int) -> None:
        needed = int(self.edges.counts[0]) + more
        if needed > len(self.edges.source):
            size = 2 * needed
            source, target, via = (_longer(array, size) for array in self.edges[:3])
            self.edges = Edges(source, target, via, self.edges.counts)


def _asked(components: int, sizes: Iterable[int]) -> Asked:
    chosen = [each for size in sizes for each in combinations(range(components), size)]
    columns = np.zeros((len(chosen), max(map(len, chosen), default=0)), np.int32)
    for number, each in enumerate(chosen):
        columns[number, : len(each)] = each
    lists = [[number for number, each in enumerate(chosen) if component in each] for component in range(components)]
    lists.append(list(range(len(chosen))))
    first = np.cumsum([0, *map(len, lists)])
    concerned = np.array([number for numbers in lists for number in numbers], np.int32)
    return Asked(columns, np.array([len(each) for each in chosen], np.int32), concerned, first.astype(np.int32))


def _longer(array: Ints, size: int) -> Ints:
    longer = np.empty(size, np.int32)
    longer[: len(array)] = array
    return longer


def _batch(model: Model, world: World) -> Batch:
    """Room for a batch and the successors of one more row: events, and for each message its delivery, loss and duplicate."""
    most = BATCH + EVENTS_MAX * world.components + len(model.joint_events) + 3 * model.messages_max
    component, step, taken, doubled, budget, is_built, chain_length, via = (np.empty(most, np.int32) for _ in range(8))
    return Batch(
        row=np.empty(most, np.int64),
        component=component,
        step=step,
        taken=taken,
        doubled=doubled,
        budget=budget,
        is_built=is_built,
        built=np.empty((most, world.components + 1 + model.messages_max), np.int32),
        chain=np.empty((most, max(CHAIN_MAX, world.components)), np.int32),
        chain_length=chain_length,
        via=via,
        word=np.empty(most, np.uint64),
        glance=np.empty(most, np.uint64),
        moves=np.empty((most, 4), np.int32),
        sums=np.empty(world.images, np.uint64),
        queue=np.empty(SENDS_MAX * max(CHAIN_MAX, world.components), np.int32),
        tally=np.zeros(2, np.int64),
    )
