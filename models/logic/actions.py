"""Actions: what may happen, under which named guards, and what it changes. What an action does not set stays as it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from kubeproof.models.logic.formulas import (
    Element,
    Formula,
    Function,
    LanguageError,
    Relation,
    Symbol,
    Variable,
    check_sort,
    conjunction,
    ite,
    variables_of,
)
from kubeproof.models.logic.rewriting import Update, substitute

ANY = object()
"""In `add` and `remove`: every element."""


class Action:
    """A step of the system. Its parameters are chosen freely, such that all guards hold; its updates happen at once.

    The function that declares an action is called with it: `require` names guards; `set`, `add`, `remove` and `assign` say what
    is true afterwards, in terms of the state before.
    """

    def __init__(self, name: str, parameters: tuple[Variable, ...], says: str) -> None:
        self.name, self.parameters, self.says = name, parameters, says
        self.guards: dict[str, Formula] = {}
        self.updates: dict[Symbol, Update] = {}

    @classmethod
    def declared_by(cls, function: Callable[..., None]) -> Action:
        """The action that a function declares; its annotated parameters behind `do` are the action's."""
        parameters = annotated_variables(function, besides="do")
        action = cls(function.__name__, parameters, sentence_of(function))
        function(action, *parameters)
        return action

    def without_guard(self, name: str) -> Action:
        """The same action, possible in more states."""
        if name not in self.guards:
            raise LanguageError(f"{self.name} has no guard {name}; it has {', '.join(self.guards)}")
        action = Action(self.name, self.parameters, self.says)
        action.guards = {key: guard for key, guard in self.guards.items() if key != name}
        action.updates = self.updates
        return action

    def guard(self) -> Formula:
        """All guards together."""
        return conjunction(*self.guards.values())

    def require(self, guard: Formula, name: str) -> None:
        """The action is possible only where `guard` holds; mutants and findings call it by its name."""
        if not isinstance(guard, Formula):
            raise LanguageError(f"{self.name}.{name}: a guard is a formula, got {guard!r}")
        if name in self.guards:
            raise LanguageError(f"{self.name} has two guards {name}")
        self.guards[name] = guard

    def set(self, symbol: Relation | Function, value: Callable[..., Any]) -> None:
        """`symbol(xs)` becomes `value(xs)`, for all xs."""
        if symbol in self.updates:
            raise LanguageError(f"{self.name} sets {symbol.name} twice")
        parameters = variables_of(value, symbol.sorts)
        self._update(symbol, Update(parameters, value(*parameters)))

    def add(self, relation: Relation, *arguments: Any) -> None:
        """The tuple belongs to the relation; with ANY in a place, all tuples that are the same elsewhere."""
        self._at(relation, arguments, lambda here, before: before | here)

    def remove(self, relation: Relation, *arguments: Any) -> None:
        """The tuple does not belong to the relation any more."""
        self._at(relation, arguments, lambda here, before: before & ~here)

    def assign(self, function: Function, arguments: tuple[Any, ...], value: Any) -> None:
        """The function has another value there."""
        self._at(function, arguments, lambda here, before: ite(here, value, before))

    def _at(self, symbol: Relation | Function, arguments: tuple[Any, ...], change: Callable[[Formula, Any], Any]) -> None:
        if len(arguments) != len(symbol.sorts):
            raise LanguageError(f"{symbol.name} wants {len(symbol.sorts)} arguments ({symbol.signature()}), got {len(arguments)}")
        parameters = tuple(Variable(f"x{place}", sort) for place, sort in enumerate(symbol.sorts))
        here = conjunction(*(each == value for each, value in zip(parameters, arguments, strict=True) if value is not ANY))
        before = symbol(*parameters)
        if symbol in self.updates:  # a second change of one symbol comes on top of the first
            earlier = self.updates[symbol]
            before = substitute(earlier.body, dict(zip(earlier.parameters, parameters, strict=True)))
        self._update(symbol, Update(parameters, change(here, before)))

    def _update(self, symbol: Symbol, update: Update) -> None:
        if symbol.rigid:
            raise LanguageError(f"{self.name} changes {symbol.name}, which is rigid")
        if isinstance(symbol, Function):
            check_sort(f"{self.name}: new value of {symbol.name}", update.body, symbol.result)
        elif not isinstance(update.body, Formula):
            raise LanguageError(f"{self.name}: {symbol.name} becomes a formula, got {update.body!r}")
        self.updates[symbol] = update


def annotated_variables(function: Callable[..., object], besides: str | None = None) -> tuple[Variable, ...]:
    """One variable for each parameter of a declaration but `besides`, of the sort that annotates it."""
    parameters = [each for each in inspect.signature(function, eval_str=True).parameters.values() if each.name != besides]
    for each in parameters:
        if not (isinstance(each.annotation, type) and issubclass(each.annotation, Element)):
            name = getattr(function, "__name__", "function")
            raise LanguageError(f"{name}: annotate the parameter {each.name} with its sort, as in {each.name}: Node")
    return tuple(Variable(each.name, each.annotation) for each in parameters)


def sentence_of(function: Callable[..., object]) -> str:
    """The docstring on one line."""
    return " ".join((function.__doc__ or "").split())
