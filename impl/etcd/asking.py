"""What clients ask for, as each request begins (etcd server/etcdserver/v3_server.go, api/v3rpc).

A chapter of server.py: functions over the server. Some requests are answered at once; the others wait for an entry, for a read
index, or for the leader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubeproof.impl.etcd import configure
from kubeproof.impl.etcd.errors import (
    ErrNoLeader,
    ErrNoSpace,
    ErrNotSupportedForLearner,
    ErrProposalDropped,
    ErrStopped,
    ErrTimeout,
    ErrTimeoutDueToLeaderFail,
    ErrTooManyRequests,
)
from kubeproof.impl.etcd.maintenance import maintain
from kubeproof.impl.etcd.requests import (
    AlarmRequest,
    ClusterMemberAttrSetRequest,
    DefragmentRequest,
    HashKVRequest,
    MemberAddRequest,
    MemberListRequest,
    MemberPromoteRequest,
    MemberRemoveRequest,
    MembershipRequest,
    MembersResponse,
    MemberUpdateRequest,
    MoveLeaderRequest,
    MoveLeaderResponse,
    Request,
    Response,
    StatusRequest,
)
from kubeproof.impl.raft import errors as raft_errors
from kubeproof.impl.raft.types import NO_ID
from kubeproof.impl.store import StoreError
from kubeproof.impl.store.lessor import NO_LEASE
from kubeproof.impl.store.requests import (
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    LeaseLeasesRequest,
    LeaseTimeToLiveRequest,
    RangeRequest,
    ResponseHeader,
    TxnRequest,
)
from kubeproof.impl.store.server import needs_consensus

if TYPE_CHECKING:
    from kubeproof.impl.etcd.server import EtcdServer

MAX_GAP = 5000
"""With more entries that are committed and not applied nothing is proposed (etcd maxGapBetweenApplyAndCommitIndex)."""


def begin(server: EtcdServer, id_: int, request: Request, now_ms: int, origin: tuple[int, int] | None = None) -> None:
    """It waits, unless there is an answer at once. `origin` is the member that has sent it on, and its id there."""
    server.waits.register(id_, request, now_ms, server.options.request_timeout_ms, origin)
    go_on(server, id_, request, now_ms)


def go_on(server: EtcdServer, id_: int, request: Request, now_ms: int) -> None:
    """Take the first step of a request that waits (again)."""
    try:
        answer = _first_step(server, id_, request, now_ms)
    except StoreError as error:
        server.waits.answer(id_, error)
    except raft_errors.ErrProposalDropped:
        server.waits.answer(id_, ErrProposalDropped())
    else:
        if answer is not None:
            server.waits.answer(id_, answer)


def _first_step(server: EtcdServer, id_: int, request: Request, now_ms: int) -> Response | None:
    if server.stopped:
        raise ErrStopped
    if server.cluster.is_learner(server.id) and not _is_supported_for_learner(request):
        raise ErrNotSupportedForLearner
    match request:
        case StatusRequest() | HashKVRequest() | DefragmentRequest():
            return maintain(server, request)
        case MoveLeaderRequest(target):
            return _move_leader(server, target)
        case LeaseKeepAliveRequest() | LeaseTimeToLiveRequest() | MemberPromoteRequest():
            _ask_leader(server, id_, request, now_ms)
        case AlarmRequest() | ClusterMemberAttrSetRequest():
            _propose(server, id_, request)
        case MemberAddRequest() | MemberRemoveRequest() | MemberUpdateRequest():
            _configure(server, id_, request, now_ms)
        case MemberListRequest() | RangeRequest() | TxnRequest() | LeaseLeasesRequest() if _is_read(request):
            return _read(server, id_, request, now_ms)
        case _:
            _write(server, id_, request)
    return None


def _is_read(request: MemberListRequest | RangeRequest | TxnRequest | LeaseLeasesRequest) -> bool:
    return isinstance(request, MemberListRequest) or not needs_consensus(request)


def _is_supported_for_learner(request: Request) -> bool:
    """Status, and what a learner can answer without the others (etcd isRPCSupportedForLearner)."""
    return isinstance(request, StatusRequest) or (isinstance(request, RangeRequest) and request.serializable)


# ---- through consensus


def _write(server: EtcdServer, id_: int, request: Request) -> None:
    if isinstance(request, LeaseGrantRequest) and request.id == NO_LEASE:
        request = request._replace(id=id_)
    server.kv.check(request)  # type: ignore[arg-type]  # only the store's are left
    if not server.applier.fits(request):
        server.raise_no_space()
        raise ErrNoSpace
    _propose(server, id_, request)


def _propose(server: EtcdServer, id_: int, request: Request) -> None:
    if server.committed_index > server.applied_index + MAX_GAP:
        raise ErrTooManyRequests
    server.proposals.propose(id_, request)


def _configure(server: EtcdServer, id_: int, request: MembershipRequest, now_ms: int) -> None:
    strict = server.options.strict_reconfig_check
    change = configure.conf_change(request, id_, server.id, server.cluster, server.consensus, now_ms, strict=strict)
    server.consensus.propose_conf_change(change)


# ---- from the own store


def _read(
    server: EtcdServer, id_: int, request: MemberListRequest | RangeRequest | TxnRequest | LeaseLeasesRequest, now_ms: int
) -> Response | None:
    """At once, or when this member is known to have all that was committed when it was asked."""
    if not isinstance(request, MemberListRequest):
        server.kv.check(request)
    if _is_serializable(request):
        return read(server, request, now_ms)
    server.reads.wait(id_, now_ms)
    return None


def _is_serializable(request: Request) -> bool:
    """Whether any member may answer from what it has; of a transaction, all its ranges. (etcd isTxnSerializable)"""
    match request:
        case MemberListRequest():
            return not request.linearizable
        case RangeRequest():
            return request.serializable
        case TxnRequest():
            return all(isinstance(each, RangeRequest) and each.serializable for each in (*request.success, *request.failure))
    return True


def read(server: EtcdServer, request: Request, now_ms: int) -> Response:
    """What the own store has. A StoreError is raised."""
    if isinstance(request, MemberListRequest):
        return MembersResponse(ResponseHeader(), server.cluster.members)
    return server.kv.read(request, now_ms)  # type: ignore[arg-type]  # only the store's are left


# ---- the leader


def _ask_leader(server: EtcdServer, id_: int, request: Request, now_ms: int) -> None:
    """What only the leader can do: do it, send it on, or wait until there is a leader."""
    if not server.leadership.leads:
        server.waits.send_on(id_, server.id, server.leadership.leader)
    elif isinstance(request, LeaseKeepAliveRequest | LeaseTimeToLiveRequest):
        server.do(server.leases.ask(id_, request, now_ms))
    elif isinstance(request, MemberPromoteRequest):
        _configure(server, id_, request, now_ms)


def _move_leader(server: EtcdServer, target: int) -> Response | None:
    """It is answered when the other one leads."""
    configure.check_transferee(target, server.cluster, leads=server.leadership.leads)
    if target == server.id:
        return MoveLeaderResponse()
    server.consensus.transfer_leadership(target)
    return None


def meet_leader(server: EtcdServer, leader: int, now_ms: int) -> None:
    """There is a new leader: what only the leader can do goes there, and who has asked for this one is told."""
    for id_, waiting in server.waits.all():
        request = waiting.request
        if isinstance(request, MoveLeaderRequest) and request.target_id == leader:
            server.waits.answer(id_, MoveLeaderResponse())
        elif isinstance(request, LeaseKeepAliveRequest | LeaseTimeToLiveRequest) or waiting.at != NO_ID:
            go_on(server, id_, request, now_ms)


def give_up(server: EtcdServer, now_ms: int) -> None:
    """Who has waited for too long is told so (etcd parseProposeCtxErr)."""
    leadership, election_timeout_ms = server.leadership, server.options.store.election_timeout_ms
    for id_, waiting in server.waits.all():
        if now_ms < waiting.deadline_ms:
            continue
        if leadership.leader == NO_ID and isinstance(waiting.request, LeaseKeepAliveRequest | LeaseTimeToLiveRequest):
            server.waits.answer(id_, ErrNoLeader())
        elif leadership.since_ms - 2 * election_timeout_ms < waiting.since_ms < leadership.since_ms:
            server.waits.answer(id_, ErrTimeoutDueToLeaderFail())
        else:
            server.waits.answer(id_, ErrTimeout())
