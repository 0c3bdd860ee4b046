"""Z3 on formulas as they are: any number of elements in every sort."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple

import z3

from kubeproof.models.logic import z3_terms
from kubeproof.models.logic.formulas import (
    And,
    Apply,
    Arithmetic,
    Choice,
    Equal,
    Expression,
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
from kubeproof.models.logic.obligations import LEMMA, Obligation

# A try ends by Z3's own count of its work, which is the same on a busy machine. The clock is for what does not count.
WORK_PER_S = 3_000_000
PATIENCE = 10


class Try(NamedTuple):
    """For how many seconds of a quiet machine to try, and from the hypotheses of which names; None stands for all."""

    budget_s: float
    only: tuple[str, ...] | None = None


# Times are heavy-tailed: some short tries with a fresh seed each beat one long try.
FROM_ALL = tuple(map(Try, (0.5, 1, 2, 4, 4, 8, 16, 32)))


class Status(StrEnum):
    """What came of an obligation."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """`only` is what it was proven from, if not from all; `used` names what the proof used, if that was asked for."""

    status: Status
    seconds: float
    only: tuple[str, ...] | None = None
    used: tuple[str, ...] | None = None


class Translator:
    """Formulas as Z3's. What was translated without free variables is kept, as invariants occur in many obligations."""

    def __init__(self) -> None:
        self._sorts: dict[Sort, Any] = {Real: z3.RealSort()}
        self._symbols: dict[Symbol, Any] = {}
        self._orders: dict[Sort, Any] = {}
        self._closed: dict[Expression, Any] = {}
        self._fresh = 0

    def sort(self, sort: Sort) -> Any:
        """The uninterpreted sort, or the reals."""
        if sort not in self._sorts:
            self._sorts[sort] = z3.DeclareSort(name_of(sort))
        return self._sorts[sort]

    def constant(self, variable: Variable) -> Any:
        """A constant that stands for one element, and is called like the variable."""
        self._fresh += 1
        return z3_terms.constant(f"{variable.name}!{self._fresh}", self.sort(variable.sort))

    def closed(self, formula: Expression) -> Any:
        """A formula without free variables."""
        if formula not in self._closed:
            self._closed[formula] = self.expression(formula, {})
        return self._closed[formula]

    def expression(self, expression: Expression, values: Mapping[Variable, Any]) -> Any:
        """A formula or term, with these values of its free variables."""
        match expression:
            case Variable():
                return values[expression]
            case Number():
                return _number(expression.value)
            case Apply() | Holds():
                arguments = [self.expression(each, values) for each in expression.arguments]
                made = z3_terms.holds if isinstance(expression, Holds) else z3_terms.apply
                return made(self._symbol(expression.symbol), arguments)
            case Equal():
                return z3_terms.equality(self.expression(expression.left, values), self.expression(expression.right, values))
            case LessOrEqual():
                left, right = self.expression(expression.left, values), self.expression(expression.right, values)
                if expression.left.sort is Real:
                    return left <= right
                return z3_terms.holds(self._order(expression.left.sort), (left, right))
            case Arithmetic():
                left, right = self.expression(expression.left, values), self.expression(expression.right, values)
                return (
                    left + right if expression.operator == "+" else left - right if expression.operator == "-" else left * right
                )
            case Choice():
                return z3.If(*(self.expression(each, values) for each in (expression.condition, expression.yes, expression.no)))
            case Not():
                return z3_terms.negation(self.expression(expression.part, values))
            case And():
                return _joined(z3_terms.conjunction, [self.expression(each, values) for each in expression.parts], empty=True)
            case Or():
                return _joined(z3_terms.disjunction, [self.expression(each, values) for each in expression.parts], empty=False)
            case Quantified():
                bound = {each: self.constant(each) for each in expression.variables}
                body = self.expression(expression.body, {**values, **bound})
                return z3_terms.quantified(expression.universal, list(bound.values()), body)
        raise AssertionError(expression)

    def _symbol(self, symbol: Symbol) -> Any:
        if symbol not in self._symbols:
            result = z3.BoolSort() if isinstance(symbol, Relation) else self.sort(_result(symbol))
            self._symbols[symbol] = z3.Function(symbol.name, *map(self.sort, symbol.sorts), result)
        return self._symbols[symbol]

    def _order(self, sort: Sort) -> Any:
        if sort not in self._orders:
            each = self.sort(sort)
            self._orders[sort] = z3.Function(f"{name_of(sort)}_at_most", each, each, z3.BoolSort())
        return self._orders[sort]


def prove(
    obligation: Obligation,
    translator: Translator,
    tries: Iterable[Try] = FROM_ALL,
    *,
    ask_used: bool = False,
) -> Answer:
    """Try to prove an obligation, each time with another seed. It is refuted only where all hypotheses are given."""
    begun = time.perf_counter()
    for seed, (budget_s, only) in enumerate(tries, start=1):
        solver = solver_for(obligation, translator, only=only, track=ask_used)
        limits = {"rlimit": int(budget_s * WORK_PER_S), "timeout": int(budget_s * PATIENCE * 1000)}
        solver.set(**limits, random_seed=seed)
        outcome = solver.check()
        if outcome == z3.unsat:
            return Answer(Status.PROVED, time.perf_counter() - begun, only, _used(solver) if ask_used else None)
        if outcome == z3.sat and only is None:
            return Answer(Status.REFUTED, time.perf_counter() - begun)
    return Answer(Status.UNKNOWN, time.perf_counter() - begun)


def solver_for(obligation: Obligation, translator: Translator, *, only: Sequence[str] | None = None, track: bool = False) -> Any:
    """A solver that is satisfiable if and only if the obligation does not hold."""
    solver = z3.Solver() if only is None else z3.SimpleSolver()  # to prepare few hypotheses takes longer than to use them
    values = {each: translator.constant(each) for each in obligation.variables}
    wanted = obligation.hypotheses if only is None else {name: obligation.hypotheses[name] for name in only}
    for name, formula in wanted.items():
        of_parameters = name.startswith(("guard ", LEMMA))
        translated = translator.expression(formula, values) if of_parameters else translator.closed(formula)
        if track:
            solver.assert_and_track(translated, name)
        else:
            solver.add(translated)
    solver.add(z3_terms.negation(translator.expression(obligation.goal, values)))
    return solver


def _used(solver: Any) -> tuple[str, ...]:
    return tuple(sorted(str(each).strip("|") for each in solver.unsat_core()))


def _joined(kind: Callable[[list[Any]], Any], parts: list[Any], *, empty: bool) -> Any:
    """Z3 prints a connective without parts in a way that other solvers do not read."""
    return kind(parts) if parts else z3.BoolVal(empty)


def _number(value: Fraction) -> Any:
    return z3.RealVal(f"{value.numerator}/{value.denominator}")


def _result(symbol: Symbol) -> Sort:
    assert isinstance(symbol, Function)
    return symbol.result
