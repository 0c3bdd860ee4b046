"""`kubeproof bugs`: what ships is found with a silent control, and a row that proves nothing is said to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubeproof.conformance import bugs
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.refinement.refine import Refinement, refine
from kubeproof.conformance.scenarios import scenario as scenarios
from kubeproof.conformance.scenarios.scenario import Bug, Scenario
from kubeproof.conformance.verdict import InvalidInput, Verdict

TWICE = "raft-vote-granted-twice"


@pytest.fixture(autouse=True)
def _evidence_goes_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.parametrize("id_", bugs.load_bugs())
def test_what_ships_says_whose_bug_it_is(id_: str) -> None:
    scenario = bugs.load_bugs()[id_]
    assert bugs.reference(scenario)
    assert bugs.fault(scenario)


def test_no_two_parts_call_a_mistake_alike() -> None:
    assert len(bugs.DECLARED) == sum(map(len, bugs.PARTS))


def test_the_reference_is_where_the_mistake_is_declared() -> None:
    assert bugs.reference(bugs.load_bugs()["store-lone-tombstone"]) == "etcd#19179"


def test_a_bug_is_found_and_its_control_is_silent() -> None:
    result = bugs.judge(TWICE, Limits())
    assert (result.verdict, result.kind, result.property, result.message) == (Verdict.HOLDS, "bug", "election_safety", "")
    details = dict(result.details)
    assert Path(str(details.pop("counterexample"))).exists()
    assert details.pop("states") == bugs.load_bugs()[TWICE].pinned()
    assert isinstance(details.pop("steps"), int)
    assert details == {
        "bug": TWICE,
        "reference": "section 5.2",
        "fault": "vote_granted_twice",
        "engine": "explore",
        "off": "holds",
        "on": "violated",
        "refused_by": {"raft": "grant_vote.voted_for_no_other"},
    }


LIVENESS = "nothing wrong is done, only too little"
TOO_SHORT = (
    "its lease is too short for the axiom `timing`, so nothing is promised; judged without it in test_election_refinement.py"
)
BEYOND = "no specification has both compacted logs and changes of membership"
DIES = "who has died does nothing wrong any more"
OTHERS = "an implementation that is not ours is bound to no specification"
WHOLE = "no specification has a whole member of etcd; that of the part, where there is one, is asked in raft-... and store-..."
NOT_REFUSED = {
    "election-accepted-timing": TOO_SHORT,
    "election-clock-rates": TOO_SHORT,
    "election-failed-update-forgets-lease": TOO_SHORT,
    "election-fast-path-without-fallback": LIVENESS,
    "election-one-shot": LIVENESS,
    "election-release-before-cancel": TOO_SHORT,
    "election-stale-release": TOO_SHORT,
    "etcd-answered-before-sync": WHOLE,
    "etcd-defragment-crash": WHOLE,
    "etcd-read-index-id-reused": WHOLE,
    "etcd-served-before-ready": WHOLE,
    "etcd-two-snapshots": DIES,
    "lease-lock-no-fencing": "its leases are as they should be; that clients have stopped is promised nowhere",
    "pysyncobj-commit-index-falls": OTHERS,
    "pysyncobj-committed-entry-overwritten": OTHERS,
    "pysyncobj-match-index-falls": OTHERS,
    "pysyncobj-next-index-behind": OTHERS,
    "pysyncobj-older-term-committed": OTHERS,
    "pysyncobj-two-leaders-after-restart": OTHERS,
    "raft-auto-leave-only-by-proposer": LIVENESS,
    "raft-campaign-with-pending-snapshot": "the campaign is as safe; what it breaks is `no_panic`",
    "raft-joint-conf-state-lost": BEYOND,
    "raft-learner-refuses-votes": LIVENESS,
    "raft-lower-term-pre-vote-ignored": LIVENESS,
    "raft-pagination-skips-entries": "what the application makes of entries is in no specification",
    "raft-removed-leader-leads-on": LIVENESS,
    "raft-stale-leader-unanswered": LIVENESS,
    "store-checkpoint-lost": "leases live longer than checkpoints say, which no specification forbids",
    "store-put-cannot-be-applied": DIES,
    "store-unknown-sort-target": DIES,
    "watch-event-duplicated": "a response is a set of events, so none is in it twice",
    "watch-future-progress": "the client has got everything up to there, as it wants nothing",
    "watch-progress-silenced": LIVENESS,
}
"""Bugs of which no specification is asked, with the reason."""


def test_all_other_bugs_take_steps_that_a_specification_refuses() -> None:
    assert {id_ for id_, scenario in bugs.load_bugs().items() if not (scenario.bug and scenario.bug.refused_by)} == set(
        NOT_REFUSED
    )


def test_a_limit_while_its_steps_are_judged_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[Refinement] = []

    def control_only(*given: Any) -> Refinement:
        if judged:
            raise LimitReached("too late")
        judged.append(refine(*given))
        return judged[0]

    monkeypatch.setattr("kubeproof.conformance.scenarios.explore.refine", control_only)
    result = bugs.judge(TWICE, Limits())
    assert (result.verdict, result.message) == (Verdict.UNKNOWN, "on: not judged by raft: too late")


def test_a_bug_that_is_refused_for_another_reason_is_no_pass() -> None:
    twice = bugs.load_bugs()[TWICE]
    assert twice.bug is not None
    other = msgspec.structs.replace(twice.bug, refused_by={"raft": "grant_vote.up_to_date"})
    result = bugs.judge_scenario(TWICE, msgspec.structs.replace(twice, bug=other), Limits())
    assert result.verdict is Verdict.VIOLATED
    assert result.message == "on: expected steps refused by grant_vote.up_to_date of raft, seen grant_vote.voted_for_no_other"


def planted(**changes: Any) -> Scenario:
    """The register with two servers, in which a client does not find what it wrote: a bug without a switch."""
    sound = Scenario("register", Verdict.VIOLATED, {"servers": 2, "clients": 2}, property="reads_a_write", bug=Bug("a book", {}))
    return msgspec.structs.replace(sound, **changes)


def test_a_control_that_is_violated_is_no_pass() -> None:
    result = bugs.judge_scenario("planted", planted(), Limits())
    assert (result.verdict, result.details["off"], result.details["on"]) == (Verdict.VIOLATED, "violated", "violated")
    assert result.message.startswith("off: expected holds, seen reads_a_write")


def test_a_bug_that_is_not_found_is_no_pass() -> None:
    result = bugs.judge_scenario("planted", planted(size={"servers": 1, "clients": 2}), Limits())
    assert (result.verdict, result.details["off"], result.details["on"]) == (Verdict.VIOLATED, "holds", "holds")
    assert result.message.startswith("on: expected a violation of reads_a_write, seen holds")


def test_another_property_than_expected_is_no_pass() -> None:
    twice = bugs.load_bugs()[TWICE]
    result = bugs.judge_scenario(TWICE, msgspec.structs.replace(twice, property="log_matching"), Limits())
    assert (result.verdict, result.details["off"], result.details["on"]) == (Verdict.VIOLATED, "holds", "violated")
    assert "expected a violation of log_matching, seen election_safety" in result.message


def test_a_control_that_proves_nothing_is_no_pass() -> None:
    """Nobody is elected in a control that must see a leader."""
    twice = bugs.load_bugs()[TWICE]
    result = bugs.judge_scenario(TWICE, msgspec.structs.replace(twice, size=twice.size | {"terms": 0}), Limits())
    assert (result.verdict, result.details["off"]) == (Verdict.VIOLATED, "violated")
    assert "seen sometimes" in result.message


def test_a_limit_is_unknown() -> None:
    assert bugs.judge(TWICE, Limits(time_limit_s=0)).verdict is Verdict.UNKNOWN


def test_an_unknown_bug_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=f"nope: expected one of .*{TWICE}"):
        bugs.judge("nope", Limits())


def test_an_option_of_the_control_is_what_makes_the_bug() -> None:
    scenario = planted(bug=Bug("a book", {"mended": True, "old": False}))
    assert bugs.fault(scenario) == "mended=false, old=true"
    assert bugs.reference(scenario) == "a book"


def test_a_size_of_the_control_is_what_makes_the_bug() -> None:
    scenario = planted(bug=Bug("a book", {"servers": 1}))
    assert bugs.fault(scenario) == "servers=2"
    assert bugs.judge_scenario("planted", scenario, Limits()).verdict is Verdict.HOLDS


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("system: raft\nexpected: violated\nproperty: no_panic\nfaults: [vote_granted_twice]\n", "expected bug.reference"),
        ("system: raft\nexpected: violated\nproperty: no_panic\nbug: {}\n", "expected bug.reference"),
        ("system: raft\nexpected: violated\nproperty: no_panic\nbug: {reference: a book}\n", "faults or bug.control"),
        ("system: raft\nexpected: violated\nfaults: [vote_granted_twice]\nbug: {}\n", "a property"),
        ("system: raft\nexpected: holds\nproperty: no_panic\nfaults: [vote_granted_twice]\nbug: {}\n", "expected: violated"),
    ],
)
def test_a_row_that_says_too_little_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str) -> None:
    monkeypatch.setattr(scenarios, "FOLDER", tmp_path)
    (tmp_path / "bugs").mkdir()
    (tmp_path / "bugs" / "planted.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=r"planted\.yaml") as refused:
        bugs.load_bugs()
    assert problem in str(refused.value)
