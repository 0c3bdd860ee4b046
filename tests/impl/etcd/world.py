"""A cluster in the deterministic world (impl/sim): clocks, a network that loses and cuts, crashes at any step, pauses; clients.

What a client was told is kept, and compared in the end: nothing that was acknowledged is lost, no read is older than what its
client could know, and all members are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kubeproof.impl.etcd.member import Member, MemberOptions
from kubeproof.impl.etcd.state import Disk
from kubeproof.impl.raft.types import Message, MessageType
from kubeproof.impl.sim.network import Network
from kubeproof.impl.sim.streams import Stream
from kubeproof.impl.sim.world import World
from kubeproof.impl.store import HashKV, StoreError, StorePanic, hash_kv
from kubeproof.impl.store.requests import (
    CompactionRequest,
    DeleteRangeRequest,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
)
from tests.impl.etcd.cluster import members

CRASH_CHANCE = 0.002
"""That a member dies before a step, while it may."""
ALL = RangeRequest(b"\x00", b"\x00")


class Host:
    """A member's machine: it runs, is paused, or is down."""

    def __init__(self, id_: int, cluster: WorldCluster) -> None:
        self.id = id_
        self.member: Member | None = None
        self.ready = False
        """It has published itself since it was started: before that no client is served (etcd ReadyNotify)."""
        self.disk = Disk()
        self._cluster = cluster
        self._stream = cluster.world.stream(f"host/{id_}")
        self._boots = self._published = 0
        self._paused_until_ms = 0

    def start(self) -> None:
        self._boots += 1
        cluster = self._cluster
        draw: Callable[[int], int] = lambda ticks: self._stream.between(ticks, 2 * ticks - 1)  # noqa: E731
        self.member = Member(self.id, cluster.options, self.disk, draw, first_id=(self.id << 48) + (self._boots << 32))
        if self.disk == Disk():
            self.member.bootstrap(members(cluster.size))
        self._published = self.member.server.publish(f"m{self.id}", (), cluster.world.now_ms)
        cluster.network.attach(self.id, self._receive)
        self._work(self._boots)
        cluster.world.after(self._stream.between(1, cluster.options.tick_ms), self._tick, self._boots)

    def crash(self) -> None:
        if self.member is not None:
            self.disk, self.member, self.ready = self.member.disk(), None, False
            self._cluster.network.detach(self.id)
            self._cluster.world.after(self._stream.between(100, 3000), self.start)

    def pause(self) -> None:
        """It is not scheduled for a while; what arrives waits."""
        self._paused_until_ms = self._cluster.world.now_ms + self._stream.between(100, 4000)

    def _receive(self, message: Any) -> None:
        self.do(lambda member, now_ms: member.receive(message, now_ms))

    def _tick(self, boot: int) -> None:
        if boot == self._boots and self.member is not None:
            self._cluster.world.after(self._cluster.options.tick_ms, self._tick, boot)
            self.do(self._after_tick)

    def _after_tick(self, member: Member, now_ms: int) -> None:
        member.tick(now_ms)
        if not self.ready and member.server.waits.request(self._published) is None:
            self._published = member.server.publish(f"m{self.id}", (), now_ms)

    def do(self, what: Callable[[Member, int], object], boot: int | None = None) -> None:
        """Let something happen to the member, now or when the pause is over; and all that follows."""
        boot, world = self._boots if boot is None else boot, self._cluster.world
        if self.member is None or boot != self._boots:
            return
        if world.now_ms < self._paused_until_ms:
            world.after(self._paused_until_ms - world.now_ms, self.do, what, boot)
            return
        what(self.member, world.now_ms)
        self._work(boot)

    def _work(self, boot: int) -> None:
        member = self.member
        while member is not None and boot == self._boots:
            if self._cluster.crashes and self._stream.chance(CRASH_CHANCE):
                self.crash()
                return
            if not member.step(self._cluster.world.now_ms):
                break
            self._hand_over(member)
        if member is not None:
            self._hand_over(member)

    def _hand_over(self, member: Member) -> None:
        for message in member.take_messages():
            taken = self._cluster.network.send(self.id, message.to, message)
            if isinstance(message, Message):
                self._cluster.world.after(50, self.do, partial(_report, message, taken), self._boots)
        for answer in member.take_answers():
            if answer.id == self._published:
                self.ready = not isinstance(answer.answer, StoreError)
            else:
                self._cluster.answered(answer.id, answer.answer)


