"""Membership arithmetic: what a change makes of a configuration, and which changes are refused (etcd confchange/).

Voters are always changed in the incoming half; the outgoing half is what the configuration was before the joint change.
Source: Raft thesis section 4.3; the exact checks and their order are etcd's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubeproof.impl.raft.confchange.conf_change import ConfChangeSingle, ConfChangeType
from kubeproof.impl.raft.quorum import JointConfig, MajorityConfig
from kubeproof.impl.raft.tracker.progress import Progress
from kubeproof.impl.raft.tracker.tracker import ProgressTracker, TrackerConfig
from kubeproof.impl.raft.types import NO_ID

Membership = tuple[TrackerConfig, dict[int, Progress]]


class ConfChangeError(ValueError):
    """The change must not be applied to this configuration; the text is etcd's."""


@dataclass(frozen=True, slots=True)
class Changer:
    """Computes changed memberships of `tracker`, which itself stays as it is.

    Each method returns the new configuration and progress map (ids ascending), or raises ConfChangeError. A new member is
    probed from `last_index` on: the guess that its log is as long as the leader's, which its first answer corrects.
    """

    tracker: ProgressTracker
    last_index: int

    def simple(self, changes: Iterable[ConfChangeSingle]) -> Membership:
        """Changes that together add or remove at most one voter: they need no joint consensus."""
        draft = self._draft()
        if draft.outgoing:
            raise ConfChangeError("can't apply simple config change in joint config")
        self._apply(draft, changes)
        if len(draft.incoming ^ self.tracker.config.voters.incoming) > 1:
            raise ConfChangeError("more than one voter changed without entering joint config")
        return draft.finish()

    def enter_joint(self, auto_leave: bool, changes: Iterable[ConfChangeSingle]) -> Membership:
        """Keep the present voters as the outgoing half and apply the changes to the incoming one."""
        draft = self._draft()
        if draft.outgoing:
            raise ConfChangeError("config is already joint")
        if not draft.incoming:
            raise ConfChangeError("can't make a zero-voter config joint")
        draft.outgoing = MajorityConfig(draft.incoming)
        self._apply(draft, changes)
        draft.auto_leave = auto_leave
        return draft.finish()

    def leave_joint(self) -> Membership:
        """Drop the outgoing half; staged learners become learners."""
        draft = self._draft()
        if not draft.outgoing:
            raise ConfChangeError("can't leave a non-joint config")
        for member in draft.learners_next:
            draft.learners.add(member)
            draft.progress[member].is_learner = True
        draft.learners_next = set()
        for member in draft.outgoing - draft.incoming - draft.learners:
            del draft.progress[member]
        draft.outgoing = MajorityConfig()
        draft.auto_leave = False
        return draft.finish()

    def _draft(self) -> _Draft:
        config, progress = self.tracker.config, self.tracker.progress
        _check_invariants(config, progress)
        return _Draft(
            incoming=set(config.voters.incoming),
            outgoing=config.voters.outgoing,
            learners=set(config.learners or ()),
            learners_next=set(config.learners_next or ()),
            auto_leave=config.auto_leave,
            progress={member: known.clone() for member, known in progress.items()},
        )

    def _apply(self, draft: _Draft, changes: Iterable[ConfChangeSingle]) -> None:
        for change in changes:
            if change.node_id == NO_ID:  # how etcd turns a change into a no-op that still is in the log
                continue
            match change.type:
                case ConfChangeType.ConfChangeAddNode:
                    self._make_voter(draft, change.node_id)
                case ConfChangeType.ConfChangeAddLearnerNode:
                    self._make_learner(draft, change.node_id)
                case ConfChangeType.ConfChangeRemoveNode:
                    draft.remove(change.node_id)
                case ConfChangeType.ConfChangeUpdateNode:
                    pass
        if not draft.incoming:
            raise ConfChangeError("removed all voters")

    def _make_voter(self, draft: _Draft, member: int) -> None:
        if member not in draft.progress:
            draft.progress[member] = self._new_progress()
        draft.progress[member].is_learner = False
        draft.learners.discard(member)
        draft.learners_next.discard(member)
        draft.incoming.add(member)

    def _make_learner(self, draft: _Draft, member: int) -> None:
        """A voter of the outgoing half is only staged: it would otherwise be a voter and a learner at once."""
        progress = draft.progress.get(member) or self._new_progress()
        if progress.is_learner:
            return
        draft.remove(member)
        draft.progress[member] = progress
        if member in draft.outgoing:
            draft.learners_next.add(member)
        else:
            progress.is_learner = True
            draft.learners.add(member)

    def _new_progress(self) -> Progress:
        """A new member counts as active at first, or a quorum check could depose the leader (etcd-io/etcd#7830)."""
        return Progress(match=0, next=max(self.last_index, 1), inflights=self.tracker.new_inflights(), recent_active=True)


@dataclass(slots=True)
class _Draft:
    """A membership under construction."""

    incoming: set[int]
    outgoing: MajorityConfig
    learners: set[int]
    learners_next: set[int]
    auto_leave: bool
    progress: dict[int, Progress]

    def remove(self, member: int) -> None:
        """Take a member out of the incoming half; its progress stays while the outgoing half needs it."""
        self.incoming.discard(member)
        self.learners.discard(member)
        self.learners_next.discard(member)
        if member not in self.outgoing:
            self.progress.pop(member, None)

    def finish(self) -> Membership:
        config = TrackerConfig(
            JointConfig(MajorityConfig(self.incoming), self.outgoing),
            MajorityConfig(self.learners) if self.learners else None,
            MajorityConfig(self.learners_next) if self.learners_next else None,
            self.auto_leave,
        )
        progress = {member: self.progress[member] for member in sorted(self.progress)}
        _check_invariants(config, progress)
        return config, progress


def _check_invariants(config: TrackerConfig, progress: dict[int, Progress]) -> None:
    """Raise ConfChangeError if configuration and progress do not belong together. The empty configuration is fine."""
    voters, learners, learners_next = config.voters, config.learners or (), config.learners_next or ()
    for members in (voters.ids(), learners, learners_next):
        for member in sorted(members):
            if member not in progress:
                raise ConfChangeError(f"no progress for {member}")
    for member in sorted(learners_next):
        if member not in voters.outgoing:
            raise ConfChangeError(f"{member} is in LearnersNext, but not Voters[1]")
        if progress[member].is_learner:
            raise ConfChangeError(f"{member} is in LearnersNext, but is already marked as learner")
    for member in sorted(learners):
        if member in voters.outgoing:
            raise ConfChangeError(f"{member} is in Learners and Voters[1]")
        if member in voters.incoming:
            raise ConfChangeError(f"{member} is in Learners and Voters[0]")
        if not progress[member].is_learner:
            raise ConfChangeError(f"{member} is in Learners, but is not marked as learner")
    if not config.is_joint:
        if config.learners_next is not None:
            raise ConfChangeError("cfg.LearnersNext must be nil when not joint")
        if config.auto_leave:
            raise ConfChangeError("AutoLeave must be false when not joint")
