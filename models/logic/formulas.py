"""Sorts, terms and formulas: the syntax tree that every reader reads. Nodes are immutable and compared by identity.

A sort is a class: `class Node(Element)` declares one, and annotates the variables of that sort. Python's operators build
formulas: `& | ~ >>` (implication), `== !=`, and `< <= > >=` of ordered sorts; Real has `+ - *` too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, ClassVar


class LanguageError(TypeError):
    """A formula or specification that means nothing; the message says what to write instead."""


class Expression:
    """What terms and formulas have in common."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise LanguageError("a formula has no truth value: write & | ~ >> instead of and, or, not, if, and no chained comparison")

    __hash__ = object.__hash__


class Formula(Expression):
    """A statement that is true or false in a state."""

    __slots__ = ()

    def __and__(self, other: Formula) -> Formula:
        return conjunction(self, other)

    def __or__(self, other: Formula) -> Formula:
        return disjunction(self, other)

    def __invert__(self) -> Formula:
        return Not(self)

    def __rshift__(self, other: Formula) -> Formula:
        return disjunction(Not(_formula(self)), other)

    def __eq__(self, other: object) -> Any:
        raise LanguageError("formulas are not compared with == or !=: write iff(a, b)")

    __ne__ = __eq__
    __hash__ = object.__hash__


class Element(Expression):
    """A term: something of a sort. Subclasses declare sorts, with `ordered=True` totally ordered ones."""

    __slots__ = ()
    ordered: ClassVar[bool] = False
    sort: type[Element]

    def __init_subclass__(cls, ordered: bool = False, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        cls.ordered = ordered or cls.ordered

    def __eq__(self, other: object) -> Any:
        return Equal(self, _like(self, other))

    def __ne__(self, other: object) -> Any:
        return Not(Equal(self, _like(self, other)))

    def __le__(self, other: Any) -> Formula:
        return LessOrEqual(self, _like(self, other))

    def __lt__(self, other: Any) -> Formula:
        return Not(LessOrEqual(_like(self, other), self))

    def __ge__(self, other: Any) -> Formula:
        return LessOrEqual(_like(self, other), self)

    def __gt__(self, other: Any) -> Formula:
        return Not(LessOrEqual(self, _like(self, other)))

    def __add__(self, other: Any) -> Any:
        return Arithmetic("+", self, _like(self, other))

    def __sub__(self, other: Any) -> Any:
        return Arithmetic("-", self, _like(self, other))

    def __mul__(self, other: Any) -> Any:
        return Arithmetic("*", self, _like(self, other))

    __hash__ = object.__hash__


Sort = type[Element]


class Real(Element, ordered=True):
    """The one sort that is interpreted: real numbers, with their order and arithmetic. Not to be quantified over in EPR."""

    __slots__ = ()


def name_of(sort: Sort) -> str:
    """What people and solvers call a sort."""
    return sort.__name__.lower()


def check_sort(what: str, element: object, sort: Sort) -> None:
    """Raise LanguageError unless `element` is a term of `sort`."""
    if not isinstance(element, Element) or not hasattr(element, "sort"):
        raise LanguageError(f"{what}: expected a term of sort {name_of(sort)}, got {element!r}")
    if element.sort is not sort:
        raise LanguageError(f"{what}: expected sort {name_of(sort)}, got {name_of(element.sort)}")


def _formula(value: object) -> Formula:
    if not isinstance(value, Formula):
        raise LanguageError(f"expected a formula, got {value!r}; mind that & and | bind closer than == and <=")
    return value


def _like(element: Element, other: object) -> Element:
    """`other` as a term of the same sort; numbers are reals."""
    if element.sort is Real and isinstance(other, int | Fraction) and not isinstance(other, bool):
        return number(other)
    check_sort("comparison", other, element.sort)
    assert isinstance(other, Element)
    return other


# ---- terms


class Variable(Element):
    """A variable that a quantifier, an action or a property binds."""

    __slots__ = ("name", "sort")

    def __init__(self, name: str, sort: Sort) -> None:
        self.name = name
        self.sort = sort


class Number(Element):
    """A rational number."""

    __slots__ = ("value",)
    sort = Real

    def __init__(self, value: Fraction) -> None:
        self.value = value


class Arithmetic(Element):
    """`left operator right`, on reals."""

    __slots__ = ("left", "operator", "right")
    sort = Real

    def __init__(self, operator: str, left: Element, right: Element) -> None:
        check_sort(f"left of {operator}", left, Real)
        check_sort(f"right of {operator}", right, Real)
        self.operator, self.left, self.right = operator, left, right


class Apply(Element):
    """A function of some arguments; a constant has none."""

    __slots__ = ("arguments", "sort", "symbol")

    def __init__(self, symbol: Function, arguments: tuple[Element, ...]) -> None:
        self.symbol, self.arguments, self.sort = symbol, arguments, symbol.result


class Choice(Element):
    """`yes` where `condition` holds, else `no`."""

    __slots__ = ("condition", "no", "sort", "yes")

    def __init__(self, condition: Formula, yes: Element, no: Element) -> None:
        check_sort("ite", no, yes.sort)
        self.condition, self.yes, self.no, self.sort = _formula(condition), yes, no, yes.sort


# ---- formulas


class Holds(Formula):
    """A relation of some arguments."""

    __slots__ = ("arguments", "symbol")

    def __init__(self, symbol: Relation, arguments: tuple[Element, ...]) -> None:
        self.symbol, self.arguments = symbol, arguments


class Equal(Formula):
    __slots__ = ("left", "right")

    def __init__(self, left: Element, right: Element) -> None:
        check_sort("==", right, left.sort)
        self.left, self.right = left, right


class LessOrEqual(Formula):
    __slots__ = ("left", "right")

    def __init__(self, left: Element, right: Element) -> None:
        if not left.sort.ordered:
            raise LanguageError(f"<=: sort {name_of(left.sort)} is not ordered; declare it with ordered=True")
        check_sort("<=", right, left.sort)
        self.left, self.right = left, right


class Not(Formula):
    __slots__ = ("part",)

    def __init__(self, part: Formula) -> None:
        self.part = _formula(part)


class And(Formula):
    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Formula, ...]) -> None:
        self.parts = parts


