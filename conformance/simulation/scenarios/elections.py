"""Schedules about votes and who may campaign."""

from __future__ import annotations

from kubeproof.impl.cluster.script import Script
from kubeproof.impl.raft.confchange import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
)
from kubeproof.impl.raft.types import MessageType

THREE = (1, 2, 3)
FIVE = (1, 2, 3, 4, 5)


def candidate_meets_winner_then_rival(script: Script) -> None:
    """Candidate 2 voted for itself, hears the winner of its term, forgets it and is asked by another candidate of that term."""
    script.cluster.bootstrap(FIVE)
    for id_ in (1, 2, 5):
        script.member(id_).campaign()
    script.drop(from_=2)
    script.deliver(to=3, from_=1)
    script.deliver(to=4, from_=1)
    script.deliver(to=1, type_=MessageType.MsgVoteResp)
    script.drop(from_=1)
    script.tick(1, 1)
    script.deliver(to=2, type_=MessageType.MsgHeartbeat)
    script.member(2).forget_leader()
    script.deliver(to=2, from_=5, type_=MessageType.MsgVote)
    script.deliver(to=5, type_=MessageType.MsgVoteResp)


def two_candidates_ask_one_voter(script: Script) -> None:
    """Members 1 and 2 ask 3 for its vote in the same term, and neither hears of the other."""
    script.cluster.bootstrap(THREE)
    for id_ in (1, 2):
        script.member(id_).campaign()
    script.deliver(to=3, type_=MessageType.MsgVote)
    script.deliver(type_=MessageType.MsgVoteResp)


def candidate_with_a_shorter_log(script: Script) -> None:
    """Member 3 asks for the vote of 2, which holds an entry that 3 lacks and that is committed."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.member(1).propose(b"a")
    script.settle(1, 2)
    script.drop()
    script.elect(3, (2, 3))
    script.member(3).propose(b"b")
    script.settle(2, 3)


def campaign_before_applying_a_v1_change(script: Script) -> None:
    """Member 2 knows that a membership change is committed, has not applied it, and its election timeout passes."""
    _commit_unapplied(script, ConfChange(ConfChangeType.ConfChangeRemoveNode, 3))
    script.member(2).campaign()
    script.settle(2, 3)


def campaign_before_applying_a_v2_change(script: Script) -> None:
    """As `campaign_before_applying_a_v1_change`, with a change of the newer form."""
    _commit_unapplied(script, ConfChangeV2(changes=(ConfChangeSingle(ConfChangeType.ConfChangeRemoveNode, 3),)))
    script.member(2).campaign()
    script.settle(2, 3)


def transfer_before_applying(script: Script) -> None:
    """The leader hands over to member 2, which has not applied a committed membership change."""
    _commit_unapplied(script, ConfChange(ConfChangeType.ConfChangeRemoveNode, 3))
    script.member(1).transfer_leader(2)
    script.settle(1, 2, 3)


def two_removals_are_proposed_at_once(script: Script) -> None:
    """A leader of five is asked to remove two members, the second before the first is committed."""
    script.cluster.bootstrap(FIVE)
    script.elect(1, FIVE)
    for id_ in (5, 4):
        script.member(1).propose_conf_change(ConfChange(ConfChangeType.ConfChangeRemoveNode, id_))
    script.settle(*FIVE)


def _commit_unapplied(script: Script, change: ConfChange | ConfChangeV2) -> None:
    """Members apply only when time passes: commit a change everywhere and let nobody apply it."""
    script.cluster.bootstrap(THREE)
    script.pass_time()
    script.elect(1, THREE)
    script.pass_time()
    script.member(1).propose_conf_change(change)
    script.settle(*THREE)


def candidate_with_half_of_a_joint_quorum(script: Script) -> None:
    """In the joint membership of {1, 2, 3} and {1, 4, 5} member 1 has the votes of the new half only."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    _enter_joint(script)
    script.settle(*FIVE)
    script.member(4).campaign()
    script.settle(4, 5)


def _enter_joint(script: Script) -> None:
    for id_ in (4, 5):
        script.cluster.add(id_).start()
    changes = (
        ConfChangeSingle(ConfChangeType.ConfChangeAddNode, 4),
        ConfChangeSingle(ConfChangeType.ConfChangeAddNode, 5),
        ConfChangeSingle(ConfChangeType.ConfChangeRemoveNode, 2),
        ConfChangeSingle(ConfChangeType.ConfChangeRemoveNode, 3),
    )
    script.member(1).propose_conf_change(ConfChangeV2(ConfChangeTransition.ConfChangeTransitionJointExplicit, changes))


def learner_acknowledges(script: Script) -> None:
    """Of voters 1, 2 and learner 3 only the learner answers the leader."""
    script.cluster.bootstrap((1, 2))
    script.elect(1, (1, 2))
    script.cluster.add(3).start()
    script.member(1).propose_conf_change(ConfChange(ConfChangeType.ConfChangeAddLearnerNode, 3))
    script.settle(*THREE)
    script.member(1).propose(b"a")
    script.settle(1, 3)
