"""Formulas as text, for people and as the key under which something is remembered about a formula."""

from __future__ import annotations

from hashlib import sha256

from kubeproof.models.logic.formulas import (
    And,
    Apply,
    Arithmetic,
    Choice,
    Equal,
    Expression,
    Holds,
    LessOrEqual,
    Not,
    Number,
    Or,
    Quantified,
    Variable,
    name_of,
)

_ATOM, _SUM, _COMPARISON, _AND, _OR, _IMPLIES, _QUANTIFIER = range(7)


def text(expression: Expression) -> str:
    """The expression on one line."""
    return _written(expression)[0]


def digest(*expressions: Expression) -> str:
    """A short name that changes when one of the expressions does."""
    return sha256("\n".join(map(text, expressions)).encode()).hexdigest()[:16]


def _written(expression: Expression) -> tuple[str, int]:
    """The text and how loosely it binds."""
    match expression:
        case Variable():
            return expression.name, _ATOM
        case Number():
            return str(expression.value), _ATOM
        case Apply() | Holds():
            arguments = ", ".join(map(text, expression.arguments))
            return f"{expression.symbol.name}({arguments})" if arguments else expression.symbol.name, _ATOM
        case Arithmetic():
            return f"{_in(expression.left, _SUM)} {expression.operator} {_in(expression.right, _ATOM)}", _SUM
        case Choice():
            return f"({text(expression.yes)} if {text(expression.condition)} else {text(expression.no)})", _ATOM
        case Equal():
            return f"{_in(expression.left, _SUM)} = {_in(expression.right, _SUM)}", _COMPARISON
        case LessOrEqual():
            return f"{_in(expression.left, _SUM)} <= {_in(expression.right, _SUM)}", _COMPARISON
        case Not(part=Equal() as part):
            return f"{_in(part.left, _SUM)} != {_in(part.right, _SUM)}", _COMPARISON
        case Not(part=LessOrEqual() as part):
            return f"{_in(part.right, _SUM)} < {_in(part.left, _SUM)}", _COMPARISON
        case Not():
            return f"not {_in(expression.part, _ATOM)}", _COMPARISON
        case And():
            return " and ".join(_in(part, _COMPARISON) for part in expression.parts) or "true", _AND
        case Or():
            return _disjunction(expression)
        case Quantified():
            kind = "for all" if expression.universal else "for some"
            bound = ", ".join(f"{each.name}: {name_of(each.sort)}" for each in expression.variables)
            return f"{kind} {bound}: {text(expression.body)}", _QUANTIFIER
    raise AssertionError(expression)


def _disjunction(formula: Or) -> tuple[str, int]:
    """As an implication, where the first part is negated: that is how implications are built."""
    if not formula.parts:
        return "false", _ATOM
    first, *rest = formula.parts
    if isinstance(first, Not) and rest:
        return f"{_in(first.part, _OR)} implies {_in(Or(tuple(rest)) if len(rest) > 1 else rest[0], _IMPLIES)}", _IMPLIES
    return " or ".join(_in(part, _AND) for part in formula.parts), _OR


def _in(expression: Expression, loosest: int) -> str:
    """The text, in brackets where it binds more loosely than its place allows."""
    written, binding = _written(expression)
    return written if binding <= loosest else f"({written})"
