"""What a member refuses, besides what its store does (store/errors.py). Names, codes and texts are etcd's (rpctypes/error.go).

After the timeouts and ErrStopped nobody knows whether the request was done, or will be.
"""

from __future__ import annotations

from kubeproof.impl.store.errors import FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, StoreError

UNKNOWN = 2
RESOURCE_EXHAUSTED = 8
UNAVAILABLE = 14
DATA_LOSS = 15


class ErrNoSpace(StoreError):
    """The backend has reached its quota. Whoever gets this first may have been served all the same (etcd quotaApplierV3)."""

    code, text = RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"


class ErrTooManyRequests(StoreError):
    """The member is too far behind with what it has to apply."""

    code, text = RESOURCE_EXHAUSTED, "etcdserver: too many requests"


class ErrCorrupt(StoreError):
    """A member was found to differ from the others, and nobody serves anything any more."""

    code, text = DATA_LOSS, "etcdserver: corrupt cluster"


# ---- leaders


class ErrNoLeader(StoreError):
    """The member knows no leader."""

    code, text = UNAVAILABLE, "etcdserver: no leader"


class ErrNotLeader(StoreError):
    """Only the leader can do this."""

    code, text = FAILED_PRECONDITION, "etcdserver: not leader"


class ErrLeaderChanged(StoreError):
    """Another leader was elected while a read waited to be confirmed."""

    code, text = UNAVAILABLE, "etcdserver: leader changed"


class ErrBadLeaderTransferee(StoreError):
    """Leadership cannot go to this member: it is unknown, or a learner."""

    code, text = FAILED_PRECONDITION, "etcdserver: bad leader transferee"


class ErrProposalDropped(StoreError):
    """Raft does not take the proposal now: leadership is being transferred, or too much waits. (In etcd raft's own error.)"""

    code, text = UNKNOWN, "raft proposal dropped"


# ---- waiting


class ErrStopped(StoreError):
    """The member stops."""

    code, text = UNAVAILABLE, "etcdserver: server stopped"


class ErrTimeout(StoreError):
    """No answer in time."""

    code, text = UNAVAILABLE, "etcdserver: request timed out"


class ErrTimeoutDueToLeaderFail(StoreError):
    """No answer in time, and a leader was elected meanwhile."""

    code, text = UNAVAILABLE, "etcdserver: request timed out, possibly due to previous leader failure"


# ---- membership


class ErrMemberExist(StoreError):
    """A member with this id is there (etcd ErrIDExists)."""

    code, text = FAILED_PRECONDITION, "etcdserver: member ID already exist"


class ErrPeerURLExist(StoreError):
    """Another member has one of these peer URLs."""

    code, text = FAILED_PRECONDITION, "etcdserver: Peer URLs already exists"


class ErrMemberBadURLs(StoreError):
    """A member needs a peer URL."""

    code, text = INVALID_ARGUMENT, "etcdserver: given member URLs are invalid"


class ErrMemberNotFound(StoreError):
    """There is no such member (etcd ErrIDNotFound)."""

    code, text = NOT_FOUND, "etcdserver: member not found"


class ErrIDRemoved(StoreError):
    """The member was removed; its id does not come back. (etcd tells clients that the member is not found.)"""

    code, text = NOT_FOUND, "etcdserver: member not found"


class ErrMemberNotEnoughStarted(StoreError):
    """The change would leave less than a quorum of members that have ever started."""

    code, text = FAILED_PRECONDITION, "etcdserver: re-configuration failed due to not enough started members"


class ErrUnhealthy(StoreError):
    """The change would leave less than a quorum of members that are connected."""

    code, text = UNAVAILABLE, "etcdserver: unhealthy cluster"


class ErrMemberNotLearner(StoreError):
    """Only learners are promoted."""

    code, text = FAILED_PRECONDITION, "etcdserver: can only promote a learner member"


class ErrMemberLearnerNotReady(StoreError):
    """The learner is too far behind the leader."""

    code, text = FAILED_PRECONDITION, "etcdserver: can only promote a learner member which is in sync with leader"


class ErrTooManyLearners(StoreError):
    """The cluster has as many learners as it takes."""

    code, text = FAILED_PRECONDITION, "etcdserver: too many learner members in cluster"


class ErrNotSupportedForLearner(StoreError):
    """A learner answers serializable reads and Status only."""

    code, text = UNAVAILABLE, "etcdserver: rpc not supported for learner"
