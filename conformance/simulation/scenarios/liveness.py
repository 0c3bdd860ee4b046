"""Schedules after which a healed cluster must recover, although some mistakes keep it from that for ever.

Who is crashed at the end stays down: a majority is up, and Raft promises progress to a majority.
"""

from __future__ import annotations

from dataclasses import replace

from kubeproof.impl.cluster.script import Script
from kubeproof.impl.raft.confchange import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    encode_conf_change,
)
from kubeproof.impl.raft.types import MessageType

THREE = (1, 2, 3)


def candidate_ahead_of_a_member_that_thinks_it_is_a_learner(script: Script) -> None:
    """Leader 1 promotes learner 2 and dies before 2 hears of it; 3 is a term ahead of 2 when it asks for its vote.

    Needs pre_vote. Member 2 cannot campaign itself.
    """
    promoted_without_knowing(script)
    script.member(3).campaign()
    script.deliver(type_=MessageType.MsgPreVote)
    script.deliver(type_=MessageType.MsgPreVoteResp)
    script.drop()


def promoted_without_knowing(script: Script) -> None:
    """Leader 1 of voters 1 and 3 promotes learner 2 and dies before 2 hears of it."""
    script.cluster.bootstrap((1, 3))
    script.elect(1, (1, 3))
    script.cluster.add(2).start()
    script.member(1).propose_conf_change(ConfChange(ConfChangeType.ConfChangeAddLearnerNode, 2))
    script.settle(*THREE)
    script.member(1).propose_conf_change(ConfChange(ConfChangeType.ConfChangeAddNode, 2))
    script.settle(1, 3)
    script.drop()
    script.crash(1)


def pre_vote_is_rolled_out(script: Script) -> None:
    """Two members: 1 has the longer log, 2 the higher term. Both restart, with pre_vote now."""
    script.cluster.bootstrap((1, 2))
    script.elect(1, (1, 2))
    script.member(1).propose(b"a")
    script.drop()
    script.crash(1)
    for _ in range(3):
        script.member(2).campaign()
    script.drop()
    script.crash(2)
    for id_ in (1, 2):
        member = script.member(id_)
        member.settings = replace(member.settings, pre_vote=True)
        script.restart(id_)


def leader_of_three_dies(script: Script) -> None:
    """Leader 1 dies. Needs pre_vote and check_quorum."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.tick(1, 1)
    script.settle(*THREE)
    script.crash(1)


def votes_split(script: Script) -> None:
    """With 3 down, 1 and 2 campaign in the same term and reject each other. Needs pre_vote."""
    script.cluster.bootstrap(THREE)
    script.crash(3)
    for id_ in (1, 2):
        script.member(id_).campaign()
    script.deliver(type_=MessageType.MsgPreVote)
    script.deliver(type_=MessageType.MsgPreVoteResp)
    script.settle(1, 2)


def cut_off_member_comes_back(script: Script) -> None:
    """Member 3 campaigned alone for a while and comes back with a higher term. Needs check_quorum."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for _ in range(4):
        script.member(3).campaign()
        script.drop(from_=3)
    script.tick(1, 1)
    script.settle(1, 2)
    script.drop()


def voter_becomes_learner_by_snapshot(script: Script) -> None:
    """Voter 3 is cut off while it is made a learner and the log is compacted."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.member(1).propose_conf_change(ConfChange(ConfChangeType.ConfChangeAddLearnerNode, 3))
    script.settle(1, 2)
    script.member(1).propose(b"a")
    script.settle(1, 2)
    script.drop()
    script.member(1).compact()


def outgoing_voter_needs_a_snapshot(script: Script) -> None:
    """Voter 3 is cut off while a joint membership begins in which it is only in the outgoing half, and the log is compacted."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.cluster.add(4).start()
    script.member(1).propose_conf_change(_replace(3, 4, ConfChangeTransition.ConfChangeTransitionJointExplicit))
    script.settle(1, 2, 4)
    script.member(1).propose(b"a")
    script.settle(1, 2, 4)
    script.drop()
    script.member(1).compact()


def leader_of_a_joint_membership_dies(script: Script) -> None:
    """A leader dies when everybody has applied the joint membership, and nobody else has the entry with which it would leave
    it."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.cluster.add(4).start()
    script.member(1).propose_conf_change(_replace(3, 4, ConfChangeTransition.ConfChangeTransitionJointImplicit))
    while script.network.held:
        script.drop(where=lambda message: any(encode_conf_change(None) == (e.type, e.data) for e in message.entries))
        script.deliver()
    script.crash(1)


def joint_membership_with_more_to_apply(script: Script) -> None:
    """While a joint membership is being left, other entries are applied one by one. Needs max_committed_size_per_ready=1."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.cluster.add(4).start()
    script.member(1).propose_conf_change(_replace(3, 4, ConfChangeTransition.ConfChangeTransitionJointImplicit))
    for payload in (b"a", b"b", b"c"):
        script.member(1).propose(payload)
    script.settle(1, 2, 3, 4)


