"""Every feature of the binding on random ways: the trace checker accepts them, properties hold, labels are those announced."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import cast

import pytest

from kubeproof.conformance.bindings.raft.model import model_of
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.plain import GlobalState
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace.raft import RaftChecker
from kubeproof.conformance.trace.raft_events import Event
from tests.conformance.explore.raft_walks import FEATURES, walk

WALKS, STEPS = 2, 70


def check(events: list[Event]) -> None:
    checker = RaftChecker({})
    for line, event in enumerate(events, 2):
        checker.take(line, event)


@pytest.mark.parametrize("feature", FEATURES)
def test_ways_are_runs_that_the_checker_accepts(feature: str) -> None:
    model = model_of(FEATURES[feature])
    assert model.record is not None
    labels: Counter[str] = Counter()
    for seed in range(WALKS):
        actions = []
        for action, state in walk(model, seed, STEPS):
            actions.append(action)
            labels.update(label for taken in action.taken for label in taken.step.labels)
            hold(model, state)
        events = model.record(actions)
        assert len(events) > len(actions)
        check(cast(list[Event], events))
    assert labels.keys() <= set(model.labels)
    assert labels["becomes_candidate"]


def hold(model: Model, state: GlobalState) -> None:
    for each in model.always:
        for locals_ in combinations(state.locals, each.components or len(state.locals)):
            assert each.holds(*locals_), (each.id, list(map(str, locals_)))


def test_what_happens_in_a_search_is_all_that_was_announced() -> None:
    """Of a search that is big enough; elsewhere what never happened is told."""
    model = model_of(FEATURES["single_voter"])
    exploration = Exploration(model, Limits())
    exploration.run()
    assert exploration.coverage()[1].keys() == set(model.labels)
