"""Is an obligation in EPR, where Z3 always comes to an answer? It is, if no cycle leads from a sort back to itself.

The edges: a function leads from the sorts of its arguments to that of its value; "for all x there is some y", where y depends
on x, leads from the sort of x to that of y, as if a function found y (Piskac, de Moura and Bjorner, "Deciding effectively
propositional logic using DPLL and substitution sets", 2010; Padon et al., "Paxos made EPR", 2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from kubeproof.models.logic.formulas import (
    And,
    Element,
    Expression,
    Formula,
    Function,
    Not,
    Or,
    Quantified,
    Sort,
    Variable,
    name_of,
)
from kubeproof.models.logic.obligations import Obligation
from kubeproof.models.logic.rewriting import children, free_variables, symbols_of


@dataclass(frozen=True, slots=True)
class Edge:
    """From `source` one gets to `target`, because of what `why` says."""

    source: Sort
    target: Sort
    why: str

    def __str__(self) -> str:
        return f"{name_of(self.source)} -> {name_of(self.target)} ({self.why})"


def cycle(obligation: Obligation) -> list[Edge] | None:
    """The edges of a cycle that takes the obligation out of EPR, or None."""
    asserted = {**obligation.hypotheses, "the goal": Not(obligation.goal)}
    edges: dict[tuple[Sort, Sort], Edge] = {}
    for name, formula in asserted.items():
        for edge in _edges(name, formula):
            edges.setdefault((edge.source, edge.target), edge)
    return _find_cycle(list(edges.values()))


@lru_cache(maxsize=1000)  # hypotheses occur in many obligations
def _edges(name: str, formula: Formula) -> tuple[Edge, ...]:
    return (*_function_edges(formula), *_alternations(formula, True, {}, name))


def _function_edges(formula: Formula) -> Iterator[Edge]:
    for symbol in set(symbols_of(formula)):
        if isinstance(symbol, Function):
            yield from (Edge(sort, symbol.result, f"function {symbol.name}") for sort in symbol.sorts)


Dependencies = Mapping[Variable, frozenset[Variable]]
"""The universal variables that fix a variable: itself, or those that the existence of it was claimed for."""


def _alternations(formula: Expression, positive: bool, bound: Dependencies, where: str) -> Iterator[Edge]:
    match formula:
        case Not():
            yield from _alternations(formula.part, not positive, bound, where)
        case And() | Or():
            for part in formula.parts:
                yield from _alternations(part, positive, bound, where)
        case Quantified():
            if formula.universal == positive:
                own = {each: frozenset([each]) for each in formula.variables}
            else:
                # what is found depends only on the variables that occur free below
                outer = frozenset[Variable]().union(*(bound.get(each, frozenset()) for each in free_variables(formula)))
                own = dict.fromkeys(formula.variables, outer)
                yield from (
                    Edge(each.sort, inner.sort, f"alternation in {where}") for each in outer for inner in formula.variables
                )
            yield from _alternations(formula.body, positive, {**bound, **own}, where)
        case _:
            # conditions of terms may hold or not, so both readings count
            for condition in _conditions(formula):
                yield from _alternations(condition, True, bound, where)
                yield from _alternations(condition, False, bound, where)


def _conditions(expression: Expression) -> Iterator[Formula]:
    for child in children(expression):
        if isinstance(child, Formula):
            yield child
        elif isinstance(child, Element) and not isinstance(child, Variable):
            yield from _conditions(child)


def _find_cycle(edges: list[Edge]) -> list[Edge] | None:
    out: dict[Sort, list[Edge]] = {}
    for edge in edges:
        out.setdefault(edge.source, []).append(edge)
    for start in out:
        paths = [[edge] for edge in out[start]]
        seen: set[Sort] = set()
        while paths:
            path = paths.pop()
            at = path[-1].target
            if at is start:
                return path
            if at not in seen:
                seen.add(at)
                paths += [[*path, edge] for edge in out.get(at, [])]
    return None
