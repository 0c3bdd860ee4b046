"""Sending and receiving: what holds for messages of any kind, and what those of each kind mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kubeproof.conformance.trace.raft import elections, replication
from kubeproof.conformance.trace.raft.cluster import Cluster
from kubeproof.conformance.trace.raft.guards import IN_OWN_TERM, IS_ADDRESSED, VOTE_REQUESTED, WAS_SENT, WAS_WRITTEN, Guard
from kubeproof.conformance.trace.raft.node import Node
from kubeproof.conformance.trace.raft.properties import DURABLE_STATE, LEADER_ONLY, MESSAGE_ORIGIN, MONOTONE_TERM
from kubeproof.conformance.trace.raft.sent_messages import fingerprint
from kubeproof.conformance.trace.raft.stable_storage import Restart
from kubeproof.conformance.trace.raft.violation import Evidence, Violation
from kubeproof.conformance.trace.raft_events import Message

_FROM_LEADER = frozenset({"MsgApp", "MsgHeartbeat", "MsgSnap"})
# These leave after the write that they promise.
_PROMISES = frozenset({"MsgAppResp", "MsgVoteResp", "MsgPreVoteResp"})
# Between nodes, and a node's answers to itself; others are local, or may be passed on in another's name.
_EXCHANGED = _FROM_LEADER | _PROMISES | {"MsgVote", "MsgPreVote", "MsgHeartbeatResp", "MsgTimeoutNow", "MsgReadIndexResp"}
# Those that bear the sender's own term. (Pre-votes speak of the next one.)
_OF_OWN_TERM = _EXCHANGED - {"MsgPreVote", "MsgPreVoteResp"}

_ON_SEND: Mapping[str, Callable[[Cluster, Node, Message], None]] = {
    "MsgApp": replication.send_append,
    "MsgHeartbeat": replication.send_heartbeat,
    "MsgSnap": replication.send_snapshot,
    "MsgAppResp": replication.send_append_response,
    "MsgVote": elections.send_vote_request,
    "MsgVoteResp": elections.send_vote,
}


def send(cluster: Cluster, node: Node, message: Message) -> None:
    """A message is queued; it leaves with the next Ready."""
    kind = message.type
    if kind not in _EXCHANGED:
        return
    if message.from_ != node.id:
        raise Violation(MESSAGE_ORIGIN, node.id, "it sends in another node's name", "message.from", node.id, message.from_)
    if message.term != node.term and kind in _OF_OWN_TERM:
        broken = LEADER_ONLY if kind in _FROM_LEADER else MONOTONE_TERM
        reason = "it sends in another term than its own"
        guard = None if message.reject else IN_OWN_TERM.get(kind)
        raise Violation(broken, node.id, reason, "message.term", node.term, message.term, guard=guard)
    rule = _ON_SEND.get(kind)
    if rule is not None:
        rule(cluster, node, message)
    cluster.last_sent[kind, message.from_, message.to] = cluster.line, message
    key = fingerprint(message)
    ready = cluster.sent.get(key)
    if ready is None or (kind in _PROMISES and node.storage.is_lost(ready)):
        cluster.sent.put(key, node.storage.readys + 1)


def receive(cluster: Cluster, node: Node, message: Message) -> None:
    """A message is taken that was sent before. Its effect on a follower shows in the node's next event."""
    kind = message.type
    node.handling, node.handling_line = message, cluster.line
    if kind not in _EXCHANGED:
        return
    if message.to != node.id:
        reason = "it receives a message that is addressed to another node"
        raise Violation(MESSAGE_ORIGIN, node.id, reason, "message.to", node.id, message.to, guard=IS_ADDRESSED.get(kind))
    ready = cluster.sent.get(fingerprint(message))
    if ready is None and not replication.is_newer_snapshot(cluster, message):
        raise _never_sent(cluster, node, message)
    if ready is not None and kind in _PROMISES:
        _confirm(cluster, message, ready)
        if kind == "MsgVoteResp":
            elections.receive_vote(cluster, node, message)
        elif kind == "MsgAppResp":
            replication.receive_append_response(cluster, node, message)
    elif kind in _FROM_LEADER and message.term >= node.term:
        if message.term == node.term and node.role == "StateFollower":
            replication.take_from_leader(cluster, node, message)
        else:
            node.pending = message


def _confirm(cluster: Cluster, answer: Message, ready: int) -> None:
    """An answer proves that what was handed out with it is stored."""
    node = cluster.nodes[answer.from_]
    restart = node.storage.confirm(ready, cluster.line)
    for other in cluster.alternatives.get(node.id, ()):
        other.storage.confirm(ready, cluster.line)
    if restart is not None:
        raise _promise_broken(node, restart, None if answer.reject else WAS_WRITTEN.get(answer.type))


def _promise_broken(node: Node, restart: Restart, guard: Guard | None) -> Violation:
    reason = f"an answer of node {node.id} arrives from before a restart that shows that it was not stored"
    evidence = (Evidence(restart.line, f"node {node.id} has restarted without it"),)
    expected, seen = "no answer before its write", "one that a crash undid"
    return Violation(DURABLE_STATE, node.id, reason, "message", expected, seen, evidence, guard)


def _never_sent(cluster: Cluster, node: Node, message: Message) -> Violation:
    reason, guard = f"it receives a {message.type} from node {message.from_} that was not sent before", _unsent(cluster, message)
    if (last := cluster.last_sent.get((message.type, message.from_, message.to))) is None:
        expected = "nothing, none of this kind was sent"
        return Violation(MESSAGE_ORIGIN, node.id, reason, "message", expected, _fields(message), guard=guard)
    line, sent = last
    expected = f"a message that was sent; the last was {_fields(sent)}"
    evidence = (Evidence(line, f"node {message.from_} sends {_fields(sent)} to node {message.to}"),)
    return Violation(MESSAGE_ORIGIN, node.id, reason, "message", expected, _fields(message), evidence, guard)


def _unsent(cluster: Cluster, message: Message) -> Guard | None:
    """A vote request was sent if the candidate has asked anyone like that; other messages are what their receiver gets."""
    if message.type != "MsgVote":
        return WAS_SENT.get(message.type)
    requested = (message.from_, message.term, message.index, message.log_term) in cluster.vote_requests
    return None if requested else VOTE_REQUESTED


def _fields(message: Message) -> str:
    """The fields of a message for people: those that are told."""
    count = len(message.entries) if message.entry_count is None else message.entry_count
    fields = {
        "term": message.term,
        "log_term": message.log_term,
        "index": message.index,
        "entries": count,
        "commit": message.commit,
        "reject_hint": message.reject_hint,
        "snapshot": 0 if message.snapshot is None else message.snapshot.index,
    }
    told = " ".join(f"{name} {value}" for name, value in fields.items() if value)
    return f"{message.type} ({told}{', rejecting' if message.reject else ''})"
