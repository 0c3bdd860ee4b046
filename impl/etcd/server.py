"""A member's server (etcd server/etcdserver): the store behind consensus, with membership, alarms and who waits for what.

Clients `ask`, and are answered (`waits`) when what they have asked for is applied, confirmed or refused. Consensus tells what
happens: `lead` when the leader is another, `apply` for each committed entry in order, `confirm` for reads. Time and the first id
come in; nothing here waits or sends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kubeproof.impl.etcd import asking
from kubeproof.impl.etcd.alarms import QUOTA_BYTES, AlarmStore, Space
from kubeproof.impl.etcd.applier import Applier
from kubeproof.impl.etcd.consensus import Consensus
from kubeproof.impl.etcd.encoding import decode, decode_request, encode
from kubeproof.impl.etcd.errors import (
    ErrLeaderChanged,
    ErrNoSpace,
    ErrStopped,
    ErrTimeout,
)
from kubeproof.impl.etcd.faults import Faults
from kubeproof.impl.etcd.leases import Answer as LeaseAnswer
from kubeproof.impl.etcd.leases import Leases, Output, Propose, ReadIndex
from kubeproof.impl.etcd.membership import MAX_LEARNERS, RaftCluster
from kubeproof.impl.etcd.proposals import Proposals
from kubeproof.impl.etcd.reads import Reads
from kubeproof.impl.etcd.requests import (
    AlarmAction,
    AlarmMember,
    AlarmRequest,
    AlarmType,
    ClusterMemberAttrSetRequest,
    ConfChangeContext,
    MemberAddRequest,
    MemberAddResponse,
    MembersResponse,
    Request,
)
from kubeproof.impl.etcd.state import EtcdServerState, Leadership, PeerAnswer, PeerRequest
from kubeproof.impl.etcd.waits import Waits
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeType, decode_conf_change
from kubeproof.impl.raft.types import NO_ID, Entry, EntryType, ReadState
from kubeproof.impl.store import Backend, Options, Server, StoreError
from kubeproof.impl.store.compaction import remove_batch
from kubeproof.impl.store.requests import (
    CompactionRequest,
    CompactionResponse,
    ResponseHeader,
)

MAX_GAP = 5000
"""With more entries that are committed and not applied nothing is proposed (etcd maxGapBetweenApplyAndCommitIndex)."""
REQUEST_TIMEOUT_MS = 5000
"""Besides two election timeouts (etcd ReqTimeout)."""

_ROUND, _LEASES = b"r", b"l"
"""What Raft is asked for a read index for: a round of reads, or leases in a term."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """etcd's defaults."""

    store: Options = field(default_factory=Options)
    quota_bytes: int = QUOTA_BYTES
    max_learners: int = MAX_LEARNERS
    strict_reconfig_check: bool = True
    faults: Faults = field(default_factory=Faults)

    @property
    def request_timeout_ms(self) -> int:
        return REQUEST_TIMEOUT_MS + 2 * self.store.election_timeout_ms


