"""The Raft checker: every event of a Run in turn, judged against what the events before allow.

It follows messages and states in the events alone and never asks an implementation. The work for an event does not grow with
the trace or with the logs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.trace.raft import application, elections, membership, messages, replication, starts
from kubeproof.conformance.trace.raft.cluster import Cluster
from kubeproof.conformance.trace.raft.node import Node
from kubeproof.conformance.trace.raft.properties import (
    DURABLE_STATE,
    NO_PANIC,
    ONE_CHANGE_AT_A_TIME,
    PROPERTIES,
    READS_ARE_LINEARIZABLE,
    Property,
)
from kubeproof.conformance.trace.raft.shown_state import catch_up, check, compare, compare_configuration, told
from kubeproof.conformance.trace.raft.violation import CannotBeJudged, Violation

Handler = Callable[[Cluster, Node, Any], None]


class RaftChecker:
    """Give it the events in order with `take`; `options` are those of the Run's header."""

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self.events = 0
        self._tells_panics = options is not None
        self._cluster = Cluster(
            changes_one_at_a_time=options is not None and not options.get("disable_conf_change_validation", False)
        )

    @property
    def assumptions(self) -> int:
        """How many facts the source did not tell so far."""
        return self._cluster.assumptions

    def judged(self) -> list[Property]:
        """The properties that the source tells enough for: what is never told can neither hold nor be violated."""
        cluster = self._cluster
        told = {
            ONE_CHANGE_AT_A_TIME: cluster.changes_one_at_a_time,
            READS_ARE_LINEARIZABLE: cluster.reads_answered > 0,
            NO_PANIC: self._tells_panics,
            DURABLE_STATE: any(node.storage.readys for node in cluster.nodes.values()),
        }
        return [each for each in PROPERTIES if told.get(each, True)]

    def take(self, line: int, event: events.Event) -> None:
        """Judge the next event, which stands on `line`. Raises Violation or CannotBeJudged, and is of no more use then."""
        self.events += 1
        cluster = self._cluster
        cluster.line = line
        kind = type(event)
        try:
            handler = _HANDLERS.get(kind)
            if handler is not None:
                node = cluster.nodes.get(event.actor)
                if node is None or not node.up:
                    raise CannotBeJudged(
                        f"actor: expected a start of node {event.actor} before this event; "
                        "the trace must begin with the cluster's first start"
                    )
                if cluster.alternatives and event.actor in cluster.alternatives and kind not in _OF_CLIENTS:
                    _take_ambiguous(cluster, node, handler, event)
                else:
                    handler(cluster, node, event)
            elif isinstance(event, events.Start):
                starts.start(cluster, event)
        except Violation as violation:
            violation.line, violation.event = line, self.events
            raise


def _take_ambiguous(cluster: Cluster, node: Node, handler: Handler, event: events.Event) -> None:
    """Every possible state of the node takes the event; those that cannot are out."""
    survivors: list[Node] = []
    first: Violation | None = None
    for possible in (node, *cluster.alternatives.pop(node.id)):
        try:
            handler(cluster, possible, event)
        except Violation as violation:
            first = first or violation
            continue
        if not any(possible.log == other.log and possible.commit == other.commit for other in survivors):
            survivors.append(possible)
    if first is not None and not survivors:
        raise first
    cluster.nodes[node.id] = survivors[0]
    if len(survivors) > 1:
        cluster.alternatives[node.id] = survivors[1:]


# ---- roles


def _become_follower(cluster: Cluster, node: Node, event: events.BecomeFollower) -> None:
    """It may be the effect of a leader's message that is at hand, and takes effect before the rest of it."""
    if node.starting:
        starts.load_stored_state(cluster, node, event.state)
        return
    catch_up(cluster, node, event)
    elections.become_follower(node, told(event.state, "term", "become_follower"))
    compare(cluster, node, event.state)
    message, node.pending = node.pending, None
    if message is not None and message.term == node.term:
        replication.take_from_leader(cluster, node, message)


def _become_pre_candidate(cluster: Cluster, node: Node, event: events.BecomePreCandidate) -> None:
    _before_becoming(cluster, node, event)
    elections.become_pre_candidate(node)
    compare(cluster, node, event.state)


