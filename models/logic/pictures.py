"""Counterexamples as people read them: each element of the sorts that the specification draws, on a line of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubeproof.models.logic.counterexamples import Counterexample
from kubeproof.models.logic.formulas import Function, Relation
from kubeproof.models.logic.obligations import FOLLOWS, INITIALLY
from kubeproof.models.logic.satisfiable import Run
from kubeproof.models.logic.specification import Specification
from kubeproof.models.logic.structures import Structure, View


def picture(spec: Specification, found: Counterexample) -> list[str]:
    """Before, the action with its parameters, what it changes, and which property does not hold of what."""
    obligation = found.obligation
    lines = ["before:", *_drawn(spec, found.before)]
    if found.after is not None and obligation.step is not None:
        own = len(obligation.step.parameters)
        lines += [f"{obligation.action}({_arguments(found, slice(own))})", "after:", *_drawn(spec, found.after)]
        lines += [f"  {change}" for change in changes(spec, found.before, found.after)]
        of = _arguments(found, slice(own, None))
    else:
        of = _arguments(found, slice(None))
    how = {INITIALLY: "does not hold initially", FOLLOWS: "does not follow"}.get(obligation.action, "is broken")
    return [*lines, f"{obligation.target} {how}{' for ' if of else ''}{of}"]


def run_picture(spec: Specification, run: Run) -> list[str]:
    """Each step of a run with its arguments, and the state in the end."""
    lines = [
        f"{number}. {step.action}({', '.join(f'{each.name}={element}' for each, element in step.arguments.items())})"
        for number, step in enumerate(run.steps, start=1)
    ]
    return [*lines, "in the end:", *_drawn(spec, run.steps[-1].state if run.steps else run.initial)]


def changes(spec: Specification, before: Structure, after: Structure) -> Iterator[str]:
    """What is new (+), gone (-) or another value in a state, relation by relation; ghosts are marked."""
    for symbol in spec.symbols:
        mark = "ghost " if symbol.ghost else ""
        if isinstance(symbol, Relation):
            old, new = before.true[symbol], after.true[symbol]
            yield from (f"+ {mark}{symbol.name}{_tuple(each)}" for each in sorted(new - old, key=str))
            yield from (f"- {mark}{symbol.name}{_tuple(each)}" for each in sorted(old - new, key=str))
        elif isinstance(symbol, Function):
            values, was = after.values[symbol].items(), before.values[symbol]
            yield from (f"~ {mark}{symbol.name}{_tuple(at)} = {each}, was {was[at]}" for at, each in values if was[at] != each)


def _drawn(spec: Specification, structure: Structure) -> Iterator[str]:
    view = View(structure)
    for sort, draw in spec.pictures.items():
        for element in structure.universes[sort]:
            line = draw(view, element)
            if line:
                yield f"  {element}: {line}"


def _arguments(found: Counterexample, which: slice) -> str:
    return ", ".join(f"{each.name}={found.values[each]}" for each in found.obligation.variables[which])


def _tuple(elements: tuple[Any, ...]) -> str:
    return f"({', '.join(map(str, elements))})" if elements else ""
