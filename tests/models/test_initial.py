"""Initial states are found by mending, for every specification; where there is none, that is told."""

from __future__ import annotations

import pytest

from kubeproof.models import catalogue
from kubeproof.models.logic.evaluator import evaluate
from kubeproof.models.logic.formulas import Function, Relation, exists
from kubeproof.models.logic.initial import NoInitialState, initial_state
from kubeproof.models.logic.satisfiable import run
from kubeproof.models.logic.structures import Structure
from tests.models.lock import build


def what_never_changes(state: Structure) -> Structure:
    relations = {each: tuples for each, tuples in state.true.items() if each.rigid}
    values = {each: known for each, known in state.values.items() if each.rigid}
    return Structure.known(state.universes, relations, values)


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_every_specification_has_one_where_a_solver_finds_one(name: str) -> None:
    spec = catalogue.load(name)
    witness = next(iter(spec.witnesses.values()))
    found = run(spec, witness.script, witness.reaches, 60)
    assert found is not None
    state = initial_state(spec, what_never_changes(found.initial))
    assert {label: evaluate(formula, state) for label, formula in spec.initially.items()} == dict.fromkeys(spec.initially, True)
    changing = [each for each in spec.symbols if not each.rigid]
    assert {each for each in changing if isinstance(each, Relation)} <= set(state.true)
    assert {each for each in changing if isinstance(each, Function)} <= set(state.values)


def test_nothing_is_mended_into_a_contradiction() -> None:
    spec = build()
    free = next(each for each in spec.symbols if each.name == "free")
    assert isinstance(free, Relation)
    spec.init("held", ~free())
    universes = {sort: range(2) for sort in spec.sorts}
    turn_0 = next(each for each in spec.symbols if each.name == "turn_0")
    assert isinstance(turn_0, Function)
    with pytest.raises(NoInitialState, match="all"):
        initial_state(spec, Structure.known(universes, {}, {turn_0: {(): 0}}))


def test_what_is_behind_a_quantifier_is_not_mended() -> None:
    spec = build()
    holds = next(each for each in spec.symbols if each.name == "holds")
    assert isinstance(holds, Relation)
    spec.initially.clear()
    spec.init("somebody", exists(spec.sorts[0], lambda m: holds(m)))
    with pytest.raises(NoInitialState, match="somebody"):
        initial_state(spec, Structure.known({sort: range(2) for sort in spec.sorts}, {}, {}))