def _become_candidate(cluster: Cluster, node: Node, event: events.BecomeCandidate) -> None:
    _before_becoming(cluster, node, event)
    elections.become_candidate(cluster, node, None if event.state is None else event.state.term)
    compare(cluster, node, event.state)


def _become_leader(cluster: Cluster, node: Node, event: events.BecomeLeader) -> None:
    _before_becoming(cluster, node, event)
    elections.become_leader(cluster, node)
    compare(cluster, node, event.state)


def _before_becoming(cluster: Cluster, node: Node, event: events.Event) -> None:
    node.pending = None
    catch_up(cluster, node, event)
    compare_configuration(cluster, node, event.state)


# ---- the log


def _replicate(cluster: Cluster, node: Node, event: events.Replicate) -> None:
    _check_announcement(cluster, node, event)
    args = event.args
    replication.announce(cluster, node, None if args is None else args.index, None if args is None else args.payload)


def _change_conf(cluster: Cluster, node: Node, event: events.ChangeConf) -> None:
    _check_announcement(cluster, node, event)
    replication.announce_change(cluster, node, event.args)


def _check_announcement(cluster: Cluster, node: Node, event: events.Replicate | events.ChangeConf) -> None:
    """Entries of one proposal are announced one by one and appended together, after the last of these events."""
    if node.announced_changes or node.announced:
        compare(cluster, node, event.state)
    else:
        check(cluster, node, event)


def _commit(cluster: Cluster, node: Node, event: events.Commit) -> None:
    _before_becoming(cluster, node, event)
    replication.evaluate_commit(cluster, node, told(event.state, "commit", "commit"))
    compare(cluster, node, event.state)


def _ready(cluster: Cluster, node: Node, event: events.Ready) -> None:
    check(cluster, node, event)
    node.storage.ready(node.term, node.vote, node.log)


def _apply_conf_change(cluster: Cluster, node: Node, event: events.ApplyConfChange) -> None:
    membership.require_ids(event.args.voters)
    if node.starting:
        membership.start_with(cluster, node, event)
        return
    if membership.is_bootstrapping(node, event):
        membership.begin_bootstrap(cluster, node, event)
        compare(cluster, node, event.state)
        membership.bootstrap(cluster, node, event)
        return
    restores = node.offered is not None
    check(cluster, node, event)
    if restores and not node.voters:
        membership.apply_snapshot(cluster, node, event)
    else:
        membership.apply_change(cluster, node, event)


# ---- messages


def _send(cluster: Cluster, node: Node, event: events.Send) -> None:
    check(cluster, node, event)
    messages.send(cluster, node, event.message)


def _receive(cluster: Cluster, node: Node, event: events.Receive) -> None:
    check(cluster, node, event)
    messages.receive(cluster, node, event.message)


# ---- the application and the end


def _apply(cluster: Cluster, node: Node, event: events.Apply) -> None:
    application.apply_entry(cluster, node, event.args)


def _read_request(cluster: Cluster, node: Node, event: events.ReadRequest) -> None:
    application.ask_read(cluster, node, event.args.id)


def _read_served(cluster: Cluster, node: Node, event: events.ReadServed) -> None:
    application.answer_read(cluster, node, event.args.id, event.args.index)


def _crash(_cluster: Cluster, node: Node, _event: events.Crash) -> None:
    node.up = False


def _panic(_cluster: Cluster, node: Node, event: events.Panic) -> None:
    raise Violation(NO_PANIC, node.id, "it finds its own state impossible", "action", "no panic", event.args.reason)


# By the type of the event. A start has no node yet; what the network does is not judged.
_HANDLERS: Mapping[type, Handler] = {
    events.Send: _send,
    events.Receive: _receive,
    events.Ready: _ready,
    events.Commit: _commit,
    events.Replicate: _replicate,
    events.ChangeConf: _change_conf,
    events.ApplyConfChange: _apply_conf_change,
    events.BecomeFollower: _become_follower,
    events.BecomePreCandidate: _become_pre_candidate,
    events.BecomeCandidate: _become_candidate,
    events.BecomeLeader: _become_leader,
    events.Crash: _crash,
    events.Apply: _apply,
    events.ReadRequest: _read_request,
    events.ReadServed: _read_served,
    events.Panic: _panic,
}
# These say nothing of the node's log.
_OF_CLIENTS = frozenset({events.ReadRequest, events.ReadServed})
