"""Substitution: of variables, and of symbols by what an action makes of them, which is how a step is reasoned about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kubeproof.models.logic.formulas import (
    And,
    Apply,
    Arithmetic,
    Choice,
    Element,
    Equal,
    Expression,
    Formula,
    Holds,
    LessOrEqual,
    Not,
    Or,
    Quantified,
    Symbol,
    Variable,
)


class Update(NamedTuple):
    """What a symbol is after a step: `symbol'(parameters) = body`, with `body` about the state before it."""

    parameters: tuple[Variable, ...]
    body: Any  # a Formula for a relation, an Element for a function


Updates = Mapping[Symbol, Update]


def children(expression: Expression) -> tuple[Expression, ...]:
    """The parts of an expression, in reading order."""
    match expression:
        case Apply() | Holds():
            return expression.arguments
        case Equal() | LessOrEqual() | Arithmetic():
            return (expression.left, expression.right)
        case Not():
            return (expression.part,)
        case And() | Or():
            return expression.parts
        case Choice():
            return (expression.condition, expression.yes, expression.no)
        case Quantified():
            return (expression.body,)
    return ()


def with_children(expression: Expression, parts: tuple[Any, ...]) -> Any:
    """The same kind of expression with other parts."""
    match expression:
        case Apply():
            return Apply(expression.symbol, parts)
        case Holds():
            return Holds(expression.symbol, parts)
        case Equal() | LessOrEqual() | Not() | Choice():
            return type(expression)(*parts)
        case Arithmetic():
            return Arithmetic(expression.operator, *parts)
        case And() | Or():
            return type(expression)(parts)
        case Quantified():
            return Quantified(expression.universal, expression.variables, *parts)
    return expression


def substitute(expression: Any, variables: Mapping[Variable, Element], updates: Updates | None = None) -> Any:
    """Replace free variables by terms, and symbols by what `updates` makes of them.

    A formula about the state after a step becomes one about the state before it (its weakest precondition).
    """
    updates = updates or {}
    match expression:
        case Variable():
            return variables.get(expression, expression)
        case Quantified():
            fresh = tuple(Variable(each.name, each.sort) for each in expression.variables)
            inner = {**variables, **dict(zip(expression.variables, fresh, strict=True))}
            return Quantified(expression.universal, fresh, substitute(expression.body, inner, updates))
        case Apply() | Holds():
            arguments = tuple(substitute(each, variables, updates) for each in expression.arguments)
            update = updates.get(expression.symbol)
            if update is None:
                return with_children(expression, arguments)
            return substitute(update.body, dict(zip(update.parameters, arguments, strict=True)))
    return with_children(expression, tuple(substitute(each, variables, updates) for each in children(expression)))


def free_variables(expression: Expression) -> frozenset[Variable]:
    """The variables that no quantifier inside binds."""
    if isinstance(expression, Variable):
        return frozenset([expression])
    inner = frozenset[Variable]().union(*map(free_variables, children(expression)))
    return inner - frozenset(expression.variables) if isinstance(expression, Quantified) else inner


def symbols_of(expression: Expression) -> Iterator[Symbol]:
    """Every relation and function that occurs, as often as it does."""
    if isinstance(expression, Apply | Holds):
        yield expression.symbol
    for child in children(expression):
        yield from symbols_of(child)


def closed(variables: tuple[Variable, ...], body: Formula) -> Formula:
    """For all values of the variables."""
    return Quantified(True, variables, body) if variables else body
