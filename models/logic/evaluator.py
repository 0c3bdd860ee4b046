"""Formulas on concrete structures, compiled to Python closures; three-valued where the structure is partly unknown.

A quantifier does not try every element: it walks through the true tuples of a relation that must hold anyway, takes what an
equation says, and tries elements only for variables that are then still free.

Three values (Kleene's strong logic) need no second evaluator. A formula is certainly true if it is true with each relation read
as its certain tuples where it occurs positively, and as its possible ones where it occurs under a negation. It is possibly true,
that is not certainly false, the other way round.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple, TypeGuard, cast

from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import (
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
    Variable,
    conjunction,
    disjunction,
)
from kubeproof.models.logic.rewriting import Update, free_variables
from kubeproof.models.logic.structures import Lazily, Structure, Tuples

Frame = list[Any]
"""The values of variables; each has a place of its own."""
Test = Callable[[Structure, Frame], bool]
Value = Callable[[Structure, Frame], Any]
Literal = tuple[Formula, bool]
"""A formula and whether it must hold or must not."""

UNKNOWN = None

CALCULATIONS: Mapping[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


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
    return compiled(structure, [*values.values(), *more])


def enabled(action: Action, structure: Structure, arguments: Mapping[Variable, Any]) -> dict[str, bool | None]:
    """Each guard by name, and whether it holds."""
    return {name: evaluate(guard, structure, arguments) for name, guard in action.guards.items()}


def after(action: Action, structure: Structure, arguments: Mapping[Variable, Any]) -> Structure:
    """The state after the action; its guards are not asked. What becomes of unknown things is unknown where it matters.

    Of a state that is known entirely all is listed, of others it is found out when it is asked for.
    """
    if structure.is_known:
        return _known_after(action, structure, arguments)
    true, possible, values = dict(structure.true), dict(structure.possible), dict(structure.values)
    before = _Before(structure, tuple(arguments), tuple(arguments.values()))
    for symbol, update in action.updates.items():
        if isinstance(symbol, Relation):
            true[symbol] = cast(Tuples, _Changed(update, before, True))
            possible[symbol] = _Changed(update, before, False)
        elif isinstance(symbol, Function):
            values[symbol] = cast(dict[tuple[Any, ...], Any], _Assigned(symbol, update, before))
    return Structure(structure.universes, true, possible, values)


def _known_after(action: Action, structure: Structure, arguments: Mapping[Variable, Any]) -> Structure:
    true, values = dict(structure.true), dict(structure.values)
    for symbol, (parameters, body) in action.updates.items():
        if isinstance(symbol, Relation):
            true[symbol] = solutions(body, parameters, structure, arguments)
        elif isinstance(symbol, Function):
            compiled, more = _compiled_term(body, (*arguments, *parameters))
            places = product(*(structure.universes[sort] for sort in symbol.sorts))
            values[symbol] = {at: compiled(structure, [*arguments.values(), *at, *more]) for at in places}
    return Structure.known(structure.universes, true, values)


class _Before(NamedTuple):
    """The state in which an action happens, and the action's arguments."""

    structure: Structure
    variables: tuple[Variable, ...]
    elements: tuple[Any, ...]


class _Changed(Lazily):
    """Of what a relation holds after a step, certainly or possibly."""

    __slots__ = ("_before", "_certain", "_update")

    def __init__(self, update: Update, before: _Before, certain: bool) -> None:
        self._update, self._before, self._certain = update, before, certain

    def __contains__(self, at: object) -> bool:
        assert isinstance(at, tuple)
        (parameters, body), (structure, variables, elements) = self._update, self._before
        test, more = _compiled_test(body, (*variables, *parameters), self._certain)
        return test(structure, [*elements, *at, *more])

    def matching(self, known: Mapping[int, Any]) -> Tuples:
        (parameters, body), (structure, variables, elements) = self._update, self._before
        values = dict(zip(variables, elements, strict=True))
        values.update((parameters[place], element) for place, element in known.items())
        return solutions(body, parameters, structure, values, certain=self._certain)


class _Assigned(Mapping[tuple[Any, ...], Any]):
    """A function's values after a step, where they are known."""

    __slots__ = ("_before", "_function", "_update")

    def __init__(self, function: Function, update: Update, before: _Before) -> None:
        self._function, self._update, self._before = function, update, before

    def get(self, at: tuple[Any, ...], default: Any = None) -> Any:
        (parameters, body), (structure, variables, elements) = self._update, self._before
        compiled, more = _compiled_term(body, (*variables, *parameters))
        found = compiled(structure, [*elements, *at, *more])
        return default if found is UNKNOWN else found

    def __getitem__(self, at: tuple[Any, ...]) -> Any:
        found = self.get(at)
        if found is UNKNOWN:
            raise KeyError(at)
        return found

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        universes = self._before.structure.universes
        return (at for at in product(*(universes[sort] for sort in self._function.sorts)) if self.get(at) is not UNKNOWN)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def solutions(
    formula: Formula,
    variables: Sequence[Variable],
    structure: Structure,
    values: Mapping[Variable, Any],
    *,
    certain: bool = True,
) -> Tuples:
    """All tuples of values of the variables for which the formula holds: certainly, or else possibly.

    A variable that has a value already has that one in all of them.
    """
    found: Tuples = set()
    kept, searches, more = _compiled_searches(formula, tuple(variables), tuple(values), certain)
    for relation in kept:
        found |= (structure.true if certain else structure.possible)[relation]
    frame = [*values.values(), *more, found]
    for search in searches:
        search(structure, frame)
    return found


