"""Scenarios of leader election: what is asked for where, what is never seen, and what makes no sense together."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from kubeproof.conformance.bindings import election
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.plain import first_state, successors
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios.explore import explore
from kubeproof.conformance.scenarios.scenario import BUGS, FULL, QUICK, load, shipped
from kubeproof.conformance.verdict import InvalidInput, Verdict
from kubeproof.impl.election import MISTAKES

NAMES = {group: [path.stem for path in shipped(group) if path.stem.startswith("election-")] for group in (QUICK, FULL, BUGS)}


def test_every_mistake_has_a_scenario() -> None:
    assert {fault for name in NAMES[BUGS] for fault in load(name).faults} == set(MISTAKES)


@pytest.mark.parametrize("name", NAMES[FULL])
def test_big_scenarios_can_be_made(name: str) -> None:
    scenario = load(name)
    assert scenario.pinned()
    model = scenario.model()
    assert list(successors(model, first_state(model)))


def test_every_label_is_borne_somewhere_and_told() -> None:
    borne: Counter[str] = Counter()
    runs: tuple[dict[str, Any], ...] = (
        {"latency": True, "request_timeout": 1, "failures": 1, "lease_duration": 5, "crashes": 1},
        {
            "release_on_cancel": True,
            "cancels": 1,
            "drain": 1,
            "drain_before_release": True,
            "release_only_own": True,
            "lease_duration": 5,
        },
        {"resource": True, "writes": 5, "pauses": 1, "fencing": True},
    )
    for settings in runs:
        exploration = Exploration(election.model(**settings), Limits())
        exploration.run()
        labels = exploration.coverage()[1]
        assert labels.keys() == set(exploration.model.labels)
        borne += labels
    assert set(borne) == {
        *("started", "cancelled", "retried", "deadline exceeded", "request failed", "work returned", "crashed"),
        *("acquired", "renewed", "lost", "conflict", "left to its holder", "fell back from the fast path", "drains", "released"),
        *("lease read", "lease created", "lease renewed", "lease taken over", "request refused"),
        *("lease emptied", "free lease taken", "resource written", "fenced off"),
    }


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        ({}, {"one_guarded_leader", "release_only_own", "release_is_tried", "transitions_counted"}),
        ({"pauses": 1}, {"release_only_own", "release_is_tried", "transitions_counted"}),
        (
            {"drain": 1, "any_release": True},
            {"one_guarded_leader", "one_working_leader", "release_is_tried", "transitions_counted"},
        ),
    ],
)
def test_what_is_asked_for(settings: dict[str, Any], ids: set[str]) -> None:
    assert {each.id for each in election.model(**settings).always} == ids


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"candidates": 9}, "candidates: expected 1 to 8, got 9"),
        ({"slow_clocks": 1}, "slow_clocks: expected 0 or at least 2"),
        ({"faults": ["expiry_by_renew_time"]}, "ticks: expected a number"),
        ({"faults": ["flood"]}, "expected names of docs/exploring-election.md, got flood"),
        ({"resource": True}, "writes: expected a number"),
        ({"symmetry": True, "last_lease_duration": 5}, "symmetry: expected candidates that are alike"),
        ({"validated_timing": True, "latency": True}, "request_timeout: expected a number"),
        ({"lease_duration": 2}, "lease duration must be greater than renew deadline"),
        ({"retry_period": 2}, "renew deadline must be greater than retry period"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        election.model(**settings)


def test_a_counterexample_is_readable() -> None:
    result = explore("election-no-fencing", (), Limits())
    assert result.verdict is Verdict.VIOLATED
    evidence = result.details["evidence"]
    assert isinstance(evidence, list)
    lines = [each["what"] for each in evidence]
    assert "1. a: elector_start -> asks for the lease, get under way" in lines
    assert any("a: process_pause -> paused, leads" in line for line in lines)
    assert any("remembers lease v1 of a, age" in line for line in lines)
    assert "a: work_write" in lines[-1]
    assert "written with token 2, then by a former leader" in lines[-1]


def test_states_are_described_in_short_lines() -> None:
    texts = set()
    runs: tuple[dict[str, Any], ...] = (
        {"latency": True, "request_timeout": 1, "failures": 1, "drain": 1, "cancels": 1, "lease_duration": 6},
        {"resource": True, "writes": 3},
    )
    for settings in runs:
        exploration = Exploration(election.model(**settings), Limits())
        exploration.run()
        steps = exploration.steps
        texts |= {exploration.model.describe(state) for _, state in steps.ids.locals}
        texts |= {exploration.model.describe(each.message.body) for each in steps.ids.messages}
    assert max(map(len, texts)) < 130
    assert texts >= {
        "not started",
        "no lease",
        "lease of a",
        "lease v1 of a",
        "written with token 1",
        "write with token 1",
        "the lease was written",
        "get by a",
        "ok to a",
        "stopped",
        "still works (for 0), stopped",
        "leads, has renewed (0 ago), remembers lease of a, age 0",
        "leads, renews (2 left), get under way, remembers lease of b, age 0, given up: update to b by b",
        "waits for the lease (1 ago), remembers old lease of a, age 1",
    }
