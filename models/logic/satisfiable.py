"""That a specification is not empty: every action can happen where all invariants hold, and scripted runs exist.

A proof from contradictory hypotheses proves everything. These checks find such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubeproof.models.logic.counterexamples import ReadersDisagree
from kubeproof.models.logic.evaluator import after, enabled, evaluate
from kubeproof.models.logic.formulas import Formula, Variable
from kubeproof.models.logic.grounded import Grounding
from kubeproof.models.logic.specification import Script, Specification
from kubeproof.models.logic.structures import Structure


def empty_parts(spec: Specification, limit_s: float) -> Iterator[str]:
    """What cannot happen: "initially", or an action whose guards contradict the invariants and axioms. Raises TimeoutError."""
    remaining = {"initially", *spec.actions}
    for sizes in spec.universes:
        grounding = Grounding(spec, sizes)
        for axiom in spec.axioms.values():
            grounding.assume(grounding.formula(axiom.formula))
        for each in spec.invariants():
            grounding.assume(grounding.formula(each.formula()))
        remaining -= {name for name in remaining if _happens(spec, grounding, name, limit_s)}
        if not remaining:
            return
    yield from (name for name in ("initially", *spec.actions) if name in remaining)


def _happens(spec: Specification, grounding: Grounding, name: str, limit_s: float) -> bool:
    action = spec.actions.get(name)
    values = {each: grounding.choose(each, f"{name} {each.name}") for each in action.parameters} if action else {}
    conditions = [action.guard()] if action else list(spec.initially.values())
    model = grounding.solve(limit_s, [grounding.formula(each, values) for each in conditions])
    if model is None:
        return False
    state = grounding.structure(model, 0)
    chosen = {each: grounding.chosen(model, cases) for each, cases in values.items()}
    formulas = [*conditions, *(axiom.formula for axiom in spec.axioms.values()), *(each.formula() for each in spec.invariants())]
    if not all(evaluate(formula, state, chosen) for formula in formulas):
        raise ReadersDisagree(f"{spec.name}: solver and evaluator disagree about a state where {name} can happen")
    return True


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """An action of a run, with its arguments and the state after it."""

    action: str
    arguments: Mapping[Variable, Any]
    state: Structure


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run of a specification, from an initial state."""

    initial: Structure
    steps: tuple[Step, ...]


def run(spec: Specification, script: Script, reaches: Formula, limit_s: float) -> Run | None:
    """A run of the script that reaches a goal; None if there is none. Raises TimeoutError."""
    grounding = Grounding(spec, script.sizes)
    for formula in (*(axiom.formula for axiom in spec.axioms.values()), *spec.initially.values(), script.given):
        grounding.assume(grounding.formula(formula))
    chosen = []
    for state, (name, fixed) in enumerate(script.calls()):
        action = spec.actions[name]
        values = {
            each: grounding.choose(each, f"{name} {each.name} at {state}", fixed.get(each.name)) for each in action.parameters
        }
        grounding.step(action, values, state)
        chosen.append(values)
    grounding.assume(grounding.formula(reaches, {}, len(script.steps)))
    model = grounding.solve(limit_s)
    if model is None:
        return None
    arguments = [{each: grounding.chosen(model, cases) for each, cases in values.items()} for values in chosen]
    return _replayed(spec, script, reaches, grounding.structure(model, 0), arguments)


def _replayed(
    spec: Specification, script: Script, reaches: Formula, initial: Structure, arguments: list[dict[Variable, Any]]
) -> Run:
    """The run, made again by the evaluator alone: guards, updates, and what is reached in the end."""
    state, steps = initial, []
    for (name, _), values in zip(script.calls(), arguments, strict=True):
        action = spec.actions[name]
        closed = [guard for guard, holds in enabled(action, state, values).items() if not holds]
        if closed:
            raise ReadersDisagree(f"{spec.name}: the evaluator finds {name} closed by {', '.join(closed)}")
        state = after(action, state, values)
        steps.append(Step(name, values, state))
    if not evaluate(reaches, state):
        raise ReadersDisagree(f"{spec.name}: the evaluator does not find that the run reaches its goal")
    return Run(initial, tuple(steps))
