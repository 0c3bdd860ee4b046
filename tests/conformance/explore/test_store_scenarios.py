"""Scenarios of the store: mistakes come about as they were reported; what is asked for where, and what makes no sense."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from kubeproof.conformance.bindings import store
from kubeproof.conformance.bindings.store import labels
from kubeproof.conformance.explore.counterexample import shortest
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.plain import first_state, successors
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios.scenario import BUGS, FULL, QUICK, load, shipped
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.store import MISTAKES

NAMES = {group: [path.stem for path in shipped(group) if path.stem.startswith("store-")] for group in (QUICK, FULL, BUGS)}


def test_scenarios_name_mistakes_that_there_are() -> None:
    assert {fault for name in NAMES[BUGS] for fault in load(name).faults} <= set(MISTAKES)
    assert len(NAMES[BUGS]) >= 11


@pytest.mark.parametrize("name", NAMES[BUGS])
def test_a_mistake_breaks_its_property(name: str) -> None:
    scenario = load(name)
    broken, way = shortest(scenario.model(), Limits())
    assert broken.id == scenario.property
    assert way


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("store-compaction-forgotten", ["compact_remove_batch", "compact_remove_batch", "crash"]),
        ("store-lone-tombstone", ["compact_remove_batch", "crash", "compact_remove_batch"]),
        ("store-consistent-index-apart", ["propose", "apply", "crash"]),
        ("store-lease-revoked-apart", ["apply", "apply", "crash"]),
        ("store-second-change-compacted", ["apply", "compact_remove_batch", "compact_remove_batch"]),
    ],
)
def test_a_mistake_comes_about_as_it_was_reported(name: str, last: list[str]) -> None:
    way = shortest(load(name).model(), Limits())[1]
    assert [action.name for action, _ in way][-len(last) :] == last


@pytest.mark.parametrize("name", NAMES[FULL])
def test_big_scenarios_can_be_made(name: str) -> None:
    scenario = load(name)
    assert scenario.pinned()
    model = scenario.model()
    assert list(successors(model, first_state(model)))


def test_every_label_is_borne_somewhere_and_told() -> None:
    borne: Counter[str] = Counter()
    runs: tuple[dict[str, Any], ...] = (
        {"proposals": 3, "compactions": 1, "crashes": 1},
        {"past_reads": True, "compactions": 1},
        {"leases": True},
        {"unknown_sort": True},
        {"unknown_sort": True, "faults": ["unknown_sort_target_accepted"]},
    )
    for settings in runs:
        exploration = Exploration(store.model(**settings), Limits())
        with suppress(Broken):
            exploration.run()
            assert exploration.coverage()[1].keys() == set(exploration.model.labels)
        borne += exploration.coverage()[1]
    assert set(borne) == {each for name, each in vars(labels).items() if name.isupper() and isinstance(each, str)}


SAFE = {"no_panic", "one_change_of_a_key", "revision_is_of_log", "reads_what_was_written", "history_is_kept"}


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        ({}, SAFE),
        ({"members": 2}, SAFE | {"members_agree"}),
        ({"leases": True}, SAFE | {"leases_are_of_log"}),
        ({"any_changes": True, "any_history": True}, SAFE - {"one_change_of_a_key", "history_is_kept"}),
    ],
)
def test_what_is_asked_for(settings: dict[str, Any], ids: set[str]) -> None:
    assert {each.id for each in store.model(**settings).always} == ids


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"keys": 4}, "keys: expected 1 to 3, got 4"),
        ({"faults": ["nope"]}, "expected names of docs/store.md, got nope"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        store.model(**settings)
