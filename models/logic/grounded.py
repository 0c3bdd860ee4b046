"""SAT on formulas over a few elements of each sort: small counterexamples, satisfiability, scripted runs.

Every quantifier is written out. A term is what it may be: its possible elements, each with the condition under which it is that
one. Reals stay as they are, so a specification with clocks asks an SMT solver instead of a SAT solver.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import z3

from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import (
    And,
    Apply,
    Arithmetic,
    Choice,
    Equal,
    Expression,
    Formula,
    Function,
    Holds,
    LessOrEqual,
    Not,
    Number,
    Or,
    Quantified,
    Real,
    Relation,
    Sort,
    Symbol,
    Variable,
    name_of,
)
from kubeproof.models.logic.specification import Specification
from kubeproof.models.logic.structures import Structure, Tuples

Condition = Any
"""A bool, or a Z3 formula."""
Cases = list[tuple[Any, Condition]]
"""The elements that a term may be; exactly one condition is true."""
Values = Mapping[Variable, Any]
"""Cases for a variable, of Real a Z3 term."""


def universe(sort: Sort, size: int) -> tuple[Any, ...]:
    """The elements of a sort: numbers from 0 if it is ordered, else n1, n2, ..."""
    return tuple(range(size)) if sort.ordered else tuple(f"{name_of(sort)[0]}{number}" for number in range(1, size + 1))


class Grounding:
    """The states 0, 1, ... of a run over finite universes, as propositions; and what is asked of them."""

    def __init__(self, spec: Specification, sizes: Mapping[str, int], numbers: Mapping[Symbol, Fraction] | None = None) -> None:
        self.spec = spec
        plain = [sort for sort in spec.sorts if sort is not Real]
        self.universes = {sort: universe(sort, sizes.get(name_of(sort), 2)) for sort in plain}
        self._numbers = numbers or {}
        self._known: dict[str, Any] = {}
        self._conditions: list[Condition] = []
        self._uses_reals = Real in spec.sorts

    # ---- asking

    def assume(self, condition: Condition) -> None:
        """Only models where the condition is true are of interest."""
        self._conditions.append(condition)

    def formula(self, formula: Formula, values: Values | None = None, state: int = 0) -> Condition:
        """The formula in a state."""
        return self._formula(formula, values or {}, state)

    def solve(self, limit_s: float, besides: Sequence[Condition] = ()) -> Any | None:
        """A model of all that is assumed, and of some conditions besides; None if there is none. Raises TimeoutError."""
        conditions = [*self._conditions, *besides]
        if any(condition is False for condition in conditions):
            return None
        solver = z3.Solver() if self._uses_reals else z3.SolverFor("QF_FD")
        solver.set("timeout", int(limit_s * 1000))
        solver.add([condition for condition in conditions if condition is not True])
        outcome = solver.check()
        if outcome == z3.unknown:
            raise TimeoutError(f"no answer within {limit_s:g} s for universes {self.described()}")
        return solver.model() if outcome == z3.sat else None

    def described(self) -> str:
        """The universes, for people."""
        return ", ".join(f"{len(elements)} {name_of(sort)}" for sort, elements in self.universes.items())

    def choose(self, variable: Variable, name: str, fixed: int | None = None) -> Any:
        """A value for a variable, free or the element of this number: what to put into `values`."""
        name = f"{name}: {name_of(variable.sort)}"
        if variable.sort is Real:
            return z3.Real(name)
        if fixed is not None:
            return [(self.universes[variable.sort][fixed], True)]
        return self._one_of(name, variable.sort)

    def step(self, action: Action, values: Values, state: int) -> None:
        """The action leads from this state to the next one."""
        self.assume(self.formula(action.guard(), values, state))
        for symbol in self.spec.symbols:
            if not symbol.rigid:
                self._step_symbol(symbol, action, values, state)

    def _step_symbol(self, symbol: Symbol, action: Action, values: Values, state: int) -> None:
        update = action.updates.get(symbol)
        for place in self._places(symbol):
            new = self._atom(symbol, place, state + 1)
            if update is None:
                old = self._atom(symbol, place, state)
            else:
                here = {**values, **{each: [(at, True)] for each, at in zip(update.parameters, place, strict=True)}}
                old = self._expression(update.body, here, state)
            if isinstance(symbol, Function) and symbol.result is not Real:
                cases = dict(new)
                for element, condition in old:
                    self.assume(either([_not(condition), cases[element]]))
            else:
                self.assume(_same(new, old))

    # ---- reading the answer

    def structure(self, model: Any, state: int) -> Structure:
        """The state as the model has it."""
        relations: dict[Relation, Tuples] = {}
        values: dict[Function, dict[tuple[Any, ...], Any]] = {}
        for symbol in self.spec.symbols:
            places = self._places(symbol)
            if isinstance(symbol, Relation):
                relations[symbol] = {at for at in places if _is_true(model, self._atom(symbol, at, state))}
            elif isinstance(symbol, Function):
                values[symbol] = {at: self.chosen(model, self._atom(symbol, at, state)) for at in places}
        return Structure.known(self.universes, relations, values)

    def chosen(self, model: Any, cases: Any) -> Any:
        """The element, or the number, that a value has in the model."""
        if isinstance(cases, list):
            # what nothing was asked about is in no model: any element will do
            return next((element for element, condition in cases if _is_true(model, condition)), cases[0][0])
        return _fraction(model.eval(cases, model_completion=True))

    # ---- translation

    def _places(self, symbol: Symbol) -> list[tuple[Any, ...]]:
        return list(product(*(self.universes[sort] for sort in symbol.sorts)))

    def _proposition(self, name: str) -> Condition:
        if name not in self._known:
            self._known[name] = z3.Bool(name)
        return self._known[name]

    def _one_of(self, name: str, sort: Sort) -> Cases:
        if name not in self._known:
            cases = [(element, z3.Bool(f"{name} = {element}")) for element in self.universes[sort]]
            self.assume(either([condition for _, condition in cases]))
            for (_, one), (_, other) in combinations(cases, 2):
                self.assume(either([_not(one), _not(other)]))
            self._known[name] = cases
        return self._known[name]

    def _atom(self, symbol: Symbol, place: tuple[Any, ...], state: int) -> Any:
        name = f"{symbol.name}({', '.join(map(str, place))})" + ("" if symbol.rigid else f" in {state}")
        if isinstance(symbol, Relation):
            return self._proposition(name)
        assert isinstance(symbol, Function)
        if symbol in self._numbers:
            return _number(self._numbers[symbol])
        return z3.Real(name) if symbol.result is Real else self._one_of(name, symbol.result)

    def _expression(self, expression: Expression, values: Values, state: int) -> Any:
        if isinstance(expression, Formula):
            return self._formula(expression, values, state)
        return self._term(expression, values, state)

    def _combinations(
        self, arguments: Sequence[Expression], values: Values, state: int
    ) -> list[tuple[tuple[Any, ...], Condition]]:
        """What the arguments may be together, and when."""
        cases = product(*(self._term(each, values, state) for each in arguments))
        return [(tuple(element for element, _ in each), _and([condition for _, condition in each])) for each in cases]

    def _term(self, term: Expression, values: Values, state: int) -> Any:
        """Cases, of sort Real a Z3 term."""
        match term:
            case Variable():
                return values[term]
            case Number():
                return _number(term.value)
            case Arithmetic():
                left, right = self._term(term.left, values, state), self._term(term.right, values, state)
                return left + right if term.operator == "+" else left - right if term.operator == "-" else left * right
            case Choice():
                condition = self._formula(term.condition, values, state)
                options = [
                    (condition, self._term(term.yes, values, state)),
                    (_not(condition), self._term(term.no, values, state)),
                ]
                return _merged(term.sort, options)
            case Apply():
                arguments = self._combinations(term.arguments, values, state)
                return _merged(term.sort, [(condition, self._atom(term.symbol, at, state)) for at, condition in arguments])
        raise AssertionError(term)

    def _formula(self, formula: Formula, values: Values, state: int) -> Condition:
        match formula:
            case Holds():
                arguments = self._combinations(formula.arguments, values, state)
                return either([_and([condition, self._atom(formula.symbol, at, state)]) for at, condition in arguments])
            case Equal() | LessOrEqual():
                return self._compared(formula, values, state)
            case Not():
                return _not(self._formula(formula.part, values, state))
            case And():
                return _and(self._formula(each, values, state) for each in formula.parts)
            case Or():
                return either(self._formula(each, values, state) for each in formula.parts)
            case Quantified():
                return self._quantified(formula, values, state)
        raise AssertionError(formula)

    def _compared(self, formula: Equal | LessOrEqual, values: Values, state: int) -> Condition:
        left, right = self._term(formula.left, values, state), self._term(formula.right, values, state)
        if formula.left.sort is Real:
            return left == right if isinstance(formula, Equal) else left <= right
        pairs = product(left, right)
        agree = [(c, d) for (a, c), (b, d) in pairs if (a == b if isinstance(formula, Equal) else a <= b)]
        return either([_and(each) for each in agree])

    def _quantified(self, formula: Quantified, values: Values, state: int) -> Condition:
        universes = [self.universes[each.sort] for each in formula.variables]
        instances = (
            {**values, **{each: [(element, True)] for each, element in zip(formula.variables, elements, strict=True)}}
            for elements in product(*universes)
        )
        together = _and if formula.universal else either
        return together(self._formula(formula.body, each, state) for each in instances)


def _merged(sort: Sort, options: list[tuple[Condition, Any]]) -> Any:
    """One of several terms, each under its condition."""
    if sort is Real:
        *others, (_, result) = options
        for condition, term in reversed(others):
            result = term if condition is True else result if condition is False else z3.If(condition, term, result)
        return result
    merged: dict[Any, list[Condition]] = {}
    for condition, cases in options:
        for element, when in cases:
            merged.setdefault(element, []).append(_and([condition, when]))
    return [(element, either(conditions)) for element, conditions in merged.items()]


def _and(conditions: Iterable[Condition]) -> Condition:
    found = []
    for condition in conditions:
        if condition is False:
            return False
        if condition is not True:
            found.append(condition)
    return True if not found else found[0] if len(found) == 1 else z3.And(found)


def either(conditions: Iterable[Condition]) -> Condition:
    """At least one of the conditions is true."""
    found = []
    for condition in conditions:
        if condition is True:
            return True
        if condition is not False:
            found.append(condition)
    return False if not found else found[0] if len(found) == 1 else z3.Or(found)


def _not(condition: Condition) -> Condition:
    return not condition if isinstance(condition, bool) else z3.Not(condition)


def _same(one: Condition, other: Condition) -> Condition:
    if isinstance(other, bool):
        return one if other else _not(one)
    return one == other


def _is_true(model: Any, condition: Condition) -> bool:
    return condition if isinstance(condition, bool) else z3.is_true(model.eval(condition, model_completion=True))


def _number(value: Fraction) -> Any:
    return z3.RealVal(f"{value.numerator}/{value.denominator}")


def _fraction(number: Any) -> Fraction:
    if z3.is_algebraic_value(number):
        number = number.approx(20)
    return Fraction(number.numerator_as_long(), number.denominator_as_long())
