"""What means nothing is refused where it is written, and the message says what to write instead."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeproof.models.logic import Action, Formula, LanguageError, forall, iff, number
from kubeproof.models.logic.actions import ANY
from kubeproof.models.logic.formulas import Variable
from kubeproof.models.logic.specification import Axiom, Specification
from kubeproof.models.logic.text import text
from tests.models.lock import Member, Turn, build

m, n, t = Variable("m", Member), Variable("n", Member), Variable("t", Turn)


@pytest.fixture
def spec() -> Specification:
    return build()


def relation(spec: Specification, name: str) -> Callable[..., Formula]:
    return next(symbol for symbol in spec.symbols if symbol.name == name)  # type: ignore[return-value]


def test_formulas_have_no_truth_value(spec: Specification) -> None:
    holds = relation(spec, "holds")
    for wrong in (lambda: holds(m) and holds(n), lambda: not holds(m), lambda: t <= t <= t, lambda: m in (n, m)):
        with pytest.raises(LanguageError, match=r"write & \| ~ >>"):
            wrong()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda _: m == t, "expected sort member, got turn"),
        (lambda _: m <= n, "not ordered"),
        (lambda spec: relation(spec, "holds")(t), "expected sort member, got turn"),
        (lambda spec: relation(spec, "holds")(), r"wants 1 arguments \(member\), got 0"),
        (lambda spec: relation(spec, "holds")("m1"), "expected a term of sort member"),
        (lambda spec: relation(spec, "holds")(m) == relation(spec, "holds")(n), "iff"),
        (lambda spec: relation(spec, "holds")(m) & m, "expected a formula"),  # type: ignore[operator]
        (lambda _: forall(Member, Turn, lambda m: m == m), "1 parameters"),
        (lambda _: forall(lambda m: m == m), "wants its sorts"),
        (lambda _: number(1) + m, "expected sort real"),
        (lambda spec: spec.relation("holds", Member), "declares holds twice"),
        (lambda spec: spec.relation("mod", Member), "SMT-LIB"),
        (lambda spec: spec.relation("other", Element_not_listed), "does not list the sort"),
        (lambda spec: spec.axiom("wrong", forall(Member, relation(spec, "holds")), ""), "may change"),
        (lambda spec: spec.guard("take.nothing"), "has no guard take.nothing"),
        (lambda spec: spec.needs_not("take", ""), "write action.guard"),
        (lambda spec: spec.mutant("wrong", "", breaks="nothing"), "does not declare"),
        (lambda spec: spec.mutant("wrong", "", breaks="holders_are_equal"), "give a script"),
        (lambda spec: spec.corollary(using=["nothing"])(one_more), "no invariant or corollary"),
        (lambda spec: spec.invariant(without_sorts), "annotate the parameter m"),
        (lambda spec: spec.invariant(no_formula), "returns a formula"),
        (lambda spec: spec.action(changes_rigid(spec)), "rigid"),
        (lambda spec: spec.action(sets_twice(spec)), "twice"),
        (lambda spec: spec.action(two_guards()), "two guards"),
    ],
)
def test_refused(spec: Specification, wrong: Callable[[Specification], object], message: str) -> None:
    with pytest.raises(LanguageError, match=message):
        wrong(spec)


class Element_not_listed(Member):  # noqa: N801
    """A sort that no specification lists."""


def one_more(m: Member) -> Formula:
    return m == m


def without_sorts(m) -> Formula:  # type: ignore[no-untyped-def]
    return m == m


def no_formula(m: Member) -> Formula:
    return m  # type: ignore[return-value]


def changes_rigid(spec: Specification) -> Callable[..., None]:
    fixed = spec.relation("fixed", Member, rigid=True)

    def act(do: Action) -> None:
        do.add(fixed, ANY)

    return act


def sets_twice(spec: Specification) -> Callable[..., None]:
    def act(do: Action) -> None:
        for _ in range(2):
            do.set(relation(spec, "holds"), lambda m: m == m)  # type: ignore[arg-type]

    return act


def two_guards() -> Callable[..., None]:
    def act(do: Action, m: Member) -> None:
        for _ in range(2):
            do.require(m == m, "same")

    return act


def test_changes_of_one_relation_add_up(spec: Specification) -> None:
    holds = relation(spec, "holds")

    def swap(do: Action, m: Member, n: Member) -> None:
        do.add(holds, m)  # type: ignore[arg-type]
        do.remove(holds, n)  # type: ignore[arg-type]

    swap.__annotations__ = {"do": Action, "m": Member, "n": Member}
    body = spec.action(swap)
    assert text(next(iter(body.updates.values())).body) == "(holds(x0) or x0 = m) and x0 != n"


def test_text(spec: Specification) -> None:
    holds = relation(spec, "holds")
    assert (
        text(forall(Member, lambda m: holds(m) >> (holds(m) | (m != n))))
        == "for all m: member: holds(m) implies holds(m) or m != n"
    )
    assert text(iff(holds(m), t <= t)) == "(holds(m) implies t <= t) and (t <= t implies holds(m))"


def test_mutants_leave_the_specification_alone(spec: Specification) -> None:
    mutant = spec.mutated(spec.mutants["no_check"])
    assert "is_free" not in mutant.actions["take"].guards
    assert "is_free" in spec.actions["take"].guards
    spec.mutants["axiom"] = type(spec.mutants["no_check"])(
        "axiom", "", "one_holder", axioms=(Axiom("turn_0_is_first", t <= t, ""),)
    )
    assert spec.mutated(spec.mutants["axiom"]).axioms["turn_0_is_first"] is not spec.axioms["turn_0_is_first"]
