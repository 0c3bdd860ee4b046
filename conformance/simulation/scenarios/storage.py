"""Schedules about what is stored, and when."""

from __future__ import annotations

from dataclasses import replace

from kubeproof.impl.cluster.script import Script
from kubeproof.impl.raft.confchange import ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2
from kubeproof.impl.raft.types import MessageType

THREE = (1, 2, 3)
FIVE = (1, 2, 3, 4, 5)


def vote_request_outlives_its_term(script: Script) -> None:
    """Member 3 campaigns, crashes before term, vote and a committed entry are written, and campaigns for the same term again.

    The vote request of before the crash was under way and wins the election for a member that has lost what it claimed to hold.
    Found by exploring go.etcd.io/raft 3.7.0; the schedule needs a message under way while its sender restarts.
    """
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.settle(*THREE)
    script.hold_disk(3)
    script.member(1).propose(b"a")
    script.settle(1, 2)
    script.deliver(to=3, type_=MessageType.MsgApp)
    script.drop()
    script.member(3).campaign()
    script.drop(to=1)
    under_way = list(script.network.held)
    script.network.held.clear()
    script.crash(3)
    script.restart(3)
    script.member(3).campaign()
    script.drop()
    script.network.held += under_way
    script.settle(2, 3)


def old_write_is_confirmed_late(script: Script) -> None:
    """Member 3 writes an entry of term 2, then another in its place, and gets the first one again; the answers of its disk are
    late.

    The answer to the first write names the entry that the log holds by now, but the storage has the second (etcd-io/raft#8).
    """
    script.cluster.bootstrap(FIVE)
    script.elect(1, FIVE)
    late = script.member(3)
    late.settings = replace(late.settings, answer_ms=(1, 1))
    script.member(1).propose(b"a")
    script.deliver(to=3, type_=MessageType.MsgApp)
    script.drop()
    script.member(2).campaign()
    script.drop(to=3)
    script.deliver(type_=MessageType.MsgVote)
    script.deliver(type_=MessageType.MsgVoteResp)
    script.deliver(to=3, type_=MessageType.MsgApp)
    script.drop()
    script.member(1).campaign()
    script.drop(to=3)
    script.settle(1, 4, 5)
    script.deliver(to=3, from_=1)
    script.hold_disk(3)
    script.deliver(to=1, from_=3)
    script.deliver(to=3, from_=1)
    script.pass_time()
    script.release_disk(3)
    script.pass_time()
    script.settle(1, 3)


def single_voter_forgets_its_commit(script: Script) -> None:
    """The only voter commits, applies and crashes; that its commit index moved was never synced. Then it is asked for a read.

    A single voter answers reads at once, even before it has committed an entry of its term (etcd-io/raft raft.go, stepLeader).
    """
    script.cluster.bootstrap((1,))
    script.elect(1, (1,))
    script.member(1).propose(b"a")
    script.crash(1)
    script.restart(1)
    script.hold_disk(1)
    script.member(1).campaign()
    script.release_sync(1)
    script.member(1).read(b"r1")
    script.release_disk(1)


def member_restarts_in_a_joint_membership(script: Script) -> None:
    """Member 2 stores a snapshot of a joint membership, with 3 outgoing and 4 incoming, and starts from it."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.cluster.add(4).start()
    changes = (
        ConfChangeSingle(ConfChangeType.ConfChangeAddNode, 4),
        ConfChangeSingle(ConfChangeType.ConfChangeRemoveNode, 3),
    )
    script.member(1).propose_conf_change(ConfChangeV2(ConfChangeTransition.ConfChangeTransitionJointExplicit, changes))
    script.settle(1, 2, 3, 4)
    script.member(2).compact()
    script.crash(2)
    script.restart(2)


def election_timeout_while_a_snapshot_is_stored(script: Script) -> None:
    """Member 3 has received a snapshot that its disk has not stored yet, and its election timeout passes."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for payload in (b"a", b"b"):
        script.member(1).propose(payload)
        script.settle(1, 2)
    script.drop()
    script.member(1).compact()
    script.tick(1, 1)
    script.deliver(to=3, type_=MessageType.MsgHeartbeat)
    script.deliver(to=1, type_=MessageType.MsgHeartbeatResp)
    script.deliver(to=3, type_=MessageType.MsgApp)
    script.deliver(to=1, type_=MessageType.MsgAppResp)
    script.hold_disk(3)
    script.deliver(to=3, type_=MessageType.MsgSnap)
    script.member(3).campaign()
    script.release_disk(3)
