"""Replication: a leader's appends and heartbeats, a follower's answers, and what is committed (Raft paper 5.3, 5.4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kubeproof.impl.raft import membership, reads, snapshots, transfer
from kubeproof.impl.raft.errors import ErrCompacted, ErrUnavailable
from kubeproof.impl.raft.quorum import JointConfig, MajorityConfig
from kubeproof.impl.raft.sizes import entries_size, payloads_size
from kubeproof.impl.raft.tracker import Progress, StateProbe, StateReplicate, StateSnapshot
from kubeproof.impl.raft.types import Entry, EntryType, Message, MessageType

if TYPE_CHECKING:
    from kubeproof.impl.raft.raft import Raft


# ---- the leader's log


def append_entries(raft: Raft, proposed: Sequence[Entry]) -> bool:
    """Append proposals as entries of the leader's term. False if they would exceed the limit of uncommitted bytes."""
    last = raft.log.last_index()
    entries = [Entry(raft.term, last + 1 + k, entry.type, entry.data) for k, entry in enumerate(proposed)]
    if not _increase_uncommitted_size(raft, entries):
        if raft.logger is not None:
            raft.logger.warning(
                f"{raft.id:x} appending new entries to log would exceed uncommitted entry size limit; dropping proposal"
            )
        return False
    if raft.trace is not None:
        for entry in entries:
            if entry.type is EntryType.EntryNormal:
                raft.note("replicate", entry)
    last = raft.log.append(entries)
    # The leader acknowledges its own entries like everybody else: when they are durable (etcd#14370).
    raft.send(Message(MessageType.MsgAppResp, raft.id, raft.id, raft.term, index=last))
    if raft.faults.single_voter_commits_before_write:
        raft.tracker.progress[raft.id].maybe_update(last)
        maybe_commit(raft)
    return True


def _increase_uncommitted_size(raft: Raft, entries: Sequence[Entry]) -> bool:
    """Account for new entries. Empty ones always fit: a new leader's first, and the one that leaves a joint configuration."""
    size = payloads_size(entries)
    if raft.faults.uncommitted_size_leak:
        size = entries_size(entries)
    if raft.uncommitted_size > 0 and size > 0 and raft.uncommitted_size + size > raft.max_uncommitted_size:
        return False
    raft.uncommitted_size += size
    return True


def maybe_commit(raft: Raft) -> bool:
    """Commit what a quorum has, if it is an entry of the leader's own term (section 5.4.2). True if the commit index moved."""
    index = _quorum_index(raft)
    advanced = index > raft.log.committed and (raft.log.match_term(index, raft.term) or raft.faults.commit_older_term_by_counting)
    if advanced:
        raft.log.commit_to(index)
    raft.note("commit")
    return advanced


def _quorum_index(raft: Raft) -> int:
    tracker = raft.tracker
    if raft.faults.learner_counted_as_voter:
        voters = tracker.config.voters
        everybody = JointConfig(MajorityConfig(voters.incoming | (tracker.config.learners or frozenset())), voters.outgoing)
        return everybody.committed_index(lambda member: tracker.progress[member].match if member in tracker.progress else None)
    return tracker.committed()


# ---- the leader's messages


def broadcast_append(raft: Raft) -> None:
    for member in raft.tracker.progress:
        if member != raft.id:
            maybe_send_append(raft, member)


def maybe_send_append(raft: Raft, to: int, *, if_empty: bool = True) -> bool:
    """Send the next entries, or a snapshot where they are compacted. Without `if_empty` only if there are entries to send."""
    progress = raft.tracker.progress[to]
    if progress.is_paused():
        return False
    log = raft.log
    # A full window must not grow, but an empty append still shows whether the peer got what filled it (etcd#14633).
    throttled = progress.state is StateReplicate and progress.inflights.full()
    prev_index = progress.next - 1
    try:
        prev_term = log.term(prev_index)
        entries = () if throttled else log.entries(progress.next, raft.config.max_size_per_msg)
    except (ErrCompacted, ErrUnavailable):
        if not (raft.faults.compacted_prev_term_zero and throttled):
            return snapshots.maybe_send(raft, to, progress)
        prev_term, entries = 0, ()
    if not entries and not if_empty:
        return False
    raft.send(Message(MessageType.MsgApp, to, raft.id, raft.term, prev_term, prev_index, tuple(entries), log.committed))
    progress.sent_entries(len(entries), payloads_size(entries))
    progress.sent_commit = log.committed
    return True


def broadcast_heartbeat(raft: Raft) -> None:
    """Send heartbeats. None tells a follower to commit more than it is known to have."""
    context = raft.read_only.heartbeat_context()
    for member, progress in raft.tracker.progress.items():
        if member == raft.id:
            continue
        matched = raft.log.committed if raft.faults.commit_beyond_matched_prefix else progress.match
        commit = min(matched, raft.log.committed)
        raft.send(Message(MessageType.MsgHeartbeat, member, raft.id, raft.term, commit=commit, context=context))
        progress.sent_commit = commit