class EtcdServer:
    """The server of the member `id`. Its requests have ids from `first_id` on, which no other member and no earlier life has."""

    def __init__(self, id_: int, options: ServerOptions, backend: Backend, consensus: Consensus, first_id: int = 1) -> None:
        """A member that starts on what its backend has."""
        self.id = id_
        self.options = options
        self.waits = Waits(first_id)
        self.leadership = Leadership()
        self.stopped = False
        self.consensus = consensus
        self._prepare()
        self._compacting: list[int] = []
        self._use(Server.start(options.store, backend))

    def _prepare(self) -> None:
        """What asks consensus."""
        self.proposals = Proposals(self.consensus)
        reuse = self.options.faults.read_index_id_reused
        self.reads = Reads(self.waits.new_id, self._ask_round, reuse_id=reuse)

    def _use(self, kv: Server) -> None:
        self.kv = kv
        self.applied_index = kv.consistent_index
        self.cluster = RaftCluster(kv.backend, self.options.max_learners, self.options.faults)
        self.alarms = AlarmStore(kv.backend)
        self.space = Space(kv.backend)
        self.leases = Leases(kv, self.options.faults)
        self.applier = Applier(kv, self.cluster, self.alarms, self.space, self.options.quota_bytes, self.options.faults)

    @property
    def committed_index(self) -> int:
        return self.consensus.committed_index

    # ---- clients

    def ask(self, request: Request, now_ms: int) -> int:
        """A client asks. The answer comes under the id that is returned."""
        id_ = self.waits.new_id()
        asking.begin(self, id_, request, now_ms)
        return id_

    def publish(self, name: str, client_urls: tuple[str, ...], now_ms: int) -> int:
        """A member that has started tells all who it is; to be repeated until there is an answer."""
        id_, request = self.waits.new_id(), ClusterMemberAttrSetRequest(self.id, name, client_urls)
        self.waits.register(id_, request, now_ms, self.options.request_timeout_ms)
        self.proposals.insist(id_, request)
        return id_

    def receive(self, message: PeerRequest | PeerAnswer, now_ms: int) -> None:
        """Another member sends on what only the leader can answer; or the leader answers."""
        if isinstance(message, PeerRequest):
            asking.begin(self, self.waits.new_id(), message.request, now_ms, (message.from_, message.id))
        elif not isinstance(message.answer, type):
            self.waits.answer(message.id, message.answer)
        elif issubclass(message.answer, StoreError):  # else it is not the leader: another will be
            self.waits.answer(message.id, message.answer())

    # ---- consensus

    def lead(self, leader: int, term: int, now_ms: int, *, leads: bool) -> None:
        """Who leads, as far as this member knows; told before anything that comes of it."""
        before = self.leadership
        if (leader, term, leads) == before[:3]:
            return
        elected = leader != NO_ID and (leader, term) != before[:2]
        self.proposals.has_leader = leader != NO_ID
        self.leadership = Leadership(leader, term, leads, now_ms if elected else before.since_ms)
        if leads:
            self.do(self.leases.lead(term))
        elif before.leads:
            self.do(self.leases.follow())
        if elected:
            if self.reads.is_asking:
                for id_ in self.reads.end(now_ms):
                    self.waits.answer(id_, ErrLeaderChanged())
            asking.meet_leader(self, leader, now_ms)
            self.proposals.send_unsent()

    def apply(self, entry: Entry, now_ms: int) -> None:
        """The next committed entry. It changes nothing if the backend has it already."""
        request: Request | None = None
        if entry.index > self.kv.consistent_index:
            if entry.type is not EntryType.EntryNormal:
                self._apply_conf_change(entry)
            elif entry.data:
                request = self._apply_request(entry, now_ms)
            else:
                self.kv.consistent_index = entry.index
        self.applied_index = entry.index
        if not entry.data:
            self.reads.ask_again(now_ms)  # who was asked before the first entry of its term may not answer
        self.do(self.leases.applied(entry.index, entry.term, request, now_ms))  # type: ignore[arg-type]
        self._serve_reads(now_ms)

    def confirm(self, read: ReadState, now_ms: int) -> None:
        """A quorum has confirmed the commit index that Raft was asked for."""
        kind, context, term = read.request_ctx[:1], _number(read.request_ctx[1:9]), _number(read.request_ctx[9:])
        if kind == _ROUND:
            self.reads.confirm(context, read.index)
            self._serve_reads(now_ms)
        elif term == self.leases.term:
            self.do(self.leases.confirmed(context, read.index, now_ms))

    def install(self, content: bytes, now_ms: int) -> None:
        """Become what another member was: its backend replaces the own one. Who watches has missed what is between."""
        hub, limit = self.kv.watches, self.options.store.batch_limit
        self._use(Server.start(self.options.store, Backend(limit, decode(content))))
        hub.restore_snapshot(self.kv.store)
        self.kv.watches = hub
        self._serve_reads(now_ms)

    def snapshot(self) -> bytes:
        """What another member becomes like this one by. A sync point."""
        self.kv.backend.commit()
        return encode(self.kv.backend.committed())

    # ---- time

    def tick(self, now_ms: int) -> None:
        """Give up what has waited for too long, ask again, and do what a primary does."""
        for id_ in self.reads.tick(now_ms, self.options.request_timeout_ms):
            self.waits.answer(id_, ErrTimeout())
        asking.give_up(self, now_ms)
        self.proposals.send_unsent()
        self.do(self.leases.tick(now_ms))

    def remove_compacted(self) -> bool:
        """Remove the next of the records that a compaction has forgotten. Whether there were any."""
        removed = remove_batch(self.kv.store)
        if removed:
            self.space.measure()
        if self._compacting and not self.kv.store.compactions:
            self.kv.backend.commit()
            for id_ in self._compacting:
                self.waits.answer(id_, CompactionResponse(self._header()))
            self._compacting.clear()
        return removed

    def stop(self) -> None:
        """The member was removed, or is shut down: nobody gets anything from it any more."""
        self.stopped = True
        for id_, _ in self.waits.all():
            self.waits.answer(id_, ErrStopped())

    def raise_no_space(self) -> None:
        """Tell all that this member has no room."""
        if AlarmMember(self.id, AlarmType.NOSPACE) not in self.alarms.alarms:
            self.proposals.insist(self.waits.new_id(), AlarmRequest(AlarmAction.ACTIVATE, self.id, AlarmType.NOSPACE))

    # ---- what entries do

    def _apply_request(self, entry: Entry, now_ms: int) -> Request:
        id_, request = decode_request(entry.data)
        answered = self.waits.request(id_) is not None
        answer = self.applier.apply(entry.index, request, now_ms, answered=answered)
        if isinstance(answer, ErrNoSpace):
            self.raise_no_space()
        if answered and isinstance(request, CompactionRequest) and request.physical and isinstance(answer, CompactionResponse):
            self._compacting.append(id_)
        else:
            self.waits.answer(id_, answer)
        return request

    def _apply_conf_change(self, entry: Entry) -> None:
        """One that is refused here does nothing, to Raft neither."""
        change = decode_conf_change(entry.type, entry.data)
        assert isinstance(change, ConfChange)
        context = decode(change.context)
        assert isinstance(context, ConfChangeContext)
        self.kv.consistent_index = entry.index
        try:
            self.cluster.validate(change, context)
        except StoreError as error:
            self.consensus.apply_conf_change(change._replace(node_id=NO_ID))
            self.waits.answer(change.id, error)
            return
        self.consensus.apply_conf_change(change)
        self.cluster.apply(change, context)
        added = isinstance(self.waits.request(change.id), MemberAddRequest)
        header, members = ResponseHeader(), self.cluster.members
        self.waits.answer(
            change.id, MemberAddResponse(header, context.member, members) if added else MembersResponse(header, members)
        )
        if change.type is ConfChangeType.ConfChangeRemoveNode and change.node_id == self.id:
            self.stop()

    def _serve_reads(self, now_ms: int) -> None:
        for id_ in self.reads.served(self.applied_index, now_ms):
            request = self.waits.request(id_)
            if request is not None:
                try:
                    self.waits.answer(id_, asking.read(self, request, now_ms))
                except StoreError as error:
                    self.waits.answer(id_, error)

    def _ask_round(self, id_: int) -> None:
        self.consensus.read_index(_context(_ROUND, id_))

    def do(self, outputs: Iterable[Output]) -> None:
        """What leases ask for."""
        for output in outputs:
            if isinstance(output, ReadIndex):
                self.consensus.read_index(_context(_LEASES, output.context, self.leases.term))
            elif isinstance(output, Propose):
                self.proposals.insist(self.waits.new_id(), output.request, output.term)
            elif isinstance(output, LeaseAnswer):
                self.waits.answer(output.context, output.answer)
            else:
                self.waits.refuse_origin(output.context)

    # ---- state

    def export(self, now_ms: int) -> EtcdServerState:
        """The whole state, but for what is to be taken; `restore` makes an equal server of it."""
        return EtcdServerState(
            self.kv.export(now_ms),
            self.applied_index,
            self.leadership._replace(since_ms=self.leadership.since_ms - now_ms),
            self.waits.export(now_ms),
            tuple(self.proposals.unsent),
            self.reads.export(now_ms),
            self.leases.export(),
            tuple(self._compacting),
            self.space.size,
            self.stopped,
        )

    @classmethod
    def restore(cls, id_: int, options: ServerOptions, state: EtcdServerState, consensus: Consensus, now_ms: int) -> EtcdServer:
        """The server with this state."""
        server = cls.__new__(cls)
        server.id, server.options, server.consensus = id_, options, consensus
        server._use(Server.restore(options.store, state.kv, now_ms))
        server.applied_index = state.applied_index
        server.leadership = state.leadership._replace(since_ms=state.leadership.since_ms + now_ms)
        server.waits = Waits.restore(state.waits, now_ms)
        server._prepare()
        server.proposals.has_leader = state.leadership.leader != NO_ID
        server.proposals.unsent = list(state.unsent)
        server.reads.restore(state.reads, now_ms)
        server.leases = Leases(server.kv, options.faults, state.leases)
        server._compacting = list(state.compacting)
        server.space.size = state.size
        server.stopped = state.stopped
        return server

    def _header(self) -> ResponseHeader:
        return ResponseHeader(self.kv.store.revision)


def _context(kind: bytes, id_: int, term: int = 0) -> bytes:
    return kind + id_.to_bytes(8, "big") + term.to_bytes(8, "big")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
