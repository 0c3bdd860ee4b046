"""Breadth-first exploration: every state of a model, level by level, and what must hold in each."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice

import numpy as np

from kubeproof.conformance.explore.asking import Askers
from kubeproof.conformance.explore.budgets import BudgetTable
from kubeproof.conformance.explore.compiled import rows
from kubeproof.conformance.explore.compiled.hashing import Ints, Numbers
from kubeproof.conformance.explore.compiled.seen import Seen
from kubeproof.conformance.explore.compiled.tables import StepTable
from kubeproof.conformance.explore.frontier import PIECE, Chunks, Frontier, Store
from kubeproof.conformance.explore.local_steps import LocalSteps, Taken
from kubeproof.conformance.explore.saving import Saved
from kubeproof.conformance.explore.system import Model, Property
from kubeproof.conformance.explore.worker import FOUND_AT_ONCE, Question, Report, Task, Worker
from kubeproof.conformance.limits import LimitReached, Limits

TASKS_AT_ONCE = 8
"""Of each worker, before tables may grow."""

DEADLOCK = Property("deadlock", "Where nothing can happen any more, the system has come to its end.", lambda: False)


class Broken(Exception):
    """A property does not hold in a state; `state` is its number, if states are numbered."""

    def __init__(self, broken: Property, depth: int, state: int) -> None:
        super().__init__(broken.id)
        self.property = broken
        self.depth = depth
        self.state = state


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
    """One breadth-first search, by `threads` workers.

    `numbered`: one worker keeps all rows, in the order in which they were found, with where each comes from (`stored`) and every
    edge (`edges`). `exact`: rows that share a fingerprint are told apart; without it they would count as one state.

    `learning_s` are the seconds spent in asking the system for local steps.
    """

    def __init__(
        self,
        model: Model,
        limits: Limits,
        *,
        threads: int = 1,
        numbered: bool = False,
        exact: bool = False,
        progress: Callable[[Exploration], object] | None = None,
    ) -> None:
        numbered = numbered or exact
        if exact and model.symmetry is not None:
            raise ValueError("whole states are kept of all states, not only of one in each orbit")
        self.model = model
        self.steps = LocalSteps(model)
        self._askers = Askers(model.system, self.steps.parts, threads)
        self.statistics = Statistics()
        self.witnessed: dict[str, int] = {}
        self.learning_s = 0.0
        self.stored: Store | None = None
        self._limits = limits
        self._progress = progress
        self._components = len(model.component_names)
        width = self._components + 1 + model.messages_max
        world = self.steps.world(numbered=numbered, exact=exact)
        self._world = world
        self._properties = _by_size(model.always, self._components)
        self._witnesses = _by_size(model.sometimes, self._components)
        sizes = self._sizes()
        self._workers = [Worker(number, model, world, sizes) for number in range(1 if numbered else threads)]
        self._seen = Seen(numbered=numbered)
        self._frontier: Frontier
        if numbered:
            self._frontier = self.stored = Store(width)
        else:
            self._frontier = Chunks(width, len(self._workers))
        self._broken: Broken | None = None

    @property
    def edges(self) -> tuple[Ints, Ints, Ints]:
        """Of numbered states: from where, to where, and what happens (tables.py)."""
        edges = self._workers[0].edges
        count = int(edges.counts[0])
        return edges.source[:count], edges.target[:count], edges.via[:count]

    @property
    def ended(self) -> list[int]:
        """Of numbered states: those without any successor."""
        return self._workers[0].ended

    def coverage(self) -> tuple[Counter[str], Counter[str]]:
        """How often each kind of event, and each label of a step, was taken."""
        return self.steps.coverage(self._taken())

    def taken_steps(self) -> Iterator[Taken]:
        """Each local step that was taken at least once."""
        return self.steps.taken_steps(self._taken())

    def _taken(self) -> Numbers:
        taken = np.zeros(max(len(worker.taken) for worker in self._workers), np.int64)
        for worker in self._workers:
            taken[: len(worker.taken)] += worker.taken
        return taken

    def _totals(self) -> Numbers:
        totals: Numbers = np.sum([worker.totals for worker in self._workers], axis=0)
        return totals

    def collision_probability(self) -> float:
        """The probability that some two states share a fingerprint, at most; whole states are told apart for certain."""
        return 0.0 if self._world.exact else self.statistics.distinct**2 / 2**65

    def run(self) -> None:
        """Explore everything. Raises Broken behind the first level in which a property does not hold, or LimitReached."""
        if not self.statistics.distinct:
            self._begin()
        with ThreadPoolExecutor(len(self._workers)) as executor, self._askers:
            self._turn()
            while self._expand_level(executor):
                self._turn()
        self._raise_broken()

    def export(self) -> Saved:
        """All that the search knows, between two levels."""
        steps = self.steps.export()
        arrays = {f"steps{name}": array for name, array in steps.arrays.items()}
        arrays |= {"words": self._seen.words, "numbers": self._seen.numbers, "taken": self._taken(), "totals": self._totals()}
        arrays |= self._workers[0].export() | self._frontier.export()
        return Saved(arrays, {"steps": dict(steps.values), "statistics": asdict(self.statistics), "witnessed": self.witnessed})

    def restore(self, saved: Saved) -> None:
        """Go on with what was exported by a search of the same model in the same way; `run` does the rest."""
        arrays, values = saved
        steps = {name.removeprefix("steps"): array for name, array in arrays.items() if name.startswith("steps")}
        self.steps.restore(Saved(steps, values["steps"]))
        self.statistics = Statistics(**values["statistics"])
        self._seen.restore(arrays["words"], arrays["numbers"])
        self._frontier.restore(arrays)
        self._workers[0].restore(arrays)
        self.witnessed = dict(values["witnessed"])
        for size, witnesses in self._witnesses.items():
            self._witnesses[size] = [each for each in witnesses if each.id not in self.witnessed]
        for worker in self._workers:
            worker.ask_about(self._sizes())

    def _begin(self) -> None:
        room = self._frontier.room(0, 1)
        row = room.rows[:1]
        row[:] = -1
        for component, state in enumerate(self.model.system.initial()):
            row[0, component] = self.steps.local_id(component, state)
        row[0, self._components] = BudgetTable.FIRST
        room.parents[0] = -1
        rows.note_first(self._world, self.steps.table(), row[0], self._seen.words, self._seen.numbers)
        self._frontier.keep(0, 1)
        self.statistics.distinct = 1
        self.statistics.levels.append(1)
        self._answer(self._workers[0].first(row))

    def _turn(self) -> None:
        """Go to the next level. Its states were judged when they were found."""
        self._raise_broken()
        self._frontier.turn()
        if self._progress is not None:
            self._progress(self)

    def _raise_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _expand_level(self, executor: ThreadPoolExecutor) -> bool:
        """Whether it leads to new states."""
        self.statistics.levels.append(0)
        every_row = np.arange(PIECE, dtype=np.int32)
        pieces = iter(self._frontier.pieces())
        while tasks := [
            Task(piece, every_row[: len(piece.rows)]) for piece in islice(pieces, TASKS_AT_ONCE * len(self._workers))
        ]:
            while tasks:
                tasks = self._round(executor, tasks)
        if not self.statistics.levels[-1]:
            self.statistics.levels.pop()
            return False
        self.statistics.depth += 1
        return True

    def _round(self, executor: ThreadPoolExecutor, tasks: list[Task]) -> list[Task]:
        """Have the workers do some tasks. Returns what is left to do, now that missing steps are known."""
        self._limits.check()
        self._seen.make_room(self.statistics.distinct + 2 * FOUND_AT_ONCE * len(tasks))
        steps = self.steps.table()
        waiting = deque(tasks)
        if len(self._workers) == 1:
            reports = self._work(self._workers[0], waiting, steps)
        else:
            shares = executor.map(lambda worker: self._work(worker, waiting, steps), self._workers)
            reports = [report for share in shares for report in share]
        for report in reports:
            self.statistics.distinct += report.found
            self.statistics.levels[-1] += report.found
            self._answer(report.questions)
            self._answer_ends(report.ends)
        begun = time.perf_counter()
        self.steps.learn(list(dict.fromkeys(pair for report in reports for pair in report.missing)), self._askers)
        self.learning_s += time.perf_counter() - begun
        self.statistics.generated, self.statistics.outside, self.statistics.ends = self._totals().tolist()
        return [task for report in reports for task in report.left]

    def _work(self, worker: Worker, waiting: deque[Task], steps: StepTable) -> list[Report]:
        reports = []
        while waiting:
            try:
                task = waiting.popleft()
            except IndexError:  # another worker has taken the last one
                break
            reports.append(worker.expand(task, steps, self._seen, self._frontier))
        return reports

    # ---- what must hold

    def _sizes(self) -> list[int]:
        """Of how many local states there is still something to be asked."""
        return [size for size in range(self._components + 1) if self._properties[size] or self._witnesses[size]]

    def _answer(self, questions: Iterable[Question]) -> None:
        depth = len(self.statistics.levels) - 1
        known = self.steps.ids.states
        for locals_, state in questions:
            states = [known[local] for local in locals_]
            for each in self._properties[len(locals_)]:
                if not each.holds(*states):
                    self._break(each, depth, state)
            for each in self._witnesses[len(locals_)]:
                if each.holds(*states):
                    self._witness(each, len(locals_), depth)

    def _witness(self, witness: Property, size: int, depth: int) -> None:
        self.witnessed[witness.id] = depth
        self._witnesses[size] = [each for each in self._witnesses[size] if each is not witness]
        for worker in self._workers:
            worker.ask_about(self._sizes())

    def _answer_ends(self, ends: Iterable[Question]) -> None:
        for locals_, state in ends:
            assert self.model.may_end is not None
            if not self.model.may_end(*[self.steps.ids.states[local] for local in locals_]):
                self._break(DEADLOCK, self.statistics.depth, state)

    def _break(self, broken: Property, depth: int, state: int) -> None:
        """Of several violations the one that is met first counts."""
        if self._broken is None or (depth, state) < (self._broken.depth, self._broken.state):
            self._broken = Broken(broken, depth, state)


def _by_size(properties: Iterable[Property], components: int) -> dict[int, list[Property]]:
    """Properties by how many local states they are given."""
    by_size: dict[int, list[Property]] = defaultdict(list)
    for each in properties:
        by_size[components if each.components is None else each.components].append(each)
    return by_size


__all__ = ["DEADLOCK", "Broken", "Exploration", "LimitReached", "Statistics"]
