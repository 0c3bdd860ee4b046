"""The whole state of a server as one immutable, hashable, canonical value.

Times are relative: what leases have left. So servers in the same situation have equal states, however old they are.
"""

from __future__ import annotations

from typing import NamedTuple

from kubeproof.impl.store.backend import Committed
from kubeproof.impl.store.records import Revision
from kubeproof.impl.store.watch_state import StreamState


class Compaction(NamedTuple):
    """A compaction at a main revision, and the records that it has still to remove, in order."""

    revision: int
    removed: tuple[Revision, ...]


class LeaseState(NamedTuple):
    """A lease in memory; milliseconds, None where no time is kept. Its keys are told by the records."""

    id: int
    ttl: int
    remaining_ttl: int
    expires_in_ms: int | None
    checkpoint_in_ms: int | None


class KeyState(NamedTuple):
    """What the index has of a key, see KeyIndex; nothing if it has not even the key."""

    key: bytes
    created: int
    version: int
    revisions: tuple[Revision, ...]
    ended: tuple[tuple[Revision, ...], ...]


class Memory(NamedTuple):
    """What is in memory, and is not what records and marks tell: nothing, but for what mistakes come to.

    `keys` are those of which the index has something else, `leases` the keys that go with another lease, 0 for none.
    """

    keys: tuple[KeyState, ...] = ()
    leases: tuple[tuple[bytes, int], ...] = ()


AS_RECORDS_TELL = Memory()


class ServerState(NamedTuple):
    """`committed` is what a crash would leave; `written` is that with the writes since, which the store reads."""

    committed: Committed
    written: Committed
    consistent_index: int
    revision: int
    compact_revision: int
    compactions: tuple[Compaction, ...]
    is_primary: bool
    leases: tuple[LeaseState, ...]
    watches: tuple[StreamState, ...] = ()
    memory: Memory = AS_RECORDS_TELL
