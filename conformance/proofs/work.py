"""Everything that processes do for a proof or for its controls, and what they answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import z3

from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.models import catalogue
from kubeproof.models.logic.hints import Hints
from kubeproof.models.logic.parallel import over_processes
from kubeproof.models.logic.prover import Opinion, Outcome, Prover, Task
from kubeproof.models.logic.satisfiable import empty_parts, run
from kubeproof.models.logic.specification import Specification

WITNESS_S = 60.0
SOLVER = f"z3 {z3.get_version_string()}"

Progress = Callable[[int, int], None]
"""Told how much is done, and of how much."""


def no_progress(done: int, total: int) -> None:
    """Nobody looks at it."""


class Control(NamedTuple):
    """A check that a specification is not empty: a witness by its name, or EVERY_ACTION."""

    spec: str
    name: str


EVERY_ACTION = "every_action_can_happen"


class Checked(NamedTuple):
    """What came of a control: None if it is as it should be, else what is wrong; unknown if a limit was reached."""

    control: Control
    wrong: str | None
    unknown: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class How:
    """With how many processes, with which hints or to make new ones, and whether a second solver is asked."""

    jobs: int = 1
    hints: Mapping[str, Hints] = field(default_factory=dict)
    update_hints: bool = False
    opinion: Opinion | None = None
    progress: Progress = no_progress


def specification(name: str) -> Specification:
    """The specification that ships by that name."""
    try:
        return catalogue.load(name)
    except KeyError:
        known = ", ".join(catalogue.NAMES)
        raise InvalidInput(name, None, f"no such specification; there are {known}") from None


def over(
    specs: Mapping[str, Specification], tasks: Sequence[Task | Control], how: How, limits: Limits
) -> tuple[list[Outcome | Checked], str]:
    """What came of the tasks, and which limit was reached before the others, if one was."""
    prover = Prover(specs, how.hints, how.update_hints, how.opinion)

    def work(task: Task | Control) -> Outcome | Checked:
        return prover(task) if isinstance(task, Task) else _check(specs[task.spec], task)

    done: list[Outcome | Checked] = []
    try:
        for each in over_processes(work, tasks, how.jobs, limits.check):
            done.append(each)
            how.progress(len(done), len(tasks))
    except LimitReached as reached:
        return done, str(reached)
    return done, ""


def controls(spec: Specification) -> Iterator[Control]:
    """That every action can happen, then the witnesses."""
    yield Control(spec.name, EVERY_ACTION)
    yield from (Control(spec.name, name) for name in spec.witnesses)


def _check(spec: Specification, control: Control) -> Checked:
    begun = time.perf_counter()
    try:
        wrong = _wrong(spec, control)
    except TimeoutError as late:
        return Checked(control, str(late), True, time.perf_counter() - begun)
    return Checked(control, wrong, False, time.perf_counter() - begun)


def _wrong(spec: Specification, control: Control) -> str | None:
    if control.name == EVERY_ACTION:
        empty = list(empty_parts(spec, WITNESS_S))
        return f"cannot happen where all invariants hold: {', '.join(empty)}" if empty else None
    witness = spec.witnesses[control.name]
    found = run(spec, witness.script, witness.reaches, WITNESS_S)
    return None if found is not None else "there is no such run"
