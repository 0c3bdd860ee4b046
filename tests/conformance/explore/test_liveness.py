"""What must be possible from everywhere, and what must happen in fair runs, against a plain search over whole states."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from kubeproof.conformance.explore import liveness
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.fairness import is_fair
from kubeproof.conformance.explore.plain import GlobalState, all_successors, first_state, successors
from kubeproof.conformance.explore.system import Action, Event, Eventually, Model, Recoverable, Step
from kubeproof.conformance.limits import Limits
from tests.conformance.explore.random_systems import STATES, models, naive, orbits, symmetric_models

Edge = tuple[GlobalState, Hashable, GlobalState]


def explored(model: Model) -> Exploration:
    exploration = Exploration(model, Limits(), numbered=True)
    exploration.run()
    return exploration


def kind(action: Action) -> Hashable:
    """What fairness is about."""
    if not action.taken:
        return None
    if action.message is not None:
        return action.message
    return action.name if action.name == "joint" else (action.component, action.name)


def edges_of(model: Model) -> tuple[set[GlobalState], list[Edge]]:
    states = naive(model).states
    return states, [(state, kind(action), reached) for state in states for action, reached in successors(model, state)]


def backwards(edges: list[Edge], goal: set[GlobalState]) -> set[GlobalState]:
    """Who can reach the goal."""
    reached, grown = set(goal), True
    while grown:
        before = len(reached)
        reached |= {source for source, _, target in edges if target in reached}
        grown = len(reached) > before
    return reached


@settings(max_examples=80, derandomize=True, deadline=None)
@given(models(), st.integers(0, STATES - 1), st.integers(0, STATES - 1), st.booleans())
def test_what_is_possible_from_everywhere(model: Model, last: int, begin: int, without: bool) -> None:
    budgets = ("crashes",) if without else ()
    wanted = Recoverable("r", "", lambda *all_: last in all_, lambda *all_: begin in all_, budgets)
    try:
        states, _ = edges_of(model)
    except ValueError:
        return
    place = list(model.budgets).index("crashes")
    edges: list[Edge] = [
        (state, None, reached)
        for state in states
        for _, reached in successors(model, state)
        if not (without and reached.budgets[place] != state.budgets[place])
    ]
    good = backwards(edges, {state for state in states if last in state.locals})
    stuck = {state for state in states if begin in state.locals} - good
    way = liveness.unrecoverable(explored(model), wanted)
    assert (way is not None) == bool(stuck)
    if way is not None:
        assert (way[-1][1] if way else first_state(model)) in stuck


@settings(max_examples=100, derandomize=True, deadline=None)
@given(symmetric_models(), st.integers(0, 2))
def test_what_is_possible_from_everywhere_is_so_of_orbits(model: Model, number: int) -> None:
    def reached(*locals_: Hashable) -> bool:
        return any(isinstance(local, tuple) and local[0] == number for local in locals_)

    wanted = Recoverable("r", "", reached)
    ways = [liveness.unrecoverable(explored(each), wanted) for each in (model, replace(model, symmetry=None))]
    assert [way is None for way in ways] in ([True, True], [False, False])
    if ways[0] is not None and ways[1] is not None:
        assert len(ways[0]) == len(ways[1])
        assert orbits(model, {ways[0][-1][1] if ways[0] else first_state(model)}) == 1


def fair_forever(inside: set[GlobalState], edges: list[Edge]) -> set[GlobalState]:
    """Emerson and Lei's fixpoint: states from which one can stay inside for ever, and fairly."""
    kinds = {what for _, what, _ in edges} - {None}
    possible = {(source, what) for source, what, _ in edges}
    staying = set(inside)
    while True:
        within = [edge for edge in edges if edge[0] in staying and edge[2] in staying]
        left = set(staying)
        for what in kinds:
            done = {source for source, each, _ in within if each == what}
            idle = {source for source, _, _ in within if (source, what) not in possible}
            left &= backwards(within, done | idle)
        left &= {source for source, _, target in within if target in left}
        if left == staying:
            return left
        staying = left


@settings(max_examples=120, derandomize=True, deadline=None)
@given(models(), st.integers(0, STATES - 1), st.integers(0, STATES - 1), st.booleans())
def test_what_happens_in_every_fair_run(model: Model, last: int, begin: int, moves_are_fair: bool) -> None:
    unfair: frozenset[str] = frozenset() if moves_are_fair else frozenset({"move"})
    wanted = Eventually("e", "", lambda *all_: last in all_, lambda *all_: begin in all_, unfair)
    try:
        states, edges = edges_of(model)
    except ValueError:
        return
    edges = [(source, None if isinstance(what, tuple) and what[1] in unfair else what, target) for source, what, target in edges]
    elsewhere = {state for state in states if last not in state.locals}
    ends = {state for state in elsewhere if not list(all_successors(model, state))}
    bad = fair_forever(elsewhere, edges) | ends
    within = [edge for edge in edges if edge[0] in elsewhere and edge[2] in elsewhere]
    expected = bool({state for state in elsewhere if begin in state.locals} & backwards(within, bad))
    lasso = liveness.never(explored(model), wanted)
    assert (lasso is not None) == expected
    if lasso is not None:
        check_lasso(model, lasso, last, begin, unfair)


def check_lasso(model: Model, lasso: liveness.Lasso, last: int, begin: int, unfair: frozenset[str]) -> None:
    way = [first_state(model), *(state for _, state in lasso.way)]
    met = max(at for at, state in enumerate(way) if begin in state.locals)
    assert all(last not in state.locals for state in way[met:])
    if not lasso.loop:
        assert not list(all_successors(model, way[-1]))
        return
    loop = [state for _, state in lasso.loop]
    assert loop[-1] == way[-1]
    assert all(last not in state.locals for state in loop)
    assert is_fair(model, loop, unfair)


class Lamp:
    """It can be switched on, once, while it blinks for ever."""

    def initial(self) -> tuple[str, str]:
        return ("off", "dark")

    def events(self, component: int, state: Hashable) -> list[Event]:
        if component == 1:
            return [Event("blink")]
        return [Event("switch")] if state == "off" else []

    def step(self, _component: int, state: Hashable, event: Event) -> Step:
        if event.name == "switch":
            return Step("on")
        return Step("bright" if state == "dark" else "dark")

    def receive(self, _component: int, _state: Hashable, _message: object) -> None:
        raise AssertionError("nothing is sent")


def lit(*states: Hashable) -> bool:
    return states[0] == "on"


def test_fairness_makes_the_difference() -> None:
    model = Model(Lamp(), ("switch", "lamp"))
    assert liveness.never(explored(model), Eventually("lit", "", lit)) is None
    lasso = liveness.never(explored(model), Eventually("lit", "", lit, unfair=frozenset({"switch"})))
    assert lasso is not None
    assert {action.name for action, _ in lasso.loop} == {"blink"}
    assert not is_fair(model, [state for _, state in lasso.loop], frozenset())


def test_what_can_be_undone_is_recoverable() -> None:
    model = Model(Lamp(), ("switch", "lamp"))
    dark = Recoverable("dark", "", lambda *states: states == ("off", "dark"))
    way = liveness.unrecoverable(explored(model), dark)
    assert way is not None
    assert [action.name for action, _ in way] == ["switch"]
    assert liveness.unrecoverable(explored(model), replace(dark, goal=lit)) is None
