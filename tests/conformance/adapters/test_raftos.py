"""raftos as released: its documented bugs and others are found, and what it does well is not complained of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from kubeproof.conformance.adapters.nodes import RAFTOS, node_of, not_installed
from kubeproof.conformance.adapters.pysyncobj import versions
from kubeproof.conformance.adapters.raftos import Raftos
from kubeproof.conformance.adapters.raftos.process import (
    FOLLOWER,
    LEADER,
    STEP_DOWN,
    Local,
    Process,
    Surroundings,
    frozen,
    thawed,
)
from kubeproof.conformance.adapters.raftos.release import RELEASE
from kubeproof.conformance.adapters.raftos.scratch import first_difference
from kubeproof.conformance.cli.main import cli
from kubeproof.conformance.explore.plain import first_state, successors
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.node import CAMPAIGN, HEARTBEAT, PROPOSE, RESTART, Answer, Event, Panic, Role, Sent
from kubeproof.conformance.nodes.retake import random_way
from kubeproof.conformance.scenarios.explore import explore_scenario
from kubeproof.conformance.scenarios.scenario import FULL, Scenario, checked, load, shipped
from kubeproof.conformance.verdict import InvalidInput, Verdict

needed = pytest.mark.skipif(not RELEASE.is_installed(), reason="raftos is not installed: `make adapters`")
pysyncobj_needed = pytest.mark.skipif(not versions.is_installed("0.3.17"), reason="pysyncobj is not installed: `make adapters`")
CAN_COMMIT = "can_commit"

FOUND = {
    "raftos-acknowledged-entries-erased": 8,
    "raftos-answer-without-request-id": 8,
    "raftos-commits-no-more": 21,
    "raftos-committed-entry-lost": 15,
    "raftos-committed-entry-overwritten": 21,
    "raftos-four-members": 10,
    "raftos-match-index-falls": 10,
    "raftos-two-leaders": 10,
    "raftos-two-leaders-after-restart": 9,
    "raftos-vote-counted-twice": 13,
}
"""Steps of the shortest schedule (docs/findings/raftos.md)."""


def explored(**changes: object) -> Scenario:
    """A scenario of it of which all properties are asked, unless `leaves_out` says otherwise."""
    return checked("ours", msgspec.convert({"system": "cluster", "node": RAFTOS, "expected": "holds", **changes}, Scenario))


def test_every_scenario_of_it_is_here() -> None:
    assert {path.stem for path in shipped(FULL) if path.stem.startswith("raftos-")} == set(FOUND)


@needed
@pytest.mark.parametrize("name", FOUND)
def test_what_is_wrong_is_found_and_comes_again_from_scratch(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    scenario = load(name)
    result = explore_scenario(name, scenario, Limits())
    assert (result.verdict, result.property) == (Verdict.VIOLATED, scenario.property), result.message
    assert (result.details["distinct"], result.details["steps"]) == (scenario.pinned(), FOUND[name])


@needed
def test_terms_commits_and_logs_are_kept() -> None:
    """What is left out are the properties that break, under larger bounds if not under these."""
    broken = [scenario.property for scenario in map(load, FOUND)]
    size = {"terms": 2, "candidates": 2, "proposals": 1, "restarts": 1, "messages": 3}
    left_out = [*dict.fromkeys(broken), "votes_once", "next_index_above_match_index"]
    scenario = explored(size=size, leaves_out=[each for each in left_out if each != CAN_COMMIT])
    asked = {each.id for each in scenario.model().always}
    assert asked == {"log_matching", "term_never_falls", "commit_index_never_falls", "own_term_committed"}
    result = explore_scenario("ours", scenario, Limits())
    assert (result.verdict, result.message, result.details["distinct"]) == (Verdict.HOLDS, "", 850784)


@pysyncobj_needed
def test_leaders_of_others_can_commit() -> None:
    """`can_commit` is no complaint about everybody: two leaders, an entry of an older term, and messages on connections."""
    size = {"members": 2, "terms": 2, "proposals": 2, "capacity": 2}
    scenario = explored(node="pysyncobj-0.3.17", size=size, options={"recovery": True})
    result = explore_scenario("ours", scenario, Limits())
    assert (result.verdict, result.message, result.details["distinct"]) == (Verdict.HOLDS, "", 8270)


@needed
def test_messages_in_order_do_no_harm() -> None:
    """#25 and #26 need datagrams that overtake each other."""
    size = {"terms": 1, "candidates": 1, "proposals": 1, "capacity": 2}
    result = explore_scenario("ours", explored(size=size, leaves_out=["votes_once"]), Limits())
    assert (result.verdict, result.message, result.details["distinct"]) == (Verdict.HOLDS, "", 9445)


