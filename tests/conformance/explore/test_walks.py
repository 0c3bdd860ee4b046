"""Random walks: what they find is a violation, made as short as it can be; and they find nothing where nothing is."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kubeproof.conformance.explore.counterexample import Way, shortest
from kubeproof.conformance.explore.plain import broken, first_state, successors
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.explore.walks import Walker
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.scenarios.scenario import load
from kubeproof.conformance.scenarios.walk import walk
from kubeproof.conformance.verdict import Verdict


def is_way(model: Model, way: Way) -> bool:
    """Whether each step is one of the plain system."""
    states = [first_state(model), *(state for _, state in way)]
    return all(after in [reached for _, reached in successors(model, before)] for before, after in pairwise(states))


@pytest.mark.parametrize(
    ("name", "seed"),
    [("register-two-servers", 1), ("register-two-servers", 2), ("raft-vote-granted-twice", 1), ("store-lone-tombstone", 2)],
)
def test_what_is_found_breaks_the_property_in_its_last_state_only(name: str, seed: int) -> None:
    model = load(name).model()
    found = Walker(model, seed, Limits()).walk(20_000)
    assert found is not None
    assert found.property.id == load(name).property
    assert is_way(model, found.way)
    assert broken(model, found.way[-1][1]) is found.property
    assert all(broken(model, state) is None for _, state in found.way[:-1])


@pytest.mark.parametrize("name", ["register-two-servers", "raft-vote-granted-twice"])
def test_it_is_hardly_longer_than_the_shortest(name: str) -> None:
    model = load(name).model()
    found = Walker(model, 1, Limits()).walk(20_000)
    assert found is not None
    _, way = shortest(model, Limits())
    assert len(way) <= len(found.way) <= len(way) + 2


def test_the_same_seed_finds_the_same() -> None:
    model = load("raft-vote-granted-twice").model()
    one, same = (Walker(model, 3, Limits()).walk(20_000) for _ in range(2))
    assert one == same


def test_nothing_is_found_where_nothing_is_and_that_proves_nothing() -> None:
    result = walk("raft-elections", load("raft-elections"), 50, 1, Limits())
    assert (result.verdict, result.property) == (Verdict.UNKNOWN, None)
    assert "nothing found in 50 walks" in result.message
    assert int(str(result.details["walked"])) > 500


def test_a_limit_ends_them() -> None:
    with pytest.raises(LimitReached):
        Walker(load("raft-elections").model(), 1, Limits(time_limit_s=0)).walk(10)
    result = walk("raft-elections", load("raft-elections"), 10, 1, Limits(time_limit_s=0))
    assert (result.verdict, result.message) == (Verdict.UNKNOWN, "time limit of 0 s reached")


def test_a_violation_is_told_with_its_run() -> None:
    result = walk("raft-vote-granted-twice", load("raft-vote-granted-twice"), 20_000, 1, Limits())
    assert (result.verdict, result.property) == (Verdict.VIOLATED, "election_safety")
    assert result.details["complete"] is False
    assert int(str(result.details["steps"])) > 0
    assert str(result.details["counterexample"]).endswith(".ndjson")


def test_what_is_found_is_told_though_there_is_no_time_to_make_it_short(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_time(*_: object) -> None:
        raise LimitReached("too late")

    monkeypatch.setattr(Walker, "_shrunk", out_of_time)
    result = walk("raft-vote-granted-twice", load("raft-vote-granted-twice"), 20_000, 1, Limits())
    assert (result.verdict, result.property) == (Verdict.VIOLATED, "election_safety")
