"""The leader's log, appends and acknowledgements, commit indexes and snapshots (Raft paper, sections 5.3, 5.4.2 and 7)."""

from __future__ import annotations

from collections import deque

from kubeproof.conformance.trace.raft import membership
from kubeproof.conformance.trace.raft.cluster import Cluster
from kubeproof.conformance.trace.raft.guards import (
    ACKNOWLEDGEMENTS,
    ACKNOWLEDGES_APPEND,
    ACKNOWLEDGES_OWN_ENTRY,
    APPEND_HAS_ENTRIES,
    APPEND_HAS_PREVIOUS,
    APPEND_TELLS_COMMIT,
    COMMITS_OWN_ENTRY,
    CONFLICT,
    ENTRY_OF_OWN_TERM,
    HEARTBEAT_TELLS_COMMIT,
    HEARTBEAT_WITHIN_MATCH,
    LEADER_COMMITS,
    LEADER_PROPOSES,
    LEADER_SENDS_APPEND,
    LEADER_SENDS_HEARTBEAT,
    LEADER_SENDS_SNAPSHOT,
    LEARNS_WHAT_APPEND_TELLS,
    LEARNS_WHAT_HEARTBEAT_TELLS,
    LEARNS_WHAT_MATCHES,
    LEARNS_WITHIN_APPEND,
    NEXT_INDEX,
    PREVIOUS_MATCHES,
    SNAPSHOT_IS_COMMITTED,
    Guard,
)
from kubeproof.conformance.trace.raft.node import Node
from kubeproof.conformance.trace.raft.properties import (
    COMMIT_QUORUM,
    LEADER_APPEND_ONLY,
    LEADER_ONLY,
    LOG_MATCHING,
    STATE_MACHINE_SAFETY,
)
from kubeproof.conformance.trace.raft.violation import Evidence, Violation
from kubeproof.conformance.trace.raft_events import ApplyConfChange, ChangeConfArgs, Event, Message

# ---- the leader's log


def announce(cluster: Cluster, node: Node, index: int | None, payload: str | None) -> None:
    """A leader is about to append an entry."""
    _require_leader(cluster, node, "announces an entry", LEADER_PROPOSES)
    node.announced.append((index, payload))


def announce_change(cluster: Cluster, node: Node, change: ChangeConfArgs) -> None:
    """A leader is about to append a membership change, unless it is too large."""
    guards = membership.proposed(change)
    _require_leader(cluster, node, "announces a membership change", guards.is_leader)
    membership.require_one_at_a_time(cluster, node, guards.none_pending)
    node.announced_changes.append(tuple((each.type, each.node) for each in change.changes))


def append_announced(cluster: Cluster, node: Node, last: int) -> None:
    """The leader's log, up to index `last` now, has grown by what it announced, and by an entry that leaves a joint membership.

    Such an entry is not announced, nor is a change that changes no voter or learner. A change that was announced may be dropped
    for its size; all other entries must be there (etcd raft.go, appendEntry).
    """
    entries, changes = len(node.announced), len(node.announced_changes)
    first = node.log.last + 1
    grown = last - first + 1
    if not entries <= grown <= entries + changes + 1:
        reason = "the leader's log does not grow by what it announced"
        expected = f"{first - 1 + entries} to {first + entries + changes}"
        guard = NEXT_INDEX if last < node.log.last else None
        raise Violation(LEADER_APPEND_ONLY, node.id, reason, "state.last_index", expected, last, guard=guard)
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
    _require_leader(cluster, node, "sends an append", LEADER_SENDS_APPEND)
    last = _last_index(message)
    if last > node.log.last:
        reason = "it sends entries that it does not have"
        guard = APPEND_HAS_ENTRIES if last > message.index else APPEND_HAS_PREVIOUS
        raise Violation(LOG_MATCHING, node.id, reason, "message.entries", f"up to {node.log.last}", last, guard=guard)
    previous = node.log.at(message.index)
    term = previous.last_term()
    if term is None:
        cluster.assumptions += 1
        previous.segment.learn_term(message.index, message.log_term)
    elif term != message.log_term:
        reason = "it names a false previous term"
        raise Violation(LOG_MATCHING, node.id, reason, "message.log_term", term, message.log_term, guard=APPEND_HAS_PREVIOUS)
    if message.entries:
        _require_own_entries(node, message)
    if message.commit > node.commit:
        reason, expected = "it tells a commit index beyond its own commit index", f"at most {node.commit}"
        raise Violation(COMMIT_QUORUM, node.id, reason, "message.commit", expected, message.commit, guard=APPEND_TELLS_COMMIT)


