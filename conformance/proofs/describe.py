"""A specification as people read it who do not read Python: state, actions with guards and updates, properties."""

from __future__ import annotations

from collections.abc import Iterator

from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import Expression, Function, Relation, Sort, Symbol, Variable, name_of
from kubeproof.models.logic.rewriting import Update, substitute
from kubeproof.models.logic.specification import Kind, Property, Specification
from kubeproof.models.logic.text import text


def described(spec: Specification) -> Iterator[str]:
    """The lines of a page."""
    yield f"{spec.name}: {spec.sentence}"
    yield from ("", "Sorts")
    for sort in spec.sorts:
        ordered = ", totally ordered" if sort.ordered else ""
        yield f"  {name_of(sort)}{ordered}: {meaning(sort)}"
    for title, wanted in (
        ("What never changes", _is_rigid),
        ("State", _is_state),
        ("History, which nobody has to keep", _is_ghost),
    ):
        yield from ("", title)
        yield from (f"  {_declared(symbol)}" for symbol in spec.symbols if wanted(symbol))
    yield from ("", "Assumed")
    for axiom in spec.axioms.values():
        yield from (f"  {axiom.name}: {axiom.because}", f"    {text(axiom.formula)}")
        if axiom.shown_by is not None:
            yield f"    shown by: {text(axiom.shown_by)}"
    yield from ("", "Initially")
    yield from (f"  {name}: {text(formula)}" for name, formula in spec.initially.items())
    for action in spec.actions.values():
        yield from ("", f"Action {heading(action)}", *([f"  {action.says}"] if action.says else []))
        yield from (f"  if {guard}: {text(formula)}" for guard, formula in action.guards.items())
        for symbol, (parameters, body) in action.updates.items():
            place = f"({', '.join(each.name for each in parameters)})" if parameters else ""
            yield f"  {symbol.name}{place} becomes {text(body)}"
    for title, promised in (("Promised", True), ("Invariants that serve the proofs", False)):
        yield from ("", title)
        for each in spec.properties.values():
            if bool(each.source) == promised:
                yield from _property(spec, each)


def meaning(sort: Sort) -> str:
    """What its elements are."""
    return " ".join((sort.__doc__ or "").split())


def _property(spec: Specification, each: Property) -> Iterator[str]:
    yield f"  {each.name} ({each.kind}){': ' if each.sentence else ''}{each.sentence}"
    if each.source:
        yield f"    source: {each.source}; strength: {each.strength}"
    yield from (f"    assumes: {assumption}" for assumption in each.assumes)
    yield f"    {text(statement(spec, each))}"


def statement(spec: Specification, each: Property) -> Expression:
    """The body; of a step, what is said of the next state has its symbols primed."""
    if each.kind is not Kind.STEP:
        return each.holds()
    assert not isinstance(each.body, Expression)
    updates = {symbol: _next_state(symbol) for symbol in spec.symbols if not symbol.rigid}
    return each.body(*each.variables, lambda expression: substitute(expression, {}, updates))


def _next_state(symbol: Symbol) -> Update:
    """The symbol with a prime, of the same arguments."""
    parameters = tuple(Variable(f"x{place}", sort) for place, sort in enumerate(symbol.sorts))
    if isinstance(symbol, Function):
        return Update(
            parameters,
            Function(f"{symbol.name}'", symbol.sorts, symbol.result, rigid=False, ghost=symbol.ghost, says="")(*parameters),
        )
    return Update(parameters, Relation(f"{symbol.name}'", symbol.sorts, rigid=False, ghost=symbol.ghost, says="")(*parameters))


def _declared(symbol: Symbol) -> str:
    return f"{signature(symbol)}{' - ' if symbol.says else ''}{symbol.says}"


def signature(symbol: Symbol) -> str:
    """The symbol with the sorts of its arguments and of its value."""
    to = f": {name_of(symbol.result)}" if isinstance(symbol, Function) else ""
    sorts = f"({symbol.signature()})" if symbol.sorts else ""
    return f"{symbol.name}{sorts}{to}"


def heading(action: Action) -> str:
    """The action with its parameters and their sorts."""
    return f"{action.name}({', '.join(f'{each.name}: {name_of(each.sort)}' for each in action.parameters)})"


def _is_rigid(symbol: Symbol) -> bool:
    return symbol.rigid and not symbol.ghost


def _is_state(symbol: Symbol) -> bool:
    return not symbol.rigid and not symbol.ghost


def _is_ghost(symbol: Symbol) -> bool:
    return symbol.ghost
