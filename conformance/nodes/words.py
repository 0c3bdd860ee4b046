"""impl/raft in the words of the node protocol: what another program must tell of itself to be compared with it.

State and messages are objects with the names of impl/raft/state.py, types.py and of bindings/raft/state.py. What is zero or empty
is left out, enumerations are told by their names, bytes as text with a character each. Membership changes are written as in
etcd-io/raft's datadriven files: `v1 l2 r3`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from msgspec import json

from kubeproof.conformance.bindings.raft.changes import LEAVE
from kubeproof.conformance.bindings.raft.client import READ, Ask, Served
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore import system
from kubeproof.conformance.nodes import protocol
from kubeproof.conformance.nodes.node import Event, Sent
from kubeproof.impl.raft import ConfState
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeSingle, ConfChangeV2, conf_changes_to_string
from kubeproof.impl.raft.types import Entry, EntryType, Message, MessageType, Snapshot, StateType

SERVED = "served"
"""A read is answered: the client is no member, so it is told as a message to nobody else."""

ROLES: Mapping[StateType, Any] = {
    StateType.StateFollower: "follower",
    StateType.StatePreCandidate: "pre_candidate",
    StateType.StateCandidate: "candidate",
    StateType.StateLeader: "leader",
}


def plain(value: object) -> Any:
    """A value of impl/raft as JSON has it."""
    if isinstance(value, Enum):
        return value.name if value else ""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        named = {name.rstrip("_"): plain(each) for name, each in zip(value._fields, value, strict=True)}
        return {name: each for name, each in named.items() if each}
    return [plain(each) for each in value] if isinstance(value, tuple) else value


# ---- a member


def told(state: Running, events: Iterable[system.Event]) -> bytes:
    """What a member tells of itself to `observe`."""
    offered = tuple([protocol.Event(each.name, words_of(each.argument)) for each in events])
    raft = state.node.raft
    return protocol.encoded(
        protocol.Situation(
            role=ROLES[state.role],
            term=state.term,
            log=tuple([protocol.Entry(each.index, each.term, each.data.decode("latin-1")) for each in state.log]),
            commit_index=state.commit,
            voted_for=raft.vote,
            leader=raft.lead,
            progress=_progress(state),
            events=offered,
            state=plain(state),
        )
    )


def _progress(state: Running) -> tuple[protocol.Progress, ...]:
    others = [(member, known) for member, known in state.node.raft.tracker.progress if member != state.id]
    return tuple([protocol.Progress(member, known.match, known.next) for member, known in others]) if state.leads else ()


# ---- events


def event_of(cause: system.Event | system.Message) -> Event:
    """An event of a member, or a read that the client asks it for."""
    if isinstance(cause, system.Event):
        return Event(cause.name, words_of(cause.argument))
    assert isinstance(cause.body, Ask)
    return Event(READ, cause.body.read)


def words_of(argument: object) -> int | str | None:
    """An event's argument."""
    match argument:
        case ConfChange(type_, member):
            return conf_changes_to_string([ConfChangeSingle(type_, member)])
        case ConfChangeV2():
            return "leave" if argument == LEAVE else conf_changes_to_string(argument.changes)
        case (member, bool(succeeded)):
            return f"{member} {'succeeded' if succeeded else 'failed'}"
    assert argument is None or isinstance(argument, int | str)
    return argument


# ---- messages


def sends_of(number: int, sends: tuple[system.Message, ...]) -> tuple[Sent, ...]:
    """What a member sends to others, and which reads it answers. What it applies, its state tells."""
    return tuple([sent for message in sends for sent in _sent(number, message.body)])


def _sent(number: int, body: object) -> Iterator[Sent]:
    if isinstance(body, Message):
        acknowledges = body.index if body.type is MessageType.MsgAppResp and not body.reject else None
        yield Sent(body.to, body.type.name, encoded(body), body.term, acknowledges)
    if isinstance(body, Served):
        text = protocol.encoded({"read": str(body.read), "index": body.index}).decode()
        yield Sent(number, SERVED, text, 0)


def encoded(message: Message) -> str:
    """A message's body."""
    return protocol.encoded(plain(message)).decode()


def decoded(body: str) -> Message:
    """The message of a body. Messages of the storage threads, which have responses, are never sent."""
    told_ = json.decode(body)
    fields: dict[str, Any] = {("from_" if name == "from" else name): value for name, value in told_.items()}
    fields["type"] = MessageType[fields["type"]]
    fields["entries"] = tuple([_entry(each) for each in fields.get("entries", ())])
    fields["context"] = fields.get("context", "").encode("latin-1")
    if "snapshot" in fields:
        fields["snapshot"] = _snapshot(fields["snapshot"])
    return Message(**fields)


def _entry(told_: Mapping[str, Any]) -> Entry:
    type_ = EntryType[told_.get("type", "EntryNormal")]
    return Entry(told_.get("term", 0), told_.get("index", 0), type_, told_.get("data", "").encode("latin-1"))


def _snapshot(told_: Mapping[str, Any]) -> Snapshot:
    membership: dict[str, Any] = {
        name: value if isinstance(value, bool) else tuple(value) for name, value in told_.get("conf_state", {}).items()
    }
    data = told_.get("data", "").encode("latin-1")
    return Snapshot(told_.get("index", 0), told_.get("term", 0), ConfState(**membership), data)
