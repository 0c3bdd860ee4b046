"""Breadth-first exploration: every state of a model, level by level, and what must hold in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from kubeproof.conformance.explore import kernel
from kubeproof.conformance.explore.kernel import Batch, Found, Ints, Numbers, Words
from kubeproof.conformance.explore.local_steps import LocalSteps
from kubeproof.conformance.explore.system import Model, Property
from kubeproof.conformance.limits import LimitReached, Limits

ROWS_AT_ONCE = 1 << 16
FOUND_AT_ONCE = 1 << 17
MISSING_AT_ONCE = 1 << 11
JUDGED_AT_ONCE = 1 << 12

Level = list[tuple[Ints, Words]]
"""The states of one depth, in chunks: rows and fingerprints."""


class Broken(Exception):
    """An `always` property does not hold in a state; `index` is the state's number in the level under way."""

    def __init__(self, broken: Property, depth: int, index: int) -> None:
        super().__init__(broken.id)
        self.property = broken
        self.depth = depth
        self.index = index


@dataclass(slots=True)
class Statistics:
    """`generated` counts successors inside the bounds, `outside` those with too many messages, `ends` states without any."""

    distinct: int = 0
    generated: int = 0
    outside: int = 0
    ends: int = 0
    depth: int = 0
    levels: list[int] = field(default_factory=list)


class Exploration:
    """One breadth-first search. `observe` is given each level with the numbers of the states' parents in the level before."""

    def __init__(self, model: Model, limits: Limits, observe: Callable[[Level, list[Numbers]], object] | None = None) -> None:
        self.model = model
        self.steps = LocalSteps(model)
        self.statistics = Statistics()
        self.witnessed: dict[str, int] = {}
        self._limits = limits
        self._observe = observe
        self._components = len(model.component_names)
        self._world = self.steps.world(self._components)
        self._seen: Words = np.zeros(1 << 16, np.uint64)
        self._states = 1
        self._totals = np.zeros(3, np.int64)
        self._batch = _empty_batch(model)
        width = self._components + 1 + model.messages_max
        self._found = Found(
            np.empty((FOUND_AT_ONCE, width), np.int32), np.empty(FOUND_AT_ONCE, np.uint64), np.empty(FOUND_AT_ONCE, np.int64)
        )
        self._missing = np.empty((MISSING_AT_ONCE, 2), np.int32)
        sizes = dict.fromkeys(each.components for each in (*model.always, *model.sometimes))
        self._judges = [_Judge(model, size) for size in sizes]

    def run(self) -> None:
        """Explore everything. Raises Broken at the first state that breaks a property, or LimitReached."""
        level = self._first_level()
        parents: list[Numbers] = [np.full(1, -1, np.int64)]
        while True:
            self._enter(level, parents)
            level, parents = self._next_level(level)
            if not level:
                return
            self.statistics.depth += 1

    def _first_level(self) -> Level:
        row = np.full((1, self._found.rows.shape[1]), -1, np.int32)
        word = np.uint64(0)
        with np.errstate(over="ignore"):
            for component, state in enumerate(self.model.system.initial()):
                row[0, component] = self.steps.local_id(component, state)
                word += kernel.local_word(np.int64(row[0, component]))
            row[0, self._components] = self.steps.first_budget
            word += kernel.budget_word(np.int64(self.steps.first_budget))
        self._seen[int(kernel.mix(word)) & (len(self._seen) - 1)] = word
        return [(row, np.array([word], np.uint64))]

    def _enter(self, level: Level, parents: list[Numbers]) -> None:
        states = sum(len(rows) for rows, _ in level)
        self.statistics.distinct += states
        self.statistics.levels.append(states)
        if self._observe is not None:
            self._observe(level, parents)
        before = 0
        for rows, _ in level:
            for judge in self._judges:
                self._judge(judge, rows, before)
            before += len(rows)

    def _judge(self, judge: _Judge, rows: Ints, before: int) -> None:
        for index, columns in judge.unjudged(rows):
            self._limits.check()
            states = [self.steps.locals[local][1] for local in rows[index, columns].tolist()]
            for each in judge.always:
                if not each.holds(*states):
                    raise Broken(each, self.statistics.depth, before + index)
            for each in judge.sometimes:
                if each.id not in self.witnessed and each.holds(*states):
                    self.witnessed[each.id] = self.statistics.depth

    def _next_level(self, level: Level) -> tuple[Level, list[Numbers]]:
        found: Level = []
        parents: list[Numbers] = []
        before = 0
        for rows, fingerprints in level:
            for start in range(0, len(rows), ROWS_AT_ONCE):
                chunk = rows[start : start + ROWS_AT_ONCE]
                self._learn(chunk)
                for count in self._expand(chunk, fingerprints[start : start + ROWS_AT_ONCE]):
                    if count:
                        found.append((self._found.rows[:count].copy(), self._found.fingerprints[:count].copy()))
                        parents.append(self._found.parents[:count] + (before + start))
            before += len(rows)
        self.statistics.generated, self.statistics.outside, self.statistics.ends = map(int, self._totals)
        return found, parents

    def _learn(self, rows: Ints) -> None:
        """Have the system compute the local steps that these rows need."""
        looked_at = 0
        while looked_at < len(rows):
            self._limits.check()
            self.steps.reserve(len(self._missing))
            count, more = kernel.find_missing(rows[looked_at:], self._components, self.steps.table(), self._missing)
            self.steps.learn(self._missing[:count])
            looked_at += more

    def _expand(self, rows: Ints, fingerprints: Words) -> Iterator[int]:
        """Visit the successors of these rows; each time the new states are in `_found`, as many as this says."""
        start = 0
        table = self.steps.table()
        while start < len(rows):
            self._limits.check()
            self._make_room()
            count, start = kernel.expand(
                self._world, rows, fingerprints, start, table, self._batch, self._seen, self._found, self._totals
            )
            self._states += count
            yield count

    def _make_room(self) -> None:
        """Keep the table of fingerprints at most two thirds full."""
        while 3 * (self._states + FOUND_AT_ONCE) > 2 * len(self._seen):
            larger = np.zeros(2 * len(self._seen), np.uint64)
            kernel.copy_seen(self._seen, larger)
            self._seen = larger