def _last_index(message: Message) -> int:
    """The index of the last entry of an append, or of the one before its first."""
    return message.index + (len(message.entries) if message.entry_count is None else message.entry_count)


def _require_own_entries(node: Node, message: Message) -> None:
    for index, entry in enumerate(message.entries, message.index + 1):
        own = node.log.at(index)
        if own.last_term() not in (None, entry.term) or not own.segment.fits(index, entry.payload):
            reason = "it sends an entry that differs from its own"
            expected = f"{own.last_term()}/{own.segment.payload(index)}"
            field, seen = f"message.entries, index {index}", f"{entry.term}/{entry.payload}"
            raise Violation(LOG_MATCHING, node.id, reason, field, expected, seen, guard=APPEND_HAS_ENTRIES)


def send_heartbeat(cluster: Cluster, node: Node, message: Message) -> None:
    """A commit index that the receiver is known to hold (etcd raft.go, sendHeartbeat)."""
    _require_leader(cluster, node, "sends a heartbeat", LEADER_SENDS_HEARTBEAT)
    matched, line = node.matched.get(message.to, (0, 0))
    if message.commit > min(matched, node.commit):
        known = Evidence(line, f"node {message.to} has acknowledged up to index {matched}") if line else None
        reason = "a heartbeat commits more than its receiver has acknowledged and its sender has committed"
        expected = f"at most {min(matched, node.commit)}"
        guard = HEARTBEAT_TELLS_COMMIT if message.commit > node.commit else HEARTBEAT_WITHIN_MATCH
        raise Violation(COMMIT_QUORUM, node.id, reason, "message.commit", expected, message.commit, (known,), guard)


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
    _require_leader(cluster, node, "sends a snapshot", LEADER_SENDS_SNAPSHOT)
    index = 0 if message.snapshot is None else message.snapshot.index
    if index > node.commit:
        reason = "a snapshot covers entries that are not committed"
        field, expected = "message.snapshot.index", f"at most {node.commit}"
        raise Violation(STATE_MACHINE_SAFETY, node.id, reason, field, expected, index, guard=SNAPSHOT_IS_COMMITTED)
    link = message.from_, message.to, message.term
    cluster.sent_snapshots[link] = min(index, cluster.sent_snapshots.get(link, index))


def _require_leader(cluster: Cluster, node: Node, what: str, guard: Guard) -> None:
    if node.role != "StateLeader":
        reason = f"it {what} without being leader"
        reign = cluster.reigns.get(node.term)
        led = reign is not None and reign.leader == node.id  # for models/raft.py it is leader until the term ends
        raise Violation(LEADER_ONLY, node.id, reason, "state.role", "StateLeader", node.role, guard=None if led else guard)


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
    last = _last_index(message)
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


def broken_by_log(cluster: Cluster, node: Node, last: int) -> Guard | None:
    """What a log up to index `last` breaks that is another than the append at hand gives."""
    message = _append_at_hand(node)
    if message is None or _last_index(message) != last:
        return None
    if not _has_previous(node, message):
        return PREVIOUS_MATCHES
    sent = cluster.leader_log(message.term)
    return CONFLICT if last <= sent.last and node.log.has_prefix(sent.at(last)) else None


