"""Random small systems, and a plain breadth-first search over their whole states."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from typing import NamedTuple

from hypothesis import strategies as st

from kubeproof.conformance.explore.plain import GlobalState, UnderWay, all_successors, first_state, is_inside
from kubeproof.conformance.explore.system import Event, JointEvent, Message, Model, Network, Step, Symmetry

STATES = 4
BODIES = 3
PARTS = 2


@dataclass(frozen=True)
class RandomSystem:
    """Local states and message bodies are small integers, and all steps are drawn from tables."""

    begins: tuple[int, ...]
    moves: dict[tuple[int, int], tuple[tuple[int, tuple[Message, ...], str | None, tuple[int, ...]], ...]]
    together: dict[tuple[int, int, int], tuple[int, tuple[Message, ...]]]
    takes: dict[tuple[int, int, int], tuple[int, tuple[Message, ...]]]

    def initial(self) -> tuple[int, ...]:
        return self.begins

    def events(self, component: int, state: Hashable) -> Iterator[Event]:
        assert isinstance(state, int)
        for number, (_, _, costs, _) in enumerate(self.moves.get((component, state), ())):
            yield Event("move", number, costs)

    def step(self, component: int, state: Hashable, event: Event) -> Step | None:
        assert isinstance(state, int)
        assert isinstance(event.argument, int)
        if event.name == "part":
            taken = self.together.get((component, state, event.argument))
            return None if taken is None else Step(*taken)
        new, sends, _, cuts = self.moves[component, state][event.argument]
        return Step(new, sends, cuts=cuts)

    def receive(self, component: int, state: Hashable, message: Message) -> Step | None:
        assert isinstance(state, int)
        assert isinstance(message.body, int)
        taken = self.takes.get((component, state, message.body))
        return None if taken is None else Step(*taken)


@st.composite
def models(draw: st.DrawFn) -> Model:
    """One to three components, any network, up to two joint events; messages may be synchronous, FIFO links break or be full."""
    components = draw(st.integers(1, 3))
    network = draw(st.sampled_from(Network))
    who, states = st.integers(0, components - 1), st.integers(0, STATES - 1)
    message = st.builds(Message, who, st.integers(0, BODIES - 1), st.sampled_from((False, False, False, True)))
    sends = st.lists(message, max_size=2).map(tuple)
    costs = st.sampled_from((None, None, "crashes"))
    cuts = st.sets(who, max_size=2).map(tuple) if network is Network.FIFO else st.just(())
    step = st.tuples(states, sends)
    system = RandomSystem(
        tuple(draw(states) for _ in range(components)),
        draw(
            st.dictionaries(
                st.tuples(who, states), st.lists(st.tuples(states, sends, costs, cuts), max_size=2).map(tuple), max_size=6
            )
        ),
        draw(st.dictionaries(st.tuples(who, states, st.integers(0, PARTS - 1)), step, max_size=8)),
        draw(st.dictionaries(st.tuples(who, states, st.integers(0, BODIES - 1)), step, max_size=10)),
    )
    budgets: dict[str, int | None] = {"crashes": draw(st.integers(0, 2))}
    if network is not Network.KEPT:
        for name in sorted(draw(st.sets(st.sampled_from(("drops", "duplicates"))))):
            budgets[name] = draw(st.sampled_from((0, 1, 2, None)))
    part = st.one_of(st.none(), st.builds(Event, st.just("part"), st.integers(0, PARTS - 1), st.none()))
    joint = st.builds(JointEvent, st.just("joint"), st.tuples(*[part] * components).filter(any), costs)
    names = tuple(f"component {number}" for number in range(components))
    joint_events = tuple(draw(st.lists(joint, max_size=2)))
    link_max = draw(st.sampled_from((None, 0, 1, 2))) if network is Network.FIFO else None
    return Model(system, names, network, draw(st.integers(0, 4)), link_max, budgets, joint_events)


@dataclass(frozen=True)
class Friends:
    """Interchangeable components: a state is a number and a friend, a body a number and its sender; tables know only relations.

    A rule is (new number, whether the other becomes the friend, what is sent to the friend, what to everybody else).
    """

    size: int
    moves: dict[tuple[int, bool], tuple[tuple[int, bool, int | None, int | None], ...]]
    takes: dict[tuple[int, int, bool], tuple[int, bool, int | None, int | None]]

    def initial(self) -> tuple[Hashable, ...]:
        return tuple((0, own) for own in range(self.size))

    def events(self, component: int, state: Hashable) -> Iterator[Event]:
        assert isinstance(state, tuple)
        number, friend = state
        for rule in self.moves.get((number, friend == component), ()):
            yield Event("move", rule)

    def step(self, component: int, state: Hashable, event: Event) -> Step | None:
        return self._by_rule(component, state, component, event.argument)

    def receive(self, component: int, state: Hashable, message: Message) -> Step | None:
        assert isinstance(state, tuple)
        assert isinstance(message.body, tuple)
        (number, friend), (said, sender) = state, message.body
        rule = self.takes.get((number, said, friend == sender))
        return None if rule is None else self._by_rule(component, state, sender, rule)

    def _by_rule(self, component: int, state: Hashable, other: int, rule: Hashable) -> Step:
        assert isinstance(state, tuple)
        assert isinstance(rule, tuple)
        new, befriends, to_friend, to_all = rule
        friend = other if befriends else state[1]
        sends = [] if to_friend is None else [Message(friend, (to_friend, component))]
        if to_all is not None:
            sends += [Message(to, (to_all, component)) for to in range(self.size) if to != component]
        return Step((new, friend), tuple(sends))


def rename(value: Hashable, permutation: tuple[int, ...]) -> Hashable:
    """States and bodies are a number and a component."""
    assert isinstance(value, tuple)
    number, component = value
    return number, permutation[component]


@st.composite
def symmetric_models(draw: st.DrawFn) -> Model:
    """Two or three interchangeable components."""
    size = draw(st.integers(2, 3))
    said = st.sampled_from((None, None, 0, 1))
    rule = st.tuples(st.integers(0, 2), st.booleans(), said, said)
    system = Friends(
        size,
        draw(st.dictionaries(st.tuples(st.integers(0, 2), st.booleans()), st.lists(rule, max_size=2).map(tuple), max_size=5)),
        draw(st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 1), st.booleans()), rule, max_size=8)),
    )
    names = tuple(f"component {number}" for number in range(size))
    symmetry = Symmetry(tuple(range(size)), rename)
    return Model(system, names, draw(st.sampled_from(Network)), draw(st.integers(1, 3)), symmetry=symmetry)


class Naive(NamedTuple):
    """What a plain search finds."""

    levels: list[int]
    generated: int
    outside: int
    ends: int
    states: set[GlobalState]


def naive(model: Model) -> Naive:
    """A breadth-first search over whole states in a Python set. It stops behind the level that breaks a property."""
    level, seen = [first_state(model)], {first_state(model)}
    levels, generated, outside, ends = [], 0, 0, 0
    while level:
        levels.append(len(level))
        if any(breaks(model, state) for state in level):
            break
        following = []
        for state in level:
            everything = list(all_successors(model, state))
            inside = [reached for _, reached in everything if is_inside(model, reached)]
            generated += len(inside)
            outside += len(everything) - len(inside)
            ends += not everything
            for reached in inside:
                if reached not in seen:
                    seen.add(reached)
                    following.append(reached)
        level = following
    return Naive(levels, generated, outside, ends, seen)


def breaks(model: Model, state: GlobalState) -> bool:
    """Whether the state breaks a property of all local states."""
    return any(not each.holds(*state.locals) for each in model.always)


def orbits(model: Model, states: set[GlobalState]) -> int:
    """How many states there are if renamed ones count as one."""
    size = len(model.component_names)
    return len({min(map(repr, (renamed(state, each) for each in permutations(range(size))))) for state in states})


def renamed(state: GlobalState, permutation: tuple[int, ...]) -> GlobalState:
    """A renamed image of a state of Friends."""
    locals_: list[Hashable] = [None] * len(permutation)
    for component, local in enumerate(state.locals):
        locals_[permutation[component]] = rename(local, permutation)
    messages = [
        UnderWay(
            Message(permutation[each.message.to], rename(each.message.body, permutation)),
            each.sender if each.sender < 0 else permutation[each.sender],
        )
        for each in state.messages
    ]
    in_order = any(each.sender >= 0 for each in messages)
    messages.sort(key=(lambda each: (each.sender, each.message.to)) if in_order else repr)
    return GlobalState(tuple(locals_), tuple(messages), state.budgets)


def without_symmetry(model: Model) -> Model:
    """The same, unreduced."""
    return replace(model, symmetry=None)
