"""Every scenario of ours, and the files of etcd-io/raft when they are beside the project: byte for byte."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from kubeproof.conformance.interaction import rewrite_file, run_file
from kubeproof.conformance.interaction.commands import COMMANDS
from kubeproof.conformance.interaction.datadriven import Directive, parse
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.verdict import Verdict

ROOT = Path(__file__).parents[3]
SCENARIOS = sorted((ROOT / "conformance" / "interaction" / "scenarios").glob("*.txt"))
GIVEN = ROOT.parent / "shared" / "testdata" / "etcd-raft"
GIVEN_FILES = sorted(path for suite in ("interaction", "confchange", "quorum") for path in (GIVEN / suite).glob("*.txt"))
FILES = [*SCENARIOS, *GIVEN_FILES]


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_file_holds(path: Path) -> None:
    result = run_file(str(path), Limits())
    assert result.verdict is Verdict.HOLDS, f"{result.message}\n{result.details['diff']}"
    assert result.kind == "interaction"
    assert result.details["directives"] == len(parse(path.read_text()))


@pytest.mark.skipif(not GIVEN_FILES, reason="etcd-io/raft's files are not at ../shared/testdata/etcd-raft")
def test_given_files_are_run() -> None:
    assert {path.parent.name for path in GIVEN_FILES} == {"interaction", "confchange", "quorum"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_one_digit_of_the_expected_output_decides(path: Path, tmp_path: Path) -> None:
    """A program that finds every file right must not pass."""
    source = random.Random(path.name)
    text = path.read_text()
    lines = text.split("\n")
    spots = [number for directive in parse(text) for number in digit_lines(directive, lines)]
    if not spots:
        pytest.skip("no digit in the expected output")
    for number in source.sample(spots, min(3, len(spots))):
        at = source.choice([column for column, char in enumerate(lines[number]) if char.isdigit()])
        altered = [*lines]
        altered[number] = f"{lines[number][:at]}{(int(lines[number][at]) + 1) % 10}{lines[number][at + 1 :]}"
        copy = tmp_path / path.name
        copy.write_text("\n".join(altered))
        result = run_file(str(copy), Limits())
        assert (result.verdict, result.property) == (Verdict.VIOLATED, "ExpectedOutput")
        assert result.details["failed"] == 1
        line = result.details["line"]
        assert isinstance(line, int)
        assert line <= number
        assert f"+{lines[number]}\n" in str(result.details["diff"])
        assert f"-{altered[number]}\n" in str(result.details["diff"])


def digit_lines(directive: Directive, lines: list[str]) -> list[int]:
    return [number for number in range(directive.input_end + 1, directive.end) if any(char.isdigit() for char in lines[number])]


@pytest.mark.parametrize("path", SCENARIOS, ids=name)
def test_rewriting_restores_the_expected_output(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    copy = tmp_path / path.name
    copy.write_text(without_expectations(text))
    rewrite_file(str(copy), Limits())
    assert copy.read_text() == text


def without_expectations(text: str) -> str:
    lines = text.split("\n")
    kept: list[str] = []
    end = 0
    for directive in parse(text):
        kept += [*lines[end : directive.input_end], "----", ""]
        end = directive.end
    return "\n".join(kept + lines[end:])


def test_every_command_has_a_scenario() -> None:
    used = {directive.command for path in SCENARIOS for directive in parse(path.read_text())}
    assert COMMANDS.keys() <= used
