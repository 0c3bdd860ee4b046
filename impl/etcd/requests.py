"""Requests and responses of the Cluster and Maintenance services, named and shaped as in etcd's rpc.proto; and what the log has.

(Those of the store are in store/requests.py.) All are immutable; defaults are those of proto3.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from kubeproof.impl.store.requests import Request as StoreRequest
from kubeproof.impl.store.requests import Response as StoreResponse
from kubeproof.impl.store.requests import ResponseHeader

# ---- membership


class Member(NamedTuple):
    """A member as all know it. It has no name until it has started and published itself."""

    id: int = 0
    name: str = ""
    peer_urls: tuple[str, ...] = ()
    client_urls: tuple[str, ...] = ()
    is_learner: bool = False

    @property
    def is_started(self) -> bool:
        return self.name != ""


class MemberAddRequest(NamedTuple):
    """Add a member, as a learner or as a voter."""

    peer_urls: tuple[str, ...] = ()
    is_learner: bool = False


class MemberAddResponse(NamedTuple):
    """The new member with the id that the cluster gave it. Headers of what is about members have no revision."""

    header: ResponseHeader | None = None
    member: Member = Member()
    members: tuple[Member, ...] = ()


class MemberRemoveRequest(NamedTuple):
    """Remove a member. Its id does not come back."""

    id: int = 0


class MemberUpdateRequest(NamedTuple):
    """Change where the peers of a member find it."""

    id: int = 0
    peer_urls: tuple[str, ...] = ()


class MemberPromoteRequest(NamedTuple):
    """Make a learner a voter. Only the leader knows whether it is ready."""

    id: int = 0


class MembersResponse(NamedTuple):
    """MemberRemoveResponse, MemberUpdateResponse, MemberPromoteResponse, MemberListResponse"""

    header: ResponseHeader | None = None
    members: tuple[Member, ...] = ()


class MemberListRequest(NamedTuple):
    """Who the members are. (The client's default is linearizable.)"""

    linearizable: bool = False


class ClusterMemberAttrSetRequest(NamedTuple):
    """A member that has started publishes its name and where clients find it (membershippb). No client's request."""

    id: int = 0
    name: str = ""
    client_urls: tuple[str, ...] = ()


class ClusterMemberAttrSetResponse(NamedTuple):
    """Nobody looks at it."""


# ---- maintenance


class AlarmType(IntEnum):
    """AlarmType"""

    NONE = 0
    NOSPACE = 1
    CORRUPT = 2

    __hash__ = int.__hash__


class AlarmAction(IntEnum):
    """AlarmRequest.AlarmAction"""

    GET = 0
    ACTIVATE = 1
    DEACTIVATE = 2

    __hash__ = int.__hash__


class AlarmMember(NamedTuple):
    """A member for which an alarm was raised."""

    member_id: int = 0
    alarm: int = AlarmType.NONE


class AlarmRequest(NamedTuple):
    """Ask for alarms (of a type; NONE are all), raise one or disarm it."""

    action: int = AlarmAction.GET
    member_id: int = 0
    alarm: int = AlarmType.NONE


class AlarmResponse(NamedTuple):
    """The alarms that were asked for, raised or disarmed."""

    header: ResponseHeader | None = None
    alarms: tuple[AlarmMember, ...] = ()


class StatusRequest(NamedTuple):
    """How the member is."""


class StatusResponse(NamedTuple):
    """`errors` are the alarms, and that there is no leader. Sizes are those of the model in quota.py."""

    header: ResponseHeader | None = None
    version: str = ""
    db_size: int = 0
    leader: int = 0
    raft_index: int = 0
    raft_term: int = 0
    raft_applied_index: int = 0
    errors: tuple[str, ...] = ()
    db_size_in_use: int = 0
    is_learner: bool = False


class HashKVRequest(NamedTuple):
    """The hash of all records up to a revision; 0 is the current one."""

    revision: int = 0


class HashKVResponse(NamedTuple):
    """HashKVResponse"""

    header: ResponseHeader | None = None
    hash: int = 0
    compact_revision: int = 0
    hash_revision: int = 0


class DefragmentRequest(NamedTuple):
    """Give the space that is not in use back. Concerns the member that is asked, and nothing else is done meanwhile."""


class DefragmentResponse(NamedTuple):
    """It has no header."""


class MoveLeaderRequest(NamedTuple):
    """Let another member lead. Only the leader can do it."""

    target_id: int = 0


class MoveLeaderResponse(NamedTuple):
    """It has no header."""


MembershipRequest = MemberAddRequest | MemberRemoveRequest | MemberUpdateRequest | MemberPromoteRequest
MaintenanceRequest = AlarmRequest | StatusRequest | HashKVRequest | DefragmentRequest | MoveLeaderRequest
Request = StoreRequest | MembershipRequest | MemberListRequest | ClusterMemberAttrSetRequest | MaintenanceRequest
Response = (
    StoreResponse
    | MemberAddResponse
    | MembersResponse
    | ClusterMemberAttrSetResponse
    | AlarmResponse
    | StatusResponse
    | HashKVResponse
    | DefragmentResponse
    | MoveLeaderResponse
)

# ---- what the log holds


class InternalRaftRequest(NamedTuple):
    """An entry: a request, and the id by which the member that proposed it knows who waits."""

    id: int = 0
    request: Request = StatusRequest()


class ConfChangeContext(NamedTuple):
    """What a conf change is about: the member that it adds or updates; or the learner that it promotes."""

    member: Member = Member()
    is_promote: bool = False
