"""What a leader knows about one peer's log, and how it may send to it (etcd tracker/progress.go)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from kubeproof.impl.raft.errors import RaftPanic
from kubeproof.impl.raft.tracker.inflights import Inflights, InflightsState


class ProgressStateType(IntEnum):
    """How the leader sends to the peer; etcd calls it tracker.StateType.

    Probe: one append at a time until the end of the peer's log is known. Replicate: optimistic pipelining. Snapshot: the peer
    needs entries that the leader has compacted; nothing is sent until it has caught up.
    """

    StateProbe = 0
    StateReplicate = 1
    StateSnapshot = 2

    __hash__ = int.__hash__


StateProbe = ProgressStateType.StateProbe
StateReplicate = ProgressStateType.StateReplicate
StateSnapshot = ProgressStateType.StateSnapshot


class ProgressState(NamedTuple):
    """An exported Progress."""

    match: int
    next: int
    sent_commit: int
    state: ProgressStateType
    pending_snapshot: int
    recent_active: bool
    msg_app_flow_paused: bool
    is_learner: bool
    inflights: InflightsState


class Progress:
    """The leader's view of one peer.

    `match` is the last index known to be equal on both sides, `next` the next one to send (match < next always),
    `sent_commit` the highest commit index already on its way. `recent_active` says that the peer was heard of since the last
    quorum check. `msg_app_flow_paused` holds appends back until the peer answers.
    """

    __slots__ = (
        "inflights",
        "is_learner",
        "match",
        "msg_app_flow_paused",
        "next",
        "pending_snapshot",
        "recent_active",
        "sent_commit",
        "state",
    )

    def __init__(
        self,
        match: int,
        next: int,  # noqa: A002 - etcd's name
        inflights: Inflights,
        *,
        is_learner: bool = False,
        recent_active: bool = False,
    ) -> None:
        self.match = match
        self.next = next
        self.sent_commit = 0
        self.state = StateProbe
        self.pending_snapshot = 0
        self.recent_active = recent_active
        self.msg_app_flow_paused = False
        self.inflights = inflights
        self.is_learner = is_learner

    def become_probe(self) -> None:
        """Send one append at a time, from behind the match or behind a snapshot that was on its way."""
        pending_snapshot = self.pending_snapshot if self.state is StateSnapshot else 0
        self._reset(StateProbe)
        self.next = max(self.match, pending_snapshot) + 1
        self._cap_sent_commit()

    def become_replicate(self) -> None:
        """Send optimistically, from behind the match."""
        self._reset(StateReplicate)
        self.next = self.match + 1

    def become_snapshot(self, index: int) -> None:
        """Wait for the peer to restore the snapshot at `index`."""
        self._reset(StateSnapshot)
        self.pending_snapshot = index
        self.next = index + 1
        self.sent_commit = index

    def _reset(self, state: ProgressStateType) -> None:
        self.msg_app_flow_paused = False
        self.pending_snapshot = 0
        self.state = state
        self.inflights.reset()

    def sent_entries(self, count: int, size_bytes: int) -> None:
        """Note an append with `count` entries of `size_bytes` in all, the first of which is at `next`. Not in StateSnapshot."""
        if self.state is StateReplicate:
            if count > 0:
                self.next += count
                self.inflights.add(self.next - 1, size_bytes)
            self.msg_app_flow_paused = self.inflights.full()
        elif self.state is StateProbe:
            if count > 0:
                self.msg_app_flow_paused = True
        else:
            raise RaftPanic(f"sending append in unhandled state {self.state.name}")

    def can_bump_commit(self, index: int) -> bool:
        """Whether telling the peer commit `index` can still move its commit: what it was sent does not reach next-1 yet."""
        return self.sent_commit < index and self.sent_commit < self.next - 1

    def maybe_update(self, index: int) -> bool:
        """Take the peer's acknowledgement of `index`; False if it is old news."""
        if index <= self.match:
            return False
        self.match = index
        if self.next <= index:
            self.next = index + 1
        self.msg_app_flow_paused = False
        return True

    def maybe_decr_to(self, rejected: int, match_hint: int) -> bool:
        """Take the peer's rejection of an append behind index `rejected`; False if it is stale.

        `match_hint` is where the logs may agree at best. Only a probe's answer can be told from a stale one by its index,
        because then one append at a time is under way (etcd-io/raft#149: `next` must stay above `match`).
        """
        if self.state is StateReplicate:
            if rejected <= self.match:
                return False
            self.next = self.match + 1
            self._cap_sent_commit()
            return True
        if rejected != self.next - 1:
            return False
        self.next = max(min(rejected, match_hint + 1), self.match + 1)
        self._cap_sent_commit()
        self.msg_app_flow_paused = False
        return True

    def _cap_sent_commit(self) -> None:
        """What was sent beyond `next` may never have arrived."""
        self.sent_commit = min(self.sent_commit, self.next - 1)

    def is_paused(self) -> bool:
        """Whether entries must not be sent now."""
        return self.msg_app_flow_paused or self.state is StateSnapshot

    def __str__(self) -> str:
        parts = [f"{self.state.name} match={self.match} next={self.next}"]
        if self.is_learner:
            parts.append("learner")
        if self.is_paused():
            parts.append("paused")
        if self.pending_snapshot > 0:
            parts.append(f"pendingSnap={self.pending_snapshot}")
        if not self.recent_active:
            parts.append("inactive")
        if count := self.inflights.count():
            parts.append(f"inflight={count}" + ("[full]" if self.inflights.full() else ""))
        return " ".join(parts)

    def clone(self) -> Progress:
        """A copy that shares no mutable part."""
        copy = Progress(self.match, self.next, self.inflights.clone())
        copy.restore(self.export())
        return copy

    def export(self) -> ProgressState:
        return ProgressState(
            self.match,
            self.next,
            self.sent_commit,
            self.state,
            self.pending_snapshot,
            self.recent_active,
            self.msg_app_flow_paused,
            self.is_learner,
            self.inflights.export(),
        )

    def restore(self, state: ProgressState) -> None:
        self.match = state.match
        self.next = state.next
        self.sent_commit = state.sent_commit
        self.state = state.state
        self.pending_snapshot = state.pending_snapshot
        self.recent_active = state.recent_active
        self.msg_app_flow_paused = state.msg_app_flow_paused
        self.is_learner = state.is_learner
        self.inflights.restore(state.inflights)
