"""The events of Raft in a Run (docs/run-format.md).

Actions, message types and roles bear etcd's names, and an event shows what etcd-io/raft's state trace shows at the same
point (etcd state_trace.go), as far as the source tells it: None is "not told". Ids are actors' names, "" is no node.
Payloads and contexts are hexadecimal. Integers are from 0 to 2**63 - 1.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Hex = Annotated[str, Meta(pattern="^([0-9a-f][0-9a-f])*$")]

Role = Literal["StateFollower", "StatePreCandidate", "StateCandidate", "StateLeader"]
EntryType = Literal["EntryNormal", "EntryConfChange", "EntryConfChangeV2"]
ChangeType = Literal["ConfChangeAddNode", "ConfChangeRemoveNode", "ConfChangeUpdateNode", "ConfChangeAddLearnerNode"]
Transition = Literal["ConfChangeTransitionAuto", "ConfChangeTransitionJointImplicit", "ConfChangeTransitionJointExplicit"]
MessageType = Literal[
    "MsgHup",
    "MsgBeat",
    "MsgProp",
    "MsgApp",
    "MsgAppResp",
    "MsgVote",
    "MsgVoteResp",
    "MsgSnap",
    "MsgHeartbeat",
    "MsgHeartbeatResp",
    "MsgUnreachable",
    "MsgSnapStatus",
    "MsgCheckQuorum",
    "MsgTransferLeader",
    "MsgTimeoutNow",
    "MsgReadIndex",
    "MsgReadIndexResp",
    "MsgPreVote",
    "MsgPreVoteResp",
    "MsgStorageAppend",
    "MsgStorageAppendResp",
    "MsgStorageApply",
    "MsgStorageApplyResp",
    "MsgForgetLeader",
]


class _Strict(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Unknown fields are errors, what is not told is not written."""


class State(_Strict, kw_only=True):
    """A node's state when the event is written: after becoming something or while sending, before what is received has an effect.

    `last_index` is that of the log with what is not stored yet; `voters` and `voters_outgoing` are the node's own configuration.
    """

    term: Natural | None = None
    vote: str | None = None
    commit: Natural | None = None
    role: Role | None = None
    last_index: Natural | None = None
    voters: tuple[str, ...] | None = None
    voters_outgoing: tuple[str, ...] | None = None


class Entry(_Strict, kw_only=True):
    """A log entry; its index follows from the place (in a message: the message's index and the position)."""

    term: Natural
    type: EntryType = "EntryNormal"
    payload: Hex = ""


class Snapshot(_Strict, kw_only=True):
    """A snapshot's label, without the state machine. The membership is that after the entry at `index`."""

    index: Natural
    term: Natural | None = None
    voters: tuple[str, ...] | None = None
    voters_outgoing: tuple[str, ...] | None = None
    learners: tuple[str, ...] | None = None
    learners_next: tuple[str, ...] | None = None
    auto_leave: bool | None = None


class Message(_Strict, kw_only=True, rename={"from_": "from"}):
    """A message; which fields count depends on its type, as in etcd's raft.proto. `entry_count`: the source has no payloads."""

    type: MessageType
    from_: str = ""
    to: str = ""
    term: Natural = 0
    log_term: Natural = 0
    index: Natural = 0
    entries: tuple[Entry, ...] = ()
    entry_count: Natural | None = None
    commit: Natural = 0
    vote: str = ""
    snapshot: Snapshot | None = None
    reject: bool = False
    reject_hint: Natural = 0
    context: Hex = ""


class RaftEvent(_Strict, kw_only=True, tag_field="action"):
    """What every event has: who, when (milliseconds from the start of the run), and the state of that moment."""

    actor: str
    time_ms: Natural | None = None
    state: State | None = None


class Start(RaftEvent, tag="start", kw_only=True):
    """A node starts from what is stored; the stored term, vote and membership follow (apply_conf_change, become_follower)."""


class BecomeFollower(RaftEvent, tag="become_follower", kw_only=True):
    pass


class BecomePreCandidate(RaftEvent, tag="become_pre_candidate", kw_only=True):
    pass


class BecomeCandidate(RaftEvent, tag="become_candidate", kw_only=True):
    pass


