"""What a local state or a message of PySyncObj would be if nodes had other numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubeproof.conformance.adapters.pysyncobj.process import Local
from kubeproof.conformance.verdict import InvalidInput

FIRST_LETTER = ord("a")
"""Node 1 proposes commands of this letter, node 2 of the next."""

Entry = tuple[bytes, int, int]


def renamed(local: Local, number: int, numbers: Sequence[int]) -> Local:
    """The state of node `number`."""
    new = {0: 0, **dict(enumerate(numbers, 1))}
    others = [new[other] for other in range(1, len(numbers) + 1) if other != number]
    return local._replace(
        voted_for=new[local.voted_for],
        leader=new[local.leader],
        log=renamed_entries(local.log, numbers),
        next_index=_in_order(others, local.next_index),
        match_index=_in_order(others, local.match_index),
    )


def renamed_message(message: Mapping[str, Any], numbers: Sequence[int]) -> dict[str, Any]:
    """The message; only its entries are somebody's. InvalidInput for a part of one, which nobody can read."""
    if "transmission" in message:
        raise InvalidInput("symmetry", None, "expected commands that are smaller than a batch, as parts of one cannot be renamed")
    entries = list(renamed_entries(message.get("entries", ()), numbers))
    return {**message, "entries": entries} if "entries" in message else dict(message)


def renamed_entries(entries: Sequence[Entry], numbers: Sequence[int]) -> tuple[Entry, ...]:
    """Each command is of the letter of who has proposed it."""
    old = bytes(range(FIRST_LETTER, FIRST_LETTER + len(numbers)))
    letters = bytes.maketrans(old, bytes(FIRST_LETTER + number - 1 for number in numbers))
    return tuple([(command[:1] + command[1:].translate(letters), index, term) for command, index, term in entries])


def _in_order(others: Sequence[int], indices: Sequence[int]) -> tuple[int, ...]:
    """Indices are in the order of the other nodes' numbers; of followers there are none."""
    return tuple([index for _, index in sorted(zip(others, indices, strict=False))])
