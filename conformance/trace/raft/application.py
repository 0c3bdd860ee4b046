"""What applications do with what is committed: apply it in order, and answer reads that see all of it."""

from __future__ import annotations

from kubeproof.conformance.trace.raft.cluster import AskedRead, Cluster
from kubeproof.conformance.trace.raft.guards import (
    APPLIES_COMMITTED,
    APPLIES_FORWARD,
    COMMITTED_IN_OWN_TERM,
    COMMITTED_IN_OWN_TERM_ALONE,
    READ_IS_ANSWERED,
    READ_IS_APPLIED,
    Guard,
)
from kubeproof.conformance.trace.raft.node import Node
from kubeproof.conformance.trace.raft.properties import CONFIG_CHANGE, READS_ARE_LINEARIZABLE, STATE_MACHINE_SAFETY
from kubeproof.conformance.trace.raft.violation import CannotBeJudged, Evidence, Violation
from kubeproof.conformance.trace.raft_events import ApplyArgs


def apply_entry(cluster: Cluster, node: Node, entry: ApplyArgs) -> None:
    """Committed entries, one after the other, each as it is in the log; a snapshot stands for those it covers."""
    index = entry.index
    if not index:
        raise Violation(STATE_MACHINE_SAFETY, node.id, "it applies an entry before the first", "args.index", "at least 1", index)
    if index > node.commit:
        reason = "it applies an entry that it does not know to be committed"
        expected = f"at most {node.commit}"
        raise Violation(STATE_MACHINE_SAFETY, node.id, reason, "args.index", expected, index, guard=APPLIES_COMMITTED)
    if node.applied is not None and index not in (node.applied + 1, max(node.applied, node.snapshot_index) + 1):
        expected = " or ".join(str(each + 1) for each in sorted({node.applied, max(node.applied, node.snapshot_index)}))
        reason = "it does not apply entries in order"
        guard = APPLIES_FORWARD if index < node.applied else None
        raise Violation(STATE_MACHINE_SAFETY, node.id, reason, "args.index", expected, index, guard=guard)
    own = node.log.at(index)
    if own.last_term() not in (None, entry.term) or not own.segment.fits(index, entry.payload):
        reason = "it applies another entry than its log has"
        expected = f"{own.last_term()}/{own.segment.payload(index)}"
        field, seen = "args.term/payload", f"{entry.term}/{entry.payload}"
        raise Violation(STATE_MACHINE_SAFETY, node.id, reason, field, expected, seen, guard=APPLIES_COMMITTED)
    if own.last_change() == index and index not in node.applied_changes:
        reason = "it passes over a membership change that it should apply"
        expected = f"the change of entry {index} applied"
        seen = f"that of entry {max(node.applied_changes)}"
        raise Violation(CONFIG_CHANGE, node.id, reason, "args.index", expected, seen)
    node.applied = index
    if index > cluster.applied_index:
        cluster.applied_index = index
        cluster.applied = Evidence(cluster.line, f"node {node.id} applies entry {index}")


def ask_read(cluster: Cluster, node: Node, read: str) -> None:
    """A client asks: from now on the answer must have what is applied by now."""
    if read in cluster.reads:
        raise CannotBeJudged(f"args.id: expected ids that do not repeat, got {read!r} again")
    leads = node.term if node.role == "StateLeader" else None
    cluster.reads[read] = AskedRead(node.id, leads, cluster.applied_index, cluster.applied, cluster.line)


def answer_read(cluster: Cluster, node: Node, read: str, index: int) -> None:
    """The answer is from a state as of `index`."""
    if read not in cluster.reads:
        raise CannotBeJudged(f"args.id: expected a read that was asked for, got {read!r}")
    cluster.reads_answered += 1
    asked = cluster.reads.pop(read)
    if node.applied is not None and index > max(node.applied, node.snapshot_index):
        reason = f"the read {read} is answered from a state that the node does not have"
        expected = f"at most {max(node.applied, node.snapshot_index)}"
        guard = READ_IS_APPLIED if index > node.commit else None
        raise Violation(READS_ARE_LINEARIZABLE, node.id, reason, "args.index", expected, index, guard=guard)
    if index < asked.least:
        reason = f"the read {read} does not see what had been applied when it was asked for"
        evidence = (asked.applied, Evidence(asked.line, f"the read {read} is asked for"))
        guard, expected = _broken_by_answer(cluster, node, asked), f"at least {asked.least}"
        raise Violation(READS_ARE_LINEARIZABLE, node.id, reason, "args.index", expected, index, evidence, guard)


def _broken_by_answer(cluster: Cluster, node: Node, asked: AskedRead) -> Guard | None:
    """What an answer that comes too early shows: a leader without a commit of its own term, or that no leader was asked."""
    if asked.node != node.id:
        return None
    if asked.leads != node.term or node.role != "StateLeader":
        return None if asked.leads or cluster.may_know_read_index(asked) else READ_IS_ANSWERED
    if node.log.at(node.commit).last_term() in (None, node.term):
        return None
    return COMMITTED_IN_OWN_TERM_ALONE if node.voters == (node.id,) and not node.outgoing else COMMITTED_IN_OWN_TERM
