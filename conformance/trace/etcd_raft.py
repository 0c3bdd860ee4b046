"""The trace that etcd-io/raft writes when it is built with the tag `with_tla`, as a Run (etcd state_trace.go).

One JSON object a line; lines without `"tag":"trace"` are other records of the log, and unknown fields are ignored, as by the
original's own validator. Ids are decimal text, "0" is nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Literal

from msgspec import Struct, json

from kubeproof.conformance.ndjson import LineDecoder
from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.trace.raft_events import Natural
from kubeproof.conformance.verdict import InvalidInput

Name = Literal[
    "InitState",
    "BecomeFollower",
    "BecomeCandidate",
    "BecomeLeader",
    "Replicate",
    "ChangeConf",
    "ApplyConfChange",
    "Commit",
    "Ready",
    "SendAppendEntriesRequest",
    "SendAppendEntriesResponse",
    "SendRequestVoteRequest",
    "SendRequestVoteResponse",
    "SendSnapshot",
    "ReceiveAppendEntriesRequest",
    "ReceiveAppendEntriesResponse",
    "ReceiveRequestVoteRequest",
    "ReceiveRequestVoteResponse",
    "ReceiveSnapshot",
]
MessageType = Literal["MsgApp", "MsgAppResp", "MsgVote", "MsgVoteResp", "MsgSnap", "MsgHeartbeat", "MsgHeartbeatResp"]
Action = Literal["AddNewServer", "AddLearner", "RemoveServer"]


class State(Struct, gc=False):
    term: Natural
    vote: str
    commit: Natural


class Message(Struct, gc=False, rename={"from_": "from", "log_term": "logTerm", "reject_hint": "rejectHint"}):
    type: MessageType
    term: Natural
    from_: str
    to: str
    entries: Natural
    log_term: Natural
    index: Natural
    commit: Natural
    reject: bool
    reject_hint: Natural


class Change(Struct, gc=False):
    nid: str
    action: Action


class ConfChange(Struct, gc=False):
    changes: tuple[Change, ...] = ()
    newconf: tuple[str, ...] = ()


class Properties(Struct, gc=False):
    cc: ConfChange | None = None


class TracingEvent(Struct, gc=False):
    name: Name
    nid: str
    state: State
    role: events.Role
    log: Natural
    conf: tuple[tuple[str, ...] | None, tuple[str, ...] | None]
    msg: Message | None = None
    prop: Properties | None = None


class Record(Struct, gc=False):
    """A line: an event of the trace, if the tag says so."""

    tag: str = ""
    event: TracingEvent | None = None


class _Tagged(Struct, gc=False):
    """Any record of a log."""

    tag: Any = ""


_PLAIN: dict[str, Callable[..., events.Event]] = {
    "InitState": events.Start,
    "BecomeFollower": events.BecomeFollower,
    "BecomeCandidate": events.BecomeCandidate,
    "BecomeLeader": events.BecomeLeader,
    "Replicate": events.Replicate,
    "Commit": events.Commit,
    "Ready": events.Ready,
}
_CHANGES: dict[Action, events.ChangeType] = {
    "AddNewServer": "ConfChangeAddNode",
    "AddLearner": "ConfChangeAddLearnerNode",
    "RemoveServer": "ConfChangeRemoveNode",
}
_MESSAGES: dict[str, tuple[MessageType, ...]] = {
    "AppendEntriesRequest": ("MsgApp", "MsgHeartbeat", "MsgSnap"),
    "AppendEntriesResponse": ("MsgAppResp", "MsgHeartbeatResp"),
    "RequestVoteRequest": ("MsgVote",),
    "RequestVoteResponse": ("MsgVoteResp",),
    "Snapshot": ("MsgSnap",),
}
_EXCHANGES: dict[tuple[str, MessageType], type[events.Send] | type[events.Receive]] = {
    (verb + kind, type_): event
    for kind, types in _MESSAGES.items()
    for verb, event in (("Send", events.Send), ("Receive", events.Receive))
    for type_ in types
}


class EtcdRaftReader:
    """Reads such a trace as events of a Run. InvalidInput names line and field of whatever is not one."""

    def __init__(self, path: str, blocks: Iterator[bytes]) -> None:
        self._path = path
        self._blocks = blocks
        self._records = _RecordDecoder(path, Record)

    def blocks(self) -> Iterator[tuple[int, list[events.Event | None]]]:
        """The number of a line, and the events from that line on, one a line (None: no event)."""
        for block in self._blocks:
            for first, records in self._records.decode(block):
                yield from self._events(first, records)

    def _events(self, first: int, records: list[Record | None]) -> Iterator[tuple[int, list[events.Event | None]]]:
        """Events from the line `first` on; those before a line at fault come before its InvalidInput."""
        told: list[events.Event | None] = []
        try:
            for number, record in enumerate(records, first):
                told.append(self._event(record, number))
        except InvalidInput:
            yield first, told
            raise
        yield first, told

    def _event(self, record: Record | None, line: int) -> events.Event | None:
        if record is None or record.tag != "trace":
            return None
        if record.event is None:
            raise InvalidInput(self._path, line, "event: expected an object in a line with the tag trace")
        try:
            return _converted(record.event)
        except _NotOfThisFormat as error:
            raise InvalidInput(self._path, line, str(error)) from error


class _RecordDecoder(LineDecoder[Record]):
    """In other records of the log the same fields may hold anything."""

    def decode_line(self, line: bytes, number: int) -> Record | None:
        try:
            return super().decode_line(line, number)
        except InvalidInput:
            if _is_other_record(line):
                return None
            raise


def _is_other_record(line: bytes) -> bool:
    try:
        return bool(json.decode(line, type=_Tagged).tag != "trace")
    except (ValueError, RecursionError):
        return False


class _NotOfThisFormat(Exception):
    """What a kind of event needs is not there, or is what the library never writes."""


def _converted(event: TracingEvent) -> events.Event:
    actor, name = _known_id(event.nid, "event.nid"), event.name
    incoming, outgoing = event.conf
    state = events.State(
        term=event.state.term,
        vote=_id(event.state.vote, "event.state.vote"),
        commit=event.state.commit,
        role=event.role,
        last_index=event.log,
        voters=_voters(incoming, "event.conf") if incoming else (),
        voters_outgoing=_voters(outgoing, "event.conf") if outgoing else (),
    )
    plain = _PLAIN.get(name)
    if plain is not None:
        return plain(actor=actor, state=state)
    if name == "ChangeConf" or name == "ApplyConfChange":
        change = None if event.prop is None else event.prop.cc
        if change is None:
            raise _NotOfThisFormat(f"event.prop.cc: expected an object in an event {name}")
        if name == "ApplyConfChange":
            return events.ApplyConfChange(
                actor=actor, state=state, args=events.ApplyConfChangeArgs(voters=_voters(change.newconf, "event.prop.cc.newconf"))
            )
        changes = tuple([_change(each) for each in change.changes])
        return events.ChangeConf(actor=actor, state=state, args=events.ChangeConfArgs(changes=changes))
    if event.msg is None:
        raise _NotOfThisFormat(f"event.msg: expected an object in an event {name}")
    kind = _EXCHANGES.get((name, event.msg.type))
    if kind is None:
        expected = " or ".join(_MESSAGES[name.removeprefix("Send").removeprefix("Receive")])
        raise _NotOfThisFormat(f"event.msg.type: expected {expected} in an event {name}, got {event.msg.type}")
    return kind(actor=actor, state=state, message=_message(event.msg))


def _message(message: Message) -> events.Message:
    """A snapshot's index stands in `entries`; index and log_term are not told."""
    snapshot = message.type == "MsgSnap"
    return events.Message(
        type=message.type,
        from_=_known_id(message.from_, "event.msg.from"),
        to=_known_id(message.to, "event.msg.to"),
        term=message.term,
        log_term=message.log_term,
        index=message.index,
        entry_count=0 if snapshot else message.entries,
        commit=message.commit,
        snapshot=events.Snapshot(index=message.entries) if snapshot else None,
        reject=message.reject,
        reject_hint=message.reject_hint,
    )


def _change(change: Change) -> events.Change:
    return events.Change(type=_CHANGES[change.action], node=_id(change.nid, "event.prop.cc.changes"))


@lru_cache(maxsize=1 << 12)
def _id(text: str, field: str) -> str:
    """An id, "" for nobody."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and str(int(text)) == text and int(text) < 1 << 64):
        raise _NotOfThisFormat(f"{field}: expected the id of a node as decimal text, got {text[:30]!r}")
    return "" if text == "0" else text


@lru_cache(maxsize=1 << 12)
def _known_id(text: str, field: str) -> str:
    if not _id(text, field):
        raise _NotOfThisFormat(f'{field}: expected the id of a node, got "0"')
    return text


def _voters(ids: tuple[str, ...], field: str) -> tuple[str, ...]:
    return _usual_voters(ids, field) if len(ids) < 20 else _all_known(ids, field)


def _all_known(ids: tuple[str, ...], field: str) -> tuple[str, ...]:
    for each in ids:
        _known_id(each, field)
    return ids


_usual_voters = lru_cache(maxsize=1 << 8)(_all_known)
