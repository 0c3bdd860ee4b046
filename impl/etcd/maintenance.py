"""What operators ask of one member (etcd v3rpc/maintenance.go): how it is, its hash, its file made smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubeproof.impl.etcd.errors import ErrNoLeader
from kubeproof.impl.etcd.requests import (
    AlarmMember,
    AlarmType,
    DefragmentRequest,
    DefragmentResponse,
    HashKVRequest,
    HashKVResponse,
    StatusRequest,
    StatusResponse,
)
from kubeproof.impl.raft.types import NO_ID
from kubeproof.impl.store import hash_kv
from kubeproof.impl.store.requests import ResponseHeader

if TYPE_CHECKING:
    from kubeproof.impl.etcd.server import EtcdServer


def maintain(
    server: EtcdServer, request: StatusRequest | HashKVRequest | DefragmentRequest
) -> StatusResponse | HashKVResponse | DefragmentResponse:
    """Answer from this member alone."""
    header = ResponseHeader(server.kv.store.revision)
    match request:
        case StatusRequest():
            return _status(server, header)
        case HashKVRequest(revision):
            return HashKVResponse(header, *hash_kv(server.kv.store, revision))
        case DefragmentRequest():
            defragment(server)
            return DefragmentResponse()


def _status(server: EtcdServer, header: ResponseHeader) -> StatusResponse:
    errors = [_spoken(alarm) for alarm in server.alarms.alarms]
    if server.leadership.leader == NO_ID:
        errors.append(ErrNoLeader.text)
    return StatusResponse(
        header,
        str(server.options.store.version),
        server.space.size,
        server.leadership.leader,
        server.committed_index,
        server.leadership.term,
        server.applied_index,
        tuple(errors),
        server.space.in_use,
        server.cluster.is_learner(server.id),
    )


def _spoken(alarm: AlarmMember) -> str:
    return f"memberID:{alarm.member_id} alarm:{AlarmType(alarm.alarm).name} "


def defragment(server: EtcdServer) -> None:
    """Copy what is in use to a new file, which takes the place of the old one. A sync point.

    What waits in the batch is committed first; without its consistent index a crash would apply it again (etcd#14685).
    """
    backend = server.kv.backend
    if server.options.faults.defragment_without_consistent_index:
        on_commit, backend.on_commit = backend.on_commit, None
        backend.commit()
        backend.on_commit = on_commit
    else:
        backend.commit()
    server.space.size = server.space.in_use
