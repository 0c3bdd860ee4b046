"""Is a local step a sequence of actions of a specification, or a stutter? For any system and any specification.

A local step touches one component, and an action reads one component's tuples and what was sent. So a step is judged from what
its component knows: the rest of the world is unknown, and a guard must hold whatever it is (three values).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.evaluator import after, enabled, evaluate
from kubeproof.models.logic.formulas import Formula, Function, Relation, Sort, Symbol
from kubeproof.models.logic.rewriting import symbols_of
from kubeproof.models.logic.specification import Specification
from kubeproof.models.logic.structures import Lazily, Structure, Tuples

Tuple = tuple[Any, ...]
Fact = tuple[Relation, Tuple]
"""A relation and a tuple of which it is true."""
Facts = AbstractSet[Fact]
Values = Mapping[Function, Mapping[Tuple, Any]]


class Call(NamedTuple):
    """An action with its arguments, by their names."""

    action: str
    arguments: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What a component's local state determines of its tuples: those that are true, those that are false, and values."""

    true: dict[Relation, Tuples] = field(default_factory=dict)
    false: dict[Relation, Tuples] = field(default_factory=dict)
    values: dict[Function, dict[Tuple, Any]] = field(default_factory=dict)

    def set(self, relation: Relation, arguments: Tuple, holds: bool) -> None:
        """The relation is known to hold of these arguments, or not to."""
        (self.true if holds else self.false).setdefault(relation, set()).add(arguments)

    def assign(self, function: Function, arguments: Tuple, value: Any) -> None:
        """The function is known to have this value."""
        self.values.setdefault(function, {})[arguments] = value


@dataclass(frozen=True, slots=True)
class World:
    """What is the same in all steps: the elements of each sort, and what holds of what never changes."""

    universes: Mapping[Sort, Sequence[Any]]
    rigid: Mapping[Relation, Tuples]
    values: Values


