"""Sending and receiving: what holds for messages of any kind, and what those of each kind mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kubeproof.conformance.trace.raft import elections, replication
from kubeproof.conformance.trace.raft.cluster import Cluster
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
        raise Violation(broken, node.id, "it sends in another term than its own", "message.term", node.term, message.term)
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
        guard = "it receives a message that is addressed to another node"
        raise Violation(MESSAGE_ORIGIN, node.id, guard, "message.to", node.id, message.to)
    ready = cluster.sent.get(fingerprint(message))
    if ready is None and not replication.is_newer_snapshot(cluster, message):
        raise _never_sent(cluster, node, message)
    if ready is not None and kind in _PROMISES:
        _confirm(cluster, message.from_, ready)
        if kind == "MsgVoteResp":
            elections.receive_vote(cluster, node, message)
        elif kind == "MsgAppResp":
            replication.receive_append_response(cluster, node, message)
    elif kind in _FROM_LEADER and message.term >= node.term:
        if message.term == node.term and node.role == "StateFollower":
            replication.take_from_leader(cluster, node, message)
        else:
            node.pending = message


def _confirm(cluster: Cluster, sender: str, ready: int) -> None:
    """An answer proves that what was handed out with it is stored."""
    node = cluster.nodes[sender]
    restart = node.storage.confirm(ready, cluster.line)
    for other in cluster.alternatives.get(sender, ()):
        other.storage.confirm(ready, cluster.line)
    if restart is not None:
        raise _promise_broken(node, restart)


def _promise_broken(node: Node, restart: Restart) -> Violation:
    guard = f"an answer of node {node.id} arrives from before a restart that shows that it was not stored"
    evidence = (Evidence(restart.line, f"node {node.id} has restarted without it"),)
    return Violation(DURABLE_STATE, node.id, guard, "message", "no answer before its write", "one that a crash undid", evidence)


def _never_sent(cluster: Cluster, node: Node, message: Message) -> Violation:
    guard = f"it receives a {message.type} from node {message.from_} that was not sent before"
    if (last := cluster.last_sent.get((message.type, message.from_, message.to))) is None:
        expected = "nothing, none of this kind was sent"
        return Violation(MESSAGE_ORIGIN, node.id, guard, "message", expected, _fields(message))
    line, sent = last
    expected = f"a message that was sent; the last was {_fields(sent)}"
    evidence = (Evidence(line, f"node {message.from_} sends {_fields(sent)} to node {message.to}"),)
    return Violation(MESSAGE_ORIGIN, node.id, guard, "message", expected, _fields(message), evidence)


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
