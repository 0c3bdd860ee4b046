"""A specification: state, actions, initial states, axioms, properties; and what shows that its proofs are not empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeVar, overload

from kubeproof.models.logic.actions import Action, annotated_variables, sentence_of
from kubeproof.models.logic.formulas import (
    TRUE,
    Formula,
    Function,
    LanguageError,
    Real,
    Relation,
    Sort,
    Symbol,
    Variable,
    forall,
    name_of,
)
from kubeproof.models.logic.rewriting import Updates, closed, substitute, symbols_of
from kubeproof.models.logic.structures import View

F = TypeVar("F", bound=Callable[..., Any])


RESERVED = frozenset(
    ["abs", "and", "assert", "distinct", "div", "exists", "forall", "ite", "let", "mod", "not", "or", "select", "store"]
)
"""Names that other solvers read otherwise."""


class Strength(StrEnum):
    """What a property speaks of."""

    TRUE_STATE = "true-state"
    """What is really so."""
    VIEW_RELATIVE = "view-relative"
    """What is right given what the actor has seen."""
    EVENTUAL = "eventual"
    """What is so in the end."""


class Kind(StrEnum):
    """How a property is proven."""

    INVARIANT = "invariant"
    """It holds at first, and every action preserves it."""
    COROLLARY = "corollary"
    """It follows from invariants."""
    STEP = "step"
    """Every step obeys it; it speaks of the states before and after."""


@dataclass(frozen=True, slots=True)
class Axiom:
    """What is assumed of everything rigid, and why that is right. With `shown_by` the reason is a formula, proven by itself."""

    name: str
    formula: Formula
    because: str
    shown_by: Formula | None = None


@dataclass(frozen=True)
class Property:
    """Something that holds for all values of its variables. Without a `source` it only serves the proofs of others.

    `body` is the formula, of a step a function of `after`, which makes an expression one about the next state. `using` names the
    invariants that its proof may assume beside itself; None is all of its layer and the layers below.
    """

    name: str
    kind: Kind
    sentence: str
    variables: tuple[Variable, ...]
    body: Formula | Callable[..., Formula]
    layer: int = 0
    using: tuple[str, ...] | None = None
    source: str = ""
    strength: Strength = Strength.TRUE_STATE
    assumes: Sequence[str] = ()

    def holds(self) -> Formula:
        """The body of an invariant or corollary."""
        assert isinstance(self.body, Formula)
        return self.body

    def formula(self) -> Formula:
        """The invariant or corollary, for all values of its variables; one object, as readers keep what they made of it."""
        return self._closed

    @cached_property
    def _closed(self) -> Formula:
        return closed(self.variables, self.holds())

    def across(self, updates: Updates) -> Formula:
        """The body, said of a step with these updates in terms of the state before it."""
        if isinstance(self.body, Formula):
            return _formula(substitute(self.body, {}, updates))
        return self.body(*self.variables, lambda expression: substitute(expression, {}, updates))


@dataclass(frozen=True, slots=True)
class Lemma:
    """What holds of an action's parameters wherever it is possible. Shown once, it is assumed in proofs about what it changes.

    `using` names the invariants that its own proof may assume, beside the guards and the action's lemmas declared before it.
    """

    name: str
    action: str
    sentence: str
    formula: Formula
    using: tuple[str, ...]


Steps = Sequence[str | tuple[str, Mapping[str, int]]]
"""Names of actions, with the numbers of the elements that are fixed of their parameters; all others are searched for."""


@dataclass(frozen=True, slots=True)
class Script:
    """Runs of these actions, in universes of these sizes, where `given` holds of what never changes."""

    steps: Steps
    sizes: Mapping[str, int]
    given: Formula = TRUE

    def calls(self) -> list[tuple[str, Mapping[str, int]]]:
        """Each step with what is fixed of its parameters."""
        return [(step, {}) if isinstance(step, str) else step for step in self.steps]


@dataclass(frozen=True, slots=True)
class Witness:
    """Something that does happen: a run of the script after which `reaches` holds."""

    name: str
    sentence: str
    script: Script
    reaches: Formula


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong protocol, which must break `breaks`: guards taken away ("action.guard"), an axiom, or actions as others have them.

    With a script there is a run from an initial state to one where the property does not hold; else a step that breaks it from a
    state where all invariants hold.
    """

    name: str
    sentence: str
    breaks: str
    without: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    axioms: tuple[Axiom, ...] = ()
    script: Script | None = None


