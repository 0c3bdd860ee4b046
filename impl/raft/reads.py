"""Linearizable reads without writing to the log (Raft thesis section 6.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubeproof.impl.raft import replication
from kubeproof.impl.raft.config import ReadOnlyOption
from kubeproof.impl.raft.types import NO_ID, Message, MessageType, ReadState

if TYPE_CHECKING:
    from kubeproof.impl.raft.raft import Raft


def handle_request(raft: Raft, message: Message) -> None:
    """A read request has reached the leader."""
    if raft.tracker.is_singleton():
        _answer(raft, message, raft.log.committed)
    elif has_committed_in_term(raft) or raft.faults.read_index_before_own_commit:
        _begin(raft, message)
    elif not raft.faults.read_index_dropped_before_own_commit:
        # Until then the leader does not know what its predecessors have committed (etcd#7331).
        raft.pending_read_index_messages.append(message)


def has_committed_in_term(raft: Raft) -> bool:
    """Whether the leader has committed an entry of its own term."""
    return raft.log.term_or_zero(raft.log.committed) == raft.term


def release_pending(raft: Raft) -> None:
    """The commit index moved: begin the reads that waited for the first commit of the term."""
    if not raft.pending_read_index_messages:
        return
    if not has_committed_in_term(raft):
        if raft.logger is not None:
            raft.logger.error("pending MsgReadIndex should be released only after first commit in current term")
        return
    waiting, raft.pending_read_index_messages = raft.pending_read_index_messages, []
    for message in waiting:
        _begin(raft, message)


def _begin(raft: Raft, message: Message) -> None:
    """Confirm a read by a round of heartbeats, or at once under the lease."""
    if raft.config.read_only_option is ReadOnlyOption.ReadOnlyLeaseBased:
        _answer(raft, message, raft.log.committed)
        return
    raft.read_only.add_request(raft.log.committed, message)
    raft.read_only.recv_ack(raft.id, raft.read_only.heartbeat_context())
    replication.broadcast_heartbeat(raft)


def handle_heartbeat_response(raft: Raft, message: Message) -> None:
    if raft.config.read_only_option is not ReadOnlyOption.ReadOnlySafe or not message.context:
        return
    raft.read_only.recv_ack(message.from_, message.context)
    for read in raft.read_only.maybe_advance(raft.tracker.config.voters):
        _answer(raft, read.request, read.index)


def _answer(raft: Raft, request: Message, index: int) -> None:
    """Tell whoever asked, this node's application or another node, up to where it must have applied."""
    if request.from_ in (NO_ID, raft.id):
        raft.read_states.append(ReadState(index, request.entries[0].data))
    else:
        raft.send(Message(MessageType.MsgReadIndexResp, request.from_, raft.id, raft.term, index=index, entries=request.entries))


def handle_response(raft: Raft, message: Message) -> None:
    """The leader has confirmed a read that this node forwarded."""
    if len(message.entries) != 1:
        if raft.logger is not None:
            raft.logger.error(
                f"{raft.id:x} invalid format of MsgReadIndexResp from {message.from_:x}, entries count: {len(message.entries)}"
            )
        return
    raft.read_states.append(ReadState(message.index, message.entries[0].data))
