"""Readers of the same formula agree: the compiled evaluator, a naive one, SAT over a few elements, and Z3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations, product
from typing import Any

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeproof.models.logic import ANY, Action, Element, Formula, Real, Specification, Structure, exists, forall, ite, number
from kubeproof.models.logic.evaluator import after, evaluate
from kubeproof.models.logic.formulas import (
    And,
    Apply,
    Choice,
    Equal,
    Expression,
    Function,
    Holds,
    LessOrEqual,
    Not,
    Or,
    Quantified,
    Relation,
    Symbol,
    Variable,
)
from kubeproof.models.logic.grounded import Grounding, universe
from kubeproof.models.logic.unbounded import Translator


class Thing(Element):
    """Unordered."""


class Step(Element, ordered=True):
    """Ordered."""


spec = Specification("readers", "", (Thing, Step), ({"thing": 2, "step": 2},))
marked = spec.relation("marked", Thing)
related = spec.relation("related", Thing, Step)
other = spec.relation("other", Thing, Thing)
step_of = spec.function("step_of", Thing, to=Step)
first = spec.constant("first", Step)
SIZES = {"thing": 2, "step": 3}
UNIVERSES: dict[type[Element], tuple[Any, ...]] = {Thing: universe(Thing, 2), Step: universe(Step, 3)}
RELATIONS = (marked, related, other)


@st.composite
def terms(draw: st.DrawFn, sort: type[Element], scope: tuple[Variable, ...], depth: int) -> Any:
    known: list[Any] = [each for each in scope if each.sort is sort]
    if sort is Step:
        known.append(first)
        if any(each.sort is Thing for each in scope):
            known.append(step_of(draw(st.sampled_from([each for each in scope if each.sort is Thing]))))
        if depth > 0 and draw(st.integers(0, 5)) == 0:
            condition = draw(formulas(scope, depth - 1))
            return ite(condition, draw(terms(Step, scope, 0)), draw(terms(Step, scope, 0)))
    return draw(st.sampled_from(known))


@st.composite
def formulas(draw: st.DrawFn, scope: tuple[Variable, ...] = (), depth: int = 4) -> Formula:
    """A formula whose free variables are in scope."""
    has_thing = any(each.sort is Thing for each in scope)
    kind = draw(st.sampled_from(["quantified"] * 3 + ["not", "and", "or", "atom", "atom"] if depth else ["atom"]))
    if kind == "quantified" or (kind == "atom" and depth and not has_thing):
        sort = draw(st.sampled_from([Thing, Step]))
        variable = Variable(f"x{len(scope)}", sort)
        return Quantified(draw(st.booleans()), (variable,), draw(formulas((*scope, variable), max(0, depth - 1))))
    if kind == "not":
        return Not(draw(formulas(scope, depth - 1)))
    if kind in ("and", "or"):
        parts = tuple(draw(formulas(scope, depth - 1)) for _ in range(draw(st.integers(0, 3))))
        return And(parts) if kind == "and" else Or(parts)
    atoms = [LessOrEqual, Equal, *(RELATIONS if has_thing else ())]
    atom = draw(st.sampled_from(atoms))
    if isinstance(atom, Relation):
        return atom(*(draw(terms(sort, scope, 1 if depth else 0)) for sort in atom.sorts))
    made: Formula = atom(draw(terms(Step, scope, 1 if depth else 0)), draw(terms(Step, scope, 0)))
    return made


@st.composite
def structures(draw: st.DrawFn) -> Structure:
    relations = {each: set(draw(st.lists(st.sampled_from(places(each)), unique=True))) for each in RELATIONS}
    steps = st.sampled_from(UNIVERSES[Step])
    values = {step_of: {at: draw(steps) for at in places(step_of)}, first.symbol: {(): draw(steps)}}
    return Structure.known(UNIVERSES, relations, values)


def places(symbol: Symbol) -> list[tuple[Any, ...]]:
    return list(product(*(UNIVERSES[sort] for sort in symbol.sorts)))


def naive(expression: Expression, structure: Structure, values: Mapping[Variable, Any]) -> Any:
    """What the expression is, by the book."""

    def inner(part: Expression) -> Any:
        return naive(part, structure, values)

    match expression:
        case Variable():
            return values[expression]
        case Apply():
            return structure.values[expression.symbol][tuple(map(inner, expression.arguments))]
        case Choice():
            return inner(expression.yes if inner(expression.condition) else expression.no)
        case Holds():
            return tuple(map(inner, expression.arguments)) in structure.true[expression.symbol]
        case Equal():
            return inner(expression.left) == inner(expression.right)
        case LessOrEqual():
            return inner(expression.left) <= inner(expression.right)
        case Not():
            return not inner(expression.part)
        case And():
            return all(map(inner, expression.parts))
        case Or():
            return any(map(inner, expression.parts))
        case Quantified():
            every = product(*(UNIVERSES[each.sort] for each in expression.variables))
            bodies = (
                naive(expression.body, structure, {**values, **dict(zip(expression.variables, each, strict=True))})
                for each in every
            )
            return all(bodies) if expression.universal else any(bodies)
    raise AssertionError(expression)


def starting_in(structure: Structure) -> Grounding:
    """State 0 is the structure."""
    grounding = Grounding(spec, SIZES)
    for relation in RELATIONS:
        for at in places(relation):
            holds = grounding._atom(relation, at, 0)
            grounding.assume(holds if at in structure.true[relation] else z3.Not(holds))
    for function, table in structure.values.items():
        for at, value in table.items():
            grounding.assume(dict(grounding._atom(function, at, 0))[value])
    return grounding


def by_sat(formula: Formula, structure: Structure) -> bool:
    grounding = starting_in(structure)
    grounding.assume(grounding.formula(formula))
    return grounding.solve(10) is not None


def by_z3(formula: Formula, structure: Structure) -> bool:
    """With the diagram of the structure: these elements, no others, and what holds of them."""
    translator, solver = Translator(), z3.Solver()
    element = {
        (sort, each): z3.Const(f"{sort.__name__}_{each}", translator.sort(sort)) for sort in UNIVERSES for each in UNIVERSES[sort]
    }
    for sort, elements in UNIVERSES.items():
        constants = [element[sort, each] for each in elements]
        any_one = z3.Const("any", translator.sort(sort))
        solver.add(z3.Distinct(constants), z3.ForAll([any_one], z3.Or([any_one == each for each in constants])))
    for one, two in product(UNIVERSES[Step], repeat=2):
        at_most = translator._order(Step)(element[Step, one], element[Step, two])
        solver.add(at_most if one <= two else z3.Not(at_most))
    for relation in RELATIONS:
        for at in places(relation):
            holds = translator._symbol(relation)(*(element[pair] for pair in zip(relation.sorts, at, strict=True)))
            solver.add(holds if at in structure.true[relation] else z3.Not(holds))
    for function, table in structure.values.items():
        for at, value in table.items():
            made = translator._symbol(function)(*(element[pair] for pair in zip(function.sorts, at, strict=True)))
            solver.add(made == element[Step, value])
    solver.add(translator.closed(formula))
    outcome = solver.check()
    assert outcome != z3.unknown
    return bool(outcome == z3.sat)


@settings(max_examples=300, deadline=None)
@given(formulas(), structures())
def test_compiled_evaluator_is_right(formula: Formula, structure: Structure) -> None:
    assert evaluate(formula, structure) is naive(formula, structure, {})


@settings(max_examples=60, deadline=None)
@given(formulas(), structures())
def test_sat_and_z3_agree_with_the_evaluator(formula: Formula, structure: Structure) -> None:
    expected = evaluate(formula, structure)
    assert by_sat(formula, structure) is expected
    assert by_z3(formula, structure) is expected


def completions(structure: Structure) -> list[Structure]:
    """Every known structure that a partial one may be."""
    unknown = [(relation, at) for relation in RELATIONS for at in structure.possible[relation] - structure.true[relation]]
    gaps = [at for at in places(step_of) if at not in structure.values[step_of]]
    found = []
    for size in range(len(unknown) + 1):
        for more in combinations(unknown, size):
            relations = {each: structure.true[each] | {at for relation, at in more if relation is each} for each in RELATIONS}
            for fill in product(UNIVERSES[Step], repeat=len(gaps)):
                steps = structure.values[step_of] | dict(zip(gaps, fill, strict=True))
                found.append(Structure.known(UNIVERSES, relations, {**structure.values, step_of: steps}))
    return found


@st.composite
def partial_structures(draw: st.DrawFn) -> Structure:
    known = draw(structures())
    some = draw(st.lists(st.sampled_from([(each, at) for each in RELATIONS for at in places(each)]), unique=True, max_size=4))
    true = {each: known.true[each] - {at for relation, at in some if relation is each} for each in RELATIONS}
    possible = {each: known.true[each] | {at for relation, at in some if relation is each} for each in RELATIONS}
    steps = dict(known.values[step_of])
    if draw(st.booleans()):
        del steps[draw(st.sampled_from(places(step_of)))]
    return Structure(UNIVERSES, true, possible, {**known.values, step_of: steps})


@settings(max_examples=200, deadline=None)
@given(formulas(), partial_structures())
def test_three_values_are_sound(formula: Formula, structure: Structure) -> None:
    """What is certain of a partial structure holds in all that it may be."""
    verdict = evaluate(formula, structure)
    if verdict is not None:
        assert {naive(formula, each, {}) for each in completions(structure)} == {verdict}


def test_three_values_tell_what_is_not_known() -> None:
    nothing: dict[Relation, set[tuple[Any, ...]]] = {each: set() for each in RELATIONS}
    anything = {each: set(places(each)) for each in RELATIONS}
    values: dict[Function, dict[tuple[Any, ...], Any]] = {step_of: {}, first.symbol: {(): 0}}
    structure = Structure(UNIVERSES, nothing, anything, values)
    assert evaluate(exists(Thing, marked), structure) is None
    assert evaluate(forall(Thing, lambda x: marked(x) | ~marked(x)), structure) is None  # Kleene does not know that either
    assert evaluate(forall(Thing, lambda x: step_of(x) <= first), structure) is None
    assert evaluate(forall(Thing, lambda x: x == x), structure) is True
    assert evaluate(exists(Thing, lambda x: marked(x) & (x != x)), structure) is False


def moves(do: Action, x: Thing, t: Step) -> None:
    """Changes of all kinds."""
    do.require(~marked(x), "not_marked")
    do.add(marked, x)
    do.remove(related, ANY, t)
    do.set(other, lambda a, b: ite(a == x, marked(b), other(a, b)))
    do.assign(step_of, (x,), ite(related(x, t), t, first))


@settings(max_examples=100, deadline=None)
@given(structures(), st.sampled_from(UNIVERSES[Thing]), st.sampled_from(UNIVERSES[Step]))
def test_steps_are_what_sat_says(structure: Structure, x: str, t: int) -> None:
    """The state after an action, by the evaluator, by definition, and as the next state of a run."""
    action = Action.declared_by(moves)
    values = dict(zip(action.parameters, (x, t), strict=True))
    new = after(action, structure, values)
    for symbol, update in action.updates.items():
        for at in places(symbol):
            by_definition = naive(update.body, structure, {**values, **dict(zip(update.parameters, at, strict=True))})
            got = at in new.true[symbol] if isinstance(symbol, Relation) else new.values[symbol][at]  # type: ignore[index]
            assert got == by_definition
    grounding = starting_in(structure)
    grounding.step(action, {each: [(value, True)] for each, value in values.items()}, 0)
    model = grounding.solve(10)
    assert (model is not None) is ((x,) not in structure.true[marked])
    if model is not None:
        found = grounding.structure(model, 1)
        assert found.true == new.true
        assert found.values[step_of] == new.values[step_of]


def test_a_step_from_a_partial_state_is_sound() -> None:
    """Whatever the state was, the next one is within what the partial one becomes."""
    action = Action.declared_by(moves)
    values = dict(zip(action.parameters, ("t1", 1), strict=True))
    true: dict[Relation, set[tuple[Any, ...]]] = {marked: set(), related: {("t2", 1)}, other: {("t2", "t2")}}
    possible: dict[Relation, set[tuple[Any, ...]]] = {
        marked: {("t2",)},
        related: {("t2", 1), ("t1", 1)},
        other: {("t2", "t2"), ("t2", "t1")},
    }
    partial = Structure(UNIVERSES, true, possible, {step_of: {("t1",): 0, ("t2",): 2}, first.symbol: {(): 0}})
    new = after(action, partial, values)
    assert new.values[step_of] == {("t2",): 2}  # t1's step depends on what is unknown
    for each in completions(partial):
        next_one = after(action, each, values)
        for relation in RELATIONS:
            assert new.true[relation] <= next_one.true[relation] <= new.possible[relation]


@pytest.mark.parametrize("build", [lambda a, b: a + b * number(2) <= number(7), lambda a, b: a - b == number("1/2")])
def test_arithmetic(build: Callable[[Any, Any], Formula]) -> None:
    clocks = Specification("clocks", "", (Thing, Real), ({"thing": 1},))
    clock = clocks.function("clock", Thing, to=Real)
    formula = exists(Thing, lambda x: build(clock(x), clock(x) * clock(x)))
    for wanted in (formula, ~formula):
        grounding = Grounding(clocks, {"thing": 1})
        grounding.assume(grounding.formula(wanted))
        model = grounding.solve(10)
        if model is not None:
            assert evaluate(wanted, grounding.structure(model, 0)) is True
