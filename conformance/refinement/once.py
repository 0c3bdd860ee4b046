"""What is made of local states and messages, made once for each, and told apart only where it differs."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

Value = TypeVar("Value")
Made = TypeVar("Made")


class Once(Generic[Value, Made]):
    """A function that is asked about the same objects again and again.

    They are told apart by identity: a local state is one object in all steps of an exploration, and to hash it takes longer than
    most of what is made of it. Each is kept, so that no other gets its identity.
    """

    def __init__(self, make: Callable[[Value], Made]) -> None:
        self._make = make
        self._made: dict[int, tuple[Value, Made]] = {}

    def __call__(self, value: Value) -> Made:
        known = self._made.get(id(value))
        if known is None:
            known = self._made[id(value)] = value, self._make(value)
        return known[1]


class HasContent(Protocol):
    """It can be told apart from others by its content."""

    def content(self) -> Hashable: ...


Content = TypeVar("Content", bound=HasContent)


class Alike(Generic[Content]):
    """Gives one object for all with the same content."""

    def __init__(self) -> None:
        self._first: dict[Hashable, Content] = {}

    def __call__(self, found: Content) -> Content:
        return self._first.setdefault(found.content(), found)

    def once(self, make: Callable[[Value], Content]) -> Once[Value, Content]:
        """What is made of each object, one for all of which the same is made."""
        return Once(lambda value: self(make(value)))
