"""Verdicts: what a file that differs, that is no file of the suite, or that asks for too much comes to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubeproof.conformance.interaction import environment, output, rewrite_file, run_file
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict
from kubeproof.impl.raft.errors import RaftPanic
from kubeproof.impl.raft.rawnode import RawNode

THREE_NODES = "add-nodes 3 voters=(1, 2, 3) index=2\n----\n"


@pytest.fixture
def run(tmp_path: Path) -> object:
    def write_and_run(content: str | bytes, limits: Limits | None = None) -> Result:
        path = tmp_path / "file.txt"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        result = run_file(str(path), limits or Limits())
        assert "\n" not in result.message
        return result

    return write_and_run


class Run:
    """The type of the fixture `run`."""

    def __call__(self, content: str | bytes, limits: Limits | None = None) -> Result:
        raise NotImplementedError


def test_a_difference_names_file_line_and_both_outputs(run: Run) -> None:
    result = run("log-level none\n----\nok\n\n# What is wrong here?\nlog-level info\n----\nfine\n\nlog-level none\n----\nok\n")
    assert result.verdict is Verdict.VIOLATED
    assert result.details["line"] == 6
    assert (result.details["directives"], result.details["failed"]) == (2, 1)
    assert result.message.endswith("file.txt:6: log-level: output line 1: expected 'fine', got 'ok'")
    assert str(result.details["diff"]).splitlines()[2:] == ["@@ -1 +1 @@", "-fine", "+ok"]


@pytest.mark.parametrize(
    ("expected", "what"), [("", "expected the end, got 'ok'"), ("ok\nmore\n", "expected 'more', got the end")]
)
def test_missing_and_surplus_lines_differ(run: Run, expected: str, what: str) -> None:
    result = run(f"log-level none\n----\n{expected}")
    assert (result.verdict, result.details["line"]) == (Verdict.VIOLATED, 1)
    assert what in result.message


def test_a_very_long_difference_is_not_searched_for_the_shortest_diff(run: Run) -> None:
    result = run("log-level none\n----\n" + "nonsense\n" * 200_000)
    assert (result.verdict, result.details["diff"]) == (Verdict.VIOLATED, None)


@pytest.mark.parametrize(
    "error", [RaftPanic("tocommit(7) is out of\nrange"), ZeroDivisionError("division"), RecursionError("deep")]
)
def test_an_exception_in_the_reference_is_a_violation(run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Raised from inside of a module of the reference, as a real one would be."""
    found: dict[str, object] = {}
    code = compile("def broken(self): raise error", "rawnode.py", "exec")
    exec(code, {"__name__": RawNode.__module__, "error": error}, found)
    monkeypatch.setattr(RawNode, "campaign", found["broken"])
    result = run(f"log-level none\n----\nok\n\n{THREE_NODES}ok\n\ncampaign 1\n----\nok\n")
    assert (result.verdict, result.property, result.details["line"]) == (Verdict.VIOLATED, "NoPanic", 9)
    assert f"{type(error).__name__}: {' '.join(str(error).split())}" in result.message


def test_an_exception_of_ours_is_not_blamed_on_the_reference(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "describe_ready", lambda _: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        run(f"log-level none\n----\nok\n\n{THREE_NODES}ok\n\nprocess-ready 1\n----\nok\n")


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b"", None, "no directive"),
        (b"\n\n  \n", None, "no directive"),
        (b"# only a comment\n", None, "no directive"),
        (b"[" * 200_000, 1, "expected a command of the interaction, confchange or quorum suite"),
        (b"hello world\n----\n", 1, "expected a command"),
        (b"campaign 1\n----\n\ncampaign \xff\n", 4, "byte 0xff is not UTF-8"),
        (b"campaign 1\n----\n\0", 3, "NUL"),
        (b"campaign (\n----\n\ncampaign a=(\n----\n", 4, "column 12: the parenthesis is not closed"),
        (b"campaign a=" + b"(" * 200_000, 1, "not closed"),
        (b"campaign =\n", 1, "column 10"),
        (b"subtest a\ncampaign 1\n----\n", 1, "subtest 'a' has no end"),
    ],
)
def test_what_is_no_file_of_the_suites_is_invalid(run: Run, content: bytes, line: int | None, problem: str) -> None:
    result = run(content)
    assert (result.verdict, result.details["line"]) == (Verdict.INVALID, line)
    assert problem in result.message


