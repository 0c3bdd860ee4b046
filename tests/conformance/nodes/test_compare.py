"""go.etcd.io/raft and the reference: equal in all states that the reference reaches, and a mistake in the reference is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.compare import compare, compare_at_random
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict
from tests.conformance.nodes.go import NODE, needed

pytestmark = needed

EQUAL = {
    "raft-elections": (130_725, 3_153),
    "raft-replication": (34_921, 3_822),
    "raft-crash": (230_804, 10_278),
    "raft-pre-vote": (20_974, 2_544),
    "raft-check-quorum": (237_286, 2_147),
    "raft-membership messages=2": (1_799, 894),
    "raft-snapshot": (337_858, 4_189),
    "raft-read-index": (331_716, 3_231),
    "raft-transfer proposals=0": (4_401, 659),
    "raft-asynchronous-writes-as-in-etcd messages=2": (8_311, 2_551),
}
"""Global states of the reference, and local transitions in which both were asked; docs/comparing.md has those of all sizes."""


@pytest.mark.parametrize("scenario", EQUAL)
def test_both_are_equal(scenario: str) -> None:
    name, *settings = scenario.split()
    result = compare(name, settings, NODE, Limits())
    assert (result.verdict, result.details["differences"]) == (Verdict.HOLDS, [])
    assert (result.details["states"], result.details["local_transitions"]) == EQUAL[scenario]


@pytest.mark.parametrize(
    "settings",
    [
        ["proposals=1", "heartbeats=1", "apply_while_writing=true", "candidates=1"],
        ["proposals=2", "window=1", "page_bytes=1", "candidates=1"],
        ["proposals=2", "apply_bytes=1", "slow_applies=1", "candidates=1"],
        ["proposals=1", "slow_writes=1", "slow_answers=1", "candidates=1"],
        ["changes=2", "spares=1", "replace=true", "explicit=true", "candidates=1", "members=4", "messages=2"],
        ["changes=1", "remove_leader=true", "step_down_on_removal=true", "candidates=1"],
        ["changes=2", "spares=1", "add_learner=true", "promote=true", "as_v2=true", "candidates=1"],
        ["check_quorum=true", "lease_based_reads=true", "reads=1", "terms=1", "candidates=1"],
        ["check_quorum=true", "pre_vote=true", "pre_vote_rollout=true", "crashes=1", "forget_leader=true", "terms=1"],
    ],
    ids=" ".join,
)
def test_both_are_equal_in_other_settings(settings: list[str]) -> None:
    result = compare("raft-replication", ["elected=true", "messages=2", *settings], NODE, Limits())
    assert (result.verdict, result.details["differences"]) == (Verdict.HOLDS, [])


@pytest.mark.parametrize(
    ("bug", "fields"),
    [
        ("raft-vote-granted-twice", {"sends.body.reject", "voted_for"}),
        ("raft-compacted-prev-term-zero", {"sends.type", "panic"}),
        ("raft-truncate-without-conflict", {"log"}),
    ],
)
def test_a_mistake_in_the_reference_is_a_difference(bug: str, fields: set[str]) -> None:
    result = compare(bug, [], NODE, Limits())
    assert (result.verdict, result.property) == (Verdict.VIOLATED, "agreement")
    differing = differences_of(result)
    assert fields <= {field for cause in differing for field in cause["fields"]}
    first = differing[0]["first"]
    assert first["ours"] != first["theirs"]
    assert all(cause["count"] == 1 + len(cause["others"]) for cause in differing)
    assert first["state"]


def test_what_differs_is_known() -> None:
    """The entry in place of a refused change is two bytes longer in etcd (impl/raft/sizes.py)."""
    settings = ["members=2", "terms=1", "elected=true", "proposals=0", "changes=2", "remove=true", "slow_applies=2"]
    [cause] = differences_of(compare("raft-replication", settings, NODE, Limits()))
    assert cause["fields"] == ["state.node.raft.log.applying_size"]
    ours, theirs = [cause["first"][who]["state"]["node"]["raft"]["log"]["applying_size"] for who in ("ours", "theirs")]
    assert theirs == ours + 2


def differences_of(result: Result) -> list[Any]:
    differences = result.details["differences"]
    assert isinstance(differences, list)
    return differences


def test_random_ways_find_it_too_and_make_it_short() -> None:
    result = compare_at_random("raft-vote-granted-twice", [], NODE, 20_000, 1, Limits())
    assert result.verdict is Verdict.VIOLATED
    [cause] = differences_of(result)
    assert "voted_for" in cause["fields"]
    assert len(cause["first"]["history"]) <= 3  # two requests of one term, and perhaps what has led to it


def test_random_ways_without_a_difference_prove_nothing() -> None:
    result = compare_at_random("raft-membership", [], NODE, 1_000, 2, Limits())
    assert (result.verdict, result.details["walked"], result.details["differences"]) == (Verdict.UNKNOWN, 1_000, [])


def test_the_same_seed_takes_the_same_way() -> None:
    one, other = [compare_at_random("raft-vote-granted-twice", [], NODE, 20_000, 5, Limits()).details for _ in range(2)]
    assert one == other


def test_a_limit_is_no_pass() -> None:
    assert compare("raft-crash", [], NODE, Limits(time_limit_s=0.1)).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("scenario", "settings", "node", "problem"),
    [
        ("register", [], NODE, "expected a scenario of the system raft, got one of register"),
        ("raft-elections", [], "reference", "expected a program that tells of itself as the reference does"),
        ("raft-elections", ["partitions=1"], NODE, "partitions: expected none: nobody but the reference knows it"),
        ("raft-asynchronous-writes", [], NODE, "vote_request_after_write: expected none"),
    ],
)
def test_what_cannot_be_compared_is_refused(scenario: str, settings: list[str], node: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        compare(scenario, settings, node, Limits())


def test_faults_are_the_references_alone(tmp_path: Path) -> None:
    path = tmp_path / "lost.yaml"
    path.write_text("system: raft\nsize: {terms: 1, crashes: 1, messages: 2}\nfaults: [vote_not_stored]\nexpected: violated\n")
    result = compare(str(path), [], NODE, Limits())
    assert result.verdict is Verdict.VIOLATED
