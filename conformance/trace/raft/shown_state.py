"""The state that an event shows, held against the one that follows from the events before."""

from __future__ import annotations

from kubeproof.conformance.trace.raft import membership, replication
from kubeproof.conformance.trace.raft.cluster import Cluster
from kubeproof.conformance.trace.raft.guards import (
    COMMIT_ADVANCES,
    LEADER_COMMIT_ADVANCES,
    NEWER_TERM,
    NEXT_INDEX,
    VOTED_FOR_NO_OTHER,
    Guard,
)
from kubeproof.conformance.trace.raft.node import Node
from kubeproof.conformance.trace.raft.properties import (
    COMMIT_QUORUM,
    CONFIG_CHANGE,
    LEADER_APPEND_ONLY,
    LEADER_ONLY,
    LOG_MATCHING,
    MONOTONE_COMMIT,
    MONOTONE_TERM,
    ONE_VOTE_PER_TERM,
    Property,
)
from kubeproof.conformance.trace.raft.violation import CannotBeJudged, Violation
from kubeproof.conformance.trace.raft_events import Event, Send, State


def told(state: State | None, field: str, event: str) -> int:
    """A number that only this event can tell; what is left out elsewhere follows from other events."""
    number: int | None = None if state is None else getattr(state, field)
    if number is None:
        raise CannotBeJudged(f"state.{field}: expected in an event {event}, since no other event tells it")
    return number


def check(cluster: Cluster, node: Node, event: Event) -> None:
    """What an event is judged by that changes neither role nor commit index itself."""
    node.pending = None
    if node.offered is not None or node.role == "StateLeader":
        catch_up(cluster, node, event)
    compare(cluster, node, event.state)


def catch_up(cluster: Cluster, node: Node, event: Event) -> None:
    """Effects of earlier events that only the next one shows: a snapshot that was taken or not, entries that were appended."""
    if node.offered is not None:
        replication.decide_snapshot(cluster, node, event)
    if node.role != "StateLeader":
        return
    state = event.state
    if state is not None and state.term is not None and state.term != node.term:
        return  # not the leader's doing
    last = None if state is None else state.last_index
    if last is None and isinstance(event, Send) and event.message.type == "MsgAppResp" and event.message.to == node.id:
        last = event.message.index  # it acknowledges its whole log to itself
    if last is not None and (last != node.log.last or node.announced or node.announced_changes):
        replication.append_announced(cluster, node, last)


def compare(cluster: Cluster, node: Node, state: State | None) -> None:
    """Whatever the state tells must be so."""
    if state is None:
        cluster.assumptions += 1
    elif (
        state.term != node.term
        or state.commit != node.commit
        or state.last_index != node.log.last
        or state.vote != node.vote
        or state.role != node.role
        or state.voters != node.voters
        or state.voters_outgoing != node.outgoing
        or node.outgoing_options
    ):
        _explain(cluster, node, state)


def _explain(cluster: Cluster, node: Node, state: State) -> None:
    """States may differ where the source does not tell, or where it tells only now; everything else is a violation."""
    if None in (state.term, state.vote, state.commit, state.role, state.last_index, state.voters, state.voters_outgoing):
        cluster.assumptions += 1
    if state.term not in (None, node.term):
        reason = "its term is not what the events before give"
        guard = NEWER_TERM if state.term is not None and state.term < node.term else None
        raise Violation(MONOTONE_TERM, node.id, reason, "state.term", node.term, state.term, guard=guard)
    if state.vote not in (None, node.vote):
        reason = f"its vote in term {node.term} is not the one it cast"
        expected, seen = node.vote or "none", state.vote or "none"
        guard = VOTED_FOR_NO_OTHER if node.vote and state.vote else None
        raise Violation(ONE_VOTE_PER_TERM, node.id, reason, "state.vote", expected, seen, (node.last_vote(),), guard)
    if state.last_index is not None and state.last_index != node.log.last:
        broken, guard = _broken_by_log(cluster, node, state.last_index)
        reason = "its log is not what the events before give"
        raise Violation(broken, node.id, reason, "state.last_index", node.log.last, state.last_index, guard=guard)
    if state.commit is not None and state.commit != node.commit:
        broken, guard = _broken_by_commit(node, state.commit)
        reason = "its commit index is not what the events before give"
        raise Violation(broken, node.id, reason, "state.commit", node.commit, state.commit, guard=guard)
    compare_configuration(cluster, node, state)
    if state.role not in (None, node.role):
        if state.role != "StatePreCandidate" or node.role == "StateLeader":
            reason = "its role is not what the events before give"
            raise Violation(LEADER_ONLY, node.id, reason, "state.role", node.role, state.role)
        cluster.assumptions += 1  # the way there is silent in some traces
        node.role = "StatePreCandidate"


def _broken_by_log(cluster: Cluster, node: Node, last: int) -> tuple[Property, Guard | None]:
    if node.role == "StateLeader":
        return LEADER_APPEND_ONLY, NEXT_INDEX if last < node.log.last else None
    return LOG_MATCHING, replication.broken_by_log(cluster, node, last)


def _broken_by_commit(node: Node, commit: int) -> tuple[Property, Guard | None]:
    if commit < node.commit:
        return MONOTONE_COMMIT, LEADER_COMMIT_ADVANCES if node.role == "StateLeader" else COMMIT_ADVANCES
    return COMMIT_QUORUM, replication.broken_by_commit(node, commit)


def compare_configuration(cluster: Cluster, node: Node, state: State | None) -> None:
    """The configuration, and after a change what its outgoing half has become: some events are judged by it."""
    if state is None:
        return
    reason = "its configuration is not what the changes that it applied give"
    if state.voters is not None and state.voters != node.voters:
        if not membership.same(state.voters, node.voters):
            expected, seen = membership.shown(node.voters), membership.shown(state.voters)
            raise Violation(CONFIG_CHANGE, node.id, reason, "state.voters", expected, seen)
        node.voters = state.voters
    outgoing = state.voters_outgoing
    if outgoing is None:
        return
    if node.outgoing_options:
        membership.settle_outgoing(cluster, node, outgoing)
    elif not membership.same(outgoing, node.outgoing):
        expected, seen = membership.shown(node.voters, node.outgoing), membership.shown(node.voters, outgoing)
        raise Violation(CONFIG_CHANGE, node.id, reason, "state.voters_outgoing", expected, seen)
