"""What correct applications may do and etcd-io/raft's trace does not tell: such runs hold, with assumptions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.simulation.recorder import Recorder
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.verdict import Result, Verdict
from kubeproof.impl.cluster.script import Script
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.raft.confchange import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    encode_conf_change,
)
from kubeproof.impl.raft.types import Entry, EntryType, Message, MessageType
from kubeproof.impl.sim.network import Held
from kubeproof.impl.sim.world import World
from tests.conformance.trace.simulated import first_violation
from tests.conformance.trace.with_tla import with_tla, write_trace

THREE = (1, 2, 3)
Steps = Callable[[Script], None]


def judged(steps: Steps, folder: Path, **options: object) -> Result:
    """The verdict on the trace; the Run, which tells more, must hold too."""
    run: list[events.Event] = []
    world = World(0)
    settings = replace(Settings(), **options)  # type: ignore[arg-type]
    steps(Script(world, settings, watcher=Recorder(world, run.append, reads=False)))
    assert first_violation(run) is None
    path = folder / "trace.ndjson"
    write_trace(path, with_tla(run))
    return check_file(str(path), None, Limits())


def propose_together(script: Script, *proposed: bytes | ConfChange | ConfChangeV2) -> None:
    """One MsgProp with several entries at member 1, as applications may batch them."""
    entries = []
    for each in proposed:
        kind, data = (EntryType.EntryNormal, each) if isinstance(each, bytes) else encode_conf_change(each)
        entries.append(Entry(0, 0, kind, data))
    script.member(1).receive(Message(MessageType.MsgProp, to=1, from_=1, entries=tuple(entries)))


def campaign_before_the_change_is_committed(script: Script) -> None:
    """A batch of a payload and a removal; member 2 hears that the payload is committed, and campaigns."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    propose_together(script, b"a", ConfChange(ConfChangeType.ConfChangeRemoveNode, 3), b"b")
    script.deliver(to=2, type_=MessageType.MsgApp)
    script.deliver(to=1, type_=MessageType.MsgAppResp)
    script.deliver(to=2, type_=MessageType.MsgApp, where=lambda message: message.commit >= 5)
    script.drop()
    script.elect(2, (2, 3))
    script.member(2).propose(b"c")
    script.settle(2, 3)


def update_with_a_joint_transition(script: Script) -> None:
    """A node update changes nobody, but may ask for a joint configuration."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    update = (ConfChangeSingle(ConfChangeType.ConfChangeUpdateNode, 2),)
    script.member(1).propose_conf_change(ConfChangeV2(ConfChangeTransition.ConfChangeTransitionJointExplicit, update))
    script.settle(*THREE)
    script.member(1).propose_conf_change(None)
    script.settle(*THREE)
    script.member(1).propose(b"a")
    script.settle(*THREE)


def snapshot_is_made_anew_when_it_leaves(script: Script) -> None:
    """etcd's server sends a snapshot of what it has applied by then, not of what Raft queued (raft.go, processMessages)."""
    script.cluster.bootstrap(THREE)
    script.elect(1, THREE)
    for payload in (b"a", b"b"):
        script.member(1).propose(payload)
        script.settle(1, 2)
    script.drop()
    script.member(1).compact()
    script.tick(1, 1)
    for to, kind in ((3, MessageType.MsgHeartbeat), (1, MessageType.MsgHeartbeatResp), (3, MessageType.MsgApp)):
        script.deliver(to=to, type_=kind)
    script.deliver(to=1, type_=MessageType.MsgAppResp)
    script.member(1).propose(b"c")
    script.settle(1, 2)
    newer = script.member(1).store.storage.snapshot()
    script.network.held = [
        held._replace(message=held.message._replace(snapshot=newer)) if is_snapshot(held) else held
        for held in script.network.held
    ]
    assert any(is_snapshot(held) and held.message.snapshot.index == 7 for held in script.network.held)
    script.settle(*THREE)


def is_snapshot(held: Held) -> bool:
    return held.message.type is MessageType.MsgSnap


@pytest.mark.parametrize("async_storage_writes", [False, True])
def test_a_batch_with_a_membership_change(tmp_path: Path, async_storage_writes: bool) -> None:
    options = {"max_size_per_msg": 1, "async_storage_writes": async_storage_writes}
    result = judged(campaign_before_the_change_is_committed, tmp_path, **options)
    assert result.verdict is Verdict.HOLDS, result.message


def test_an_update_with_a_joint_transition(tmp_path: Path) -> None:
    result = judged(update_with_a_joint_transition, tmp_path)
    assert result.verdict is Verdict.HOLDS, result.message
    assert int(str(result.details["assumptions"])) > 0


def test_a_snapshot_that_is_made_anew_when_it_leaves(tmp_path: Path) -> None:
    result = judged(snapshot_is_made_anew_when_it_leaves, tmp_path, keep_entries=0)
    assert result.verdict is Verdict.HOLDS, result.message
    assert int(str(result.details["assumptions"])) > 0
