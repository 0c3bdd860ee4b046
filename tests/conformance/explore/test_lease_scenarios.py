"""Scenarios of leases: mistakes come about as they were reported; what is asked for where, and what makes no sense."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from kubeproof.conformance.bindings import lease
from kubeproof.conformance.bindings.election.labels import RESOURCE_LABELS
from kubeproof.conformance.bindings.lease import labels
from kubeproof.conformance.explore.counterexample import shortest
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.plain import first_state, successors
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios.scenario import BUGS, FULL, QUICK, load, shipped
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.etcd.faults import MISTAKES

NAMES = {group: [path.stem for path in shipped(group) if path.stem.startswith("lease-")] for group in (QUICK, FULL, BUGS)}


def test_scenarios_name_mistakes_that_there_are() -> None:
    assert {fault for name in NAMES[BUGS] for fault in load(name).faults} <= set(MISTAKES)
    assert len(NAMES[BUGS]) >= 10


@pytest.mark.parametrize("name", NAMES[BUGS])
def test_a_mistake_breaks_its_property(name: str) -> None:
    scenario = load(name)
    broken, way = shortest(scenario.model(), Limits())
    assert broken.id == scenario.property
    assert way


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("lease-stale-leader-revokes", ["campaign", "tick", "tick", "lessor_tick"]),
        ("lease-revocation-forwarded", ["campaign", "apply", "lease_keep_alive", "read_index", "leader_confirmed"]),
        ("lease-renewed-after-revoke", ["campaign", "lease_revoke", "lease_keep_alive"]),
        ("lease-expired-renewed", ["lessor_tick", "read_index", "leader_confirmed", "leader_confirmed"]),
        ("lease-lock-no-fencing", ["lock", "work_write", "work_write"]),
    ],
)
def test_a_mistake_comes_about_as_it_was_reported(name: str, last: list[str]) -> None:
    """The last of these events, in this order; others may come between."""
    way = iter([action.name for action, _ in shortest(load(name).model(), Limits())[1]])
    assert all(each in way for each in last)


@pytest.mark.parametrize("name", NAMES[FULL])
def test_big_scenarios_can_be_made(name: str) -> None:
    scenario = load(name)
    assert scenario.pinned()
    model = scenario.model()
    assert list(successors(model, first_state(model)))


def test_every_label_is_borne_somewhere_and_told() -> None:
    borne: Counter[str] = Counter()
    runs: tuple[dict[str, Any], ...] = (
        {"keepalives": 1, "ttl": 1, "ticks": 1},
        {"members": 1, "terms": 1, "keepalives": 1, "revocations": 1},
        {"members": 1, "terms": 1, "keepalives": 1, "checkpoints": True},
        {"members": 1, "keepalives": 1, "crashes": 1, "ticks": 2},
        {"members": 1, "terms": 1, "clients": 2, "lock": True, "fencing": True},
    )
    for settings in runs:
        exploration = Exploration(lease.model(**settings), Limits())
        with suppress(Broken):
            exploration.run()
            assert {label for label, count in exploration.coverage()[1].items() if count} >= set(exploration.model.labels)
        borne += exploration.coverage()[1]
    assert set(borne) - set(RESOURCE_LABELS) == {
        each for name, each in vars(labels).items() if name.isupper() and isinstance(each, str)
    }


ALWAYS = {"revoked_only_if_expired", "granted_lives_for_ttl", "leases_are_of_log", "keys_go_with_leases"}
ASKED = {"keepalive_is_honest", "no_renew_after_revoke", "not_found_is_honest"}
LOCK = {"one_living_owner", "no_write_of_a_former_owner"}


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        ({}, ALWAYS),
        ({"keepalives": 1}, ALWAYS | ASKED),
        ({"lock": True, "clients": 2}, ALWAYS | LOCK),
        (
            {"keepalives": 1, "any_revocation": True, "any_not_found": True},
            (ALWAYS | ASKED) - {"revoked_only_if_expired", "not_found_is_honest"},
        ),
    ],
)
def test_what_is_asked_for(settings: dict[str, Any], ids: set[str]) -> None:
    assert {each.id for each in lease.model(**settings).always} == ids


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"fencing": True}, "fencing: expected a lock"),
        ({"faults": ["nope"]}, "expected names of docs/etcd.md, got nope"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        lease.model(**settings)
