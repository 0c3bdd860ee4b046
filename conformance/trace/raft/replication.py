"""The leader's log, appends and acknowledgements, commit indexes and snapshots (Raft paper, sections 5.3, 5.4.2 and 7)."""

from __future__ import annotations

from collections import deque

from kubeproof.conformance.trace.raft import membership
from kubeproof.conformance.trace.raft.cluster import Cluster
from kubeproof.conformance.trace.raft.log_trie import Change
from kubeproof.conformance.trace.raft.node import Node
from kubeproof.conformance.trace.raft.properties import (
    COMMIT_QUORUM,
    LEADER_APPEND_ONLY,
    LEADER_ONLY,
    LOG_MATCHING,
    STATE_MACHINE_SAFETY,
)
from kubeproof.conformance.trace.raft.violation import Evidence, Violation
from kubeproof.conformance.trace.raft_events import ApplyConfChange, Event, Message

# ---- the leader's log


def announce(node: Node, index: int | None, payload: str | None) -> None:
    """A leader is about to append an entry."""
    _require_leader(node, "announces an entry")
    node.announced.append((index, payload))


def announce_change(cluster: Cluster, node: Node, change: Change) -> None:
    """A leader is about to append a membership change, unless it is too large."""
    _require_leader(node, "announces a membership change")
    membership.require_one_at_a_time(cluster, node)
    node.announced_changes.append(change)


def append_announced(cluster: Cluster, node: Node, last: int) -> None:
    """The leader's log, up to index `last` now, has grown by what it announced, and by an entry that leaves a joint membership.

    Such an entry is not announced, nor is a change that changes no voter or learner. A change that was announced may be dropped
    for its size; all other entries must be there (etcd raft.go, appendEntry).
    """
    entries, changes = len(node.announced), len(node.announced_changes)
    first = node.log.last + 1
    grown = last - first + 1
    if not entries <= grown <= entries + changes + 1:
        guard = "the leader's log does not grow by what it announced"
        expected = f"{first - 1 + entries} to {first + entries + changes}"
        raise Violation(LEADER_APPEND_ONLY, node.id, guard, "state.last_index", expected, last)
    if grown != entries + changes:
        cluster.assumptions += 1
    kept = node.announced_changes[max(0, entries + changes - grown) :]
    changes_left = grown - entries
    placed = {index: payload for index, payload in node.announced if index is not None}
    others = deque(payload for index, payload in node.announced if index is None)
    for index in range(first, last + 1):
        if index in placed:
            node.log = node.log.append(node.term, placed[index])
        elif others and not changes_left:
            node.log = node.log.append(node.term, others.popleft())
        else:
            # where it is among the entries of one proposal is not told
            node.log = node.log.append(node.term)
            node.log.segment.note_change(index, kept.pop(0) if kept else (), index + len(others))
            changes_left -= 1
    node.announced, node.announced_changes = [], []
    cluster.reigns[node.term].log = node.log


# ---- what a leader sends


def send_append(cluster: Cluster, node: Node, message: Message) -> None:
    """Entries behind one that is in the leader's log, and its commit index."""
    _require_leader(node, "sends an append")
    count = len(message.entries) if message.entry_count is None else message.entry_count
    if message.index + count > node.log.last:
        guard = "it sends entries that it does not have"
        raise Violation(LOG_MATCHING, node.id, guard, "message.entries", f"up to {node.log.last}", message.index + count)
    previous = node.log.at(message.index)
    term = previous.last_term()
    if term is None:
        cluster.assumptions += 1
        previous.segment.learn_term(message.index, message.log_term)
    elif term != message.log_term:
        raise Violation(LOG_MATCHING, node.id, "it names a false previous term", "message.log_term", term, message.log_term)
    if message.entries:
        _require_own_entries(node, message)
    _require_own_commit(node, message, node.commit, "its own commit index")


def _require_own_entries(node: Node, message: Message) -> None:
    for index, entry in enumerate(message.entries, message.index + 1):
        own = node.log.at(index)
        if own.last_term() not in (None, entry.term) or not own.segment.fits(index, entry.payload):
            guard = "it sends an entry that differs from its own"
            expected = f"{own.last_term()}/{own.segment.payload(index)}"
            raise Violation(
                LOG_MATCHING, node.id, guard, f"message.entries, index {index}", expected, f"{entry.term}/{entry.payload}"
            )


