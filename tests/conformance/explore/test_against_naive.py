"""The explorer against a plain search over whole states: the same states, levels, successors, verdict and shortest length."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeproof.conformance.explore.counterexample import decoded, shortest
from kubeproof.conformance.explore.explorer import DEADLOCK, Broken, Exploration
from kubeproof.conformance.explore.plain import all_successors, first_state, successors
from kubeproof.conformance.explore.system import Model, Property
from kubeproof.conformance.limits import Limits
from tests.conformance.explore.random_systems import (
    STATES,
    breaks,
    models,
    naive,
    orbits,
    symmetric_models,
    without_symmetry,
)

ENDLESS = "synchronous messages come to an end"


def explored(model: Model, **how: object) -> Exploration:
    exploration = Exploration(model, Limits(), **how)  # type: ignore[arg-type]
    exploration.run()
    return exploration


@settings(max_examples=400, derandomize=True, deadline=None)
@given(models(), st.sampled_from(({}, {"threads": 2}, {"exact": True}, {"numbered": True})))
def test_it_visits_the_same_states(model: Model, how: dict[str, object]) -> None:
    try:
        wanted = naive(model)
    except ValueError:
        with pytest.raises(ValueError, match=ENDLESS):
            explored(model, **how)
        return
    found = explored(model, **how).statistics
    assert (found.levels, found.generated, found.outside, found.ends) == wanted[:4]
    assert (found.distinct, found.depth) == (len(wanted.states), len(wanted.levels) - 1)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(models())
def test_numbered_states_and_edges_are_those_of_the_plain_search(model: Model) -> None:
    try:
        states = naive(model).states
    except ValueError:
        return
    exploration = explored(model, numbered=True)
    assert exploration.stored is not None
    by_number = [decoded(exploration, row.tolist()) for row in exploration.stored.rows]
    assert set(by_number) == states
    edges = sorted((int(source), repr(by_number[target])) for source, target, _ in zip(*exploration.edges, strict=True))
    wanted = [(at, repr(reached)) for at, state in enumerate(by_number) for _, reached in successors(model, state)]
    assert edges == sorted(wanted)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(models(), st.lists(st.integers(0, STATES - 1), min_size=3, max_size=3), st.sampled_from((1, 2)))
def test_it_finds_the_same_violations_by_a_shortest_way(model: Model, forbidden: list[int], threads: int) -> None:
    bad = tuple(forbidden[: len(model.component_names)])
    model = replace(model, always=(Property("not_there", "These are never met together.", lambda *all_: all_ != bad, None),))
    try:
        wanted = naive(model)
    except ValueError:
        return
    broken_at = len(wanted.levels) - 1 if any(breaks(model, state) for state in wanted.states) else None
    try:
        explored(model, threads=threads)
    except Broken as broken:
        assert broken.depth == broken_at
        property_, way = shortest(model, Limits())
        assert property_.id == "not_there"
        assert len(way) == broken_at
        assert (way[-1][1] if way else first_state(model)).locals == bad
    else:
        assert broken_at is None


@settings(max_examples=100, derandomize=True, deadline=None)
@given(models())
def test_properties_of_one_two_and_all_components_are_asked_everywhere(model: Model) -> None:
    asked: set[tuple[Hashable, ...]] = set()

    def ask(*states: Hashable) -> bool:
        asked.add(states)
        return True

    try:
        states = naive(model).states
    except ValueError:
        return
    for size in (1, 2, None):
        asked.clear()
        explored(replace(model, always=(Property("asked", "Is asked.", ask, size),)))
        chosen = len(model.component_names) if size is None else size
        assert asked == {each for state in states for each in combinations(state.locals, chosen)}


@settings(max_examples=100, derandomize=True, deadline=None)
@given(models(), st.integers(0, STATES - 1))
def test_a_deadlock_is_a_state_without_successors_that_is_no_end(model: Model, last: int) -> None:
    model = replace(model, may_end=lambda *locals_: last in locals_)
    try:
        states = naive(model).states
    except ValueError:
        return
    deadlocks = [state for state in states if last not in state.locals and not list(all_successors(model, state))]
    try:
        explored(model)
    except Broken as broken:
        assert broken.property is DEADLOCK
        assert deadlocks
        _, way = shortest(model, Limits())
        assert len(way) == broken.depth
        assert (way[-1][1] if way else first_state(model)) in deadlocks
    else:
        assert not deadlocks


@settings(max_examples=200, derandomize=True, deadline=None)
@given(symmetric_models(), st.integers(1, 2))
def test_of_each_orbit_one_state_is_visited(model: Model, threads: int) -> None:
    plain = naive(without_symmetry(model))
    found = explored(model, threads=threads).statistics
    assert found.distinct == orbits(model, plain.states)
    assert found.depth == len(plain.levels) - 1


@settings(max_examples=150, derandomize=True, deadline=None)
@given(symmetric_models(), st.integers(0, 2), st.integers(1, 3))
def test_reduced_and_unreduced_verdicts_agree(model: Model, number: int, many: int) -> None:
    def few(*locals_: object) -> bool:
        there = [local for local in locals_ if isinstance(local, tuple) and local[0] == number]
        return len(there) < many

    model = replace(model, always=(Property("few", "Not so many are in this state.", few, None),))
    lengths = []
    for each in (model, without_symmetry(model)):
        try:
            explored(each)
        except Broken as broken:
            _, way = shortest(each, Limits())
            assert len(way) == broken.depth
            lengths.append(len(way))
    assert len(lengths) in (0, 2)
    assert len(set(lengths)) < 2
