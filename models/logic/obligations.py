"""Proof obligations: what must be shown for every property, one formula each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import Formula, Variable
from kubeproof.models.logic.specification import Kind, Property, Specification
from kubeproof.models.logic.text import digest

INITIALLY = "initially"
"""Stands where an action's name does: the property holds in the initial states."""
FOLLOWS = "follows"
"""Stands where an action's name does: the property follows from others."""
AXIOM = "axiom"
"""Stands where an action's name does: an axiom is justified."""


@dataclass(frozen=True, slots=True, eq=False)
class Obligation:
    """Under the hypotheses, which have names, the goal holds for all values of the variables.

    `action` is the name of one, or INITIALLY, FOLLOWS or AXIOM; `target` names the property or axiom.
    """

    action: str
    target: str
    variables: tuple[Variable, ...]
    hypotheses: dict[str, Formula]
    goal: Formula
    step: Action | None = None
    """The action, if it is one."""

    @property
    def name(self) -> str:
        return f"{self.action}: {self.target}"

    def fingerprint(self) -> str:
        """Changes when what is to be shown does."""
        return digest(self.goal)


def obligation(spec: Specification, name: str) -> Obligation:
    """The obligation called "action: target"."""
    action, _, target = name.partition(": ")
    if action == AXIOM:
        shown_by = spec.axioms[target].shown_by
        assert shown_by is not None
        return Obligation(AXIOM, target, (), {}, shown_by)
    each = spec.properties[target]
    axioms = {f"axiom {axiom.name}": axiom.formula for axiom in spec.axioms.values()}
    if action == INITIALLY:
        initial = {f"initially {label}": formula for label, formula in spec.initially.items()}
        return Obligation(action, target, each.variables, axioms | initial, each.holds())
    assumed = axioms | {f"invariant {one.name}": one.formula() for one in assumed_by(spec, each)}
    if action == FOLLOWS:
        return Obligation(action, target, each.variables, assumed, each.holds())
    step = spec.actions[action]
    guards = {f"guard {label}": guard for label, guard in step.guards.items()}
    return Obligation(action, target, (*step.parameters, *each.variables), assumed | guards, each.across(step.updates), step)


def assumed_by(spec: Specification, target: Property) -> list[Property]:
    """What a proof of the property may assume: of the state before the step, itself too."""
    if target.using is not None:
        own = (target.name,) if target.kind is Kind.INVARIANT else ()
        return [each for each in spec.properties.values() if each.name in (*target.using, *own)]
    return [each for each in spec.invariants() if each.layer <= target.layer]


def rests_on(spec: Specification, target: Property) -> list[Property]:
    """What must be proven for the property to be: itself, what it assumes, and what these assume."""
    found: dict[str, Property] = {}
    todo = [target]
    while todo:
        each = todo.pop()
        if each.name not in found:
            found[each.name] = each
            todo += assumed_by(spec, each)
    return [each for each in spec.properties.values() if each.name in found]


def names_for(spec: Specification, target: Property) -> Iterator[str]:
    """The obligations of one property by itself."""
    if target.kind is Kind.COROLLARY:
        yield f"{FOLLOWS}: {target.name}"
        return
    if target.kind is Kind.INVARIANT:
        yield f"{INITIALLY}: {target.name}"
    yield from (f"{action}: {target.name}" for action in spec.actions)


def axiom_names(spec: Specification) -> list[str]:
    """The obligations of the axioms that are shown."""
    return [f"{AXIOM}: {axiom.name}" for axiom in spec.axioms.values() if axiom.shown_by is not None]
