"""Membership: no part is empty, wrong protocols break what they must, and which proofs leave EPR."""

from __future__ import annotations

import pytest

from kubeproof.models.logic import hints
from kubeproof.models.logic.alternation import cycle
from kubeproof.models.logic.obligations import axiom_names, names_for, obligation
from kubeproof.models.logic.prover import Prover, Task
from kubeproof.models.logic.satisfiable import empty_parts, run
from kubeproof.models.logic.specification import Mutant
from kubeproof.models.logic.teeth import WITHOUT, Breaker, Change
from kubeproof.models.logic.unbounded import Status
from kubeproof.models.membership import membership

GHOSTS_EXIST = ("every_outrun_configuration_has_witness", "every_term_has_top")
"""They say that for every entry or term there is an entry, and entries have terms."""


def test_every_action_can_happen() -> None:
    assert list(empty_parts(membership, 120)) == []


@pytest.mark.parametrize("name", membership.witnesses)
def test_witness(name: str) -> None:
    witness = membership.witnesses[name]
    assert run(membership, witness.script, witness.reaches, 60) is not None


@pytest.mark.parametrize("name", membership.mutants)
def test_mutant_breaks_its_property(name: str) -> None:
    mutant = membership.mutants[name]
    assert mutant.script is not None
    broken = membership.properties[mutant.breaks].formula()
    assert run(membership.mutated(mutant), mutant.script, ~broken, 60) is not None


def test_unapplied_change_guard_is_what_stops_the_second_leader() -> None:
    """The same run is impossible with the guard."""
    mutant = membership.mutants["raft_456"]
    assert mutant.script is not None
    unchanged = membership.mutated(Mutant("none", "", ""))
    assert run(unchanged, mutant.script, ~membership.properties[mutant.breaks].formula(), 60) is None


def test_only_the_existence_of_ghosts_leaves_epr() -> None:
    names = [name for each in membership.properties.values() for name in names_for(membership, each)]
    outside = {name.partition(": ")[2] for name in names if cycle(obligation(membership, name))}
    assert outside == set(GHOSTS_EXIST)


@pytest.mark.parametrize("name", axiom_names(membership))
def test_axiom_is_justified(name: str) -> None:
    assert Prover({"membership": membership})(Task("membership", name)).status is Status.PROVED


@pytest.mark.parametrize("guard", membership.redundant)
def test_redundant_guard_is_redundant(guard: str) -> None:
    breaker = Breaker({"membership": membership}, {"membership": hints.load("membership")})
    assert breaker(Change("membership", WITHOUT + guard)).status is Status.PROVED
