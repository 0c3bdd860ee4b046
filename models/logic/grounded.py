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

from kubeproof.models.logic import z3_terms
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
from kubeproof.models.logic.rewriting import Update, free_variables
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
        self._choices: dict[str, Cases] = {}
        self._atoms: dict[tuple[Symbol, tuple[Any, ...], int], Any] = {}
        self._since: dict[tuple[Symbol, int], int] = {}
        self._free: dict[Quantified, tuple[Variable, ...]] = {}
        self._written: dict[tuple[Any, ...], Condition] = {}
        self._conditions: list[Condition] = []
        self._uses_reals = Real in spec.sorts

    # ---- asking

    def assume(self, condition: Condition) -> None:
        """Only models where the condition is true are of interest."""
        self._conditions.append(condition)

    def formula(self, formula: Formula, values: Values | None = None, state: int = 0) -> Condition:
        """The formula in a state."""
        self._free.clear()
        self._written.clear()
        return self._formula(formula, values or {}, state)

    def solve(self, limit_s: float, besides: Sequence[Condition] = ()) -> Any | None:
        """A model of all that is assumed, and of some conditions besides; None if there is none. Raises TimeoutError."""
        conditions = [*self._conditions, *besides]
        if any(condition is False for condition in conditions):
            return None
        solver = z3.Solver() if self._uses_reals else z3.SolverFor("QF_FD")
        solver.set("timeout", int(limit_s * 1000))
        solver.add(z3_terms.conjunction([condition for condition in conditions if condition is not True]))
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
            update = action.updates.get(symbol)
            self._since[symbol, state + 1] = self._since.get((symbol, state), 0) if update is None else state + 1
            if update is not None:
                self._become(symbol, update, values, state)

    def _become(self, symbol: Symbol, update: Update, values: Values, state: int) -> None:
        """In the next state the symbol is what the update says of this one: no new proposition stands for it."""
        for place in self._places(symbol):
            here = {**values, **{each: [(at, True)] for each, at in zip(update.parameters, place, strict=True)}}
            self._atoms[symbol, place, state + 1] = self._expression(update.body, here, state)

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

    def _one_of(self, name: str, sort: Sort) -> Cases:
        if name not in self._choices:
            cases = [(element, z3_terms.proposition(f"{name} = {element}")) for element in self.universes[sort]]
            self.assume(either([condition for _, condition in cases]))
            for (_, one), (_, other) in combinations(cases, 2):
                self.assume(either([_not(one), _not(other)]))
            self._choices[name] = cases
        return self._choices[name]

    def _atom(self, symbol: Symbol, place: tuple[Any, ...], state: int) -> Any:
        key = (symbol, place, self._since.get((symbol, state), 0))
        if key not in self._atoms:
            self._atoms[key] = self._unknown(symbol, f"{symbol.name}({', '.join(map(str, place))})")
        return self._atoms[key]

    def _unknown(self, symbol: Symbol, name: str) -> Any:
        """What a symbol is of some arguments before the first step: anything, but for numbers that are given."""
        if isinstance(symbol, Relation):
            return z3_terms.proposition(name)
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
        """Written out once for the same elements: the formula around it may have many variables that it does not speak of."""
        if formula not in self._free:
            self._free[formula] = tuple(free_variables(formula))
        elements = [_element(values[each]) for each in self._free[formula]]
        if None in elements:
            return self._written_out(formula, values, state)
        key = (formula, state, *elements)
        if key not in self._written:
            self._written[key] = self._written_out(formula, values, state)
        return self._written[key]

    def _written_out(self, formula: Quantified, values: Values, state: int) -> Condition:
        universes = [self.universes[each.sort] for each in formula.variables]
        instances = (
            {**values, **{each: [(element, True)] for each, element in zip(formula.variables, elements, strict=True)}}
            for elements in product(*universes)
        )
        together = _and if formula.universal else either
        return together(self._formula(formula.body, each, state) for each in instances)


def _element(cases: Any) -> Any | None:
    """The one that a value can only be, if it can only be one."""
    return cases[0][0] if isinstance(cases, list) and len(cases) == 1 else None


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
    return True if not found else found[0] if len(found) == 1 else z3_terms.conjunction(found)


def either(conditions: Iterable[Condition]) -> Condition:
    """At least one of the conditions is true."""
    found = []
    for condition in conditions:
        if condition is True:
            return True
        if condition is not False:
            found.append(condition)
    return False if not found else found[0] if len(found) == 1 else z3_terms.disjunction(found)


def _not(condition: Condition) -> Condition:
    return not condition if isinstance(condition, bool) else z3_terms.negation(condition)


def _is_true(model: Any, condition: Condition) -> bool:
    return condition if isinstance(condition, bool) else z3.is_true(model.eval(condition, model_completion=True))


def _number(value: Fraction) -> Any:
    return z3.RealVal(f"{value.numerator}/{value.denominator}")


def _fraction(number: Any) -> Fraction:
    if z3.is_algebraic_value(number):
        number = number.approx(20)
    return Fraction(number.numerator_as_long(), number.denominator_as_long())
