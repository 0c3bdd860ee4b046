"""Scenarios of watches: mistakes come about as they were reported; what is asked for where, and what makes no sense."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from kubeproof.conformance.bindings import watch
from kubeproof.conformance.bindings.store import labels as store_labels
from kubeproof.conformance.bindings.watch import labels
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.plain import first_state, successors
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios.explore import explore
from kubeproof.conformance.scenarios.scenario import BUGS, FULL, QUICK, load, shipped
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.store import MISTAKES

NAMES = {group: [path.stem for path in shipped(group) if path.stem.startswith("watch-")] for group in (QUICK, FULL, BUGS)}


def test_every_mistake_of_watches_has_a_scenario() -> None:
    mistakes = list(MISTAKES)
    of_watches = set(mistakes[mistakes.index("progress_not_synchronised") :])
    assert {fault for name in NAMES[BUGS] for fault in load(name).faults} == of_watches
    assert len(of_watches) == 7


@pytest.mark.parametrize(
    ("name", "story"),
    [
        ("watch-progress-not-synchronised", ["open_stream", "apply", "request_progress", "send"]),
        ("watch-told-twice", ["open_stream", "apply", "restore_snapshot", "sync_unsynced", "send"]),
        ("watch-snapshot-missed", ["open_stream", "restore_snapshot", "apply", "send"]),
        ("watch-event-duplicated", ["apply", "open_stream", "sync_unsynced", "send"]),
        ("watch-starved", ["open_stream", "sync_unsynced", "apply", "sync_unsynced", "send", "apply", "send"]),
        ("watch-future-revision", ["open_stream", "restore_snapshot", "sync_unsynced", "apply", "send"]),
        ("watch-future-progress", ["open_stream", "notify_progress", "send"]),
    ],
)
def test_a_mistake_comes_about_as_it_was_reported(name: str, story: list[str]) -> None:
    result = explore(name, (), Limits())
    assert result.details["as_expected"], result.message
    evidence: Any = result.details["evidence"]
    actions = iter([each["what"].split(": ")[1].split(" -> ")[0] for each in evidence])
    assert all(action in actions for action in story)
    assert list(actions) == []


def test_a_canceled_watch_silences_progress() -> None:
    result = explore("watch-progress-silenced", (), Limits())
    assert (result.property, result.details["as_expected"]) == ("progress_is_told", True)


@pytest.mark.parametrize("name", NAMES[FULL])
def test_big_scenarios_can_be_made(name: str) -> None:
    scenario = load(name)
    assert scenario.pinned()
    model = scenario.model()
    assert list(successors(model, first_state(model)))


def test_every_label_is_borne_somewhere_and_told() -> None:
    borne: Counter[str] = Counter()
    runs: tuple[dict[str, Any], ...] = (
        {"proposals": 2, "compactions": 1, "crashes": 1, "breaks": 1},
        {"members": 2, "proposals": 2, "snapshots": 1, "progress": 1},
        {"proposals": 2, "progress": 2, "notifications": True},
    )
    for settings in runs:
        exploration = Exploration(watch.model(**settings), Limits())
        exploration.run()
        seen = exploration.coverage()[1]
        assert seen.keys() == set(exploration.model.labels)
        assert all(seen.values())
        borne += seen
    of_the_store = {store_labels.APPLIED, store_labels.SCHEDULED, store_labels.COMMITTED, *store_labels.OF_CRASHES}
    own = {each for name, each in vars(labels).items() if name.isupper() and isinstance(each, str)}
    assert set(borne) == own | of_the_store | {store_labels.CRASHED_WITHIN_COMPACTION}


PROMISES = {
    *("ordered", "unique", "atomic", "reliable", "resumable", "bookmarkable"),
    *("from_start_revision", "only_what_is_wanted", "canceled_only_if_compacted"),
}


@pytest.mark.parametrize(
    ("settings", "possible"), [({}, {"catches_up"}), ({"any_progress": True}, {"catches_up", "progress_is_told"})]
)
def test_what_is_asked_for(settings: dict[str, Any], possible: set[str]) -> None:
    model = watch.model(**settings)
    assert {each.id for each in model.always} == PROMISES
    assert {each.id for each in model.recoverable} == possible


@pytest.mark.parametrize(
    ("settings", "witnesses"),
    [
        ({"proposals": 1}, set()),
        ({"proposals": 2}, {"a_victim"}),
        ({"mixed": True, "room": 2}, set()),
        ({"mixed": True, "room": 2, "watches": 2}, {"a_victim"}),
        ({"compactions": 1, "breaks": 1}, {"a_victim", "a_canceled_watch", "a_broken_stream"}),
        ({"start": 4, "progress": 1}, {"a_future_watch", "progress_told"}),
    ],
)
def test_what_must_be_seen(settings: dict[str, Any], witnesses: set[str]) -> None:
    assert {each.id for each in watch.model(**settings).sometimes} == witnesses


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"watches": 3}, "watches: expected 1 or 2, got 3"),
        ({"snapshots": 1}, "snapshots: expected none where there is one member"),
        ({"faults": ["nope"]}, "expected names of docs/store.md, got nope"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        watch.model(**settings)
