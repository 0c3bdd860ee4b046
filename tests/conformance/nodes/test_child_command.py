"""Nodes of one's own on the command line: explored, replayed, and never started because a file says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios.explore import How, explore
from kubeproof.conformance.verdict import Verdict
from tests.conformance.nodes.programs import MY_RAFT, edited

PROGRAM = Path(sys.executable).parent / "kubeproof"
ANYBODY = {"last[0] >= self.last()[0]": "True"}
SCENARIO = "system: cluster\nsize: {members: 3, terms: 2, proposals: 1, messages: 3}\nexpected: holds\n"


def kubeproof(folder: Path, *arguments: object) -> tuple[int, dict[str, object]]:
    """The exit code and what is told as JSON."""
    environment = os.environ | {"XDG_CACHE_HOME": str(folder), "TMPDIR": str(folder)}
    command = [str(each) for each in (PROGRAM, *arguments, "--json")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert not done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO)
    return path


def test_a_counterexample_is_found_and_replayed(tmp_path: Path, scenario: Path) -> None:
    node = edited(tmp_path, ANYBODY)
    code, found = kubeproof(tmp_path, "explore", scenario, "--node", node)
    assert (code, found["property"], found["steps"]) == (1, "leader_completeness", 12)
    run = found["counterexample"]
    assert kubeproof(tmp_path, "replay", run, "--node", node)[0] == 0
    code, refused = kubeproof(tmp_path, "replay", run)
    assert code == 3
    assert "or a program that is given by --node, got " in str(refused["message"])


def test_a_program_that_was_changed_is_asked_again(tmp_path: Path, scenario: Path) -> None:
    found = []
    for edits in (ANYBODY, {"last[0] >= self.last()[0]": "last >= self.last()"}):
        _, result = kubeproof(tmp_path, "explore", scenario, "--node", edited(tmp_path, edits), "--set", "heartbeats=1")
        found.append(result["verdict"])
    assert found == ["violated", "holds"]


def test_what_holds_only_because_states_are_lost_does_not(tmp_path: Path, scenario: Path) -> None:
    restores = 'vars(raft).update(arguments.get("state", {}))'
    loses = {
        restores: f"{restores}\n            raft.votes = []",
        '"state": vars(self)}': '"state": {**vars(self), "votes": []}}',
    }
    code, refused = kubeproof(tmp_path, "explore", scenario, "--node", edited(tmp_path, loses))
    assert (code, refused["verdict"]) == (3, "invalid")
    assert "my raft takes another way in a fresh process: step " in str(refused["message"])


def test_a_scenario_starts_no_program(tmp_path: Path, scenario: Path) -> None:
    started = tmp_path / "started"
    scenario.write_text(f"{SCENARIO}node: touch {started}\n")
    code, refused = kubeproof(tmp_path, "explore", scenario)
    assert (code, refused["verdict"]) == (3, "invalid")
    assert not started.exists()


@pytest.mark.parametrize("node", ["false", "cat", "sh -c 'read x; cat /dev/zero'"])
def test_what_is_no_node_is_invalid(tmp_path: Path, scenario: Path, node: str) -> None:
    code, refused = kubeproof(tmp_path, "explore", scenario, "--node", node)
    assert (code, refused["verdict"]) == (3, "invalid")
    assert str(refused["message"]).startswith(f"{node}: the node has ")


def test_it_needs_nothing_but_python() -> None:
    imported = {line.split()[1] for line in MY_RAFT.read_text().splitlines() if line.startswith(("import ", "from "))}
    assert imported == {"json", "sys"}


def test_a_search_of_another_program_is_not_resumed(tmp_path: Path, scenario: Path) -> None:
    """The command line is the same, the file that it names is not."""
    command = edited(tmp_path, {})
    how = How(checkpoint=tmp_path / "search", checkpoint_every_s=0, node=command)
    assert explore(str(scenario), (), Limits(time_limit_s=1), how).verdict is Verdict.UNKNOWN
    assert edited(tmp_path, ANYBODY) == command
    code, refused = kubeproof(tmp_path, "explore", scenario, "--checkpoint", tmp_path / "search", "--node", command)
    assert (code, refused["verdict"]) == (3, "invalid")
    assert "not that of another one" in str(refused["message"])
