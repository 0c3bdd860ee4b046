"""Every check of a specification finds what was planted for it, and nothing in a good one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kubeproof.models.logic import FALSE, Formula, LanguageError, Specification, forall, hints
from kubeproof.models.logic.counterexamples import InSmallUniverses, ReadersDisagree, validate
from kubeproof.models.logic.evaluator import evaluate
from kubeproof.models.logic.formulas import TRUE, Variable
from kubeproof.models.logic.grounded import Grounding
from kubeproof.models.logic.hints import Hints, first_tries
from kubeproof.models.logic.obligations import all_names, names_below, names_for, obligation, rests_on
from kubeproof.models.logic.parallel import over_processes
from kubeproof.models.logic.pictures import picture, run_picture
from kubeproof.models.logic.prover import Outcome, Prover, Task
from kubeproof.models.logic.satisfiable import empty_parts, run
from kubeproof.models.logic.smtlib import smtlib
from kubeproof.models.logic.specification import Mutant, Script
from kubeproof.models.logic.teeth import Breaker, Change, changes, expected_to_hold
from kubeproof.models.logic.unbounded import Status
from tests.models.lock import Member, Turn, build


@pytest.fixture
def lock() -> Specification:
    return build()


def outcomes(spec: Specification, known: Hints | None = None) -> list[Outcome]:
    prover = Prover({spec.name: spec}, {} if known is None else {spec.name: known}, ask_used=True)
    names = {name for each in spec.properties.values() for name in names_for(spec, each)}
    return [prover(Task(spec.name, name)) for name in sorted(names)]


def wrong(spec: Specification, guard: str) -> Specification:
    return spec.mutated(replace(spec.mutants["no_check"], without=(guard,)))


def test_a_good_specification_is_proven(lock: Specification) -> None:
    done = outcomes(lock)
    assert len(done) == 2 * 3 + 2 + 1
    assert {each.status for each in done} == {Status.PROVED}
    assert not any(each.picture or each.cycle for each in done)


def test_a_wrong_one_is_refuted_with_a_picture(lock: Specification) -> None:
    refuted = [each for each in outcomes(wrong(lock, "take.is_free")) if each.status is not Status.PROVED]
    assert [each.task.obligation for each in refuted] == ["take: no_robbery", "take: one_holder"]
    before, first, second, step, after, *rest = refuted[1].picture
    assert (before, after) == ("before:", "after:")
    assert {first[6:], second[6:]} == {"holds the lock", "waits"}
    assert step.startswith("take(m=m")
    assert rest[:2] == ["  m1: holds the lock", "  m2: holds the lock"]
    assert [line.partition("(")[0] for line in rest[2:-1]] == ["  + holds", "  + ghost used"]
    assert rest[-1].startswith("one_holder is broken for m=m")


def test_counterexamples_are_checked_by_the_evaluator(lock: Specification) -> None:
    """One that is none is a mistake of ours, and is not shown."""
    bad = wrong(lock, "take.is_free")
    broken = obligation(bad, "take: one_holder")
    found = InSmallUniverses(bad, bad.universes).search([broken], 10)
    assert found is not None
    assert not evaluate(broken.goal, found.before, found.values)
    assert found.after is not None
    assert not evaluate(bad.properties["one_holder"].formula(), found.after)
    with pytest.raises(ReadersDisagree, match=r"take: one_holder: solver and evaluator disagree about the goal"):
        validate(replace(broken, goal=TRUE), found.before, found.values)
    with pytest.raises(ReadersDisagree, match="disagree about planted"):
        validate(replace(broken, hypotheses={"planted": FALSE}), found.before, found.values)


def test_what_a_proof_rests_on(lock: Specification) -> None:
    names = [each.name for each in rests_on(lock, lock.properties["holders_are_equal"])]
    assert names == ["free_if_not_held", "one_holder", "holders_are_equal"]


# ---- nothing is empty


def test_a_good_specification_is_not_empty(lock: Specification) -> None:
    assert list(empty_parts(lock, 10)) == []


def test_contradictory_axioms_are_found(lock: Specification) -> None:
    """From them everything is proven, so no proof shows them."""
    lock.axiom("planted", forall(Turn, lambda t: t < t), "it is contradictory")
    assert {each.status for each in outcomes(lock)} == {Status.PROVED}
    assert list(empty_parts(lock, 10)) == ["initially", "take", "give_back"]


def test_an_action_that_cannot_happen_is_found(lock: Specification) -> None:
    lock.actions["give_back"].require(FALSE, "never")
    assert list(empty_parts(lock, 10)) == ["give_back"]


def test_runs(lock: Specification) -> None:
    witness = lock.witnesses["handover"]
    found = run(lock, witness.script, witness.reaches, 10)
    assert found is not None
    assert run_picture(lock, found) == [
        "1. take(m=m1, t=0)",
        "2. give_back(m=m1)",
        "3. take(m=m2, t=1)",
        "in the end:",
        "  m1: waits",
        "  m2: holds the lock",
    ]
    impossible = Script([*witness.script.steps, ("take", {})], witness.script.sizes)
    assert run(lock, impossible, TRUE, 10) is None


# ---- teeth


def test_changes_of_a_good_specification_are_as_expected(lock: Specification) -> None:
    breaker = Breaker({"lock": lock})
    found = {change.mutant: breaker(change) for change in changes(lock)}
    assert {name: each.breaks for name, each in found.items()} == {
        "no_check": "one_holder",
        "no_check_run": "holders_are_equal",
        "without take.is_free": found["without take.is_free"].breaks,
        "without take.new_turn": None,
        "without give_back.holds": "free_if_not_held",
    }
    assert found["without take.new_turn"].status is Status.PROVED
    assert found["no_check_run"].picture[0].startswith("1. take(m=m1")


def test_a_needless_guard_is_found(lock: Specification) -> None:
    change = Change("lock", "without take.new_turn")
    del lock.redundant["take.new_turn"]
    assert not expected_to_hold(lock, change)
    assert Breaker({"lock": lock})(change).status is Status.PROVED


def test_a_guard_that_is_listed_but_needed_is_found(lock: Specification) -> None:
    change = Change("lock", "without give_back.holds")
    lock.needs_not("give_back.holds", "it is not true")
    assert expected_to_hold(lock, change)
    assert Breaker({"lock": lock})(change).status is not Status.PROVED


def test_a_mutant_that_breaks_nothing_is_found(lock: Specification) -> None:
    lock.mutant("harmless", "", breaks="one_holder", without=["take.new_turn"])
    assert Breaker({"lock": lock})(Change("lock", "harmless")).status is Status.PROVED


@pytest.mark.parametrize(("layer", "status"), [(0, Status.REFUTED), (1, Status.PROVED)])
def test_what_breaks_a_property_is_a_state_that_its_proof_does_not_exclude(
    lock: Specification, layer: int, status: Status
) -> None:
    """Without the guard, only an invariant of layer 1 keeps a second member from taking the lock: others must not assume it."""
    holds = symbol(lock, "holds")

    @lock.invariant(layer=1)
    def planted(m: Member) -> Formula:
        return ~holds(m)

    @lock.invariant(layer=layer)
    def one_of_them(m: Member, n: Member) -> Formula:
        return (holds(m) & holds(n)) >> (m == n)

    lock.mutant("no_check_of_layer", "", breaks="one_of_them", without=["take.is_free"])
    assert Breaker({"lock": lock})(Change("lock", "no_check_of_layer")).status is status


# ---- lemmas


def with_lemma(spec: Specification) -> Specification:
    """Whoever takes the lock finds that nobody holds it."""
    holds = symbol(spec, "holds")

    @spec.lemma(spec.actions["take"], using=["free_if_not_held"])
    def nobody_holds(m: Member) -> Formula:
        """Nobody holds it, nor does the member."""
        return ~holds(m) & forall(Member, lambda n: ~holds(n))

    return spec


def symbol(spec: Specification, name: str) -> Any:
    return next(each for each in spec.symbols if each.name == name)


def test_a_lemma_is_proven_once_and_assumed_by_the_proofs_for_its_action(lock: Specification) -> None:
    with_lemma(lock)
    lemma = obligation(lock, "take: lemma nobody_holds")
    assert set(lemma.hypotheses) == {
        *(f"axiom {name}" for name in lock.axioms),
        "invariant free_if_not_held",
        "guard is_free",
        "guard new_turn",
    }
    assert "lemma nobody_holds" in obligation(lock, "take: one_holder").hypotheses
    assert "lemma nobody_holds" not in obligation(lock, "give_back: one_holder").hypotheses
    fingerprint = obligation(lock, "take: one_holder").fingerprint()
    prover = Prover({"lock": lock}, {"lock": Hints({"take: one_holder": (fingerprint, ("lemma nobody_holds",))})})
    assert {prover(Task("lock", name)).status for name in all_names(lock)} == {Status.PROVED}


def test_a_property_rests_on_the_lemmas_and_on_what_they_assume(lock: Specification) -> None:
    with_lemma(lock)
    assert "take: lemma nobody_holds" in names_below(lock, lock.properties["one_holder"])
    assert "take: lemma nobody_holds" in names_below(lock, lock.properties["holders_are_equal"])
    lock.properties["one_holder"] = replace(lock.properties["one_holder"], using=())
    assert [each.name for each in rests_on(lock, lock.properties["one_holder"])] == ["free_if_not_held", "one_holder"]


def test_a_lemma_assumes_the_ones_before_it(lock: Specification) -> None:
    with_lemma(lock)
    holds = symbol(lock, "holds")

    @lock.lemma(lock.actions["take"], using=())
    def takes_alone(m: Member) -> Formula:
        return ~holds(m)

    assert "lemma nobody_holds" in obligation(lock, "take: lemma takes_alone").hypotheses
    assert "lemma takes_alone" not in obligation(lock, "take: lemma nobody_holds").hypotheses


def test_a_lemma_that_does_not_follow_is_refuted(lock: Specification) -> None:
    """What is proven from it is no help: whatever rests on it is not proven."""
    free = symbol(lock, "free")

    @lock.lemma(lock.actions["take"], using=["free_if_not_held"])
    def planted(m: Member) -> Formula:
        return ~free() & (m == m)

    done = {name: Prover({"lock": lock})(Task("lock", name)) for name in all_names(lock)}
    refuted = done["take: lemma planted"]
    assert refuted.status is Status.REFUTED
    assert refuted.picture[-1].startswith("lemma planted is broken for m=m")
    assert {each.status for name, each in done.items() if name != "take: lemma planted"} == {Status.PROVED}
    assert "take: lemma planted" in names_below(lock, lock.properties["no_robbery"])


@pytest.mark.parametrize(
    "change", [Mutant("", "", "", without=("take.is_free",)), Mutant("", "", "", without=("take.new_turn",))]
)
def test_a_changed_action_has_no_lemmas(lock: Specification, change: Mutant) -> None:
    """They need not follow any more."""
    assert with_lemma(lock).mutated(change).lemmas == {}


def test_lemmas_of_what_a_mutant_leaves_alone_stay(lock: Specification) -> None:
    with_lemma(lock)
    assert list(lock.mutated(Mutant("", "", "", without=("give_back.holds",))).lemmas) == ["nobody_holds"]
    axiom = replace(lock.axioms["turn_0_is_first"], formula=TRUE)
    assert lock.mutated(Mutant("", "", "", axioms=(axiom,))).lemmas == {}


def test_teeth_do_not_assume_lemmas(lock: Specification) -> None:
    """With the lemma, the lock without its guard would seem safe."""
    finding = Breaker({"lock": with_lemma(lock)})(Change("lock", "no_check"))
    assert (finding.status, finding.breaks) == (Status.REFUTED, "one_holder")


def test_a_lemma_names_parameters_of_its_action(lock: Specification) -> None:
    def other(turn: Turn) -> Formula:
        return turn == turn

    def another(m: Turn) -> Formula:
        return m == m

    with pytest.raises(LanguageError, match="take has no parameters turn"):
        lock.lemma(lock.actions["take"], using=())(other)
    with pytest.raises(LanguageError, match="the sort of its parameter m is member"):
        lock.lemma(lock.actions["take"], using=())(another)
    with pytest.raises(LanguageError, match="which is no invariant"):
        lock.lemma(lock.actions["take"], using=["no_robbery"])(other)
    with_lemma(lock)
    with pytest.raises(LanguageError, match="twice"):
        with_lemma(lock)


def test_only_known_properties_are_declared_to_leave_epr(lock: Specification) -> None:
    with pytest.raises(LanguageError, match="no property planted"):
        lock.leaves_epr("planted", "it is not there")


# ---- hints


def test_hints_are_kept_and_used(lock: Specification, tmp_path: Path) -> None:
    proofs = {each.task.obligation: (each.fingerprint, each.used or ()) for each in outcomes(lock)}
    hints.save("lock", Hints(proofs, {"take.is_free": "one_holder"}), tmp_path)
    written = (tmp_path / "lock.json").read_text()
    known = hints.load("lock", tmp_path)
    assert known == Hints(proofs, {"take.is_free": "one_holder"})
    hints.save("lock", known, tmp_path)
    assert (tmp_path / "lock.json").read_text() == written
    assert {each.status for each in outcomes(lock, known)} == {Status.PROVED}


def test_hints_of_another_formula_are_not_used(lock: Specification) -> None:
    each = obligation(lock, "take: one_holder")
    assert Hints({each.name: (each.fingerprint(), ("guard is_free",))}).used_by(each) == ("guard is_free",)
    assert Hints({each.name: ("stale", ("guard is_free",))}).used_by(each) is None


def test_hypotheses_that_are_gone_are_left_out(lock: Specification) -> None:
    each = obligation(lock, "take: one_holder")
    assert Hints({each.name: (each.fingerprint(), ("guard is_free", "invariant gone"))}).used_by(each) == ("guard is_free",)


def test_wrong_hints_cost_only_time(lock: Specification) -> None:
    """They leave out what is needed: then all hypotheses are tried."""
    names = {name for each in lock.properties.values() for name in names_for(lock, each)}
    useless = Hints({name: (obligation(lock, name).fingerprint(), ()) for name in names})
    first, *others = first_tries(obligation(lock, "take: one_holder"), useless)
    assert first.only == ()
    assert others[-1].only is None
    assert {each.status for each in outcomes(lock, useless)} == {Status.PROVED}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"format": "kubeproof hints v1"}',
        '{"format": "other"}',
        "\x00",
        '{"format": "kubeproof hints v1", "hypotheses": 3}',
    ],
)
def test_damaged_hints_are_no_hints(content: str, tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text(content)
    assert hints.load("lock", tmp_path) == Hints()


# ---- processes and other solvers


def test_processes_give_the_same_outcomes(lock: Specification) -> None:
    names = [name for each in lock.properties.values() for name in names_for(lock, each)]
    calls = []
    found = over_processes(Prover({"lock": lock}), [Task("lock", name) for name in names], 2, lambda: calls.append(1))
    assert {each.task.obligation: each.status for each in found} == dict.fromkeys(names, Status.PROVED)
    assert calls


def test_what_the_check_raises_ends_the_work() -> None:
    def check() -> None:
        raise TimeoutError("enough")

    for jobs in (1, 2):
        with pytest.raises(TimeoutError, match="enough"):
            list(over_processes(len, ["a", "b", "c"], jobs, check))


def test_smtlib(lock: Specification) -> None:
    each = obligation(lock, "take: one_holder")
    script = smtlib(each)
    assert script.startswith("(set-logic ALL)")
    assert script.rstrip().endswith("(check-sat)")
    assert "is_free" not in smtlib(each, only=["invariant one_holder"])
    assert len(smtlib(each, only=[])) < len(script)


def test_a_picture_tells_what_does_not_hold_initially(lock: Specification) -> None:
    lock.initially["all"] = TRUE
    broken = obligation(lock, "initially: one_holder")
    found = InSmallUniverses(lock, lock.universes).search([broken], 10)
    assert found is not None
    assert picture(lock, found)[-1].startswith("one_holder does not hold initially for")


def test_variables_of_one_name_are_told_apart_by_their_sort(lock: Specification) -> None:
    grounding = Grounding(lock, {"member": 2, "turn": 2})
    for sort, elements in ((Member, ["m1", "m2"]), (Turn, [0, 1])):
        assert [element for element, _ in grounding.choose(Variable("x", sort), "x")] == elements
