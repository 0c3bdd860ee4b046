"""Membership: proposed one change at a time, in force when applied (Raft thesis chapter 4, with etcd's apply-time rule)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kubeproof.impl.raft import replication
from kubeproof.impl.raft.confchange import (
    Changer,
    ConfChangeError,
    ConfChangeType,
    ConfChangeV2,
    decode_conf_change,
    describe_conf_change,
    encode_conf_change,
    restore,
)
from kubeproof.impl.raft.errors import ErrProposalDropped, RaftPanic
from kubeproof.impl.raft.tracker import Progress, TrackerConfig
from kubeproof.impl.raft.types import NO_ID, ConfState, Entry, EntryType, Message, MessageType, StateType

if TYPE_CHECKING:
    from kubeproof.impl.raft.raft import Raft

REFUSED = Entry(0, 0, EntryType.EntryNormal)


def admit_changes(raft: Raft, proposed: Sequence[Entry]) -> list[Entry]:
    """The proposals as they may be appended: a membership change that must wait becomes an empty entry.

    Only one change may be under way, since it is in force for each node when that node applies it. The check uses what the leader
    has applied, so it may refuse too much (etcd-io/raft#80); applications that check by themselves switch it off.
    """
    admitted = list(proposed)
    for position, entry in enumerate(proposed):
        if entry.type is EntryType.EntryNormal:
            continue
        change = decode_conf_change(entry.type, entry.data)
        reason = _reason_to_refuse(raft, change.as_v2())
        if reason and not raft.config.disable_conf_change_validation:
            if raft.logger is not None:
                raft.logger.info(
                    f"{raft.id:x} ignoring conf change {describe_conf_change(change)} at config {raft.tracker.config}: {reason}"
                )
            admitted[position] = REFUSED
            continue
        if not (raft.faults.auto_leave_repeated and not change.as_v2().changes):
            raft.pending_conf_index = raft.log.last_index() + position + 1
        if raft.trace is not None and _changes_membership(change.as_v2()):
            raft.note("change_conf", change)
    return admitted


def _changes_membership(change: ConfChangeV2) -> bool:
    """Whether there is something to trace: an update concerns the application only (etcd state_trace.go)."""
    return any(single.type is not ConfChangeType.ConfChangeUpdateNode for single in change.changes)


def _reason_to_refuse(raft: Raft, change: ConfChangeV2) -> str:
    joint = raft.tracker.config.is_joint
    leaves = not change.changes
    if raft.pending_conf_index > raft.log.applied and not raft.faults.second_change_admitted:
        if raft.faults.auto_leave_repeated and leaves:
            return ""
        return f"possible unapplied conf change at index {raft.pending_conf_index} (applied to {raft.log.applied})"
    if joint and not leaves:
        return "must transition out of joint config first"
    if not joint and leaves:
        return "not in joint state; refusing empty conf change"
    return ""


def apply_conf_change(raft: Raft, change: ConfChangeV2) -> ConfState:
    """The application applies a change: it is in force on this node from now on."""
    changer = Changer(raft.tracker, raft.log.last_index())
    auto_leave, joint = change.enter_joint()
    try:
        if change.leave_joint():
            changed = changer.leave_joint()
        elif joint:
            changed = changer.enter_joint(auto_leave, change.changes)
        else:
            changed = changer.simple(change.changes)
    except ConfChangeError as error:
        raise RaftPanic(str(error)) from error
    return switch_to_config(raft, *changed)


def restore_config(raft: Raft, conf_state: ConfState) -> ConfState:
    """Put a stored membership in force, and return it in canonical order. RaftPanic if there is no such membership."""
    stored = conf_state._replace(
        voters=tuple(sorted(conf_state.voters)),
        learners=tuple(sorted(conf_state.learners)),
        voters_outgoing=tuple(sorted(conf_state.voters_outgoing)),
        learners_next=tuple(sorted(conf_state.learners_next)),
    )
    if raft.faults.joint_conf_state_lost:
        stored = ConfState(stored.voters, stored.learners)
    restored = switch_to_config(raft, *restore(Changer(raft.tracker, raft.log.last_index()), stored))
    if restored != stored:
        raise RaftPanic(f"ConfStates not equivalent: stored {stored}, restored {restored}")
    return restored


def switch_to_config(raft: Raft, config: TrackerConfig, progress: dict[int, Progress]) -> ConfState:
    """Put a membership in force, and do what follows from it for a leader."""
    raft.note("apply_conf_change", config)
    raft.tracker.config, raft.tracker.progress = config, progress
    if raft.logger is not None:
        raft.logger.info(f"{raft.id:x} switched to configuration {config}")
    conf_state = raft.tracker.conf_state()
    own = progress.get(raft.id)
    raft.is_learner = own is not None and own.is_learner
    if raft.state is not StateType.StateLeader:
        return conf_state
    if own is None or own.is_learner:
        if raft.config.step_down_on_removal:
            raft.become_follower(raft.term, NO_ID)
    elif conf_state.voters:
        _lead_new_membership(raft)
    return conf_state


def _lead_new_membership(raft: Raft) -> None:
    if not raft.faults.commit_not_checked_after_removal and replication.maybe_commit(raft):
        replication.broadcast_append(raft)  # a smaller quorum may have committed more
    else:
        for member in raft.tracker.progress:
            if member != raft.id:
                replication.maybe_send_append(raft, member, if_empty=False)  # newcomers need not wait for a heartbeat
    if raft.lead_transferee != NO_ID and raft.lead_transferee not in raft.tracker.config.voters.ids():
        raft.lead_transferee = NO_ID


def maybe_leave_joint(raft: Raft) -> None:
    """Propose to leave a joint configuration, if it is to be left automatically and nothing is pending."""
    config, log = raft.tracker.config, raft.log
    if not config.auto_leave or log.applied < raft.pending_conf_index or raft.state is not StateType.StateLeader:
        return
    if raft.faults.auto_leave_only_by_proposer and log.term_or_zero(raft.pending_conf_index) != raft.term:
        return
    kind, data = encode_conf_change(None)
    try:
        raft.step(Message(MessageType.MsgProp, entries=(Entry(0, 0, kind, data),)))
    except ErrProposalDropped as error:
        # during a leader transfer; tried again when the next entry is applied
        if raft.logger is not None:
            raft.logger.debug(f"not initiating automatic transition out of joint configuration {config}: {error}")
    else:
        if raft.logger is not None:
            raft.logger.info(f"initiating automatic transition out of joint configuration {config}")
