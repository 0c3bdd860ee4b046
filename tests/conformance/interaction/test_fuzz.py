"""Whatever is fed to the reader and the runner, the answer is a result; and what a rewritten file says is what it does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubeproof.conformance.interaction import Violation, environment, rewrite_file, run_file
from kubeproof.conformance.interaction.commands import COMMANDS
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict

SCENARIOS = sorted((Path(environment.__file__).parent / "scenarios").glob("*.txt"))
TEXTS = [path.read_text() for path in SCENARIOS]
SOME_LINES = sorted({line for text in TEXTS for line in text.split("\n") if line.split(" ")[0] in COMMANDS})

SETTINGS = settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

WORDS = st.one_of(
    st.sampled_from(["-1", "0", "1", "2", "3", "7", "100", str(2**63), str(2**64 - 1), "9" * 30, "", "(", ")", "()", "(1, 1)"]),
    st.sampled_from(["true", "x", "v1", "l2", "r1", "u1", "none", "=", "drop=(1)", "type=MsgApp", "transition=explicit", "----"]),
    st.text(max_size=5),
)


@st.composite
def mutated_scenarios(draw: st.DrawFn) -> str:
    lines = draw(st.sampled_from(TEXTS)).split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                lines[at : at + draw(st.integers(1, 9))] = []
            case 1:
                lines[at:at] = lines[draw(st.integers(0, len(lines) - 1)) :][:9]
            case 2:
                lines[at:at] = [draw(st.sampled_from(SOME_LINES)), "----", ""]
            case 3:
                lines[at] = draw(st.text(max_size=20))
            case _:
                words = lines[at].split(" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(WORDS)
                lines[at] = " ".join(words)
        lines = lines or [""]
    return "\n".join(lines)


@st.composite
def made_up_files(draw: st.DrawFn) -> str:
    """Directives of all suites with arguments and input that need not fit."""
    commands = st.sampled_from([*COMMANDS, "simple", "enter-joint", "leave-joint", "committed", "vote", "subtest", "#"])
    keys = st.sampled_from(
        ["1", "2", "voters", "index", "inflight", "cfg", "cfgj", "idx", "votes", "timeout", "log-level", "a b"]
    )
    arguments = st.tuples(keys, st.sampled_from(["", "=", " "]), WORDS).map("".join)
    directive = st.tuples(commands, st.lists(arguments, max_size=4), WORDS)
    directives = draw(st.lists(directive, max_size=8))
    return "".join(f"{command} {' '.join(given)}\n{lines}\n----\n\n" for command, given, lines in directives)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.txt"


def judged(path: Path, content: bytes) -> Result:
    path.write_bytes(content)
    result = run_file(str(path), Limits())
    assert "\n" not in result.message
    assert (result.message == "") == (result.verdict is Verdict.HOLDS)
    assert result.property in ((None,) if result.verdict is not Verdict.VIOLATED else ("ExpectedOutput", "NoPanic"))
    return result


@SETTINGS
@given(st.one_of(st.text(), st.binary(), made_up_files(), mutated_scenarios()))
def test_any_file_gets_a_result(path: Path, content: str | bytes) -> None:
    judged(path, content if isinstance(content, bytes) else content.encode())


@SETTINGS
@given(st.one_of(made_up_files(), mutated_scenarios()))
def test_a_rewritten_file_holds(path: Path, content: str) -> None:
    """Reaches further than a run, which ends at the first output that has changed."""
    path.write_bytes(content.encode())
    try:
        rewrite_file(str(path), Limits())
    except (InvalidInput, LimitReached):
        return
    except Violation as error:
        assert error.property == "NoPanic"
        return
    assert judged(path, path.read_bytes()).verdict is Verdict.HOLDS
