"""Random walks for what is too big to exhaust: they prove nothing, but what they find is a counterexample like any other.

Each walk has its own liking for each kind of event of each component, and for each link (swarm testing: Groce et al., ISSTA
2012), so that in some a component hardly ever times out, and in others what it sends to one of them is slow. What is found is
made short: first steps are left out as long as the property is still broken (delta debugging, by halves), then shorter ways
between its states are looked for by searching around it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from random import Random
from typing import NamedTuple

from kubeproof.conformance.explore.counterexample import Way
from kubeproof.conformance.explore.plain import RECEIVE, GlobalState, Move, first_state, is_inside, moves, take
from kubeproof.conformance.explore.system import Action, Event, Local, Message, Model, Property, Step, System
from kubeproof.conformance.limits import LimitReached, Limits

LIKINGS = (0.1, 0.3, 1.0, 3.0)
RECEIVED = 3.0
"""Messages are delivered that much more readily than anything else is done."""
LENGTH = 60
"""Steps of a walk."""
AROUND = 2_000
"""States that are visited from each state of a counterexample, to find a shorter way."""


class Found(NamedTuple):
    """A property that is broken in the last state of a way, after so many walks."""

    property: Property
    way: Way
    walks: int


class Remembering:
    """A system that is asked everything once."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._events: dict[tuple[int, Local], tuple[Event, ...]] = {}
        self._steps: dict[tuple[int, Local, Event | Message], Step | None] = {}

    def initial(self) -> Sequence[Local]:
        return self._system.initial()

    def events(self, component: int, state: Local) -> Iterable[Event]:
        key = component, state
        if key not in self._events:
            self._events[key] = tuple(self._system.events(component, state))
        return self._events[key]

    def step(self, component: int, state: Local, event: Event) -> Step | None:
        key = component, state, event
        if key not in self._steps:
            self._steps[key] = self._system.step(component, state, event)
        return self._steps[key]

    def receive(self, component: int, state: Local, message: Message) -> Step | None:
        key = component, state, message
        if key not in self._steps:
            self._steps[key] = self._system.receive(component, state, message)
        return self._steps[key]

    @property
    def steps(self) -> int:
        """How many steps it was asked for."""
        return len(self._steps)


