"""The values that Raft nodes exchange, persist and hand to the application.

All are immutable and hashable: a message, an entry or a whole node state can be a key. Names are etcd's
(raftpb/raft.proto), so that whoever knows etcd finds what he expects. Ids, terms and indexes are integers from 0 to 2**64-1;
0 means "none" for an id, "unknown" for an index.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

NO_ID = 0
NO_LIMIT = 2**64 - 1

# The two threads of asynchronous storage writes are addressed like nodes (etcd raft.go, LocalAppendThread).
LOCAL_APPEND_THREAD = 2**64 - 1
LOCAL_APPLY_THREAD = 2**64 - 2


class MessageType(IntEnum):
    """What a message asks for or answers; numbered as on etcd's wire."""

    MsgHup = 0
    MsgBeat = 1
    MsgProp = 2
    MsgApp = 3
    MsgAppResp = 4
    MsgVote = 5
    MsgVoteResp = 6
    MsgSnap = 7
    MsgHeartbeat = 8
    MsgHeartbeatResp = 9
    MsgUnreachable = 10
    MsgSnapStatus = 11
    MsgCheckQuorum = 12
    MsgTransferLeader = 13
    MsgTimeoutNow = 14
    MsgReadIndex = 15
    MsgReadIndexResp = 16
    MsgPreVote = 17
    MsgPreVoteResp = 18
    MsgStorageAppend = 19
    MsgStorageAppendResp = 20
    MsgStorageApply = 21
    MsgStorageApplyResp = 22
    MsgForgetLeader = 23

    __str__ = Enum.__str__
    __hash__ = int.__hash__  # Enum's own hash is a Python call; messages are hashed often


class EntryType(IntEnum):
    """What an entry's data is."""

    EntryNormal = 0
    EntryConfChange = 1
    EntryConfChangeV2 = 2

    __hash__ = int.__hash__


class StateType(IntEnum):
    """A node's role."""

    StateFollower = 0
    StateCandidate = 1
    StateLeader = 2
    StatePreCandidate = 3

    __hash__ = int.__hash__


class Entry(NamedTuple):
    """One log entry. `data` is the client's payload, or an encoded conf change (confchange/encoding.py)."""

    term: int
    index: int  # type: ignore[assignment]  # the field hides tuple.index
    type: EntryType = EntryType.EntryNormal
    data: bytes = b""


class ConfState(NamedTuple):
    """A membership as snapshots store it. Each tuple is in ascending order."""

    voters: tuple[int, ...] = ()
    learners: tuple[int, ...] = ()
    voters_outgoing: tuple[int, ...] = ()
    learners_next: tuple[int, ...] = ()
    auto_leave: bool = False


class Snapshot(NamedTuple):
    """The state machine as of `index`; index 0 is "no snapshot"."""

    index: int = 0  # type: ignore[assignment]  # the field hides tuple.index
    term: int = 0
    conf_state: ConfState = ConfState()
    data: bytes = b""


class HardState(NamedTuple):
    """What must be durable before messages that depend on it leave."""

    term: int = 0
    vote: int = NO_ID
    commit: int = 0


class SoftState(NamedTuple):
    """What an application may want to know but need not store."""

    lead: int = NO_ID
    raft_state: StateType = StateType.StateFollower


class ReadState(NamedTuple):
    """A confirmed read: once `index` is applied, the read named `request_ctx` is linearizable."""

    index: int  # type: ignore[assignment]  # the field hides tuple.index
    request_ctx: bytes


class Message(NamedTuple):
    """One message. Which fields count depends on the type, as in etcd's raft.proto."""

    type: MessageType
    to: int = NO_ID
    from_: int = NO_ID
    term: int = 0
    log_term: int = 0
    index: int = 0  # type: ignore[assignment]  # the field hides tuple.index
    entries: tuple[Entry, ...] = ()
    commit: int = 0
    vote: int = NO_ID
    snapshot: Snapshot | None = None
    reject: bool = False
    reject_hint: int = 0
    context: bytes = b""
    responses: tuple[Message, ...] = ()


EMPTY_HARD_STATE = HardState()