@pytest.mark.parametrize(
    "directive",
    [
        "campaign",
        "campaign 0",
        "campaign 4",
        "campaign x",
        "campaign 99999999999999999999999999",
        "add-nodes",
        "add-nodes many",
        "add-nodes 99999999",
        "add-nodes 99999999999999999999999999",
        "add-nodes 1 voters=(1, x) index=2",
        "add-nodes 1 voters=(-1) index=2",
        "add-nodes 1 voters=(1) index=18446744073709551616",
        "add-nodes 1 voters=(1) index=18446744073709551615",
        f"add-nodes 1 index=2 voters=({', '.join(map(str, range(1, 200)))})",
        "add-nodes 1 content=x index=2",
        "add-nodes 1 inflight=0",
        "add-nodes 1 inflight=x",
        "add-nodes 1 prevote=perhaps",
        "add-nodes 1 max-committed-size-per-ready=-1",
        "add-nodes 1 read-only=lease-based",
        "add-nodes 1 learners=(7) index=2",
        "add-nodes 1 voters=(1) learners=(1) index=2",
        "compact 1",
        "compact 1 x",
        "compact 1 3",
        "deliver-msgs x",
        "deliver-msgs 1 drop=(1)",
        "deliver-msgs drop=(1) 1",
        "deliver-msgs 1 type=MsgNonsense",
        f"deliver-msgs {' '.join(map(str, range(101)))}",
        f"deliver-msgs drop=({', '.join(map(str, range(101)))})",
        "log-level",
        "process-ready 4",
        f"process-ready {'1 ' * 101}",
        "propose 1",
        "propose 1 a b",
        "propose 1 a=b",
        "propose-conf-change 1 v1=true",
        f"propose-conf-change 1\n{'v1 ' * 101}",
        "raft-log 4",
        "report-unreachable 1 4",
        "send-snapshot 1",
        "send-snapshot 1 -2",
        "send-snapshot 4 1",
        "set-randomized-election-timeout 1",
        "set-randomized-election-timeout 1 timeout=0",
        "set-randomized-election-timeout 1 timeout=(1, 2)",
        "stabilize 4",
        "status",
        "tick-election x",
        "transfer-leadership from=1",
        "transfer-leadership from=1 to=4",
        "transfer-leadership from=0 to=1",
    ],
)
def test_a_directive_that_cannot_be_carried_out_is_invalid(run: Run, directive: str) -> None:
    result = run(f"log-level none\n----\nok\n\n{THREE_NODES}ok\n\n{directive}\n----\nok\n")
    assert (result.verdict, result.details["line"]) == (Verdict.INVALID, 9), result.message
    assert f"file.txt:9: {directive.split()[0]}: " in result.message


@pytest.mark.parametrize(
    "content",
    ["enter-joint autoleave=maybe\nv1\n----\n", f"simple\n{' '.join(f'l{member}' for member in range(1, 1002))}\n----\n"],
)
def test_a_confchange_directive_that_cannot_be_carried_out_is_invalid(run: Run, content: str) -> None:
    result = run(content)
    assert (result.verdict, result.details["line"]) == (Verdict.INVALID, 1)


def test_a_file_that_cannot_be_read_is_invalid(tmp_path: Path) -> None:
    for path, problem in ((tmp_path, "directory"), (tmp_path / "absent.txt", "No such file"), (Path("a\0b"), "null")):
        result = run_file(str(path), Limits())
        assert result.verdict is Verdict.INVALID
        assert problem in result.message


def test_a_huge_file_is_invalid(run: Run) -> None:
    assert "larger than" in run(b"#" * (4 * 2**20 + 1)).message
    assert run_file("/dev/zero", Limits()).verdict is Verdict.INVALID


@pytest.mark.parametrize("limits", [Limits(time_limit_s=0), Limits(memory_limit_mb=1)])
def test_a_limit_is_unknown_never_a_pass(run: Run, limits: Limits) -> None:
    result = run("log-level none\n----\nok\n", limits)
    assert result.verdict is Verdict.UNKNOWN
    assert "limit" in result.message


