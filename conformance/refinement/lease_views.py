"""What is known of members, the log and clients of leases in the terms of models/lease.py, and what their messages tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from kubeproof.conformance.bindings.lease.client import Ask, Client, ClientComponent
from kubeproof.conformance.bindings.lease.log import (
    Appended,
    Campaign,
    Confirmation,
    Elected,
    Entry,
    Found,
    Locked,
    Log,
    Proposal,
    granted_by,
    history_of,
    lease_of_lock,
    revoked_by,
)
from kubeproof.conformance.bindings.lease.member import Member
from kubeproof.conformance.refinement.judge import Fact, Facts, Known, Tuple
from kubeproof.impl.etcd.leases import EXPIRY, NO_TERM
from kubeproof.impl.store.requests import LeaseCheckpointRequest, LeaseGrantRequest, LeaseRevokeRequest, Request, TxnRequest
from kubeproof.models import lease as spec
from kubeproof.models.logic.formulas import Function

UNCONFIRMED = (spec.granted_when_ensured, spec.revoked_when_ensured, spec.checkpointed_meanwhile)
"""What is false of keepalives before their leader is confirmed."""


class Told(NamedTuple):
    """What a call tells of its sender besides facts: what is false there, and values."""

    false: tuple[Fact, ...] = ()
    values: tuple[tuple[Function, Tuple, Any], ...] = ()


NOTHING_TOLD = Told()


class Seen(NamedTuple):
    """What the specification sees of a member."""

    term: int
    is_primary: bool
    known: frozenset[int]
    gone: frozenset[int]
    remaining: tuple[tuple[int, int], ...]
    pending: frozenset[int]
    """Keepalives whose leader was not confirmed yet."""
    ensured: tuple[tuple[int, bool, bool], ...]
    """Those for which it was; and whether their lease was granted then, and revoked."""
    spoiled: frozenset[int]
    """Those of which the lease may have been checkpointed since."""


@dataclass(frozen=True, slots=True)
class Views:
    """The elements of a world, of which components know something. A tick is `tick_ms` long."""

    members: Sequence[int]
    terms: Sequence[int]
    leases: Sequence[int]
    lease_of: Mapping[int, int]
    tick_ms: int

    # ---- members

    def seen(self, state: Member) -> Seen:
        """What the specification sees of a state."""
        lives = frozenset(each.id for each in state.server.leases)
        revoked = revoked_by(state.entries[: state.applied])
        is_primary = state.server.is_primary and not state.is_late
        told = [each for each in state.confirmations if each.context != EXPIRY]
        confirmed = {each.context for each in told}
        under_way = {each.id for each in state.server.leases if each.remaining_ttl}.union(state.leases.checkpointing)
        return Seen(
            state.leases.term,
            is_primary,
            lives | revoked,
            revoked - lives,
            tuple(
                (each.id, each.expires_in_ms // self.tick_ms)
                for each in state.server.leases
                if is_primary and each.expires_in_ms is not None
            ),
            frozenset(a for a, _ in state.leases.waiting if a not in confirmed),
            tuple(
                (each.context, self.lease_of[each.context] in each.granted, self.lease_of[each.context] in each.revoked)
                for each in told
            ),
            frozenset(a for a in confirmed if self.lease_of[a] in under_way),
        )

    def member(self, m: int, seen: Seen) -> Known:
        """What is known of member m."""
        known = Known()
        for t in self.terms:
            known.set(spec.leader, (m, t), t == seen.term)
            known.set(spec.primary, (m, t), t == seen.term and seen.is_primary)
        for x in self.leases:
            known.set(spec.known, (m, x), x in seen.known)
            known.set(spec.gone, (m, x), x in seen.gone)
        for x, ticks in seen.remaining:
            known.assign(spec.remaining, (m, x), ticks)
        for a in seen.pending:
            set_false(known, self.unconfirmed(a))
        for a, granted, revoked in seen.ensured:
            for t in self.terms:
                known.set(spec.ensured, (m, t, a), t == seen.term)
            known.set(spec.granted_when_ensured, (a,), granted)
            known.set(spec.revoked_when_ensured, (a,), revoked)
            if a not in seen.spoiled:
                known.set(spec.checkpointed_meanwhile, (a,), False)
        return known

    def unconfirmed(self, a: int) -> tuple[Fact, ...]:
        """What is false of a keepalive before its leader is confirmed."""
        ensured = [(spec.ensured, (m, t, a)) for m, t in product(self.members, self.terms)]
        return (*ensured, *((each, (a,)) for each in UNCONFIRMED))

    def told_to_member(self, state: Member, cause: object) -> Told:
        """What the log's state says to who asks it, and a client's to whom it asks."""
        match cause:
            case Ask(a):
                return Told(self.unconfirmed(a))
            case Confirmation():
                return self._confirmed(cause)
            case Appended(Entry(term, None)):
                return self._all_of_earlier_terms(state, term)
        return NOTHING_TOLD

    def _confirmed(self, told: Confirmation) -> Told:
        left = dict(told.checkpoints)
        return Told(
            (
                *((spec.started, (t,)) for t in self.terms if told.newest < t),
                *((spec.granted, (x,)) for x in self.leases if x not in told.granted),
                *((spec.revoked, (x,)) for x in self.leases if x not in told.revoked),
            ),
            tuple((spec.remaining_ttl, (x,), self._ticks(left.get(x, 0))) for x in self.leases),
        )

    def _all_of_earlier_terms(self, state: Member, term: int) -> Told:
        """When a term begins, the member has all entries of earlier ones."""
        granted, revoked = granted_by(state.entries), revoked_by(state.entries)
        earlier = [(x, t) for x, t in product(self.leases, self.terms) if t < term]
        return Told(
            (
                *((spec.granted_in, at) for at in earlier if at[0] not in granted),
                *((spec.revoked_in, at) for at in earlier if at[0] not in revoked),
            ),
            tuple((spec.remaining_ttl, (each.id,), self._ticks(each.remaining_ttl)) for each in state.server.leases),
        )

    # ---- the log

    def log(self, state: Log) -> Known:
        """What is known of the log."""
        known, left = Known(), {id_: left for id_, _, left in history_of(state.entries).leases}
        granted, revoked = granted_by(state.entries), revoked_by(state.entries)
        owners = {lease_of_lock(each.request) for each in state.entries if isinstance(each.request, TxnRequest)}
        begun = _first_terms(state)
        for t in self.terms:
            known.set(spec.started, (t,), t <= state.term)
        for x in self.leases:
            known.set(spec.granted, (x,), x in granted)
            known.set(spec.revoked, (x,), x in revoked)
            known.set(spec.owns_lock, (x,), x in owners)
            known.assign(spec.remaining_ttl, (x,), self._ticks(left.get(x, 0)))
            for t in self.terms:
                known.set(spec.granted_in, (x, t), begun.get((LeaseGrantRequest, x)) == t)
                known.set(spec.revoked_in, (x, t), begun.get((LeaseRevokeRequest, x)) == t)
        return known

    def told_to_log(self, cause: object) -> Told:
        """What a member's state says that leads no term, or that tells the time of leases."""
        match cause:
            case Campaign(m):
                return Told(tuple((spec.leader, (m, t)) for t in self.terms))
            case Proposal(m, _, LeaseRevokeRequest(x), Found(_, remaining)):
                return Told(((spec.gone, (m, x)),), ((spec.remaining, (m, x), remaining),))
            case Proposal(m, _, LeaseCheckpointRequest(checkpoints)):
                timed = [(x, left) for x, left in checkpoints if left]
                return Told(
                    tuple((spec.gone, (m, x)) for x, _ in timed),
                    tuple((spec.remaining, (m, x), self._ticks(left)) for x, left in timed),
                )
        return NOTHING_TOLD

    # ---- clients

    def client(self, client: ClientComponent, state: Client) -> Known:
        """What is known of a client."""
        known = Known()
        known.set(spec.working, (client.lease,), state.works)
        for place in range(client.keepalives):
            a, asked = client.context(place), place < len(state.keepalives)
            known.set(spec.asked, (a,), asked)
            if not asked:
                set_false(known, self.unconfirmed(a))
        return known

    def _ticks(self, seconds: int) -> int:
        return seconds * 1000 // self.tick_ms


