"""The specifications that ship: none is empty, all have teeth, what is declared leaves EPR; and a fast part of their proofs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeproof.models import catalogue
from kubeproof.models.logic import hints
from kubeproof.models.logic.alternation import cycle
from kubeproof.models.logic.obligations import all_names, names_below, obligation
from kubeproof.models.logic.prover import Prover, Task
from kubeproof.models.logic.rewriting import symbols_of
from kubeproof.models.logic.satisfiable import empty_parts, run
from kubeproof.models.logic.specification import Kind, Specification
from kubeproof.models.logic.teeth import Breaker, Change
from kubeproof.models.logic.unbounded import Status

SPECS = {name: catalogue.load(name) for name in catalogue.NAMES}
every = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


@every
def test_every_action_can_happen(spec: Specification) -> None:
    assert list(empty_parts(spec, 60)) == []


@pytest.mark.parametrize(("spec", "name"), [(name, each) for name, spec in SPECS.items() for each in spec.witnesses])
def test_witness(spec: str, name: str) -> None:
    witness = SPECS[spec].witnesses[name]
    assert run(SPECS[spec], witness.script, witness.reaches, 60) is not None


@every
def test_only_what_is_declared_leaves_epr(spec: Specification) -> None:
    outside = {name.partition(": ")[2] for name in all_names(spec) if cycle(obligation(spec, name))}
    assert outside == set(spec.outside_epr)


def test_nothing_is_declared_that_no_proof_of_a_promise_needs() -> None:
    """`kubeproof prove` proves what promises rest on: an invariant beside them would never be proven."""
    assert [name for spec in SPECS.values() for name in set(all_names(spec)) - set(below_promises(spec))] == []


def below_promises(spec: Specification) -> Iterator[str]:
    for each in spec.properties.values():
        if each.source:
            yield from names_below(spec, each)


@every
def test_promises_say_what_and_where_from(spec: Specification) -> None:
    promised = [each for each in spec.properties.values() if each.source]
    assert promised
    assert [each.name for each in promised if not each.sentence.endswith(".")] == []


@every
def test_hints_are_up_to_date(spec: Specification) -> None:
    known = hints.load(spec.name)
    stale = [name for name, (print_, _) in known.proofs.items() if obligation(spec, name).fingerprint() != print_]
    assert known.proofs
    assert stale == []


@every
def test_a_fast_part_of_the_proofs(spec: Specification) -> None:
    """Initial states, what follows from invariants, axioms, and every seventh step. `kubeproof prove` does all of them."""
    names = all_names(spec)
    steps = [name for name in names if name.partition(": ")[0] in spec.actions]
    prover = Prover(SPECS, {spec.name: hints.load(spec.name)})
    done = [prover(Task(spec.name, name)) for name in [*(name for name in names if name not in steps), *steps[::7]]]
    assert [each for each in done if each.status is not Status.PROVED] == []


@pytest.mark.parametrize(("spec", "name"), [(name, each) for name, spec in SPECS.items() for each in spec.mutants])
def test_mutant(spec: str, name: str) -> None:
    mutant = SPECS[spec].mutants[name]
    finding = Breaker(SPECS)(Change(spec, name))
    assert (finding.status, finding.breaks) == (Status.REFUTED, mutant.breaks)
    assert finding.picture


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        (name, each.name)
        for name, spec in SPECS.items()
        for each in spec.mutants.values()
        if each.script and each.without and not (each.actions or each.axioms)
    ],
)
def test_only_missing_guards_make_the_run_possible(spec: str, name: str) -> None:
    mutant = SPECS[spec].mutants[name]
    assert mutant.script is not None
    assert run(SPECS[spec], mutant.script, ~SPECS[spec].properties[mutant.breaks].formula(), 60) is None


@every
def test_mutants_break_promises(spec: Specification) -> None:
    broken = {mutant.breaks for mutant in spec.mutants.values()}
    assert {each for each in broken if not spec.properties[each].source} == set()
    assert {spec.properties[each].kind for each in broken} <= set(Kind)


@pytest.mark.parametrize("spec", ["mvcc", "watch", "lease"])
def test_guards_do_not_look_at_history(spec: str) -> None:
    """An implementation has to meet them."""
    guards = [action.guard() for action in SPECS[spec].actions.values()]
    assert [symbol.name for guard in guards for symbol in symbols_of(guard) if symbol.ghost] == []
