"""The EPR check: known cycles are found and shown, and what only looks like one is none."""

from __future__ import annotations

from kubeproof.models.logic import Element, Formula, Specification, exists, forall, ite
from kubeproof.models.logic.alternation import cycle
from kubeproof.models.logic.formulas import TRUE
from kubeproof.models.logic.obligations import Obligation


class A(Element):
    """One sort."""


class B(Element):
    """Another."""


class C(Element):
    """A third."""


spec = Specification("sorts", "", (A, B, C), ())
ab = spec.relation("ab", A, B)
bc = spec.relation("bc", B, C)
ca = spec.relation("ca", C, A)
a_to_b = spec.function("a_to_b", A, to=B)
b_to_a = spec.function("b_to_a", B, to=A)


def found(*hypotheses: Formula, goal: Formula = TRUE) -> str | None:
    edges = cycle(Obligation("follows", "goal", (), {f"h{place}": each for place, each in enumerate(hypotheses)}, goal))
    return None if edges is None else ", ".join(map(str, edges))


def test_an_alternation_and_a_function() -> None:
    some_b = forall(A, lambda a: exists(B, lambda b: ab(a, b)))
    assert found(some_b) is None
    back = forall(B, lambda b: b_to_a(b) == b_to_a(b))
    assert found(some_b, back) == "a -> b (alternation in h0), b -> a (function b_to_a)"


def test_the_goal_is_negated() -> None:
    some_b = forall(A, lambda a: exists(B, lambda b: ab(a, b)))
    back = forall(B, lambda b: b_to_a(b) == b_to_a(b))
    assert found(back, goal=some_b) is None
    assert found(back, goal=~some_b) is not None


def test_functions_alone() -> None:
    both = forall(A, lambda a: b_to_a(a_to_b(a)) == a)
    assert found(both) is not None


def test_what_is_claimed_to_exist_depends_on_what_it_stands_for() -> None:
    """c depends on b, which depends on a: so c may lead back to a."""
    chain = forall(A, lambda a: exists(B, lambda b: ab(a, b) & exists(C, lambda c: bc(b, c))))
    back = forall(C, lambda c: exists(A, lambda a: ca(c, a)))
    edges = found(chain, back)
    assert edges is not None
    assert "a -> c" in edges


def test_what_does_not_depend_is_no_edge() -> None:
    """A statement without the outer variable could as well stand outside."""
    independent = forall(A, lambda a: ab(a, a_to_b(a)) | exists(C, lambda c: ca(c, b_to_a(a_to_b(a)))))
    assert found(independent) is not None
    apart = forall(A, A, lambda a, x: (a == x) | exists(B, lambda b: forall(C, lambda c: bc(b, c))))
    assert found(apart, forall(B, lambda b: exists(A, lambda a: ab(a, b)))) is None


def test_conditions_count_both_ways() -> None:
    chosen = forall(A, lambda a: ite(exists(B, lambda b: ab(a, b)), a, a) == a)
    assert found(chosen, forall(B, lambda b: b_to_a(b) == b_to_a(b))) is not None
