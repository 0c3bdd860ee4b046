"""Records: every version of every key, by its revision. A write appends; nothing replaces a record.

All writes of a transaction have one main revision, and sub revisions from 0 on in the order in which they were made.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

Revision = tuple[int, int]
"""Main and sub revision. Revisions are ordered as writes were."""


class KeyValue(NamedTuple):
    """A version of a key (mvccpb.KeyValue). A tombstone has version 0: only its key and its mod_revision say something."""

    key: bytes
    create_revision: int = 0
    """The main revision of the put that made the key, after its last deletion."""
    mod_revision: int = 0
    """The main revision of this version."""
    version: int = 0
    """1 for the put that made the key, one more with each further put."""
    value: bytes = b""
    lease: int = 0
    """The id of the lease that the key is attached to; 0 is none."""


def is_tombstone(record: KeyValue) -> bool:
    """Whether the record says that the key was deleted."""
    return record.version == 0


class EventType(IntEnum):
    """What happened to a key."""

    PUT = 0
    DELETE = 1


class Event(NamedTuple):
    """A change of a key (mvccpb.Event): what a watch tells. `prev_kv` is what the write found; None if the key was not there."""

    type: EventType
    kv: KeyValue
    prev_kv: KeyValue | None
