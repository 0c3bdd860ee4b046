"""Which actions of models/lease.py a local step may be, in their order: by its cause, and by what has become of leases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kubeproof.conformance.bindings.lease.client import KEEP_ALIVE, STOP, TICK, Answered, Client, ClientComponent, Result
from kubeproof.conformance.bindings.lease.log import (
    Appended,
    Campaign,
    Confirmation,
    Deposed,
    Entry,
    Log,
    Proposal,
    granted_by,
    history_of,
    lease_of_lock,
    revoked_by,
)
from kubeproof.conformance.bindings.lease.member import CLOCK, CRASH, REPLAY, Member
from kubeproof.conformance.explore.system import Event, Step
from kubeproof.conformance.refinement.lease_views import Seen
from kubeproof.impl.etcd.leases import EXPIRY, NO_TERM
from kubeproof.impl.store.requests import LeaseCheckpointRequest, LeaseGrantRequest, LeaseRevokeRequest, TxnRequest

Proposes = tuple[str, dict[str, Any]]
"""An action with its arguments."""
Passage = tuple[int, ...]
"""By how much each member's clock advances."""


def advance_of(name: str) -> int:
    """By how much a clock advances in the event of this name."""
    return int(name.split()[-1])


# ---- members


def calls_of_member(
    m: int, before: Member, cause: object, step: Step, seen: tuple[Seen, Seen], passages: Sequence[Passage]
) -> Iterator[Proposes]:
    """`seen` is the member before and afterwards."""
    after, t, (was, has) = step.state, before.leases.term, seen
    assert isinstance(after, Member)
    match cause:
        case Deposed():
            yield "demote", {"m": m, "t": t}
        case Appended(entry):
            yield from _applied(m, was, entry)
        case Confirmation(context) if context == EXPIRY:
            yield from (("propose_expired", {"m": m, "t": t, "x": x}) for x, left in was.remaining if left <= 0)
        case Confirmation(context):
            yield "ensure_leadership", {"m": m, "t": t, "a": context}
        case Event(REPLAY.name):
            yield from _applied(m, was, before.entries[before.applied])
        case Event(CRASH.name):
            yield from _restarted(m, was, has)
        case Event(name) if name.startswith(CLOCK):
            yield "time_passes", {"m": m, "p": next(p for p in passages if p[m] == advance_of(name))}
    if after.server.is_primary and not before.server.is_primary and not after.is_late:
        yield "promote", {"m": m, "t": t}
    yield from _answered(m, before, step)


def _applied(m: int, was: Seen, entry: Entry) -> Iterator[Proposes]:
    match entry.request:
        case LeaseGrantRequest(_, x) if x not in was.known:
            yield "apply_grant", {"m": m, "x": x}
        case LeaseRevokeRequest(x) if x in was.known - was.gone:
            yield "apply_revoke", {"m": m, "x": x}


def _restarted(m: int, was: Seen, has: Seen) -> Iterator[Proposes]:
    if was.term != NO_TERM:
        yield "demote", {"m": m, "t": was.term}
    for x in was.known:
        if x not in has.known or x in was.gone - has.gone:
            yield "forget", {"m": m, "x": x}
            if x in has.known:
                yield "apply_grant", {"m": m, "x": x}


def _answered(m: int, before: Member, step: Step) -> Iterator[Proposes]:
    """Who answers without having been confirmed would have to be so now."""
    for body in (each.body for each in step.sends):
        if isinstance(body, Answered) and body.result is not Result.NOT_PRIMARY:
            at = {"m": m, "t": before.leases.term, "a": body.context}
            if all(each.context != body.context for each in before.confirmations):
                yield "ensure_leadership", at
            yield "renew" if body.result is Result.RENEWED else "answer_not_found", at


# ---- the log


def is_lost(state: Log, proposal: Proposal) -> bool:
    """Whether the log does not take a proposal: it is of a deposed leader."""
    return proposal.term not in (NO_TERM, state.term)


def calls_of_log(before: Log, cause: object) -> Iterator[Proposes]:
    """What is asked of the log changes nothing, but for campaigns and proposals."""
    if isinstance(cause, Campaign):
        yield "become_leader", {"m": cause.member, "t": before.term + 1}
    if isinstance(cause, Proposal) and not is_lost(before, cause):
        yield from _appended(before, cause)


def _appended(before: Log, proposal: Proposal) -> Iterator[Proposes]:
    """Nothing comes of what is granted twice, or done to what is revoked."""
    at = {"m": before.leader if proposal.term == NO_TERM else proposal.member, "t": before.term}
    granted, revoked = granted_by(before.entries), revoked_by(before.entries)
    match proposal.request:
        case LeaseGrantRequest(_, x) if x not in granted:
            yield "grant", {**at, "x": x}
        case LeaseRevokeRequest(x) if x in granted - revoked:
            yield from _revoked(before, proposal, {**at, "x": x})
        case LeaseCheckpointRequest(checkpoints):
            yield from (
                ("checkpoint" if left else "clear_checkpoint", {**at, "x": x}) for x, left in checkpoints if x not in revoked
            )
        case TxnRequest() as lock:
            yield "take_lock", {"x": lease_of_lock(lock)}


def _revoked(before: Log, proposal: Proposal, at: dict[str, Any]) -> Iterator[Proposes]:
    """A lease's checkpoint goes with it. What is expired was proposed when its leader was confirmed, and is again if it leads."""
    found = proposal.found
    if any(id_ == at["x"] and left for id_, _, left in history_of(before.entries).leases):
        yield "clear_checkpoint", at
    if found is None:
        yield "revoke", at
        return
    if proposal.term != NO_TERM or not found.is_confirmed:
        yield "propose_expired", {"m": proposal.member, "t": found.term, "x": at["x"]}
    yield "revoke_expired", at


# ---- clients


def calls_of_client(client: ClientComponent, before: Client, cause: object, passages: Sequence[Passage]) -> Iterator[Proposes]:
    """Real time is the first client's."""
    if not isinstance(cause, Event):
        return
    if cause.name == KEEP_ALIVE:
        yield "ask", {"a": client.context(len(before.keepalives))}
    elif cause.name == STOP.name:
        yield "stop_work", {"x": client.lease}
    elif cause.name == TICK.name and client.number == 0:
        yield "real_time_passes", {"p": passages[0]}