def test_it_is_left_out_where_it_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not_installed(RAFTOS) == "raftos 0.2.6 is not installed: `make adapters` does that"
    with pytest.raises(InvalidInput, match="is not installed"):
        node_of(RAFTOS, 3, {})


def test_a_group_is_explored_without_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(
        "kubeproof.conformance.scenarios.scenario.shipped", lambda _: [Path("raftos-two-leaders"), Path("register")]
    )
    done = CliRunner().invoke(cli, ["explore", "--group", "full", "--threads", "1"])
    assert done.exit_code == 0
    assert "left out: raftos-two-leaders: raftos 0.2.6 is not installed" in done.stderr
    assert done.stdout.startswith("HOLDS     register ")


@needed
def test_nothing_of_it_stays_where_it_would_be_imported() -> None:
    assert RELEASE.load("raftos") is RELEASE.load("raftos")
    assert not {"raftos", "msgpack"} & sys.modules.keys()


@needed
def test_it_has_no_options() -> None:
    with pytest.raises(InvalidInput, match="expected none as options"):
        node_of(RAFTOS, 3, {"command_bytes": 2})


# ---- one node


def reached(answer: Answer | None) -> Answer:
    assert answer is not None
    return answer


def led(node: Raftos) -> tuple[Answer, Answer]:
    """Node 1 campaigns, and leads by the vote of node 2."""
    campaigns = reached(node.step(1, node.initial(1), Event(CAMPAIGN)))
    votes = reached(node.receive(2, node.initial(2), 1, to(2, campaigns)))
    return reached(node.receive(1, campaigns.state, 2, to(1, votes))), votes


def to(receiver: int, answer: Answer) -> Sent:
    return next(sent for sent in answer.sends if sent.to == receiver)


@needed
def test_it_elects_commits_and_restarts() -> None:
    node = Raftos(3)
    leads, follows = led(node)
    assert node.observe(1, leads.state).role is Role.LEADER
    proposed = reached(node.step(1, leads.state, Event(PROPOSE)))
    appended = reached(node.receive(2, follows.state, 1, to(2, proposed)))
    assert to(1, appended).acknowledges == 1
    committed = reached(node.receive(1, proposed.state, 2, to(1, appended)))
    assert node.observe(1, committed.state).commit_index == 1
    beats = reached(node.step(1, committed.state, Event(HEARTBEAT)))
    followed = reached(node.receive(2, appended.state, 1, to(2, beats)))
    assert node.observe(2, followed.state).commit_index == 1
    restarted = node.observe(1, reached(node.step(1, committed.state, Event(RESTART))).state)
    assert (restarted.role, restarted.term, restarted.voted_for, restarted.commit_index) == (Role.FOLLOWER, 1, 0, 0)
    assert [(entry.index, entry.term, entry.data) for entry in restarted.log] == [(0, 0, ""), (1, 1, "a")]


@needed
def test_steps_are_pure() -> None:
    """Whatever was asked before: the same question has the same answer."""
    node = Raftos(3)
    leads, follows = led(node)
    before = node.step(1, leads.state, Event(PROPOSE))
    for state in (node.initial(1), follows.state):
        node.step(1, state, Event(CAMPAIGN))
        assert node.step(1, leads.state, Event(PROPOSE)) == before
    assert led(node) == (leads, follows)
    assert led(Raftos(3)) == (leads, follows)