@dataclass(frozen=True, slots=True)
class Specification:
    """See the module. `universes` are the sizes of the sorts where counterexamples are looked for, the smallest first."""

    name: str
    sentence: str
    sorts: tuple[Sort, ...]
    universes: tuple[Mapping[str, int], ...]
    examples: dict[Symbol, Fraction] = field(default_factory=dict)
    """Numbers that stand for constants where counterexamples are looked for, as products of two unknowns are hard."""
    symbols: list[Symbol] = field(default_factory=list)
    axioms: dict[str, Axiom] = field(default_factory=dict)
    initially: dict[str, Formula] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=dict)
    properties: dict[str, Property] = field(default_factory=dict)
    lemmas: dict[str, Lemma] = field(default_factory=dict)
    outside_epr: dict[str, str] = field(default_factory=dict)
    """Properties some proofs of which leave EPR, so that Z3 may come to no answer, each with the reason."""
    mutants: dict[str, Mutant] = field(default_factory=dict)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    redundant: dict[str, str] = field(default_factory=dict)
    """Guards ("action.guard") that safety does not need, each with the reason why it stands there all the same."""
    pictures: dict[Sort, Callable[[View, object], str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for sort in self.sorts:
            if sort.ordered and sort is not Real and f"{name_of(sort)}_order" not in self.axioms:
                order = (
                    forall(sort, lambda x: x <= x)
                    & forall(sort, lambda x, y, z: ((x <= y) & (y <= z)) >> (x <= z))
                    & forall(sort, lambda x, y: ((x <= y) & (y <= x)) >> (x == y))
                    & forall(sort, lambda x, y: (x <= y) | (y <= x))
                )
                self.axiom(f"{name_of(sort)}_order", order, "the elements stand for numbers, which are totally ordered")

    # ---- declarations

    def relation(self, name: str, *sorts: Sort, rigid: bool = False, ghost: bool = False, says: str = "") -> Relation:
        """Declare a relation."""
        return self._declare(Relation(name, sorts, rigid=rigid, ghost=ghost, says=says))

    def function(self, name: str, *sorts: Sort, to: Sort, rigid: bool = False, ghost: bool = False, says: str = "") -> Function:
        """Declare a function with values of sort `to`."""
        return self._declare(Function(name, sorts, to, rigid=rigid, ghost=ghost, says=says))

    def constant(self, name: str, sort: Sort, says: str = "") -> Any:
        """Declare a rigid constant; returns the term."""
        return self.function(name, to=sort, rigid=True, says=says)()

    def _declare(self, symbol: Any) -> Any:
        if any(symbol.name == each.name for each in self.symbols):
            raise LanguageError(f"{self.name} declares {symbol.name} twice")
        for sort in (*symbol.sorts, *([symbol.result] if isinstance(symbol, Function) else [])):
            if not any(sort is each for each in self.sorts):
                raise LanguageError(f"{symbol.name}: {self.name} does not list the sort {name_of(sort)}")
        if symbol.name in RESERVED:
            raise LanguageError(f"{symbol.name} means something in SMT-LIB: choose another name")
        self.symbols.append(symbol)
        return symbol

    def axiom(self, name: str, formula: Formula, because: str, shown_by: Formula | None = None) -> None:
        """Assume something of what is rigid."""
        mutable = {symbol.name for symbol in symbols_of(formula) if not symbol.rigid}
        if mutable:
            raise LanguageError(f"axiom {name} speaks of {', '.join(sorted(mutable))}, which may change: make it an invariant")
        self.axioms[name] = Axiom(name, formula, because, shown_by)

    def init(self, name: str, formula: Formula) -> None:
        """Say something of every initial state."""
        self.initially[name] = formula

    def action(self, function: Callable[..., None]) -> Action:
        """Declare an action (decorator)."""
        action = Action.declared_by(function)
        if action.name in self.actions:
            raise LanguageError(f"{self.name} declares the action {action.name} twice")
        self.actions[action.name] = action
        return action

    @overload
    def invariant(self, function: F) -> F: ...

    @overload
    def invariant(
        self,
        *,
        layer: int = 0,
        using: Sequence[str] | None = None,
        source: str = "",
        strength: Strength = Strength.TRUE_STATE,
        assumes: Sequence[str] = (),
    ) -> Callable[[F], F]: ...

    def invariant(self, function: F | None = None, **how: Any) -> F | Callable[[F], F]:
        """Declare an invariant (decorator, with or without arguments)."""
        declare = self._property(Kind.INVARIANT, how)
        return declare if function is None else declare(function)

    def corollary(
        self,
        *,
        using: Sequence[str],
        source: str = "",
        strength: Strength = Strength.TRUE_STATE,
        assumes: Sequence[str] = (),
    ) -> Callable[[F], F]:
        """Declare what follows from the invariants and corollaries `using` (decorator)."""
        how = {"using": using, "source": source, "strength": strength, "assumes": assumes}
        return self._property(Kind.COROLLARY, how)

    def step(self, *, source: str, strength: Strength = Strength.TRUE_STATE, assumes: Sequence[str] = ()) -> Callable[[F], F]:
        """Declare a property of every step (decorator); the last parameter is `after`."""
        return self._property(Kind.STEP, {"source": source, "strength": strength, "assumes": assumes})

    def _property(self, kind: Kind, how: dict[str, Any]) -> Callable[[F], F]:
        if how.get("using") is not None:
            how["using"] = tuple(how["using"])

        def declare(body: F) -> F:
            name = body.__name__
            if name in self.properties:
                raise LanguageError(f"{self.name} declares the property {name} twice")
            variables = annotated_variables(body, besides="after" if kind is Kind.STEP else None)
            made = body(*variables) if kind is not Kind.STEP else body
            if not isinstance(made, Formula) and kind is not Kind.STEP:
                raise LanguageError(f"{name} returns a formula, got {made!r}")
            self._known_states(name, how.get("using") or ())
            self.properties[name] = Property(name, kind, sentence_of(body), variables, made, **how)
            return body

        return declare

    def _known_states(self, name: str, using: Sequence[str]) -> None:
        for each in using:
            if each not in self.properties or self.properties[each].kind is Kind.STEP:
                raise LanguageError(f"{name} uses {each}, which is no invariant or corollary declared before it")

    def lemma(self, action: Action, *, using: Sequence[str]) -> Callable[[F], F]:
        """Declare what follows from invariants and an action's guards (decorator). Parameters are the action's, by name."""

        def declare(body: F) -> F:
            name = body.__name__
            if name in self.lemmas:
                raise LanguageError(f"{self.name} declares the lemma {name} twice")
            self._known_states(name, using)
            formula = body(*(self._parameter(action, each) for each in annotated_variables(body)))
            if not isinstance(formula, Formula):
                raise LanguageError(f"{name} returns a formula, got {formula!r}")
            self.lemmas[name] = Lemma(name, action.name, sentence_of(body), formula, tuple(using))
            return body

        return declare

    def _parameter(self, action: Action, wanted: Variable) -> Variable:
        self._known_parameters(action.name, [wanted.name])
        found = next(each for each in action.parameters if each.name == wanted.name)
        if found.sort is not wanted.sort:
            raise LanguageError(f"{action.name}: the sort of its parameter {found.name} is {name_of(found.sort)}")
        return found

    def leaves_epr(self, name: str, because: str) -> None:
        """List a property as one that Z3 need not come to an answer about."""
        if name not in self.properties:
            raise LanguageError(f"{self.name} has no property {name}")
        self.outside_epr[name] = because

    def picture(self, sort: Sort) -> Callable[[F], F]:
        """Declare how an element is drawn, on one line (decorator)."""

        def declare(draw: F) -> F:
            self.pictures[sort] = draw
            return draw

        return declare

    def sometimes(self, name: str, sentence: str, script: Script, reaches: Formula) -> None:
        """Declare a run that must be possible."""
        for action, fixed in script.calls():
            self._known_parameters(action, fixed)
        self.witnesses[name] = Witness(name, sentence, script, reaches)

    def _known_parameters(self, action: str, names: Iterable[str]) -> None:
        if action not in self.actions:
            raise LanguageError(f"{self.name} has no action {action}")
        known = {each.name for each in self.actions[action].parameters}
        if not set(names) <= known:
            raise LanguageError(f"{action} has no parameters {', '.join(sorted(set(names) - known))}")

    def mutant(
        self,
        name: str,
        sentence: str,
        *,
        breaks: str,
        without: Sequence[str] = (),
        actions: Sequence[Callable[..., None]] = (),
        axioms: Sequence[Axiom] = (),
        script: Script | None = None,
    ) -> None:
        """Declare a wrong protocol. Its `actions` and `axioms` stand in for those of the same name, or are added."""
        if breaks not in self.properties:
            raise LanguageError(f"mutant {name} breaks {breaks}, which {self.name} does not declare")
        if self.properties[breaks].kind is Kind.COROLLARY and script is None:
            raise LanguageError(f"mutant {name} breaks {breaks}, which follows from others: give a script, or an invariant")
        for guard in without:
            self.guard(guard)
        declared = tuple(map(Action.declared_by, actions))
        self.mutants[name] = Mutant(name, sentence, breaks, tuple(without), declared, tuple(axioms), script)

    def needs_not(self, guard: str, because: str) -> None:
        """List a guard ("action.guard") as redundant for safety. It is proven to be."""
        self.guard(guard)
        self.redundant[guard] = because

    # ---- what is declared

    def guard(self, name: str) -> Formula:
        """The guard called "action.guard"."""
        action, _, label = name.partition(".")
        if action not in self.actions or label not in self.actions[action].guards:
            raise LanguageError(f"{self.name} has no guard {name}; write action.guard")
        return self.actions[action].guards[label]

    def invariants(self) -> list[Property]:
        """What holds in every reachable state by induction, in the order of declaration."""
        return [each for each in self.properties.values() if each.kind is Kind.INVARIANT]

    def lemmas_of(self, action: str) -> list[Lemma]:
        """The lemmas of an action, in the order of declaration."""
        return [each for each in self.lemmas.values() if each.action == action]

    def mutated(self, mutant: Mutant) -> Specification:
        """The wrong protocol. Lemmas of what it changes need not follow any more: it goes without them."""
        actions = self.actions | {action.name: action for action in mutant.actions}
        for guard in mutant.without:
            action, _, label = guard.partition(".")
            actions[action] = actions[action].without_guard(label)
        axioms = self.axioms | {axiom.name: axiom for axiom in mutant.axioms}
        same = {name for name, action in self.actions.items() if actions[name] is action and not mutant.axioms}
        lemmas = {name: lemma for name, lemma in self.lemmas.items() if lemma.action in same}
        return replace(self, actions=actions, axioms=axioms, lemmas=lemmas)


def _formula(value: Any) -> Formula:
    assert isinstance(value, Formula)
    return value
