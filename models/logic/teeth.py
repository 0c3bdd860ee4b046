"""That the properties bite: wrong protocols break them, and so does a protocol without any one of its guards.

A guard that nothing needs is listed by the specification with the reason why it stands there; that nothing needs it is proven.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from kubeproof.models.logic.counterexamples import Counterexample, InSmallUniverses
from kubeproof.models.logic.hints import Hints, first_tries, later_tries
from kubeproof.models.logic.obligations import Obligation, obligation
from kubeproof.models.logic.pictures import picture, run_picture
from kubeproof.models.logic.satisfiable import run
from kubeproof.models.logic.specification import Kind, Mutant, Script, Specification
from kubeproof.models.logic.unbounded import Status, Translator, prove

SEARCH_S = 60.0
RUN_S = 120.0


class Change(NamedTuple):
    """A wrong protocol of a specification: a mutant by its name, or "without action.guard"."""

    spec: str
    mutant: str


WITHOUT = "without "


@dataclass(frozen=True, slots=True)
class Finding:
    """What a change does. `breaks` is a property that breaks: PROVED means that none does, though all were tried."""

    change: Change
    status: Status
    seconds: float
    breaks: str | None = None
    picture: tuple[str, ...] = ()


def changes(spec: Specification) -> list[Change]:
    """The mutants, then every guard."""
    guards = [f"{action.name}.{guard}" for action in spec.actions.values() for guard in action.guards]
    return [Change(spec.name, name) for name in (*spec.mutants, *(WITHOUT + guard for guard in guards))]


def expected_to_hold(spec: Specification, change: Change) -> bool:
    """Whether the specification lists the guard as redundant."""
    return change.mutant.removeprefix(WITHOUT) in spec.redundant


@dataclass(slots=False)
class Breaker:
    """Finds out what changes break. Invariants on small universes are kept for the next change, for each process by itself."""

    specs: Mapping[str, Specification]
    hints: Mapping[str, Hints] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._universes: dict[tuple[object, ...], InSmallUniverses] = {}
        self._translators: dict[str, Translator] = {}

    def __call__(self, change: Change) -> Finding:
        begun = time.perf_counter()
        spec = self.specs[change.spec]
        mutant = spec.mutants.get(change.mutant)
        if mutant is not None and mutant.script is not None:
            return self._run(spec, mutant, mutant.script, change)
        if mutant is not None:
            status, found = self._judge(spec.mutated(mutant), list(_obligations(spec, mutant)))
        else:
            status, found = self._judge_guard(spec, change)
        seconds = time.perf_counter() - begun
        if found is None:
            return Finding(change, status, seconds)
        return Finding(change, status, seconds, found.obligation.target, tuple(picture(spec, found)))

    def _run(self, spec: Specification, mutant: Mutant, script: Script, change: Change) -> Finding:
        """A run of the wrong protocol to a state where the property does not hold."""
        begun = time.perf_counter()
        wrong = spec.mutated(mutant)
        broken = spec.properties[mutant.breaks].formula()
        try:
            found = run(wrong, script, ~broken, RUN_S)
        except TimeoutError:
            return Finding(change, Status.UNKNOWN, time.perf_counter() - begun)
        seconds = time.perf_counter() - begun
        if found is None:
            return Finding(change, Status.PROVED, seconds)
        return Finding(change, Status.REFUTED, seconds, mutant.breaks, tuple(run_picture(wrong, found)))

    def _judge_guard(self, spec: Specification, change: Change) -> tuple[Status, Counterexample | None]:
        guard = change.mutant.removeprefix(WITHOUT)
        action = guard.partition(".")[0]
        wrong = spec.mutated(Mutant(change.mutant, "", "", without=(guard,)))
        every = [f"{action}: {each.name}" for each in spec.properties.values() if each.kind is not Kind.COROLLARY]
        if expected_to_hold(spec, change):
            return self._prove(wrong, every)
        likely = self.hints[spec.name].breaks.get(guard) if spec.name in self.hints else None
        if f"{action}: {likely}" in every:
            found = self._search(wrong, [f"{action}: {likely}"])
            if found is not None:
                return Status.REFUTED, found
        return self._judge(wrong, every)

    def _judge(self, wrong: Specification, names: list[str]) -> tuple[Status, Counterexample | None]:
        found = self._search(wrong, names)
        return (Status.REFUTED, found) if found is not None else self._prove(wrong, names)

    def _search(self, wrong: Specification, names: list[str]) -> Counterexample | None:
        """A counterexample to one of the obligations. Those with the same hypotheses are asked about together."""
        groups: dict[tuple[str, ...], list[Obligation]] = {}
        for name in names:
            each = obligation(wrong, name)
            groups.setdefault((each.action, *each.hypotheses), []).append(each)
        for together in groups.values():
            try:
                found = self._small(wrong).search(together, SEARCH_S)
            except TimeoutError:
                continue
            if found is not None:
                return found
        return None

    def _small(self, wrong: Specification) -> InSmallUniverses:
        """What is known of the invariants under these axioms in small universes."""
        key = (wrong.name, *map(id, wrong.axioms.values()))
        if key not in self._universes:
            self._universes[key] = InSmallUniverses(wrong, wrong.universes)
        return self._universes[key]

    def _prove(self, wrong: Specification, names: list[str]) -> tuple[Status, None]:
        translator = self._translators.setdefault(wrong.name, Translator())
        hints = self.hints.get(wrong.name, Hints())
        for name in names:
            each = obligation(wrong, name)
            tries = chain(first_tries(each, hints), later_tries(each))
            if prove(each, translator, tries).status is not Status.PROVED:
                return Status.UNKNOWN, None  # without a counterexample that was looked at, nothing is refuted
        return Status.PROVED, None


def _obligations(spec: Specification, mutant: Mutant) -> Iterator[str]:
    """Those of the property that the mutant must break, for the actions that it changes; for all actions if it changes axioms."""
    changed = {guard.partition(".")[0] for guard in mutant.without} | {action.name for action in mutant.actions}
    actions = spec.mutated(mutant).actions if mutant.axioms else changed
    yield from (f"{action}: {mutant.breaks}" for action in actions)
