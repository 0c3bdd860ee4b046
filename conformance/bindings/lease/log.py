"""What stands for consensus: one log with a leader for each term.

A term begins when a member is elected, with an empty entry. Only the leader of the newest term appends: what a deposed one
proposes is lost, or with a fault forwarded and appended all the same. A leader is confirmed at the moment at which it asks.
That Raft makes such a log, and such reads, is explored and proven elsewhere (raft.py, reads.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kubeproof.conformance.bindings.lease import labels
from kubeproof.conformance.bindings.store.history import History, history
from kubeproof.conformance.explore.system import Message, Step
from kubeproof.impl.etcd.leases import NO_TERM
from kubeproof.impl.store.requests import (
    LeaseCheckpointRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    PutRequest,
    Request,
    TxnRequest,
)


class Entry(NamedTuple):
    """An entry of the log; that with which a term begins is empty."""

    term: int
    request: Request | None = None


Entries = tuple[Entry, ...]


# ---- what members ask. (Messages are no tuples: those are equal if their contents are, whatever their names.)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A member that leads no term is elected."""

    member: int


@dataclass(frozen=True, slots=True)
class Hear:
    """A leader hears of a newer term, if there is one."""

    member: int
    term: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """A member asks for the entry behind those that it has. Who leads a term hears first that there is a newer one."""

    member: int
    place: int
    term: int


@dataclass(frozen=True, slots=True)
class Confirm:
    """A leader asks whether it still leads."""

    member: int
    term: int
    context: int


class Found(NamedTuple):
    """Why the primary of a term revokes a lease: this is what remained of it, in ticks of its clock."""

    term: int
    remaining: int
    is_confirmed: bool
    """A quorum has said that it leads."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A member appends this as leader of the term, or in whatever term it is."""

    member: int
    term: int
    request: Request
    found: Found | None = None


# ---- what they are told


@dataclass(frozen=True, slots=True)
class Elected:
    """The member leads this term."""

    term: int


@dataclass(frozen=True, slots=True)
class Deposed:
    """There is a newer term."""


@dataclass(frozen=True, slots=True)
class Appended:
    """The next entry. `newest` is the newest term: for the eye of the reader, no member looks at it."""

    entry: Entry
    newest: int


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The leader led when it asked: its term is the newest. All but context and read index is for the eye of the reader."""

    context: int
    read_index: int
    newest: int
    granted: frozenset[int] = frozenset()
    revoked: frozenset[int] = frozenset()
    checkpoints: tuple[tuple[int, int], ...] = ()
    """Of each living lease the last checkpoint, in seconds."""


# ---- what clients notice


@dataclass(frozen=True, slots=True)
class Granted:
    """Their lease is there."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """Their lease is gone: because it was expired, or because they have given it up."""

    as_expired: bool


@dataclass(frozen=True, slots=True)
class Locked:
    """Their lease has the lock, with this fencing token."""

    lease: int
    token: int


class Log(NamedTuple):
    """`term` is the newest, of which `leader` is a member.

    `unexpired` is history: a lease was revoked as expired which was not so at that leader.
    """

    entries: Entries = ()
    term: int = NO_TERM
    leader: int | None = None
    unexpired: bool = False


def history_of(entries: Sequence[Entry]) -> History:
    """What the entries make, said a second time."""
    return history(tuple(each.request for each in entries if each.request is not None))


def granted_by(entries: Sequence[Entry]) -> frozenset[int]:
    """The leases that the entries grant."""
    return frozenset(each.request.id for each in entries if isinstance(each.request, LeaseGrantRequest))


def revoked_by(entries: Sequence[Entry]) -> frozenset[int]:
    """The leases that the entries revoke. No lease is granted again."""
    return frozenset(each.request.id for each in entries if isinstance(each.request, LeaseRevokeRequest))


def lease_of_lock(request: TxnRequest) -> int:
    """The lease with which a transaction takes the lock."""
    (put,) = request.success
    assert isinstance(put, PutRequest)
    return put.lease


@dataclass(frozen=True, slots=True)
class LogComponent:
    """The log. `first_client` is the component of the client with lease 1; the others follow."""

    first_client: int

    def receive(self, state: Log, body: Campaign | Hear | Fetch | Confirm | Proposal) -> Step | None:
        """What a member asks."""
        match body:
            case Campaign(member):
                term = state.term + 1
                elected = Message(member, Elected(term), synchronous=True)
                begun = state._replace(entries=(*state.entries, Entry(term)), term=term, leader=member)
                return Step(begun, (elected,), (labels.ELECTED,))
            case Hear(member, term):
                told = Message(member, Deposed(), synchronous=True)
                return Step(state, (told,)) if term < state.term else None
            case Fetch(member, place, term):
                if place == len(state.entries) or NO_TERM < term < state.entries[place].term:
                    return None
                return Step(state, (Message(member, Appended(state.entries[place], state.term), synchronous=True),))
            case Confirm(member, term, context):
                if term != state.term:
                    return None
                return Step(state, (Message(member, self._confirmation(state, context), synchronous=True),))
        return self._append(state, body)

    def _confirmation(self, state: Log, context: int) -> Confirmation:
        checkpoints = tuple((id_, left) for id_, _, left in history_of(state.entries).leases if left)
        granted, revoked = granted_by(state.entries), revoked_by(state.entries)
        return Confirmation(context, len(state.entries), state.term, granted, revoked, checkpoints)

    def _append(self, state: Log, proposal: Proposal) -> Step | None:
        """Append what is proposed, unless it is lost. Nobody tries to take a lock that is taken."""
        if proposal.term not in (NO_TERM, state.term):
            return Step(state, labels=(labels.LOST,))
        entries = (*state.entries, Entry(state.term, proposal.request))
        if isinstance(proposal.request, TxnRequest) and history_of(entries) == history_of(state.entries):
            return None
        found = proposal.found
        wrong = found is not None and (found.term != state.term or found.remaining > 0)
        after = state._replace(entries=entries, unexpired=state.unexpired or wrong)
        return Step(after, tuple(self._notices(state, proposal, after)), (_label(proposal),))

    def _notices(self, before: Log, proposal: Proposal, after: Log) -> Iterator[Message]:
        match proposal.request:
            case LeaseGrantRequest(_, id_):
                yield self._notice(id_, Granted())
            case LeaseRevokeRequest(id_) if id_ not in revoked_by(before.entries):
                yield self._notice(id_, Revoked(proposal.found is not None))
            case TxnRequest() as lock:
                lease = lease_of_lock(lock)
                yield self._notice(lease, Locked(lease, history_of(after.entries).revision))

    def _notice(self, lease: int, what: Granted | Revoked | Locked) -> Message:
        return Message(self.first_client + lease - 1, what, synchronous=True)


def _label(proposal: Proposal) -> str:
    match proposal.request:
        case LeaseGrantRequest():
            return labels.GRANTED
        case LeaseRevokeRequest():
            return labels.GIVEN_UP if proposal.found is None else labels.EXPIRED
        case LeaseCheckpointRequest(((_, left), *_)):
            return labels.CHECKPOINTED if left else labels.CLEARED
    return labels.LOCKED
