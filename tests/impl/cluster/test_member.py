"""What a member keeps, sends and answers when: writes, crashes, pauses, reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kubeproof.impl.cluster.script import Script
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.raft.types import Message, MessageType
from kubeproof.impl.sim.world import World

THREE = (1, 2, 3)


class Notes:
    """A watcher that keeps what members do."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, Mapping[str, Any]]] = []

    def trace(self, action: str, node: object, subject: object) -> None: ...

    def observe(self, action: str, id_: int, arguments: Mapping[str, Any]) -> None:
        self.seen.append((action, id_, arguments))

    def network(self, what: str, sender: Any, receiver: Any, message: Any) -> None: ...

    def partition(self, groups: tuple[tuple[int, ...], ...]) -> None: ...

    def applied(self, id_: int) -> list[str]:
        """The payloads that a member applied, in text."""
        payloads = [bytes.fromhex(args["payload"]) for action, actor, args in self.seen if (action, actor) == ("apply", id_)]
        return [payload.decode() for payload in payloads if payload.isascii() and payload.isalnum()]


def script(**options: Any) -> Script:
    """A script of three members of which 1 leads; all is settled."""
    made = Script(World(1), Settings(**options), watcher=Notes())
    made.cluster.bootstrap(THREE)
    made.pass_time()
    made.elect(1, THREE)
    made.pass_time()
    made.settle(*THREE)
    return made


def notes(of: Script) -> Notes:
    watcher = of.cluster.watcher
    assert isinstance(watcher, Notes)
    return watcher


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_acknowledgement_leaves_after_the_write(asynchronous: bool) -> None:
    made = script(async_storage_writes=asynchronous)
    made.hold_disk(2)
    made.member(1).propose(b"a")
    made.deliver(to=2, type_=MessageType.MsgApp)
    assert made.deliver(from_=2) == 0
    made.release_disk(2)
    assert made.deliver(from_=2, type_=MessageType.MsgAppResp) == 1


@pytest.mark.parametrize(("kept", "last_index", "term"), [(0, 4, 2), (1, 5, 2), (2, 5, 3)])
def test_a_crash_keeps_entries_before_the_hard_state(kept: int, last_index: int, term: int) -> None:
    made = script()
    made.drop()
    made.member(3).flush()
    made.hold_disk(3)
    made.member(2).campaign()
    made.deliver(to=1, type_=MessageType.MsgVote)
    made.drop(to=3)
    made.deliver(to=2, type_=MessageType.MsgVoteResp)
    made.deliver(to=3, type_=MessageType.MsgApp)
    made.crash(3, kept)
    made.restart(3)
    assert (made.member(3).last_index, made.member(3).term) == (last_index, term)


def test_what_is_synced_survives_and_is_applied_again() -> None:
    made = script()
    made.member(1).propose(b"a")
    made.settle(*THREE)
    made.member(1).flush()
    made.crash(1)
    made.restart(1)
    assert made.member(1).last_index == 5
    assert notes(made).applied(1) == ["a", "a"]


def test_a_snapshot_is_where_a_restart_begins() -> None:
    made = script(keep_entries=0)
    made.member(1).propose(b"a")
    made.settle(*THREE)
    made.member(1).compact()
    before = made.member(1).machine.export()
    made.crash(1)
    made.restart(1)
    assert made.member(1).machine.export() == before
    assert made.member(1).applied == made.member(1).store.storage.first_index() - 1 == 5
    assert notes(made).applied(1) == ["a"]


def test_a_member_that_lags_gets_a_snapshot() -> None:
    made = script(keep_entries=0)
    for payload in (b"a", b"b"):
        made.member(1).propose(payload)
        made.settle(1, 2)
    made.drop()
    made.member(1).compact()
    made.tick(1, 1)
    made.settle(*THREE)
    assert notes(made).applied(3) == []
    assert made.member(3).machine.export() == made.member(1).machine.export()


def test_a_paused_member_handles_everything_later_in_order() -> None:
    made = script()
    made.member(3).pause()
    for payload in (b"a", b"b"):
        made.member(1).propose(payload)
        made.settle(*THREE)
    assert notes(made).applied(3) == []
    made.member(3).resume()
    made.settle(*THREE)
    assert notes(made).applied(3) == ["a", "b"]


def test_a_read_waits_until_its_index_is_applied() -> None:
    made = script()
    made.member(1).propose(b"a")
    made.settle(1, 2)
    made.drop()
    made.member(3).read(b"r")
    made.deliver(to=1, type_=MessageType.MsgReadIndex)
    made.settle(1, 2)
    made.deliver(to=3, type_=MessageType.MsgReadIndexResp)
    assert served(made) == []
    made.tick(1, 1)
    made.settle(*THREE)
    assert served(made) == [(3, {"id": "r", "index": 5})]


def served(of: Script) -> list[tuple[int, Mapping[str, Any]]]:
    return [(id_, arguments) for action, id_, arguments in notes(of).seen if action == "read_served"]


def test_a_panic_stops_the_member_and_is_told() -> None:
    made = script()
    member = made.member(2)
    member.receive(Message(MessageType.MsgHeartbeat, to=2, from_=1, term=2, commit=99))
    assert not member.up
    assert member.panic is not None
    assert ("panic", 2, {"reason": member.panic}) in notes(made).seen
