"""`kubeproof replay`: what was recorded happens again, what was changed is found at its line, and nothing else is taken."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.replay import replay
from kubeproof.conformance.scenarios.explore import explore
from kubeproof.conformance.scenarios.scenario import BUGS, shipped
from kubeproof.conformance.simulation import simulate
from kubeproof.conformance.simulation.plan import plan_from, varied_plan
from kubeproof.conformance.simulation.simulate import run_plan
from kubeproof.conformance.verdict import Result, Verdict
from kubeproof.impl.cluster.environment import ENVIRONMENT_FAULTS

ROOT = Path(__file__).parents[2]
GOOD = ROOT / "traces" / "good-plain.ndjson"
COUNTEREXAMPLES = [*(path.stem for path in shipped(BUGS)), "register-two-servers"]


@pytest.mark.parametrize("path", sorted((ROOT / "traces").glob("*.ndjson")), ids=lambda path: path.stem)
def test_what_ships_happens_again(path: Path) -> None:
    result = replay(str(path), Limits())
    assert (result.verdict, result.kind, result.property, result.message) == (Verdict.HOLDS, "replay", None, "")
    events = len(path.read_bytes().splitlines()) - 1
    assert result.details == {"events": events, "line": None, "steps": None, "evidence": []}


@pytest.mark.parametrize("seed", range(1, 9))
def test_varied_runs_happen_again(tmp_path: Path, seed: int) -> None:
    plan, out = varied_plan(seed, 700), str(tmp_path / "run.ndjson")
    run_plan(plan, Limits(), out)
    assert replay(out, Limits()).verdict is Verdict.HOLDS
    assert plan_from(json.loads(json.dumps(plan.options()))) == plan


def test_a_violated_run_happens_again(tmp_path: Path) -> None:
    out = str(tmp_path / "run.ndjson")
    done = simulate("raft", seed=1, events=50_000, faults=("crash",), bug=("vote_not_stored",), out=out)
    again = replay(out, Limits())
    assert (done.verdict, again.verdict) == (Verdict.VIOLATED, Verdict.HOLDS)
    assert again.details["events"] == done.details["events"]


@pytest.fixture(scope="module")
def counterexamples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("runs")))
        return {name: Path(str(explore(name, (), Limits()).details["counterexample"])) for name in COUNTEREXAMPLES}


@pytest.mark.parametrize("name", COUNTEREXAMPLES)
def test_counterexamples_happen_again(counterexamples: dict[str, Path], name: str) -> None:
    path = counterexamples[name]
    result = replay(str(path), Limits())
    assert result.verdict is Verdict.HOLDS, result.message
    way = json.loads(path.read_bytes().splitlines()[0])["options"]["way"]
    evidence = result.details["evidence"]
    assert isinstance(evidence, list)
    assert result.details["steps"] == len(way)
    assert [each["what"].partition(". ")[0] for each in evidence if "again and again" not in each["what"]] == [
        str(number) for number in range(1, len(way) + 1)
    ]


def test_counterexamples_happen_again_in_another_process(counterexamples: dict[str, Path]) -> None:
    program = Path(sys.executable).with_name("kubeproof")
    for hash_seed in ("0", "4242"):
        command = [str(program), "replay", "--json", *map(str, counterexamples.values())]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert [answer["verdict"] for answer in answers] == ["holds"] * len(counterexamples)


def written(folder: Path, lines: list[bytes]) -> Result:
    path = folder / "run.ndjson"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return replay(str(path), Limits())


# ---- what is not as recorded

LINES = GOOD.read_bytes().splitlines()


@pytest.mark.parametrize("line", [2, 300, len(LINES)])
@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda event: event | {"actor": "9"}, "actor"),
        (lambda event: event | {"state": event["state"] | {"term": 99}}, "state.term"),
        (lambda event: {name: value for name, value in event.items() if name != "time_ms"}, "time_ms"),
        (lambda event: event | {"args": {"index": 1}}, "args"),
    ],
)
def test_a_changed_event_is_found(tmp_path: Path, line: int, change: Any, field: str) -> None:
    changed = json.dumps(change({"state": {}} | json.loads(LINES[line - 1]))).encode()
    result = written(tmp_path, [*LINES[: line - 1], changed, *LINES[line:]])
    assert (result.verdict, result.property, result.details["line"]) == (Verdict.VIOLATED, "replay", line)
    assert result.details["events"] == line - 2
    assert str(result.details["field"]).startswith(field.split(".")[0])
    assert result.message.startswith(f"line {line}: ")


def test_expected_and_seen_are_told(tmp_path: Path) -> None:
    event = json.loads(LINES[9])
    result = written(tmp_path, [*LINES[:9], json.dumps(event | {"actor": "9"}).encode(), *LINES[10:]])
    assert (result.details["field"], result.details["expected"], result.details["seen"]) == ("actor", "9", event["actor"])


def test_an_event_too_few_or_too_many_is_found(tmp_path: Path) -> None:
    short = written(tmp_path, LINES[:-1])
    assert (short.details["line"], short.details["expected"]) == (len(LINES), "the end of the Run")
    long = written(tmp_path, [*LINES, LINES[-1]])
    assert (long.details["line"], long.details["seen"]) == (len(LINES) + 1, "the end of the Run")
    assert short.verdict is long.verdict is Verdict.VIOLATED


def test_another_implementation_is_found(tmp_path: Path) -> None:
    bad = (ROOT / "traces" / "bad-vote-not-stored.ndjson").read_bytes().splitlines()
    mended = {"bugs": ["hard_state_not_stored"], "schedule": "vote_then_restart"}
    assert written(tmp_path, [header(options=mended), *bad[1:]]).verdict is Verdict.VIOLATED


def test_another_way_is_found(tmp_path: Path, counterexamples: dict[str, Path]) -> None:
    head, *events = counterexamples["raft-vote-granted-twice"].read_bytes().splitlines()
    options = json.loads(head)["options"]
    other = written(tmp_path, [header(options=options | {"way": [1, *options["way"][1:]]}), *events])
    assert (other.verdict, other.property) == (Verdict.VIOLATED, "replay")
    without_fault = written(tmp_path, [header(options=options | {"faults": []}), *events])
    assert without_fault.verdict is Verdict.VIOLATED


def test_how_it_is_written_makes_no_difference(tmp_path: Path) -> None:
    spaced = [json.dumps(json.loads(line), indent=None, separators=(", ", " : ")).encode() for line in LINES]
    assert written(tmp_path, [*spaced[:5], b"", *spaced[5:]]).verdict is Verdict.HOLDS
    packed = tmp_path / "run.ndjson.gz"
    packed.write_bytes(gzip.compress(GOOD.read_bytes()))
    assert replay(str(packed), Limits()).verdict is Verdict.HOLDS


# ---- what cannot be made again


def header(system: str = "raft", **fields: Any) -> bytes:
    return json.dumps({"kubeproof": "run", "version": 1, "system": system, **fields}).encode()


SIMULATED = {"nodes": 3, "seed": 1, "events": 600}
EXPLORED: dict[str, Any] = {"size": {"servers": 2, "clients": 2}, "options": {}, "faults": [], "way": [0, 1, 1, 1, 1]}


@pytest.mark.parametrize(
    ("system", "options", "problem"),
    [
        ("raft", None, "that kubeproof has simulated"),
        ("raft", {}, "that kubeproof has simulated"),
        ("mars", SIMULATED, "that kubeproof has simulated"),
        ("raft", {"seed": 1}, "options: object missing required field `nodes`"),
        ("raft", SIMULATED | {"seed": "1"}, "seed: expected `int`"),
        ("raft", SIMULATED | {"seed": -1}, "seed: expected 0 to"),
        ("raft", SIMULATED | {"nodes": 10**6}, "nodes: expected 1 to"),
        ("raft", SIMULATED | {"events": 10**400}, "events: expected"),
        ("raft", SIMULATED | {"colour": 1}, "unknown option 'colour'"),
        ("raft", SIMULATED | {"settings": {}}, "unknown option 'settings'"),
        ("raft", SIMULATED | {"faults": ["crush"]}, "faults: unknown crush"),
        ("raft", SIMULATED | {"faults": "crash"}, "faults: expected `array`"),
        ("raft", SIMULATED | {"bugs": ["none"]}, "bugs: unknown none"),
        ("raft", SIMULATED | {"tick_ms": 0}, "tick_ms: expected 1 to"),
        ("raft", SIMULATED | {"tick_ms": 10**12}, "tick_ms: expected 1 to"),
        ("raft", SIMULATED | {"election_tick": 10**9}, "election_tick: expected 0 to"),
        ("raft", SIMULATED | {"election_tick": 1}, "options: election tick must be greater"),
        ("raft", SIMULATED | {"disk_ms": [5, 1]}, "disk_ms: expected 0 to"),
        ("raft", SIMULATED | {"disk_ms": [1, 2, 3]}, "disk_ms: expected `array` of length 2"),
        ("raft", SIMULATED | {"client_ms": 0}, "client_ms: expected 1 to"),
        ("raft", SIMULATED | {"max_size_per_msg": -1}, "max_size_per_msg: expected 0 to"),
        ("raft", {"schedule": "vote_then_restart", "bugs": []}, "expected the schedule of a fault"),
        ("raft", {"schedule": "none", "bugs": ["vote_not_stored"]}, "expected the schedule of a fault"),
        ("raft", {"schedule": {}, "bugs": [[]]}, "expected the schedule of a fault"),
        ("paxos", EXPLORED, "system: expected one of"),
        ("register", {"way": [0]}, "options: object missing required field `size`"),
        ("register", EXPLORED | {"way": [0, 99]}, "options.way[1]: expected the number of a successor, got 99"),
        ("register", EXPLORED | {"way": [65_536]}, "options.way[0]: expected the number of a successor"),
        ("register", EXPLORED | {"way": [2**63]}, "expected `int` <= 65536"),
        ("register", EXPLORED | {"way": [10**400]}, "expected `int` <= 65536"),
        ("register", EXPLORED | {"way": [-1]}, "expected `int` >= 0"),
        ("register", EXPLORED | {"way": [0] * 100_000}, "way: expected `array` of length <= 1000"),
        ("register", EXPLORED | {"size": {"servers": 65}}, "size.servers: expected 1 to 64, got 65"),
        ("register", EXPLORED | {"size": {"masters": 1}}, "size: expected servers, clients, got 'masters'"),
        ("register", EXPLORED | {"faults": ["x"]}, "faults: expected none"),
        ("register", EXPLORED | {"options": {"pre_vote": True}}, "options: expected none"),
        ("raft", EXPLORED | {"size": {}, "faults": ["x"]}, "faults: expected "),
    ],
)
def test_what_cannot_be_made_again_is_invalid(tmp_path: Path, system: str, options: Any, problem: str) -> None:
    fields = {} if options is None else {"options": options}
    result = written(tmp_path, [header(system, **fields), *LINES[1:]])
    assert result.verdict is Verdict.INVALID
    assert problem in result.message
    assert "\n" not in result.message


@pytest.mark.parametrize("content", [b"", b"\n", b"rubbish", b"[" * 100_000, b"{}", LINES[1], b"\xff\x00", b"\x1f\x8b\x08"])
def test_what_is_no_run_is_invalid(tmp_path: Path, content: bytes) -> None:
    assert written(tmp_path, [content]).verdict is Verdict.INVALID
    assert written(tmp_path, [LINES[0], *LINES[1:40], content or b"x", *LINES[40:]]).verdict in (
        Verdict.INVALID,
        *((Verdict.HOLDS,) if content == b"\n" else ()),
        *((Verdict.VIOLATED,) if content == LINES[1] else ()),
    )


def test_files_that_are_not_there_are_invalid(tmp_path: Path) -> None:
    assert replay(str(tmp_path / "absent"), Limits()).verdict is Verdict.INVALID
    assert replay(str(tmp_path), Limits()).verdict is Verdict.INVALID


def test_a_limit_is_unknown(tmp_path: Path) -> None:
    assert replay(str(GOOD), Limits(time_limit_s=0)).verdict is Verdict.UNKNOWN
    out = str(tmp_path / "run.ndjson")
    simulate("raft", nodes=5, seed=2, events=20_000, faults=ENVIRONMENT_FAULTS, out=out)
    result = replay(out, Limits(time_limit_s=0.1))
    assert (result.verdict, "time limit" in result.message) == (Verdict.UNKNOWN, True)


def test_hostile_runs_get_a_verdict(tmp_path: Path, counterexamples: dict[str, Path]) -> None:
    draw = random.Random(7)
    sources = [LINES[:60], (ROOT / "traces" / "bad-vote-not-stored.ndjson").read_bytes().splitlines()]
    sources += [path.read_bytes().splitlines() for path in counterexamples.values()]
    for _ in range(300):
        lines = list(draw.choice(sources))
        at = draw.choice((0, draw.randrange(len(lines))))
        line = bytearray(lines[at])
        for _ in range(draw.choice((1, 1, 3))):
            line[draw.randrange(len(line))] = draw.choice(b'0123456789"{}[],:-e.ntf\x00\xff')
        lines[at] = bytes(line)
        result = written(tmp_path, lines)
        assert result.verdict in Verdict
        assert "\n" not in result.message
