"""What ties a specification to a system: how it sees local states, messages and local steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.refinement.judge import Abstract, Facts, Known, World
from kubeproof.models.logic.specification import Specification
from kubeproof.models.logic.structures import Structure


class First(NamedTuple):
    """A component before anything has happened: what its tuples are, and what it stands for already."""

    known: Known
    claims: Facts


@dataclass(frozen=True, slots=True)
class Reading:
    """The local steps of one exploration in the terms of a specification.

    `steps` are those that it speaks of, `prepared` the ones that lead to where the search begins; `abstract` says what one is.
    """

    world: World
    first: Sequence[First]
    steps: Sequence[Taken]
    abstract: Callable[[Taken], Abstract]
    prepared: Sequence[Taken] = ()
    lasting: Callable[[Abstract], Abstract] = lambda step: step
    """Gives what is told of in one step names that are the same in all."""
    placed: Callable[[Abstract, Structure], Abstract] = lambda step, _: step
    """Gives what has an order only within a step its place in all that has happened, as the specification's state has it."""


class Binding(NamedTuple):
    """`leaves_out` names what of a model the specification does not speak of; where there is nothing, `read` reads its steps."""

    specification: Specification
    leaves_out: Callable[[Model], list[str]]
    read: Callable[[Model, Iterable[Taken]], Reading]
