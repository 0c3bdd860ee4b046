"""The menu of membership changes: few, so that a model stays small, and each of a kind that can go wrong on its own."""

from __future__ import annotations

from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.impl.raft import ConfState
from kubeproof.impl.raft.confchange import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
)

ADD, REMOVE = ConfChangeType.ConfChangeAddNode, ConfChangeType.ConfChangeRemoveNode
ADD_LEARNER = ConfChangeType.ConfChangeAddLearnerNode

LEAVE = ConfChangeV2()
"""Ends a joint membership."""


def menu(setup: Setup, current: ConfState) -> list[ConfChange | ConfChangeV2]:
    """What may be proposed to a leader that counts by this membership; what changes nothing is left out."""
    if current.voters_outgoing:
        return [LEAVE] if setup.explicit else []
    return [
        *[_single(setup, change) for change in _singles(setup) if _changes(current, change)],
        *_replacements(setup, current),
    ]


def targets(setup: Setup) -> set[int]:
    """The members whose place the menu may change."""
    replacements = [each for change in _replacements(setup, setup.conf_state) for each in change.changes]
    return {change.node_id for change in (*_singles(setup), *replacements)}


def _singles(setup: Setup) -> list[ConfChangeSingle]:
    voters, learners = setup.conf_state.voters, setup.conf_state.learners
    wanted = (
        (setup.add, ADD, setup.spare_ids[:1]),
        (setup.add_learner, ADD_LEARNER, setup.spare_ids[:1]),
        (setup.promote, ADD, (learners or setup.spare_ids)[:1]),
        (setup.demote, ADD_LEARNER, voters[-1:]),
        (setup.remove, REMOVE, voters[-1:]),
        (setup.remove_two, REMOVE, voters[-2:]),
        (setup.remove_leader, REMOVE, voters[:1]),
    )
    return [ConfChangeSingle(kind, target) for switch, kind, ids in wanted if switch for target in ids]


def _changes(current: ConfState, change: ConfChangeSingle) -> bool:
    if change.type is ADD:
        return change.node_id not in current.voters
    if change.type is ADD_LEARNER:
        return change.node_id not in current.learners
    return change.node_id in current.voters and len(current.voters) > 1


def _single(setup: Setup, change: ConfChangeSingle) -> ConfChange | ConfChangeV2:
    return ConfChangeV2(changes=(change,)) if setup.as_v2 else ConfChange(change.type, change.node_id)


def _replacements(setup: Setup, current: ConfState) -> list[ConfChangeV2]:
    """The last voter goes, and the first of the learners and spares votes instead."""
    old, new = setup.conf_state.voters[-1], (*setup.conf_state.learners, *setup.spare_ids)[:1]
    if not (setup.replace and new) or old not in current.voters or new[0] in current.voters:
        return []
    implicit, explicit = (
        ConfChangeTransition.ConfChangeTransitionJointImplicit,
        ConfChangeTransition.ConfChangeTransitionJointExplicit,
    )
    changes = ConfChangeSingle(REMOVE, old), ConfChangeSingle(ADD, new[0])
    return [ConfChangeV2(explicit if setup.explicit else implicit, changes)]
