"""What a model of Raft is about: the cluster's size, its options, and how often things may happen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.cluster.faults import ApplicationFaults
from kubeproof.impl.raft.faults import MISTAKES, Faults
from kubeproof.impl.raft.types import NO_LIMIT, ConfState

NO_WINDOW = 2**31 - 1

EXPLORED_APPLICATION_FAULTS = (
    "vote_not_stored",
    "hard_state_not_stored",
    "sent_before_written",
    "last_entries_lost_at_restart",
    "empty_disk_at_restart",
    "snapshot_labelled_with_last_index",
    "conf_change_applied_when_proposed",
    "entries_applied_over_snapshot",
    "read_served_locally",
    "read_served_before_applied",
)
"""Those of impl/cluster/faults.py that the binding can make: it stands in for the application."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Of the `members` the last `spares` are not in the first membership, and of the others the last `learners` do not vote.

    Numbers of things that happen are budgets; where a number of members is given, the last so many are meant and 0 is all, or
    none where somebody is slow. InvalidInput for faults that are not known.
    """

    members: int = 3
    terms: int = 2  # nobody campaigns beyond this term, unless a leader transfer tells it to
    proposals: int = 0
    crashes: int = 0  # a crash with the following start is one step
    heartbeats: int = 0
    drops: int = 0
    duplicates: int = 0
    messages: int = 4  # under way at once

    learners: int = 0
    spares: int = 0
    candidates: int = 0  # who campaigns by itself
    fragile: int = 0  # who crashes
    stops: int = 0  # a leader stops for good
    partitions: int = 0  # a member is cut off: what it sends is lost, what was sent to it waits
    transfers: int = 0
    changes: int = 0  # of membership, from the menu below
    compactions: int = 0  # by leaders, which keep nothing behind their snapshot
    reads: int = 0
    read_retries: int = 0
    slow_writes: int = 0  # members whose append thread has not written at once
    slow_answers: int = 0  # ... whose node hears later that something is written
    slow_applies: int = 0  # ... whose apply thread has not applied at once
    window: int = 0  # appends to one follower that are not acknowledged, 0: no limit
    page_bytes: int = 0  # of entries in a message, 0: no limit
    apply_bytes: int = 0  # of entries handed out to be applied, 0: no limit

    pre_vote: bool = False
    pre_vote_rollout: bool = False  # members get it when they start again
    check_quorum: bool = False
    forget_leader: bool = False
    forward_proposals: bool = False  # followers propose, too
    step_down_on_removal: bool = False
    vote_request_after_write: bool = False
    lease_based_reads: bool = False
    apply_while_writing: bool = False  # committed entries are applied while the same Ready is being written
    report_snapshots: bool = False  # the transport tells what became of a snapshot
    endless_heartbeats: bool = False
    lossy: bool = False  # any message may be lost, as often as it likes
    client: bool = False  # what clients see is watched, also without reads

    add: bool = False  # the menu of membership changes: a spare becomes a voter
    add_learner: bool = False  # a spare becomes a learner
    promote: bool = False  # a learner becomes a voter
    demote: bool = False  # the last voter becomes a learner
    remove: bool = False  # the last voter is removed
    remove_leader: bool = False  # the first member is removed
    remove_two: bool = False  # the last but one voter is removed
    replace: bool = False  # the last voter goes and the first spare or learner votes in its place: a joint change
    explicit: bool = False  # a joint change is left by another proposal, not by the leader itself
    as_v2: bool = False  # single changes in the newer form

    elected: bool = False  # member 1 leads term 1, and its first entry is committed everywhere
    symmetry: bool = False
    recovery: bool = False  # ask whether the cluster can recover from every state

    faults: Collection[str] = ()

    def __post_init__(self) -> None:
        known = (*MISTAKES, *EXPLORED_APPLICATION_FAULTS)
        unknown = sorted(set(self.faults) - set(known))
        if unknown:
            raise InvalidInput("faults", None, f"expected some of {', '.join(known)}, got {', '.join(unknown)}")
        if self.learners + self.spares >= self.members:
            raise InvalidInput("size", None, "expected more members than learners and spares")

    @property
    def library(self) -> Faults:
        return Faults(**{name: True for name in self.faults if name in MISTAKES})

    @property
    def application(self) -> ApplicationFaults:
        return ApplicationFaults(**{name: True for name in self.faults if name not in MISTAKES})

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(range(1, self.members + 1))

    @property
    def conf_state(self) -> ConfState:
        """The first membership, which every member knows from the start, spares too."""
        present = self.ids[: self.members - self.spares]
        voters = len(present) - self.learners
        return ConfState(present[:voters], present[voters:])

    @property
    def spare_ids(self) -> tuple[int, ...]:
        return self.ids[self.members - self.spares :]

    @property
    def asynchronous(self) -> bool:
        """Whether members have an append thread and an apply thread."""
        return bool(self.slow_writes or self.slow_answers or self.slow_applies)

    @property
    def has_client(self) -> bool:
        return self.client or self.reads > 0

    @property
    def max_inflight(self) -> int:
        return self.window or NO_WINDOW

    @property
    def max_size_per_msg(self) -> int:
        return self.page_bytes or NO_LIMIT

    def budgets(self) -> dict[str, int | None]:
        """How often things may happen; the network's own events happen only where there is a budget for them."""
        counted = ("proposals", "crashes", "heartbeats", "stops", "partitions", "transfers", "changes", "compactions")
        network = {"drops": None if self.lossy else self.drops, "duplicates": self.duplicates}
        client = {"reads": self.reads, "read_retries": self.read_retries} if self.has_client else {}
        return {
            **{name: getattr(self, name) for name in counted},
            **client,
            **{name: budget for name, budget in network.items() if budget != 0},
            "timeouts": None,
            "quorum_checks": None,
        }

    def is_among_last(self, member: int, count: int, among: tuple[int, ...]) -> bool:
        """Whether a member is one of the last `count` of these."""
        return member in among[len(among) - count :] if count else False

    def may_campaign(self, member: int) -> bool:
        voters = self.conf_state.voters if self.candidates else self.ids
        return self.is_among_last(member, self.candidates or len(voters), voters)

    def may_crash(self, member: int) -> bool:
        return self.is_among_last(member, self.fragile or self.members, self.ids)
