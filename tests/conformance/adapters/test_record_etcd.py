"""`kubeproof record etcd`: answers that `check` judges, Runs of clusters under faults, and nothing left however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

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
    plan = Plan(members=3, clients=4, operations=600, seed=3, faults=("kill", "pause", "leader"))
    with path.open("wb") as file:
        record_run(BINARY, plan, file)
    reader = RunReader[Event](str(path))
    events = list(reader)
    assert reader.header.system == "etcd"
    count = Counter(event.action for event in events)
    assert count["invoke"] == count["return"] == 600
    assert count["start"] == 3 + count["crash"]
    assert count["pause"] == count["resume"]
    assert count["crash"] + count["pause"] + count["move_leader"] > 0
    assert "panic" not in count
    assert_each_client_sees_all(events, clients=4)
    with pytest.raises(AssertionError):
        assert_each_client_sees_all(without_last_changes(events, "watcher-3"), clients=4)


def without_last_changes(events: list[Event], actor: str) -> list[Event]:
    """What a recorder would write that had lost what a watcher was told last."""
    last = max(
        place for place, event in enumerate(events) if event.actor == actor and "events" in (event.args or {}).get("resp", {})
    )
    return [*events[:last], *events[last + 1 :]]


Changes = list[dict[str, Any]]


def assert_each_client_sees_all(events: list[Event], clients: int) -> None:
    """The watch of each client is told of every write that was acknowledged, and all are told the same."""
    watched = {f"watcher-{number}": seen_by(events, f"watcher-{number}") for number in range(clients)}
    told: dict[int, Changes] = {}
    for changes, _ in watched.values():
        told |= changes
    acknowledged = {
        event.args["resp"]["header"]["revision"]
        for asked, event in exchanges(events)
        if event.args and "resp" in event.args and asked["op"] == "Put"
    }
    assert len(acknowledged) > 50
    for changes, compacted in watched.values():
        assert list(changes) == sorted(changes)
        missed = (acknowledged | told.keys()) - changes.keys()
        assert all(any(first <= revision < last for first, last in compacted) for revision in missed)
        assert all(told[revision] == here for revision, here in changes.items())


def exchanges(events: list[Event]) -> Iterator[tuple[dict[str, Any], Event]]:
    """What clients have asked, and what came of it."""
    asked: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.action == "invoke":
            asked[event.actor] = dict(event.args or {})
        elif event.action == "return":
            yield asked[event.actor], event


def seen_by(events: list[Event], actor: str) -> tuple[dict[int, Changes], list[tuple[int, int]]]:
    """The changes that a watcher is told, by revision; and from where to where they were compacted before it was."""
    changes: dict[int, Changes] = {}
    compacted: list[tuple[int, int]] = []
    for event in events:
        if event.actor == actor and event.action == "watch_response":
            resp = (event.args or {})["resp"]
            for change in resp.get("events", []):
                without_previous = {name: value for name, value in change.items() if name != "prev_kv"}  # it may be compacted
                changes.setdefault(change["kv"]["mod_revision"], []).append(without_previous)
            if resp.get("canceled"):
                compacted.append((max(changes, default=0) + 1, resp["compact_revision"]))
    return changes, compacted


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
    command = [KUBEPROOF, "record", "etcd", "--out", out, "--etcd", BINARY or "", "--operations", "1000000", *CLUSTER]
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
        time.sleep(1.0)  # some faults later
        process.send_signal(number)
        assert process.wait(20) == 130
    finally:
        process.terminate()
        process.wait()
    assert not list(temporary.iterdir())
    assert not has_process(str(temporary))


CLUSTER = ("--members", "3", "--clients", "2", "--faults", "kill,pause,leader")


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
