"""A small specification to try the language on: one lock, which members ask for and give back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubeproof.models.logic import Action, Element, Formula, Specification, View, exists, forall
from kubeproof.models.logic.specification import Script


class Member(Element):
    """Who may hold the lock."""


class Turn(Element, ordered=True):
    """How often the lock was taken."""


def build() -> Specification:
    """A specification of its own for each test, which may then spoil it."""
    spec = Specification(
        "lock", "At most one member holds the lock.", (Member, Turn), ({"member": 2, "turn": 2}, {"member": 3, "turn": 3})
    )
    turn_0 = spec.constant("turn_0", Turn)
    free = spec.relation("free", says="nobody holds the lock")
    holds = spec.relation("holds", Member, says="the member holds the lock")
    used = spec.relation("used", Turn, ghost=True)

    spec.axiom("turn_0_is_first", forall(Turn, lambda t: turn_0 <= t), "it names the least turn")
    spec.init("all", free() & forall(Member, lambda m: ~holds(m)) & forall(Turn, lambda t: ~used(t)))

    @spec.action
    def take(do: Action, m: Member, t: Turn) -> None:
        """A member takes the lock."""
        do.require(free(), "is_free")
        do.require(~used(t), "new_turn")
        do.set(free, lambda: free() & ~free())
        do.add(holds, m)
        do.add(used, t)

    @spec.action
    def give_back(do: Action, m: Member) -> None:
        """The holder gives it back."""
        do.require(holds(m), "holds")
        do.remove(holds, m)
        do.set(free, lambda: free() | ~free())

    @spec.invariant
    def free_if_not_held(m: Member) -> Formula:
        return free() >> ~holds(m)

    @spec.invariant(source="the purpose of a lock")
    def one_holder(m: Member, n: Member) -> Formula:
        """At most one member holds the lock."""
        return (holds(m) & holds(n)) >> (m == n)

    @spec.step(source="the purpose of a lock")
    def no_robbery(m: Member, n: Member, after: Callable[[Any], Any]) -> Formula:
        """Nobody has the lock right after another had it."""
        return (holds(m) & after(holds(n))) >> (m == n)

    @spec.corollary(using=["one_holder"], source="the purpose of a lock")
    def holders_are_equal(m: Member, n: Member) -> Formula:
        """Who holds the lock is who holds the lock."""
        return (holds(m) & holds(n)) >> (n == m)

    @spec.picture(Member)
    def draw(view: View, m: object) -> str:
        return "holds the lock" if view.holds(holds, m) else "waits"

    everybody = Script([("take", {"m": 0, "t": 0}), "give_back", ("take", {"m": 1})], {"member": 2, "turn": 2})
    spec.sometimes("handover", "One member takes the lock after another.", everybody, exists(Member, lambda m: holds(m)))
    spec.mutant("no_check", "A lock that is held is taken.", breaks="one_holder", without=["take.is_free"])
    spec.mutant(
        "no_check_run",
        "The same, shown by a run.",
        breaks="holders_are_equal",
        without=["take.is_free"],
        script=Script([("take", {"m": 0}), ("take", {"m": 1})], {"member": 2, "turn": 2}),
    )
    spec.needs_not("take.new_turn", "turns are only counted")
    return spec
