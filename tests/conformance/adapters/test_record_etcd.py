"""`kubeproof record etcd`: answers that `check` judges, Runs of clusters under faults, and nothing left however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from kubeproof.conformance.adapters.etcd.command import CannotBeRecorded, record
from kubeproof.conformance.adapters.etcd.record import FAULTS, Plan, record_answers, record_run
from kubeproof.conformance.adapters.etcd.traffic import OddTraffic, Traffic
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.trace.run import Event, RunReader
from kubeproof.conformance.verdict import Verdict
from kubeproof.impl.store import Version
from tests.conformance.adapters.etcd import BINARY, needs_etcd

KUBEPROOF = Path(sys.executable).parent / "kubeproof"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    assert BINARY is not None
    path = tmp_path_factory.mktemp("answers") / "answers.ndjson"
    with path.open("wb") as file:
        record_answers(BINARY, Plan(operations=300, seed=7), file)
    return path.read_text().splitlines(keepends=True)


def verdict(path: Path, lines: list[str]) -> Verdict:
    path.write_text("".join(lines))
    return check_file(str(path), None, Limits()).verdict


@needs_etcd
def test_recorded_answers_hold(answers: list[str], tmp_path: Path) -> None:
    assert len(answers) == 301
    assert verdict(tmp_path / "answers.ndjson", answers) is Verdict.HOLDS


@needs_etcd
def test_an_altered_answer_is_violated(answers: list[str], tmp_path: Path) -> None:
    place = next(place for place, line in enumerate(answers) if '"op":"Put"' in line and '"resp"' in line)
    line = json.loads(answers[place])
    line["resp"]["header"]["revision"] += 1
    altered = [*answers[:place], json.dumps(line) + "\n", *answers[place + 1 :]]
    assert verdict(tmp_path / "altered.ndjson", altered) is Verdict.VIOLATED


@needs_etcd
def test_a_run_of_three_members_under_faults(tmp_path: Path) -> None:
    assert BINARY is not None
    path = tmp_path / "run.ndjson"
    plan = Plan(members=3, clients=3, operations=600, seed=3, faults=("kill", "leader"))
    with path.open("wb") as file:
        record_run(BINARY, plan, file)
    reader = RunReader[Event](str(path))
    events = list(reader)
    assert reader.header.system == "etcd"
    count = Counter(event.action for event in events)
    assert count["invoke"] == count["return"] == 600
    assert count["start"] == 3 + count["crash"]
    assert "panic" not in count
    assert_each_watcher_sees_all(events)


def assert_each_watcher_sees_all(events: list[Event]) -> None:
    """Between compactions: all watchers see the same changes, ordered by revision."""
    seen: dict[str, list[int]] = {}
    last = 0
    for event in events:
        args = event.args or {}
        if event.action == "watch_response":
            changes = args["resp"].get("events", [])
            seen.setdefault(event.actor, []).extend(change["kv"]["mod_revision"] for change in changes)
        elif event.action == "return":
            last = max(last, args.get("resp", {}).get("header", {}).get("revision", 0))
    assert len(seen) == 3
    for revisions in seen.values():
        assert revisions == sorted(revisions)
        assert revisions[-1] >= last


@needs_etcd
def test_a_run_of_etcd_is_not_judged_yet(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    path.write_text('{"kubeproof":"run","version":1,"system":"etcd"}\n{"action":"start","actor":"m1"}\n')
    result = check_file(str(path), None, Limits())
    assert result.verdict is Verdict.INVALID
    assert "system" in result.message


@needs_etcd
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_interrupted(number: signal.Signals, tmp_path: Path) -> None:
    temporary, out = tmp_path / "tmp", tmp_path / "run.ndjson"
    temporary.mkdir()
    command = [KUBEPROOF, "record", "etcd", "--out", out, "--etcd", BINARY or "", "--operations", "1000000", "--faults", "pause"]
    process = subprocess.Popen(
        list(map(str, command)),
        env=os.environ | {"TMPDIR": str(temporary)},
        stderr=subprocess.DEVNULL,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # shells let what they run behind ignore Ctrl-C
    )
    try:
        while not out.exists() or out.stat().st_size == 0:
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.2)
        process.send_signal(number)
        assert process.wait(20) == 130
    finally:
        process.terminate()
        process.wait()
    assert not list(temporary.iterdir())
    assert not has_process(str(temporary))


def has_process(argument: str) -> bool:
    """Whether a process has this in its command line."""
    return any(argument in path.read_text(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())


def test_without_etcd_one_line_tells_how_to_get_it(tmp_path: Path) -> None:
    command = list(map(str, (KUBEPROOF, "record", "etcd", "--out", tmp_path / "run.ndjson")))
    done = subprocess.run(command, env=os.environ | {"PATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines() == ["Error: no etcd is installed: install Debian's etcd-server, or name a binary with --etcd"]


@needs_etcd
@pytest.mark.parametrize(
    ("plan", "format_", "scenario", "problem"),
    [
        (Plan(faults=("fire",)), "run", None, "--faults: expected some of kill, restart, pause, leader, got fire"),
        (Plan(clients=2), "etcd-answers", None, "of one client of one member without faults"),
        (Plan(), "run", "nothing", "--scenario: expected one of put-without-previous, .*, got nothing"),
    ],
)
def test_what_cannot_be_recorded(plan: Plan, format_: str, scenario: str | None, problem: str, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file, pytest.raises(CannotBeRecorded, match=problem):
        record(BINARY, plan, format_, scenario, file)


def test_equal_seeds_and_answers_make_equal_requests() -> None:
    for make in (lambda seed: Traffic(seed, 1), lambda seed: OddTraffic(seed, 1, Version.V3_6)):
        one, same, other = ([traffic.next() for _ in range(200)] for traffic in map(make, (1, 1, 2)))
        assert one == same != other


def test_faults_are_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "recording-etcd.md").read_text()
    assert all(f"`{name}`" in page for name in FAULTS)
