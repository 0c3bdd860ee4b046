"""Checkpoints and kept local steps: what was saved is used, what is damaged or foreign is refused, nothing in it is executed."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kubeproof.conformance.explore import known_steps, saving
from kubeproof.conformance.explore.asking import MANY, Answer, Askers, Query
from kubeproof.conformance.explore.system import Event, Message, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios.explore import How, explore
from kubeproof.conformance.scenarios.systems.two_phase_commit import ABORT, PREPARE, TwoPhaseCommit
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict

BIG = ("managers=7",)
STATES = 296_448


def stopped(folder: Path, seconds: float = 0.5) -> Result:
    return explore("two-phase-commit", BIG, Limits(time_limit_s=seconds), How(checkpoint=folder, checkpoint_every_s=0))


def test_a_search_that_a_limit_ended_goes_on(tmp_path: Path) -> None:
    explore("two-phase-commit", (), Limits())  # compiles
    first = stopped(tmp_path, 0.2)
    assert first.verdict is Verdict.UNKNOWN
    second = explore("two-phase-commit", BIG, Limits(), How(checkpoint=tmp_path))
    whole = explore("two-phase-commit", BIG, Limits())
    assert (second.verdict, second.details["resumed"]) == (Verdict.HOLDS, True)
    for figure in ("distinct", "generated", "depth", "ends", "witnessed", "events"):
        assert second.details[figure] == whole.details[figure], figure
    assert not list(tmp_path.iterdir())


KILLED = """
import sys
from pathlib import Path
from kubeproof.conformance.scenarios.explore import How, explore
from kubeproof.conformance.limits import Limits
explore("two-phase-commit", ("managers=9",), Limits(), How(threads=2, checkpoint=Path(sys.argv[1]), checkpoint_every_s=0))
"""


def test_a_search_that_was_killed_goes_on(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)])
    try:
        while child.poll() is None and not (tmp_path / "exploration").exists():
            pass
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    how = How(checkpoint=tmp_path, checkpoint_every_s=0)
    result = explore("two-phase-commit", ("managers=9",), Limits(time_limit_s=1.5), how)
    assert (result.verdict, result.details["resumed"]) == (Verdict.UNKNOWN, True)
    assert int(str(result.details["depth"])) > 0


@pytest.mark.parametrize("name", ["register", "register-two-servers"])
def test_numbered_searches_go_on_too(tmp_path: Path, name: str) -> None:
    """From each level in turn."""
    whole = explore(name, (), Limits(), How(exact=True))
    count = 0

    def stop(_: object) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt

    how = How(exact=True, checkpoint=tmp_path, checkpoint_every_s=0, progress=stop)
    for _ in range(100):
        count = 0
        try:
            result = explore(name, (), Limits(), how)
        except KeyboardInterrupt:
            continue
        break
    assert result.details["resumed"]
    assert (result.verdict, result.property) == (whole.verdict, whole.property)
    for figure in ("distinct", "generated", "depth", "ends", "witnessed", "events", "steps"):
        assert result.details[figure] == whole.details[figure], figure


def test_the_state_of_another_search_is_refused(tmp_path: Path) -> None:
    stopped(tmp_path)
    if not (tmp_path / "exploration").exists():
        pytest.skip("the machine was too slow for a level")
    with pytest.raises(InvalidInput, match="not that of another one"):
        explore("two-phase-commit", (), Limits(), How(checkpoint=tmp_path))


@pytest.mark.parametrize("name", ["values", "rows.npy", "words.npy", "stepskeys.npy"])
@pytest.mark.parametrize("harm", ["empty", "short", "other", "gone"])
def test_a_damaged_state_is_refused(tmp_path: Path, name: str, harm: str) -> None:
    stopped(tmp_path)
    path = tmp_path / "exploration" / name
    contents = path.read_bytes()
    harmed = {"empty": b"", "short": contents[: len(contents) // 2], "other": b"\x80\x05N.", "gone": b""}[harm]
    path.write_bytes(harmed)
    if harm == "gone":
        path.unlink()
    with pytest.raises(InvalidInput, match="delete it"):
        explore("two-phase-commit", BIG, Limits(), How(checkpoint=tmp_path))


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch harmed",)


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saving.write(tmp_path / "folder", saving.Saved({"array": np.arange(3)}, {"state": Event("tick")}))
    assert saving.read(tmp_path / "folder").values == {"state": Event("tick")}
    (tmp_path / "folder" / saving.VALUES).write_bytes(pickle.dumps({"state": Harmful()}))
    with pytest.raises(InvalidInput, match="not allowed here"):
        saving.read(tmp_path / "folder")
    assert not (tmp_path / "harmed").exists()


def test_a_second_exploration_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, second = (explore("two-phase-commit", BIG, Limits(), How(keeps_steps=True)) for _ in range(2))
    assert int(str(first.details["local_steps"])) > known_steps.WORTH_KEEPING
    assert second.details["local_steps"] == 0
    assert first.details["distinct"] == second.details["distinct"] == STATES
    other = explore("two-phase-commit", ("managers=6",), Limits(), How(keeps_steps=True))
    assert int(str(other.details["local_steps"])) > 0


def test_damaged_steps_are_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    explore("two-phase-commit", BIG, Limits(), How(keeps_steps=True))
    [kept] = known_steps.folder().iterdir()
    (kept / "keys.npy").write_bytes(b"x")
    again = explore("two-phase-commit", BIG, Limits(), How(keeps_steps=True))
    assert int(str(again.details["local_steps"])) > 0
    assert again.details["distinct"] == STATES


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert explore("two-phase-commit", BIG, Limits(), How(keeps_steps=True)).verdict is Verdict.HOLDS


# ---- children


def queries() -> list[Query]:
    system = TwoPhaseCommit(3)
    messages = [Message(0, manager) for manager in (1, 2, 3)] * MANY
    return [Query(0, system.initial()[0], message) for message in messages] + [Query(1, "working", None)] * MANY


def test_children_answer_as_this_process_does() -> None:
    parts = ((1, PREPARE), (2, ABORT))
    alone, shared = (Askers(TwoPhaseCommit(3), parts, processes) for processes in (1, 3))
    with alone, shared:
        assert shared.ask(queries()) == alone.ask(queries())
        assert shared.ask(queries()) == alone.ask(queries())
        assert alone.ask(queries())[-1].parts == (Step("prepared", (Message(0, 1),)),)


class Failing(TwoPhaseCommit):
    def receive(self, component: int, _state: object, _message: Message) -> Step | None:
        raise ValueError(f"{component} cannot")


def test_what_a_system_raises_in_a_child_is_raised_here() -> None:
    with Askers(Failing(3), (), 2) as askers, pytest.raises(ValueError, match="0 cannot"):
        askers.ask([Query(0, "x", None)] * MANY + [Query(0, "x", Message(0, 1))])
    assert Answer().taken is None
