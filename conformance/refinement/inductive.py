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
from kubeproof.models.logic.formulas import Formula, Function, Relation, Sort, Symbol, Variable
from kubeproof.models.logic.initial import initial_state
from kubeproof.models.logic.rewriting import symbols_of
from kubeproof.models.logic.specification import Kind, Specification
from kubeproof.models.logic.structures import Structure


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
        abstracts = [reading.abstract(each) for each in (*reading.prepared, *reading.steps)]
        self._universes = {**reading.world.universes, **_elements(abstracts)}
        self._contents = _contents(abstracts)
        self._guards = {name: action.guard() for name, action in specification.actions.items()}
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
        return self.follow(state, self._reading.prepared)

    def follow(self, state: Structure, steps: Iterable[Taken]) -> Structure:
        """The state after these local steps, in which all invariants hold. Raises Disproved."""
        for taken in steps:
            before, step = state, self._reading.abstract(taken)
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
        missing = [each for each in action.parameters if each.name not in given]
        for possible in self._with_history(state, arguments):
            found = solutions(self._guards[call.action], missing, possible, arguments)
            if found:
                return after(action, possible, arguments | dict(zip(missing, min(found, key=repr), strict=True)))
        raise Disproved(call.action, "its guards do not hold together, whatever history is chosen")

    def _with_history(self, state: Structure, arguments: Mapping[Variable, Any]) -> Iterator[Structure]:
        """The state, with every choice of the history that the messages at hand carry, where none was chosen so far."""
        open_ = [
            (function, (element,))
            for function in self._carried
            for variable, element in arguments.items()
            if function.sorts == (variable.sort,) and (element,) not in state.values[function]
        ]
        for choice in product(*(state.universes[function.result] for function, _ in open_)):
            values = dict(state.values)
            for (function, at), element in zip(open_, choice, strict=True):
                values[function] = values[function] | {at: element}
            yield Structure.known(state.universes, state.true, values)

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
        for relation, tuples in step.after.false.items():
            if wrong := tuples & state.true[relation]:
                raise Disproved(relation.name, f"true in the specification, not in the system: {min(wrong, key=repr)}")
        for function, values in step.after.values.items():
            for at, value in values.items():
                if state.values[function].get(at) != value:
                    raise Disproved(function.name, f"it has another value in the system: {at}")


def hold_in_every_state(binding: Binding, model: Model, taken: Sequence[Taken], states_max: int) -> Held:
    """Look at the invariants in every state of a model, of which these are the local steps. Raises Disproved."""
    carrier = Carrier(binding.specification, binding.read(model, taken))
    start = first_state(model), carrier.first()
    seen = {_key(*start)}
    waiting = deque([start])
    while waiting:
        system, state = waiting.popleft()
        for action, reached in successors(model, system):
            carried = carrier.follow(state, local_steps(system, action))
            if (key := _key(reached, carried)) not in seen:
                seen.add(key)
                waiting.append((reached, carried))
                assert len(seen) <= states_max, "a smaller scenario is wanted"
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
