"""Scenarios of backups: mistakes come about as they were reported, and it is known exactly how large a bump must be."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from kubeproof.conformance.bindings import backup
from kubeproof.conformance.bindings.backup import labels
from kubeproof.conformance.explore.counterexample import shortest
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.plain import first_state, successors
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios.scenario import BUGS, FULL, load, shipped
from kubeproof.conformance.verdict import InvalidInput

NAMES = {group: [path.stem for path in shipped(group) if path.stem.startswith("backup-")] for group in (FULL, BUGS)}


def broken_by(**settings: Any) -> str | None:
    """The property that does not hold, if one does not."""
    try:
        Exploration(backup.model(**settings), Limits()).run()
    except Broken as broken:
        return broken.property.id
    return None


@pytest.mark.parametrize("writes", [2, 3])
def test_a_bump_is_large_enough_if_it_is_larger_by_two_than_what_can_be_lost(writes: int) -> None:
    """A backup has one write at least."""
    lost = writes - 1
    assert broken_by(writes=writes, bump=lost + 2) is None
    assert broken_by(writes=writes, bump=lost + 1) == "watchers_are_told"
    assert broken_by(writes=writes, bump=lost - 1) == "revision_never_falls"


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("backup-without-bump", ["save", "write", "restore"]),
        ("backup-revisions-repeat", ["save", "write", "restore", "write"]),
        ("backup-events-skipped", ["write", "watch_from", "deliver", "restore", "write", "watch_from"]),
        ("backup-bump-too-small", ["write", "write", "list_all", "restore", "watch_from"]),
        ("backup-not-marked", ["save", "write", "list_all", "restore", "watch_from"]),
        ("backup-of-empty-store", ["save", "write", "write", "write", "list_all", "restore", "watch_from"]),
        ("backup-restored-twice", ["write", "save", "restore", "write", "restore"]),
    ],
)
def test_a_mistake_comes_about_as_it_was_reported(name: str, last: list[str]) -> None:
    scenario = load(name)
    broken, way = shortest(scenario.model(), Limits())
    assert broken.id == scenario.property
    assert [action.name for action, _ in way][-len(last) :] == last


def test_all_mistakes_are_looked_at() -> None:
    assert len(NAMES[BUGS]) == 7


@pytest.mark.parametrize("name", NAMES[FULL])
def test_big_scenarios_can_be_made(name: str) -> None:
    scenario = load(name)
    assert scenario.pinned()
    model = scenario.model()
    assert list(successors(model, first_state(model)))


def test_every_label_is_borne_somewhere_and_told() -> None:
    borne: Counter[str] = Counter()
    for model in (backup.model(writes=2, bump=3, compactions=1), backup.model(writes=2, bump=3, disconnects=1)):
        exploration = Exploration(model, Limits())
        exploration.run()
        assert {label for label, count in exploration.coverage()[1].items() if count} == set(exploration.model.labels)
        borne += exploration.coverage()[1]
    assert set(borne) == {each for name, each in vars(labels).items() if name.isupper() and isinstance(each, str)}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"keys": 4}, "keys: expected 1 to 3, got 4"),
        ({"leaves_out": ["nope"]}, "leaves_out: expected some of revision_never_falls, .*, got nope"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        backup.model(**settings)
