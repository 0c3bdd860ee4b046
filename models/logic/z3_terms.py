"""Z3's terms, made without the conversions of its Python layer, which take longer than most proofs. Z3 still checks sorts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import z3

Made = Any
"""A Z3 term or formula."""

_CONTEXT = z3.main_ctx()
_REF = _CONTEXT.ref()
_BOOL = z3.BoolSort().ast
_USUAL_WEIGHT = 1
_NO_PATTERNS = (z3.Pattern * 0)()


def constant(name: str, sort: Any) -> Made:
    """Something of the sort."""
    return _term(z3.Z3_mk_const(_REF, z3.Z3_mk_string_symbol(_REF, name), sort.ast), sort)


def apply(function: Any, arguments: Sequence[Made]) -> Made:
    """A function, declared in Z3, of some arguments."""
    return _term(z3.Z3_mk_app(_REF, function.ast, len(arguments), _array(arguments)), function.range())


def proposition(name: str) -> Made:
    """What is true or false."""
    return _formula(z3.Z3_mk_const(_REF, z3.Z3_mk_string_symbol(_REF, name), _BOOL))


def holds(relation: Any, arguments: Sequence[Made]) -> Made:
    """A relation, declared in Z3, of some arguments."""
    return _formula(z3.Z3_mk_app(_REF, relation.ast, len(arguments), _array(arguments)))


def equality(left: Made, right: Made) -> Made:
    """The two terms are the same, or the two formulas are both true or both false."""
    return _formula(z3.Z3_mk_eq(_REF, left.ast, right.ast))


def negation(part: Made) -> Made:
    """It does not hold."""
    return _formula(z3.Z3_mk_not(_REF, part.ast))


def conjunction(parts: Sequence[Made]) -> Made:
    """All of them hold."""
    return _formula(z3.Z3_mk_and(_REF, len(parts), _array(parts)))


def disjunction(parts: Sequence[Made]) -> Made:
    """At least one of them holds."""
    return _formula(z3.Z3_mk_or(_REF, len(parts), _array(parts)))


def quantified(universal: bool, constants: Sequence[Made], body: Made) -> Made:
    """For all or some values of the constants, the body holds."""
    bound = _array(constants)
    return _formula(z3.Z3_mk_quantifier_const(_REF, universal, _USUAL_WEIGHT, len(constants), bound, 0, _NO_PATTERNS, body.ast))


def _term(ast: Any, sort: Any) -> Made:
    return (z3.ArithRef if sort.kind() == z3.Z3_REAL_SORT else z3.ExprRef)(ast, _CONTEXT)


def _formula(ast: Any) -> Made:
    return z3.BoolRef(ast, _CONTEXT)


def _array(parts: Sequence[Made]) -> Any:
    return (z3.Ast * len(parts))(*[part.ast for part in parts])
