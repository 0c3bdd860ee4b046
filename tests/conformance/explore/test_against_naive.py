"""The kernel against a plain search over whole states: the same states, levels, successors, verdict and shortest length."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from kubeproof.conformance.explore.counterexample import shortest
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.plain import GlobalState, first_state, successors
from kubeproof.conformance.explore.system import Event, Message, Model, Network, Property, Step
from kubeproof.conformance.limits import Limits

STATES = 4
BODIES = 3
DEPTH_MAX = 40


@dataclass(frozen=True)
class RandomSystem:
    """Local states and message bodies are small integers, and all steps are drawn from tables."""

    begins: tuple[int, ...]
    moves: dict[tuple[int, int], tuple[tuple[int, tuple[Message, ...], str | None], ...]]
    takes: dict[tuple[int, int, int], tuple[int, tuple[Message, ...]]]

    def initial(self) -> tuple[int, ...]:
        return self.begins

    def events(self, component: int, state: Hashable) -> Iterator[Event]:
        assert isinstance(state, int)
        for number, (_, _, costs) in enumerate(self.moves.get((component, state), ())):
            yield Event("move", number, costs)

    def step(self, component: int, state: Hashable, event: Event) -> Step | None:
        assert isinstance(state, int)
        assert isinstance(event.argument, int)
        new, sends, _ = self.moves[component, state][event.argument]
        return Step(new, sends)

    def receive(self, component: int, state: Hashable, message: Message) -> Step | None:
        assert isinstance(state, int)
        assert isinstance(message.body, int)
        taken = self.takes.get((component, state, message.body))
        return None if taken is None else Step(*taken)


@st.composite
def models(draw: st.DrawFn) -> Model:
    components = draw(st.integers(1, 3))
    states = st.integers(0, STATES - 1)
    sends = st.lists(st.builds(Message, st.integers(0, components - 1), st.integers(0, BODIES - 1)), max_size=2).map(tuple)
    costs = st.sampled_from((None, None, "crashes"))
    system = RandomSystem(
        tuple(draw(states) for _ in range(components)),
        draw(
            st.dictionaries(
                st.tuples(st.integers(0, components - 1), states),
                st.lists(st.tuples(states, sends, costs), max_size=2).map(tuple),
                max_size=6,
            )
        ),
        draw(
            st.dictionaries(
                st.tuples(st.integers(0, components - 1), states, st.integers(0, BODIES - 1)),
                st.tuples(states, sends),
                max_size=10,
            )
        ),
    )
    budgets = {"crashes": draw(st.integers(0, 2))}
    network = draw(st.sampled_from(Network))
    if network is Network.CONSUMED:
        for name in draw(st.sets(st.sampled_from(("drops", "duplicates")))):
            budgets[name] = draw(st.integers(0, 2))
    names = tuple(f"component {number}" for number in range(components))
    return Model(system, names, network, draw(st.integers(0, 4)), dict(sorted(budgets.items())))


class Naive(NamedTuple):
    levels: list[int]
    generated: int
    outside: int
    ends: int
    broken_at: int | None


def naive(model: Model) -> Naive:
    """A breadth-first search over whole states in a Python set. It stops behind the level that breaks a property."""
    level, seen = [first_state(model)], {first_state(model)}
    levels, generated, outside, ends = [], 0, 0, 0
    while level:
        levels.append(len(level))
        if any(breaks(model, state) for state in level):
            return Naive(levels, generated, outside, ends, len(levels) - 1)
        following = []
        for state in level:
            everything = list(successors(replace(model, messages_max=100), state))
            inside = [reached for _, reached in everything if len(reached.messages) <= model.messages_max]
            generated += len(inside)
            outside += len(everything) - len(inside)
            ends += not everything
            for reached in inside:
                if reached not in seen:
                    seen.add(reached)
                    following.append(reached)
        level = following
    return Naive(levels, generated, outside, ends, None)


def breaks(model: Model, state: GlobalState) -> bool:
    return any(not each.holds(*state.locals) for each in model.always)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(models())
def test_it_visits_the_same_states(model: Model) -> None:
    wanted = naive(model)
    exploration = Exploration(model, Limits())
    exploration.run()
    found = exploration.statistics
    assert (found.levels, found.generated, found.outside, found.ends) == wanted[:4]
    assert (found.distinct, found.depth) == (sum(wanted.levels), len(wanted.levels) - 1)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(models(), st.lists(st.integers(0, STATES - 1), min_size=3, max_size=3))
def test_it_finds_the_same_violations_by_a_shortest_way(model: Model, forbidden: list[int]) -> None:
    bad = tuple(forbidden[: len(model.component_names)])
    model = replace(model, always=(Property("not_there", "These are never met together.", lambda *all_: all_ != bad, None),))
    wanted = naive(model)
    try:
        Exploration(model, Limits()).run()
    except Broken as broken:
        assert broken.depth == wanted.broken_at
        steps = shortest(model, Limits())
        assert len(steps) == wanted.broken_at
        assert (steps[-1][1] if steps else first_state(model)).locals == bad
    else:
        assert wanted.broken_at is None


@settings(max_examples=100, derandomize=True, deadline=None)
@given(models())
def test_properties_of_one_and_of_two_components_are_asked_everywhere(model: Model) -> None:
    asked: set[tuple[Hashable, ...]] = set()

    def ask(*states: Hashable) -> bool:
        asked.add(states)
        return True

    components = len(model.component_names)
    for size in (1, 2):
        asked.clear()
        Exploration(replace(model, always=(Property("asked", "Is asked.", ask, size),)), Limits()).run()
        met: set[tuple[Hashable, ...]] = set()
        level, seen = [first_state(model)], {first_state(model)}
        while level:
            for state in level:
                met |= {(local,) for local in state.locals} if size == 1 else set()
                if size == 2:
                    met |= {
                        (state.locals[first], state.locals[second])
                        for first in range(components)
                        for second in range(first + 1, components)
                    }
            level = [
                reached
                for state in level
                for _, reached in successors(model, state)
                if reached not in seen and not seen.add(reached)  # type: ignore[func-returns-value]
            ]
        assert asked == met
