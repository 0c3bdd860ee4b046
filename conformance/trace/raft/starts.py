"""How a node starts: from nothing, from a snapshot, or again from what a crash has left on its disk."""

from __future__ import annotations

from kubeproof.conformance.trace.raft.cluster import Cluster
from kubeproof.conformance.trace.raft.guards import RESTARTS_BEHIND_SNAPSHOT, RESTARTS_WITHIN_LOG
from kubeproof.conformance.trace.raft.node import Node
from kubeproof.conformance.trace.raft.properties import DURABLE_STATE
from kubeproof.conformance.trace.raft.shown_state import compare, told
from kubeproof.conformance.trace.raft.stable_storage import StableStorage, Survivor
from kubeproof.conformance.trace.raft.violation import CannotBeJudged, Evidence, Violation
from kubeproof.conformance.trace.raft_events import Start, State


def start(cluster: Cluster, event: Start) -> None:
    """`commit` is the index before the first stored entry, `last_index` that of the last one."""
    if not event.actor:
        raise CannotBeJudged("actor: expected the id of a node, got none")
    before, last = told(event.state, "commit", "start"), told(event.state, "last_index", "start")
    node = cluster.nodes.get(event.actor)
    if node is not None:
        _start_again(cluster, node, before, last)
    elif last == before:
        node = cluster.nodes[event.actor] = Node(event.actor, cluster.stored_before(event.actor, last))
        node.begin(node.log, before)
    else:
        raise CannotBeJudged(
            f"state.last_index: expected {before} at the first start of node {event.actor}, got {last}: "
            "no event tells what its stored entries are; the trace must begin with the cluster's first start"
        )


def _start_again(cluster: Cluster, node: Node, before: int, last: int) -> None:
    others = cluster.alternatives.pop(node.id, [])
    if not node.storage.readys:
        # The source does not tell what was handed out to be written: whatever was in memory may be stored.
        cluster.assumptions += 1
        for each in (node, *others):
            each.storage.assume_stored(each.term, each.vote, each.log)
    disks = [each.storage for each in (node, *others) if each.storage.survivors(last)]
    if not disks:
        raise _lost(node, "state.last_index", last)
    node.storage, *node.other_disks = disks
    node.begin(node.storage.survivors(last)[0].log, min(before, last))


def load_stored_state(cluster: Cluster, node: Node, state: State | None) -> None:
    """The stored term, vote and commit index are loaded, which ends the start."""
    term, commit = told(state, "term", "become_follower"), told(state, "commit", "become_follower")
    vote = None if state is None else state.vote
    possible = [
        (disk, each)
        for disk in (node.storage, *node.other_disks)
        for each in disk.survivors(node.log.last)
        if not disk.begun or (each.written.term == term and vote in (None, each.written.vote))
    ]
    if not possible:
        raise _lost(node, "state.term/vote", f"term {term}, vote {vote or 'none'}")
    if not node.commit <= commit <= node.log.last:
        reason = "after a start its commit index is beyond its log or before its snapshot"
        expected = f"{node.commit} to {node.log.last}"
        guard = RESTARTS_WITHIN_LOG if commit > node.log.last else RESTARTS_BEHIND_SNAPSHOT
        raise Violation(DURABLE_STATE, node.id, reason, "state.commit", expected, f"commit index {commit}", guard=guard)
    if vote is None:
        vote = possible[0][1].written.vote
    _go_on_as(cluster, node, possible, term, vote, commit)
    for each in (cluster.nodes[node.id], *cluster.alternatives.get(node.id, ())):
        compare(cluster, each, state)


def _go_on_as(
    cluster: Cluster, node: Node, possible: list[tuple[StableStorage, Survivor]], term: int, vote: str, commit: int
) -> None:
    """Every log that may have survived is a possible state of the node; later events show which it is."""
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
            cluster.commit(each, commit, term)
        except Violation as violation:
            failed = violation
            continue
        each.storage = disk.copy()
        each.storage.restart(term, vote, log, survived, cluster.line)
        fitting.append(each)
    if failed is not None and not fitting:
        raise failed
    cluster.nodes[node.id] = fitting[0]
    if fitting[1:]:
        cluster.assumptions += 1
        cluster.alternatives[node.id] = fitting[1:]


def _lost(node: Node, field: str, seen: object) -> Violation:
    stored = node.storage.stored()
    last = f"{stored.log.last_term()}/{stored.log.last}"
    expected = f"at least term {stored.term}, vote {stored.vote or 'none'}, last entry {last}"
    reason = "after a restart it lacks what it had stored before an answer of it was delivered"
    what = f"an answer of node {node.id} is received, so what was handed out with it is stored"
    proof = Evidence(node.storage.proof, what) if node.storage.proof else None
    return Violation(DURABLE_STATE, node.id, reason, field, expected, seen, (proof,))
