"""Weak fairness: a run in which something is possible for ever and never happens is none that counts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kubeproof.conformance.explore.compiled import graph
from kubeproof.conformance.explore.compiled.hashing import Ints, Numbers
from kubeproof.conformance.explore.local_steps import LocalSteps
from kubeproof.conformance.explore.plain import GlobalState, UnderWay, all_successors
from kubeproof.conformance.explore.system import Action, Model

Marks = NDArray[np.bool_]


class Duty(NamedTuple):
    """To go round fairly is to visit one of these states, where something is not possible, or to take one of these edges."""

    idle: Marks
    edges: set[tuple[int, int]]

    def is_done(self, way: Sequence[int]) -> bool:
        """Whether a way along these states does it."""
        return any(self.idle[state] for state in way) or any(step in self.edges for step in pairwise(way))


def classes_of(steps: LocalSteps, via: Ints, unfair: frozenset[str]) -> Ints:
    """For each edge the number of what fairness is about, -1 for what need not happen."""
    kinds: dict[Hashable, int] = {None: -1}
    numbers = []
    each, which = np.unique(via, return_inverse=True)
    for one in each.tolist():
        kind = steps.kind(one)
        name = kind[1] if isinstance(kind, tuple) and not isinstance(kind, UnderWay) else kind
        numbers.append(-1 if name in unfair else kinds.setdefault(kind, len(kinds)))
    classes: Ints = np.array(numbers, np.int32)[which]
    return classes


def fair_component(component: Ints, source: Ints, target: Ints, classes: Ints) -> int | None:
    """A strongly connected component in which one can go round fairly: whatever is possible everywhere in it is done inside."""
    begins = component[source] >= 0
    stays = begins & (component[source] == component[target])
    sizes = np.bincount(component[component >= 0])
    fair = np.zeros(len(sizes), np.bool_)
    fair[component[source[stays]]] = True
    concerned = begins & (classes >= 0)
    possible = _distinct(component[source[concerned]], classes[concerned], source[concerned])
    kinds, times = np.unique(possible[:, :2], axis=0, return_counts=True)
    done = set(map(tuple, _distinct(component[source[stays]], classes[stays]).tolist()))
    for number, class_ in kinds[times == sizes[kinds[:, 0]]].tolist():
        if (number, class_) not in done:
            fair[number] = False
    return int(np.argmax(fair)) if fair.any() else None


def _distinct(*columns: Ints) -> Ints:
    return np.unique(np.stack(columns, axis=1), axis=0)


def duties(members: Marks, source: Ints, target: Ints, classes: Ints) -> list[Duty]:
    """What must be done in a component, one duty for each class."""
    begins = members[source] & (classes >= 0)
    found = []
    for each in np.unique(classes[begins]).tolist():
        of_class = begins & (classes == each)
        idle = members.copy()
        idle[source[of_class]] = False
        stays = of_class & members[target]
        found.append(Duty(idle, set(zip(source[stays].tolist(), target[stays].tolist(), strict=True))))
    return found


def round_trip(first: Numbers, targets: Ints, members: Marks, wanted: Sequence[Duty]) -> list[int]:
    """States of a component one after the other, the first again at the end, so that all duties are done."""
    begin = int(np.argmax(members))
    way = [begin]
    for duty in wanted:
        if not duty.is_done(way):
            goals = duty.idle.copy()
            goals[[source for source, _ in duty.edges]] = True
            if not goals[way[-1]]:
                way += graph.way_between(first, targets, members, way[-1], goals).tolist()[1:]
            if not duty.idle[way[-1]]:
                way.append(next(target for source, target in duty.edges if source == way[-1]))
    if len(way) == 1 or way[-1] != begin:
        back = np.zeros_like(members)
        back[begin] = True
        way += graph.way_between(first, targets, members, way[-1], back).tolist()[1:]
    return way


# ---- the same in the plain semantics


def is_fair(model: Model, loop: Sequence[GlobalState], unfair: frozenset[str]) -> bool:
    """Whether to go round through these states is fair, by the plain semantics: the last state leads to the first."""
    always: set[Hashable] | None = None
    done: set[Hashable] = set()
    for state, following in zip(loop, [*loop[1:], loop[0]], strict=True):
        possible: dict[Hashable, list[GlobalState]] = {}
        for action, reached in all_successors(model, state):
            kind = _kind(model, action)
            if kind is not None and len(reached.messages) <= model.messages_max and action.name not in unfair:
                possible.setdefault(kind, []).append(reached)
        done |= {kind for kind, reached in possible.items() if following in reached}
        always = set(possible) if always is None else always & set(possible)
    return always is not None and always <= done


def _kind(model: Model, action: Action) -> Hashable:
    """What fairness is about, as in LocalSteps.kind."""
    if not action.taken:
        return None
    if action.message is not None:
        return action.message
    if any(action.name == joint.name for joint in model.joint_events):
        return action.name
    return action.component, action.name
