"""A cluster whose messages arrive at once, unless somebody keeps them: for tests that say what happens step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kubeproof.impl.etcd.member import Member, MemberOptions
from kubeproof.impl.etcd.requests import Member as ClusterMember
from kubeproof.impl.etcd.requests import Request, Response
from kubeproof.impl.etcd.server import ServerOptions
from kubeproof.impl.etcd.state import Disk, PeerAnswer, PeerRequest
from kubeproof.impl.raft.types import Message
from kubeproof.impl.store import StoreError

Any = Message | PeerRequest | PeerAnswer
"""What members send each other."""


def members(count: int) -> list[ClusterMember]:
    """Members that have started, as a new cluster has them."""
    return [ClusterMember(id_, f"m{id_}", (f"http://m{id_}:2380",)) for id_ in range(1, count + 1)]


def options(server: ServerOptions | None = None, **others: object) -> MemberOptions:
    return replace(MemberOptions(server or ServerOptions()), **others)  # type: ignore[arg-type]


class Cluster:
    """Members 1, 2, ...; 1 leads. `lose` says which messages are lost; those for which `keep` is true wait in `kept`."""

    def __init__(self, count: int, options_: MemberOptions | None = None) -> None:
        self.options = options_ or options()
        self.members: dict[int, Member] = {}
        self.now_ms = 0
        self.lose: Callable[[Any], bool] = lambda _: False
        self.keep: Callable[[Any], bool] = lambda _: False
        self.kept: list[Any] = []
        self.answers: dict[tuple[int, int], Response | StoreError] = {}
        self._boots = 0
        self._left: dict[int, Disk] = {}
        for id_ in range(1, count + 1):
            self.start(id_, Disk()).bootstrap(members(count))
        self.settle()
        self.members[1].node.campaign()
        self.settle()

    def start(self, id_: int, disk: Disk | None = None) -> Member:
        """Start a member; without a disk, on what its crash has left."""
        self._boots += 1
        disk = self._left[id_] if disk is None else disk
        self.members[id_] = Member(id_, self.options, disk, lambda ticks: ticks, self._is_connected, self._boots << 32)
        return self.members[id_]

    def crash(self, id_: int) -> Disk:
        self._left[id_] = self.members.pop(id_).disk()
        return self._left[id_]

    def _is_connected(self, id_: int) -> bool:
        return id_ in self.members

    def cut(self, id_: int) -> None:
        """Lose all from and to a member from now on."""
        self.lose = lambda message: id_ in (_sender(message), message.to)

    def join(self) -> None:
        self.lose = lambda _: False

    def settle(self) -> None:
        """Let everything happen that follows."""
        busy = True
        while busy:
            busy = False
            for member in list(self.members.values()):
                member.settle(self.now_ms)
                for answer in member.take_answers():
                    self.answers[member.id, answer.id] = answer.answer
                for message in member.take_messages():
                    busy = True
                    self._carry(message)

    def _carry(self, message: Any) -> None:
        if self.lose(message):
            return
        if self.keep(message):
            self.kept.append(message)
        elif message.to in self.members:
            self.members[message.to].receive(message, self.now_ms)

    def release(self) -> None:
        """Deliver what was kept."""
        kept, self.kept = self.kept, []
        self.keep = lambda _: False
        for message in kept:
            self._carry(message)
        self.settle()

    def ticks(self, count: int) -> None:
        """Let so many ticks pass at all members."""
        for _ in range(count):
            self.now_ms += self.options.tick_ms
            for member in list(self.members.values()):
                member.tick(self.now_ms)
            self.settle()

    def begin(self, id_: int, request: Request) -> tuple[int, int]:
        """Ask a member; what to look for among the answers."""
        key = id_, self.members[id_].ask(request, self.now_ms)
        self.settle()
        return key

    def ask(self, id_: int, request: Request) -> Response | StoreError:
        """Ask a member, and wait for the answer."""
        key = self.begin(id_, request)
        assert key in self.answers, "no answer"
        return self.answers[key]


def _sender(message: Any) -> int:
    return message.from_ if isinstance(message, Message | PeerRequest) else 0
