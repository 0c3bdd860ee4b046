"""`kubeproof prove` and `kubeproof spec`: one result for each property or mutant, and a clear line for what cannot be done."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from kubeproof.conformance.cli.proofs import mutant_lines, proof_lines
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.proofs import second_opinion, work
from kubeproof.conformance.proofs.describe import described
from kubeproof.conformance.proofs.mutants import as_expected, judge_mutants
from kubeproof.conformance.proofs.prove import load_hints, prove
from kubeproof.conformance.proofs.work import EVERY_ACTION, How
from kubeproof.conformance.verdict import InvalidInput, Verdict
from kubeproof.models import catalogue
from kubeproof.models.logic import FALSE, Specification, hints
from kubeproof.models.logic.obligations import obligation
from kubeproof.models.logic.prover import Opinion
from kubeproof.models.logic.smtlib import smtlib
from tests.models.lock import build

PROGRAM = Path(sys.executable).with_name("kubeproof")
PROMISED = ["one_holder", "no_robbery", "holders_are_equal"]


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch) -> Specification:
    """A small specification instead of those that ship."""
    spec = build()
    monkeypatch.setattr(work, "specification", lambda _: spec)
    monkeypatch.setattr("kubeproof.conformance.proofs.prove.specification", lambda _: spec)
    monkeypatch.setattr("kubeproof.conformance.proofs.mutants.specification", lambda _: spec)
    return spec


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_one_result_for_each_promise_and_control(lock: Specification) -> None:
    results = list(prove(["lock"], None, How(), Limits()))
    assert [each.subject for each in results] == [f"lock {name}" for name in (*PROMISED, EVERY_ACTION, "handover")]
    for each in results:
        assert each.verdict is Verdict.HOLDS
        assert each.kind == "proof"
        assert each.details["spec"] == lock.name
        assert each.details["proved"] == each.details["obligations"] != 0
        assert str(each.details["solver"]).startswith("z3 ")
    assert [each.details["obligations"] for each in results] == [6, 8, 7, 1, 1]


def test_a_property_by_itself(lock: Specification) -> None:
    [result] = prove(["lock"], "free_if_not_held", How(), Limits())
    assert (result.subject, result.verdict, lock.name) == ("lock free_if_not_held", Verdict.HOLDS, "lock")
    [result] = prove(["lock"], "nothing", How(), Limits())
    assert (result.verdict, result.message) == (Verdict.INVALID, "lock: no such property")


def test_a_wrong_specification_is_violated_with_a_picture(lock: Specification) -> None:
    lock.actions["take"] = lock.actions["take"].without_guard("is_free")
    first, *_ = prove(["lock"], None, How(), Limits())
    assert (first.verdict, first.property) == (Verdict.VIOLATED, "one_holder")
    lines = proof_lines(first, explain=False)
    assert lines[1].strip() == "not proven: take: one_holder"
    assert lines[2].strip() == "before:"


def test_an_empty_specification_is_violated(lock: Specification) -> None:
    lock.actions["give_back"].require(FALSE, "never")
    results = {each.subject: each for each in prove(["lock"], None, How(), Limits())}
    assert results[f"lock {EVERY_ACTION}"].message == "cannot happen where all invariants hold: give_back"
    assert results["lock handover"].verdict is Verdict.VIOLATED
    assert results["lock one_holder"].verdict is Verdict.HOLDS  # which is why this is checked


@pytest.mark.usefixtures("lock")
def test_a_limit_is_no_proof() -> None:
    results = list(prove(["lock"], None, How(), Limits(time_limit_s=0)))
    assert {each.verdict for each in results} == {Verdict.UNKNOWN}
    assert {each.message for each in results} == {"time limit of 0 s reached"}
    mutants = list(judge_mutants(["lock"], How(), Limits(time_limit_s=0)))
    assert {each.verdict for each in mutants} == {Verdict.UNKNOWN}
    assert not any(map(as_expected, mutants))


def test_mutants(lock: Specification) -> None:
    results = list(judge_mutants(["lock"], How(), Limits()))
    assert {each.details["mutant"]: each.details["expected"] for each in results} == {
        "no_check": "violated",
        "no_check_run": "violated",
        "without take.is_free": "violated",
        "without take.new_turn": "holds",
        "without give_back.holds": "violated",
    }
    assert all(map(as_expected, results))
    assert {each.kind for each in results} == {"mutant"}
    del lock.redundant["take.new_turn"]
    results = list(judge_mutants(["lock"], How(), Limits()))
    [wrong] = [each for each in results if not as_expected(each)]
    assert wrong.message == "expected violated: a guard that nothing needs is to be listed as redundant"
    assert "NOT AS EXPECTED" in mutant_lines(wrong, explain=False)[0]


@pytest.mark.usefixtures("lock")
def test_hints_are_updated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load, save = hints.load, hints.save
    monkeypatch.setattr(hints, "load", lambda name: load(name, tmp_path))
    monkeypatch.setattr(hints, "save", lambda name, known: save(name, known, tmp_path))
    list(prove(["lock"], None, How(update_hints=True), Limits()))
    list(judge_mutants(["lock"], How(update_hints=True), Limits()))
    known = load_hints(["lock"])["lock"]
    assert known.proofs.keys() >= {"take: one_holder", "follows: holders_are_equal"}
    assert known.breaks.keys() == {"take.is_free", "give_back.holds"}
    assert all(each.verdict is Verdict.HOLDS for each in prove(["lock"], None, How(hints={"lock": known}), Limits()))


# ---- a second opinion


@pytest.mark.skipif(find_spec("cvc5") is None, reason=second_opinion.HOW_TO_GET_IT)
def test_second_opinion(lock: Specification) -> None:
    results = list(prove(["lock"], None, How(opinion=second_opinion.satisfiable), Limits()))
    assert [each.details.get("confirmed") for each in results] == [6, 8, 7, None, None]
    assert "6 confirmed" in proof_lines(results[0], explain=False)[0]
    each = obligation(lock, "take: one_holder")
    assert second_opinion.satisfiable(smtlib(each), 10) is False
    assert second_opinion.satisfiable(smtlib(each, only=[]), 10) is not False
    with pytest.raises(RuntimeError, match="not declared"):
        second_opinion.satisfiable("(set-logic ALL)(assert nothing)", 10)


def always(answer: bool | None) -> Opinion:
    return lambda _script, _limit_s: answer


@pytest.mark.usefixtures("lock")
def test_a_second_solver_that_disagrees_is_heard() -> None:
    for answer, verdict in ((True, Verdict.VIOLATED), (None, Verdict.UNKNOWN)):
        results = prove(["lock"], "one_holder", How(opinion=always(answer)), Limits())
        assert [each.verdict for each in results] == [verdict]


def test_without_cvc5_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_opinion, "find_spec", lambda _: None)
    with pytest.raises(InvalidInput, match=r"needs cvc5: pip install 'kubeproof\[second-opinion\]'"):
        second_opinion.solver_name()


# ---- the command line


def test_the_command() -> None:
    done = run("prove", "election", "nothing", "--json", "--jobs", 2)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    assert [each["verdict"] for each in answers if each["spec"] == "nothing"] == ["invalid"]
    proofs = [each for each in answers if each["spec"] == "election"]
    assert {each["verdict"] for each in proofs} == {"holds"}
    assert all(
        each.keys() >= {"subject", "kind", "property", "message", "seconds", "obligations", "proved", "solver"} for each in proofs
    )


def test_explained() -> None:
    done = run("prove", "raft", "--property", "log_matching", "--explain")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Two logs that have an entry of the same index and term are identical up to that index." in done.stdout
    assert "source: Raft, figure 3; strength: true-state" in done.stdout


def test_wrong_calls() -> None:
    assert run("prove", "--mutants", "--property", "x").returncode == 3
    assert "no such specification" in run("spec", "nothing").stderr


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_described(name: str) -> None:
    spec = catalogue.load(name)
    page = "\n".join(described(spec))
    for each in (*spec.actions, *spec.properties, *(symbol.name for symbol in spec.symbols)):
        assert each in page
    assert run("spec", name).stdout.strip() == page
