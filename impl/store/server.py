"""A member's server without consensus: it checks requests, applies them to the store, and answers.

`answer` is a cluster of one member. Behind consensus every member calls `apply` with the committed entries in order, `check` is
called where a client asks, and `read` where reads are served.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from kubeproof.impl.store import compaction, transactions
from kubeproof.impl.store.backend import BATCH_LIMIT, CONSISTENT_INDEX, Backend, LeaseRecord
from kubeproof.impl.store.errors import ErrLeaseNotFound, ErrRequestTooLarge, StoreError
from kubeproof.impl.store.faults import NO_FAULTS, Faults
from kubeproof.impl.store.lessor import NO_LEASE, Lessor, cleared
from kubeproof.impl.store.mvcc import Store
from kubeproof.impl.store.ranges import read_range
from kubeproof.impl.store.records import Event
from kubeproof.impl.store.requests import (
    CompactionRequest,
    CompactionResponse,
    DeleteRangeRequest,
    LeaseCheckpointRequest,
    LeaseCheckpointResponse,
    LeaseGrantRequest,
    LeaseGrantResponse,
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
    LeaseLeasesRequest,
    LeaseLeasesResponse,
    LeaseRevokeRequest,
    LeaseRevokeResponse,
    LeaseStatus,
    LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
    PutRequest,
    RangeRequest,
    Request,
    Response,
    ResponseHeader,
    TxnRequest,
    TxnResponse,
)
from kubeproof.impl.store.sizes import MAX_REQUEST_BYTES, is_too_large
from kubeproof.impl.store.state import AS_RECORDS_TELL, ServerState
from kubeproof.impl.store.validation import MAX_TXN_OPS, Validator
from kubeproof.impl.store.versions import Version
from kubeproof.impl.store.watch import WatchHub, WatchOptions


@dataclass(frozen=True, slots=True)
class Options:
    """etcd's defaults. Times to live in seconds."""

    version: Version = Version.V3_6
    max_request_bytes: int = MAX_REQUEST_BYTES
    max_txn_ops: int = MAX_TXN_OPS
    min_lease_ttl: int = 2
    """etcd takes one and a half election timeouts, rounded up."""
    election_timeout_ms: int = 1000
    """What a new primary adds to each lease."""
    batch_limit: int = BATCH_LIMIT
    """Writes after which a transaction's end is a sync point."""
    compaction_batch_limit: int = compaction.BATCH_LIMIT
    """Records that a compaction removes between two sync points."""
    watch: WatchOptions = field(default_factory=WatchOptions)
    faults: Faults = field(default_factory=Faults)


class Applied(NamedTuple):
    """What an entry has come to: the answer, and the changes that watchers are told."""

    answer: Response | StoreError
    events: tuple[Event, ...] = ()


