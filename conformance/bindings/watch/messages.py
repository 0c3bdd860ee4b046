"""What clients and members say to each other. All of it is handed over at once: what is under way waits on the member's stream.

No tuples, so that messages of different kinds are never equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubeproof.conformance.bindings.store.history import Log
from kubeproof.impl.store import Committed
from kubeproof.impl.store.requests import WatchCreateRequest, WatchResponse


@dataclass(frozen=True, slots=True)
class Open:
    """A client opens a stream, with all the watches that it has on it. Streams bear the numbers of their clients."""

    client: int
    watches: tuple[WatchCreateRequest, ...]


@dataclass(frozen=True, slots=True)
class RequestProgress:
    """A client asks how far its watches are."""

    client: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What was first on a stream arrives at its client."""

    response: WatchResponse


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream has ended, with all that was under way."""


@dataclass(frozen=True, slots=True)
class FetchSnapshot:
    """A member that is at this revision asks another one for its store."""

    member: int
    revision: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The store of a member, and the entries that have made it."""

    member: int
    backend: Committed
    log: Log
