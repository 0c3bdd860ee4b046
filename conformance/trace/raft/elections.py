"""Terms, roles and votes (Raft paper, sections 5.1, 5.2 and 5.4.1)."""

from __future__ import annotations

from kubeproof.conformance.trace.raft import membership
from kubeproof.conformance.trace.raft.cluster import Cluster, Reign
from kubeproof.conformance.trace.raft.guards import (
    CAMPAIGN_IN_NEWER_TERM,
    IS_CANDIDATE,
    NEWER_TERM,
    REQUEST_TELLS_OWN_LAST,
    UP_TO_DATE,
    VOTE_REQUESTED,
    VOTED_FOR_NO_OTHER,
    VOTES,
)
from kubeproof.conformance.trace.raft.node import Node
from kubeproof.conformance.trace.raft.properties import (
    ELECTION_QUORUM,
    ELECTION_SAFETY,
    MESSAGE_ORIGIN,
    MONOTONE_TERM,
    ONE_VOTE_PER_TERM,
    VOTE_UP_TO_DATE,
)
from kubeproof.conformance.trace.raft.violation import Evidence, Violation
from kubeproof.conformance.trace.raft_events import Message


def become_follower(node: Node, term: int) -> None:
    """A term may rise without a message that the trace tells of (answers to pre-votes carry terms)."""
    if term < node.term:
        reason, expected = "it becomes follower of an older term", f"at least {node.term}"
        raise Violation(MONOTONE_TERM, node.id, reason, "state.term", expected, term, guard=NEWER_TERM)
    node.become("StateFollower", term)


def become_candidate(cluster: Cluster, node: Node, term: int | None) -> None:
    """The next term, a vote for itself. `term` is the one that the event tells."""
    membership.require_may_campaign(node)
    if term is not None and term <= node.term:
        reason, expected = "it campaigns in a term that is not newer", node.term + 1
        raise Violation(MONOTONE_TERM, node.id, reason, "state.term", expected, term, guard=CAMPAIGN_IN_NEWER_TERM)
    node.become("StateCandidate", node.term + 1)
    node.vote, node.vote_line = node.id, cluster.line


def become_pre_candidate(node: Node) -> None:
    """Neither term nor vote change."""
    membership.require_may_campaign(node)
    node.role = "StatePreCandidate"


def become_leader(cluster: Cluster, node: Node) -> None:
    """The first leader of its term, with the votes of a quorum, and with all that was committed before."""
    earlier = cluster.reigns.get(node.term)
    if earlier is not None and earlier.leader != node.id:
        reason = f"a second node becomes leader of term {node.term}"
        evidence, guard = (earlier.evidence(),), node.lacks(node.votes, VOTES)
        raise Violation(ELECTION_SAFETY, node.id, reason, "actor", earlier.leader, node.id, evidence, guard)
    votes = [Evidence(line, f"node {node.id} receives the vote of node {voter}") for voter, line in node.votes.items()]
    if node.role != "StateCandidate":
        reason = "it becomes leader without an election"
        raise Violation(ELECTION_QUORUM, node.id, reason, "state.role", "StateCandidate", node.role, guard=IS_CANDIDATE)
    if lack := node.lacks(node.votes, VOTES):
        expected = f"votes of a majority of {membership.shown(node.voters, node.outgoing)}"
        seen = membership.shown(tuple(node.votes))
        reason = "it becomes leader without a quorum of votes"
        raise Violation(ELECTION_QUORUM, node.id, reason, "votes", expected, seen, votes, lack)
    reign = Reign(node.id, node.term, node.log, cluster.line)
    committed = cluster.committed_before(node.term)
    if committed is not None:
        cluster.require_completeness(reign, cluster.committed.at(committed.index), committed)
    node.become("StateLeader", node.term)
    cluster.add_reign(reign)


def send_vote_request(cluster: Cluster, node: Node, message: Message) -> None:
    """A candidate asks with the end of its own log."""
    last = node.log.last_term()
    if last is None:
        cluster.assumptions += 1
        node.log.segment.learn_term(node.log.last, message.log_term)
        last = message.log_term
    own, seen = f"{last}/{node.log.last}", f"{message.log_term}/{message.index}"
    if own != seen:
        reason = "it asks for votes with another last entry than its own"
        field = "message.log_term/index"
        raise Violation(VOTE_UP_TO_DATE, node.id, reason, field, own, seen, guard=REQUEST_TELLS_OWN_LAST)
    cluster.vote_requests.add((node.id, message.term, message.index, message.log_term))


def send_vote(cluster: Cluster, node: Node, message: Message) -> None:
    """An answer to a vote request; granting it is a vote."""
    if message.reject:
        return
    if node.vote not in ("", message.to):
        reason = f"it votes a second time in term {node.term}"
        evidence = (node.last_vote(),)
        raise Violation(ONE_VOTE_PER_TERM, node.id, reason, "message.to", node.vote, message.to, evidence, VOTED_FOR_NO_OTHER)
    if message.to == node.id:
        return
    request = node.handling
    if request is None or request.type != "MsgVote" or request.from_ != message.to or request.term != message.term:
        reason = "it grants a vote that nobody asks for"
        expected = "a vote request at hand, with the same term, from the node that is answered"
        asked_once = any((candidate, term) == (message.to, message.term) for candidate, term, _, _ in cluster.vote_requests)
        guard = None if asked_once else VOTE_REQUESTED
        raise Violation(MESSAGE_ORIGIN, node.id, reason, "message.to", expected, message.to, guard=guard)
    last_term = node.log.last_term()
    if last_term is None:
        # entries from before the trace: their last term is at most that of whoever is granted a vote
        cluster.assumptions += 1
    elif (request.log_term, request.index) < (last_term, node.log.last):
        reason = "it votes for a candidate whose log is behind its own"
        expected, seen = f"at least {last_term}/{node.log.last}", f"{request.log_term}/{request.index}"
        asked = Evidence(node.handling_line, f"node {node.id} receives the request of node {message.to}")
        field = "last term/index of the candidate"
        raise Violation(VOTE_UP_TO_DATE, node.id, reason, field, expected, seen, (asked,), UP_TO_DATE)
    node.vote, node.vote_line = message.to, cluster.line


def receive_vote(cluster: Cluster, node: Node, message: Message) -> None:
    """A vote that arrives counts for ever, whatever its sender forgets."""
    if message.reject:
        return
    key = message.term, message.from_
    candidate, line = cluster.delivered_votes.setdefault(key, (message.to, cluster.line))
    if candidate != message.to:
        reason = f"node {message.from_} has voted for two candidates in term {message.term}"
        other = Evidence(line, f"node {candidate} receives the vote of node {message.from_} in term {message.term}")
        voter, field = message.from_, "message.to"
        raise Violation(ONE_VOTE_PER_TERM, voter, reason, field, candidate, message.to, (other,), VOTED_FOR_NO_OTHER)
    if node.role == "StateCandidate" and message.term == node.term:
        node.votes.setdefault(message.from_, cluster.line)
