"""Proof obligations: what must be shown for every property, one formula each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import Formula, Variable
from kubeproof.models.logic.rewriting import symbols_of
from kubeproof.models.logic.specification import Kind, Lemma, Property, Specification
from kubeproof.models.logic.text import digest

INITIALLY = "initially"
"""Stands where an action's name does: the property holds in the initial states."""
FOLLOWS = "follows"
"""Stands where an action's name does: the property follows from others."""
AXIOM = "axiom"
"""Stands where an action's name does: an axiom is justified."""
LEMMA = "lemma "
"""Stands before a lemma's name, where a property's does: it holds wherever the action is possible."""


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

    def without_lemmas(self) -> Obligation:
        """The same without the lemmas, which follow from the other hypotheses."""
        return replace(self, hypotheses={key: each for key, each in self.hypotheses.items() if not key.startswith(LEMMA)})

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
    axioms = {f"axiom {axiom.name}": axiom.formula for axiom in spec.axioms.values()}
    if target.startswith(LEMMA):
        return _of_lemma(spec, axioms, spec.lemmas[target.removeprefix(LEMMA)])
    each = spec.properties[target]
    if action == INITIALLY:
        initial = {f"initially {label}": formula for label, formula in spec.initially.items()}
        return Obligation(action, target, each.variables, axioms | initial, each.holds())
    assumed = axioms | _invariants(assumed_by(spec, each))
    if action == FOLLOWS:
        return Obligation(action, target, each.variables, assumed, each.holds())
    step = spec.actions[action]
    lemmas = [] if leaves_alone(step, each) else spec.lemmas_of(action)
    possible = assumed | _guards(step) | _lemmas(lemmas)
    return Obligation(action, target, (*step.parameters, *each.variables), possible, each.across(step.updates), step)


def _of_lemma(spec: Specification, axioms: dict[str, Formula], lemma: Lemma) -> Obligation:
    """It may assume the action's lemmas before it."""
    action = spec.actions[lemma.action]
    lemmas = spec.lemmas_of(lemma.action)
    invariants = _invariants(spec.properties[each] for each in lemma.using)
    hypotheses = axioms | invariants | _guards(action) | _lemmas(lemmas[: lemmas.index(lemma)])
    return Obligation(action.name, LEMMA + lemma.name, action.parameters, hypotheses, lemma.formula)


def leaves_alone(step: Action, target: Property) -> bool:
    """Whether the action changes nothing that the property speaks of, so that its proof needs no lemma."""
    return target.kind is not Kind.STEP and step.updates.keys().isdisjoint(symbols_of(target.holds()))


def _invariants(properties: Iterable[Property]) -> dict[str, Formula]:
    return {f"invariant {each.name}": each.formula() for each in properties}


def _guards(action: Action) -> dict[str, Formula]:
    return {f"guard {label}": guard for label, guard in action.guards.items()}


def _lemmas(lemmas: Iterable[Lemma]) -> dict[str, Formula]:
    return {LEMMA + each.name: each.formula for each in lemmas}


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
            if each.kind is not Kind.COROLLARY:
                todo += [spec.properties[name] for lemma in spec.lemmas.values() for name in lemma.using]
    return [each for each in spec.properties.values() if each.name in found]


def names_below(spec: Specification, target: Property) -> list[str]:
    """All obligations that the property rests on."""
    properties = rests_on(spec, target)
    lemmas = lemma_names(spec) if any(each.kind is not Kind.COROLLARY for each in properties) else []
    return [*axiom_names(spec), *lemmas, *(name for each in properties for name in names_for(spec, each))]


def all_names(spec: Specification) -> list[str]:
    """All obligations of the specification."""
    properties = (name for each in spec.properties.values() for name in names_for(spec, each))
    return [*axiom_names(spec), *lemma_names(spec), *properties]


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


def lemma_names(spec: Specification) -> list[str]:
    """The obligations of the lemmas."""
    return [f"{lemma.action}: {LEMMA}{lemma.name}" for lemma in spec.lemmas.values()]