def test_too_many_messages_on_their_way_are_unknown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "MAX_MESSAGES", 3)
    result = run(f"log-level none\n----\nok\n\n{THREE_NODES}ok\n\n" + "send-snapshot 1 2\n----\nok\n\n" * 5)
    assert (result.verdict, result.details["directives"]) == (Verdict.UNKNOWN, 7)
    assert "more than 3 messages" in result.message


def test_output_without_end_is_unknown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes, each of which follows the other, pass a proposal to and fro for ever."""
    monkeypatch.setattr(output, "MAX_OUTPUT", 2000)
    content = f"log-level none\n----\nok\n\n{THREE_NODES}ok\n\n"
    for directive in ("send-snapshot 1 2", "send-snapshot 2 1", "deliver-msgs 1 2", "propose 1 round", "log-level debug"):
        content += f"{directive}\n----\nok\n\n"
    result = run(f"{content}stabilize\n----\n")
    assert (result.verdict, result.details["directives"]) == (Verdict.UNKNOWN, 8)
    assert "more than 2000 characters" in result.message


def test_a_snapshot_may_be_sent_to_a_node_that_does_not_exist_yet(run: Run) -> None:
    snapshot = "1->4 MsgSnap Term:0 Log:0/0\n  Snapshot: Index:2 Term:1 ConfState:Voters:[1 2 3] VotersOutgoing:[] "
    snapshot += "Learners:[] LearnersNext:[] AutoLeave:false\n"
    content = f"log-level none\n----\nok\n\n{THREE_NODES}ok\n\nlog-level debug\n----\nok\n\n"
    content += f"send-snapshot 1 4\n----\n{snapshot}\ndeliver-msgs drop=(4)\n----\ndropped: {snapshot}"
    result = run(content)
    assert result.verdict is Verdict.HOLDS, result.message


def test_a_member_with_the_address_of_a_storage_thread_is_refused(run: Run) -> None:
    content = f"log-level none\n----\nok\n\nadd-nodes 1 index=2 voters=(1, {2**64 - 1})\n----\nok\n\n"
    result = run(f"{content}campaign 1\n----\nok\n\nprocess-ready 1\n----\nok\n")
    assert (result.verdict, result.details["line"]) == (Verdict.INVALID, 13)
    assert "storage thread" in result.message


def test_nodes_that_do_not_come_to_rest_are_unknown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RawNode, "has_ready", lambda _: True)
    monkeypatch.setattr(environment, "MAX_STABILIZE_ROUNDS", 50)
    result = run(f"log-level none\n----\nok\n\n{THREE_NODES}ok\n\nstabilize\n----\nok\n")
    assert result.verdict is Verdict.UNKNOWN
    assert "50 rounds" in result.message


def test_rewriting_uses_double_separators_where_it_must(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("simple\nv1\n----\n\n# A comment.\n\nnonsense\n\n----\nold\n")
    rewrite_file(str(path), Limits())
    assert path.read_text() == (
        "simple\nv1\n----\nvoters=(1)\n1: StateProbe match=0 next=1\n\n# A comment.\n\nnonsense\n\n----\nunknown command\n"
    )


def test_rewriting_refuses_what_it_cannot_run(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("campaign 1\n----\nold\n")
    with pytest.raises(InvalidInput):
        rewrite_file(str(path), Limits())
    assert path.read_text() == "campaign 1\n----\nold\n"


COMMAND_LINES = st.sampled_from(
    [
        "add-nodes 2 voters=(1, 2) index=3",
        "add-nodes 1",
        "campaign 1",
        "campaign 2",
        "stabilize",
        "propose 1 a",
        "propose-conf-change 1\nv3",
        "process-ready 1 2",
        "deliver-msgs 2 drop=(1)",
        "compact 1 4",
        "raft-log 1",
        "status 1",
        "log-level none",
        "tick-heartbeat 1",
        "report-unreachable 1 2",
        "send-snapshot 1 2",
        "transfer-leadership from=1 to=2",
        "forget-leader 2",
        "vote cfg=(1)",
        "simple\nv1",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(COMMAND_LINES, max_size=12), st.integers(0, 400), st.binary(max_size=3))
def test_mutilated_files_get_a_verdict(run: Run, commands: list[str], at: int, replacement: bytes) -> None:
    content = "".join(f"{command}\n----\n\n" for command in commands).encode()
    result = run(content[:at] + replacement + content[at + len(replacement) :])
    assert result.property != "NoPanic", result.message
