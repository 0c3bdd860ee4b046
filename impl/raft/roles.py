"""What each role does with a message of its own term, or with a local one (etcd raft.go, stepLeader and its siblings)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubeproof.impl.raft import election, membership, reads, replication, snapshots, transfer
from kubeproof.impl.raft.config import ReadOnlyOption
from kubeproof.impl.raft.errors import ErrProposalDropped, RaftPanic
from kubeproof.impl.raft.types import NO_ID, Message, MessageType, StateType

if TYPE_CHECKING:
    from kubeproof.impl.raft.raft import Raft


# ---- leader


def step_leader(raft: Raft, message: Message) -> None:
    kind = message.type
    if kind is MessageType.MsgBeat:
        replication.broadcast_heartbeat(raft)
    elif kind is MessageType.MsgProp:
        _propose(raft, message)
    elif kind is MessageType.MsgReadIndex:
        reads.handle_request(raft, message)
    elif kind is MessageType.MsgCheckQuorum:
        _check_quorum(raft)
    elif kind is not MessageType.MsgForgetLeader:
        _step_leader_for_peer(raft, message)


def _step_leader_for_peer(raft: Raft, message: Message) -> None:
    kind = message.type
    progress = raft.tracker.progress.get(message.from_)
    if progress is None:
        if raft.logger is not None:
            raft.logger.debug(f"{raft.id:x} no progress available for {message.from_:x}")
    elif kind is MessageType.MsgAppResp:
        replication.handle_append_response(raft, message, progress)
    elif kind is MessageType.MsgHeartbeatResp:
        replication.handle_heartbeat_response(raft, message, progress)
    elif kind is MessageType.MsgSnapStatus:
        snapshots.handle_status(raft, message, progress)
    elif kind is MessageType.MsgUnreachable:
        replication.handle_unreachable(raft, message, progress)
    elif kind is MessageType.MsgTransferLeader:
        transfer.handle_request(raft, message, progress)


def _propose(raft: Raft, message: Message) -> None:
    if not message.entries:
        raise RaftPanic(f"{raft.id:x} stepped empty MsgProp")
    if raft.id not in raft.tracker.progress:
        raise ErrProposalDropped  # removed while it leads
    if raft.lead_transferee != NO_ID:
        if raft.logger is not None:
            raft.logger.debug(
                f"{raft.id:x} [term {raft.term}] transfer leadership to {raft.lead_transferee:x} is in progress; "
                "dropping proposal"
            )
        raise ErrProposalDropped
    if not replication.append_entries(raft, membership.admit_changes(raft, message.entries)):
        raise ErrProposalDropped
    replication.broadcast_append(raft)


def _check_quorum(raft: Raft) -> None:
    """Step down if a quorum was silent since the last check."""
    if not raft.tracker.quorum_active():
        if raft.logger is not None:
            raft.logger.warning(f"{raft.id:x} stepped down to follower since quorum is not active")
        raft.become_follower(raft.term, NO_ID)
    for member, progress in raft.tracker.progress.items():
        if member != raft.id:
            progress.recent_active = False


# ---- candidate and pre-candidate


def step_candidate(raft: Raft, message: Message) -> None:
    kind = message.type
    pre = raft.state is StateType.StatePreCandidate
    if kind is (MessageType.MsgPreVoteResp if pre else MessageType.MsgVoteResp):
        election.count_vote(raft, message)
    elif kind in (MessageType.MsgApp, MessageType.MsgHeartbeat, MessageType.MsgSnap):
        raft.become_follower(message.term, message.from_)  # there is a leader in this term
        _follow(raft, message)
    elif kind is MessageType.MsgProp:
        _log_without_leader(raft, "proposal")
        raise ErrProposalDropped
    elif kind is MessageType.MsgTimeoutNow and raft.logger is not None:
        raft.logger.debug(f"{raft.id:x} [term {raft.term} state {raft.state.name}] ignored MsgTimeoutNow from {message.from_:x}")


# ---- follower


def step_follower(raft: Raft, message: Message) -> None:
    kind = message.type
    if kind in (MessageType.MsgApp, MessageType.MsgHeartbeat, MessageType.MsgSnap):
        raft.election_elapsed = 0
        raft.lead = message.from_
        _follow(raft, message)
    elif kind is MessageType.MsgProp:
        _forward_proposal(raft, message)
    elif kind is MessageType.MsgTransferLeader:
        _forward(raft, message, "leader transfer msg")
    elif kind is MessageType.MsgReadIndex:
        _forward(raft, message, "index reading msg")
    elif kind is MessageType.MsgReadIndexResp:
        reads.handle_response(raft, message)
    elif kind is MessageType.MsgTimeoutNow:
        if raft.logger is not None:
            raft.logger.info(
                f"{raft.id:x} [term {raft.term}] received MsgTimeoutNow from {message.from_:x} "
                "and starts an election to get leadership."
            )
        election.hup(raft, election.Campaign.TRANSFER)
    elif kind is MessageType.MsgForgetLeader:
        _forget_leader(raft)


def _follow(raft: Raft, message: Message) -> None:
    kind = message.type
    if kind is MessageType.MsgApp:
        replication.handle_append_entries(raft, message)
    elif kind is MessageType.MsgHeartbeat:
        replication.handle_heartbeat(raft, message)
    else:
        snapshots.handle_snapshot(raft, message)


def _forward_proposal(raft: Raft, message: Message) -> None:
    if raft.lead == NO_ID:
        _log_without_leader(raft, "proposal")
        raise ErrProposalDropped
    if raft.config.disable_proposal_forwarding:
        if raft.logger is not None:
            raft.logger.info(f"{raft.id:x} not forwarding to leader {raft.lead:x} at term {raft.term}; dropping proposal")
        raise ErrProposalDropped
    _pass_on(raft, message, 0)


def _forward(raft: Raft, message: Message, what: str) -> None:
    """Pass a request on to the leader. A read goes without a term: it is not this node's word (etcd#6744)."""
    if raft.lead == NO_ID:
        _log_without_leader(raft, what)
        return
    own_word = message.type is MessageType.MsgTransferLeader or raft.faults.read_index_forwarded_with_term
    _pass_on(raft, message, raft.term if own_word else 0)


def _pass_on(raft: Raft, message: Message, term: int) -> None:
    if message.term != 0:
        raise RaftPanic(f"term should not be set when sending {message.type.name} (was {message.term})")
    raft.send(message._replace(to=raft.lead, from_=message.from_ or raft.id, term=term))


def _log_without_leader(raft: Raft, what: str) -> None:
    if raft.logger is not None:
        raft.logger.info(f"{raft.id:x} no leader at term {raft.term}; dropping {what}")


def _forget_leader(raft: Raft) -> None:
    """Free this follower to vote, although its leader may be alive."""
    if raft.config.read_only_option is ReadOnlyOption.ReadOnlyLeaseBased:
        if raft.logger is not None:
            raft.logger.error("ignoring MsgForgetLeader due to ReadOnlyLeaseBased")
    elif raft.lead != NO_ID:
        if raft.logger is not None:
            raft.logger.info(f"{raft.id:x} forgetting leader {raft.lead:x} at term {raft.term}")
        raft.lead = NO_ID
