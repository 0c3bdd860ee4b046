"""From a stored ConfState back to a tracked membership (etcd confchange/restore.go)."""

from __future__ import annotations

from kubeproof.impl.raft.confchange.changer import Changer, Membership
from kubeproof.impl.raft.confchange.conf_change import ConfChangeSingle, ConfChangeType
from kubeproof.impl.raft.types import ConfState


def restore(changer: Changer, conf_state: ConfState) -> Membership:
    """Build the membership that `conf_state` describes, by the changes that lead to it from `changer`'s empty one.

    A joint state is reached by making the outgoing voters the configuration and entering the joint state with changes that
    replace them. ConfChangeError if there is no such membership.
    """
    arrivals = _singles(ConfChangeType.ConfChangeAddNode, conf_state.voters)
    arrivals += _singles(ConfChangeType.ConfChangeAddLearnerNode, conf_state.learners)
    arrivals += _singles(ConfChangeType.ConfChangeAddLearnerNode, conf_state.learners_next)
    if not conf_state.voters_outgoing:
        return _one_by_one(changer, arrivals)
    former = _one_by_one(changer, _singles(ConfChangeType.ConfChangeAddNode, conf_state.voters_outgoing))
    departures = _singles(ConfChangeType.ConfChangeRemoveNode, conf_state.voters_outgoing)
    joint = Changer(changer.tracker.with_config(*former), changer.last_index)
    return joint.enter_joint(conf_state.auto_leave, departures + arrivals)


def _singles(kind: ConfChangeType, members: tuple[int, ...]) -> list[ConfChangeSingle]:
    return [ConfChangeSingle(kind, member) for member in members]


def _one_by_one(changer: Changer, changes: list[ConfChangeSingle]) -> Membership:
    membership = changer.tracker.config, changer.tracker.progress
    for change in changes:
        membership = Changer(changer.tracker.with_config(*membership), changer.last_index).simple([change])
    return membership