class Walker:
    """Walks through a model's states, and shortens what it finds. `taken` counts all steps of walks."""

    def __init__(self, model: Model, seed: int, limits: Limits) -> None:
        self._system = Remembering(model.system)
        self._model = replace(model, system=self._system)
        self._random = Random(seed)
        self._limits = limits
        self._judged: dict[tuple[Local, ...], Property | None] = {}
        self.taken = 0

    @property
    def local_steps(self) -> int:
        """How many steps the system was asked for."""
        return self._system.steps

    def walk(self, walks: int) -> Found | None:
        """The first violation in so many walks, made short. LimitReached."""
        for number in range(1, walks + 1):
            made = self._walk()
            if made is not None:
                property_, path = made
                return Found(property_, self._way(self._shortened(property_, path)), number)
        return None

    def _walk(self) -> tuple[Property, list[Move]] | None:
        likings: dict[Hashable, float] = {}
        state, path = first_state(self._model), list[Move]()
        for _ in range(LENGTH):
            self._limits.check()
            chosen = self._chosen(state, likings)
            if chosen is None:
                return None
            move, (action, state) = chosen
            path.append(move)
            self.taken += 1
            if (wrong := self._broken(state, action)) is not None:
                return wrong, path
        return None

    def _chosen(self, state: GlobalState, likings: dict[Hashable, float]) -> tuple[Move, tuple[Action, GlobalState]] | None:
        """One of the possible moves; None if there is none."""
        waiting = list(moves(self._model, state))
        weights = [self._liking(move, likings) for move in waiting]
        while waiting:
            place = self._random.choices(range(len(waiting)), weights)[0]
            move = waiting.pop(place)
            weights.pop(place)
            reached = take(self._model, state, move)
            if reached is not None and is_inside(self._model, reached[1]):
                return move, reached
        return None

    def _liking(self, move: Move, likings: dict[Hashable, float]) -> float:
        """That of this walk, which is drawn when it is first needed."""
        whose = _whose(move)
        if whose not in likings:
            likings[whose] = self._random.choice(LIKINGS) * (RECEIVED if move.name == RECEIVE else 1)
        return likings[whose]

    def _broken(self, state: GlobalState, action: Action) -> Property | None:
        """The first property that an action has broken."""
        changed = {each.component for each in action.taken}
        components = range(len(state.locals))
        for size in (1, 2, len(components)):
            for chosen in combinations(components, size):
                if not changed.isdisjoint(chosen):
                    wrong = self._judge(tuple([state.locals[component] for component in chosen]))
                    if wrong is not None:
                        return wrong
        return None

    def _judge(self, chosen: tuple[Local, ...]) -> Property | None:
        if chosen not in self._judged:
            everybody = len(self._model.component_names)
            asked = [each for each in self._model.always if (each.components or everybody) == len(chosen)]
            self._judged[chosen] = next((each for each in asked if not each.holds(*chosen)), None)
        return self._judged[chosen]

    # ---- making it short

    def _taken(self, path: Iterable[Move]) -> Iterator[tuple[Move, Action, GlobalState]]:
        """Those of the moves that can be made, one after the other, and where they lead."""
        state = first_state(self._model)
        for move in path:
            if move not in set(moves(self._model, state)):
                continue
            reached = take(self._model, state, move)
            if reached is not None and is_inside(self._model, reached[1]):
                action, state = reached
                yield move, action, state

    def _way(self, path: Iterable[Move]) -> Way:
        return [(action, state) for _, action, state in self._taken(path)]

    def _kept(self, wanted: Property, path: Iterable[Move]) -> list[Move] | None:
        """The moves up to the one that breaks the property; None if none does."""
        kept = []
        for move, action, state in self._taken(path):
            kept.append(move)
            if self._broken(state, action) is wanted:
                return kept
        return None

    def _shortened(self, wanted: Property, path: list[Move]) -> list[Move]:
        """As short as there is time to make it: what was found is told in any case."""
        for made_shorter in (self._shrunk, self._around):
            try:
                path = made_shorter(wanted, path)
            except LimitReached:
                break
        return path

    def _shrunk(self, wanted: Property, path: list[Move]) -> list[Move]:
        size = max(1, len(path) // 2)
        while size:
            at, shorter = 0, False
            while at < len(path):
                self._limits.check()
                kept = self._kept(wanted, path[:at] + path[at + size :])
                if kept is not None and len(kept) < len(path):
                    path, shorter = kept, True
                else:
                    at += size
            size = size if shorter and size == 1 else size // 2
        return path

    def _around(self, wanted: Property, path: list[Move]) -> list[Move]:
        """Take shorter ways between states of the path, until there are none nearby."""
        at = 0
        while at < len(path):
            shorter = self._short_cut(wanted, path, at)
            if shorter is None:
                at += 1
            else:
                path, at = self._shrunk(wanted, shorter), 0
        return path

    def _short_cut(self, wanted: Property, path: list[Move], at: int) -> list[Move] | None:
        """A shorter path that leaves this one after `at` moves, and comes back to it or breaks the property by itself."""
        states = [first_state(self._model), *(state for _, _, state in self._taken(path))]
        later = {_without_budgets(state): place for place, state in enumerate(states) if place > at}
        seen = {states[at]}
        waiting: deque[tuple[GlobalState, tuple[Move, ...]]] = deque([(states[at], ())])
        while waiting and len(seen) < AROUND:
            self._limits.check()
            state, detour = waiting.popleft()
            if at + len(detour) + 1 >= len(path):
                return None
            for move in moves(self._model, state):
                reached = take(self._model, state, move)
                if reached is None or reached[1] in seen or not is_inside(self._model, reached[1]):
                    continue
                made = (*detour, move)
                if self._broken(reached[1], reached[0]) is wanted:
                    return path[:at] + list(made)
                place = later.get(_without_budgets(reached[1]), 0)
                if place > at + len(made):
                    kept = self._kept(wanted, path[:at] + list(made) + path[place:])
                    if kept is not None and len(kept) < len(path):
                        return kept
                seen.add(reached[1])
                waiting.append((reached[1], made))
        return None


def _whose(move: Move) -> Hashable:
    """An event of components, or what happens on a link."""
    if move.under_way is None:
        return move.name, *(component for component, _ in move.events)
    return move.name, move.under_way.sender, move.under_way.message.to


def _without_budgets(state: GlobalState) -> Hashable:
    return state.locals, state.messages
