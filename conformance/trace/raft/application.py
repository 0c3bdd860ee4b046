"""What applications do with what is committed: apply it in order, and answer reads that see all of it."""

from __future__ import annotations

from kubeproof.conformance.trace.raft.cluster import Cluster
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
        guard = "it applies an entry that it does not know to be committed"
        raise Violation(STATE_MACHINE_SAFETY, node.id, guard, "args.index", f"at most {node.commit}", index)
    if node.applied is not None and index not in (node.applied + 1, max(node.applied, node.snapshot_index) + 1):
        expected = " or ".join(str(each + 1) for each in sorted({node.applied, max(node.applied, node.snapshot_index)}))
        raise Violation(STATE_MACHINE_SAFETY, node.id, "it does not apply entries in order", "args.index", expected, index)
    own = node.log.at(index)
    if own.last_term() not in (None, entry.term) or not own.segment.fits(index, entry.payload):
        guard = "it applies another entry than its log has"
        expected = f"{own.last_term()}/{own.segment.payload(index)}"
        raise Violation(STATE_MACHINE_SAFETY, node.id, guard, "args.term/payload", expected, f"{entry.term}/{entry.payload}")
    if own.last_change() == index and index not in node.applied_changes:
        guard = "it passes over a membership change that it should apply"
        expected = f"the change of entry {index} applied"
        seen = f"that of entry {max(node.applied_changes)}"
        raise Violation(CONFIG_CHANGE, node.id, guard, "args.index", expected, seen)
    node.applied = index
    if index > cluster.applied_index:
        cluster.applied_index = index
        cluster.applied = Evidence(cluster.line, f"node {node.id} applies entry {index}")


def ask_read(cluster: Cluster, read: str) -> None:
    """A client asks: from now on the answer must have what is applied by now."""
    if read in cluster.reads:
        raise CannotBeJudged(f"args.id: expected ids that do not repeat, got {read!r} again")
    cluster.reads[read] = cluster.applied_index, cluster.applied, cluster.line


def answer_read(cluster: Cluster, node: Node, read: str, index: int) -> None:
    """The answer is from a state as of `index`."""
    if read not in cluster.reads:
        raise CannotBeJudged(f"args.id: expected a read that was asked for, got {read!r}")
    cluster.reads_answered += 1
    least, applied, asked = cluster.reads.pop(read)
    if node.applied is not None and index > max(node.applied, node.snapshot_index):
        guard = f"the read {read} is answered from a state that the node does not have"
        expected = f"at most {max(node.applied, node.snapshot_index)}"
        raise Violation(READS_ARE_LINEARIZABLE, node.id, guard, "args.index", expected, index)
    if index < least:
        guard = f"the read {read} does not see what had been applied when it was asked for"
        evidence = (applied, Evidence(asked, f"the read {read} is asked for"))
        raise Violation(READS_ARE_LINEARIZABLE, node.id, guard, "args.index", f"at least {least}", index, evidence)