class Server:
    """A store with its leases on a backend. `now_ms`: see lessor.py."""

    def __init__(self, options: Options | None = None, backend: Backend | None = None) -> None:
        """What a backend has, as it is. A member that starts is made by `start`."""
        self.options = options or Options()
        self.backend = backend or Backend(self.options.batch_limit)
        faults = self.options.faults
        self._validator = Validator(self.options.version, self.options.max_txn_ops, faults)
        self.consistent_index = self.backend.meta.now.get(CONSISTENT_INDEX, 0)
        self.backend.on_commit = self._note_consistent_index
        self.lessor = Lessor(self.backend, self.options.min_lease_ttl, faults)
        self.store = Store.open(self.backend, self.lessor, self.options.compaction_batch_limit, faults)
        self.watches = WatchHub(self.store, self.options.version, self.options.max_request_bytes, self.options.watch, faults)

    @classmethod
    def start(cls, options: Options | None = None, backend: Backend | None = None) -> Server:
        """A member that starts on what its backend has: it goes on with an interrupted compaction, and is not the primary yet."""
        server = cls(options, backend)
        server.store.resume_compaction()
        return server

    # one member alone

    @classmethod
    def alone(cls, options: Options | None = None, backend: Backend | None = None, now_ms: int = 0) -> Server:
        """A cluster of one member, which is the primary at once."""
        server = cls.start(options, backend)
        server.lessor.promote(now_ms, server.options.election_timeout_ms)
        return server

    def answer(self, request: Request, now_ms: int) -> Response | StoreError:
        """What a client gets. StorePanic if the server dies of it."""
        return self.do(request, now_ms).answer

    def do(self, request: Request, now_ms: int) -> Applied:
        """Answer a client. A compaction removes its records at once."""
        try:
            self.check(request)
            if not needs_consensus(request):
                return Applied(self.read(request, now_ms))
        except StoreError as error:
            return Applied(error)
        if isinstance(request, LeaseGrantRequest) and request.id == NO_LEASE:
            request = request._replace(id=self._unused_lease_id())
        applied = self._apply_next(request, now_ms)
        if isinstance(request, CompactionRequest):
            while compaction.remove_batch(self.store):
                pass
            if request.physical:
                self.backend.commit()
        return applied

    def tick(self, now_ms: int) -> tuple[Event, ...]:
        """What a member alone does from time to time: revoke what has expired, and note how long other leases have to live."""
        events: list[Event] = []
        for id_ in self.lessor.expired(now_ms):
            events += self._apply_next(LeaseRevokeRequest(id_), now_ms).events
        checkpoints = self.lessor.due_checkpoints(now_ms)
        if checkpoints:
            self._apply_next(LeaseCheckpointRequest(checkpoints), now_ms)
        return tuple(events)

    # the steps of a request

    def check(self, request: Request) -> None:
        """Raise the StoreError with which a request is refused before consensus, if it is."""
        self._validator.check(request)
        if needs_consensus(request) and is_too_large(request, self.options.max_request_bytes):
            raise ErrRequestTooLarge

    def apply(self, index: int, request: Request, now_ms: int, answered: bool = True) -> Applied | None:
        """Apply the entry at an index of the log, once: None if the backend has it already.

        `answered` is whether a client of this member waits for the answer, which must make no difference to the store.
        """
        if index <= self.consistent_index:
            return None
        self.consistent_index = index
        if self.options.faults.consistent_index_saved_apart:
            self.backend.commit()
        try:
            applied = Applied(*self._apply(request, now_ms, answered))
        except StoreError as error:
            return Applied(error)
        self.watches.notify(applied.events)
        return applied

    def read(self, request: Request, now_ms: int) -> Response:
        """Answer what goes without consensus. A StoreError is raised; ErrNotPrimary if only the primary knows."""
        match request:
            case RangeRequest():
                return read_range(self.store, request)
            case TxnRequest():
                return self._txn(request, answered=True)[0]
            case LeaseTimeToLiveRequest():
                return self._time_to_live(request, now_ms)
            case LeaseLeasesRequest():
                leases = tuple(LeaseStatus(lease.id) for lease in self.lessor.leases())
                return LeaseLeasesResponse(self._header(), leases)
            case LeaseKeepAliveRequest():
                return self._keep_alive(request, now_ms)
        raise TypeError(f"{type(request).__name__} needs consensus")

    def _apply_next(self, request: Request, now_ms: int) -> Applied:
        applied = self.apply(self.consistent_index + 1, request, now_ms)
        assert applied is not None
        return applied

    def _apply(self, request: Request, now_ms: int, answered: bool) -> tuple[Response, tuple[Event, ...]]:
        match request:
            case PutRequest():
                writes = self.store.write()
                put = transactions.put(writes, self.lessor, request)
                return put, writes.end()
            case DeleteRangeRequest():
                writes = self.store.write()
                deleted = transactions.delete_range(writes, request)
                return deleted, writes.end()
            case TxnRequest():
                return self._txn(request, answered)
            case CompactionRequest():
                compaction.schedule(self.store, request.revision)
                return CompactionResponse(self._header()), ()
            case LeaseGrantRequest():
                lease = self.lessor.grant(request.id, request.ttl, now_ms)
                self.backend.end_transaction()
                return LeaseGrantResponse(self._header(), lease.id, lease.ttl), ()
            case LeaseRevokeRequest():
                events = self._revoke(request.id)
                return LeaseRevokeResponse(self._header()), events
            case LeaseCheckpointRequest():
                for each in request.checkpoints:
                    self.lessor.checkpoint(each.id, each.remaining_ttl, now_ms)
                self.backend.end_transaction()
                return LeaseCheckpointResponse(self._header()), ()
        raise TypeError(f"{type(request).__name__} does not go through consensus")

    def _txn(self, request: TxnRequest, answered: bool) -> tuple[TxnResponse, tuple[Event, ...]]:
        faults = self.options.faults
        branch = transactions.choose(self.store, request)
        if faults.ranges_dropped_where_nobody_waits and not answered:
            branch = transactions.without_ranges(branch)
        transactions.check(self.store, self.lessor, branch, self.options.version, faults.previous_looked_up_before_txn)
        writes = self.store.write()
        response = transactions.execute(writes, branch)
        return response, writes.end()

    # leases

    def _revoke(self, id_: int) -> tuple[Event, ...]:
        """Delete a lease and its keys, in order, so that all members give them the same revisions."""
        lease = self.lessor.lookup(id_)
        if lease is None:
            raise ErrLeaseNotFound
        keys = sorted(lease.keys)
        writes = self.store.write()
        if self.options.faults.lease_forgotten_apart:
            self.backend.lease.delete(id_)
            self.backend.commit()
            self.backend.lease.put(id_, LeaseRecord(lease.ttl))  # until it is forgotten below
        for key in keys:
            writes.delete_range(key, None)
        self.lessor.forget(id_)
        return writes.end()

    def _keep_alive(self, request: LeaseKeepAliveRequest, now_ms: int) -> LeaseKeepAliveResponse:
        """The header is from before, so that no client sees a lease live at the revision at which it was revoked."""
        header = self._header()
        lease = self.lessor.lookup(request.id)
        if lease is not None and lease.has_expired(now_ms):
            self._apply_next(LeaseRevokeRequest(request.id), now_ms)
        elif lease is not None and lease.remaining_ttl:
            self._apply_next(cleared(request.id), now_ms)
        try:
            return LeaseKeepAliveResponse(header, request.id, self.lessor.renew(request.id, now_ms).ttl)
        except ErrLeaseNotFound:
            return LeaseKeepAliveResponse(header, request.id)

    def _time_to_live(self, request: LeaseTimeToLiveRequest, now_ms: int) -> LeaseTimeToLiveResponse:
        try:
            left = self.lessor.time_to_live(request.id, now_ms)
        except ErrLeaseNotFound:
            return LeaseTimeToLiveResponse(self._header(), request.id, -1)
        lease = self.lessor.lookup(request.id)
        assert lease is not None
        keys = tuple(sorted(lease.keys)) if request.keys else ()
        return LeaseTimeToLiveResponse(self._header(), request.id, left, lease.ttl, keys)

    def _unused_lease_id(self) -> int:
        """Any will do: etcd takes a random one."""
        return max((lease.id for lease in self.lessor.leases()), default=0) + 1

    # state

    def export(self, now_ms: int) -> ServerState:
        """The whole state; `restore` makes an equal server of it, at any time."""
        return ServerState(
            self.backend.committed(),
            self.backend.written(),
            self.consistent_index,
            self.store.revision,
            self.store.compact_revision,
            tuple(self.store.compactions),
            self.lessor.is_primary,
            self.lessor.export(now_ms),
            self.watches.export(),
            AS_RECORDS_TELL if self.options.faults == NO_FAULTS else self.store.memory(),
        )

    @classmethod
    def restore(cls, options: Options, state: ServerState, now_ms: int) -> Server:
        """The server with this state."""
        server = cls(options, Backend.restore(state.committed, state.written, options.batch_limit))
        server.consistent_index = state.consistent_index
        server.store.restore(state.revision, state.compact_revision, state.compactions, state.memory)
        server.lessor.restore(state.is_primary, state.leases, now_ms)
        server.watches.restore(state.watches)
        return server

    def _header(self) -> ResponseHeader:
        return ResponseHeader(self.store.revision)

    def _note_consistent_index(self) -> None:
        self.backend.meta.put(CONSISTENT_INDEX, self.consistent_index)


def needs_consensus(request: Request) -> bool:
    """Whether a request goes through the log; the others are reads."""
    if isinstance(request, TxnRequest):
        return not transactions.is_read_only(request)
    return type(request) in _THROUGH_CONSENSUS


_THROUGH_CONSENSUS = frozenset(
    (PutRequest, DeleteRangeRequest, CompactionRequest, LeaseGrantRequest, LeaseRevokeRequest, LeaseCheckpointRequest)
)
