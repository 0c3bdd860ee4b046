"""`check_file`: the result's fields, what is invalid and what is violated, and limits."""

from __future__ import annotations

import gzip
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import json as msgspec_json

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace import check_file, raft_events
from kubeproof.conformance.trace.raft import PROPERTIES, RaftChecker
from kubeproof.conformance.verdict import Result, Verdict
from tests.conformance.trace.samples import BAD, GOOD, HEADER, START, check_bytes, first_start, run_lines, trace_lines

FIELDS: dict[str, Any] = {
    "subject": str,
    "kind": str,
    "verdict": str,
    "property": (str, type(None)),
    "message": str,
    "seconds": float,
    "format": (str, type(None)),
    "events": int,
    "line": (int, type(None)),
    "evidence": list,
    "assumptions": int,
    "properties": dict,
}
IDS = {each.id for each in PROPERTIES}
# etcd's trace tells neither of options nor of reads nor of panics: what cannot be judged must not be said to hold.
IDS_OF_ETCD = IDS - {"one_change_at_a_time", "reads_are_linearizable", "no_panic"}
IDS_WITHOUT_READS = IDS - {"reads_are_linearizable"}


def fields(result: Result) -> dict[str, Any]:
    """As others see it."""
    told: dict[str, Any] = json.loads(json.dumps(result.as_json()))
    assert told.keys() >= FIELDS.keys()
    assert all(isinstance(told[name], types) for name, types in FIELDS.items())
    assert told["kind"] == "check"
    assert told["seconds"] >= 0
    assert "\n" not in told["message"]
    assert all(item.keys() == {"file", "line", "what"} for item in told["evidence"])
    return told


def a_run(*events: object) -> bytes:
    return HEADER + b"".join(msgspec_json.encode(event) + b"\n" for event in events)


# ---- results


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(("lines", "format_"), [(run_lines, "run"), (trace_lines, "etcd-raft")], ids=["run", "etcd-raft"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "recognised"])
def test_a_run_that_holds(tmp_path: Path, lines: Any, format_: str, pack: Any, told: bool) -> None:
    result = fields(check_bytes(tmp_path, pack(b"".join(lines())), format_ if told else None))
    assert (result["verdict"], result["property"], result["message"]) == ("holds", None, "")
    assert (result["subject"], result["format"], result["events"]) == (str(tmp_path / "input"), format_, 200)
    assert (result["line"], result["evidence"]) == (None, [])
    assert result["properties"] == dict.fromkeys(IDS_WITHOUT_READS if format_ == "run" else IDS_OF_ETCD, "holds")


def test_only_what_the_source_tells_is_said_to_hold(tmp_path: Path) -> None:
    assert fields(check_file(str(GOOD), None, Limits()))["properties"] == dict.fromkeys(IDS, "holds")
    unvalidated = HEADER.replace(b"}", b',"options":{"disable_conf_change_validation":true}}')
    without_ready = [line for line in run_lines()[1:] if b'"ready"' not in line]
    told = fields(check_bytes(tmp_path, unvalidated + b"".join(without_ready)))["properties"]
    assert told.keys() == IDS_WITHOUT_READS - {"one_change_at_a_time", "durable_state"}


def test_a_run_that_is_violated() -> None:
    result = fields(check_file(str(BAD), None, Limits()))
    lines = BAD.read_bytes().splitlines()
    assert (result["verdict"], result["property"]) == ("violated", "durable_state")
    assert result["line"] == 1 + result["events"] == len(lines)
    assert result["properties"] == dict.fromkeys(IDS_WITHOUT_READS, "holds") | {"durable_state": "violated"}
    assert [item["file"] for item in result["evidence"]] == [str(BAD)] * len(result["evidence"])
    assert result["evidence"][-1]["line"] == result["line"]
    assert "expected" in result["message"]
    assert "seen" in result["message"]


def test_a_run_that_is_invalid(tmp_path: Path) -> None:
    result = fields(check_bytes(tmp_path, b"".join(run_lines()) + b"rubbish\n"))
    assert (result["verdict"], result["property"], result["format"]) == ("invalid", None, "run")
    assert (result["line"], result["events"], result["properties"]) == (202, 200, {})
    assert result["message"].startswith(f"{tmp_path / 'input'}:202: expected one JSON object")


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    with GOOD.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        result = fields(check_file("-", None, Limits()))
    assert (result["verdict"], result["subject"]) == ("holds", "-")


