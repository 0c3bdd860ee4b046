"""An initial state over given elements, found by mending: what the initial conditions say is nearly a definition of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

from kubeproof.models.logic.evaluator import evaluate, solutions, value
from kubeproof.models.logic.formulas import (
    And,
    Apply,
    Element,
    Expression,
    Formula,
    Function,
    Holds,
    Quantified,
    Real,
    Relation,
    Variable,
)
from kubeproof.models.logic.rewriting import children
from kubeproof.models.logic.specification import Specification
from kubeproof.models.logic.structures import Structure

Instance = tuple[tuple[Variable, ...], Formula]
"""What must hold for all values of the variables."""


class NoInitialState(Exception):
    """The state cannot be mended, tuple by tuple, so that this initial condition holds."""


def initial_state(spec: Specification, given: Structure) -> Structure:
    """A state that agrees with what is given, and with all initial conditions. Raises NoInitialState.

    Relations of which nothing is given are empty where no condition says otherwise; functions have any value.
    """
    state = _filled(spec, given)
    for name, formula in spec.initially.items():
        for variables, condition in _instances(formula, ()):
            for values in sorted(solutions(~condition, variables, state, {}), key=repr):
                state = _mended(condition, dict(zip(variables, values, strict=True)), state, name)
    wrong = [name for name, formula in spec.initially.items() if evaluate(formula, state) is not True]
    if wrong:
        raise NoInitialState(wrong[0])
    return state


def _filled(spec: Specification, given: Structure) -> Structure:
    relations = {each: given.true.get(each, set()) for each in spec.symbols if isinstance(each, Relation)}
    values = {each: _values(each, given) for each in spec.symbols if isinstance(each, Function)}
    return Structure.known(given.universes, relations, values)


def _values(function: Function, given: Structure) -> dict[tuple[Any, ...], Any]:
    known = given.values.get(function, {})
    if function.rigid:
        return known
    default = Fraction(0) if function.result is Real else next(iter(given.universes[function.result]), None)
    return dict.fromkeys(product(*(given.universes[sort] for sort in function.sorts)), default) | known


def _instances(formula: Formula, variables: tuple[Variable, ...]) -> Iterator[Instance]:
    if isinstance(formula, And):
        for part in formula.parts:
            yield from _instances(part, variables)
    elif isinstance(formula, Quantified) and formula.universal:
        yield from _instances(formula.body, (*variables, *formula.variables))
    else:
        yield variables, formula


def _mended(condition: Formula, values: Mapping[Variable, Any], state: Structure, name: str) -> Structure:
    """The state with one atom of the condition changed, after which it holds of these values."""
    if evaluate(condition, state, values):
        return state  # what was mended before was enough
    for changed in _changed(condition, values, state):
        if evaluate(condition, changed, values):
            return changed
    raise NoInitialState(name)


def _changed(condition: Formula, values: Mapping[Variable, Any], state: Structure) -> Iterator[Structure]:
    for atom in _atoms(condition):
        if isinstance(atom, Holds):
            at = tuple(value(each, state, values) for each in atom.arguments)
            yield Structure.known(state.universes, state.true | {atom.symbol: state.true[atom.symbol] ^ {at}}, state.values)
        elif isinstance(atom, Apply) and atom.symbol.result is not Real:
            at = tuple(value(each, state, values) for each in atom.arguments)
            for element in state.universes[atom.symbol.result]:
                new = state.values | {atom.symbol: state.values[atom.symbol] | {at: element}}
                yield Structure.known(state.universes, state.true, new)


def _atoms(expression: Expression) -> Iterator[Expression]:
    """What may be changed, where no quantifier is in the way."""
    if isinstance(expression, Holds | Apply) and not expression.symbol.rigid:
        yield expression
    if not isinstance(expression, Quantified):
        for part in children(expression):
            if isinstance(part, Formula | Element):
                yield from _atoms(part)