def send_heartbeat(_cluster: Cluster, node: Node, message: Message) -> None:
    """A commit index that the receiver is known to hold (etcd raft.go, sendHeartbeat)."""
    _require_leader(node, "sends a heartbeat")
    matched, line = node.matched.get(message.to, (0, 0))
    if message.commit > min(matched, node.commit):
        known = Evidence(line, f"node {message.to} has acknowledged up to index {matched}") if line else None
        guard = "a heartbeat commits more than its receiver has acknowledged and its sender has committed"
        expected = f"at most {min(matched, node.commit)}"
        raise Violation(COMMIT_QUORUM, node.id, guard, "message.commit", expected, message.commit, (known,))


def is_newer_snapshot(cluster: Cluster, message: Message) -> bool:
    """Whether a snapshot was made anew when it left (as etcd's server does): of the same or more committed entries."""
    first = cluster.sent_snapshots.get((message.from_, message.to, message.term))
    snapshot = message.snapshot
    if message.type != "MsgSnap" or first is None or snapshot is None:
        return False
    cluster.assumptions += 1
    return first < snapshot.index <= cluster.committed.last


def send_snapshot(cluster: Cluster, node: Node, message: Message) -> None:
    """A snapshot covers committed entries only."""
    _require_leader(node, "sends a snapshot")
    index = 0 if message.snapshot is None else message.snapshot.index
    if index > node.commit:
        guard = "a snapshot covers entries that are not committed"
        raise Violation(STATE_MACHINE_SAFETY, node.id, guard, "message.snapshot.index", f"at most {node.commit}", index)
    link = message.from_, message.to, message.term
    cluster.sent_snapshots[link] = min(index, cluster.sent_snapshots.get(link, index))


def _require_own_commit(node: Node, message: Message, most: int, what: str) -> None:
    if message.commit > most:
        guard = f"it tells a commit index beyond {what}"
        raise Violation(COMMIT_QUORUM, node.id, guard, "message.commit", f"at most {most}", message.commit)


def _require_leader(node: Node, what: str) -> None:
    if node.role != "StateLeader":
        raise Violation(LEADER_ONLY, node.id, f"it {what} without being leader", "state.role", "StateLeader", node.role)


# ---- what a follower does with it


def take_from_leader(cluster: Cluster, node: Node, message: Message) -> None:
    """The effect of a leader's message on a follower of its term."""
    if message.type == "MsgApp":
        _take_append(cluster, node, message)
    elif message.type == "MsgHeartbeat":
        _learn_commit(cluster, node, message, message.commit)
    elif message.snapshot is not None:
        log = cluster.leader_log(message.term)
        node.offered = log.at(message.snapshot.index) if message.snapshot.index <= log.last else None


def _take_append(cluster: Cluster, node: Node, message: Message) -> None:
    """Entries are taken behind a shared prefix; where they differ from the follower's, the leader's win."""
    if message.index < node.commit:
        return
    log = cluster.leader_log(message.term)
    last = message.index + (len(message.entries) if message.entry_count is None else message.entry_count)
    if last > log.last or message.index > node.log.last or node.log.at(message.index) != log.at(message.index):
        return
    sent = log.at(last)
    if not node.log.has_prefix(sent):
        node.log = sent
    _learn_commit(cluster, node, message, min(message.commit, last))


def _learn_commit(cluster: Cluster, node: Node, message: Message, index: int) -> None:
    if node.commit < index <= node.log.last:
        cluster.commit(node, index, message.term, "message.commit")
        node.commit = index


def decide_snapshot(cluster: Cluster, node: Node, event: Event) -> None:
    """What became of the snapshot that was received: it is restored, or moves the commit index, or is ignored."""
    offered, node.offered = node.offered, None
    state = event.state
    if offered is None or offered.last <= node.commit:
        return
    index = offered.last
    shown = state is None or state.commit is None or state.commit == index
    if node.log.has_prefix(offered):
        if shown:
            node.commit = index
    elif shown and isinstance(event, ApplyConfChange):
        node.log, node.commit = offered, index
        node.snapshot_index = index
        membership.restore(node)
    cluster.commit(node, node.commit, node.term)