class _Judge:
    """Finds the combinations of so many local states that the properties have not been asked about yet."""

    def __init__(self, model: Model, size: int | None) -> None:
        self.always = [each for each in model.always if each.components == size]
        self.sometimes = [each for each in model.sometimes if each.components == size]
        components = range(len(model.component_names))
        chosen = combinations(components, len(components) if size is None else size)
        self._combinations = [np.array(each, np.int64) for each in chosen]
        self._keys = np.zeros(1 << 13, np.uint64)
        self._values = np.zeros(1 << 13, np.int32)
        self._known = 0
        self._found = np.empty(JUDGED_AT_ONCE, np.int64)

    def unjudged(self, rows: Ints) -> Iterator[tuple[int, Numbers]]:
        """Rows in which a combination of local states occurs for the first time, and the columns that it stands in."""
        for columns in self._combinations:
            looked_at = 0
            while looked_at < len(rows):
                self._reserve()
                count, more = kernel.unjudged(rows[looked_at:], columns, self._keys, self._values, self._found)
                self._known += count
                for index in self._found[:count].tolist():
                    yield looked_at + index, columns
                looked_at += more

    def _reserve(self) -> None:
        if 2 * (self._known + len(self._found)) > len(self._keys):
            keys, values = np.zeros(2 * len(self._keys), np.uint64), np.zeros(2 * len(self._keys), np.int32)
            kernel.copy_table(self._keys, self._values, keys, values)
            self._keys, self._values = keys, values


def _empty_batch(model: Model) -> Batch:
    """Room for a batch and the successors of one more row: events, and for each message its delivery, loss and duplicate."""
    most = kernel.BATCH + kernel.EVENTS_MAX * len(model.component_names) + 3 * model.messages_max
    component, step, taken, doubled, budget = (np.empty(most, np.int32) for _ in range(5))
    word, glance = np.empty(most, np.uint64), np.empty(most, np.uint64)
    return Batch(np.empty(most, np.int64), component, step, taken, doubled, budget, word, glance)


__all__ = ["Broken", "Exploration", "LimitReached", "Statistics"]
