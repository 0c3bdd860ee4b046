"""Scenarios of etcd's members: mistakes come about as they were reported; what is asked for where, and what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from kubeproof.conformance.bindings import etcd
from kubeproof.conformance.explore.counterexample import shortest
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.plain import first_state, successors
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios.scenario import BUGS, FULL, QUICK, load, shipped
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.etcd.faults import MISTAKES
from kubeproof.impl.raft.faults import MISTAKES as RAFT_MISTAKES

NAMES = {group: [path.stem for path in shipped(group) if path.stem.startswith("etcd-")] for group in (QUICK, FULL, BUGS)}


def test_scenarios_name_mistakes_that_there_are() -> None:
    assert {fault for name in NAMES[BUGS] for fault in load(name).faults} <= {*MISTAKES, *RAFT_MISTAKES}
    assert len(NAMES[BUGS]) >= 5


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("etcd-answered-before-sync", ["write", "step", "step"]),
        ("etcd-defragment-crash", ["defragment", "crash"]),
        ("etcd-two-snapshots", ["receive", "step"]),
        ("etcd-served-before-ready", ["read", "step", "step", "step", "step"]),
    ],
)
def test_a_mistake_comes_about_as_it_was_reported(name: str, last: list[str]) -> None:
    scenario = load(name)
    broken, way = shortest(scenario.model(), Limits())
    assert broken.id == scenario.property
    assert [action.name for action, _ in way][-len(last) :] == last


@pytest.mark.parametrize("name", NAMES[FULL])
def test_big_scenarios_can_be_made(name: str) -> None:
    scenario = load(name)
    assert scenario.pinned()
    model = scenario.model()
    assert list(successors(model, first_state(model)))


@pytest.mark.parametrize("fault", ["read_index_id_reused", "read_index_context_reused"])
def test_either_half_of_the_mistake_alone_shows_nothing(fault: str) -> None:
    """etcd and Raft have each mended their own (etcd#20418, raft#397)."""
    settings: dict[str, Any] = {"members": 3, "terms": 3, "reads": 1, "read_retries": 2, "candidates": 1}
    Exploration(etcd.model(**settings, unaware=True, faults=[fault]), Limits()).run()


SAFE = {
    "no_panic",
    "acknowledged_writes_survive",
    "applied_in_order",
    "reads_are_linearizable",
    "reads_what_was_written",
    "applied_once",
    "has_what_was_written",
    "members_agree",
}


@pytest.mark.parametrize(
    ("settings", "ids", "witnesses"),
    [
        ({}, SAFE | {"acknowledged_writes_are_durable"}, set()),
        ({"stepwise": 1, "crashes": 1}, SAFE | {"acknowledged_writes_are_durable"}, {"an_unsynced_write", "a_replay"}),
        ({"members": 3, "terms": 3}, SAFE, {"a_deposed_leader"}),
        ({"members": 2, "learners": 1, "snapshot_count": 1}, SAFE, {"a_snapshot", "a_cut_log"}),
    ],
)
def test_what_is_asked_for(settings: dict[str, Any], ids: set[str], witnesses: set[str]) -> None:
    model = etcd.model(**settings)
    assert {each.id for each in model.always} == ids
    assert {each.id for each in model.sometimes} == witnesses


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"learners": 1}, "learners: expected 0 to 0, got 1"),
        ({"unaware": True}, "unaware: expected more than one voter"),
        ({"faults": ["nope"]}, "expected names of docs/etcd.md or docs/faults.md, got nope"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        etcd.model(**settings)
