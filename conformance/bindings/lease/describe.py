"""Local states and messages for people."""

from __future__ import annotations

from collections.abc import Iterator

from kubeproof.conformance.bindings.election.candidate import Write
from kubeproof.conformance.bindings.election.lease import Resource
from kubeproof.conformance.bindings.lease.client import Answered, Ask, Client, End, Ensured, Want
from kubeproof.conformance.bindings.lease.log import (
    Appended,
    Campaign,
    Confirm,
    Confirmation,
    Deposed,
    Elected,
    Entry,
    Fetch,
    Granted,
    Hear,
    Locked,
    Log,
    Proposal,
    Revoked,
)
from kubeproof.conformance.bindings.lease.member import Member, leads
from kubeproof.impl.etcd.leases import EXPIRY
from kubeproof.impl.store.requests import (
    LeaseCheckpointRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    Request,
)


def describe(value: object) -> str:
    """A short line for a local state or a message."""
    match value:
        case Member():
            return ", ".join(_member(value))
        case Log(entries):
            return ", ".join(map(_entry, entries)) or "nothing"
        case Client():
            return ", ".join(_client(value))
        case Resource(fence):
            return f"written with token {fence.highest_token}" + (", then by a former owner" if value.disordered else "")
        case Proposal(_, term, request):
            return f"{_request(request)}, to be appended in {f'term {term}' if term else 'any term'}"
        case Appended(entry):
            return _entry(entry)
        case Confirm(_, term, context):
            return f"does it lead term {term}? ({_context(context)})"
        case Confirmation(context, read_index):
            return f"it leads, at index {read_index} ({_context(context)})"
        case Ask(context):
            return f"keep alive ({_context(context)})"
        case Want(request):
            return _request(request)
        case Ensured(context):
            return f"the leader is confirmed ({_context(context)})"
        case Answered(context, result):
            return f"{result.value} ({_context(context)})"
        case Elected(term):
            return f"elected in term {term}"
        case Revoked(as_expired):
            return "revoked as expired" if as_expired else "revoked"
        case Locked(_, token) | Write(token):
            return f"token {token}"
        case Campaign() | Hear() | Fetch() | Deposed() | Granted():
            return type(value).__name__.lower()
    raise TypeError(f"nothing is known of {value!r}")


def _member(state: Member) -> Iterator[str]:
    if not leads(state):
        yield "follows"
    else:
        yield f"{'primary' if state.server.is_primary else 'leader'} of term {state.leases.term}"
    yield f"{state.applied} of {len(state.entries)} applied"
    for each in state.server.leases:
        left = "" if each.expires_in_ms is None else f" for {each.expires_in_ms // 1000} s"
        yield f"lease {each.id}{left}" + (f", checkpoint {each.remaining_ttl} s" if each.remaining_ttl else "")
    for context, waiting in state.leases.waiting:
        yield f"{_context(context)} waits ({waiting.stage.value})"
    for told in state.confirmations:
        yield f"confirmed for {_context(told.context)}"


def _client(state: Client) -> Iterator[str]:
    if state.since_granted is None:
        yield "no lease"
    else:
        yield f"lease granted {state.since_granted} ago" + ("" if state.end is End.LIVES else f", {state.end.value}")
    for each in state.keepalives:
        since = "" if each.since_ensured is None else f", leader confirmed {each.since_ensured} ago"
        yield f"keepalive {each.result.value}{since}"
    if state.token:
        yield f"{'works' if state.works else 'has stopped'} with token {state.token}"


def _entry(entry: Entry) -> str:
    return f"{'empty' if entry.request is None else _request(entry.request)} in term {entry.term}"


def _request(request: Request) -> str:
    match request:
        case LeaseGrantRequest(_, id_):
            return f"grant {id_}"
        case LeaseRevokeRequest(id_):
            return f"revoke {id_}"
        case LeaseCheckpointRequest(checkpoints):
            return ", ".join(f"checkpoint {left} s of {id_}" for id_, left in checkpoints)
    return "lock"


def _context(context: int) -> str:
    return "expiry" if context == EXPIRY else f"keepalive {context}"
