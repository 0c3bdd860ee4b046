"""Who the members are (etcd server/etcdserver/api/membership): kept in the backend, changed by conf changes that are applied.

A change is checked where a client asks (`check_add` and the like: would a quorum be left?), and again by every member when it is
applied (`validate`), since another change may have come between.
"""

from __future__ import annotations

from kubeproof.impl.etcd.errors import (
    ErrIDRemoved,
    ErrMemberExist,
    ErrMemberNotEnoughStarted,
    ErrMemberNotFound,
    ErrMemberNotLearner,
    ErrPeerURLExist,
    ErrTooManyLearners,
)
from kubeproof.impl.etcd.faults import NO_FAULTS, Faults
from kubeproof.impl.etcd.requests import ConfChangeContext, Member
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeType
from kubeproof.impl.raft.types import ConfState
from kubeproof.impl.store.backend import Backend

MEMBERS, REMOVED = "members", "members_removed"
"""Names of etcd's buckets (server/storage/schema)."""

MAX_LEARNERS = 1
"""etcd's default of --max-learners."""


class RaftCluster:
    """The membership that a backend holds."""

    def __init__(self, backend: Backend, max_learners: int = MAX_LEARNERS, faults: Faults = NO_FAULTS) -> None:
        self._backend = backend
        self._max_learners = max_learners
        self._faults = faults

    # ---- who

    @property
    def members(self) -> tuple[Member, ...]:
        """All members, in the order of their ids."""
        members: tuple[Member, ...] = self._backend.cluster.now.get(MEMBERS, ())
        return members

    @property
    def removed(self) -> tuple[int, ...]:
        """Ids that do not come back."""
        removed: tuple[int, ...] = self._backend.cluster.now.get(REMOVED, ())
        return removed

    def member(self, id_: int) -> Member | None:
        return next((member for member in self.members if member.id == id_), None)

    @property
    def voters(self) -> tuple[Member, ...]:
        return tuple([member for member in self.members if not member.is_learner])

    def is_learner(self, id_: int) -> bool:
        member = self.member(id_)
        return member is not None and member.is_learner

    def conf_state(self) -> ConfState:
        """The membership as Raft has it. Changes are made one at a time, so none is joint."""
        learners = tuple([member.id for member in self.members if member.is_learner])
        return ConfState(tuple([member.id for member in self.voters]), learners)

    # ---- where a client asks

    def check_add(self) -> None:
        """A new voter counts for the quorum at once, and has not started: ErrMemberNotEnoughStarted if too few others have.

        A cluster of one may grow all the same: it could not be repaired otherwise.
        """
        started = self._started()
        if started == 1 and len(self.voters) == 1:
            return
        _check_quorum(started, len(self.voters) + 1)

    def check_remove(self, id_: int) -> None:
        """ErrMemberNotEnoughStarted if what is left has too few members that have started. A learner counts for nothing."""
        if not self.is_learner(id_):
            others = [member for member in self.voters if member.id != id_]
            _check_quorum(sum(member.is_started for member in others), len(others))

    def check_promote(self) -> None:
        """The learner counts as started."""
        _check_quorum(self._started() + 1, len(self.voters) + 1)

    def _started(self) -> int:
        return sum(member.is_started for member in self.voters)

    # ---- where it is applied

    def validate(self, change: ConfChange, context: ConfChangeContext) -> None:
        """Raise the StoreError with which a change is refused when it is applied, if it is."""
        id_, there = change.node_id, self.member(change.node_id)
        if id_ in self.removed:
            raise ErrIDRemoved
        if change.type in (ConfChangeType.ConfChangeAddNode, ConfChangeType.ConfChangeAddLearnerNode) and not context.is_promote:
            if there is not None:
                raise ErrMemberExist
            self._check_urls(context.member)
            learners = len(self.members) - len(self.voters)
            if change.type is ConfChangeType.ConfChangeAddLearnerNode and learners >= self._max_learners:
                raise ErrTooManyLearners
            return
        if there is None:
            raise ErrMemberNotFound
        if context.is_promote and not there.is_learner:
            raise ErrMemberNotLearner
        if change.type is ConfChangeType.ConfChangeUpdateNode:
            self._check_urls(context.member)

    def _check_urls(self, member: Member) -> None:
        taken = {url for other in self.members if other.id != member.id for url in other.peer_urls}
        if not taken.isdisjoint(member.peer_urls):
            raise ErrPeerURLExist

    def apply(self, change: ConfChange, context: ConfChangeContext) -> None:
        """Make a valid change."""
        there = self.member(change.node_id)
        if change.type is ConfChangeType.ConfChangeRemoveNode:
            self._put(tuple([member for member in self.members if member.id != change.node_id]))
            self._backend.cluster.put(REMOVED, tuple(sorted((*self.removed, change.node_id))))
        elif context.is_promote and there is not None:
            self._save(there._replace(is_learner=False))
        elif change.type is ConfChangeType.ConfChangeUpdateNode and there is not None:
            learner = there.is_learner and not self._faults.updated_learner_forgotten
            self._save(there._replace(peer_urls=context.member.peer_urls, is_learner=learner))
        else:
            self._save(context.member)

    def set_attributes(self, id_: int, name: str, client_urls: tuple[str, ...]) -> None:
        """A member has published itself. One that was removed meanwhile is not there any more."""
        there = self.member(id_)
        if there is not None:
            self._save(there._replace(name=name, client_urls=client_urls))

    def _save(self, member: Member) -> None:
        self._put(tuple(sorted((*[other for other in self.members if other.id != member.id], member))))

    def _put(self, members: tuple[Member, ...]) -> None:
        self._backend.cluster.put(MEMBERS, members)


def _check_quorum(started: int, members: int) -> None:
    if started < members // 2 + 1:
        raise ErrMemberNotEnoughStarted