def test_facts_that_are_not_told_are_counted(tmp_path: Path) -> None:
    load = raft_events.BecomeFollower(actor="1", state=raft_events.State(term=0, commit=0))
    result = check_bytes(tmp_path, a_run(first_start("1"), load, raft_events.Ready(actor="1")))
    assert (result.verdict, result.message) == (Verdict.HOLDS, "")
    assert int(str(fields(result)["assumptions"])) > 0


def test_what_it_repeats_of_the_input_is_short(tmp_path: Path) -> None:
    panic = raft_events.Panic(actor="1" * 10**6, args=raft_events.PanicArgs(reason="x\n" * 10**6))
    for data in (
        a_run(first_start(panic.actor), panic),
        a_run(panic),
        HEADER + b'{"action":"' + b"x" * 10**6 + b'"}\n',
        HEADER.replace(b"raft", b"x" * 10**6) + START,
    ):
        result = check_bytes(tmp_path, data)
        assert result.verdict in (Verdict.INVALID, Verdict.VIOLATED)
        assert len(json.dumps(fields(result))) < 12_000


@pytest.mark.parametrize(
    "bad",
    [b"rubbish\n", b"{", b'{"action":"ready","actor":"1","actor":"1"}\n', HEADER, b"\xff", b'{"action":"ready","actor":"?"}\n'],
)
def test_what_follows_a_violation_does_not_hide_it(tmp_path: Path, bad: bytes) -> None:
    expected = fields(check_file(str(BAD), None, Limits()))
    result = fields(check_bytes(tmp_path, BAD.read_bytes() + bad))
    assert (result["verdict"], result["property"], result["line"]) == ("violated", "durable_state", expected["line"])


def test_a_truncated_archive_does_not_hide_a_violation(tmp_path: Path) -> None:
    data = gzip.compress(BAD.read_bytes() + random.Random(1).randbytes(100_000))[:-50_000]
    assert check_bytes(tmp_path, data).verdict is Verdict.VIOLATED
    assert check_bytes(tmp_path, data[:1000]).verdict is Verdict.INVALID


@pytest.mark.parametrize("bad", [b"rubbish\n", trace_lines()[0].replace(b'"nid":"', b'"nid":"x')])
def test_what_follows_a_violation_of_a_trace_does_not_hide_it(tmp_path: Path, bad: bytes) -> None:
    lines = [line.replace(b"StateFollower", b"StateLeader") for line in trace_lines()]
    expected = fields(check_bytes(tmp_path, b"".join(lines)))
    result = fields(check_bytes(tmp_path, b"".join(lines) + bad))
    assert result["verdict"] == "violated"
    assert result["line"] == expected["line"]


# ---- invalid


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"", 1, "got an empty file"),
        (b"\n\r\n  \n", 1, "got an empty file"),
        (b"rubbish\n", 1, "expected a Run (its header) or a trace of etcd-io/raft"),
        (bytes(range(256)) * 9, 1, "expected a Run (its header) or a trace of etcd-io/raft"),
        (HEADER.decode().encode("utf-16"), 1, "expected a Run (its header) or a trace of etcd-io/raft"),
        (b"[" * 100_000, 1, "expected a Run (its header) or a trace of etcd-io/raft"),
        (b'{"a":' * 100_000, 1, "expected a Run (its header) or a trace of etcd-io/raft"),
        (b"[]\n", 1, "expected a Run (its header) or a trace of etcd-io/raft"),
        (b"{}\n{}\n", None, 'expected lines with "tag":"trace"'),
        (HEADER, None, "expected events after the header, found none"),
        (HEADER + b"\n\n", None, "expected events after the header, found none"),
        (START, 1, "expected the header of a Run"),
        (HEADER.replace(b"raft", b"etcd") + START, 1, "system: expected raft, got 'etcd'"),
        (HEADER.replace(b'"version":1', b'"version":9') + START, 1, "version: expected 1, got 9"),
        (HEADER + HEADER, 2, "expected an event, got a second header"),
        (HEADER + START + b"[" * 100_000, 3, "expected `object`, got `array`"),
        (HEADER + START + b'{"action":' * 100_000, 3, "deeply"),
        (HEADER + START + bytes(100), 3, "expected one JSON object"),
    ],
)
def test_one_clear_line(tmp_path: Path, data: bytes, line: int | None, what: str) -> None:
    result = fields(check_bytes(tmp_path, data))
    place = f"{tmp_path / 'input'}:" if line is None else f"{tmp_path / 'input'}:{line}: "
    assert result["verdict"] == "invalid"
    assert result["line"] == line
    assert result["message"].startswith(place)
    assert what in result["message"]


