"""The state machine that is replicated when a cluster is only about Raft: what was applied, as a count and a digest."""

from __future__ import annotations

from typing import Protocol
from zlib import crc32


class StateMachine(Protocol):
    """What a member replicates. Equal sequences of payloads must give equal states on every member."""

    def apply(self, payload: bytes) -> None: ...

    def export(self) -> bytes: ...

    def restore(self, state: bytes) -> None: ...


class Ledger:
    """How many payloads were applied, and the running CRC-32 of them: equal ledgers applied equal sequences."""

    def __init__(self) -> None:
        self.count = 0
        self.digest = 0

    def apply(self, payload: bytes) -> None:
        """Apply one payload."""
        self.count += 1
        self.digest = crc32(payload, self.digest)

    def export(self) -> bytes:
        """The state as text: the count and the digest in hex."""
        return b"%d:%08x" % (self.count, self.digest)

    def restore(self, state: bytes) -> None:
        """Become an exported state; nothing exported is the empty ledger."""
        count, _, digest = (state or b"0:0").partition(b":")
        self.count, self.digest = int(count), int(digest, 16)