def _first_terms(state: Log) -> dict[tuple[type, int], int]:
    """The term in which a lease was granted, and that in which it was revoked: a second time it is no revocation."""
    first: dict[tuple[type, int], int] = {}
    for term, request in state.entries:
        if isinstance(request, LeaseGrantRequest | LeaseRevokeRequest):
            first.setdefault((type(request), request.id), term)
    return first


def set_false(known: Known, tuples: Iterable[Fact]) -> None:
    """None of these is so."""
    for relation, at in tuples:
        known.set(relation, at, False)


# ---- facts


def remembered(state: Member) -> Facts:
    """What a member counts on: the entries that it has, the requests that wait."""
    return frozenset(
        [
            *((spec.granted, (x,)) for x in granted_by(state.entries)),
            *((spec.revoked, (x,)) for x in revoked_by(state.entries)),
            *((spec.asked, (a,)) for a, _ in state.leases.waiting),
        ]
    )


def facts(to: int, body: object) -> Iterator[Fact]:
    """What a message to a component stands for."""
    match body:
        case Elected(t):
            yield spec.leader, (to, t)
        case Appended(Entry(_, LeaseGrantRequest(_, x))):
            yield spec.granted, (x,)
        case Appended(Entry(_, LeaseRevokeRequest(x))):
            yield spec.revoked, (x,)
        case Confirmation():
            yield from ((spec.granted, (x,)) for x in body.granted)
            yield from ((spec.revoked, (x,)) for x in body.revoked)
        case Ask(a):
            yield spec.asked, (a,)
        case Locked(lease):
            yield spec.working, (lease,)
        case Proposal(m, t, _, found):
            yield spec.leader, (m, t if found is None else found.term)


def facts_of_primary(body: object) -> Iterator[Fact]:
    """What a proposal stands for that tells the time of leases."""
    if isinstance(body, Proposal) and (timed := _timed(body.request, body.found)):
        yield spec.primary, (body.member, body.term if body.found is None else body.found.term)
        yield from ((spec.known, (body.member, x)) for x in timed)


def _timed(request: Request, found: Found | None) -> list[int]:
    if isinstance(request, LeaseCheckpointRequest):
        return [x for x, left in request.checkpoints if left]
    return [request.id] if isinstance(request, LeaseRevokeRequest) and found is not None else []


def facts_for_log(state: Log, proposal: Proposal) -> Facts:
    """What a proposal stands for that is appended. One that is forwarded is appended by the leader."""
    leader = [(spec.leader, (state.leader, state.term))] if proposal.term == NO_TERM else []
    return frozenset([*facts(0, proposal), *facts_of_primary(proposal), *leader])
