"""Linearizable reads: what is proven, that it is not empty, what breaks it, and that it stands on what raft.py proves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kubeproof.models import lease_reads as leases
from kubeproof.models import raft as consensus
from kubeproof.models import reads as read_index
from kubeproof.models.lease_reads import lease_reads
from kubeproof.models.logic import Formula, Specification, forall
from kubeproof.models.logic.formulas import Or, Variable
from kubeproof.models.logic.obligations import Obligation, axiom_names, names_for
from kubeproof.models.logic.prover import Prover, Task
from kubeproof.models.logic.satisfiable import empty_parts, run
from kubeproof.models.logic.teeth import WITHOUT, Breaker, changes, expected_to_hold
from kubeproof.models.logic.text import text
from kubeproof.models.logic.unbounded import Status, Translator, prove
from kubeproof.models.raft import Index, Node, Quorum, Term, raft
from kubeproof.models.reads import reads

SPECS = {spec.name: spec for spec in (reads, lease_reads)}
LIMIT_S = 60

each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def of_both(names: str) -> list[tuple[Specification, str]]:
    """Everything that both specifications declare under this heading."""
    return [(spec, name) for spec in SPECS.values() for name in getattr(spec, names)]


@each_spec
def test_every_obligation_is_proven(spec: Specification) -> None:
    names = axiom_names(spec) + [name for each in spec.properties.values() for name in names_for(spec, each)]
    prover = Prover({spec.name: spec})
    outcomes = [prover(Task(spec.name, name)) for name in names]
    assert [each.task.obligation for each in outcomes if each.status is not Status.PROVED] == []
    assert [each.task.obligation for each in outcomes if each.cycle] == []


@each_spec
def test_every_action_can_happen(spec: Specification) -> None:
    assert list(empty_parts(spec, LIMIT_S)) == []


@pytest.mark.parametrize(("spec", "name"), of_both("witnesses"))
def test_it_does_happen(spec: Specification, name: str) -> None:
    witness = spec.witnesses[name]
    assert run(spec, witness.script, witness.reaches, LIMIT_S) is not None


@each_spec
def test_mutants_break_what_they_must_and_guards_something(spec: Specification) -> None:
    breaker = Breaker(SPECS)
    for change in changes(spec):
        finding = breaker(change)
        if expected_to_hold(spec, change):
            assert finding.status is Status.PROVED, change.mutant
            continue
        assert finding.status is Status.REFUTED, change.mutant
        assert finding.breaks is not None, change.mutant
        if not change.mutant.startswith(WITHOUT):
            assert finding.breaks == spec.mutants[change.mutant].breaks


def changed_by_guards_or_axioms(spec: Specification, name: str) -> bool:
    """The script of such a mutant can be asked of the right protocol, too."""
    return spec.mutants[name].script is not None and not spec.mutants[name].actions


@pytest.mark.parametrize(("spec", "name"), [each for each in of_both("mutants") if changed_by_guards_or_axioms(*each)])
def test_the_right_protocol_has_no_such_run(spec: Specification, name: str) -> None:
    mutant = spec.mutants[name]
    assert mutant.script is not None
    assert run(spec, mutant.script, ~spec.properties[mutant.breaks].formula(), LIMIT_S) is None


def test_what_the_lease_promises_is_what_reads_by_lease_ask_for() -> None:
    n: Any = Variable("n", Node)
    t: Any = Variable("t", Term)
    promise = lease_reads.properties["no_newer_leader_during_lease"].holds()
    assert isinstance(promise, Or)
    assert text(promise.parts[-1]) == text(read_index.no_newer_leader(t))
    assert text(leases.in_term(n, t)) == text(read_index.in_term(n, t))
    assert text(reads.guard("read_by_lease.lease_holds")) == text(read_index.in_term(n, t) & read_index.no_newer_leader(t))


# ---- what reads.py takes from raft.py

INVARIANTS = {each.name: each.formula() for each in raft.invariants() if each.layer == 0}
AXIOMS = {name: axiom.formula for name, axiom in raft.axioms.items()}


def judged(goal: Formula, besides: Mapping[str, Formula] | None = None, variables: Any = ()) -> Status:
    """Does the goal follow from raft.py's axioms and invariants, and from these hypotheses?"""
    hypotheses = AXIOMS | INVARIANTS | dict(besides or {})
    return prove(Obligation("follows", "claim", variables, hypotheses, goal), Translator()).status


def test_the_members_that_elect_a_leader_have_reached_its_term() -> None:
    """Guard become_leader.quorum_of_votes."""
    votes = forall(
        *(Quorum, Term, Node, Node),
        lambda q, t, n, k: (
            (forall(Node, lambda m: consensus.member(m, q) >> consensus.vote_granted(m, t, n)) & consensus.member(k, q))
            >> consensus.reached(k, t)
        ),
    )
    below = forall(Node, Term, Term, lambda k, t, u: (consensus.reached(k, t) & (u < t)) >> consensus.left(k, u))
    assert judged(votes) is Status.PROVED
    assert judged(below) is Status.PROVED


def test_a_term_is_started_once() -> None:
    """Guard become_leader.no_other_leader."""
    action = raft.actions["become_leader"]
    _, t, _ = action.parameters
    guards = {f"guard {name}": guard for name, guard in action.guards.items()}
    assert judged(~consensus.started(t), guards, action.parameters) is Status.PROVED


def test_what_a_member_has_committed_was_committed_in_a_term_that_it_has_reached() -> None:
    """Guards learn_commit.leader_committed and reached_term."""
    known = forall(
        *(Node, Term, Index, Index),
        lambda n, t, i, j: (
            (consensus.justified(n, t, i) & consensus.committed(n, j))
            >> (consensus.chosen(t, i) & (j <= i) & consensus.reached(n, t))
        ),
    )
    assert judged(known) is Status.PROVED
