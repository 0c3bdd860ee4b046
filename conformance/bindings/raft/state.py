"""A member between two events, as a local state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kubeproof.impl.raft import ConfState
from kubeproof.impl.raft.ready import Ready
from kubeproof.impl.raft.state import NodeState
from kubeproof.impl.raft.storage import StorageState
from kubeproof.impl.raft.tracker import TrackerConfig
from kubeproof.impl.raft.types import Entry, EntryType, Message, ReadState, StateType


class Running(NamedTuple):
    """Node and storage, and what the application has in hand: nothing, where everything is done at once.

    A crash leaves `storage` and `pre_vote`, which is how it is configured when it starts again.
    """

    id: int
    node: NodeState
    storage: StorageState
    writes: tuple[Message, ...] = ()  # handed to the append thread
    answers: tuple[tuple[Message, ...], ...] = ()  # of the append thread to its node, by write
    applies: tuple[Message, ...] = ()  # handed to the apply thread
    ready: Ready | None = None  # being written, and applied already
    reads: tuple[ReadState, ...] = ()  # confirmed, but not applied so far
    pre_vote: bool = False
    cut_off: bool = False

    @property
    def role(self) -> StateType:
        return self.node.raft.state

    @property
    def term(self) -> int:
        return self.node.raft.term

    @property
    def commit(self) -> int:
        return self.node.raft.log.committed

    @property
    def applied(self) -> int:
        return self.node.raft.log.applied

    @property
    def leads(self) -> bool:
        return self.node.raft.state is StateType.StateLeader

    @property
    def campaigns(self) -> bool:
        return self.node.raft.state in (StateType.StateCandidate, StateType.StatePreCandidate)

    @property
    def config(self) -> TrackerConfig:
        """The membership that it counts by."""
        return self.node.raft.tracker.config

    @property
    def log(self) -> tuple[Entry, ...]:
        """As it sees its log, stored or not; what comes first stands for all that is compacted, and has no payload."""
        unstable = self.node.raft.log.unstable
        if unstable.snapshot is not None:
            return (Entry(unstable.snapshot.term, unstable.snapshot.index), *unstable.entries)
        stored = self.storage.entries
        return (*stored[: unstable.offset - stored[0].index], *unstable.entries) if unstable.entries else stored

    @property
    def changes(self) -> Iterator[Entry]:
        """The membership changes in its log that it has not applied."""
        return (entry for entry in self.log if entry.index > self.applied and entry.type is not EntryType.EntryNormal)

    def __str__(self) -> str:
        first, *log = self.log
        compacted = f"..{first.index} " if first.index else ""
        text = f"{self.role.name} term {self.term} commit {self.commit} log [{compacted}{' '.join(map(_entry, log))}]"
        slow = [f"{len(queue)} {what}" for queue, what in self._waiting() if queue]
        voters = f" voters {self.config.voters}" if self.config.is_joint else ""
        return f"{text}{voters}{', ' if slow else ''}{', '.join(slow)}{', cut off' if self.cut_off else ''}"

    def _waiting(self) -> tuple[tuple[tuple[object, ...], str], ...]:
        writes = self.writes if self.ready is None else (self.ready,)
        return (writes, "to write"), (self.answers, "answers"), (self.applies, "to apply"), (self.reads, "reads to answer")


def _entry(entry: Entry) -> str:
    kind = "" if entry.type is EntryType.EntryNormal else "c"
    return f"{entry.term}/{entry.index}{kind}"


class Panicked(NamedTuple):
    """A member that found its own state impossible."""

    reason: str


class Stopped(NamedTuple):
    """A member that is gone for good."""


def conf_state_of(config: TrackerConfig) -> ConfState:
    """A membership as snapshots store it."""
    return ConfState(
        voters=tuple(sorted(config.voters.incoming)),
        learners=tuple(sorted(config.learners or ())),
        voters_outgoing=tuple(sorted(config.voters.outgoing)),
        learners_next=tuple(sorted(config.learners_next or ())),
        auto_leave=config.auto_leave,
    )