# ---- the follower's answers


def handle_append_entries(raft: Raft, message: Message) -> None:
    log = raft.log
    if message.index < log.committed:
        _acknowledge(raft, message.from_, log.committed)
        return
    last_new = _append_from_leader(raft, message)
    if last_new is not None:
        _acknowledge(raft, message.from_, last_new)
        return
    if raft.logger is not None:
        raft.logger.debug(
            f"{raft.id:x} [logterm: {log.term_or_zero(message.index)}, index: {message.index}] rejected MsgApp "
            f"[logterm: {message.log_term}, index: {message.index}] from {message.from_:x}"
        )
    # Where the logs may meet: terms never decrease along a log, so not at an entry of a term above the leader's.
    hint_index, hint_term = log.find_conflict_by_term(min(message.index, log.last_index()), message.log_term)
    raft.send(
        Message(
            MessageType.MsgAppResp,
            message.from_,
            raft.id,
            raft.term,
            log_term=hint_term,
            index=message.index,
            reject=True,
            reject_hint=hint_index,
        )
    )


def _append_from_leader(raft: Raft, message: Message) -> int | None:
    log, faults = raft.log, raft.faults
    if faults.truncate_without_conflict and message.entries and log.match_term(message.index, message.log_term):
        log.append(message.entries)
    if faults.compacted_prev_term_zero and message.index and message.log_term == log.term_or_zero(message.index) == 0:
        log.commit_to(min(message.commit, message.index + len(message.entries)))
        return message.index
    last_new = log.maybe_append(message.index, message.log_term, message.entries, message.commit)
    if faults.commit_beyond_matched_prefix and last_new is not None:
        log.commit_to(min(message.commit, log.last_index()))
    return last_new


def handle_heartbeat(raft: Raft, message: Message) -> None:
    raft.log.commit_to(message.commit)
    raft.send(Message(MessageType.MsgHeartbeatResp, message.from_, raft.id, raft.term, context=message.context))


def _acknowledge(raft: Raft, leader: int, index: int) -> None:
    raft.send(Message(MessageType.MsgAppResp, leader, raft.id, raft.term, index=index))


# ---- the leader hears them


def handle_append_response(raft: Raft, message: Message, progress: Progress) -> None:
    progress.recent_active = True
    if message.reject:
        _handle_rejection(raft, message, progress)
        return
    peer, index = message.from_, message.index
    news = progress.maybe_update(index)
    if not news and not (progress.match == index and progress.state is StateProbe):
        return
    if progress.state is StateProbe:
        progress.become_replicate()
    elif progress.state is StateSnapshot:
        snapshots.maybe_resume_replication(raft, peer, progress)
    else:
        progress.inflights.free_le(index)

    if maybe_commit(raft):
        reads.release_pending(raft)
        broadcast_append(raft)
    elif peer != raft.id and progress.can_bump_commit(raft.log.committed):
        maybe_send_append(raft, peer)
    if peer != raft.id:
        # The window may have opened for several messages at once.
        while maybe_send_append(raft, peer, if_empty=False):
            pass
    transfer.continue_if_caught_up(raft, peer, progress)


def _handle_rejection(raft: Raft, message: Message, progress: Progress) -> None:
    """The logs do not meet there: go back, as far as both sides' terms allow to conclude."""
    if raft.logger is not None:
        raft.logger.debug(
            f"{raft.id:x} received MsgAppResp(rejected, hint: (index {message.reject_hint}, term {message.log_term})) "
            f"from {message.from_:x} for index {message.index}"
        )
    hint = message.reject_hint
    if message.log_term > 0:
        # Entries of ours with a term above the follower's at the hint cannot be in its log at or before the hint.
        hint, _ = raft.log.find_conflict_by_term(hint, message.log_term)
    if progress.maybe_decr_to(message.index, hint):
        if raft.logger is not None:
            raft.logger.debug(f"{raft.id:x} decreased progress of {message.from_:x} to [{progress}]")
        if progress.state is StateReplicate:
            progress.become_probe()
        maybe_send_append(raft, message.from_)


def handle_heartbeat_response(raft: Raft, message: Message, progress: Progress) -> None:
    progress.recent_active = True
    progress.msg_app_flow_paused = False
    if progress.match < raft.log.last_index() or progress.state is StateProbe:
        maybe_send_append(raft, message.from_)
    reads.handle_heartbeat_response(raft, message)


def handle_unreachable(raft: Raft, message: Message, progress: Progress) -> None:
    """The transport lost a message: optimistic appends are likely lost too."""
    if progress.state is StateReplicate:
        progress.become_probe()
    if raft.logger is not None:
        raft.logger.debug(f"{raft.id:x} failed to send message to {message.from_:x} because it is unreachable [{progress}]")


# ---- applying


def applied_to(raft: Raft, index: int, size: int) -> None:
    """The application has applied up to `index`, `size` bytes of entries in all."""
    raft.log.applied_to(max(index, raft.log.applied), size)
    membership.maybe_leave_joint(raft)
