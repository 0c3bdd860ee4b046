"""The state: a store, its backup, what was ever written, and clients with what they know."""

from __future__ import annotations

from typing import NamedTuple

from kubeproof.conformance.bindings.store.history import Change, History, contents
from kubeproof.impl.etcd.backup import Snapshot
from kubeproof.impl.store import KeyValue, ServerState
from kubeproof.impl.store.watch_group import Group
from kubeproof.impl.store.watch_state import StreamState


class Client(NamedTuple):
    """A client that lists and then watches, such as an informer. It has no list at first, nor when it was told to list anew."""

    listed_at: int = 0
    """The revision of its list."""
    restores: int = 0
    """How many restores there had been by then."""
    listed: tuple[KeyValue, ...] = ()
    seen: tuple[KeyValue, ...] = ()
    """The changes that it was sent since, deletions too."""
    position: int = 0
    """The last revision that it knows."""

    @property
    def has_list(self) -> bool:
        return self.listed_at > 0

    @property
    def believes(self) -> tuple[KeyValue, ...]:
        """What the store contains, to all it knows."""
        changes = [Change((record.mod_revision, 0), record) for record in (*self.listed, *self.seen)]
        return tuple(contents(changes).values())


class Saved(NamedTuple):
    """A backup, and what had made the store that it is of."""

    snapshot: Snapshot
    made: History


class Cluster(NamedTuple):
    """One store after the other. `made` is what the present one has made, `lost` are the changes that only former ones had."""

    server: ServerState
    clients: tuple[Client, ...]
    made: History = History()
    last_revision: int = 1
    """The last that any of the stores has given."""
    lost: tuple[Change, ...] = ()
    saved: Saved | None = None
    restores: int = 0

    def stream(self, client: int) -> StreamState | None:
        """The client's stream, which has one watch."""
        return next((each for each in self.server.watches if each.id == client), None)

    def watches(self, client: int) -> bool:
        """Whether the client has a watch that goes on."""
        stream = self.stream(client)
        return stream is not None and stream.watchers[0].group is not Group.COMPACTED
