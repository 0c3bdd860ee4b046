"""Scenarios: what ships comes out as expected, and what cannot be explored is refused with one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.refine import BINDINGS, binding_of
from kubeproof.conformance.scenarios.explore import explore
from kubeproof.conformance.scenarios.scenario import FULL, QUICK, load, shipped
from kubeproof.conformance.scenarios.systems import SYSTEMS
from kubeproof.conformance.trace.run import RunReader
from kubeproof.conformance.verdict import InvalidInput, Verdict


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_what_ships_comes_out_as_expected(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = explore(path.stem, (), Limits())
    assert result.details["as_expected"], result.message
    assert load(path.stem).pinned() == result.details["distinct"]
    assert result.details["complete"] is (result.verdict is Verdict.HOLDS)
    if result.verdict is Verdict.VIOLATED:
        run = RunReader[object](str(result.details["counterexample"]))
        assert run.header.system == load(path.stem).system
        assert len(list(run)) >= int(str(result.details["steps"]))


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_every_pinned_count_is_right(path: Path) -> None:
    usual = load(path.stem).size
    for pinned in load(path.stem).distinct:
        if pinned.size == usual:
            continue  # explored above
        settings = [f"{key}={value}" for key, value in pinned.size.items()]
        assert explore(path.stem, settings, Limits()).details["distinct"] == pinned.states


def write(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(text)
    return str(path)


OWN = "system: register\nsize: {servers: 1, clients: 1}\nexpected: holds\n"


def test_a_witness_that_is_never_seen_is_reported(tmp_path: Path) -> None:
    result = explore(write(tmp_path, OWN), (), Limits())
    assert (result.verdict, result.property) == (Verdict.VIOLATED, "sometimes")
    assert "reads_anothers" in result.message


def test_another_count_than_the_pinned_one_is_reported(tmp_path: Path) -> None:
    own = OWN.replace("clients: 1", "clients: 2") + "distinct: [{size: {servers: 1, clients: 2}, states: 67}]\n"
    result = explore(write(tmp_path, own), (), Limits())
    assert (result.verdict, result.property) == (Verdict.VIOLATED, "pinned_count")
    assert "expected 67" in result.message
    assert "found 68" in result.message


def test_a_limit_is_unknown() -> None:
    result = explore("two-phase-commit", ("managers=14",), Limits(time_limit_s=0.2))
    assert (result.verdict, result.details["complete"]) == (Verdict.UNKNOWN, False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected `object`"),
        ("[]", "expected `object`"),
        ("system: register", "expected"),
        (OWN + "system: [", ":4: expected YAML"),
        (OWN + "colour: green\n", "unknown field `colour`"),
        (
            OWN.replace("register", "paxos"),
            f"system: expected one of {', '.join(SYSTEMS)}, got 'paxos'",
        ),
        (OWN + "refines: [paxos]\n", f"refines: expected {', '.join(BINDINGS)}, got 'paxos'"),
        (OWN + "bug: {control: {masters: 1}}\n", "bug.control: expected servers, clients, got 'masters'"),
        (OWN + "bug: {control: {servers: true}}\n", "bug.control.servers: expected a number, got True"),
        (
            OWN.replace("register", "backup").replace("servers: 1, ", "") + "bug: {control: {saves_empty: 1}}\n",
            "expected true or false",
        ),
        (OWN + "bug: {refused_by: {paxos: prepare}}\n", "bug.refused_by: expected raft, "),
        (OWN.replace("servers: 1", "servers: many"), "size[...]: expected `int`, got `str`"),
        (OWN.replace("servers: 1", "servers: 0"), "size.servers: expected 1 to"),
        (OWN.replace("servers: 1", "servers: 99999999999999999999999"), "expected"),
        (OWN.replace("servers", "masters"), "size: expected servers, clients, got 'masters'"),
        (OWN.replace("holds", "maybe"), "expected"),
        ("a: &a [1]\nb: *a\n", "aliases"),
        ("!!python/object/apply:os.system ['true']", "expected"),
        ("\x00", "expected"),
        ("x" * (2 << 20), "at most"),
        ("[" * 100_000, "expected"),
    ],
)
def test_what_cannot_be_explored_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=r"own\.yaml") as refused:
        load(write(tmp_path, text))
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    "setting", ["", "servers", "servers=", "servers=-1", "servers=x", "servers=0", "masters=1", "servers=1e3"]
)
def test_settings_that_are_none_are_refused(setting: str) -> None:
    with pytest.raises(InvalidInput):
        load("register", (setting,))


@pytest.mark.parametrize("name", ["nosuch", "/nonexistent.yaml", "", "/", "\x00.yaml"])
def test_scenarios_that_are_not_there_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        load(name)


def test_what_it_refines_must_be_able_to_judge_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="raft speaks of no scenario with another system than raft"):
        explore(write(tmp_path, OWN + "refines: [raft]\n"), [], Limits())


WHOLE = "no specification has a whole member; Raft, its reads and the store are judged by themselves in raft-... and store-..."
NOT_REFINING = {
    "register": "it has no specification",
    "two-phase-commit": "likewise",
    "election-timing-safe-release": "a release before the context has ended is no step of election.py, though harmless there",
    "election-pauses": "the lease is shorter than the axiom `timing` asks for",
    "raft-snapshot-full": "no specification has both compacted logs and changes of membership",
    "etcd-crash": WHOLE,
    "etcd-cut-log": WHOLE,
    "etcd-defragment": WHOLE,
    "etcd-reads": WHOLE,
    "etcd-deposed-leader": WHOLE,
    "etcd-crash-full": WHOLE,
    "etcd-crash-three": WHOLE,
    "etcd-reads-full": WHOLE,
    "etcd-snapshot-crash": WHOLE,
    "etcd-two-snapshots-full": WHOLE,
}
"""What holds, and is held against no specification, with the reason."""


def test_whatever_holds_refines_a_specification_that_speaks_of_it() -> None:
    holding = {path.stem: load(path.stem) for group in (QUICK, FULL) for path in shipped(group)}
    holding = {name: scenario for name, scenario in holding.items() if scenario.expected is Verdict.HOLDS}
    assert {name for name, scenario in holding.items() if not scenario.refines} == set(NOT_REFINING)
    for scenario in holding.values():
        for spec in scenario.refines:
            binding_of(spec, scenario.model())
