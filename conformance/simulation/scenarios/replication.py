"""Schedules about appending, truncating and committing."""

from __future__ import annotations

from kubeproof.impl.cluster.script import Script
from kubeproof.impl.raft.types import MessageType

THREE = (1, 2, 3)
FIVE = (1, 2, 3, 4, 5)


def older_term_is_on_a_majority(script: Script) -> None:
    """Figure 8 of the paper: leader 1 brings an entry of an older term to a majority before its own; then 5 overwrites it.

    Needs messages of one entry (max_size_per_msg=1).
    """
    script.cluster.bootstrap(FIVE)
    script.elect(1, FIVE)
    script.member(1).propose(b"a")
    script.settle(1, 2)
    script.drop()
    script.member(5).campaign()
    script.drop(to=2)
    script.deliver(type_=MessageType.MsgVote)
    script.deliver(to=5)
    script.drop()
    script.member(1).campaign()
    script.drop(to=4)
    script.deliver(type_=MessageType.MsgVote)
    script.deliver(to=1)
    for _ in range(2):
        script.drop(to=4)
        script.drop(to=5)
        script.deliver(from_=1)
        script.deliver(to=1)
    script.drop()
    script.elect(5, (3, 4, 5))


def follower_holds_entries_of_a_lost_leader(script: Script) -> None:
    """Member 3 holds entries that only it has when the heartbeat of a leader with a higher commit index arrives."""
    script.cluster.bootstrap(THREE)
    script.elect(3, THREE)
    for payload in (b"a", b"b"):
        script.member(3).propose(payload)
    script.drop()
    script.elect(1, (1, 2))
    script.member(1).propose(b"c")
    script.settle(1, 2)
    script.drop()
    script.tick(1, 1)
    script.deliver(to=3, type_=MessageType.MsgHeartbeat)


def old_append_arrives_again(script: Script) -> None:
    """An append arrives at 3 once more, after a later one that 3 has acknowledged; then 2, which lacks the later one, asks for
    a vote."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.member(1).propose(b"a")
    script.duplicate(to=3, type_=MessageType.MsgApp)
    copy = script.network.held.pop()
    script.deliver(to=2, type_=MessageType.MsgApp)
    script.drop(from_=2)
    script.member(1).propose(b"b")
    script.deliver(to=3, type_=MessageType.MsgApp)
    script.deliver(to=1, type_=MessageType.MsgAppResp)
    script.drop()
    script.network.held.append(copy)
    script.deliver(to=3)
    script.drop()
    script.elect(2, (2, 3))
    script.member(2).propose(b"c")
    script.settle(2, 3)


def follower_needs_what_is_compacted(script: Script) -> None:
    """The window of a follower is full when the entry before the next one is compacted.

    Needs a window of one message (max_inflight_msgs=1).
    """
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.member(1).propose(b"a")
    script.settle(1, 2)
    for payload in (b"b", b"c"):
        script.member(1).propose(payload)
        script.settle(1, 2)
    script.drop()
    script.member(1).compact()
    script.tick(1, 1)
    script.settle(*THREE)
    script.member(1).propose(b"d")
    script.settle(*THREE)


def single_voter_crashes_while_writing(script: Script) -> None:
    """The only voter is given a payload, crashes before it is written, and is given another.

    Needs an application that applies while it writes (apply_while_writing).
    """
    script.cluster.bootstrap((1,))
    script.elect(1, (1,))
    script.member(1).propose(b"a")
    script.hold_disk(1)
    script.member(1).propose(b"b")
    script.crash(1)
    script.restart(1)
    script.elect(1, (1,))
    script.member(1).propose(b"c")


def follower_learns_of_several_commits_at_once(script: Script) -> None:
    """Member 3 gets three entries of 40 bytes that are committed already. Needs pages that hold one
    (max_committed_size_per_ready=50)."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for payload in (b"a", b"b", b"c"):
        script.member(1).propose(40 * payload)
        script.settle(1, 2)
    script.drop()
    script.tick(1, 1)
    script.settle(*THREE)
    script.member(1).propose(b"d")
    script.settle(*THREE)
