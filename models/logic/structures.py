"""Concrete states: finite universes, the tuples of each relation, the values of each function. Possibly partly unknown."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import product
from typing import Any

from kubeproof.models.logic.formulas import Function, Relation, Sort

Tuples = set[tuple[Any, ...]]


class Lazily(AbstractSet[tuple[Any, ...]]):
    """Tuples that are asked for one by one, or for those that are alike: of most of them nobody wants to know."""

    __slots__ = ()

    @abstractmethod
    def matching(self, known: Mapping[int, Any]) -> Iterable[tuple[Any, ...]]:
        """Those that have these elements at these places."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.matching({}))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> Tuples:  # type: ignore[override]  # what is taken out of it is listed
        return set(it)


class Indexed(Lazily):
    """Tuples of which those that are alike are found at once."""

    __slots__ = ("_indexes", "_tuples")

    def __init__(self, tuples: Tuples) -> None:
        self._tuples = tuples
        self._indexes: dict[tuple[int, ...], dict[tuple[Any, ...], list[tuple[Any, ...]]]] = {}

    def __contains__(self, at: object) -> bool:
        return at in self._tuples

    def matching(self, known: Mapping[int, Any]) -> Iterable[tuple[Any, ...]]:
        places = tuple(known)
        if places not in self._indexes:
            index = self._indexes[places] = {}
            for at in self._tuples:
                index.setdefault(tuple([at[place] for place in places]), []).append(at)
        return self._indexes[places].get(tuple(known.values()), ())


class Open(Lazily):
    """All tuples of these elements, but of those that begin like a `closed` one only the `true` ones."""

    __slots__ = ("_closed", "_elements", "_lengths", "_true")

    def __init__(self, elements: Sequence[Sequence[Any]], true: Tuples, closed: Tuples) -> None:
        self._elements, self._true, self._closed = elements, true, closed
        self._lengths = sorted({len(beginning) for beginning in closed})

    def __contains__(self, at: object) -> bool:
        assert isinstance(at, tuple)
        return at in self._true or not any(at[:length] in self._closed for length in self._lengths)

    def matching(self, known: Mapping[int, Any]) -> Iterable[tuple[Any, ...]]:
        if any(self._is_closed(known, length) for length in self._lengths):
            return [at for at in self._true if all(at[place] == element for place, element in known.items())]
        places = [[known[place]] if place in known else elements for place, elements in enumerate(self._elements)]
        return (at for at in product(*places) if at in self)

    def _is_closed(self, known: Mapping[int, Any], length: int) -> bool:
        """Whether all that match begin like a closed one of this length."""
        return all(place in known for place in range(length)) and tuple(map(known.__getitem__, range(length))) in self._closed


@dataclass(slots=True, eq=False)
class Structure:
    """A state. Elements of ordered sorts are numbers, of Real rational ones; all others are anything hashable.

    `true` has the tuples of which a relation holds, `possible` those too of which it is unknown; in a state that is known
    entirely both are the same. A function's value is unknown where `values` has none. Of a state that is known partly, all may be
    such as is only asked.
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
