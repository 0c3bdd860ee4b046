"""Terms, roles and votes (Raft paper, sections 5.1, 5.2 and 5.4.1)."""

from __future__ import annotations

from kubeproof.conformance.trace.raft import membership
from kubeproof.conformance.trace.raft.cluster import Cluster, Reign
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
        raise Violation(
            MONOTONE_TERM, node.id, "it becomes follower of an older term", "state.term", f"at least {node.term}", term
        )
    node.become("StateFollower", term)


def become_candidate(cluster: Cluster, node: Node) -> None:
    """The next term, a vote for itself."""
    membership.require_may_campaign(node)
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
        guard = f"a second node becomes leader of term {node.term}"
        raise Violation(ELECTION_SAFETY, node.id, guard, "actor", earlier.leader, node.id, (earlier.evidence(),))
    votes = [Evidence(line, f"node {node.id} receives the vote of node {voter}") for voter, line in node.votes.items()]
    if node.role != "StateCandidate":
        raise Violation(
            ELECTION_QUORUM, node.id, "it becomes leader without an election", "state.role", "StateCandidate", node.role
        )
    if not node.quorum(node.votes):
        expected = f"votes of a majority of {membership.shown(node.voters, node.outgoing)}"
        seen = membership.shown(tuple(node.votes))
        raise Violation(ELECTION_QUORUM, node.id, "it becomes leader without a quorum of votes", "votes", expected, seen, votes)
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
        guard = "it asks for votes with another last entry than its own"
        raise Violation(VOTE_UP_TO_DATE, node.id, guard, "message.log_term/index", own, seen)


def send_vote(cluster: Cluster, node: Node, message: Message) -> None:
    """An answer to a vote request; granting it is a vote."""
    if message.reject:
        return
    if node.vote not in ("", message.to):
        guard = f"it votes a second time in term {node.term}"
        raise Violation(ONE_VOTE_PER_TERM, node.id, guard, "message.to", node.vote, message.to, (node.last_vote(),))
    if message.to == node.id:
        return
    request = node.handling
    if request is None or request.type != "MsgVote" or request.from_ != message.to or request.term != message.term:
        guard = "it grants a vote that nobody asks for"
        expected = "a vote request at hand, with the same term, from the node that is answered"
        raise Violation(MESSAGE_ORIGIN, node.id, guard, "message.to", expected, message.to)
    last_term = node.log.last_term()
    if last_term is None:
        # entries from before the trace: their last term is at most that of whoever is granted a vote
        cluster.assumptions += 1
    elif (request.log_term, request.index) < (last_term, node.log.last):
        guard = "it votes for a candidate whose log is behind its own"
        expected, seen = f"at least {last_term}/{node.log.last}", f"{request.log_term}/{request.index}"
        asked = Evidence(node.handling_line, f"node {node.id} receives the request of node {message.to}")
        raise Violation(VOTE_UP_TO_DATE, node.id, guard, "last term/index of the candidate", expected, seen, (asked,))
    node.vote, node.vote_line = message.to, cluster.line


def receive_vote(cluster: Cluster, node: Node, message: Message) -> None:
    """A vote that arrives counts for ever, whatever its sender forgets."""
    if message.reject:
        return
    key = message.term, message.from_
    candidate, line = cluster.delivered_votes.setdefault(key, (message.to, cluster.line))
    if candidate != message.to:
        guard = f"node {message.from_} has voted for two candidates in term {message.term}"
        other = Evidence(line, f"node {candidate} receives the vote of node {message.from_} in term {message.term}")
        raise Violation(ONE_VOTE_PER_TERM, message.from_, guard, "message.to", candidate, message.to, (other,))
    if node.role == "StateCandidate" and message.term == node.term:
        node.votes.setdefault(message.from_, cluster.line)
