"""Reads waiting for the proof that their leader still leads (Raft thesis section 6.4, etcd read_only.go).

The leader numbers the reads as they come. A heartbeat carries the number of the last one; its answer says "I followed
you after you had received that many reads", and what a quorum has answered is confirmed. Numbers are the leader's own: a context
chosen by the client may come back from an earlier try (etcd-io/raft#397).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from kubeproof.impl.raft.quorum import JointConfig, VoteResult
from kubeproof.impl.raft.types import Message


class PendingRead(NamedTuple):
    """A read request, and the commit index when the leader received it."""

    request: Message
    index: int  # type: ignore[assignment]  # the field hides tuple.index


class ReadOnlyState(NamedTuple):
    """Exported pending reads; `acks` in ascending order."""

    pending: tuple[PendingRead, ...] = ()
    confirmed: int = 0
    acks: tuple[tuple[int, object], ...] = ()


class ReadOnly(Protocol):
    """What the leader asks of its pending reads."""

    def add_request(self, commit: int, request: Message) -> None: ...
    def recv_ack(self, voter: int, context: bytes) -> None: ...
    def maybe_advance(self, voters: JointConfig) -> list[PendingRead]:
        """Take out the reads that are confirmed by now, oldest first."""

    def heartbeat_context(self) -> bytes:
        """What a heartbeat must carry so that its answer confirms all pending reads; empty if there are none."""

    def export(self) -> ReadOnlyState: ...
    def import_state(self, state: ReadOnlyState) -> None: ...


class NumberedReads:
    """Pending reads confirmed by number; contexts are the number in 8 bytes, little-endian."""

    __slots__ = ("_acks", "_confirmed", "_pending")

    def __init__(self) -> None:
        self._pending: list[PendingRead] = []
        self._confirmed = 0
        self._acks: dict[int, int] = {}

    def add_request(self, commit: int, request: Message) -> None:
        self._pending.append(PendingRead(request, commit))

    def recv_ack(self, voter: int, context: bytes) -> None:
        if context:
            self._acks[voter] = max(self._acks.get(voter, 0), int.from_bytes(context, "little"))

    def maybe_advance(self, voters: JointConfig) -> list[PendingRead]:
        newly = voters.committed_index(self._acks.get) - self._confirmed
        if newly <= 0:
            return []
        self._confirmed += newly
        confirmed = self._pending[:newly]
        del self._pending[:newly]
        return confirmed

    def heartbeat_context(self) -> bytes:
        return (self._confirmed + len(self._pending)).to_bytes(8, "little") if self._pending else b""

    def export(self) -> ReadOnlyState:
        return ReadOnlyState(tuple(self._pending), self._confirmed, tuple(sorted(self._acks.items())))

    def import_state(self, state: ReadOnlyState) -> None:
        self._pending, self._confirmed = list(state.pending), state.confirmed
        self._acks = {voter: number for voter, number in state.acks if isinstance(number, int)}


class ReadsByRequestContext:
    """The fault `read_index_context_reused`: heartbeats carry the request's own context, as etcd's did until 2026.

    An answer confirms the read of that context and all before it, whichever of several tries it answers.
    """

    __slots__ = ("_acks", "_pending")

    def __init__(self) -> None:
        self._pending: list[PendingRead] = []
        self._acks: dict[bytes, set[int]] = {}

    def add_request(self, commit: int, request: Message) -> None:
        context = request.entries[0].data
        if context not in self._acks:
            self._pending.append(PendingRead(request, commit))
            self._acks[context] = set()

    def recv_ack(self, voter: int, context: bytes) -> None:
        if context in self._acks:
            self._acks[context].add(voter)

    def maybe_advance(self, voters: JointConfig) -> list[PendingRead]:
        for count in range(len(self._pending), 0, -1):
            acks = self._acks[self._pending[count - 1].request.entries[0].data]
            if voters.vote_result(dict.fromkeys(acks, True)) is VoteResult.VoteWon:
                confirmed = self._pending[:count]
                del self._pending[:count]
                for read in confirmed:
                    del self._acks[read.request.entries[0].data]
                return confirmed
        return []

    def heartbeat_context(self) -> bytes:
        return self._pending[-1].request.entries[0].data if self._pending else b""

    def export(self) -> ReadOnlyState:
        acks = [(number, tuple(sorted(self._acks[read.request.entries[0].data]))) for number, read in enumerate(self._pending)]
        return ReadOnlyState(tuple(self._pending), 0, tuple(acks))

    def import_state(self, state: ReadOnlyState) -> None:
        self._pending = list(state.pending)
        self._acks = {
            read.request.entries[0].data: set(voters)
            for read, (_, voters) in zip(state.pending, state.acks, strict=True)
            if isinstance(voters, tuple)
        }
