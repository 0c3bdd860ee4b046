"""Who watches a cluster: everything that a record of a run is made of passes here, in the order in which it happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Watcher(Protocol):
    """Without a watcher a cluster spends no time on being watched."""

    def trace(self, action: str, node: object, subject: object, /) -> None:
        """What Raft traces (raft/config.py, Tracer)."""

    def observe(self, action: str, id_: int, arguments: Mapping[str, Any], /) -> None:
        """What a member does besides: apply, read_request, read_served, crash, panic."""

    def network(self, what: str, sender: Any, receiver: Any, message: Any, /) -> None:
        """What becomes of a message that is not just delivered: drop, duplicate."""

    def partition(self, groups: tuple[tuple[int, ...], ...], /) -> None:
        """From now on messages pass inside each group only; with no groups, everywhere."""