def _report(message: Message, taken: bool, member: Member, _: int) -> None:
    """What the network tells the sender."""
    if message.type is MessageType.MsgSnap:
        member.report_snapshot(message.to, succeeded=taken)
    elif not taken:
        member.report_unreachable(message.to)


class WorldCluster:
    """So many members, and clients that put, delete, compact and read until `calm`."""

    def __init__(self, seed: int, size: int, options: MemberOptions) -> None:
        self.world = World(seed)
        self.network = Network(self.world)
        self.size = size
        self.options = options
        self.crashes = True
        self.panic: str | None = None
        self.stale_reads: list[str] = []
        self.acknowledged: dict[bytes, int] = {}
        """Keys that were written once, and at which revision."""
        self.reads = 0
        self._asked: dict[int, tuple[bytes, int]] = {}
        self._known_revision = self._writes = 0
        self._stream: Stream = self.world.stream("clients")
        self.hosts = [Host(id_, self) for id_ in range(1, size + 1)]
        for host in self.hosts:
            host.start()
        self.world.after(50, self._ask)
        self.world.after(2000, self._disturb)

    def run(self, ms: int) -> None:
        """So long with disturbances, then until all is well again."""
        try:
            self.world.run(ms)
            self.crashes = False
            self.network.heal()
            self.network.conditions.loss = 0.0
            self.world.run(ms + 20_000)
        except StorePanic as panic:
            self.panic = str(panic)

    def hashes(self) -> set[HashKV]:
        """What the members are in the end."""
        return {hash_kv(host.member.server.kv.store) for host in self.hosts if host.member is not None}

    def lost(self) -> list[bytes]:
        """Acknowledged writes that a member does not have."""
        missing = []
        for host in self.hosts:
            assert host.member is not None
            found = {kv.key: kv.mod_revision for kv in host.member.server.kv.store.range(b"\x00", b"", 0).kvs}
            missing += [key for key, revision in self.acknowledged.items() if found.get(key) != revision]
        return missing

    # ---- clients

    def _ask(self) -> None:
        if not self.crashes:
            return
        self.world.after(self._stream.between(5, 60), self._ask)
        self._writes += 1
        host, number = self._stream.choose(self.hosts), self._writes
        kind = self._stream.below(8)
        if kind < 3:
            request: Any = ALL
        elif kind < 6:
            request = PutRequest(b"k%d" % number, b"v")
        elif kind == 6:
            request = DeleteRangeRequest(b"other")
        else:
            request = CompactionRequest(self._known_revision)
        known = self._known_revision
        key = request.key if isinstance(request, PutRequest) else b""
        if host.ready:
            host.do(lambda member, now_ms: self._asked.__setitem__(member.ask(request, now_ms), (key, known)))

    def answered(self, id_: int, answer: Any) -> None:
        key, known = self._asked.get(id_, (b"", 0))
        if isinstance(answer, StoreError):
            return
        if isinstance(answer, PutResponse) and answer.header is not None:
            self.acknowledged[key] = answer.header.revision
        if isinstance(answer, RangeResponse) and answer.header is not None:
            self.reads += 1
            if answer.header.revision < known:
                self.stale_reads.append(f"revision {answer.header.revision}, although {known} was known when it was asked for")
        self._known_revision = max(self._known_revision, answer.header.revision if answer.header is not None else 0)

    # ---- what goes wrong

    def _disturb(self) -> None:
        if not self.crashes:
            return
        self.world.after(self._stream.between(500, 3000), self._disturb)
        host = self._stream.choose(self.hosts)
        match self._stream.below(4):
            case 0:
                host.pause()
            case 1:
                others = [each.id for each in self.hosts if each is not host]
                self.network.cut([host.id], others)
                self.network.cut(others, [host.id])
            case 2:
                self.network.heal()
                self.network.conditions.loss = self._stream.below(10) / 100
            case 3:
                host.crash()