def _replace(old: int, new: int, transition: ConfChangeTransition) -> ConfChangeV2:
    changes = (
        ConfChangeSingle(ConfChangeType.ConfChangeRemoveNode, old),
        ConfChangeSingle(ConfChangeType.ConfChangeAddNode, new),
    )
    return ConfChangeV2(transition, changes)


def old_snapshot_arrives_instead(script: Script) -> None:
    """Of two snapshots for member 3 only the older one arrives, and the log still reaches back to it.

    Needs an application that reports nothing (report_snapshots=false) and keeps an entry before its snapshots (keep_entries=1).
    """
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.settle(*THREE)
    for payload in (b"a", b"b", b"c"):
        script.member(1).propose(payload)
        script.settle(1, 2)
    script.drop()
    script.member(1).compact()
    script.tick(1, 1)
    script.deliver(to=3, type_=MessageType.MsgHeartbeat)
    script.deliver(to=1, type_=MessageType.MsgHeartbeatResp)
    script.deliver(to=3, type_=MessageType.MsgApp)
    script.deliver(to=1, type_=MessageType.MsgAppResp)
    older = [held for held in script.network.held if held.message.type is MessageType.MsgSnap]
    script.drop()
    script.member(1).report_snapshot(3, ok=False)
    for payload in (b"d", b"e"):
        script.member(1).propose(payload)
        script.settle(1, 2)
    script.drop()
    script.tick(1, 1)
    script.deliver(to=3, type_=MessageType.MsgHeartbeat)
    script.deliver(to=1, type_=MessageType.MsgHeartbeatResp)
    script.drop()
    script.network.held += older


def windows_are_reset_again_and_again(script: Script) -> None:
    """Appends to member 3 are lost and reported many times. Needs a limit on the bytes of a window (max_inflight_bytes)."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for number in range(20):
        script.member(1).propose(b"payload %d" % number)
        script.drop(to=3)
        script.settle(1, 2)
        script.member(1).report_unreachable(3)
        script.tick(1, 1)
        script.settle(*THREE)


def many_payloads_are_committed(script: Script) -> None:
    """A leader commits one payload after the other. Needs a limit on uncommitted bytes (max_uncommitted_entries_size)."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for number in range(60):
        script.member(1).propose(b"p%d" % number)
        script.settle(*THREE)


def read_before_the_first_commit(script: Script) -> None:
    """A new leader is asked for a read before it has committed anything."""
    script.cluster.bootstrap(THREE)
    script.member(1).campaign()
    script.deliver(type_=MessageType.MsgVote)
    script.deliver(to=1, type_=MessageType.MsgVoteResp)
    script.member(1).read(b"r1")


def removal_makes_a_quorum(script: Script) -> None:
    """Leader 1 of two removes the other, which acknowledges the removal and dies before it acknowledges the entry behind it."""
    script.cluster.bootstrap((1, 2))
    script.elect(1, (1, 2))
    script.member(1).propose_conf_change(ConfChange(ConfChangeType.ConfChangeRemoveNode, 2))
    script.member(1).propose(b"a")
    script.drop(type_=MessageType.MsgApp, where=lambda message: any(entry.data == b"a" for entry in message.entries))
    script.deliver(to=2, type_=MessageType.MsgApp)
    script.crash(2)
    script.settle(1, 2)


def follower_is_asked_for_a_read(script: Script) -> None:
    """A follower passes a read request on to its leader, which by then follows another one and passes it on again."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.member(2).read(b"r1")
    request = list(script.network.held)
    script.drop()
    script.elect(3, THREE)
    script.network.held += request
    script.settle(*THREE)


def removed_member_is_replaced(script: Script) -> None:
    """Member 3 is removed and replaced by an empty one while its last acknowledgement is under way."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.member(1).propose(b"a")
    script.deliver(to=3, type_=MessageType.MsgApp)
    late = [held for held in script.network.held if held.sender == 3]
    script.network.held = [held for held in script.network.held if held.sender != 3]
    script.settle(1, 2)
    script.drop()
    script.member(1).propose_conf_change(ConfChange(ConfChangeType.ConfChangeRemoveNode, 3))
    script.settle(1, 2)
    script.drop()
    script.member(3).retire()
    new = script.cluster.replacement_id(3)
    script.cluster.add(new).start()
    script.member(1).propose_conf_change(ConfChange(ConfChangeType.ConfChangeAddNode, new))
    script.settle(1, 2)
    script.network.held = [*late, *script.network.held]
