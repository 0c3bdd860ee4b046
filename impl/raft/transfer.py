"""Handing the leadership over to a chosen voter (Raft thesis section 3.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubeproof.impl.raft import replication
from kubeproof.impl.raft.tracker import Progress
from kubeproof.impl.raft.types import NO_ID, Message, MessageType

if TYPE_CHECKING:
    from kubeproof.impl.raft.raft import Raft


def handle_request(raft: Raft, message: Message, progress: Progress) -> None:
    """Begin a transfer. It has one election timeout, in which no proposals are taken; a new request replaces an old one."""
    logger, target = raft.logger, message.from_
    if progress.is_learner:
        if logger is not None:
            logger.debug(f"{raft.id:x} is learner. Ignored transferring leadership")
        return
    if raft.lead_transferee != NO_ID:
        if raft.lead_transferee == target:
            if logger is not None:
                logger.info(
                    f"{raft.id:x} [term {raft.term}] transfer leadership to {target:x} is in progress, "
                    f"ignores request to same node {target:x}"
                )
            return
        if logger is not None:
            logger.info(f"{raft.id:x} [term {raft.term}] abort previous transferring leadership to {raft.lead_transferee:x}")
        raft.lead_transferee = NO_ID
    if target == raft.id:
        if logger is not None:
            logger.debug(f"{raft.id:x} is already leader. Ignored transferring leadership to self")
        return
    if logger is not None:
        logger.info(f"{raft.id:x} [term {raft.term}] starts to transfer leadership to {target:x}")
    raft.election_elapsed = 0
    raft.lead_transferee = target
    if progress.match == raft.log.last_index():
        _send_timeout_now(raft, target)
        if logger is not None:
            logger.info(f"{raft.id:x} sends MsgTimeoutNow to {target:x} immediately as {target:x} already has up-to-date log")
    else:
        replication.maybe_send_append(raft, target)


def continue_if_caught_up(raft: Raft, peer: int, progress: Progress) -> None:
    """A peer has acknowledged entries: if it is the one to lead and has all of them, tell it to campaign."""
    if peer == raft.lead_transferee and progress.match == raft.log.last_index():
        if raft.logger is not None:
            raft.logger.info(f"{raft.id:x} sent MsgTimeoutNow to {peer:x} after received MsgAppResp")
        _send_timeout_now(raft, peer)


def _send_timeout_now(raft: Raft, to: int) -> None:
    raft.send(Message(MessageType.MsgTimeoutNow, to, raft.id, raft.term))
