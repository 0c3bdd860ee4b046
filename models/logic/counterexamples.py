"""Counterexamples to induction: a small state where all hypotheses hold, and a step after which the property does not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeproof.models.logic.evaluator import after, evaluate
from kubeproof.models.logic.formulas import Formula, Relation, Variable
from kubeproof.models.logic.grounded import Grounding, either
from kubeproof.models.logic.obligations import Obligation
from kubeproof.models.logic.specification import Specification
from kubeproof.models.logic.structures import Structure


class ReadersDisagree(Exception):
    """Two readers of one formula came to different conclusions: a mistake of ours."""


@dataclass(frozen=True, slots=True, eq=False)
class Counterexample:
    """A state where all hypotheses of an obligation hold and its goal does not, with these values of its variables."""

    obligation: Obligation
    before: Structure
    values: Mapping[Variable, Any]
    after: Structure | None
    """None if the obligation is about no step."""


class InSmallUniverses:
    """Looks for counterexamples among a few elements of each sort. What it has written out of hypotheses is kept for the next.

    One for each set of axioms: hypotheses of the same name are taken for the same, but for guards.
    """

    def __init__(self, spec: Specification, universes: Sequence[Mapping[str, int]]) -> None:
        self._groundings = [(Grounding(spec, sizes, spec.examples), dict[str, Any]()) for sizes in universes]

    def search(self, obligations: Sequence[Obligation], limit_s: float) -> Counterexample | None:
        """A counterexample to one of several obligations with the same hypotheses, in the smallest universe that has one.

        Raises TimeoutError where a universe was not searched to its end.
        """
        deadline = time.monotonic() + limit_s
        late: TimeoutError | None = None
        for grounding, known in self._groundings:
            try:
                found = self._within(grounding, known, obligations, max(0.1, deadline - time.monotonic()))
            except TimeoutError as error:
                late = error
                continue
            if found is not None:
                return found
        if late is not None:
            raise late
        return None

    def _within(
        self, grounding: Grounding, known: dict[str, Any], obligations: Sequence[Obligation], limit_s: float
    ) -> Counterexample | None:
        values = _free_choices(grounding, obligations)
        refuted = [grounding.formula(~each.goal, values) for each in obligations]
        hypotheses = _written_out(grounding, known, obligations[0].hypotheses, values)
        model = grounding.solve(limit_s, [*hypotheses, either(refuted)])
        if model is None:
            return None
        before = grounding.structure(model, 0)
        chosen = {each: grounding.chosen(model, cases) for each, cases in values.items()}
        broken = next((each for each in obligations if not evaluate(each.goal, before, chosen)), obligations[0])
        return counterexample(broken, before, {each: chosen[each] for each in broken.variables})


def _written_out(
    grounding: Grounding, known: dict[str, Any], hypotheses: Mapping[str, Formula], values: Mapping[Variable, Any]
) -> Iterator[Any]:
    """Guards speak of the values; everything else is closed, and written out once."""
    for name, formula in hypotheses.items():
        if name.startswith("guard "):
            yield grounding.formula(formula, values)
        else:
            if name not in known:
                known[name] = grounding.formula(formula)
            yield known[name]


def _free_choices(grounding: Grounding, obligations: Sequence[Obligation]) -> dict[Variable, Any]:
    variables = {variable: None for each in obligations for variable in each.variables}
    return {each: grounding.choose(each, f"{each.name} #{place}") for place, each in enumerate(variables)}


def counterexample(obligation: Obligation, before: Structure, values: Mapping[Variable, Any]) -> Counterexample:
    """What a solver has found, validated and made smaller."""
    validate(obligation, before, values)
    before = smaller(obligation, before, values)
    step = obligation.step
    return Counterexample(obligation, before, values, after(step, before, values) if step is not None else None)


def validate(obligation: Obligation, before: Structure, values: Mapping[Variable, Any]) -> None:
    """Raise ReadersDisagree unless the evaluator, too, finds every hypothesis true and the goal false."""
    wrong = [name for name, formula in obligation.hypotheses.items() if not evaluate(formula, before, values)]
    if evaluate(obligation.goal, before, values):
        wrong.append("the goal")
    if wrong:
        raise ReadersDisagree(f"{obligation.name}: solver and evaluator disagree about {', '.join(wrong)}")


def smaller(obligation: Obligation, before: Structure, values: Mapping[Variable, Any]) -> Structure:
    """The same counterexample with fewer tuples: each is left out that is not needed."""
    for relation, tuples in before.true.items():
        if not relation.rigid:
            for each in sorted(tuples, key=str):
                fewer = _without(before, relation, each)
                if _is_counterexample(obligation, fewer, values):
                    before = fewer
    return before


def _without(structure: Structure, relation: Relation, left_out: tuple[Any, ...]) -> Structure:
    relations = {**structure.true, relation: structure.true[relation] - {left_out}}
    return Structure.known(structure.universes, relations, structure.values)


def _is_counterexample(obligation: Obligation, before: Structure, values: Mapping[Variable, Any]) -> bool:
    if evaluate(obligation.goal, before, values):
        return False
    return all(evaluate(formula, before, values) for formula in obligation.hypotheses.values())
