"""What a node hands to its application: a Ready, and how it is made (etcd node.go, rawnode.go)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from kubeproof.impl.raft.types import (
    EMPTY_HARD_STATE,
    LOCAL_APPEND_THREAD,
    LOCAL_APPLY_THREAD,
    Entry,
    HardState,
    Message,
    MessageType,
    ReadState,
    Snapshot,
    SoftState,
)

if TYPE_CHECKING:
    from kubeproof.impl.raft.raft import Raft


class Ready(NamedTuple):
    """Work for the application, in this order: store, send, apply.

    `soft_state` is None and `hard_state` empty where nothing has changed. `must_sync` says that what is stored must be durable
    before `messages` leave. With asynchronous storage writes, `messages` also has the work for the two storage threads.
    """

    soft_state: SoftState | None = None
    hard_state: HardState = EMPTY_HARD_STATE
    read_states: tuple[ReadState, ...] = ()
    entries: tuple[Entry, ...] = ()
    snapshot: Snapshot | None = None
    committed_entries: tuple[Entry, ...] = ()
    messages: tuple[Message, ...] = ()
    must_sync: bool = False


def append_message(raft: Raft, entries: tuple[Entry, ...], hard_state: HardState, snapshot: Snapshot | None) -> Message | None:
    """What the append thread has to do and to answer; None if there is nothing to write and no message waits for a write."""
    waiting = raft.messages_after_append
    if not (entries or hard_state != EMPTY_HARD_STATE or snapshot is not None or waiting):
        return None
    response = append_response(raft, snapshot)
    return Message(
        MessageType.MsgStorageAppend,
        LOCAL_APPEND_THREAD,
        raft.id,
        hard_state.term,
        entries=entries,
        commit=hard_state.commit,
        vote=hard_state.vote,
        snapshot=snapshot,
        responses=(*waiting, response) if response is not None else tuple(waiting),
    )


def append_response(raft: Raft, snapshot: Snapshot | None) -> Message | None:
    """What the node must hear when all that is unstable now is durable; None if nothing is.

    It carries the node's term, and is ignored in another one: by then the log may have been rewritten, and an older write may
    still come after a newer one's answer (etcd-io/raft#8). So that entries do not stay unstable for ever when their own answer
    was ignored, every answer speaks for the whole log, not just for the entries written with it.
    """
    has_unstable = bool(raft.log.unstable.entries)
    if not has_unstable and snapshot is None:
        return None
    last_term, last_index = raft.log.last_entry_id() if has_unstable else (0, 0)
    return Message(
        MessageType.MsgStorageAppendResp, raft.id, LOCAL_APPEND_THREAD, raft.term, last_term, last_index, snapshot=snapshot
    )


def apply_message(raft: Raft, committed_entries: tuple[Entry, ...]) -> Message:
    """What the apply thread has to do and to answer. Committed entries belong to no term."""
    return Message(
        MessageType.MsgStorageApply,
        LOCAL_APPLY_THREAD,
        raft.id,
        entries=committed_entries,
        responses=(apply_response(raft, committed_entries),),
    )


def apply_response(raft: Raft, committed_entries: Sequence[Entry]) -> Message:
    return Message(MessageType.MsgStorageApplyResp, raft.id, LOCAL_APPLY_THREAD, entries=tuple(committed_entries))
