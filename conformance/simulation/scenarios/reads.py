"""Schedules about reads: who answers them, and what was committed before they were asked."""

from __future__ import annotations

from kubeproof.impl.cluster.script import Script
from kubeproof.impl.raft.types import MessageType

THREE = (1, 2, 3)
FIVE = (1, 2, 3, 4, 5)


def new_leader_is_asked_at_once(script: Script) -> None:
    """Member 2 leads, holds a committed entry without knowing that it is committed, and is asked for a read."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    script.member(1).propose(b"a")
    script.deliver(to=2, type_=MessageType.MsgApp)
    script.deliver(to=1, type_=MessageType.MsgAppResp)
    script.drop()
    script.member(2).campaign()
    script.deliver(to=3, type_=MessageType.MsgVote)
    script.deliver(to=2, type_=MessageType.MsgVoteResp)
    script.drop()
    script.member(2).read(b"r1")
    script.settle(2, 3)


def old_leader_gets_late_acknowledgements(script: Script) -> None:
    """A read is asked again after it was confirmed, by then at a deposed leader, where another read waits.

    The heartbeat answers of the first time that were late arrive after the second.
    """
    script.cluster.bootstrap(FIVE)
    script.elect(1, FIVE)
    script.member(4).read(b"r1")
    script.deliver(to=1, type_=MessageType.MsgReadIndex)
    script.deliver(type_=MessageType.MsgHeartbeat)
    late = [held for held in script.network.held if held.sender in (4, 5)]
    script.network.held = [held for held in script.network.held if held.sender not in (4, 5)]
    script.deliver(to=1, type_=MessageType.MsgHeartbeatResp)
    script.drop()
    script.elect(2, (2, 3, 5))
    script.member(2).propose(b"a")
    script.settle(2, 3, 5)
    script.drop()
    script.member(1).read(b"r2")
    script.member(4).read_again(b"r1")
    script.deliver(to=1, type_=MessageType.MsgReadIndex)
    script.drop()
    script.network.held += late
    script.deliver(to=1)


def old_leader_answers_under_its_lease(script: Script) -> None:
    """Every clock is exact, and yet a new leader commits before the old one steps down.

    A leader looks at its quorum once in an election timeout, so it can lead for nearly two of them after it heard the last
    answer; its followers elect another after one. Needs check_quorum and lease_based_reads.
    """
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    ticks = script.cluster.settings.election_tick
    for _ in range(ticks + 1):
        script.tick_all()
        script.settle(*THREE)
    for _ in range(ticks + 1):
        script.tick_all()
        script.drop()
    script.elect(2, (2, 3))
    script.member(2).propose(b"a")
    script.settle(2, 3)
    script.member(1).read(b"r1")
