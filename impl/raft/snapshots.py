"""Snapshots: sent where the log is compacted, restored by followers, and how replication goes on (Raft paper section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubeproof.impl.raft import membership, replication
from kubeproof.impl.raft.errors import ErrSnapshotTemporarilyUnavailable, RaftPanic
from kubeproof.impl.raft.tracker import Progress, StateSnapshot
from kubeproof.impl.raft.types import NO_ID, ConfState, Message, MessageType, Snapshot, StateType

if TYPE_CHECKING:
    from kubeproof.impl.raft.raft import Raft


def maybe_send(raft: Raft, to: int, progress: Progress) -> bool:
    """Send the newest snapshot, but not to a peer that is not heard of: it is large. True if it was sent."""
    logger = raft.logger
    if not progress.recent_active:
        if logger is not None:
            logger.debug(f"ignore sending snapshot to {to:x} since it is not recently active")
        return False
    try:
        snapshot = raft.log.snapshot()
    except ErrSnapshotTemporarilyUnavailable:
        if logger is not None:
            logger.debug(f"{raft.id:x} failed to send snapshot to {to:x} because snapshot is temporarily unavailable")
        return False
    if snapshot.index == 0:
        raise RaftPanic("need non-empty snapshot")
    if logger is not None:
        logger.debug(
            f"{raft.id:x} [firstindex: {raft.log.first_index()}, commit: {raft.log.committed}] sent "
            f"snapshot[index: {snapshot.index}, term: {snapshot.term}] to {to:x} [{progress}]"
        )
    progress.become_snapshot(snapshot.index)
    if logger is not None:
        logger.debug(f"{raft.id:x} paused sending replication messages to {to:x} [{progress}]")
    raft.send(Message(MessageType.MsgSnap, to, raft.id, raft.term, snapshot=snapshot))
    return True


def maybe_resume_replication(raft: Raft, peer: int, progress: Progress) -> None:
    """A peer that waits for a snapshot has acknowledged something: if the log goes on from there, that is enough (raft#110)."""
    if progress.match + 1 < raft.log.first_index():
        return
    if raft.faults.snapshot_ack_below_pending_ignored and progress.match < progress.pending_snapshot:
        return
    if raft.logger is not None:
        raft.logger.debug(
            f"{raft.id:x} recovered from needing snapshot, resumed sending replication messages to {peer:x} [{progress}]"
        )
    progress.become_probe()  # takes the snapshot into account
    progress.become_replicate()


def handle_status(raft: Raft, message: Message, progress: Progress) -> None:
    """The transport reports how sending a snapshot went. Either way the peer's next word is waited for."""
    if progress.state is not StateSnapshot:
        return
    if message.reject:
        progress.pending_snapshot = 0  # or the probe would begin behind a snapshot that never came
    progress.become_probe()
    if raft.logger is not None:
        outcome = "failed" if message.reject else "succeeded"
        raft.logger.debug(
            f"{raft.id:x} snapshot {outcome}, resumed sending replication messages to {message.from_:x} [{progress}]"
        )
    progress.msg_app_flow_paused = True


def handle_snapshot(raft: Raft, message: Message) -> None:
    snapshot = message.snapshot or Snapshot()
    restored = _restore(raft, snapshot)
    if raft.logger is not None:
        raft.logger.info(
            f"{raft.id:x} [commit: {raft.log.committed}] {'restored' if restored else 'ignored'} "
            f"snapshot [index: {snapshot.index}, term: {snapshot.term}]"
        )
    index = raft.log.last_index() if restored else raft.log.committed
    raft.send(Message(MessageType.MsgAppResp, message.from_, raft.id, raft.term, index=index))


def _restore(raft: Raft, snapshot: Snapshot) -> bool:
    """Replace log and membership by the snapshot. False if it is old, not for this node, or already in the log."""
    if snapshot.index <= raft.log.committed:
        return False
    if raft.state is not StateType.StateFollower:
        if raft.logger is not None:
            raft.logger.warning(f"{raft.id:x} attempted to restore snapshot as leader; should never happen")
        raft.become_follower(raft.term + 1, NO_ID)
        return False
    if not _is_member(raft, snapshot):
        if raft.logger is not None:
            raft.logger.warning(
                f"{raft.id:x} attempted to restore snapshot but it is not in the ConfState "
                f"{_as_protobuf_text(snapshot.conf_state)}; should never happen"
            )
        return False
    if raft.log.match_term(snapshot.index, snapshot.term):
        _log_restored(raft, snapshot, "fast-forwarded commit to snapshot")
        raft.log.commit_to(snapshot.index)
        return False
    raft.log.restore(snapshot)
    raft.tracker = raft.new_tracker()
    membership.restore_config(raft, snapshot.conf_state)
    _log_restored(raft, snapshot, "restored snapshot")
    return True


def _is_member(raft: Raft, snapshot: Snapshot) -> bool:
    conf_state = snapshot.conf_state
    if raft.id in conf_state.voters:
        return True
    if raft.id in conf_state.learners:
        return raft.is_learner or not raft.faults.snapshot_that_demotes_refused
    return raft.id in conf_state.voters_outgoing and not raft.faults.snapshot_check_ignores_outgoing


def _log_restored(raft: Raft, snapshot: Snapshot, what: str) -> None:
    if raft.logger is not None:
        last_term, last_index = raft.log.last_entry_id()
        raft.logger.info(
            f"{raft.id:x} [commit: {raft.log.committed}, lastindex: {last_index}, lastterm: {last_term}] {what} "
            f"[index: {snapshot.index}, term: {snapshot.term}]"
        )


def applied(raft: Raft, snapshot: Snapshot) -> None:
    """The storage has the snapshot."""
    raft.log.unstable.stable_snap_to(snapshot.index)
    replication.applied_to(raft, snapshot.index, 0)


def _as_protobuf_text(conf_state: ConfState) -> str:
    """As Go prints the message, but for its double spaces, which vary from build to build on purpose."""
    lists = ("voters", "learners", "voters_outgoing", "learners_next")
    members = [f"{name}:{member}" for name in lists for member in getattr(conf_state, name)]
    return " ".join([*members, f"auto_leave:{str(conf_state.auto_leave).lower()}"])
