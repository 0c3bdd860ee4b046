"""From a state that breaks a property back to the beginning: a shortest counterexample, replayed by the system itself.

A second search, which numbers the states, notes where each comes from. What it finds is then done again step by step without any
table: if the system does not get there, the explorer is wrong, and that is an internal error.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.plain import GlobalState, UnderWay, first_state, successors
from kubeproof.conformance.explore.system import Action, Model, Network, Property
from kubeproof.conformance.limits import Limits

Way = list[tuple[Action, GlobalState]]
"""Actions, each with the state that it leads to; it begins in the first state."""


def shortest(model: Model, limits: Limits) -> tuple[Property, Way]:
    """A property that does not hold, and a shortest way to a state that breaks it; empty if the first state does."""
    exploration = Exploration(model, limits, numbered=True)
    try:
        exploration.run()
    except Broken as broken:
        return broken.property, way_to(exploration, broken.state)
    raise AssertionError("the second search finds no violation")


def way_to(exploration: Exploration, state: int) -> Way:
    """A shortest way to the state of this number, taken once more by the system."""
    assert exploration.stored is not None
    chain = [state]
    while chain[-1]:
        chain.append(int(exploration.stored.parents[chain[-1]]))
    return _taken(exploration.model, _states(exploration, reversed(chain)))


def way_along(exploration: Exploration, states: list[int]) -> Way:
    """The way that begins in the first of these states and visits one after the other, taken once more by the system."""
    return _taken(exploration.model, _states(exploration, iter(states)), anywhere=True)


def _taken(model: Model, states: Iterator[GlobalState], *, anywhere: bool = False) -> Way:
    way: Way = []
    chain = list(states)
    assert anywhere or chain[0] == first_state(model), "the explorer begins in another state than the system"
    for state, wanted in pairwise(chain):
        action = next((action for action, reached in successors(model, state) if reached == wanted), None)
        assert action is not None, f"the system does not take the step that the explorer took: {state} to {wanted}"
        way.append((action, wanted))
    return way


def _states(exploration: Exploration, numbers: Iterator[int]) -> Iterator[GlobalState]:
    assert exploration.stored is not None
    for number in numbers:
        yield decoded(exploration, exploration.stored.rows[number].tolist())


def decoded(exploration: Exploration, row: list[int]) -> GlobalState:
    """What a row stands for."""
    steps, model = exploration.steps, exploration.model
    components = len(model.component_names)
    locals_ = tuple(steps.ids.states[local] for local in row[:components])
    messages: list[UnderWay] = [steps.ids.messages[message] for message in row[components + 1 :] if message >= 0]
    if model.network is not Network.FIFO:
        messages.sort(key=repr)
    return GlobalState(locals_, tuple(messages), steps.budgets.left[row[components]])
