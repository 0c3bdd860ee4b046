"""Why it is enough to look at one component and at what was sent: no action reads or changes anything else.

What a component knows stays true while others act: its own tuples change by its own actions, and what was sent remains so.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import (
    Apply,
    Choice,
    Expression,
    Formula,
    Function,
    Holds,
    Not,
    Relation,
    Symbol,
    Variable,
    iff,
)
from kubeproof.models.logic.obligations import Obligation
from kubeproof.models.logic.rewriting import Update, children, free_variables, substitute
from kubeproof.models.logic.specification import Specification
from kubeproof.models.logic.unbounded import Status, Translator, prove


@dataclass(frozen=True, slots=True)
class Locality:
    """Tuples of `own` symbols begin with the component that they belong to, those of `sent` ones once true remain so.

    The component that an action belongs to is its first parameter. History (ghosts) is nobody's: it may change as it likes, and
    guards that ask for it are another matter (judge.ghost_guards).
    """

    own: AbstractSet[Symbol]
    sent: AbstractSet[Symbol]

    def breaches(self, specification: Specification) -> Iterator[str]:
        """What the actions read or change besides; nothing, if all is well."""
        for action in specification.actions.values():
            for name, guard in action.guards.items():
                yield from (f"{action.name}.{name} {what}" for what in self._reads(guard, action.parameters[0]))
            for symbol, update in action.updates.items():
                if not symbol.ghost:
                    yield from (f"{action.name} {what}" for what in self._changes(action, symbol, update))

    def _reads(self, expression: Expression, owner: Variable, positive: bool = True) -> Iterator[str]:
        """What an expression asks for that is not the owner's, and whether something was not sent."""
        if isinstance(expression, Apply | Holds):
            symbol = expression.symbol
            if symbol in self.own:
                if expression.arguments[0] is not owner:
                    yield f"reads {symbol.name} of another"
            elif symbol in self.sent:
                if not positive:
                    yield f"asks whether {symbol.name} is not so"
            elif not symbol.rigid and not symbol.ghost:
                yield f"reads {symbol.name}, which is nobody's"
        if isinstance(expression, Choice):
            yield from self._reads(expression.condition, owner, False)
        for part in children(expression):
            yield from self._reads(part, owner, positive != isinstance(expression, Not))

    def _changes(self, action: Action, symbol: Symbol, update: Update) -> Iterator[str]:
        assert isinstance(symbol, Relation | Function)
        (parameters, body), owner = update, action.parameters[0]
        before = symbol(*parameters)
        has_owner = bool(parameters) and parameters[0].sort is owner.sort
        keeps_others = has_owner and _proved((parameters[0] == owner) | _same(before, body))
        if symbol in self.own and not keeps_others:
            yield f"changes {symbol.name} of others"
        elif symbol in self.sent and not _proved(before >> body):
            yield f"takes {symbol.name} back"
        elif symbol not in self.own | self.sent:
            yield f"changes {symbol.name}, which is nobody's"
        made = substitute(body, {parameters[0]: owner}) if keeps_others else body
        yield from (f"makes {symbol.name} of what it {what}" for what in self._reads(made, owner))


def _same(before: Any, after: Any) -> Formula:
    return iff(before, after) if isinstance(before, Formula) else before == after


def _proved(goal: Formula) -> bool:
    """Whether a formula holds in all structures."""
    return prove(Obligation("", "", tuple(free_variables(goal)), {}, goal), Translator()).status is Status.PROVED
