"""Writes a Run's events as etcd-io/raft's own state trace would tell them (etcd state_trace.go, build tag `with_tla`).

Much is lost: payloads, learners, pre-votes, reads, what is applied, crashes and the network.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import json

from kubeproof.conformance.trace import raft_events as events

Record = dict[str, Any]

_NAMES: dict[type[events.RaftEvent], str] = {
    events.Start: "InitState",
    events.BecomeFollower: "BecomeFollower",
    events.BecomeCandidate: "BecomeCandidate",
    events.BecomeLeader: "BecomeLeader",
    events.Replicate: "Replicate",
    events.ChangeConf: "ChangeConf",
    events.ApplyConfChange: "ApplyConfChange",
    events.Commit: "Commit",
    events.Ready: "Ready",
}
_REQUESTS = {
    "MsgApp": "AppendEntriesRequest",
    "MsgHeartbeat": "AppendEntriesRequest",
    "MsgSnap": "AppendEntriesRequest",
    "MsgAppResp": "AppendEntriesResponse",
    "MsgHeartbeatResp": "AppendEntriesResponse",
    "MsgVote": "RequestVoteRequest",
    "MsgVoteResp": "RequestVoteResponse",
}
_CHANGES = {
    "ConfChangeAddNode": "AddNewServer",
    "ConfChangeAddLearnerNode": "AddLearner",
    "ConfChangeRemoveNode": "RemoveServer",
}


def with_tla(run: Iterable[events.Event]) -> list[Record]:
    """The lines of the trace; events that it does not tell of are left out."""
    return [_line(number, told) for number, told in enumerate(filter(None, map(_told, run)))]


def write_trace(path: Path, lines: Iterable[Record]) -> str:
    """Write the lines as NDJSON. The path as text, as `check_file` takes it."""
    path.write_bytes(b"".join(json.encode(line) + b"\n" for line in lines))
    return str(path)


def _line(number: int, event: Record) -> Record:
    return {"level": "debug", "ts": number, "caller": "", "msg": "trace", "tag": "trace", "event": event}


def _told(event: events.Event) -> Record | None:
    if isinstance(event, events.Send | events.Receive):
        name = _REQUESTS.get(event.message.type)
        if name is None:
            return None
        direction = "Send" if isinstance(event, events.Send) else "Receive"
        return {**_common(direction + name, event), "msg": _message(event.message)}
    if type(event) not in _NAMES:
        return None
    told = _common(_NAMES[type(event)], event)
    if isinstance(event, events.ApplyConfChange):
        told["prop"] = {"cc": {"newconf": list(event.args.voters)} if event.args.voters else {}}
    elif isinstance(event, events.ChangeConf):
        changes = [{"nid": each.node, "action": _CHANGES[each.type]} for each in event.args.changes if each.type in _CHANGES]
        told["prop"] = {"cc": {"changes": changes} if changes else {}}
    return told


def _common(name: str, event: events.Event) -> Record:
    state = event.state
    assert state is not None
    return {
        "name": name,
        "nid": event.actor,
        "state": {"term": state.term, "vote": state.vote or "0", "commit": state.commit},
        "role": state.role,
        "log": state.last_index,
        "conf": [list(state.voters or ()), list(state.voters_outgoing or ())],
    }


def _message(message: events.Message) -> Record:
    snapshot = message.snapshot
    return {
        "type": message.type,
        "term": message.term,
        "from": message.from_,
        "to": message.to,
        "entries": len(message.entries) if snapshot is None else snapshot.index,
        "logTerm": message.log_term if snapshot is None else 0,
        "index": message.index if snapshot is None else 0,
        "commit": message.commit if snapshot is None else 0,
        "vote": "0",
        "reject": message.reject,
        "rejectHint": message.reject_hint,
    }
