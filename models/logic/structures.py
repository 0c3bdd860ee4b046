"""Concrete states: finite universes, the tuples of each relation, the values of each function. Possibly partly unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeproof.models.logic.formulas import Function, Relation, Sort

Tuples = set[tuple[Any, ...]]


@dataclass(slots=True, eq=False)
class Structure:
    """A state. Elements of ordered sorts are numbers, of Real rational ones; all others are anything hashable.

    `true` has the tuples of which a relation holds, `possible` those too of which it is unknown; in a state that is known
    entirely both are the same. A function's value is unknown where `values` has none.
    """

    universes: Mapping[Sort, Sequence[Any]]
    true: dict[Relation, Tuples]
    possible: dict[Relation, Tuples]
    values: dict[Function, dict[tuple[Any, ...], Any]]

    @classmethod
    def known(
        cls,
        universes: Mapping[Sort, Sequence[Any]],
        relations: dict[Relation, Tuples],
        values: dict[Function, dict[tuple[Any, ...], Any]],
    ) -> Structure:
        """A state of which everything is known; functions have a value everywhere."""
        return cls(universes, relations, relations, values)

    @property
    def is_known(self) -> bool:
        """Whether it was made as a state of which everything is known."""
        return self.true is self.possible


class View:
    """A state as pictures read it."""

    def __init__(self, structure: Structure) -> None:
        self._structure = structure

    def all(self, sort: Sort) -> Sequence[Any]:
        """The elements of a sort."""
        return self._structure.universes[sort]

    def holds(self, relation: Relation, *arguments: Any) -> bool:
        """Whether the relation holds of the arguments."""
        return arguments in self._structure.true[relation]

    def those(self, relation: Relation, *beginning: Any) -> list[Any]:
        """What completes the beginning to a tuple of the relation, sorted: elements if one is missing, else tuples."""
        length = len(beginning)
        rests = sorted(each[length:] for each in self._structure.true[relation] if each[:length] == beginning)
        return [each[0] for each in rests] if len(relation.sorts) == length + 1 else rests

    def value(self, function: Function, *arguments: Any) -> Any:
        """The function's value."""
        return self._structure.values[function].get(arguments)