def broken_by_commit(node: Node, commit: int) -> Guard | None:
    """What a commit index breaks that goes beyond the one that the message at hand gives."""
    heartbeat = node.handling
    if heartbeat is not None and heartbeat.type == "MsgHeartbeat" and heartbeat.term == node.term:
        return LEARNS_WHAT_HEARTBEAT_TELLS if commit > heartbeat.commit else None
    message = _append_at_hand(node)
    if message is None:
        return None
    if not _has_previous(node, message):
        return LEARNS_WHAT_MATCHES
    if commit > message.commit:
        return LEARNS_WHAT_APPEND_TELLS
    return LEARNS_WITHIN_APPEND if commit > _last_index(message) else None


def _append_at_hand(node: Node) -> Message | None:
    message = node.handling
    return message if message is not None and message.type == "MsgApp" and message.term == node.term else None


def _has_previous(node: Node, message: Message) -> bool:
    return message.index <= node.log.last and node.log.at(message.index).last_term() in (None, message.log_term)


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
        reason = "it acknowledges entries in a term that nobody leads"
        evidence, expected = (_request(node),), "a term with a leader"
        raise Violation(LOG_MATCHING, node.id, reason, "message.term", expected, message.term, evidence, ACKNOWLEDGES_APPEND)
    leader = node.log if message.to == node.id else cluster.leader_log(message.term)
    index = message.index
    if index > node.log.last or index > leader.last:
        reason, guard = "it acknowledges entries nobody sent", ACKNOWLEDGES_APPEND
        if index > node.log.last:
            reason, guard = "it acknowledges entries that it does not have", ACKNOWLEDGES_OWN_ENTRY
        expected = f"at most {min(node.log.last, leader.last)}"
        raise Violation(LOG_MATCHING, node.id, reason, "message.index", expected, index, (_request(node),), guard)
    if node.log.at(index) != leader.at(index):
        reason = "it acknowledges entries that differ from the leader's"
        expected = f"the leader's entry {index} of term {leader.at(index).last_term()}"
        seen, evidence = f"its own of term {node.log.at(index).last_term()}", (_request(node),)
        raise Violation(LOG_MATCHING, node.id, reason, "message.index", expected, seen, evidence, ACKNOWLEDGES_OWN_ENTRY)


def _require_own_hint(cluster: Cluster, node: Node, message: Message) -> None:
    hint, term = message.reject_hint, message.log_term
    if hint > node.log.last:
        reason = "it names an entry that it does not have"
        raise Violation(LOG_MATCHING, node.id, reason, "message.reject_hint", f"at most {node.log.last}", hint, (_request(node),))
    own = node.log.at(hint)
    if own.last_term() is None:
        cluster.assumptions += 1
    elif term not in (0, own.last_term()):
        reason = f"it names a false term of its entry {hint}"
        raise Violation(LOG_MATCHING, node.id, reason, "message.log_term", own.last_term(), term, (_request(node),))


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
    _require_leader(cluster, node, "evaluates a commit index", LEADER_COMMITS)
    if index <= node.commit:
        return
    acknowledged = [
        Evidence(line, f"node {peer} has acknowledged up to index {matched}") for peer, (matched, line) in node.matched.items()
    ]
    if index > node.log.last:
        reason = "it commits entries that it does not have"
        expected = f"at most {node.log.last}"
        raise Violation(COMMIT_QUORUM, node.id, reason, "state.commit", expected, index, acknowledged, COMMITS_OWN_ENTRY)
    log = node.log.at(index)
    if log.last_term() != node.term:
        reason = f"a leader commits an entry of an older term by counting (entry {index} of term {log.last_term()})"
        expected = f"{node.commit}, or an entry of term {node.term}"
        raise Violation(COMMIT_QUORUM, node.id, reason, "state.commit", expected, index, acknowledged, ENTRY_OF_OWN_TERM)
    holders = {peer for peer, (matched, _) in node.matched.items() if matched >= index}
    if lack := node.lacks(holders, ACKNOWLEDGEMENTS):
        reason = f"entry {index} is held by {membership.shown(tuple(sorted(holders)))} only"
        expected = f"{node.commit}, without a majority of {membership.shown(node.voters, node.outgoing)}"
        raise Violation(COMMIT_QUORUM, node.id, reason, "state.commit", expected, index, acknowledged, lack)
    cluster.commit(node, index, node.term)
    node.commit = index
