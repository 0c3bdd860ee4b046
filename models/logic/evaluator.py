"""Formulas on concrete structures, compiled to Python closures; three-valued where the structure is partly unknown.

A quantifier does not try every element: it walks through the true tuples of a relation that must hold anyway, takes what an
equation says, and tries elements only for variables that are then still free.

Three values (Kleene's strong logic) need no second evaluator. A formula is certainly true if it is true with each relation read
as its certain tuples where it occurs positively, and as its possible ones where it occurs under a negation. It is possibly true,
that is not certainly false, the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from operator import itemgetter
from typing import Any, TypeGuard, cast

from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import (
    FALSE,
    And,
    Apply,
    Arithmetic,
    Choice,
    Element,
    Equal,
    Expression,
    Formula,
    Function,
    Holds,
    LessOrEqual,
    Not,
    Number,
    Or,
    Quantified,
    Relation,
    Symbol,
    Variable,
    conjunction,
    disjunction,
)
from kubeproof.models.logic.rewriting import Update, children, free_variables, substitute
from kubeproof.models.logic.structures import Lazily, Structure, Tuples

Frame = list[Any]
"""The values of variables; each has a place of its own."""
Test = Callable[[Structure, Frame], bool]
Value = Callable[[Structure, Frame], Any]
Literal = tuple[Formula, bool]
"""A formula and whether it must hold or must not."""

UNKNOWN = None


def evaluate(formula: Formula, structure: Structure, values: Mapping[Variable, Any] | None = None) -> bool | None:
    """Whether the formula holds, with these values of its free variables; None is unknown."""
    values = values or {}
    if _compiled(formula, True)(structure, values):
        return True
    if structure.is_known:
        return False
    return UNKNOWN if _compiled(formula, False)(structure, values) else False


def value(term: Element, structure: Structure, values: Mapping[Variable, Any]) -> Any:
    """The element that a term stands for; None is unknown."""
    compiled, more = _compiled_term(term, tuple(values))
    return compiled(structure, [*values.values(), *[None] * more])


def enabled(action: Action, structure: Structure, arguments: Mapping[Variable, Any]) -> dict[str, bool | None]:
    """Each guard by name, and whether it holds."""
    return {name: evaluate(guard, structure, arguments) for name, guard in action.guards.items()}


def after(action: Action, structure: Structure, arguments: Mapping[Variable, Any]) -> Structure:
    """The state after the action; its guards are not asked. What becomes of unknown things is unknown where it matters."""
    true, possible, values = dict(structure.true), dict(structure.possible), dict(structure.values)
    for symbol, (parameters, body) in action.updates.items():
        if isinstance(symbol, Relation):
            true[symbol] = solutions(body, parameters, structure, arguments, certain=True)
            possible[symbol] = _possibly(symbol, body, parameters, structure, arguments)
        elif isinstance(symbol, Function):
            places = product(*(structure.universes[sort] for sort in symbol.sorts))
            new = {at: value(body, structure, {**arguments, **dict(zip(parameters, at, strict=True))}) for at in places}
            values[symbol] = {at: each for at, each in new.items() if each is not UNKNOWN}
    return Structure(structure.universes, true, true if structure.is_known else possible, values)


def _possibly(
    relation: Relation,
    body: Formula,
    parameters: tuple[Variable, ...],
    structure: Structure,
    arguments: Mapping[Variable, Any],
) -> Lazily:
    """Of what a relation may hold after a step. What was not possible before, and is not added, needs no look at the step."""
    test, before = _compiled(body, False), structure.possible[relation]
    new = _news(relation, body, parameters)
    added = None if new is None else solutions(new, parameters, structure, arguments, certain=False)

    def has(at: tuple[Any, ...]) -> bool:
        if added is not None and at not in added and at not in before:
            return False
        return test(structure, {**arguments, **dict(zip(parameters, at, strict=True))})

    return Lazily([structure.universes[sort] for sort in relation.sorts], has)


@lru_cache(maxsize=10_000)
def _news(relation: Relation, body: Formula, parameters: tuple[Variable, ...]) -> Formula | None:
    """What a relation becomes where it has not held before; None if it depends on what holds elsewhere."""
    if any(not _is_of(each, parameters) for each in _atoms_of(relation, body)):
        return None
    nowhere: dict[Symbol, Update] = {relation: Update(parameters, FALSE)}
    return disjunction(*(cast(Formula, substitute(case, {}, nowhere)) for case in _cases(body)))


def _atoms_of(relation: Relation, expression: Expression) -> Iterator[Holds]:
    if isinstance(expression, Holds) and expression.symbol is relation:
        yield expression
    for part in children(expression):
        yield from _atoms_of(relation, part)


def solutions(
    formula: Formula,
    variables: Sequence[Variable],
    structure: Structure,
    values: Mapping[Variable, Any],
    *,
    certain: bool = True,
) -> Tuples:
    """All tuples of values of the variables for which the formula holds: certainly, or else possibly."""
    found: Tuples = set()
    kept, searches, more = _compiled_searches(formula, tuple(variables), tuple(values), certain)
    for relation in kept:
        found |= (structure.true if certain else structure.possible)[relation]
    frame = [*values.values(), *[None] * (len(variables) + more), found]
    for search in searches:
        search(structure, frame)
    return found


# What is compiled is kept, as the same formulas are asked for state after state.


@lru_cache(maxsize=10_000)
def _compiled(formula: Formula, certain: bool) -> Callable[[Structure, Mapping[Variable, Any]], bool]:
    free = tuple(free_variables(formula))
    compiler = _Compiler(free)
    test = compiler.formula(formula, certain)
    more = compiler.more

    def run(structure: Structure, values: Mapping[Variable, Any]) -> bool:
        return test(structure, [*(values[each] for each in free), *[None] * more])

    return run


@lru_cache(maxsize=10_000)
def _compiled_term(term: Element, given: tuple[Variable, ...]) -> tuple[Value, int]:
    compiler = _Compiler(given)
    return compiler.term(term), compiler.more


@lru_cache(maxsize=10_000)
def _compiled_searches(
    formula: Formula, variables: tuple[Variable, ...], given: tuple[Variable, ...], certain: bool
) -> tuple[list[Relation], list[Test], int]:
    """Relations of which all tuples are solutions, and tests that put the others into the set in the frame's last place."""
    compiler = _Compiler((*given, *variables))
    own = slice(len(given), len(given) + len(variables))

    def collect(_: Structure, frame: Frame) -> bool:
        frame[-1].add(tuple(frame[own]))
        return False

    parts = list(_cases(formula))
    whole = [part.symbol for part in parts if _is_of(part, variables)]
    searches = [
        compiler.search([(part, True)], list(variables), certain, collect) for part in parts if not _is_of(part, variables)
    ]
    return whole, searches, compiler.more