@dataclass(frozen=True, slots=True)
class Abstract:
    """A local step as the specification sees it. Steps with the same `key` are the same to it.

    `given` is what the state before and the message that arrives stand for, `claims` what the state after and the messages sent
    do; `calls` are the actions that should explain the step. `elements` are the messages at hand, `values` their contents.
    """

    before: Known
    given: Facts
    calls: tuple[Call, ...]
    after: Known
    claims: Facts
    elements: Mapping[Sort, Sequence[Any]] = field(default_factory=dict)
    values: Values = field(default_factory=dict)

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Contents of messages belong to the messages, but for what their sender knows, which is in the state after."""
        return self.before, frozenset(self.given), self.calls, self.after, frozenset(self.claims)


class NotAllowed(Exception):
    """No action allows the step. `action` came closest, if any did; `guard` is the one of its guards that does not hold."""

    def __init__(self, action: str | None, guard: str | None, symbol: Symbol | None, why: str) -> None:
        super().__init__(why)
        self.action, self.guard, self.symbol = action, guard, symbol

    @property
    def reason(self) -> str:
        """The guard, as "action.guard", or the relation or function of which the step makes something else."""
        return f"{self.action}.{self.guard}" if self.guard is not None else "" if self.symbol is None else self.symbol.name


class Judge:
    """Judges steps in one world. Tuples of the relations in `ignoring` are not looked at afterwards: that is a control."""

    def __init__(self, specification: Specification, world: World, ignoring: AbstractSet[Symbol] = frozenset()) -> None:
        self._world = world
        self._ignoring = ignoring
        self._actions = {name: without_ghosts(action) for name, action in specification.actions.items()}
        symbols = [symbol for symbol in specification.symbols if symbol.rigid or not symbol.ghost]
        axioms = {name: each.formula for name, each in specification.axioms.items()}
        self._axioms = {name: each for name, each in axioms.items() if self._is_fixed(*symbols_of(each))}
        self._axioms_of_steps = {name: each for name, each in axioms.items() if name not in self._axioms}
        self._initially = {name: each for name, each in specification.initially.items() if not has_ghosts(each)}
        self._none: dict[Sort, Sequence[Any]] = {each: () for each in specification.sorts if each not in world.universes}
        self._relations = [symbol for symbol in symbols if isinstance(symbol, Relation)]
        self._functions = [symbol for symbol in symbols if isinstance(symbol, Function)]
        self._judged: dict[tuple[Hashable, ...], tuple[str, ...] | NotAllowed] = {}

    def judge(self, step: Abstract) -> tuple[str, ...]:
        """The actions that the step is a sequence of; none for a stutter. Raises NotAllowed."""
        if step.key not in self._judged:
            try:
                self._judged[step.key] = self._judge(step)
            except NotAllowed as refused:
                self._judged[step.key] = refused
        verdict = self._judged[step.key]
        if isinstance(verdict, NotAllowed):
            raise verdict
        return verdict

    def unmet(self) -> str | None:
        """The name of an axiom that is not known to be true of the world: of such a one the specification promises nothing."""
        return _untrue(self._axioms, self._initial(Known()))

    def contradicted(self, first: Known) -> str | None:
        """The name of what the specification says of initial states that cannot be true of this one."""
        state = self._initial(first)
        return next((name for name, formula in self._initially.items() if evaluate(formula, state) is False), None)

    def _initial(self, first: Known) -> Structure:
        return self._structure(Abstract(first, frozenset(), (), first, frozenset(), self._none))

    def _judge(self, step: Abstract) -> tuple[str, ...]:
        state = self._structure(step)
        if (axiom := _untrue(self._axioms_of_steps, state)) is not None:
            raise NotAllowed(None, None, None, f"what is told is not as it must be: {axiom}")
        done: list[str] = []
        for call in step.calls:
            state = self._do(call, state)
            done.append(call.action)
        self._require_known(step, state, done)
        self._require_claims(step.claims, state, done)
        return tuple(done)

    def _do(self, call: Call, state: Structure) -> Structure:
        action = self._actions[call.action]
        given = dict(call.arguments)
        arguments = {each: given[each.name] for each in action.parameters if each.name in given}  # history is not given
        for guard, holds in enabled(action, state, arguments).items():
            if holds is not True:
                how = "does not hold" if holds is False else "is not known to hold"
                raise NotAllowed(call.action, guard, None, f"{call.action} is not possible: its guard {guard} {how}")
        return after(action, state, arguments)

    def _require_known(self, step: Abstract, state: Structure, done: Sequence[str]) -> None:
        """What the local state after determines is what the actions have made. What none of them changes is as it was before."""
        before, known = step.before, step.after
        changed = {symbol for name in done for symbol in self._actions[name].updates}
        for relation, tuples in known.true.items():
            self._require(relation, tuples - state.true[relation], "true", done)
        for relation, tuples in known.false.items():
            new = tuples if relation in changed else tuples - before.false.get(relation, set())
            self._require(relation, new & state.possible[relation], "false", done)
        for function, values in known.values.items():
            made = state.values[function]
            self._require(function, {at for at, value in values.items() if made.get(at) != value}, "another value", done)

    def _require_claims(self, claims: Facts, state: Structure, done: Sequence[str]) -> None:
        """What the local state and what is sent stand for has come true."""
        for relation, arguments in claims:
            if arguments not in state.true[relation]:
                self._require(relation, {arguments}, "counted on or told", done)

    def _require(self, symbol: Symbol, wrong: Tuples, expected: str, done: Sequence[str]) -> None:
        if wrong and symbol not in self._ignoring:
            arguments = ", ".join(map(str, min(wrong, key=str)))
            what = f"{symbol.name}({arguments}) is {expected} afterwards"
            raise NotAllowed(done[-1] if done else None, None, symbol, f"{what}, but {_explained(done)}")

    # ---- what is known, as a structure

    def _structure(self, step: Abstract) -> Structure:
        universes = {**self._world.universes, **step.elements}
        true = {each: set(step.before.true.get(each, ())) for each in self._relations}
        for relation, arguments in step.given:
            true[relation].add(arguments)
        possible: dict[Relation, AbstractSet[Tuple]] = {
            each: self._possible(each, step.before.false.get(each, set()), universes) for each in self._relations
        }
        for relation, tuples in self._world.rigid.items():
            true[relation] = possible[relation] = tuples
        values = {each: self._values_of(each, step) for each in self._functions}
        return Structure(universes, true, possible, values)

    def _possible(self, relation: Relation, false: Tuples, universes: Mapping[Sort, Sequence[Any]]) -> Lazily:
        return Lazily([universes[sort] for sort in relation.sorts], lambda at: at not in false)

    def _values_of(self, function: Function, step: Abstract) -> dict[Tuple, Any]:
        known = [each[function] for each in (self._world.values, step.values, step.before.values) if function in each]
        return dict(known[0]) if len(known) == 1 else dict(chain.from_iterable(each.items() for each in known))

    def _is_fixed(self, *symbols: Symbol) -> bool:
        """Whether they are about the same elements in all steps."""
        return all(sort in self._world.universes for symbol in symbols for sort in symbol.sorts)


def _untrue(axioms: Mapping[str, Formula], state: Structure) -> str | None:
    return next((name for name, formula in axioms.items() if evaluate(formula, state) is not True), None)


def without_ghosts(action: Action) -> Action:
    """The action as implementations must meet it: no history is kept, and none is asked for."""
    erased = Action(action.name, action.parameters, action.says)
    erased.guards = {name: guard for name, guard in action.guards.items() if name not in ghost_guards(action)}
    erased.updates = {symbol: update for symbol, update in action.updates.items() if not symbol.ghost}
    return erased


def ghost_guards(action: Action) -> set[str]:
    """The guards that ask for history: that there is some is for an invariant to say."""
    return {name for name, guard in action.guards.items() if has_ghosts(guard)}


def has_ghosts(formula: Formula) -> bool:
    """Whether a formula speaks of history."""
    return any(each.ghost and not each.rigid for each in symbols_of(formula))


def _explained(done: Sequence[str]) -> str:
    return f"not by {', '.join(done)}" if done else "no action explains it"
