"""What must be possible from everywhere (AG EF), and what must happen in every fair run, judged on the whole graph of states.

Fairness is weak fairness: nothing stays possible for ever without ever happening (system.Eventually names what may).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kubeproof.conformance.explore.compiled import graph
from kubeproof.conformance.explore.compiled.hashing import Ints, Numbers
from kubeproof.conformance.explore.counterexample import Way, way_along, way_to
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.fairness import Marks, classes_of, duties, fair_component, is_fair, round_trip
from kubeproof.conformance.explore.system import Eventually, Recoverable


class Lasso(NamedTuple):
    """A run that never comes to the goal: after `way` it goes round `loop` for ever; without one, nothing can happen any more."""

    way: Way
    loop: Way


def unrecoverable(exploration: Exploration, wanted: Recoverable) -> Way | None:
    """A shortest way to a state from which the goal cannot be reached any more, None if there is none."""
    source, target, via = exploration.edges
    steps = exploration.steps
    excluded = [steps.budgets.cost_of(budget) for budget in wanted.without]
    allowed = ~np.isin(steps.costs(via), excluded)
    goal = marks(exploration, wanted.goal)
    first, targets = graph.by_source(target[allowed], source[allowed], len(goal))
    stuck = marks(exploration, wanted.when) & ~graph.reachable(first, targets, goal)
    return way_to(exploration, int(np.argmax(stuck))) if stuck.any() else None


def never(exploration: Exploration, wanted: Eventually) -> Lasso | None:
    """A fair run that never comes to the goal, None if there is none."""
    if exploration.model.symmetry is not None:
        raise ValueError("fair runs are looked for among all states, not only among one of each orbit")
    source, target, via = exploration.edges
    elsewhere = ~marks(exploration, wanted.goal)
    first, targets = graph.by_source(source, target, len(elsewhere))
    between = elsewhere[source] & elsewhere[target]
    inner_first, inner_targets = graph.by_source(source[between], target[between], len(elsewhere))
    inside = graph.reachable(inner_first, inner_targets, elsewhere & marks(exploration, wanted.when))
    for state in exploration.ended:
        if inside[state]:
            return Lasso(_way_within(exploration, first, targets, wanted, inside, state), [])
    component = graph.components(inner_first, inner_targets, inside)
    classes = classes_of(exploration.steps, via, wanted.unfair)
    fair = fair_component(component, source, target, classes)
    if fair is None:
        return None
    members = component == fair
    loop = round_trip(inner_first, inner_targets, members, duties(members, source, target, classes))
    lasso = Lasso(_way_within(exploration, first, targets, wanted, inside, loop[0]), way_along(exploration, loop))
    states = [reached for _, reached in lasso.loop]
    assert is_fair(exploration.model, states, wanted.unfair), "the explorer's loop is not fair"
    return lasso


def marks(exploration: Exploration, holds: Callable[..., bool]) -> Marks:
    """For each numbered state whether this holds of its local states."""
    assert exploration.stored is not None
    locals_ = np.ascontiguousarray(exploration.stored.rows[:, : len(exploration.model.component_names)])
    as_one = locals_.view(np.dtype((np.void, locals_.itemsize * locals_.shape[1]))).ravel()
    _, at, which = np.unique(as_one, return_index=True, return_inverse=True)
    known = exploration.steps.ids.states
    answers = np.array([holds(*[known[local] for local in row]) for row in locals_[at].tolist()], np.bool_)
    marked: Marks = answers[which]
    return marked


def _way_within(exploration: Exploration, first: Numbers, targets: Ints, wanted: Eventually, inside: Marks, state: int) -> Way:
    """A way to a state that, from some state for which `when` holds on, does not come to the goal."""
    begin = np.flatnonzero(marks(exploration, wanted.when) & inside)
    goal = np.zeros_like(inside)
    goal[state] = True
    for at in begin.tolist():
        if at == state:
            return way_to(exploration, state)
        between = graph.way_between(first, targets, inside, at, goal).tolist()
        if between:
            return way_to(exploration, at) + way_along(exploration, between)
    raise AssertionError("a state that can be reached cannot be reached")
