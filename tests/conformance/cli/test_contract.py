"""The contract of docs/command-line.md: fields, exit codes, one object for each subject, one clear line for bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kubeproof.conformance.cli import output
from kubeproof.conformance.verdict import Result, Verdict, exit_code

PROGRAM = Path(sys.executable).with_name("kubeproof")
ROOT = Path(__file__).parents[3]
GOOD = ROOT / "traces" / "good-plain.ndjson"
COMMON = {"subject", "kind", "verdict", "property", "message", "seconds"}


def run(*arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, input=stdin or "", timeout=120, check=False
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([], 0),
        ([Verdict.HOLDS], 0),
        ([Verdict.HOLDS, Verdict.UNKNOWN], 2),
        ([Verdict.UNKNOWN, Verdict.INVALID], 3),
        ([Verdict.INVALID, Verdict.VIOLATED, Verdict.UNKNOWN], 1),
    ],
)
def test_exit_code_of_several_verdicts(verdicts: list[Verdict], code: int) -> None:
    assert exit_code(verdicts) == code


def test_one_bad_subject_hides_no_other(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ndjson"
    bad.write_text("rubbish\n")
    done = run("check", bad, GOOD, tmp_path / "absent", "--json")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["subject"] for answer in answers] == [str(bad), str(GOOD), str(tmp_path / "absent")]
    assert [answer["verdict"] for answer in answers] == ["invalid", "holds", "invalid"]
    assert all(
        answer.keys() >= COMMON | {"format", "events", "line", "evidence", "assumptions", "properties"} for answer in answers
    )
    assert done.returncode == 3


def test_standard_input_is_a_subject() -> None:
    done = run("check", "-", "--json", stdin=GOOD.read_text())
    assert json.loads(done.stdout)["verdict"] == "holds"


def test_a_time_limit_is_unknown_not_a_pass() -> None:
    done = run("check", GOOD, "--time-limit", "0", "--json")
    answer = json.loads(done.stdout)
    assert (answer["verdict"], done.returncode) == ("unknown", 2)
    assert "time limit" in answer["message"]


def test_a_memory_limit_is_unknown_not_a_pass() -> None:
    done = run("check", GOOD, "--memory-limit", "1", "--json")
    assert (json.loads(done.stdout)["verdict"], done.returncode) == ("unknown", 2)


def test_simulation_result() -> None:
    done = run("simulate", "raft", "--nodes", "3", "--seed", "1", "--events", "300", "--faults", "crash,loss", "--json")
    answer = json.loads(done.stdout)
    assert answer.keys() >= COMMON | {"events", "run", "seed", "nodes"}
    assert (answer["kind"], answer["verdict"], done.returncode) == ("simulation", "holds", 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["check"],
        ["check", "--format", "nonsense", "x"],
        ["simulate", "raft", "--faults", "nonsense"],
        ["simulate", "raft", "--bug", "nonsense"],
        ["simulate", "raft", "--nodes", "0"],
        ["simulate", "nonsense"],
    ],
)
def test_a_wrong_call_is_code_3(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 3
    assert "Error: " in done.stderr or done.stdout.startswith("INVALID")


@pytest.mark.parametrize("command", ["check", "interaction", "simulate", "verify"])
def test_help_has_an_example_for_each_engine(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert command == "verify" or "Example" in done.stdout


def test_an_exception_of_the_engine_is_code_4_and_hides_no_subject(capsys: pytest.CaptureFixture[str]) -> None:
    def judge(subject: str) -> Result:
        if subject == "first":
            raise RuntimeError("broken")
        return Result(subject, "check", Verdict.HOLDS)

    assert output.print_results("check", ["first", "second"], judge, as_json=True) == 4
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["verdict"] for answer in answers] == ["unknown", "holds"]
    assert "RuntimeError: broken" in answers[0]["message"]


def test_control_characters_of_the_input_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_result(Result("\x1b[31mred", "check", Verdict.INVALID, message="a\x07b"), as_json=False)
    assert "\x1b" not in capsys.readouterr().out