class BecomeLeader(RaftEvent, tag="become_leader", kw_only=True):
    pass


class ReplicateArgs(_Strict, kw_only=True):
    index: Natural | None = None
    payload: Hex | None = None


class Replicate(RaftEvent, tag="replicate", kw_only=True):
    """A leader is about to append a normal entry; those of one proposal are appended together, after the last of their events."""

    args: ReplicateArgs | None = None


class Change(_Strict, kw_only=True):
    type: ChangeType
    node: str


class ChangeConfArgs(_Strict, kw_only=True):
    changes: tuple[Change, ...]
    transition: Transition | None = None


class ChangeConf(RaftEvent, tag="change_conf", kw_only=True):
    """A leader takes a proposal to change the membership; the entry follows unless it is too large."""

    args: ChangeConfArgs


class ApplyConfChangeArgs(_Strict, kw_only=True):
    """The membership that is in force from now on."""

    voters: tuple[str, ...]
    voters_outgoing: tuple[str, ...] | None = None
    learners: tuple[str, ...] | None = None
    learners_next: tuple[str, ...] | None = None
    auto_leave: bool | None = None


class ApplyConfChange(RaftEvent, tag="apply_conf_change", kw_only=True):
    """A node is about to switch to another membership; `state` still shows the old one."""

    args: ApplyConfChangeArgs


class Commit(RaftEvent, tag="commit", kw_only=True):
    """A leader has evaluated its commit index, which need not have moved."""


class Ready(RaftEvent, tag="ready", kw_only=True):
    """A node has handed out what is to be written, sent and applied. Nothing of it has happened yet."""


class Send(RaftEvent, tag="send", kw_only=True):
    """A message is queued. Whether it leaves depends on the node's next moments, and on the write it waits for."""

    message: Message


class Receive(RaftEvent, tag="receive", kw_only=True):
    """A node takes a message; `state` is that before it has any effect."""

    message: Message


class CrashArgs(_Strict, kw_only=True):
    lost_writes: Natural | None = None


class Crash(RaftEvent, tag="crash", kw_only=True):
    """The node stops and loses what is not written. A trace may lack this event: a second start tells as much."""

    args: CrashArgs | None = None


class ApplyArgs(_Strict, kw_only=True):
    index: Natural
    term: Natural
    payload: Hex | None = None


class Apply(RaftEvent, tag="apply", kw_only=True):
    """The application applies a committed entry."""

    args: ApplyArgs


class ReadRequestArgs(_Strict, kw_only=True):
    id: str


class ReadRequest(RaftEvent, tag="read_request", kw_only=True):
    """A client asks this node for a linearizable read; `id` names the read and is not used twice."""

    args: ReadRequestArgs


class ReadServedArgs(_Strict, kw_only=True):
    id: str
    index: Natural


class ReadServed(RaftEvent, tag="read_served", kw_only=True):
    """The read is answered from the state machine as of `index`."""

    args: ReadServedArgs


class PanicArgs(_Strict, kw_only=True):
    reason: str


class Panic(RaftEvent, tag="panic", kw_only=True):
    """The node found its own state impossible and stopped."""

    args: PanicArgs


class Drop(RaftEvent, tag="drop", kw_only=True):
    """The network loses a message."""

    message: Message


class Duplicate(RaftEvent, tag="duplicate", kw_only=True):
    """The network doubles a message."""

    message: Message


class PartitionArgs(_Strict, kw_only=True):
    groups: tuple[tuple[str, ...], ...]


class Partition(RaftEvent, tag="partition", kw_only=True):
    """From now on, messages pass inside each group only."""

    args: PartitionArgs


class Heal(RaftEvent, tag="heal", kw_only=True):
    """All nodes reach each other again."""


Event = (
    Start
    | BecomeFollower
    | BecomePreCandidate
    | BecomeCandidate
    | BecomeLeader
    | Replicate
    | ChangeConf
    | ApplyConfChange
    | Commit
    | Ready
    | Send
    | Receive
    | Crash
    | Apply
    | ReadRequest
    | ReadServed
    | Panic
    | Drop
    | Duplicate
    | Partition
    | Heal
)
