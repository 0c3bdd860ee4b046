"""What an entry comes to on a member (etcd server/etcdserver/apply): the store's part, and alarms and attributes of members.

Appliers are a chain in etcd. With an alarm an entry may do less, and since alarms are entries too, all members agree which.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubeproof.impl.etcd.alarms import AlarmStore, Space, cost
from kubeproof.impl.etcd.errors import ErrCorrupt, ErrNoSpace
from kubeproof.impl.etcd.faults import Faults
from kubeproof.impl.etcd.membership import RaftCluster
from kubeproof.impl.etcd.requests import (
    AlarmRequest,
    AlarmResponse,
    AlarmType,
    ClusterMemberAttrSetRequest,
    ClusterMemberAttrSetResponse,
    Request,
    Response,
)
from kubeproof.impl.store import Applied, Server, StoreError
from kubeproof.impl.store.requests import ResponseHeader


@dataclass(slots=True)
class Applier:
    """Applies entries to a member's store, membership and alarms."""

    kv: Server
    cluster: RaftCluster
    alarms: AlarmStore
    space: Space
    quota_bytes: int
    faults: Faults

    def fits(self, request: Request) -> bool:
        """Whether the backend has room for it."""
        bytes_ = cost(request, self.faults)
        return bytes_ == 0 or self.space.size + bytes_ < self.quota_bytes

    def apply(self, index: int, request: Request, now_ms: int, *, answered: bool) -> Response | StoreError:
        """The entry at an index of the log, which was not applied before."""
        if isinstance(request, AlarmRequest):
            self.kv.consistent_index = index
            return AlarmResponse(self._header(), self.alarms.apply(request))
        if isinstance(request, ClusterMemberAttrSetRequest):
            self.kv.consistent_index = index
            self.cluster.set_attributes(*request)
            return ClusterMemberAttrSetResponse()
        refusal = self._refusal(request)
        if refusal is not None:
            self.kv.consistent_index = index
            return refusal
        fits = self.fits(request)
        applied = self.kv.apply(index, request, now_ms, answered)  # type: ignore[arg-type]  # others never become entries
        assert isinstance(applied, Applied)
        for event in applied.events:
            self.space.wrote(event.kv)
        return applied.answer if fits or isinstance(applied.answer, StoreError) else ErrNoSpace()

    def _refusal(self, request: Request) -> StoreError | None:
        if self.alarms.is_raised(AlarmType.CORRUPT):
            return ErrCorrupt()
        if self.alarms.is_raised(AlarmType.NOSPACE) and cost(request, self.faults):
            return ErrNoSpace()
        return None

    def _header(self) -> ResponseHeader:
        return ResponseHeader(self.kv.store.revision)
