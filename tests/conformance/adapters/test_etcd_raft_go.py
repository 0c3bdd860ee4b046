"""go.etcd.io/raft, unmodified, explored: as big as the reference, planted mistakes are found, and the one that it has."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from kubeproof.conformance.adapters import etcd_raft_go
from kubeproof.conformance.adapters.nodes import REFERENCE, node_of
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.replay import replay
from kubeproof.conformance.scenarios.explore import explore_scenario
from kubeproof.conformance.scenarios.scenario import load
from kubeproof.conformance.verdict import InvalidInput, Verdict
from tests.conformance.nodes.go import NODE, needed, nodes_of


@needed
@pytest.mark.parametrize("name", ["raft-elections", "raft-snapshot", "raft-membership"])
def test_a_cluster_of_it_has_as_many_states_as_one_of_the_reference(name: str) -> None:
    settings = ["messages=2"] if name == "raft-membership" else []
    theirs, ours = [explore_scenario(name, load(name, settings, node), Limits()).details for node in (NODE, REFERENCE)]
    figures = "distinct", "generated", "depth", "events", "local_steps"
    assert [theirs[each] for each in figures] == [ours[each] for each in figures]


MISTAKES = {
    "vote_not_stored": ("raft-vote-not-stored", "votes_once", 2),
    "sent_before_written": ("raft-sent-before-written", "acknowledged_entries_kept", 6),
    "last_entries_lost_at_restart": ("raft-last-entries-lost-at-restart", "acknowledged_entries_kept", 3),
}


@needed
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found_and_nothing_without_it(mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    name, broken, steps = MISTAKES[mistake]
    found = explore_scenario(name, nodes_of(name, NODE, [mistake], []), Limits())
    assert (found.verdict, found.property, found.details["steps"]) == (Verdict.VIOLATED, broken, steps)
    assert explore_scenario(name, nodes_of(name, NODE, [], []), Limits()).verdict is Verdict.HOLDS


@needed
@pytest.mark.parametrize(
    ("mistake", "name", "broken"),
    [
        ("vote_not_stored", "raft-crash", "election_safety"),
        ("sent_before_written", "raft-sent-before-written", "election_safety"),
        ("last_entries_lost_at_restart", "raft-last-entries-lost-at-restart", "leader_completeness"),
    ],
)
def test_planted_mistakes_end_in_what_raft_promises(
    mistake: str, name: str, broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    leaves_out = ["votes_once", "acknowledged_entries_kept", "term_never_falls"]
    found = explore_scenario(name, nodes_of(name, NODE, [mistake], leaves_out, "messages=4"), Limits())
    assert (found.verdict, found.property) == (Verdict.VIOLATED, broken)


@needed
def test_a_promise_that_a_crash_forgets_is_found_and_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    name = "raft-asynchronous-writes-as-in-etcd"
    found = explore_scenario(name, load(name, [], NODE), Limits())
    assert (found.verdict, found.property, found.details["steps"]) == (Verdict.VIOLATED, "leader_completeness", 16)
    assert replay(str(found.details["counterexample"]), Limits()).verdict is Verdict.HOLDS


@needed
def test_a_fault_of_the_library_is_none_of_its_options() -> None:
    with pytest.raises(InvalidInput, match="expected one of them, got vote_granted_twice"):
        explore_scenario("twice", nodes_of("raft-elections", NODE, ["vote_granted_twice"], []), Limits())


# ---- the program


def answers(*calls: object) -> list[dict[str, object]]:
    text = "".join(json.dumps(call) + "\n" for call in calls)
    done = subprocess.run([etcd_raft_go.built()], input=text, capture_output=True, text=True, timeout=10, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


INIT = {"call": "init", "node": 1, "members": 1, "options": {"proposals": 1}}
OBSERVE = {"call": "observe"}


def step(name: str) -> dict[str, object]:
    return {"call": "step", "event": {"name": name}}


@needed
def test_states_are_restored_where_they_were_told() -> None:
    _, first, *_, later, later_state = answers(INIT, OBSERVE, step("campaign"), OBSERVE, step("propose"), OBSERVE)
    assert later == {}  # a single voter has nobody to send to
    restore = {**INIT, "call": "restore", "state": first["state"]}
    here = answers(
        INIT, OBSERVE, step("campaign"), step("propose"), OBSERVE, restore, OBSERVE, step("campaign"), step("propose"), OBSERVE
    )
    assert here[5:7] == [{"restored": True}, first]
    assert here[4] == here[9] == later_state
    assert answers(restore) == [{"restored": False}]


@needed
def test_a_copy_has_a_clock_of_its_own() -> None:
    """A leader whose tick were that of the node it was copied from would never step down."""
    options = {"check_quorum": True}
    init = {"call": "init", "node": 1, "members": 3, "options": options}
    vote = {"type": "MsgVoteResp", "to": 1, "from": 2, "term": 1}
    elected = {"call": "step", "from": 2, "message": {"to": 1, "type": "MsgVoteResp", "term": 1, "body": vote}}
    told = answers(init, step("campaign"), elected, OBSERVE, step("election_timeout"), OBSERVE)
    assert [told[at]["role"] for at in (3, 5)] == ["leader", "follower"]


@needed
def test_a_state_that_keeps_no_copies_is_not_restored() -> None:
    init = {**INIT, "options": {"keeps_states": False}}
    _, told = answers(init, OBSERVE)
    assert answers(init, OBSERVE, {**init, "call": "restore", "state": told["state"]})[2] == {"restored": False}


def test_who_has_not_built_it_is_told_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    etcd_raft_go.built.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        with pytest.raises(InvalidInput, match=r"etcd-raft is not built.*make adapters"):
            node_of(NODE, 3, {})
        monkeypatch.setenv("PATH", "")
        assert "Go 1.26 is needed" in str(etcd_raft_go.why_not_built())
    finally:
        etcd_raft_go.built.cache_clear()