class Or(Formula):
    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Formula, ...]) -> None:
        self.parts = parts


class Quantified(Formula):
    """For all (`universal`) or some values of the variables, the body holds."""

    __slots__ = ("body", "universal", "variables")

    def __init__(self, universal: bool, variables: tuple[Variable, ...], body: Formula) -> None:
        self.universal, self.variables, self.body = universal, variables, _formula(body)


TRUE: Formula = And(())
FALSE: Formula = Or(())


def conjunction(*parts: Formula) -> Formula:
    """All of the parts hold."""
    return _joined(And, parts)


def disjunction(*parts: Formula) -> Formula:
    """At least one of the parts holds."""
    return _joined(Or, parts)


def _joined(kind: type[And] | type[Or], parts: Sequence[Formula]) -> Formula:
    flat: list[Formula] = []
    for part in map(_formula, parts):
        flat += part.parts if isinstance(part, kind) else [part]
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def number(value: int | Fraction | str) -> Any:
    """A rational number as a term."""
    return Number(Fraction(value))


def iff(left: Formula, right: Formula) -> Formula:
    """Both hold or neither does."""
    return (left >> right) & (right >> left)


def ite(condition: Formula, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, else `no`: two terms of one sort or two formulas."""
    if isinstance(yes, Formula):
        return (condition >> yes) & (condition | no)
    return Choice(condition, yes, no)


def forall(*sorts_and_body: Any) -> Formula:
    """`forall(Node, Term, lambda n, t: ...)`; a single sort is that of all parameters."""
    return _quantified(True, sorts_and_body)


def exists(*sorts_and_body: Any) -> Formula:
    """`exists(Node, lambda n: ...)`."""
    return _quantified(False, sorts_and_body)


def _quantified(universal: bool, sorts_and_body: tuple[Any, ...]) -> Formula:
    *sorts, body = sorts_and_body
    if not sorts or not callable(body):
        raise LanguageError("a quantifier wants its sorts, then a function: forall(Node, lambda n: ...)")
    variables = variables_of(body, sorts)
    return Quantified(universal, variables, body(*variables))


def variables_of(body: Callable[..., object], sorts: Sequence[Sort]) -> tuple[Variable, ...]:
    """One variable for each parameter of `body`."""
    names = list(inspect.signature(body).parameters)
    if len(sorts) == 1:
        sorts = [sorts[0]] * len(names)
    if len(sorts) != len(names):
        raise LanguageError(f"{len(names)} parameters ({', '.join(names)}) for {len(sorts)} sorts")
    return tuple(Variable(name, sort) for name, sort in zip(names, sorts, strict=True))


# ---- symbols


class Symbol:
    """A relation or function. `rigid` ones never change; `ghost` ones are history that no implementation has to keep."""

    __slots__ = ("ghost", "name", "rigid", "says", "sorts")

    def __init__(self, name: str, sorts: tuple[Sort, ...], *, rigid: bool, ghost: bool, says: str) -> None:
        self.name, self.sorts, self.rigid, self.ghost, self.says = name, sorts, rigid, ghost, says

    def __repr__(self) -> str:
        return self.name

    def _arguments(self, given: tuple[Any, ...]) -> tuple[Element, ...]:
        if len(given) != len(self.sorts):
            raise LanguageError(f"{self.name} wants {len(self.sorts)} arguments ({self.signature()}), got {len(given)}")
        for argument, sort in zip(given, self.sorts, strict=True):
            check_sort(f"argument of {self.name}", argument, sort)
        return given

    def signature(self) -> str:
        """The sorts of its arguments, for people."""
        return ", ".join(map(name_of, self.sorts))


class Relation(Symbol):
    """True of some tuples."""

    __slots__ = ()

    def __call__(self, *arguments: Any) -> Formula:
        return Holds(self, self._arguments(arguments))


class Function(Symbol):
    """Has one value, of sort `result`, for each tuple of arguments."""

    __slots__ = ("result",)

    def __init__(self, name: str, sorts: tuple[Sort, ...], result: Sort, *, rigid: bool, ghost: bool, says: str) -> None:
        super().__init__(name, sorts, rigid=rigid, ghost=ghost, says=says)
        self.result = result

    def __call__(self, *arguments: Any) -> Any:
        return Apply(self, self._arguments(arguments))