def _cases(formula: Formula) -> Iterator[Formula]:
    """Formulas of which one holds just if the formula does, each of them easy to search."""
    if isinstance(formula, Or):
        for part in formula.parts:
            yield from _cases(part)
    elif (choice := _choice_of(formula)) is not None:
        condition, yes, no = choice
        yield from (conjunction(condition, case) for case in _cases(yes))
        yield from (conjunction(~condition, case) for case in _cases(no))
        yield conjunction(yes, no)  # the condition may be unknown
    else:
        yield formula


def _choice_of(formula: Formula) -> tuple[Formula, Formula, Formula] | None:
    """What `ite` was given."""
    if not (isinstance(formula, And) and len(formula.parts) == 2):
        return None
    one, other = formula.parts
    if not (isinstance(one, Or) and isinstance(other, Or) and one.parts and other.parts and isinstance(one.parts[0], Not)):
        return None
    condition = one.parts[0].part
    if condition is not other.parts[0]:
        return None
    return condition, disjunction(*one.parts[1:]), disjunction(*other.parts[1:])


def _is_of(formula: Formula, variables: Sequence[Variable]) -> TypeGuard[Holds]:
    """Whether it says that a relation holds of the variables, and nothing else."""
    if not isinstance(formula, Holds) or len(formula.arguments) != len(variables):
        return False
    return all(each is one for each, one in zip(formula.arguments, variables, strict=True))


