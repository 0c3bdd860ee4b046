"""What `simulate` promises: verdicts, evidence, limits, input that it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.simulation import simulate
from kubeproof.conformance.simulation.options import changed_options, read_options
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.verdict import InvalidInput, Verdict
from kubeproof.impl.cluster.environment import ENVIRONMENT_FAULTS
from kubeproof.impl.cluster.settings import Settings


def test_a_run_holds_and_tells_what_happened(tmp_path: Path) -> None:
    out = tmp_path / "run.ndjson"
    result = simulate("raft", nodes=5, seed=3, events=8000, faults=ENVIRONMENT_FAULTS, liveness=True, out=str(out))
    assert (result.verdict, result.kind, result.property) == (Verdict.HOLDS, "simulation", None)
    details = result.details
    assert details["run"] == str(out)
    assert details["seed"] == 3
    assert details["nodes"] == 5
    events = len(out.read_bytes().splitlines()) - 1
    assert details["events"] == events >= 8000
    assert all(int(str(details[name])) > 0 for name in ("delivered", "elections", "commit"))
    assert check_file(str(out), None, Limits()).verdict is Verdict.HOLDS


def test_without_out_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert simulate("raft", events=500).details["run"] is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("out", [True, False])
def test_a_violation_leaves_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: bool) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = simulate(
        "raft",
        seed=1,
        events=50_000,
        faults=("crash",),
        bug=("vote_not_stored",),
        out=str(tmp_path / "run.ndjson") if out else None,
    )
    assert result.verdict is Verdict.VIOLATED
    run = Path(str(result.details["run"]))
    assert run.is_relative_to(tmp_path)
    judged = check_file(str(run), None, Limits())
    assert (judged.verdict, judged.property) == (Verdict.VIOLATED, result.property)
    assert judged.details["line"] == 1 + int(str(result.details["events"])) == len(run.read_bytes().splitlines())


def test_a_limit_gives_unknown() -> None:
    result = simulate("raft", events=10**9, limits=Limits(time_limit_s=0.05))
    assert result.verdict is Verdict.UNKNOWN
    assert "time limit" in result.message


@pytest.mark.parametrize(
    "arguments",
    [
        {"system": "paxos"},
        {"nodes": 0},
        {"nodes": 100},
        {"seed": -1},
        {"seed": 2**64},
        {"events": 0},
        {"faults": ("crush",)},
        {"bug": ("no_such_bug",)},
        {"options": {"election_tick": 1}},
        {"options": {"lease_based_reads": True}},
        {"options": {"tick_ms": 0}},
        {"options": {"tick_ms": 10**9}},
        {"options": {"disk_ms": (2, 1)}},
        {"events": 2**63},
    ],
)
def test_what_cannot_be_simulated_is_refused(arguments: dict[str, Any]) -> None:
    system = arguments.pop("system", "raft")
    with pytest.raises(InvalidInput):
        simulate(system, **arguments)


def test_options_are_read_from_text() -> None:
    texts = ("pre_vote", "check_quorum=true", "step_down_on_removal=false", "max_inflight_msgs=4", "disk_ms=1-5", "apply_ms=3")
    assert read_options(texts) == {
        "pre_vote": True,
        "check_quorum": True,
        "step_down_on_removal": False,
        "max_inflight_msgs": 4,
        "disk_ms": (1, 5),
        "apply_ms": (3, 3),
    }


@pytest.mark.parametrize(
    "text", ["", "prevote", "pre_vote=yes", "max_inflight_msgs", "max_inflight_msgs=-1", "disk_ms=1-2-3", "disk_ms=5-1"]
)
def test_other_options_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_options([text])


def test_the_header_names_what_is_not_as_usual() -> None:
    assert changed_options(Settings()) == {}
    assert changed_options(Settings(pre_vote=True, disk_ms=(1, 2))) == {"pre_vote": True, "disk_ms": (1, 2)}
