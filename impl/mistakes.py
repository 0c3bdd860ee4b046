"""Documented mistakes as switches: how the faults of each part are declared."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Mistake:
    """What a switch stands for; `kind` is safety, reads, liveness or panic."""

    reference: str
    kind: str
    sentence: str


def mistake(reference: str, kind: str, sentence: str) -> bool:
    """A switch of a dataclass that is off; `field` hides its type, which is bool."""
    switch: bool = field(default=False, metadata={"mistake": Mistake(reference, kind, sentence)})
    return switch


def mistakes_of(switches: type) -> dict[str, Mistake]:
    """Every switch of such a dataclass by name, with what it stands for."""
    return {switch.name: switch.metadata["mistake"] for switch in fields(switches)}