# What is compiled is kept, as the same formulas are asked for state after state.

More = list[None]
"""The places in a frame behind those of given variables."""


@lru_cache(maxsize=10_000)
def _compiled(formula: Formula, certain: bool) -> Callable[[Structure, Mapping[Variable, Any]], bool]:
    free = tuple(free_variables(formula))
    test, more = _compiled_test(formula, free, certain)

    def run(structure: Structure, values: Mapping[Variable, Any]) -> bool:
        return test(structure, [*(values[each] for each in free), *more])

    return run


@lru_cache(maxsize=10_000)
def _compiled_test(formula: Formula, given: tuple[Variable, ...], certain: bool) -> tuple[Test, More]:
    compiler = _Compiler(given)
    return compiler.formula(formula, certain), compiler.more


@lru_cache(maxsize=10_000)
def _compiled_term(term: Element, given: tuple[Variable, ...]) -> tuple[Value, More]:
    compiler = _Compiler(given)
    return compiler.term(term), compiler.more


@lru_cache(maxsize=10_000)
def _compiled_searches(
    formula: Formula, variables: tuple[Variable, ...], given: tuple[Variable, ...], certain: bool
) -> tuple[list[Relation], list[Test], More]:
    """Relations of which all tuples are solutions, and tests that put the others into the set in the frame's last place."""
    unbound = _without(list(variables), list(given))
    compiler = _Compiler((*given, *unbound))
    solution = compiler.arguments(variables)

    def collect(structure: Structure, frame: Frame) -> bool:
        frame[-1].add(solution(structure, frame))
        return False

    kept: list[Relation] = []
    searches: list[Test] = []
    for part in _cases(formula, certain):
        if len(unbound) == len(variables) and _is_of(part, variables):
            kept.append(part.symbol)
        else:
            searches.append(compiler.search([(part, True)], unbound, certain, collect))
    return kept, searches, [*[None] * len(unbound), *compiler.more]


def _cases(formula: Formula, certain: bool) -> Iterator[Formula]:
    """Formulas of which one holds just if the formula does, each of them easy to search."""
    if isinstance(formula, Or):
        for part in formula.parts:
            yield from _cases(part, certain)
    elif (choice := _choice_of(formula)) is not None:
        condition, yes, no = choice
        yield from (conjunction(condition, case) for case in _cases(yes, certain))
        yield from (conjunction(~condition, case) for case in _cases(no, certain))
        if certain:  # although the condition may be unknown
            yield conjunction(yes, no)
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
    """Makes closures over frames. `more` are the places that quantified variables need behind the given ones."""

    def __init__(self, given: tuple[Variable, ...]) -> None:
        self._places = {variable: place for place, variable in enumerate(given)}
        self._given = len(given)

    @property
    def more(self) -> More:
        return [None] * (len(self._places) - self._given)

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
        function, key = term.symbol, self.arguments(term.arguments)
        return lambda structure, frame: structure.values[function].get(key(structure, frame))

    def arguments(self, terms: Sequence[Expression]) -> Value:
        """The tuple of what the terms stand for."""
        if terms and all(isinstance(each, Variable) for each in terms):
            return _picked([self._place(each) for each in terms if isinstance(each, Variable)])
        parts = [self.term(each) for each in terms]
        if len(parts) == 1:
            (part,) = parts
            return lambda structure, frame: (part(structure, frame),)
        if len(parts) == 2:
            first, second = parts
            return lambda structure, frame: (first(structure, frame), second(structure, frame))
        return lambda structure, frame: tuple([part(structure, frame) for part in parts])

    def _arithmetic(self, term: Arithmetic) -> Value:
        left, right, calculate = self.term(term.left), self.term(term.right), CALCULATIONS[term.operator]

        def run(structure: Structure, frame: Frame) -> Any:
            a, b = left(structure, frame), right(structure, frame)
            if a is UNKNOWN or b is UNKNOWN:
                return UNKNOWN
            return calculate(a, b)

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
                return self._compare(formula, certain, operator.eq)
            case LessOrEqual():
                return self._compare(formula, certain, operator.le)
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
        relation, key = formula.symbol, self.arguments(formula.arguments)
        if certain:
            return lambda structure, frame: key(structure, frame) in structure.true[relation]

        def possibly(structure: Structure, frame: Frame) -> bool:
            arguments = key(structure, frame)
            return arguments in structure.possible[relation] or UNKNOWN in arguments

        return possibly

    def _compare(self, formula: Equal | LessOrEqual, certain: bool, compare: Callable[[Any, Any], bool]) -> Test:
        if isinstance(formula.left, Variable) and isinstance(formula.right, Variable):
            return self._compare_variables(formula.left, formula.right, certain, compare)
        left, right = self.term(formula.left), self.term(formula.right)

        def run(structure: Structure, frame: Frame) -> bool:
            a, b = left(structure, frame), right(structure, frame)
            return not certain if a is UNKNOWN or b is UNKNOWN else compare(a, b)

        return run

    def _compare_variables(self, left: Variable, right: Variable, certain: bool, compare: Callable[[Any, Any], bool]) -> Test:
        """As above, without a call for each: most comparisons are of this kind."""
        one, other = self._place(left), self._place(right)

        def run(_: Structure, frame: Frame) -> bool:
            a, b = frame[one], frame[other]
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


def _picked(places: Sequence[int]) -> Value:
    """The tuple of what is at these places of a frame."""
    if len(places) == 1:
        (place,) = places
        return lambda _, frame: (frame[place],)
    pick = operator.itemgetter(*places)
    return lambda _, frame: pick(frame)


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
