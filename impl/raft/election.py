"""Elections: who may campaign, how votes are asked for, given and counted (Raft paper sections 5.2, 5.4.1; thesis 9.6)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from kubeproof.impl.raft import replication
from kubeproof.impl.raft.errors import ErrCompacted, RaftPanic
from kubeproof.impl.raft.quorum import VoteResult
from kubeproof.impl.raft.types import NO_ID, EntryType, Message, MessageType, StateType

if TYPE_CHECKING:
    from kubeproof.impl.raft.raft import Raft

CAMPAIGN_TRANSFER = b"CampaignTransfer"
"""The context of a vote request for a leader transfer: it is granted in spite of a lease."""


class Campaign(Enum):
    """Why a node campaigns. A transfer skips the pre-election: its node is known not to come back from a partition."""

    PRE_ELECTION = "pre-election"
    ELECTION = "election"
    TRANSFER = "transfer"


def promotable(raft: Raft) -> bool:
    """Whether the node may lead: a voter, without a snapshot that it has yet to restore (etcd#12163)."""
    own = raft.tracker.progress.get(raft.id)
    if own is None or own.is_learner:
        return False
    return raft.log.unstable.snapshot is None or raft.faults.campaign_with_pending_snapshot


def lease_protects_leader(raft: Raft) -> bool:
    """Whether the node has heard of a leader so lately that it must not help to depose it (thesis section 4.2.3)."""
    return raft.config.check_quorum and raft.lead != NO_ID and raft.election_elapsed < raft.config.election_tick


def hup(raft: Raft, campaign: Campaign) -> None:
    """Campaign, if nothing speaks against it."""
    if raft.state is StateType.StateLeader:
        if raft.logger is not None:
            raft.logger.debug(f"{raft.id:x} ignoring MsgHup because already leader")
        return
    if not promotable(raft):
        if raft.logger is not None:
            raft.logger.warning(f"{raft.id:x} is unpromotable and can not campaign")
        return
    if has_unapplied_conf_changes(raft, campaign):
        if raft.logger is not None:
            raft.logger.warning(
                f"{raft.id:x} cannot campaign at term {raft.term} since there are still pending configuration changes to apply"
            )
        return
    if raft.logger is not None:
        raft.logger.info(f"{raft.id:x} is starting a new election at term {raft.term}")
    start_campaign(raft, campaign)


def has_unapplied_conf_changes(raft: Raft, campaign: Campaign) -> bool:
    """Whether a membership is committed that the node does not count by yet: it must not ask the old one (etcd#7280)."""
    faults = raft.faults
    if faults.campaign_with_unapplied_conf_change:
        return False
    if faults.unapplied_check_skipped_for_transfer and campaign is Campaign.TRANSFER:
        return False
    log = raft.log
    if log.applied >= log.committed:
        return False
    kinds = {EntryType.EntryConfChange}
    if not faults.unapplied_check_ignores_v2:
        kinds.add(EntryType.EntryConfChangeV2)
    low, high = log.applied + 1, log.committed + 1
    try:
        return any(entry.type in kinds for page in log.pages(low, high, log.max_applying_size) for entry in page)
    except ErrCompacted as error:
        # the application has compacted what it has not yet reported as applied
        raise RaftPanic(f"error scanning unapplied entries [{low}, {high}): {error}") from error


def start_campaign(raft: Raft, campaign: Campaign) -> None:
    """Become a candidate of either kind, vote for oneself, and ask the others."""
    if campaign is Campaign.PRE_ELECTION:
        raft.become_pre_candidate()
        # the term that the node would campaign in, which it does not enter yet
        request, answer, term = MessageType.MsgPreVote, MessageType.MsgPreVoteResp, raft.term + 1
    else:
        raft.become_candidate()
        request, answer, term = MessageType.MsgVote, MessageType.MsgVoteResp, raft.term
    context = CAMPAIGN_TRANSFER if campaign is Campaign.TRANSFER else b""
    last_term, last_index = raft.log.last_entry_id()
    for voter in raft.tracker.voter_nodes():
        if voter == raft.id:
            # counts when it comes back, that is when term and vote are durable
            raft.send(Message(answer, voter, raft.id, term))
            continue
        if raft.logger is not None:
            raft.logger.info(
                f"{raft.id:x} [logterm: {last_term}, index: {last_index}] "
                f"sent {request.name} request to {voter:x} at term {raft.term}"
            )
        raft.send(Message(request, voter, raft.id, term, last_term, last_index, context=context))


def answer_vote_request(raft: Raft, message: Message) -> None:
    """Grant or reject a vote or pre-vote.

    Learners answer too: a candidate that counts on them knows of a promotion of which they have not heard yet (etcd#10998).
    """
    if not _may_vote_for(raft, message):
        reject_vote_request(raft, message)
        return
    if raft.logger is not None:
        raft.logger.info(f"{_own_log(raft)} cast {_request(message, 'for')} at term {raft.term}")
    # A pre-vote is granted in the term it asked for, or a candidate ahead of our term would take the grant for an old message.
    _send_answer(raft, message, raft.term if raft.faults.pre_vote_answered_with_own_term else message.term)
    if message.type is MessageType.MsgVote:
        raft.election_elapsed = 0
        raft.vote = message.from_


def _may_vote_for(raft: Raft, message: Message) -> bool:
    faults = raft.faults
    free_to_vote = (
        raft.vote == message.from_
        or (raft.vote == NO_ID and raft.lead == NO_ID)
        or (message.type is MessageType.MsgPreVote and message.term > raft.term)
        or faults.vote_granted_twice
    )
    if faults.learner_refuses_votes and not promotable(raft):
        return False
    return free_to_vote and (faults.vote_for_shorter_log or raft.log.is_up_to_date(message.log_term, message.index))


def reject_vote_request(raft: Raft, message: Message) -> None:
    if raft.logger is not None:
        raft.logger.info(f"{_own_log(raft)} rejected {_request(message, 'from')} at term {raft.term}")
    _send_answer(raft, message, raft.term, reject=True)


def _send_answer(raft: Raft, request: Message, term: int, *, reject: bool = False) -> None:
    answer = MessageType.MsgVoteResp if request.type is MessageType.MsgVote else MessageType.MsgPreVoteResp
    if term == 0:
        raise RaftPanic(f"term should be set when sending {answer.name}")
    raft.send(Message(answer, request.from_, raft.id, term, reject=reject))


def log_ignored_vote_request(raft: Raft, message: Message) -> None:
    if raft.logger is not None:
        remaining = raft.config.election_tick - raft.election_elapsed
        raft.logger.info(
            f"{_own_log(raft)} ignored {_request(message, 'from')} at term {raft.term}: "
            f"lease is not expired (remaining ticks: {remaining})"
        )


def _own_log(raft: Raft) -> str:
    last_term, last_index = raft.log.last_entry_id()
    return f"{raft.id:x} [logterm: {last_term}, index: {last_index}, vote: {raft.vote:x}]"


def _request(message: Message, preposition: str) -> str:
    return f"{message.type.name} {preposition} {message.from_:x} [logterm: {message.log_term}, index: {message.index}]"


def count_vote(raft: Raft, message: Message) -> None:
    """Take a vote of the running campaign, and act when it is decided."""
    granted = not message.reject
    if raft.logger is not None:
        rejection = "" if granted else " rejection"
        raft.logger.info(f"{raft.id:x} received {message.type.name}{rejection} from {message.from_:x} at term {raft.term}")
    raft.tracker.record_vote(message.from_, granted)
    votes, rejections, result = raft.tracker.tally_votes()
    if raft.faults.election_without_joint_quorum:
        result = raft.tracker.config.voters.incoming.vote_result(raft.tracker.votes)
    if raft.logger is not None:
        raft.logger.info(f"{raft.id:x} has received {votes} {message.type.name} votes and {rejections} vote rejections")
    if result is VoteResult.VoteLost:
        raft.become_follower(raft.term, NO_ID)
    elif result is VoteResult.VoteWon:
        if raft.state is StateType.StatePreCandidate:
            start_campaign(raft, Campaign.ELECTION)
        else:
            raft.become_leader()
            replication.broadcast_append(raft)
