"""The invariants of a proof where the code really comes: beside the system goes the specification's state, with all its history.

A proof shows that the invariants are inductive, whatever the system does. Here each of them is looked at in every state that an
exploration or a random run reaches. One that is false there means that the proof or the map of states is wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.plain import GlobalState, first_state, successors
from kubeproof.conformance.explore.system import Action, Model
from kubeproof.conformance.refinement.binding import Binding, Reading
from kubeproof.conformance.refinement.judge import Abstract, Call
from kubeproof.models.logic.evaluator import after, evaluate, solutions
from kubeproof.models.logic.formulas import Formula, Function, Quantified, Relation, Sort, Symbol, Variable
from kubeproof.models.logic.initial import initial_state
from kubeproof.models.logic.rewriting import symbols_of
from kubeproof.models.logic.specification import Kind, Specification
from kubeproof.models.logic.structures import Structure

Place = tuple[Function, tuple[Any, ...]]


class Disproved(Exception):
    """In a state that the system reaches, this is not as the specification says."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Held:
    """In so many states all of these invariants held."""

    states: int
    invariants: int


class Carrier:
    """Carries the specification's state along a system's steps."""

    def __init__(self, specification: Specification, reading: Reading) -> None:
        self._specification = specification
        self._reading = reading
        abstracts = [reading.lasting(reading.abstract(each)) for each in (*reading.prepared, *reading.steps)]
        self._universes = {**reading.world.universes, **_elements(abstracts)}
        self._contents = _contents(abstracts)
        self._guards = {name: action.guard() for name, action in specification.actions.items()}
        self._possible = _Possible(self._guards)
        self._carried = [each for each in specification.symbols if isinstance(each, Function) and each.rigid and each.ghost]
        states = [each for each in specification.properties.values() if each.kind is not Kind.STEP]
        self.invariants: dict[str, Formula] = {each.name: each.formula() for each in states}
        self._speaks_of = {name: frozenset(symbols_of(formula)) for name, formula in self.invariants.items()}

    def first(self) -> Structure:
        """The state before anything has happened, in which all invariants hold."""
        world, first = self._reading.world, [known for known, _ in self._reading.first]
        relations = {
            each: set(world.rigid.get(each, ())) if each.rigid else {at for known in first for at in known.true.get(each, ())}
            for each in self._specification.symbols
            if isinstance(each, Relation)
        }
        values = {
            each: dict(world.values.get(each, {}))
            | self._contents.get(each, {})
            | {at: value for known in first for at, value in known.values.get(each, {}).items()}
            for each in self._specification.symbols
            if isinstance(each, Function)
        }
        state = initial_state(self._specification, Structure.known(self._universes, relations, values))
        self._require(self.invariants, state)
        for each in self._reading.prepared:
            state = self.follow(state, [each])
        return state

    def follow(self, state: Structure, steps: Iterable[Taken]) -> Structure:
        """The state after these local steps, in which all invariants hold. Raises Disproved.

        They belong to one action of the system: what is between them is no state of it.
        """
        before = state
        for taken in steps:
            step = self._reading.placed(self._reading.lasting(self._reading.abstract(taken)), state)
            self._require_facts(step.given, state)
            for call in step.calls:
                state = self._do(call, state)
            self._require_known(step, state)
            self._require_facts(step.claims, state)
        changed = {symbol for symbol in self._specification.symbols if _differs(symbol, before, state)}
        self._require({name: each for name, each in self.invariants.items() if self._speaks_of[name] & changed}, state)
        return state

    def _do(self, call: Call, state: Structure) -> Structure:
        """The action, with whatever history justifies it."""
        action = self._specification.actions[call.action]
        given = dict(call.arguments)
        arguments = {each: given[each.name] for each in action.parameters if each.name in given}
        missing = tuple(each for each in action.parameters if each.name not in given)
        possible = self._possible[call.action, missing]
        for chosen in _with_history(state, self._open(arguments, state), possible, arguments):
            found = solutions(self._guards[call.action], missing, chosen, arguments)
            if found:
                return after(action, chosen, arguments | dict(zip(missing, min(found, key=repr), strict=True)))
        raise Disproved(call.action, "its guards do not hold together, whatever history is chosen")

    def _open(self, arguments: Mapping[Variable, Any], state: Structure) -> list[Place]:
        """The history that the messages at hand carry, where none was chosen so far."""
        return [
            (function, (element, *rest))
            for function in self._carried
            for variable, element in arguments.items()
            if function.sorts[0] is variable.sort
            for rest in product(*(state.universes[sort] for sort in function.sorts[1:]))
            if (element, *rest) not in state.values[function]
        ]

    def _require(self, formulas: Mapping[str, Formula], state: Structure) -> None:
        for name, formula in formulas.items():
            if evaluate(formula, state) is not True:
                raise Disproved(name, "it does not hold in a state that the system reaches")

    def _require_facts(self, facts: Iterable[tuple[Relation, tuple[Any, ...]]], state: Structure) -> None:
        for relation, arguments in facts:
            if arguments not in state.true[relation]:
                raise Disproved(relation.name, f"a state or a message stands for it, but it is not so: {arguments}")

    def _require_known(self, step: Abstract, state: Structure) -> None:
        for relation, tuples in step.after.true.items():
            if wrong := tuples - state.true[relation]:
                raise Disproved(relation.name, f"true in the system, not in the specification: {min(wrong, key=repr)}")
        for relation in step.after.closed:
            if wrong := {at for at in state.true[relation] if step.after.is_false(relation, at)}:
                raise Disproved(relation.name, f"true in the specification, not in the system: {min(wrong, key=repr)}")
        for function, values in step.after.values.items():
            for at, value in values.items():
                if state.values[function].get(at) != value:
                    raise Disproved(function.name, f"it has another value in the system: {at}")


