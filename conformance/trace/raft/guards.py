"""The guards of the specifications in models/ that a run is seen to break, chapter by chapter.

A rule names a guard where what it finds shows that the guard does not hold, so that the event is no step of that action; messages
that a guard asks for are those that the node has received. These are names only: the checker shares no code with the
specifications.
"""

from __future__ import annotations

from typing import NamedTuple


class Guard(NamedTuple):
    """A guard of an action of a specification."""

    spec: str
    action: str
    guard: str


class QuorumGuards(NamedTuple):
    """What fails where a quorum is lacking: of a simple configuration, or of a half of a joint one."""

    simple: Guard
    incoming: Guard
    outgoing: Guard


class ProposalGuards(NamedTuple):
    """What fails where a membership change is taken by another node than the leader, or while another one is pending."""

    is_leader: Guard
    none_pending: Guard


# ---- elections

NEWER_TERM = Guard("raft", "update_term", "newer_term")
CAMPAIGN_IN_NEWER_TERM = Guard("raft", "campaign", "newer_term")
NO_UNAPPLIED_CHANGE = Guard("membership", "campaign", "no_unapplied_change")
REQUEST_TELLS_OWN_LAST = Guard("membership", "request_votes", "has_campaigned")
VOTE_REQUESTED = Guard("raft", "grant_vote", "requested")
UP_TO_DATE = Guard("raft", "grant_vote", "up_to_date")
VOTED_FOR_NO_OTHER = Guard("raft", "grant_vote", "voted_for_no_other")
IS_CANDIDATE = Guard("membership", "become_leader", "is_candidate")
VOTES = QuorumGuards(
    simple=Guard("raft", "become_leader", "quorum_of_votes"),
    incoming=Guard("membership", "become_leader", "incoming_half"),
    outgoing=Guard("membership", "become_leader", "outgoing_half"),
)

# ---- replication

LEADER_PROPOSES = Guard("raft", "propose", "is_leader")
LEADER_SENDS_APPEND = Guard("raft", "send_append", "is_leader")
LEADER_SENDS_HEARTBEAT = Guard("raft", "send_heartbeat", "is_leader")
LEADER_SENDS_SNAPSHOT = Guard("raft", "send_snapshot", "is_leader")
LEADER_COMMITS = Guard("membership", "advance_commit", "is_leader")
NEXT_INDEX = Guard("raft", "propose", "next_index")
APPEND_HAS_PREVIOUS = Guard("raft", "send_append", "previous")
APPEND_HAS_ENTRIES = Guard("raft", "send_append", "entries")
APPEND_TELLS_COMMIT = Guard("raft", "send_append", "commit")
HEARTBEAT_TELLS_COMMIT = Guard("raft", "send_heartbeat", "commit")
HEARTBEAT_WITHIN_MATCH = Guard("raft", "send_heartbeat", "within_match")
SNAPSHOT_IS_COMMITTED = Guard("raft", "send_snapshot", "committed")
PREVIOUS_MATCHES = Guard("raft", "receive_new_append", "previous_matches")
CONFLICT = Guard("raft", "receive_new_append", "conflict")
ACKNOWLEDGES_OWN_ENTRY = Guard("membership", "acknowledge", "entry_written")
ACKNOWLEDGES_APPEND = Guard("raft", "receive_known_append", "sent")

# ---- commitment

COMMITS_OWN_ENTRY = Guard("membership", "advance_commit", "has_entry")
ENTRY_OF_OWN_TERM = Guard("raft", "advance_commit", "entry_of_own_term")
ACKNOWLEDGEMENTS = QuorumGuards(
    simple=Guard("raft", "advance_commit", "quorum_of_acks"),
    incoming=Guard("membership", "advance_commit", "incoming_half"),
    outgoing=Guard("membership", "advance_commit", "outgoing_half"),
)
LEADER_COMMIT_ADVANCES = Guard("raft", "advance_commit", "advances")
COMMIT_ADVANCES = Guard("raft", "learn_commit", "advances")
LEARNS_WHAT_MATCHES = Guard("raft", "learn_commit", "previous_matches")
LEARNS_WHAT_APPEND_TELLS = Guard("raft", "learn_commit", "leader_committed")
LEARNS_WITHIN_APPEND = Guard("raft", "learn_commit", "within_message")
LEARNS_WHAT_HEARTBEAT_TELLS = Guard("raft", "receive_heartbeat", "leader_committed")
RESTARTS_WITHIN_LOG = Guard("raft", "restart", "not_above")
RESTARTS_BEHIND_SNAPSHOT = Guard("raft", "restart", "not_below_snapshot")

# ---- membership

PROPOSES_SIMPLE = ProposalGuards(
    Guard("membership", "propose_simple", "is_leader"), Guard("membership", "propose_simple", "no_pending_change")
)
PROPOSES_JOINT = ProposalGuards(
    Guard("membership", "propose_joint", "is_leader"), Guard("membership", "propose_joint", "no_pending_change")
)
PROPOSES_LEAVE = ProposalGuards(
    Guard("membership", "propose_leave", "is_leader"), Guard("membership", "propose_leave", "no_pending_change")
)
APPLIES_COMMITTED = Guard("membership", "apply", "committed")
APPLIES_FORWARD = Guard("membership", "apply", "advances")
RESTART_IS_COMMITTED = Guard("membership", "restart", "applied_is_committed")

# ---- reads

COMMITTED_IN_OWN_TERM = Guard("reads", "receive_read", "committed_in_own_term")
COMMITTED_IN_OWN_TERM_ALONE = Guard("reads", "answer_alone", "committed_in_own_term")
READ_IS_ANSWERED = Guard("reads", "serve_read", "answered")
READ_IS_APPLIED = Guard("reads", "serve_read", "applied")

# ---- messages, by their type: sent in another term, received unsent, received unwritten, received by another node

IN_OWN_TERM = {
    "MsgApp": Guard("raft", "send_append", "own_term"),
    "MsgHeartbeat": Guard("raft", "send_heartbeat", "own_term"),
    "MsgSnap": Guard("raft", "send_snapshot", "own_term"),
    "MsgVote": Guard("membership", "request_votes", "has_campaigned"),
    "MsgVoteResp": Guard("raft", "grant_vote", "in_term"),
}
WAS_SENT = {
    "MsgApp": Guard("membership", "receive_append", "sent"),
    "MsgHeartbeat": Guard("raft", "receive_heartbeat", "sent"),
    "MsgSnap": Guard("raft", "receive_new_snapshot", "sent"),
}
WAS_WRITTEN = {"MsgVoteResp": Guard("membership", "send_vote", "written")}
IS_ADDRESSED = {"MsgHeartbeat": Guard("raft", "receive_heartbeat", "addressed")}
