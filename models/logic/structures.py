"""Concrete states: finite universes, the tuples of each relation, the values of each function. Possibly partly unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import product
from typing import Any

from kubeproof.models.logic.formulas import Function, Relation, Sort

Tuples = set[tuple[Any, ...]]


class Lazily(AbstractSet[tuple[Any, ...]]):
    """Tuples of these elements that pass a test: most of what is possible is never looked at."""

    __slots__ = ("_elements", "_has", "_known")

    def __init__(self, elements: Sequence[Sequence[Any]], has: Callable[[tuple[Any, ...]], bool]) -> None:
        self._elements, self._has = elements, has
        self._known: dict[tuple[Any, ...], bool] = {}

    def __contains__(self, at: object) -> bool:
        assert isinstance(at, tuple)
        if at not in self._known:
            self._known[at] = self._has(at)
        return self._known[at]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self.matching({})

    def matching(self, known: Mapping[int, Any]) -> Iterator[tuple[Any, ...]]:
        """Those that have these elements at these places."""
        places = [[known[place]] if place in known else elements for place, elements in enumerate(self._elements)]
        return (at for at in product(*places) if at in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> Tuples:  # type: ignore[override]  # what is taken out of it is listed
        return set(it)


@dataclass(slots=True, eq=False)
class Structure:
    """A state. Elements of ordered sorts are numbers, of Real rational ones; all others are anything hashable.

    `true` has the tuples of which a relation holds, `possible` those too of which it is unknown; in a state that is known
    entirely both are the same. A function's value is unknown where `values` has none.
    """

    universes: Mapping[Sort, Sequence[Any]]
    true: dict[Relation, Tuples]
    possible: Mapping[Relation, AbstractSet[tuple[Any, ...]]]
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
