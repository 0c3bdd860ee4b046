"""Configurations: changed one by one by committed entries, by each node when it applies them (Raft thesis, section 4).

The trace shows voters, and who is outgoing on the event after a change. Learners do not show.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubeproof.conformance.trace.raft.cluster import Cluster, Membership
from kubeproof.conformance.trace.raft.guards import (
    APPLIES_COMMITTED,
    NO_UNAPPLIED_CHANGE,
    PROPOSES_JOINT,
    PROPOSES_LEAVE,
    PROPOSES_SIMPLE,
    RESTART_IS_COMMITTED,
    Guard,
    ProposalGuards,
)
from kubeproof.conformance.trace.raft.log_trie import Change
from kubeproof.conformance.trace.raft.node import Node, Voters
from kubeproof.conformance.trace.raft.properties import CONFIG_CHANGE, DURABLE_STATE, ONE_CHANGE_AT_A_TIME
from kubeproof.conformance.trace.raft.violation import CannotBeJudged, Violation
from kubeproof.conformance.trace.raft_events import ApplyConfChange, ChangeConfArgs

# Changes whose effect no event has shown for certain multiply what a membership may be.
_MOST_POSSIBLE_MEMBERSHIPS = 1 << 10
_MOST_PEERS = 10_000


def shown(voters: Voters, outgoing: Voters = ()) -> str:
    """A configuration for people."""
    return f"({' '.join(voters)})" + (f"&&({' '.join(outgoing)})" if outgoing else "")


def same(one: Voters, other: Voters) -> bool:
    """Whether two lists name the same voters."""
    return one == other or (len(one) == len(other) and set(one) == set(other))


def require_ids(voters: Voters) -> None:
    """No recorder names a voter twice, or none."""
    if len(set(voters)) != len(voters) or "" in voters:
        raise CannotBeJudged(f"args.voters: expected ids that do not repeat, got {shown(voters)}")


# ---- applying


def apply_change(cluster: Cluster, node: Node, event: ApplyConfChange) -> None:
    """The node applies the next committed change of its log; the change's effect is the same everywhere.

    An application may refuse a change: then nothing changes.
    """
    voters = event.args.voters
    next_changes = list(_next_changes(node))
    fitting = [
        (index, change)
        for index, change in next_changes
        if same(voters, _changed(node.voters, change)) or same(voters, node.voters)
    ]
    if not fitting:
        raise _unexpected(node, voters, next_changes)
    _enter(
        cluster,
        node,
        event,
        [(index, option) for index, change in fitting for option in _outgoing_after(node.voters, node.outgoing)],
    )


def _enter(cluster: Cluster, node: Node, event: ApplyConfChange, options: list[tuple[int, Voters]]) -> None:
    """The node is in this configuration from now on; `options` are the places in the log and the outgoing halves that fit."""
    node.applied_changes = tuple(dict.fromkeys(place for place, _ in options))
    node.outgoing_options = tuple(options)
    node.voters = event.args.voters
    if event.args.voters_outgoing is not None:
        settle_outgoing(cluster, node, event.args.voters_outgoing)


def _next_changes(node: Node) -> Iterator[tuple[int, Change]]:
    """For each place where the node may be: the next committed change behind it."""
    committed = node.log.at(node.commit)
    if len(node.applied_changes) == 1:
        if not node.unapplied:
            node.unapplied.extend(committed.changes_after(node.applied_changes[0]))
        if not node.unapplied:
            return
        if committed.has_for_certain(node.unapplied[0][0]):
            yield node.unapplied.popleft()
            return
    node.unapplied.clear()
    for applied in node.applied_changes:
        for place, change in committed.changes_after(applied):
            yield place, change
            if committed.has_for_certain(place):
                break


def _changed(voters: Voters, change: Change) -> Voters:
    members = dict.fromkeys(voters)
    for kind, member in change:
        if not member:
            continue  # etcd passes over a change of no node
        if kind == "ConfChangeAddNode":
            members[member] = None
        elif kind in ("ConfChangeRemoveNode", "ConfChangeAddLearnerNode"):
            members.pop(member, None)
    return tuple(members)


def _outgoing_after(voters: Voters, outgoing: Voters) -> tuple[Voters, ...]:
    """A change may enter a joint configuration, or leave it. Neither shows in the change, nor does an update of a node."""
    return ((), outgoing or voters)


def _unexpected(node: Node, voters: Voters, changes: list[tuple[int, Change]]) -> Violation:
    if changes:
        index, change = changes[0]
        reason = f"it applies another change than the next committed one, entry {index}"
        return Violation(CONFIG_CHANGE, node.id, reason, "args.voters", shown(_changed(node.voters, change)), shown(voters))
    later = node.log.changes_after(node.applied_changes[0])
    where = f"the next one is entry {later[0][0]}, beyond commit index {node.commit}" if later else "its log has no further one"
    reason = f"it applies a membership change that no committed entry gives ({where})"
    expected, seen = f"no change of {shown(node.voters)}", shown(voters)
    guard = APPLIES_COMMITTED if later and same(voters, _changed(node.voters, later[0][1])) else None
    return Violation(CONFIG_CHANGE, node.id, reason, "args.voters", expected, seen, guard=guard)


def settle_outgoing(cluster: Cluster, node: Node, outgoing: Voters) -> None:
    """The event after a change shows whether the configuration is joint now; the same for every node that applies the change."""
    options, node.outgoing_options = node.outgoing_options, ()
    places = tuple(dict.fromkeys(place for place, option in options if same(outgoing, option)))
    if not places:
        expected = " or ".join(shown(node.voters, option) for option in dict.fromkeys(option for _, option in options))
        reason = "it is in a joint configuration that no committed change gives"
        raise Violation(CONFIG_CHANGE, node.id, reason, "state.voters_outgoing", expected, shown(node.voters, outgoing))
    node.outgoing, node.applied_changes = outgoing, places
    if len(node.applied_changes) == 1 and node.applied_changes[0] > len(cluster.peers):
        _require_agreement(cluster, node)


def _require_agreement(cluster: Cluster, node: Node) -> None:
    entry = node.log.at(node.applied_changes[0])
    own = _membership(node.voters, node.outgoing)
    known = cluster.memberships.setdefault(entry, own)
    if known != own:
        reason = f"the change at index {entry.last} has another effect than elsewhere"
        raise Violation(CONFIG_CHANGE, node.id, reason, "state.voters", shown(*known), shown(*own))


def _membership(voters: Voters, outgoing: Voters) -> Membership:
    return Membership(tuple(sorted(voters)), tuple(sorted(outgoing)))


def _possible(cluster: Cluster, node: Node, place: int) -> list[Membership]:
    """What the membership after the change at this place of the node's log may be; place 0 is before the first change.

    It is not known if whoever applied the committed change stopped before another event showed the outgoing half.
    """
    unknown: list[Change] = []
    while (known := cluster.memberships.get(log := node.log.at(place) if place else cluster.empty)) is None:
        if not place or not cluster.committed.has_prefix(log):
            return []
        unknown.append(log.segment.changes[place])
        place = node.log.at(place - 1).last_change()
    possible = [known]
    for change in reversed(unknown):
        possible = list(dict.fromkeys(after for before in possible for after in _after(before, change)))
        if len(possible) > _MOST_POSSIBLE_MEMBERSHIPS:
            raise CannotBeJudged("args: expected that earlier events show the effect of most changes before this start")
    return possible


def _after(before: Membership, change: Change) -> Iterator[Membership]:
    voters = _changed(before.voters, change)
    for outgoing in _outgoing_after(*before):
        yield _membership(voters, outgoing)
    yield before  # refused


# ---- starting


def restore(node: Node) -> None:
    """A snapshot was restored: its membership replaces the old one, which is gone already."""
    node.applied_changes = (node.log.last_change(),)
    node.unapplied.clear()
    node.voters = node.outgoing = ()


def apply_snapshot(cluster: Cluster, node: Node, event: ApplyConfChange) -> None:
    """The membership of the snapshot that was just restored."""
    base = node.log.last_certain_change()
    places = [base, *(index for index, _ in node.log.changes_after(base))]
    _enter(cluster, node, event, _stored(cluster, node, event.args.voters, places))


def is_bootstrapping(node: Node, event: ApplyConfChange) -> bool:
    """Whether a node with an empty log has got its first entries without a message."""
    if node.peers_to_add:
        return True
    if (node.log.last, node.commit, node.term, node.voters, node.offered) != (0, 0, 1, (), None):
        return False
    state = event.state
    if state is None or state.last_index is None or state.commit is None:
        raise CannotBeJudged("state.last_index/commit: expected in the first apply_conf_change, which may be that of a bootstrap")
    return state.last_index == state.commit != 0


def begin_bootstrap(cluster: Cluster, node: Node, event: ApplyConfChange) -> None:
    """A new cluster: every node begins with the same committed entries, which add one peer each."""
    if node.peers_to_add or event.state is None or event.state.last_index is None:
        return
    length = event.state.last_index
    if length != (cluster.peer_count or length):
        reason = "it starts with another list of peers than the others"
        raise Violation(CONFIG_CHANGE, node.id, reason, "state.last_index", cluster.peer_count, length)
    if length > _MOST_PEERS:
        raise CannotBeJudged(f"state.last_index: expected a bootstrap of at most {_MOST_PEERS} peers, got {length}")
    node.peers_to_add = cluster.peer_count = length
    for _ in range(length):
        node.log = node.log.append(1)
    node.commit = length
    cluster.commit(node, length, 1)
    cluster.memberships.setdefault(cluster.empty, Membership((), ()))


def bootstrap(cluster: Cluster, node: Node, event: ApplyConfChange) -> None:
    """The next peer of a bootstrap. All are in force at once, and their entries are applied once more later."""
    voters, at = event.args.voters, len(node.voters)
    added = [voter for voter in voters if voter not in node.voters]
    expected = cluster.peers[at : at + 1] if at < len(cluster.peers) else added[:1]
    if added != expected or len(voters) != at + 1:
        reason = "it starts with another list of peers than the others"
        raise Violation(CONFIG_CHANGE, node.id, reason, "args.voters", shown((*node.voters, *expected)), shown(voters))
    if at == len(cluster.peers):
        cluster.peers += added
    entry = node.log.at(at + 1)
    entry.segment.note_change(at + 1, (("ConfChangeAddNode", added[0]),))
    cluster.memberships.setdefault(entry, _membership(voters, ()))
    node.voters = voters
    node.peers_to_add -= 1


def start_with(cluster: Cluster, node: Node, event: ApplyConfChange) -> None:
    """The stored membership: that of the stored snapshot, or of a later entry if the application tells what it has applied."""
    voters = event.args.voters
    if not voters and node.commit == 0:
        return
    base = node.log.at(node.commit).last_certain_change()
    if not base and cluster.empty not in cluster.memberships:
        # the first node that starts from a snapshot tells what the others must have, too
        cluster.assumptions += 1
        cluster.memberships[cluster.empty] = _membership(voters, event.args.voters_outgoing or ())
    places = [base, *(index for index, _ in node.log.changes_after(base))]
    _enter(cluster, node, event, _stored(cluster, node, voters, places))


def _stored(cluster: Cluster, node: Node, voters: Voters, places: list[int]) -> list[tuple[int, Voters]]:
    """Of these places in the log, those whose membership this is, each with its outgoing half."""
    possible = [(place, each) for place in places for each in _possible(cluster, node, place)]
    if not possible and len(places) == 1:
        cluster.assumptions += 1
        return [(places[0], ())]
    fitting = [(place, each.outgoing) for place, each in possible if same(voters, each.voters)]
    if same(voters, tuple(cluster.peers)):
        # a bootstrap sets all peers at once, so a snapshot of its first entries has them all, too
        fitting += [(place, ()) for place in places if 0 < place < len(cluster.peers)]
    if not fitting:
        expected = " or ".join(shown(*each) for _, each in possible)
        reason = "it starts with a membership that no committed change gives"
        guard = RESTART_IS_COMMITTED if node.starting and node.storage.begun else None
        raise Violation(CONFIG_CHANGE, node.id, reason, "args.voters", expected, shown(voters), guard=guard)
    return fitting


# ---- who may do what


def require_may_campaign(node: Node) -> None:
    """A node campaigns as a voter, and not before it has applied all membership changes that it knows to be committed."""
    if node.starting:
        reason = "it campaigns before it has loaded what it stored"
        expected = "become_follower with the stored term, vote and commit index"
        raise Violation(DURABLE_STATE, node.id, reason, "action", expected, "a campaign")
    if node.id not in node.voters and node.id not in node.outgoing:
        reason = "it campaigns without being a voter"
        raise Violation(
            CONFIG_CHANGE, node.id, reason, "state.voters", f"node {node.id} among them", shown(node.voters, node.outgoing)
        )
    last = node.log.at(node.commit).last_certain_change()
    if last > max(node.applied_changes):
        reason = "it campaigns with a committed membership change that it has not applied"
        expected = f"entry {last} applied"
        seen = f"the membership of entry {max(node.applied_changes)}"
        raise Violation(CONFIG_CHANGE, node.id, reason, "state.voters", expected, seen, guard=NO_UNAPPLIED_CHANGE)


def proposed(change: ChangeConfArgs) -> ProposalGuards:
    """Which of the proposals it is (etcd confchange.go, EnterJoint and LeaveJoint)."""
    if len(change.changes) > 1 or change.transition not in (None, "ConfChangeTransitionAuto"):
        return PROPOSES_JOINT
    return PROPOSES_SIMPLE if change.changes else PROPOSES_LEAVE


def require_one_at_a_time(cluster: Cluster, node: Node, guard: Guard) -> None:
    """A leader takes a change when all in its log are applied. Applications may switch that off, which traces do not tell."""
    if not cluster.changes_one_at_a_time or not node.applied_changes:
        return
    last = node.log.last_change()
    if last > max(node.applied_changes):
        reason = "it takes a membership change while another one is not applied"
        expected, seen = f"entry {last} applied first", "a further change"
        raise Violation(ONE_CHANGE_AT_A_TIME, node.id, reason, "args.changes", expected, seen, guard=guard)