class _Compiler:
    """Makes closures over frames. `more` is how many places quantified variables need behind the given ones."""

    def __init__(self, given: tuple[Variable, ...]) -> None:
        self._places = {variable: place for place, variable in enumerate(given)}
        self._given = len(given)

    @property
    def more(self) -> int:
        return len(self._places) - self._given

    def _place(self, variable: Variable) -> int:
        return self._places.setdefault(variable, len(self._places))

    # ---- terms

    def term(self, term: Expression) -> Value:
        match term:
            case Variable():
                place = self._place(term)
                return lambda _, frame: frame[place]
            case Number():
                constant = term.value
                return lambda _s, _f: constant
            case Apply():
                return self._apply(term)
            case Arithmetic():
                return self._arithmetic(term)
            case Choice():
                return self._choice(term)
        raise AssertionError(term)

    def _apply(self, term: Apply) -> Value:
        function, key = term.symbol, self._tuple(term.arguments)
        return lambda structure, frame: structure.values[function].get(key(structure, frame))

    def _tuple(self, terms: Sequence[Expression]) -> Value:
        """The tuple of what the terms stand for."""
        if len(terms) > 1 and all(isinstance(each, Variable) for each in terms):
            pick = itemgetter(*(self._place(each) for each in terms if isinstance(each, Variable)))
            return lambda _, frame: pick(frame)
        parts = [self.term(each) for each in terms]
        return lambda structure, frame: tuple([part(structure, frame) for part in parts])

    def _arithmetic(self, term: Arithmetic) -> Value:
        left, right, operator = self.term(term.left), self.term(term.right), term.operator

        def run(structure: Structure, frame: Frame) -> Any:
            a, b = left(structure, frame), right(structure, frame)
            if a is UNKNOWN or b is UNKNOWN:
                return UNKNOWN
            return a + b if operator == "+" else a - b if operator == "-" else a * b

        return run

    def _choice(self, term: Choice) -> Value:
        certainly, possibly = self.formula(term.condition, True), self.formula(term.condition, False)
        yes, no = self.term(term.yes), self.term(term.no)

        def run(structure: Structure, frame: Frame) -> Any:
            if certainly(structure, frame):
                return yes(structure, frame)
            other = no(structure, frame)
            if not possibly(structure, frame) or other == yes(structure, frame):
                return other
            return UNKNOWN

        return run

    # ---- formulas

    def formula(self, formula: Formula, certain: bool) -> Test:
        match formula:
            case Holds():
                return self._holds(formula, certain)
            case Equal():
                return self._compare(formula, certain, lambda a, b: a == b)
            case LessOrEqual():
                return self._compare(formula, certain, lambda a, b: a <= b)
            case Not():
                part = self.formula(formula.part, not certain)
                return lambda structure, frame: not part(structure, frame)
            case And():
                return _all([self.formula(each, certain) for each in formula.parts])
            case Or():
                return _any([self.formula(each, certain) for each in formula.parts])
            case Quantified(universal=False):
                return self.search([(formula.body, True)], list(formula.variables), certain, _found)
            case Quantified():
                refuted = self.search([(formula.body, False)], list(formula.variables), not certain, _found)
                return lambda structure, frame: not refuted(structure, frame)
        raise AssertionError(formula)

    def _holds(self, formula: Holds, certain: bool) -> Test:
        relation, key = formula.symbol, self._tuple(formula.arguments)
        if certain:
            return lambda structure, frame: key(structure, frame) in structure.true[relation]

        def possibly(structure: Structure, frame: Frame) -> bool:
            arguments = key(structure, frame)
            return arguments in structure.possible[relation] or UNKNOWN in arguments

        return possibly

    def _compare(self, formula: Equal | LessOrEqual, certain: bool, compare: Callable[[Any, Any], bool]) -> Test:
        left, right = self.term(formula.left), self.term(formula.right)

        def run(structure: Structure, frame: Frame) -> bool:
            a, b = left(structure, frame), right(structure, frame)
            return not certain if a is UNKNOWN or b is UNKNOWN else compare(a, b)

        return run

    # ---- search for values of variables

    def search(self, literals: list[Literal], unbound: list[Variable], certain: bool, found: Test) -> Test:
        """Find values of the unbound variables for which all literals hold, until `found` says that it is enough."""
        return self._search([each for literal in literals for each in _conjuncts(*literal)], unbound, certain, found)

    def _search(self, literals: list[Literal], unbound: list[Variable], certain: bool, found: Test) -> Test:
        ready = [each for each in literals if free_variables(each[0]).isdisjoint(unbound)]
        if ready:
            later = self._search([each for each in literals if not _among(each, ready)], unbound, certain, found)
            return _all([*(self._literal(each, certain) for each in ready), later])
        if not unbound:
            return found
        if (equation := _equation(literals, unbound)) is not None:
            return self._bind(equation, literals, unbound, certain, found)
        if (atom := _best_atom(literals, unbound)) is not None:
            return self._walk(atom, literals, unbound, certain, found)
        return self._try_all(unbound[0], literals, unbound, certain, found)

    def _literal(self, literal: Literal, certain: bool) -> Test:
        formula, positive = literal
        return self.formula(formula if positive else Not(formula), certain)

    def _bind(
        self, equation: tuple[Variable, Element], literals: list[Literal], unbound: list[Variable], certain: bool, found: Test
    ) -> Test:
        """A variable has the value that an equation says. If that is unknown, it may be anything."""
        variable, term = equation
        place, known = self._place(variable), self.term(term)
        later = self._search(literals, _without(unbound, [variable]), certain, found)

        def run(structure: Structure, frame: Frame) -> bool:
            element = known(structure, frame)
            if element is not UNKNOWN:
                frame[place] = element
                return later(structure, frame)
            if certain:
                return False
            return _each(structure.universes[variable.sort], place, later, structure, frame)

        return run

    def _walk(self, atom: Holds, literals: list[Literal], unbound: list[Variable], certain: bool, found: Test) -> Test:
        """Variables are taken from the tuples of a relation. The atom is tested afterwards with the other literals."""
        relation = atom.symbol
        new: dict[Variable, int] = {}
        for position, argument in enumerate(atom.arguments):
            if isinstance(argument, Variable) and any(argument is each for each in unbound):
                new.setdefault(argument, position)
        targets = [(self._place(variable), position) for variable, position in new.items()]
        given = [
            (position, self.term(argument))
            for position, argument in enumerate(atom.arguments)
            if not (isinstance(argument, Variable) and argument in _ids(list(new)))
        ]
        later = self._search(literals, _without(unbound, list(new)), certain, found)

        def run(structure: Structure, frame: Frame) -> bool:
            candidates: Iterable[tuple[Any, ...]] = (structure.true if certain else structure.possible)[relation]
            if isinstance(candidates, Lazily):
                known = ((position, value(structure, frame)) for position, value in given)
                candidates = candidates.matching({position: each for position, each in known if each is not UNKNOWN})
            for candidate in candidates:
                for place, position in targets:
                    frame[place] = candidate[position]
                if later(structure, frame):
                    return True
            return False

        return run

    def _try_all(self, variable: Variable, literals: list[Literal], unbound: list[Variable], certain: bool, found: Test) -> Test:
        place, sort = self._place(variable), variable.sort
        later = self._search(literals, _without(unbound, [variable]), certain, found)
        return lambda structure, frame: _each(structure.universes[sort], place, later, structure, frame)


