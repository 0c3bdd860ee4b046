"""What a node refuses, what a storage cannot answer, and what must never happen. Names and texts are etcd's."""

from __future__ import annotations


class RaftPanic(Exception):
    """An assertion of the implementation failed: etcd's Panicf."""


class RaftError(Exception):
    """An error with a fixed text."""

    text = ""

    def __init__(self) -> None:
        super().__init__(self.text)


class ErrProposalDropped(RaftError):
    """The proposal was not taken; the proposer may try again."""

    text = "raft proposal dropped"


class ErrStepLocalMsg(RaftError):
    """A message that never leaves a node came from another one."""

    text = "raft: cannot step raft local message"


class ErrStepPeerNotFound(RaftError):
    """A response came from a node that is not a member."""

    text = "raft: cannot step as peer not found"


class ErrCompacted(RaftError):
    """The index lies before the first one that the storage still has."""

    text = "requested index is unavailable due to compaction"


class ErrUnavailable(RaftError):
    """The index lies behind the last one that the storage has."""

    text = "requested entry at index is unavailable"


class ErrSnapOutOfDate(RaftError):
    """The storage already has a snapshot at this index or a later one."""

    text = "requested index is older than the existing snapshot"


class ErrSnapshotTemporarilyUnavailable(RaftError):
    """The storage is still making the snapshot; ask again later."""

    text = "snapshot is temporarily unavailable"
