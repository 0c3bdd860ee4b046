"""The whole state of a server, and of a member, as immutable, hashable, canonical values. Times are relative to now."""

from __future__ import annotations

from typing import NamedTuple

from kubeproof.impl.etcd.leases import LeasesState
from kubeproof.impl.etcd.reads import ReadsState
from kubeproof.impl.etcd.requests import Request, Response
from kubeproof.impl.etcd.wal import EMPTY, WALState
from kubeproof.impl.raft.ready import Ready
from kubeproof.impl.raft.state import NodeState
from kubeproof.impl.raft.storage import StorageState
from kubeproof.impl.store import Committed, ServerState, StoreError


class Waiting(NamedTuple):
    """A request whose client waits; when it came, when it is given up, and which member it was sent on to (0: none)."""

    request: Request
    since_ms: int
    deadline_ms: int
    at: int = 0

    def after(self, ms: int) -> Waiting:
        """The same by a clock that shows so much more."""
        return self._replace(since_ms=self.since_ms + ms, deadline_ms=self.deadline_ms + ms)


class Proposal(NamedTuple):
    """What waits for a leader to take it. One for a term counts only if this member leads that (0: any)."""

    data: bytes
    term: int


class Leadership(NamedTuple):
    """What a member was told of who leads: ids and terms, 0 for none. `since_ms` is when this leader was elected."""

    leader: int = 0
    term: int = 0
    leads: bool = False
    since_ms: int = 0


class Answer(NamedTuple):
    """To the client of a request."""

    id: int
    answer: Response | StoreError


class PeerRequest(NamedTuple):
    """To the leader's member, over HTTP: what only it can do (etcd leasehttp, PromoteMemberHTTP)."""

    to: int
    from_: int
    id: int
    request: Request


class PeerAnswer(NamedTuple):
    """Back from there; an error as its class, so that equal answers are equal."""

    to: int
    id: int
    answer: Response | type[Exception]


class WaitsState(NamedTuple):
    """All that wait, by their ids; `origins` are of requests that other members have sent on: who, and under which id."""

    next_id: int
    waiting: tuple[tuple[int, Waiting], ...] = ()
    origins: tuple[tuple[int, tuple[int, int]], ...] = ()


class EtcdServerState(NamedTuple):
    """A server's state, with all that it waits for. `compacting` are physical compactions, which are answered when done."""

    kv: ServerState
    applied_index: int
    leadership: Leadership
    waits: WaitsState
    unsent: tuple[Proposal, ...]
    reads: ReadsState
    leases: LeasesState
    compacting: tuple[int, ...]
    size: int
    stopped: bool


class Disk(NamedTuple):
    """What survives a crash: the backend's file, the write-ahead log, and files of snapshots that were received."""

    backend: Committed = Committed()
    wal: StorageState = EMPTY
    snapshots: tuple[tuple[int, bytes], ...] = ()


class MemberState(NamedTuple):
    """A member between two steps. `phases` are those left of the Ready in hand, `applied` how many of its entries are applied."""

    node: NodeState
    wal: WALState
    server: EtcdServerState
    snapshots: tuple[tuple[int, bytes], ...] = ()
    ready: Ready | None = None
    phases: tuple[str, ...] = ()
    applied: int = 0