def _found(_: Structure, __: Frame) -> bool:
    return True


def _all(tests: Sequence[Test]) -> Test:
    """Whether all hold; two at a time, as that is what costs least."""
    if not tests:
        return _found
    first, *others = tests
    if not others:
        return first
    rest = _all(others)
    return lambda structure, frame: first(structure, frame) and rest(structure, frame)


def _any(tests: Sequence[Test]) -> Test:
    """Whether one of them holds."""
    if not tests:
        return lambda _, __: False
    first, *others = tests
    if not others:
        return first
    rest = _any(others)
    return lambda structure, frame: first(structure, frame) or rest(structure, frame)


def _each(elements: Sequence[Any], place: int, later: Test, structure: Structure, frame: Frame) -> bool:
    for element in elements:
        frame[place] = element
        if later(structure, frame):
            return True
    return False


def _conjuncts(formula: Formula, positive: bool) -> list[Literal]:
    """The literals that all must hold for the formula to hold, or not to."""
    if isinstance(formula, Not):
        return _conjuncts(formula.part, not positive)
    if isinstance(formula, And if positive else Or):
        assert isinstance(formula, And | Or)
        return [each for part in formula.parts for each in _conjuncts(part, positive)]
    return [(formula, positive)]


def _among(literal: Literal, literals: list[Literal]) -> bool:
    return any(literal is each for each in literals)


def _without(variables: list[Variable], bound: list[Variable]) -> list[Variable]:
    return [each for each in variables if not any(each is one for one in bound)]


def _equation(literals: list[Literal], unbound: list[Variable]) -> tuple[Variable, Element] | None:
    """A literal that says what an unbound variable is."""
    for formula, positive in literals:
        if positive and isinstance(formula, Equal):
            for one, other in ((formula.left, formula.right), (formula.right, formula.left)):
                if isinstance(one, Variable) and one in _ids(unbound) and free_variables(other).isdisjoint(unbound):
                    return one, other
    return None


def _ids(variables: list[Variable]) -> frozenset[Variable]:
    return frozenset(variables)


def _best_atom(literals: list[Literal], unbound: list[Variable]) -> Holds | None:
    """The relation that must hold and binds most variables, with nothing unbound inside its terms."""
    best, most = None, 0
    for formula, positive in literals:
        if not (positive and isinstance(formula, Holds)):
            continue
        new = {each for each in formula.arguments if isinstance(each, Variable)} & _ids(unbound)
        inside = [each for each in formula.arguments if not isinstance(each, Variable)]
        if len(new) > most and all(free_variables(each).isdisjoint(unbound) for each in inside):
            best, most = formula, len(new)
    return best