@pytest.mark.parametrize(
    ("lines", "format_"), [(run_lines, "etcd-raft"), (trace_lines, "run")], ids=["run as etcd-raft", "etcd-raft as run"]
)
def test_another_format_than_told(tmp_path: Path, lines: Any, format_: str) -> None:
    result = fields(check_bytes(tmp_path, b"".join(lines()), format_))
    assert (result["verdict"], result["events"]) == ("invalid", 0)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("lines", [run_lines, trace_lines], ids=["run", "etcd-raft"])
def test_windows_line_ends_and_byte_order_mark(tmp_path: Path, lines: Any, pack: Any) -> None:
    data = b"\xef\xbb\xbf" + b"".join(lines()).replace(b"\n", b"\r\n")
    assert check_bytes(tmp_path, pack(data)).verdict is Verdict.HOLDS


@pytest.mark.parametrize("lines", [run_lines, trace_lines], ids=["run", "etcd-raft"])
def test_a_truncated_line(tmp_path: Path, lines: Any) -> None:
    result = fields(check_bytes(tmp_path, b"".join(lines())[:-20]))
    assert (result["verdict"], result["events"]) == ("invalid", 199)


@pytest.mark.parametrize("lines", [run_lines, trace_lines], ids=["run", "etcd-raft"])
def test_a_trace_that_starts_in_the_middle(tmp_path: Path, lines: Any) -> None:
    kept = [line for line in lines() if b"kubeproof" in line] + list(lines()[100:])
    result = fields(check_bytes(tmp_path, b"".join(kept)))
    assert result["verdict"] == "invalid"
    assert "actor: expected a start of node" in result["message"]


@pytest.mark.parametrize(
    ("events", "what"),
    [
        ([first_start("")], "actor: expected the id of a node"),
        ([raft_events.Ready(actor="1")], "actor: expected a start of node 1"),
        (
            [raft_events.Start(actor="1", state=raft_events.State(commit=1, last_index=5))],
            "state.last_index: expected 1 at the first start",
        ),
        (
            [first_start("1"), raft_events.Crash(actor="1"), raft_events.Ready(actor="1")],
            "actor: expected a start of node 1",
        ),
        (
            [first_start("1")] + [raft_events.ReadRequest(actor="1", args=raft_events.ReadRequestArgs(id="a")) for _ in range(2)],
            "args.id: expected ids that do not repeat",
        ),
        (
            [
                first_start("1"),
                raft_events.ReadServed(actor="1", args=raft_events.ReadServedArgs(id="a", index=0)),
            ],
            "args.id: expected a read that was asked for",
        ),
        (
            [
                first_start("1"),
                raft_events.ApplyConfChange(actor="1", args=raft_events.ApplyConfChangeArgs(voters=("1", "1"))),
            ],
            "args.voters: expected ids that do not repeat",
        ),
        (
            [
                first_start("1"),
                raft_events.ApplyConfChange(actor="1", args=raft_events.ApplyConfChangeArgs(voters=("1", ""))),
            ],
            "args.voters: expected ids",
        ),
    ],
)
def test_what_no_recorder_writes(tmp_path: Path, events: list[object], what: str) -> None:
    result = fields(check_bytes(tmp_path, a_run(*events)))
    assert (result["verdict"], result["line"]) == ("invalid", 1 + len(events))
    assert what in result["message"]


# ---- limits


@pytest.mark.parametrize(("limits", "which"), [(Limits(time_limit_s=0), "time"), (Limits(memory_limit_mb=1), "memory")])
def test_a_limit_is_unknown(limits: Limits, which: str) -> None:
    result = fields(check_file(str(GOOD), None, limits))
    assert (result["verdict"], result["property"], result["properties"]) == ("unknown", None, {})
    assert f"{which} limit of" in result["message"]
    assert "events were accepted" in result["message"]


@pytest.mark.parametrize(
    "tail", [b"\n" * 10_000_000, b'{"tag":"x"}\n' * 1_000_000, START * 1_000_000], ids=["blank", "other", "events"]
)
def test_a_time_limit_stops_in_time(tmp_path: Path, tail: bytes) -> None:
    (tmp_path / "input").write_bytes(gzip.compress((b"" if b"tag" in tail else HEADER + START) + tail, 1))
    begun = time.monotonic()
    result = fields(check_file(str(tmp_path / "input"), None, Limits(time_limit_s=0.1)))
    assert result["verdict"] == "unknown"
    assert time.monotonic() - begun < 2


def test_no_memory_left_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(_checker: RaftChecker, _line: int, _event: object) -> None:
        raise MemoryError

    monkeypatch.setattr(RaftChecker, "take", take)
    result = fields(check_bytes(tmp_path, HEADER + START))
    assert result["verdict"] == "unknown"
    assert "no memory left" in result["message"]
