"""The clients of a cluster: proposals with payloads that never repeat, and reads at any member."""

from __future__ import annotations

from collections.abc import Callable

from kubeproof.impl.cluster.cluster import Cluster
from kubeproof.impl.cluster.member import Member

# Clients hold back while so many entries wait to be applied at the member they ask, or at the leader.
BACKLOG_MAX = 20

# There is one read for so many proposals.
READ_EVERY = 3


class Client:
    """Proposes at random members, on average once in `every_ms` milliseconds, and reads, until it is stopped."""

    def __init__(self, cluster: Cluster, every_ms: int, *, reads: bool) -> None:
        self._cluster = cluster
        self._every_ms = every_ms
        self._reads = reads
        self._stream = cluster.world.stream("client")
        self._sent = 0
        self._stopped = False

    def start(self) -> None:
        """Begin."""
        self._next(1, self._propose)
        if self._reads:
            self._next(READ_EVERY, self._read)

    def stop(self) -> None:
        """Send nothing any more."""
        self._stopped = True

    def propose_at(self, member: Member) -> bool:
        """Propose a new payload at this member; False if it was dropped at once."""
        self._sent += 1
        return member.propose(b"p%d" % self._sent)

    def _propose(self) -> None:
        if self._stopped:
            return
        self._next(1, self._propose)
        member = self._any_member()
        if member is not None and not self._must_wait(member):
            self.propose_at(member)

    def _must_wait(self, member: Member) -> bool:
        leader = self._cluster.leader()
        return max(member.backlog, 0 if leader is None else leader.backlog) >= BACKLOG_MAX

    def _read(self) -> None:
        if self._stopped:
            return
        self._next(READ_EVERY, self._read)
        member = self._any_member()
        if member is not None and not member.waits_for_reads:
            self._sent += 1
            member.read(b"r%d" % self._sent)

    def _next(self, distance: int, action: Callable[[], None]) -> None:
        self._cluster.world.after(self._stream.between(1, 2 * distance * self._every_ms), action)

    def _any_member(self) -> Member | None:
        running = [member for member in self._cluster.members.values() if member.running]
        return self._stream.choose(running) if running else None