class _Possible(dict[tuple[str, tuple[Variable, ...]], Formula]):
    """That an action is possible with some values of these parameters, kept as one formula for all its uses."""

    def __init__(self, guards: Mapping[str, Formula]) -> None:
        self._guards = guards

    def __missing__(self, key: tuple[str, tuple[Variable, ...]]) -> Formula:
        action, parameters = key
        guard = self._guards[action]
        self[key] = Quantified(False, parameters, guard) if parameters else guard
        return self[key]


def _with_history(
    state: Structure, places: Sequence[Place], possible: Formula, arguments: Mapping[Variable, Any]
) -> Iterator[Structure]:
    """The state with every choice for these places under which the action may be possible, as far as can be told on the way."""
    if not places:
        yield state
        return
    (function, at), *others = places
    for element in state.universes[function.result]:
        values = state.values | {function: state.values[function] | {at: element}}
        chosen = Structure.known(state.universes, state.true, values)
        partly_known = Structure(state.universes, state.true, dict(state.true), values)
        if evaluate(possible, partly_known, arguments) is not False:
            yield from _with_history(chosen, others, possible, arguments)


def hold_in_every_state(binding: Binding, model: Model, taken: Sequence[Taken], *, one_history: bool = False) -> Held:
    """Look at the invariants in every state of a model, of which these are the local steps, with every history that leads there.

    Where history grows for ever, as time does, `one_history` of each state must do. Raises Disproved.
    """
    carrier = Carrier(binding.specification, binding.read(model, taken))
    start = first_state(model), carrier.first()
    seen = {start[0] if one_history else _key(*start)}
    waiting = deque([start])
    while waiting:
        system, state = waiting.popleft()
        for action, reached in successors(model, system):
            carried = carrier.follow(state, local_steps(system, action))
            key = reached if one_history else _key(reached, carried)
            if key not in seen:
                seen.add(key)
                waiting.append((reached, carried))
    return Held(len(seen), len(carrier.invariants))


def hold_along(binding: Binding, model: Model, steps: int, random: Random) -> Held:
    """Look at the invariants along a random run of a model. Raises Disproved."""
    run = list(random_run(model, steps, random))
    carrier = Carrier(binding.specification, binding.read(model, [each for taken in run for each in taken]))
    state = carrier.first()
    for taken in run:
        state = carrier.follow(state, taken)
    return Held(len(run) + 1, len(carrier.invariants))


def random_run(model: Model, steps: int, random: Random) -> Iterator[list[Taken]]:
    """The local steps of up to so many actions, each chosen among those that are possible."""
    state = first_state(model)
    for _ in range(steps):
        possible = list(successors(model, state))
        if not possible:
            return
        action, reached = random.choice(possible)
        yield local_steps(state, action)
        state = reached


def local_steps(state: GlobalState, action: Action) -> list[Taken]:
    """What an action does, with the local states before."""
    locals_ = list(state.locals)
    taken: list[Taken] = []
    for component, cause, step in action.taken:
        taken.append((component, locals_[component], cause, step))
        locals_[component] = step.state
    return taken


def _key(system: GlobalState, state: Structure) -> Hashable:
    relations = frozenset((each, frozenset(tuples)) for each, tuples in state.true.items() if not each.rigid)
    functions = frozenset(
        (each, frozenset(values.items())) for each, values in state.values.items() if each.ghost or not each.rigid
    )
    return system, relations, functions


def _differs(symbol: Symbol, before: Structure, after: Structure) -> bool:
    if isinstance(symbol, Relation):
        return before.true[symbol] != after.true[symbol]
    assert isinstance(symbol, Function)
    return before.values[symbol] != after.values[symbol]


def _elements(steps: Iterable[Abstract]) -> dict[Sort, Sequence[Any]]:
    """All messages at hand in any of the steps."""
    found: dict[Sort, dict[Any, None]] = {}
    for step in steps:
        for sort, elements in step.elements.items():
            found.setdefault(sort, {}).update(dict.fromkeys(elements))
    return {sort: list(elements) for sort, elements in found.items()}


def _contents(steps: Iterable[Abstract]) -> dict[Function, dict[tuple[Any, ...], Any]]:
    """What they all carry: what its sender knows of a message stays with it."""
    found: dict[Function, dict[tuple[Any, ...], Any]] = {}
    for step in steps:
        for function, values in step.values.items():
            found.setdefault(function, {}).update({at: value for at, value in values.items() if value is not None})
    return found