@needed
def test_numbers_of_requests_make_no_difference() -> None:
    """A leader's second heartbeat is its first: else there would be no end of states."""
    node = Raftos(3)
    first = reached(node.step(1, led(node)[0].state, Event(HEARTBEAT)))
    assert node.step(1, first.state, Event(HEARTBEAT)) == first


@needed
def test_a_loaded_state_is_read_back() -> None:
    log = tuple((term, "a") for term in range(1, 13))  # it reads its log again after every fifth entry
    for state in (Local(LEADER, 12, 1, 0, log, 2, 1, (4, 3), (2, 0)), Local(FOLLOWER, 12, 3, 0, log, 12, 12)):
        process = Process(1, 3, Surroundings())
        process.load(state)
        assert process.read() == state


@needed
def test_what_it_dies_of_is_told() -> None:
    node = Raftos(3)
    with pytest.raises(Panic, match="KeyError: 'last_log_term'"):
        node.receive(2, node.initial(2), 1, Sent(2, "rubbish", (("term", 1), ("type", "request_vote"))))


@needed
def test_a_way_that_it_would_not_take_is_noticed() -> None:
    """A state that was made up, and a message: from scratch other ones are seen."""
    model = explored(size={"terms": 1, "messages": 4}).model()
    campaigns = next(way for way in successors(model, first_state(model)) if way[0].name == CAMPAIGN)
    assert first_difference(3, [campaigns]) is None
    action, state = campaigns
    (taken,) = action.taken
    silent = taken._replace(step=taken.step._replace(sends=()))
    assert "step 1: was" in str(first_difference(3, [(action._replace(taken=(silent,)), state)]))


@needed
def test_random_ways_are_the_same_from_scratch() -> None:
    size = {"terms": 3, "proposals": 3, "restarts": 2, "messages": 6, "drops": 2, "duplicates": 2}
    model = explored(size=size).model()
    ways = [random_way(model, 60, Random(seed)) for seed in range(5)]
    assert [first_difference(3, way) for way in ways] == [None] * 5
    taken = {action.name for way in ways for action, _ in way}
    assert {CAMPAIGN, STEP_DOWN, HEARTBEAT, RESTART, "receive"} <= taken


MESSAGES: tuple[dict[str, Any], ...] = (
    {"type": "append_entries", "term": 1, "entries": [{"term": 1, "command": {"key": "a"}}], "request_id": 0},
    {"type": "append_entries_response", "term": 2, "success": False},
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["type"])
def test_messages_are_hashable_and_the_same_again(message: dict[str, Any]) -> None:
    assert hash(frozen(message)) == hash(frozen(dict(reversed(message.items()))))
    assert thawed(frozen(message)) == message


# ---- its default serializer, as anybody has it: its own files, and nothing of ours

WRITES = """
import raftos
from raftos.storage import Log
raftos.configure({{"log_path": {path!r}}})
log = Log("node:1")
for _ in range({entries}):
    log.write(1, {{"key": "a"}})
print(len(Log("node:1")))
"""


@needed
@pytest.mark.parametrize(("entries", "line"), [(1, 'print(len(Log("node:1")))'), (5, 'log.write(1, {"key": "a"})')])
def test_its_default_serializer_cannot_read_the_log(entries: int, line: str, tmp_path: Path) -> None:
    """Entries are separated by a byte that the serializer takes for more data: it dies of its fifth entry, and when it starts."""
    program = tmp_path / "writes.py"
    program.write_text(WRITES.format(path=str(tmp_path / "logs"), entries=entries))
    environment = {**os.environ, "PYTHONPATH": str(RELEASE.folder())}
    ran = subprocess.run([sys.executable, str(program)], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert line in ran.stderr
    assert ran.stderr.rstrip().endswith("msgpack.exceptions.ExtraData: unpack(b) received extra data.")
