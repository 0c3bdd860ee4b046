"""What some actions look at: all else stays as it is, and has no say in whether they are possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import Expression, Quantified, Sort, Symbol
from kubeproof.models.logic.rewriting import children, symbols_of


class Scope(NamedTuple):
    """The symbols that actions read or change, and the sorts of which they may try all elements."""

    symbols: frozenset[Symbol]
    sorts: frozenset[Sort]

    @classmethod
    def of(cls, actions: Iterable[Action]) -> Scope:
        """The scope of actions that follow each other."""
        symbols: set[Symbol] = set()
        sorts: set[Sort] = set()
        for action in actions:
            symbols.update(action.updates)
            for formula in (*action.guards.values(), *(update.body for update in action.updates.values())):
                symbols.update(symbols_of(formula))
                sorts.update(_quantified(formula))
        sorts.update(sort for symbol in symbols for sort in symbol.sorts)
        return cls(frozenset(symbols), frozenset(sorts))


def _quantified(expression: Expression) -> Iterator[Sort]:
    if isinstance(expression, Quantified):
        yield from (variable.sort for variable in expression.variables)
    for part in children(expression):
        yield from _quantified(part)
