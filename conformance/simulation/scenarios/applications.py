"""Schedules for the mistakes of applications (impl/cluster/faults.py)."""

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


def vote_then_restart(script: Script) -> None:
    """Member 3 elects 1 with its vote, restarts, and is asked by 2 in the same term."""
    script.cluster.bootstrap(THREE)
    script.member(1).campaign()
    script.deliver(to=3, type_=MessageType.MsgVote)
    script.deliver(to=1, type_=MessageType.MsgVoteResp)
    script.drop()
    script.crash(3)
    script.restart(3)
    script.member(2).campaign()
    script.settle(2, 3)


def vote_before_write_then_restart(script: Script) -> None:
    """As `vote_then_restart`, but the disk of 3 completes no write before the crash."""
    script.cluster.bootstrap(THREE)
    script.hold_disk(3)
    script.member(1).campaign()
    script.deliver(to=3, type_=MessageType.MsgVote)
    script.deliver(to=1, type_=MessageType.MsgVoteResp)
    script.drop()
    script.crash(3)
    script.restart(3)
    script.member(2).campaign()
    script.settle(2, 3)


def acknowledge_then_restart(script: Script) -> None:
    """Members 1 and 2 commit two entries that 3 lacks; 2 restarts and is asked for its vote by 3."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for number in range(10):
        script.member(1).propose(b"a%d" % number)
        script.settle(*THREE)
    for payload in (b"b", b"c"):
        script.member(1).propose(payload)
        script.settle(1, 2)
    script.drop()
    script.crash(2)
    script.restart(2)
    script.elect(3, (2, 3))
    script.member(3).propose(b"d")
    script.settle(2, 3)


def leader_proposes_removal(script: Script) -> None:
    """A leader that is cut off proposes to remove the others, one by one; the others elect their own."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for id_ in (2, 3):
        script.member(1).propose_conf_change(ConfChange(ConfChangeType.ConfChangeRemoveNode, id_))
    script.drop(from_=1)
    script.elect(2, (2, 3))
    script.member(2).propose(b"a")
    script.settle(2, 3)
    script.member(1).propose(b"b")


def two_members_are_removed(script: Script) -> None:
    """A cluster of five shrinks to three; then the removed two and one more hold an election of their own."""
    five = (1, 2, 3, 4, 5)
    script.cluster.bootstrap(five)
    script.elect(1, five)
    for id_ in (5, 4):
        script.member(1).propose_conf_change(ConfChange(ConfChangeType.ConfChangeRemoveNode, id_))
        script.settle(*five)
    script.member(1).propose(b"a")
    script.settle(1, 3)
    script.drop()
    script.elect(2, (2, 4, 5))


def snapshot_is_taken_while_entries_wait(script: Script) -> None:
    """A leader compacts while it holds entries that nobody else has, and sends the snapshot to a member that starts anew."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.member(1).propose(b"a")
    script.settle(1, 2)
    script.member(1).propose(b"b")
    script.drop()
    script.member(1).compact()
    script.tick(1, 1)
    script.settle(1, 3)


def read_at_a_follower_that_lags(script: Script) -> None:
    """A follower that has not heard of a commit is asked for a read."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.member(1).propose(b"a")
    script.settle(1, 2)
    script.drop()
    script.member(3).read(b"r1")
    script.deliver(to=1, type_=MessageType.MsgReadIndex)
    script.settle(1, 2)
    script.deliver(to=3, type_=MessageType.MsgReadIndexResp)


def cluster_starts(script: Script) -> None:
    """Three members start a cluster and elect a leader; another one tries."""
    script.cluster.bootstrap(THREE)
    script.elect(3, (3,))
    script.member(3).propose(b"a")
    script.elect(1, (1, 2))
    script.member(1).propose(b"b")
    script.settle(1, 2)


def snapshot_overtakes_entries(script: Script) -> None:
    """A newcomer has been handed the first entry, and gets a snapshot before it has applied it.

    The entry is a simple membership change, the snapshot is of a joint membership. Needs time to apply (apply_ms=1-1), messages
    of one entry (max_size_per_msg=1) and no entries kept before a snapshot (keep_entries=0).
    """
    script.cluster.bootstrap((1,))
    script.pass_time()
    script.member(1).campaign()
    script.pass_time()
    for id_ in (2, 3):
        script.cluster.add(id_).start()
    changes = tuple(ConfChangeSingle(ConfChangeType.ConfChangeAddNode, id_) for id_ in (2, 3))
    explicit = ConfChangeTransition.ConfChangeTransitionJointExplicit
    script.member(1).propose_conf_change(ConfChangeV2(explicit, changes))
    script.pass_time()
    script.deliver(to=2, type_=MessageType.MsgApp)
    script.deliver(to=1, type_=MessageType.MsgAppResp)
    script.member(1).compact()
    script.tick(1, 1)
    script.deliver(to=2, type_=MessageType.MsgHeartbeat)
    script.deliver(to=1, type_=MessageType.MsgHeartbeatResp)
    script.deliver(to=2, type_=MessageType.MsgApp)
    script.deliver(to=2, type_=MessageType.MsgSnap)
    script.pass_time()
