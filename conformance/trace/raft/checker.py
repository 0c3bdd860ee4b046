"""The Raft checker: every event of a Run in turn, judged against what the events before allow.

It follows messages and states in the events alone and never asks an implementation. The work for an event does not grow with
the trace or with the logs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.trace.raft import application, elections, membership, replication
from kubeproof.conformance.trace.raft.cluster import Cluster
from kubeproof.conformance.trace.raft.node import Node
from kubeproof.conformance.trace.raft.properties import (
    COMMIT_QUORUM,
    CONFIG_CHANGE,
    DURABLE_STATE,
    LEADER_APPEND_ONLY,
    LEADER_ONLY,
    LOG_MATCHING,
    MESSAGE_ORIGIN,
    MONOTONE_COMMIT,
    MONOTONE_TERM,
    NO_PANIC,
    ONE_VOTE_PER_TERM,
)
from kubeproof.conformance.trace.raft.sent_messages import fingerprint
from kubeproof.conformance.trace.raft.stable_storage import Restart, StableStorage, Survivor
from kubeproof.conformance.trace.raft.violation import CannotBeJudged, Evidence, Violation

_FROM_LEADER = frozenset({"MsgApp", "MsgHeartbeat", "MsgSnap"})
# These leave after the write that they promise.
_PROMISES = frozenset({"MsgAppResp", "MsgVoteResp", "MsgPreVoteResp"})
# Between nodes, and a node's answers to itself; others are local, or may be passed on in another's name.
_EXCHANGED = _FROM_LEADER | _PROMISES | {"MsgVote", "MsgPreVote", "MsgHeartbeatResp", "MsgTimeoutNow", "MsgReadIndexResp"}
# Those that bear the sender's own term. (Pre-votes speak of the next one.)
_OF_OWN_TERM = _EXCHANGED - {"MsgPreVote", "MsgPreVoteResp"}
# These say nothing of the node's log.
_OF_CLIENTS = frozenset({events.ReadRequest, events.ReadServed})

_ON_SEND: Mapping[str, Callable[[Cluster, Node, events.Message], None]] = {
    "MsgApp": replication.send_append,
    "MsgHeartbeat": replication.send_heartbeat,
    "MsgSnap": replication.send_snapshot,
    "MsgAppResp": replication.send_append_response,
    "MsgVote": elections.send_vote_request,
    "MsgVoteResp": elections.send_vote,
}


class RaftChecker:
    """Give it the events in order with `take`; `options` are those of the Run's header."""

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self.events = 0
        self._cluster = Cluster(
            changes_one_at_a_time=options is not None and not options.get("disable_conf_change_validation", False)
        )
        # Where a restart leaves open which entries a node kept: its other possible states.
        self._alternatives: dict[str, list[Node]] = {}
        self._handlers: dict[type, Callable[[Node, Any], None]] = {
            events.Send: self._send,
            events.Receive: self._receive,
            events.Ready: self._ready,
            events.Commit: self._commit,
            events.Replicate: self._replicate,
            events.ChangeConf: self._change_conf,
            events.ApplyConfChange: self._apply_conf_change,
            events.BecomeFollower: self._become_follower,
            events.BecomePreCandidate: self._become_pre_candidate,
            events.BecomeCandidate: self._become_candidate,
            events.BecomeLeader: self._become_leader,
            events.Crash: self._crash,
            events.Apply: self._apply,
            events.ReadRequest: self._read_request,
            events.ReadServed: self._read_served,
            events.Panic: self._panic,
        }

    @property
    def assumptions(self) -> int:
        """How many facts the source did not tell so far."""
        return self._cluster.assumptions

    def take(self, line: int, event: events.Event) -> None:
        """Judge the next event, which stands on `line`. Raises Violation or CannotBeJudged, and is of no more use then."""
        self.events += 1
        cluster = self._cluster
        cluster.line = line
        kind = type(event)
        try:
            if kind is events.Start:
                self._start(event)
                return
            handler = self._handlers.get(kind)
            if handler is None:
                return  # of the network
            node = cluster.nodes.get(event.actor)
            if node is None or not node.up:
                raise CannotBeJudged(
                    f"actor: expected a start of node {event.actor} before this event; "
                    "the trace must begin with the cluster's first start"
                )
            if self._alternatives and event.actor in self._alternatives and kind not in _OF_CLIENTS:
                self._take_ambiguous(node, handler, event)
            else:
                handler(node, event)
        except Violation as violation:
            violation.line, violation.event = line, self.events
            raise

    def _take_ambiguous(self, node: Node, handler: Callable[[Node, Any], None], event: events.Event) -> None:
        """Every possible state takes the event; those that cannot are out."""
        survivors: list[Node] = []
        first: Violation | None = None
        for possible in (node, *self._alternatives.pop(node.id)):
            try:
                handler(possible, event)
            except Violation as violation:
                first = first or violation
                continue
            if not any(possible.log == other.log and possible.commit == other.commit for other in survivors):
                survivors.append(possible)
        if not survivors:
            assert first is not None
            raise first
        self._cluster.nodes[node.id] = survivors[0]
        if len(survivors) > 1:
            self._alternatives[node.id] = survivors[1:]

    # ---- the state that an event shows

    def _before(self, node: Node, event: events.Event) -> None:
        """What every event but those of the application begins with: effects that only the next event shows."""
        if node.offered is not None:
            replication.decide_snapshot(self._cluster, node, event)
        if node.role == "StateLeader":
            state = event.state
            if state is not None and state.term is not None and state.term != node.term:
                return  # not the leader's doing
            if (
                node.announced
                or node.announced_changes
                or (state is not None and state.last_index != node.log.last and state.last_index is not None)
            ):
                replication.append_announced(self._cluster, node, state)

    def _compare(self, node: Node, state: events.State | None) -> None:
        """The event shows the state that follows from the events before."""
        if state is None:
            self._cluster.assumptions += 1
            return
        if (
            state.term != node.term
            or state.commit != node.commit
            or state.last_index != node.log.last
            or state.vote != node.vote
            or state.role != node.role
            or state.voters != node.voters
            or state.voters_outgoing != node.outgoing
            or node.outgoing_options
        ):
            self._explain(node, state)

    def _explain(self, node: Node, state: events.State) -> None:
        """States may differ where the source does not tell, or where it tells only now; everything else is a violation."""
        if None in (state.term, state.vote, state.commit, state.role, state.last_index, state.voters, state.voters_outgoing):
            self._cluster.assumptions += 1
        if state.term not in (None, node.term):
            guard = "its term is not what the events before give"
            raise Violation(MONOTONE_TERM, node.id, guard, "state.term", node.term, state.term)
        if state.vote not in (None, node.vote):
            guard = f"its vote in term {node.term} is not the one it cast"
            raise Violation(
                ONE_VOTE_PER_TERM, node.id, guard, "state.vote", node.vote or "none", state.vote or "none", (node.last_vote(),)
            )
        if state.last_index not in (None, node.log.last):
            broken = LEADER_APPEND_ONLY if node.role == "StateLeader" else LOG_MATCHING
            guard = "its log is not what the events before give"
            raise Violation(broken, node.id, guard, "state.last_index", node.log.last, state.last_index)
        if state.commit is not None and state.commit != node.commit:
            broken = MONOTONE_COMMIT if state.commit < node.commit else COMMIT_QUORUM
            guard = "its commit index is not what the events before give"
            raise Violation(broken, node.id, guard, "state.commit", node.commit, state.commit)
        self._explain_voters(node, state)
        if state.role not in (None, node.role):
            if state.role != "StatePreCandidate" or node.role == "StateLeader":
                raise Violation(
                    LEADER_ONLY, node.id, "its role is not what the events before give", "state.role", node.role, state.role
                )
            self._cluster.assumptions += 1  # the way there is silent in some traces
            node.role = "StatePreCandidate"

    def _explain_voters(self, node: Node, state: events.State) -> None:
        if state.voters is not None and state.voters != node.voters:
            if not membership.same(state.voters, node.voters):
                guard = "its configuration is not what the changes that it applied give"
                expected, seen = membership.shown(node.voters), membership.shown(state.voters)
                raise Violation(CONFIG_CHANGE, node.id, guard, "state.voters", expected, seen)
            node.voters = state.voters
        outgoing = state.voters_outgoing
        if outgoing is None:
            return
        if node.outgoing_options:
            membership.settle_outgoing(self._cluster, node, outgoing)
        elif not membership.same(outgoing, node.outgoing):
            guard = "its configuration is not what the changes that it applied give"
            expected = membership.shown(node.voters, node.outgoing)
            raise Violation(
                CONFIG_CHANGE, node.id, guard, "state.voters_outgoing", expected, membership.shown(node.voters, outgoing)
            )

    def _settle_outgoing(self, node: Node, state: events.State | None) -> None:
        """Before an event is judged by the configuration: whether that is joint may show only now."""
        if node.outgoing_options and state is not None:
            self._explain_voters(node, state)

    def _check(self, node: Node, event: events.Event) -> None:
        node.pending = None
        if node.offered is not None or node.role == "StateLeader":
            self._before(node, event)
        self._compare(node, event.state)

    # ---- starting

    def _start(self, event: events.Event) -> None:
        """A node starts, for the first time or again: `commit` and `last_index` say which entries are stored."""
        cluster, state = self._cluster, event.state
        if not event.actor:
            raise CannotBeJudged("actor: expected the id of a node, got none")
        before = state.commit if state is not None and state.commit is not None else 0
        last = state.last_index if state is not None and state.last_index is not None else before
        node = cluster.nodes.get(event.actor)
        others = self._alternatives.pop(event.actor, [])
        if node is not None:
            disks = [each.storage for each in (node, *others) if each.storage.survivors(last)]
            if not disks:
                raise self._lost(node, "state.last_index", last)
            node.storage, *node.other_disks = disks
            node.begin(node.storage.survivors(last)[0].log, min(before, last))
            return
        if last != before:
            raise CannotBeJudged(
                f"state.last_index: expected {before} at the first start of node {event.actor}, got {last}: "
                "no event tells what its stored entries are; the trace must begin with the cluster's first start"
            )
        node = cluster.nodes[event.actor] = Node(event.actor, cluster.stored_before(event.actor, last))
        node.begin(node.log, before)

    def _lost(self, node: Node, field: str, seen: object) -> Violation:
        stored = node.storage.stored()
        expected = (
            f"at least term {stored.term}, vote {stored.vote or 'none'}, last entry {stored.log.last_term()}/{stored.log.last}"
        )
        guard = "after a restart it lacks what it had stored before an answer of it was delivered"
        proof = node.storage.proof
        evidence = (
            Evidence(proof, f"an answer of node {node.id} is received, so what was handed out with it is stored")
            if proof
            else None
        )
        return Violation(DURABLE_STATE, node.id, guard, field, expected, seen, (evidence,))

    def _finish_start(self, node: Node, state: events.State | None) -> None:
        """The stored term, vote and commit index are loaded."""
        term = 0 if state is None or state.term is None else state.term
        vote = "" if state is None or state.vote is None else state.vote
        commit = node.commit if state is None or state.commit is None else state.commit
        first = not node.storage.begun
        possible = [
            (disk, each)
            for disk in (node.storage, *node.other_disks)
            for each in disk.survivors(node.log.last)
            if first or (each.written.term, each.written.vote) == (term, vote)
        ]
        if not possible:
            raise self._lost(node, "state.term/vote", f"term {term}, vote {vote or 'none'}")
        if not node.commit <= commit <= node.log.last:
            seen = f"commit index {commit}"
            guard = "after a start its commit index is beyond its log or before its snapshot"
            raise Violation(DURABLE_STATE, node.id, guard, "state.commit", f"{node.commit} to {node.log.last}", seen)
        self._go_on_as(node, possible, term, vote, commit)

    def _go_on_as(self, node: Node, possible: list[tuple[StableStorage, Survivor]], term: int, vote: str, commit: int) -> None:
        node.term, node.vote, node.starting = term, vote, False
        disks = {each.log: disk for disk, each in possible}
        survived = max(each.survived for _, each in possible)
        node.other_disks = []
        nodes = [node, *(node.copy() for _ in range(1, len(disks)))]
        fitting = []
        failed: Violation | None = None
        for each, (log, disk) in zip(nodes, disks.items(), strict=True):
            each.log, each.commit = log, commit
            try:
                self._cluster.commit(each, commit, term)
            except Violation as violation:
                failed = violation
                continue
            each.storage = disk.copy()
            each.storage.restart(term, vote, log, survived, self._cluster.line)
            fitting.append(each)
        if not fitting:
            assert failed is not None
            raise failed
        self._cluster.nodes[node.id] = fitting[0]
        if fitting[1:]:
            self._cluster.assumptions += 1
            self._alternatives[node.id] = fitting[1:]

    # ---- roles

    def _become_follower(self, node: Node, event: events.BecomeFollower) -> None:
        if node.starting:
            self._finish_start(node, event.state)
            for each in (self._cluster.nodes[node.id], *self._alternatives.get(node.id, ())):
                self._compare(each, event.state)
            return
        pending, node.pending = node.pending, None
        self._before(node, event)
        node.pending = pending
        elections.become_follower(self._cluster, node, event.state)
        node.pending = None
        self._compare(node, event.state)
        if pending is not None and pending.term == node.term:
            replication.take_from_leader(self._cluster, node, pending)

    def _become_pre_candidate(self, node: Node, event: events.BecomePreCandidate) -> None:
        node.pending = None
        self._before(node, event)
        self._settle_outgoing(node, event.state)
        elections.become_pre_candidate(node)
        self._compare(node, event.state)

    def _become_candidate(self, node: Node, event: events.BecomeCandidate) -> None:
        node.pending = None
        self._before(node, event)
        self._settle_outgoing(node, event.state)
        elections.become_candidate(self._cluster, node)
        self._compare(node, event.state)

    def _become_leader(self, node: Node, event: events.BecomeLeader) -> None:
        node.pending = None
        self._before(node, event)
        elections.become_leader(self._cluster, node)
        self._compare(node, event.state)

    # ---- the leader's log

    def _replicate(self, node: Node, event: events.Replicate) -> None:
        args = event.args
        if node.announced_changes or node.announced:
            self._compare(node, event.state)
        else:
            self._check(node, event)
        replication.announce(node, None if args is None else args.index, None if args is None else args.payload)

    def _change_conf(self, node: Node, event: events.ChangeConf) -> None:
        if node.announced_changes or node.announced:
            self._compare(node, event.state)
        else:
            self._check(node, event)
        change = tuple((change.type, change.node) for change in event.args.changes)
        replication.announce_change(self._cluster, node, change)

    def _commit(self, node: Node, event: events.Commit) -> None:
        node.pending = None
        self._before(node, event)
        self._settle_outgoing(node, event.state)
        replication.evaluate_commit(self._cluster, node, event.state)
        self._compare(node, event.state)

    def _apply_conf_change(self, node: Node, event: events.ApplyConfChange) -> None:
        cluster, state = self._cluster, event.state
        membership.require_ids(event.args.voters)
        if node.starting:
            membership.start_with(cluster, node, event)
            return
        if membership.is_bootstrapping(node, event):
            membership.bootstrap(cluster, node, event)
            return
        node.pending = None
        restores = node.offered is not None
        self._before(node, event)
        self._compare(node, state)
        if restores and not node.voters:
            membership.apply_snapshot(cluster, node, event)
        else:
            membership.apply_change(cluster, node, event)

    def _ready(self, node: Node, event: events.Ready) -> None:
        self._check(node, event)
        node.storage.ready(node.term, node.vote, node.log)

    # ---- messages

    def _send(self, node: Node, event: events.Send) -> None:
        self._check(node, event)
        message = event.message
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
            rule(self._cluster, node, message)
        self._cluster.last_sent[kind, message.from_, message.to] = self._cluster.line, message
        sent, key = self._cluster.sent, fingerprint(message)
        ready = sent.get(key)
        if ready is None or (kind in _PROMISES and node.storage.is_lost(ready)):
            sent.put(key, node.storage.readys + 1)

    def _receive(self, node: Node, event: events.Receive) -> None:
        self._check(node, event)
        cluster, message = self._cluster, event.message
        kind = message.type
        node.handling, node.handling_line = message, cluster.line
        if kind not in _EXCHANGED:
            return
        if message.to != node.id:
            guard = "it receives a message that is addressed to another node"
            raise Violation(MESSAGE_ORIGIN, node.id, guard, "message.to", node.id, message.to)
        ready = cluster.sent.get(fingerprint(message))
        if ready is None:
            raise self._never_sent(node, message)
        if kind in _PROMISES:
            self._confirm(message.from_, ready)
            if kind == "MsgVoteResp":
                elections.receive_vote(cluster, node, message)
            elif kind == "MsgAppResp":
                replication.receive_append_response(cluster, node, message)
        elif kind in _FROM_LEADER and message.term >= node.term:
            if message.term == node.term and node.role == "StateFollower":
                replication.take_from_leader(cluster, node, message)
            else:
                node.pending = message

    def _never_sent(self, node: Node, message: events.Message) -> Violation:
        guard = f"it receives a {message.type} from node {message.from_} that was not sent before"
        last = self._cluster.last_sent.get((message.type, message.from_, message.to))
        expected = (
            "nothing, none of this kind was sent" if last is None else f"a message that was sent; the last was {_fields(last[1])}"
        )
        evidence = (
            None if last is None else Evidence(last[0], f"node {message.from_} sends {_fields(last[1])} to node {message.to}")
        )
        return Violation(MESSAGE_ORIGIN, node.id, guard, "message", expected, _fields(message), (evidence,))

    def _confirm(self, sender: str, ready: int) -> None:
        node = self._cluster.nodes[sender]
        restart = node.storage.confirm(ready, self._cluster.line)
        for other in self._alternatives.get(sender, ()):
            other.storage.confirm(ready, self._cluster.line)
        if restart is not None:
            raise self._promise_broken(node, restart)

    def _promise_broken(self, node: Node, restart: Restart) -> Violation:
        guard = f"an answer of node {node.id} arrives from before a restart that shows that it was not stored"
        evidence = Evidence(restart.line, f"node {node.id} has restarted without it")
        return Violation(
            DURABLE_STATE, node.id, guard, "message", "no answer before its write", "one that a crash undid", (evidence,)
        )

    # ---- the application and the end

    def _apply(self, node: Node, event: events.Apply) -> None:
        application.apply_entry(self._cluster, node, event.args)

    def _read_request(self, _node: Node, event: events.ReadRequest) -> None:
        application.ask_read(self._cluster, event.args.id)

    def _read_served(self, node: Node, event: events.ReadServed) -> None:
        application.answer_read(self._cluster, node, event.args.id, event.args.index)

    def _crash(self, node: Node, _event: events.Crash) -> None:
        node.up = False

    def _panic(self, node: Node, event: events.Panic) -> None:
        raise Violation(NO_PANIC, node.id, "it finds its own state impossible", "action", "no panic", event.args.reason)


def _fields(message: events.Message) -> str:
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
