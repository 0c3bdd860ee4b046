"""The contract of docs/command-line.md: fields, exit codes, one object for each subject, one clear line for bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kubeproof.conformance.cli.output import Report, printable
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.verdict import Result, Verdict, exit_code

PROGRAM = Path(sys.executable).with_name("kubeproof")
ROOT = Path(__file__).parents[3]
GOOD = ROOT / "traces" / "good-plain.ndjson"
BAD = ROOT / "traces" / "bad-vote-not-stored.ndjson"
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
        ["replay"],
        ["replay", "absent"],
        ["check", "traces/good-plain.ndjson", "--junit", "/nonexistent/junit.xml"],
    ],
)
def test_a_wrong_call_is_code_3(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 3
    assert "Error: " in done.stderr or done.stdout.startswith("INVALID")


@pytest.mark.parametrize("command", ["check", "interaction", "simulate", "explore", "replay", "bugs", "verify"])
def test_help_has_an_example_for_each_engine(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert command == "verify" or "Example" in done.stdout


def test_an_exception_of_the_engine_is_code_4_and_hides_no_subject(capsys: pytest.CaptureFixture[str]) -> None:
    def judge(subject: str, _limits: Limits) -> Result:
        if subject == "first":
            raise RuntimeError("broken")
        return Result(subject, "check", Verdict.HOLDS)

    assert Report(as_json=True).judge("check", ["first", "second"], judge) == 4
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["verdict"] for answer in answers] == ["unknown", "holds"]
    assert "RuntimeError: broken" in answers[0]["message"]


def test_control_characters_of_the_input_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Report(as_json=False).print(Result("\x1b[31mred", "check", Verdict.INVALID, message="a\x07b"))
    assert "\x1b" not in capsys.readouterr().out


def test_replay_result() -> None:
    done = run("replay", GOOD, "absent", "--json")
    good, absent = (json.loads(line) for line in done.stdout.splitlines())
    assert good.keys() >= COMMON | {"events", "line", "steps"}
    assert absent.keys() >= COMMON | {"events", "line", "steps"}
    assert (good["kind"], good["verdict"], absent["verdict"], done.returncode) == ("replay", "holds", "invalid", 3)


def test_bugs_result() -> None:
    done = run("bugs", "raft-vote-granted-twice", "nonsense", "--json")
    found, unknown = (json.loads(line) for line in done.stdout.splitlines())
    assert found.keys() >= COMMON | {"bug", "reference", "fault", "engine", "off", "on", "steps", "states"}
    assert (found["kind"], found["verdict"], unknown["verdict"], done.returncode) == ("bug", "holds", "invalid", 3)


def test_bugs_are_listed_and_shown_as_a_table() -> None:
    listed = run("bugs", "--list").stdout.splitlines()
    assert any(
        line.split() == ["raft-vote-granted-twice", "section", "5.2", "vote_granted_twice", "election_safety"] for line in listed
    )
    head, row, *rest = run("bugs", "raft-vote-granted-twice").stdout.splitlines()
    assert head.split() == ["bug", "reference", "property", "steps", "states", "seconds"]
    assert row.startswith("HOLDS     raft-vote-granted-twice  ")
    assert not rest


# ---- JUnit XML


def junit(path: Path) -> ElementTree.Element:
    return ElementTree.fromstring(path.read_bytes())


def test_junit_tells_what_the_verdicts_are(tmp_path: Path) -> None:
    out = tmp_path / "junit.xml"
    done = run("check", GOOD, BAD, "absent", "--junit", out, "--json")
    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()] == ["holds", "violated", "invalid"]
    suite = junit(out)
    assert [suite.get(name) for name in ("tests", "failures", "errors")] == ["3", "1", "1"]
    good, bad, absent = suite
    assert (good.get("classname"), good.get("name"), len(good)) == ("kubeproof.check", str(GOOD), 0)
    assert (bad[0].tag, bad[0].get("type")) == ("failure", "violated")
    assert (absent[0].tag, absent[0].get("type")) == ("error", "invalid")
    assert "durable_state" in str(bad[0].get("message"))
    assert str(bad[0].text).startswith("VIOLATED")


def test_junit_calls_what_is_unknown_an_error(tmp_path: Path) -> None:
    out = tmp_path / "junit.xml"
    assert run("check", GOOD, "--time-limit", "0", "--junit", out).returncode == 2
    assert junit(out)[0][0].get("type") == "unknown"


@pytest.mark.parametrize(
    "text", ["\x00\x07\x1b[31m", "]]><x a='\"'>&amp;", "\ud800\ufffe\uffff\x85\u2028", "é\n\t<", "\U0001f600"]
)
def test_junit_escapes_what_means_no_good(text: str) -> None:
    file = BytesIO()
    evidence = [{"file": text, "line": 1, "what": text}]
    result = Result(text, "check", Verdict.VIOLATED, text, text, details={"evidence": evidence, "diff": text, "run": text})
    Report(as_json=True, junit=file).end([result])
    case = ElementTree.fromstring(file.getvalue())[0]
    assert case.get("name") == printable(text)
    assert len(case) == 1


def test_every_engine_writes_junit(tmp_path: Path) -> None:
    for command in (["explore", "register"], ["replay", str(GOOD)], ["bugs", "nonsense"], ["interaction", "absent"]):
        out = tmp_path / f"{command[0]}.xml"
        run(*command, "--junit", out)
        assert junit(out).get("tests") == "1"