# ---- acknowledgements and commitment


def send_append_response(cluster: Cluster, node: Node, message: Message) -> None:
    """An acknowledgement says: my log up to `index` is the leader's. A rejection names an entry of the own log."""
    if message.reject:
        _require_own_hint(cluster, node, message)
        return
    if message.index == 0:
        return
    if message.to != node.id and message.term not in cluster.reigns:
        guard = "it acknowledges entries in a term that nobody leads"
        raise Violation(LOG_MATCHING, node.id, guard, "message.term", "a term with a leader", message.term, (_request(node),))
    leader = node.log if message.to == node.id else cluster.leader_log(message.term)
    index = message.index
    if index > node.log.last or index > leader.last:
        guard = (
            "it acknowledges entries that it does not have" if index > node.log.last else "it acknowledges entries nobody sent"
        )
        expected = f"at most {min(node.log.last, leader.last)}"
        raise Violation(LOG_MATCHING, node.id, guard, "message.index", expected, index, (_request(node),))
    if node.log.at(index) != leader.at(index):
        guard = "it acknowledges entries that differ from the leader's"
        expected = f"the leader's entry {index} of term {leader.at(index).last_term()}"
        seen = f"its own of term {node.log.at(index).last_term()}"
        raise Violation(LOG_MATCHING, node.id, guard, "message.index", expected, seen, (_request(node),))


def _require_own_hint(cluster: Cluster, node: Node, message: Message) -> None:
    hint, term = message.reject_hint, message.log_term
    if hint > node.log.last:
        guard = "it names an entry that it does not have"
        raise Violation(LOG_MATCHING, node.id, guard, "message.reject_hint", f"at most {node.log.last}", hint, (_request(node),))
    own = node.log.at(hint)
    if own.last_term() is None:
        cluster.assumptions += 1
    elif term not in (0, own.last_term()):
        guard = f"it names a false term of its entry {hint}"
        raise Violation(LOG_MATCHING, node.id, guard, "message.log_term", own.last_term(), term, (_request(node),))


def _request(node: Node) -> Evidence | None:
    request = node.handling
    if request is None:
        return None
    return Evidence(
        node.handling_line, f"node {node.id} receives {request.type} from node {request.from_}, index {request.index}"
    )


def receive_append_response(cluster: Cluster, node: Node, message: Message) -> None:
    """The leader counts what its followers hold."""
    if node.role != "StateLeader" or message.term != node.term or message.reject:
        return
    if message.index > node.matched.get(message.from_, (0, 0))[0]:
        node.matched[message.from_] = message.index, cluster.line


def evaluate_commit(cluster: Cluster, node: Node, index: int) -> None:
    """A leader's commit index moves to an entry of its own term that a quorum holds."""
    _require_leader(node, "evaluates a commit index")
    if index <= node.commit:
        return
    acknowledged = [
        Evidence(line, f"node {peer} has acknowledged up to index {matched}") for peer, (matched, line) in node.matched.items()
    ]
    if index > node.log.last:
        guard = "it commits entries that it does not have"
        raise Violation(COMMIT_QUORUM, node.id, guard, "state.commit", f"at most {node.log.last}", index, acknowledged)
    log = node.log.at(index)
    if log.last_term() != node.term:
        guard = f"a leader commits an entry of an older term by counting (entry {index} of term {log.last_term()})"
        expected = f"{node.commit}, or an entry of term {node.term}"
        raise Violation(COMMIT_QUORUM, node.id, guard, "state.commit", expected, index, acknowledged)
    holders = {peer for peer, (matched, _) in node.matched.items() if matched >= index}
    if not node.quorum(holders):
        guard = f"entry {index} is held by {membership.shown(tuple(sorted(holders)))} only"
        expected = f"{node.commit}, without a majority of {membership.shown(node.voters, node.outgoing)}"
        raise Violation(COMMIT_QUORUM, node.id, guard, "state.commit", expected, index, acknowledged)
    cluster.commit(node, index, node.term)
    node.commit = index
