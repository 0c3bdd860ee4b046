"""Is a local step a sequence of actions of a specification, or a stutter? For any system and any specification.

A local step touches one component, and an action reads one component's tuples and what was sent. So a step is judged from what
its component knows: the rest of the world is unknown, and a guard must hold whatever it is (three values).
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple, cast

from kubeproof.conformance.refinement.once import Alike
from kubeproof.conformance.refinement.scope import Scope
from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.evaluator import after, enabled, evaluate
from kubeproof.models.logic.formulas import Formula, Function, Relation, Sort, Symbol
from kubeproof.models.logic.rewriting import symbols_of
from kubeproof.models.logic.specification import Specification
from kubeproof.models.logic.structures import Indexed, Lazily, Open, Structure, Tuples

Tuple = tuple[Any, ...]
Fact = tuple[Relation, Tuple]
"""A relation and a tuple of which it is true."""
Facts = frozenset[Fact]
NONE: Tuples = set()
Values = Mapping[Function, Mapping[Tuple, Any]]


class Call(NamedTuple):
    """An action with its arguments, by their names."""

    action: str
    arguments: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What a component's local state determines of its tuples: those that are true, and values.

    Of the tuples that begin like a `closed` one, only those that are true are. All others may be, or not.
    """

    true: dict[Relation, Tuples] = field(default_factory=dict)
    closed: dict[Relation, Tuples] = field(default_factory=dict)
    values: dict[Function, dict[Tuple, Any]] = field(default_factory=dict)

    def set(self, relation: Relation, arguments: Tuple, holds: bool) -> None:
        """The relation is known to hold of these arguments, or not to."""
        (self.true if holds else self.closed).setdefault(relation, set()).add(arguments)

    def within(self, symbols: AbstractSet[Symbol]) -> Known:
        """What it tells of these."""
        true, closed = ({each: those for each, those in which.items() if each in symbols} for which in (self.true, self.closed))
        return Known(true, closed, {each: values for each, values in self.values.items() if each in symbols})

    def keeps(self, after: Known, besides: AbstractSet[Symbol]) -> bool:
        """Whether all that is known after is known before, of all symbols but these."""
        relations = {*after.true, *after.closed} - besides
        functions = after.values.keys() - besides
        return all(self._keeps(after, each) for each in relations) and all(
            after.values[each].items() <= self.values.get(each, {}).items() for each in functions
        )

    def _keeps(self, after: Known, relation: Relation) -> bool:
        true, true_after = self.true.get(relation, NONE), after.true.get(relation, NONE)
        if not true_after <= true or not after.closed.get(relation, NONE) <= self.closed.get(relation, NONE):
            return False
        return not any(after.is_false(relation, at) for at in true - true_after)

    def content(self) -> Hashable:
        """All of it: it is equal where the same is known."""
        sets = [frozenset([(each, frozenset(tuples)) for each, tuples in which.items()]) for which in (self.true, self.closed)]
        values = frozenset([(each, *at, value) for each, values in self.values.items() for at, value in values.items()])
        return (*sets, values)

    def is_false(self, relation: Relation, arguments: Tuple) -> bool:
        """Whether the relation is known not to hold of these arguments."""
        closed = any(arguments[:end] in self.closed.get(relation, NONE) for end in range(len(arguments) + 1))
        return closed and arguments not in self.true.get(relation, NONE)

    def tells_the_same(self, other: Known, relation: Relation) -> bool:
        """Whether both know the same of a relation."""
        same_true = self.true.get(relation) == other.true.get(relation)
        return same_true and self.closed.get(relation) == other.closed.get(relation)

    def close(self, relation: Relation, beginning: Tuple, *ends: Any) -> None:
        """Of the tuples that begin so, the relation is known to hold of those with one of these ends, and of no others."""
        self.closed.setdefault(relation, set()).add(beginning)
        self.true.setdefault(relation, set()).update([(*beginning, end) for end in ends])

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
        """All that the verdict depends on."""
        return self.before, self.given, self.calls, self.after, self.claims, self.messages

    @property
    def messages(self) -> tuple[Any, ...]:
        """The messages at hand, and what is in them."""
        if not self.elements:
            return ()
        elements = chain.from_iterable(self.elements.values())
        contents = chain.from_iterable((each, *values.items()) for each, values in self.values.items())
        return (*elements, *contents)


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
        axioms = {name: each.formula for name, each in specification.axioms.items()}
        self._axioms = {name: each for name, each in axioms.items() if self._is_fixed(*symbols_of(each))}
        self._axioms_of_steps = {name: each for name, each in axioms.items() if name not in self._axioms}
        self._initially = {name: each for name, each in specification.initially.items() if not has_ghosts(each)}
        self._rigid = {relation: cast(Tuples, Indexed(tuples)) for relation, tuples in world.rigid.items()}
        self._nothing = self._known_of_nothing(specification)
        of_steps = [each for each in self._nothing.possible if not self._is_fixed(each)]
        self._about = {sort: [each for each in of_steps if sort in each.sorts] for sort in specification.sorts}
        self._befores: dict[Known, Structure] = {}
        self._scopes: dict[tuple[str, ...], Scope] = {}
        self._known: dict[tuple[Known, Scope], Known] = {}
        self._facts: dict[tuple[Facts, Scope], Facts] = {}
        self._alike: Alike[Known] = Alike()
        self._kept: dict[tuple[Known, Known, Scope], bool] = {}
        self._allowed: dict[tuple[Hashable, ...], bool] = {}
        self._told = Scope(frozenset(chain.from_iterable(map(symbols_of, self._axioms_of_steps.values()))), frozenset())
        self._well_told: dict[tuple[Hashable, ...], bool] = {}

    def judge(self, step: Abstract) -> tuple[str, ...]:
        """The actions that the step is a sequence of; none for a stutter. Raises NotAllowed."""
        names = tuple([call.action for call in step.calls])
        if self._is_seen_to_be_allowed(step, names):
            return names
        return self._judge(step)

    def _is_seen_to_be_allowed(self, step: Abstract, names: tuple[str, ...]) -> bool:
        """Whether it is a step that its actions allow if nobody looks at what they do not, and leaves all that as it was.

        What they look at is the same in many steps.
        """
        if names not in self._scopes:
            self._scopes[names] = Scope.of(self._actions[name] for name in names)
        scope = self._scopes[names]
        news = {relation for relation, _ in step.claims - step.given}
        if not news <= scope.symbols or not self._keeps(step.before, step.after, scope):
            return False
        if not names:
            return self._is_well_told(step)
        narrow = self._narrow(step, scope)
        key = narrow.key
        if key not in self._allowed:
            self._allowed[key] = self._is_allowed(narrow)
        return self._allowed[key] and self._is_well_told(step)

    def _keeps(self, before: Known, after: Known, scope: Scope) -> bool:
        if before is after:
            return True
        at = before, after, scope
        if at not in self._kept:
            self._kept[at] = before.keeps(after, scope.symbols)
        return self._kept[at]

    def _narrow(self, step: Abstract, scope: Scope) -> Abstract:
        """What of a step is in scope."""
        return Abstract(
            self._known_within(step.before, scope),
            self._facts_within(step.given, scope),
            step.calls,
            self._known_within(step.after, scope),
            self._facts_within(step.claims, scope),
            {sort: elements for sort, elements in step.elements.items() if sort in scope.sorts},
            {function: values for function, values in step.values.items() if function in scope.symbols},
        )

    def _known_within(self, known: Known, scope: Scope) -> Known:
        at = known, scope
        if at not in self._known:
            self._known[at] = self._alike(known.within(scope.symbols))
        return self._known[at]

    def _facts_within(self, facts: Facts, scope: Scope) -> Facts:
        at = facts, scope
        if at not in self._facts:
            self._facts[at] = frozenset([fact for fact in facts if fact[0] in scope.symbols])
        return self._facts[at]

    def _is_allowed(self, step: Abstract) -> bool:
        try:
            self._follow(step, self._structure(step))
        except NotAllowed:
            return False
        return True

    def _is_well_told(self, step: Abstract) -> bool:
        """Whether the messages at hand are as they must be."""
        if not self._axioms_of_steps:
            return True
        at = self._known_within(step.before, self._told), self._facts_within(step.given, self._told), step.messages
        if at not in self._well_told:
            self._well_told[at] = _untrue(self._axioms_of_steps, self._structure(step)) is None
        return self._well_told[at]

    def unmet(self) -> str | None:
        """The name of an axiom that is not known to be true of the world: of such a one the specification promises nothing."""
        return _untrue(self._axioms, self._initial(Known()))

    def contradicted(self, first: Known) -> str | None:
        """The name of what the specification says of initial states that cannot be true of this one."""
        state = self._initial(first)
        return next((name for name, formula in self._initially.items() if evaluate(formula, state) is False), None)

    def _initial(self, first: Known) -> Structure:
        return self._structure(Abstract(first, frozenset(), (), first, frozenset()))

    def _judge(self, step: Abstract) -> tuple[str, ...]:
        state = self._structure(step)
        if (axiom := _untrue(self._axioms_of_steps, state)) is not None:
            raise NotAllowed(None, None, None, f"what is told is not as it must be: {axiom}")
        return self._follow(step, state)

    def _follow(self, step: Abstract, state: Structure) -> tuple[str, ...]:
        """Do one action after the other, and compare."""
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
        changed = {symbol for name in done for symbol in self._actions[name].updates}
        for relation, tuples in step.after.true.items():
            if relation in changed or tuples != step.before.true.get(relation):
                self._require(relation, _outside(tuples, state.true[relation]), "true", done)
        for relation, beginnings in step.after.closed.items():
            if relation in changed or not step.before.tells_the_same(step.after, relation):
                possible = (at for each in beginnings for at in _beginning_with(each, state.possible[relation]))
                self._require(relation, _outside(possible, step.after.true.get(relation, NONE)), "false", done)
        for function, values in step.after.values.items():
            if function in changed or values != step.before.values.get(function):
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
        before = self._before(step.before)
        told: dict[Relation, Tuples] = {}
        for relation, arguments in step.given:
            told.setdefault(relation, set(before.true[relation])).add(arguments)
        universes = {**before.universes, **step.elements}
        contents = {function: {**values, **before.values.get(function, {})} for function, values in step.values.items()}
        about = chain.from_iterable(self._about[sort] for sort in step.elements)
        possible = {each: self._possible(each, step.before, universes) for each in about}
        return Structure(universes, {**before.true, **told}, {**before.possible, **possible}, {**before.values, **contents})

    def _before(self, known: Known) -> Structure:
        """What does not depend on the message that arrives, as many steps have it in common."""
        if known not in self._befores:
            nothing = self._nothing
            true = {**nothing.true, **known.true, **self._rigid}
            closed = {each: self._possible(each, known, nothing.universes) for each in known.closed}
            values = {each: {**nothing.values[each], **assigned} for each, assigned in known.values.items()}
            possible = {**nothing.possible, **closed}
            self._befores[known] = Structure(nothing.universes, true, possible, {**nothing.values, **values})
        return self._befores[known]

    def _known_of_nothing(self, specification: Specification) -> Structure:
        symbols = [symbol for symbol in specification.symbols if symbol.rigid or not symbol.ghost]
        universes = {**dict.fromkeys(specification.sorts, ()), **self._world.universes}
        relations = [symbol for symbol in symbols if isinstance(symbol, Relation)]
        return Structure(
            universes,
            {**dict.fromkeys(relations, NONE), **self._rigid},
            {**{each: self._possible(each, Known(), universes) for each in relations}, **self._rigid},
            {each: dict(self._world.values.get(each, {})) for each in symbols if isinstance(each, Function)},
        )

    def _possible(self, relation: Relation, known: Known, universes: Mapping[Sort, Sequence[Any]]) -> Open:
        elements = [universes[sort] for sort in relation.sorts]
        return Open(elements, known.true.get(relation, NONE), known.closed.get(relation, NONE))

    def _is_fixed(self, *symbols: Symbol) -> bool:
        """Whether they are about the same elements in all steps."""
        return all(sort in self._world.universes for symbol in symbols for sort in symbol.sorts)


def _outside(found: Iterable[Tuple], known: Container[Tuple]) -> Tuples:
    return {at for at in found if at not in known}


def _beginning_with(beginning: Tuple, tuples: AbstractSet[Tuple]) -> Iterable[Tuple]:
    """Those of the tuples that begin so."""
    if isinstance(tuples, Lazily):
        return tuples.matching(dict(enumerate(beginning)))
    return (at for at in tuples if at[: len(beginning)] == beginning)


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
