"""The active configuration, each peer's progress in it, and the votes of a running election (etcd tracker/tracker.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kubeproof.impl.raft.quorum import JointConfig, MajorityConfig, VoteResult
from kubeproof.impl.raft.tracker.inflights import Inflights
from kubeproof.impl.raft.tracker.progress import Progress, ProgressState
from kubeproof.impl.raft.types import ConfState


class TrackerConfig(NamedTuple):
    """A membership. None stands for no learners; an empty set does not occur in what confchange makes.

    `learners` never overlap with the voters of either half. `learners_next` are voters of the outgoing half that become
    learners when the joint configuration is left. `auto_leave` says that the leader leaves it by itself.
    """

    voters: JointConfig = JointConfig()
    learners: MajorityConfig | None = None
    learners_next: MajorityConfig | None = None
    auto_leave: bool = False

    @property
    def is_joint(self) -> bool:
        return bool(self.voters.outgoing)

    def __str__(self) -> str:
        """`voters=(1 2)&&(1 3) learners=(4) learners_next=(3) autoleave`, ids in hexadecimal."""
        parts = [f"voters={self.voters}"]
        if self.learners is not None:
            parts.append(f"learners={self.learners}")
        if self.learners_next is not None:
            parts.append(f"learners_next={self.learners_next}")
        if self.auto_leave:
            parts.append("autoleave")
        return " ".join(parts)


class TrackerState(NamedTuple):
    """An exported ProgressTracker: canonical, that is progress and votes in ascending order of ids."""

    config: TrackerConfig
    progress: tuple[tuple[int, ProgressState], ...]
    votes: tuple[tuple[int, bool], ...]


class ProgressTracker:
    """Who is a member, how far each one is, and who voted.

    `progress` has one item for each voter and learner. Keep it in ascending order of ids (what confchange returns is):
    iterating over it is then etcd's Visit.
    """

    __slots__ = ("config", "leak_inflight_bytes", "max_inflight", "max_inflight_bytes", "progress", "votes")

    def __init__(self, max_inflight: int, max_inflight_bytes: int = 0, *, leak_inflight_bytes: bool = False) -> None:
        self.max_inflight = max_inflight
        self.max_inflight_bytes = max_inflight_bytes
        self.leak_inflight_bytes = leak_inflight_bytes
        self.config = TrackerConfig()
        self.progress: dict[int, Progress] = {}
        self.votes: dict[int, bool] = {}

    def new_inflights(self) -> Inflights:
        """An empty window with this tracker's limits."""
        return Inflights(self.max_inflight, self.max_inflight_bytes, leak_bytes=self.leak_inflight_bytes)

    def with_config(self, config: TrackerConfig, progress: dict[int, Progress]) -> ProgressTracker:
        """A tracker with the same limits, another membership and no votes."""
        tracker = ProgressTracker(self.max_inflight, self.max_inflight_bytes, leak_inflight_bytes=self.leak_inflight_bytes)
        tracker.config = config
        tracker.progress = progress
        return tracker

    def conf_state(self) -> ConfState:
        config = self.config
        return ConfState(
            voters=tuple(sorted(config.voters.incoming)),
            learners=tuple(sorted(config.learners or ())),
            voters_outgoing=tuple(sorted(config.voters.outgoing)),
            learners_next=tuple(sorted(config.learners_next or ())),
            auto_leave=config.auto_leave,
        )

    def is_singleton(self) -> bool:
        """Whether the configuration is a single voter, who decides alone."""
        voters = self.config.voters
        return len(voters.incoming) == 1 and not voters.outgoing

    def committed(self) -> int:
        """The largest index that the voters have acknowledged by quorum; whether it may be committed depends on its term."""
        return self.config.voters.committed_index(self._acked)

    def _acked(self, voter: int) -> int | None:
        progress = self.progress.get(voter)
        return None if progress is None else progress.match

    def visit(self, visitor: Callable[[int, Progress], None]) -> None:
        """Call `visitor(id, progress)` for each member, ids ascending."""
        for member in sorted(self.progress):
            visitor(member, self.progress[member])

    def quorum_active(self) -> bool:
        """Whether a quorum of the voters was heard of recently."""
        active = {voter: progress.recent_active for voter, progress in self.progress.items() if not progress.is_learner}
        return self.config.voters.vote_result(active) is VoteResult.VoteWon

    def voter_nodes(self) -> list[int]:
        """The voters of either half, ascending."""
        return sorted(self.config.voters.ids())

    def learner_nodes(self) -> list[int]:
        """The learners, ascending."""
        return sorted(self.config.learners or ())

    def reset_votes(self) -> None:
        self.votes = {}

    def record_vote(self, voter: int, granted: bool) -> None:
        """Note a vote; a voter's first one counts."""
        self.votes.setdefault(voter, granted)

    def tally_votes(self) -> tuple[int, int, VoteResult]:
        """(granted, rejected, outcome). The two counts leave out voters who are not members any more."""
        cast = [self.votes[voter] for voter, progress in self.progress.items() if voter in self.votes and not progress.is_learner]
        granted = sum(cast)
        return granted, len(cast) - granted, self.config.voters.vote_result(self.votes)

    def export(self) -> TrackerState:
        return TrackerState(
            self.config,
            tuple([(member, progress.export()) for member, progress in sorted(self.progress.items())]),
            tuple(sorted(self.votes.items())),
        )

    def restore(self, state: TrackerState) -> None:
        self.config = state.config
        self.votes = dict(state.votes)
        self.progress = {}
        for member, exported in state.progress:
            progress = Progress(exported.match, exported.next, self.new_inflights())
            progress.restore(exported)
            self.progress[member] = progress


def progress_lines(progress: dict[int, Progress]) -> str:
    """One line for each member, ids ascending and decimal: `1: StateProbe match=0 next=1`."""
    return "".join(f"{member}: {progress[member]}\n" for member in sorted(progress))
