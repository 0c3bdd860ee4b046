"""The course of a proof: one obligation after the other, with hints, tries, and a counterexample where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from kubeproof.models.logic.alternation import cycle
from kubeproof.models.logic.counterexamples import Counterexample, InSmallUniverses
from kubeproof.models.logic.hints import Hints, first_tries, later_tries
from kubeproof.models.logic.obligations import Obligation, obligation
from kubeproof.models.logic.pictures import picture
from kubeproof.models.logic.smtlib import smtlib
from kubeproof.models.logic.specification import Specification
from kubeproof.models.logic.unbounded import Answer, Status, Translator, prove

SEARCH_S = 20.0
OPINION_S = (60.0, 60.0)

Opinion = Callable[[str, float], bool | None]
"""Another solver: given SMT-LIB text and seconds, whether it is satisfiable; None if it does not know."""


class Task(NamedTuple):
    """An obligation of a specification, both by name."""

    spec: str
    obligation: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task. `used` is given if it was asked for, `picture` if it was refuted.

    `second` is the second solver's opinion: whether it, too, proved the obligation. `cycle` takes the obligation out of EPR.
    """

    task: Task
    status: Status
    seconds: float
    used: tuple[str, ...] | None = None
    fingerprint: str = ""
    second: Status | None = None
    cycle: tuple[str, ...] = ()
    picture: tuple[str, ...] = ()


@dataclass(slots=False)
class Prover:
    """Does tasks. What it has translated is kept for the next ones, so each process has its own."""

    specs: Mapping[str, Specification]
    hints: Mapping[str, Hints] = field(default_factory=dict)
    ask_used: bool = False
    opinion: Opinion | None = None

    @cached_property
    def translators(self) -> dict[str, Translator]:
        return {name: Translator() for name in self.specs}

    def __call__(self, task: Task) -> Outcome:
        begun = time.perf_counter()
        spec = self.specs[task.spec]
        each = obligation(spec, task.obligation)
        answer, found = self._answer(spec, each)
        return Outcome(
            task,
            answer.status,
            time.perf_counter() - begun,
            answer.used,
            each.fingerprint() if self.ask_used else "",
            self._second(each, answer.only) if self.opinion is not None else None,
            tuple(map(str, cycle(each) or ())),
            tuple(picture(spec, found)) if found is not None else (),
        )

    def _answer(self, spec: Specification, each: Obligation) -> tuple[Answer, Counterexample | None]:
        """The answer, and the counterexample if there is one."""
        translator = self.translators[spec.name]
        first = first_tries(each, self.hints.get(spec.name, Hints()))
        answer = prove(each, translator, first, ask_used=self.ask_used)
        if answer.status is Status.PROVED:
            return answer, None
        found = _counterexample(InSmallUniverses(spec, spec.universes[:1]), each)
        if found is None:
            answer = prove(each, translator, later_tries(each), ask_used=self.ask_used)
            if answer.status is Status.PROVED:
                return answer, None
            found = _counterexample(InSmallUniverses(spec, spec.universes[1:]), each)
        if found is not None:
            answer = Answer(Status.REFUTED, answer.seconds)
        return answer, found

    def _second(self, each: Obligation, only: tuple[str, ...] | None) -> Status:
        """First with the hypotheses that sufficed, then with all."""
        assert self.opinion is not None
        for names, limit_s in ((only, OPINION_S[0]), (None, OPINION_S[1])):
            satisfiable = self.opinion(smtlib(each, names), limit_s)
            if satisfiable is False:
                return Status.PROVED
            if satisfiable and names is None:
                return Status.REFUTED
        return Status.UNKNOWN


def _counterexample(universes: InSmallUniverses, each: Obligation) -> Counterexample | None:
    try:
        return universes.search([each.without_lemmas()], SEARCH_S)
    except TimeoutError:
        return None
