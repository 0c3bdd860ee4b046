"""Changes of the membership as clients ask for them: what is checked before consensus, and the conf change that is proposed.

(etcd server/etcdserver/server.go: mayAddMember, mayRemoveMember, mayPromoteMember, MoveLeader; and v3rpc/member.go.)
"""

from __future__ import annotations

from hashlib import sha1

from kubeproof.impl.etcd.consensus import Consensus
from kubeproof.impl.etcd.encoding import encode
from kubeproof.impl.etcd.errors import (
    ErrBadLeaderTransferee,
    ErrMemberBadURLs,
    ErrMemberLearnerNotReady,
    ErrMemberNotFound,
    ErrNotLeader,
    ErrUnhealthy,
)
from kubeproof.impl.etcd.membership import RaftCluster
from kubeproof.impl.etcd.requests import (
    ConfChangeContext,
    Member,
    MemberAddRequest,
    MemberPromoteRequest,
    MemberRemoveRequest,
    MembershipRequest,
    MemberUpdateRequest,
)
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeType

READY_PERCENT = 90
"""A learner whose log has so much of the leader's is in sync (etcd readyPercent)."""


def conf_change(
    request: MembershipRequest, id_: int, local: int, cluster: RaftCluster, consensus: Consensus, now_ms: int, *, strict: bool
) -> ConfChange:
    """What is to be proposed under a request's id by the member `local`. A StoreError is raised if the request is refused."""
    match request:
        case MemberAddRequest():
            member = _new_member(request, now_ms)
            if strict:
                _check_add(member, local, cluster, consensus)
            learner = ConfChangeType.ConfChangeAddLearnerNode
            type_ = learner if member.is_learner else ConfChangeType.ConfChangeAddNode
            context = ConfChangeContext(member)
        case MemberRemoveRequest():
            if strict:
                _check_remove(request.id, local, cluster, consensus)
            member, type_, context = Member(request.id), ConfChangeType.ConfChangeRemoveNode, ConfChangeContext()
        case MemberUpdateRequest():
            member = Member(request.id, peer_urls=_urls(request.peer_urls))
            type_, context = ConfChangeType.ConfChangeUpdateNode, ConfChangeContext(member)
        case MemberPromoteRequest():
            _check_in_sync(request.id, local, consensus)
            if strict:
                cluster.check_promote()
            member, type_ = Member(request.id), ConfChangeType.ConfChangeAddNode
            context = ConfChangeContext(member, is_promote=True)
    return ConfChange(type_, member.id, encode(context), id_)


def added(member: Member) -> ConfChange:
    """What the first entries of a cluster hold: its members."""
    return ConfChange(ConfChangeType.ConfChangeAddNode, member.id, encode(ConfChangeContext(member)))


def check_transferee(target: int, cluster: RaftCluster, *, leads: bool) -> None:
    """Whether leadership can go there: ErrNotLeader, ErrBadLeaderTransferee."""
    if not leads:
        raise ErrNotLeader
    if cluster.member(target) is None or cluster.is_learner(target):
        raise ErrBadLeaderTransferee


def member_id(peer_urls: tuple[str, ...], second: int) -> int:
    """A hash of where it is found, and of when it was added: a member that comes back is another one (membership/member.go)."""
    made_of = "".join(sorted(peer_urls)) + str(second)
    return int.from_bytes(sha1(made_of.encode(), usedforsecurity=False).digest()[:8], "big")


def _new_member(request: MemberAddRequest, now_ms: int) -> Member:
    urls = _urls(request.peer_urls)
    return Member(member_id(urls, now_ms // 1000), "", urls, (), request.is_learner)


def _urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    """In order, and some."""
    if not urls:
        raise ErrMemberBadURLs
    return tuple(sorted(urls))


def _check_add(member: Member, local: int, cluster: RaftCluster, consensus: Consensus) -> None:
    if not member.is_learner:
        cluster.check_add()
    if _connected(local, cluster, consensus) < len(cluster.voters):
        raise ErrUnhealthy


def _check_remove(id_: int, local: int, cluster: RaftCluster, consensus: Consensus) -> None:
    """Whoever is not connected is no part of the active quorum, and can go."""
    cluster.check_remove(id_)
    is_active = id_ == local or (cluster.member(id_) is not None and consensus.is_connected(id_))
    if cluster.is_learner(id_) or not is_active:
        return
    if _connected(local, cluster, consensus) - 1 < 1 + (len(cluster.voters) - 1) // 2:
        raise ErrUnhealthy


def _check_in_sync(id_: int, local: int, consensus: Consensus) -> None:
    """Only the leader knows: ErrNotLeader, ErrMemberNotFound, ErrMemberLearnerNotReady."""
    match = consensus.match()
    if not match:
        raise ErrNotLeader
    if id_ not in match:
        raise ErrMemberNotFound
    if match[id_] * 100 < match[local] * READY_PERCENT:
        raise ErrMemberLearnerNotReady


def _connected(local: int, cluster: RaftCluster, consensus: Consensus) -> int:
    """How many voters are there, this member included."""
    return sum(member.id == local or consensus.is_connected(member.id) for member in cluster.voters)
