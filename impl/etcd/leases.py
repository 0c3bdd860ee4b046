"""Leases behind consensus (etcd server/etcdserver/v3_server.go and server.go, server/lease/lessor.go).

Grants and revocations are entries, which every member applies (impl/store/lessor.py). What is not: the time, which only the
leader counts, and renewals. So a leader that was deposed and does not know must neither end leases nor renew them.

- A leader keeps the time when it has applied what earlier terms have left: with the first entry of its own term. It stops when
  it hears that it does not lead any more.
- What is expired is proposed for revocation when a quorum has confirmed the leader, and counts only in its own term.
- Who is renewed has no checkpoint (else one of 0 goes through consensus first); then a quorum confirms the leader; then what was
  committed at that moment is applied. A lease that is expired by then waits for its revocation. Nothing is checkpointed that is
  about to be renewed: a renewal gives what the last checkpoint has left.

etcd's main branch is laxer, and each is a fault in faults.py. It asks no quorum while its own clock ticks, and never one for a
time to live (`stale_leader_renews`); it binds no revocation to a term (`revocation_is_forwarded`); it looks too early whether a
checkpoint is to be cleared (`checkpointed_while_renewed`); and FastLeaseKeepAlive need not wait (`answered_before_applied`).

Consensus is whoever calls: it tells a `Leases` what has happened, and does what that asks for in return.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from kubeproof.impl.etcd.faults import NO_FAULTS, Faults
from kubeproof.impl.store import Server
from kubeproof.impl.store.lessor import Lessor, cleared
from kubeproof.impl.store.requests import (
    LeaseCheckpointRequest,
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
    LeaseRevokeRequest,
    LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
    Request,
    ResponseHeader,
)

NO_TERM = 0
"""The term that a member leads which leads none; and where it matters not in which term something is appended."""
EXPIRY = 0
"""The context in which a leader is confirmed to revoke what is expired. Requests of clients have others."""

LeaseRequest = LeaseKeepAliveRequest | LeaseTimeToLiveRequest
LeaseAnswer = LeaseKeepAliveResponse | LeaseTimeToLiveResponse


class ReadIndex(NamedTuple):
    """Let a quorum confirm that this member leads; then `confirmed` is called. It is asked until that or until it follows."""

    context: int


class Propose(NamedTuple):
    """Append this as leader of the term, or in any if it is NO_TERM. It is tried until that or until the member follows.

    Who leads that term no more must not append it, nor forward it.
    """

    request: Request
    term: int


class Answer(NamedTuple):
    """To a client."""

    context: int
    answer: LeaseAnswer


class NotPrimary(NamedTuple):
    """The member cannot answer: whoever has asked it forwards the request to the leader (etcd's ErrNotPrimary)."""

    context: int


Output = ReadIndex | Propose | Answer | NotPrimary


class Stage(Enum):
    """What a request waits for."""

    CHECKPOINT = "checkpoint"  # that the lease has none
    LEADERSHIP = "leadership"  # that a quorum confirms the leader
    APPLIED = "applied"  # that what was committed then is applied, and what is expired is revoked


class Waiting(NamedTuple):
    """A client's request. `revision` is the store's when it came: no answer shows a lease alive at the one of its revocation."""

    request: LeaseRequest
    revision: int
    stage: Stage
    read_index: int = 0


class LeasesState(NamedTuple):
    """What a `Leases` knows besides the server's state."""

    term: int = NO_TERM
    applied_index: int = 0
    waiting: tuple[tuple[int, Waiting], ...] = ()
    is_confirming: bool = False
    """A quorum was asked because something is expired."""
    revoking: tuple[int, ...] = ()
    """Leases whose revocation is under way."""
    checkpointing: tuple[int, ...] = ()
    """Leases of which a checkpoint is under way."""


class Leases:
    """The leases of a member. `now_ms` is as in lessor.py; every method returns what is asked for in return."""

    def __init__(self, server: Server, faults: Faults = NO_FAULTS, state: LeasesState | None = None) -> None:
        """`state` is what was exported; a member that starts has applied what its server has."""
        self._server = server
        self._faults = faults
        state = state or LeasesState(applied_index=server.consistent_index)
        self.term, self.applied_index, waiting, self._is_confirming, revoking, checkpointing = state
        self._waiting = dict(waiting)
        self._revoking, self._checkpointing = set(revoking), set(checkpointing)

    def export(self) -> LeasesState:
        """All that it knows, as one canonical value."""
        return LeasesState(
            self.term,
            self.applied_index,
            tuple(sorted(self._waiting.items())),
            self._is_confirming,
            tuple(sorted(self._revoking)),
            tuple(sorted(self._checkpointing)),
        )

    @property
    def lessor(self) -> Lessor:
        return self._server.lessor

    # what consensus tells

    def lead(self, term: int) -> list[Output]:
        """The member was elected."""
        outputs = self.follow()
        self.term = term
        return outputs

    def follow(self) -> list[Output]:
        """The member does not lead (any more)."""
        self.term = NO_TERM
        self.lessor.demote()
        refused: list[Output] = [NotPrimary(context) for context in sorted(self._waiting)]
        self._is_confirming = False
        for each in self._waiting, self._revoking, self._checkpointing:
            each.clear()
        return refused

    def applied(self, index: int, term: int, request: Request | None, now_ms: int) -> list[Output]:
        """The server has applied the entry at this index, of this term; `request` is None if it is empty or not the store's."""
        self.applied_index = index
        if self.term not in (NO_TERM, term):
            return []
        if self.term == term and not self.lessor.is_primary:
            self.lessor.promote(now_ms, self._server.options.election_timeout_ms)
        if isinstance(request, LeaseCheckpointRequest):
            self._checkpointing -= {each.id for each in request.checkpoints}
        if isinstance(request, LeaseRevokeRequest):
            self._revoking.discard(request.id)
        return self._go_on(now_ms)

    def confirmed(self, context: int, read_index: int, now_ms: int) -> list[Output]:
        """A quorum says that this member led when it asked, and the commit index was this."""
        if context == EXPIRY:
            asked, self._is_confirming = self._is_confirming, False
            return list(self._revoke(now_ms)) if asked else []
        waiting = self._waiting.get(context)
        if waiting is None:
            return []
        self._waiting[context] = waiting._replace(stage=Stage.APPLIED, read_index=read_index)
        return self._go_on(now_ms)

    # time

    def tick(self, now_ms: int) -> list[Output]:
        """What a primary does from time to time (every 500 ms): end what is expired, and note what other leases have left."""
        if not self.lessor.is_primary:
            return []
        outputs: list[Output] = []
        if not self._is_confirming and self._to_revoke(now_ms):
            if self._faults.stale_leader_revokes:
                outputs += self._revoke(now_ms)
            else:
                self._is_confirming = True
                outputs.append(ReadIndex(EXPIRY))
        return [*outputs, *self._checkpoint(now_ms)]

    # clients

    def ask(self, context: int, request: LeaseRequest, now_ms: int) -> list[Output]:
        """A client keeps a lease alive, or asks how long it lives; the answer to `context` comes now or later."""
        if self.term == NO_TERM:
            return [NotPrimary(context)]
        self._waiting[context] = Waiting(request, self._server.store.revision, Stage.CHECKPOINT)
        return self._go_on(now_ms)

    # what follows

    def _to_revoke(self, now_ms: int) -> list[int]:
        return [id_ for id_ in self.lessor.expired(now_ms) if id_ not in self._revoking]

    def _revoke(self, now_ms: int) -> Iterator[Output]:
        forwarded = self._faults.stale_leader_revokes or self._faults.revocation_is_forwarded
        for id_ in self._to_revoke(now_ms):
            self._revoking.add(id_)
            yield Propose(LeaseRevokeRequest(id_), NO_TERM if forwarded else self.term)

    def _checkpoint(self, now_ms: int) -> Iterator[Output]:
        renewed = {each.request.id for each in self._waiting.values() if isinstance(each.request, LeaseKeepAliveRequest)}
        due = self.lessor.due_checkpoints(now_ms, set() if self._faults.checkpointed_while_renewed else renewed)
        if due:
            self._checkpointing |= {each.id for each in due}
            yield Propose(LeaseCheckpointRequest(due), self.term)

    def _go_on(self, now_ms: int) -> list[Output]:
        """Take each request as far as it goes. Who was elected and does not keep the time yet lets them wait."""
        if not self.lessor.is_primary:
            return []
        outputs: list[Output] = []
        for context, waiting in sorted(self._waiting.items()):
            if waiting.stage is Stage.CHECKPOINT:
                outputs += self._clear(context, waiting)
            if self._waiting[context].stage is Stage.APPLIED:
                outputs += self._answer(context, self._waiting[context], now_ms)
        return outputs

    def _clear(self, context: int, waiting: Waiting) -> Iterator[Output]:
        """Let a lease that is about to be renewed have no checkpoint; then ask the quorum."""
        id_ = waiting.request.id
        if isinstance(waiting.request, LeaseKeepAliveRequest):
            if id_ in self._checkpointing and not self._faults.checkpointed_while_renewed:
                return
            lease = self.lessor.lookup(id_)
            if lease is not None and lease.remaining_ttl and not self._faults.checkpoint_is_not_cleared:
                if id_ not in self._checkpointing:
                    self._checkpointing.add(id_)
                    yield Propose(cleared(id_), self.term)
                return
        if self._faults.stale_leader_renews:
            self._waiting[context] = waiting._replace(stage=Stage.APPLIED)
        else:
            self._waiting[context] = waiting._replace(stage=Stage.LEADERSHIP)
            yield ReadIndex(context)

    def _answer(self, context: int, waiting: Waiting, now_ms: int) -> Iterator[Output]:
        if self.applied_index < waiting.read_index and not self._faults.answered_before_applied:
            return
        request, lease = waiting.request, self.lessor.lookup(waiting.request.id)
        if isinstance(request, LeaseTimeToLiveRequest):
            answer = self._server.read(request, now_ms)
            assert isinstance(answer, LeaseTimeToLiveResponse)
            yield Answer(context, answer)
        elif lease is None:
            yield Answer(context, LeaseKeepAliveResponse(ResponseHeader(waiting.revision), request.id))
        elif lease.has_expired(now_ms) and not self._faults.expired_is_renewed:
            return
        else:
            self.lessor.renew(request.id, now_ms)
            yield Answer(context, LeaseKeepAliveResponse(ResponseHeader(waiting.revision), request.id, lease.ttl))
        del self._waiting[context]
