"""`kubeproof explore` as users call it: groups, threads, whole states, checkpoints, and what people read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).parent / "kubeproof"


def kubeproof(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(folder), "TMPDIR": str(folder)}
    return subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_people_read_what_happened_and_what_never_did(tmp_path: Path) -> None:
    done = kubeproof(tmp_path, "explore", "election-failover")
    assert done.returncode == 0, done.stderr
    first, judged, events, never, missed = (line.strip() for line in done.stdout.splitlines())
    assert first.startswith("HOLDS     election-failover  (479 distinct, ")
    assert judged.startswith("election: 450 local steps, of which 0 are none of its steps; of its actions never taken: ")
    assert events.startswith("events: ")
    assert "elector_crash" in events
    assert never == "never under these bounds: conflict, fell back from the fast path"
    assert missed == "probability that a state was missed: at most 6.2e-15"


def test_what_the_scenario_refines_is_judged_or_said_not_to_be(tmp_path: Path) -> None:
    done = kubeproof(
        tmp_path, "explore", "--json", "raft-elections", "--set", "changes=1", "--set", "spares=1", "--set", "add=true"
    )
    answer = json.loads(done.stdout)
    assert (answer["verdict"], list(answer["refines"]), list(answer["not_judged"])) == ("holds", ["membership"], ["raft"])
    assert "changes" in answer["not_judged"]["raft"]
    assert not answer["as_expected"]  # what is skipped is no pass


def test_a_violation_says_where_its_run_is(tmp_path: Path) -> None:
    done = kubeproof(tmp_path, "explore", "register-two-servers")
    assert done.returncode == 1
    [run] = [line.strip() for line in done.stdout.splitlines() if "the Run: " in line]
    assert kubeproof(tmp_path, "replay", run.removeprefix("the Run: ")).returncode == 0


@pytest.mark.parametrize("how", [("--threads", "1"), ("--threads", "3"), ("--exact",), ("--checkpoint", "here")])
def test_no_way_to_search_changes_the_outcome(tmp_path: Path, how: tuple[str, ...]) -> None:
    how = tuple(str(tmp_path / "here") if each == "here" else each for each in how)
    done = kubeproof(tmp_path, "explore", "--json", "two-phase-commit", "--set", "managers=5", *how)
    answer = json.loads(done.stdout)
    assert (answer["verdict"], answer["distinct"], answer["complete"]) == ("holds", 8832, True)
    assert answer["generated"] == 84_225
    assert (answer["collision_probability"] == 0) is (how == ("--exact",))


def test_settings_change_options_too(tmp_path: Path) -> None:
    done = kubeproof(tmp_path, "explore", "--json", "raft-elections", "--set", "pre_vote=true", "--set", "terms=1")
    answer = json.loads(done.stdout)
    assert answer["verdict"] == "holds"
    assert answer["labels"]["becomes_pre_candidate"] > 0


def test_a_group_is_listed_and_explored(tmp_path: Path) -> None:
    listed = kubeproof(tmp_path, "explore", "--list", "--group", "full").stdout.splitlines()
    assert {line.split()[0] for line in listed} == {"full"}
    everything = kubeproof(tmp_path, "explore", "--list").stdout.splitlines()
    assert {line.split()[0] for line in everything} == {"quick", "full", "bugs"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "expected a SCENARIO"),
        (("register", "two-phase-commit", "--checkpoint", "x"), "expected one SCENARIO"),
        (("register", "--threads", "0"), "--threads"),
        (("register", "--group", "slow"), "--group"),
        (("raft-elections-symmetric", "--exact"), "expected no symmetry"),
    ],
)
def test_wrong_calls_get_one_line(tmp_path: Path, arguments: tuple[str, ...], problem: str) -> None:
    done = kubeproof(tmp_path, "explore", *arguments)
    assert done.returncode == 3
    assert problem in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
