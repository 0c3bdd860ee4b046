"""Candidates are alike: what tells them apart is their identity."""

from __future__ import annotations

from typing import Any

IDENTITIES = "abcdefgh"
"""Of the candidates, in the order of their components."""


def rename(value: Any, numbers: tuple[int, ...]) -> Any:
    """A local state or a message's body with every identity replaced by that of the component's new number."""
    if isinstance(value, str):
        return IDENTITIES[numbers[IDENTITIES.index(value)]] if value else value
    if isinstance(value, frozenset):
        return frozenset(rename(each, numbers) for each in value)
    if isinstance(value, tuple):
        return type(value)(*(rename(each, numbers) for each in value))
    return value
