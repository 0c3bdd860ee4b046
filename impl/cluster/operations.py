"""What an operator does to a cluster: membership changes of every kind, leader transfers, and stopping members that were
removed."""

from __future__ import annotations

from kubeproof.impl.cluster.cluster import Cluster
from kubeproof.impl.raft.confchange import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
)
from kubeproof.impl.raft.types import ConfState
from kubeproof.impl.sim.streams import Stream

MEMBERS_MAX = 12
JOINT_TRANSITIONS = (
    ConfChangeTransition.ConfChangeTransitionAuto,
    ConfChangeTransition.ConfChangeTransitionJointImplicit,
    ConfChangeTransition.ConfChangeTransitionJointExplicit,
)


class Operator:
    """Works through whichever member leads. Ids of removed members are never used again, as Raft demands."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._configured: set[int] = set()

    def move_leader(self, stream: Stream) -> None:
        """Transfer leadership to a random voter, or let a random member forget its leader."""
        leader = self._cluster.leader()
        if leader is None:
            return
        if stream.chance(0.3):
            stream.choose(list(self._cluster.members.values())).forget_leader()
        elif leader.conf_state.voters:
            leader.transfer_leader(stream.choose(leader.conf_state.voters))

    def change_membership(self, stream: Stream) -> None:
        """Leave a joint membership that waits for it, else propose a random change; stop members that are out for good."""
        leader = self._cluster.leader()
        if leader is None:
            return
        self.stop_removed()
        if leader.conf_state.voters_outgoing:
            leader.propose_conf_change(None)
            return
        changes = self._changes(leader.conf_state, stream)
        if len(changes) == 1 and stream.chance(0.5):
            leader.propose_conf_change(ConfChange(type=changes[0].type, node_id=changes[0].node_id))
        else:
            leader.propose_conf_change(ConfChangeV2(transition=stream.choose(JOINT_TRANSITIONS), changes=changes))

    def _changes(self, current: ConfState, stream: Stream) -> tuple[ConfChangeSingle, ...]:
        """One to three changes of different members that leave at least one voter."""
        targets = stream.shuffled(list(dict.fromkeys((*current.voters, *current.learners, self._newcomer()))))
        changes: list[ConfChangeSingle] = []
        voters = len(current.voters)
        for target in targets[: stream.choose((1, 1, 1, 2, 3))]:
            kinds = [ConfChangeType.ConfChangeAddNode, ConfChangeType.ConfChangeAddLearnerNode]
            if target in _ids(current):
                kinds.append(ConfChangeType.ConfChangeRemoveNode)
            kind = stream.choose(kinds)
            if target in current.voters and kind is not ConfChangeType.ConfChangeAddNode:
                if voters <= 2:
                    continue
                voters -= 1
            changes.append(ConfChangeSingle(kind, target))
        return tuple(changes) or (ConfChangeSingle(ConfChangeType.ConfChangeAddNode, current.voters[0]),)

    def _newcomer(self) -> int:
        """A member that was never configured, started if there is none; a voter to be again when there are enough."""
        members = self._cluster.members
        idle = [id_ for id_ in members if id_ not in self._configured]
        if idle:
            return idle[0]
        if len(members) >= MEMBERS_MAX:
            return next(id_ for id_, member in members.items() if not member.retired)
        removed = [id_ for id_, member in members.items() if member.retired]
        id_ = self._cluster.replacement_id(removed[0]) if removed else max(members) + 1
        self._cluster.add(id_).start()
        return id_

    def stop_removed(self) -> None:
        """Stop removed members once every voter has applied and stored the membership without them.

        Stopping them earlier can leave a cluster without a leader for ever, although a majority lives (etcd#12359). A removed
        leader that is not stopped goes on leading and takes no proposals (etcd#10563).
        """
        leader = self._cluster.leader()
        if leader is None:
            return
        members, current = self._cluster.members, leader.conf_state
        self._configured.update(_ids(current))
        voters = [members[id_] for id_ in (*current.voters, *current.voters_outgoing)]
        waiting = [voter for voter in voters if not voter.has_stored(leader.conf_index)]
        for voter in waiting:
            voter.flush()
        if waiting:
            return
        for id_, member in members.items():
            if id_ in self._configured and id_ not in _ids(current) and not member.retired:
                member.retire()


def _ids(conf_state: ConfState) -> tuple[int, ...]:
    return (*conf_state.voters, *conf_state.learners, *conf_state.voters_outgoing, *conf_state.learners_next)
