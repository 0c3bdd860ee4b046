"""What is known of one node: the state it must be in, and what it is doing."""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from copy import copy

from kubeproof.conformance.trace.raft.guards import Guard, QuorumGuards
from kubeproof.conformance.trace.raft.log_trie import Change, Log
from kubeproof.conformance.trace.raft.stable_storage import StableStorage
from kubeproof.conformance.trace.raft.violation import Evidence
from kubeproof.conformance.trace.raft_events import Message, Role

Voters = tuple[str, ...]


class Node:
    """`term` to `outgoing` are the state that the node's next event must show.

    It follows from the events before: that is what makes every step a check.
    """

    __slots__ = (
        "announced",
        "announced_changes",
        "applied",
        "applied_changes",
        "commit",
        "handling",
        "handling_line",
        "id",
        "log",
        "matched",
        "offered",
        "other_disks",
        "outgoing",
        "outgoing_options",
        "peers_to_add",
        "pending",
        "role",
        "snapshot_index",
        "starting",
        "storage",
        "term",
        "unapplied",
        "up",
        "vote",
        "vote_line",
        "voters",
        "votes",
    )

    def __init__(self, id_: str, log: Log) -> None:
        self.id = id_
        self.storage = StableStorage(log)
        # While it starts: what else its disk may be, if an earlier restart has left that open.
        self.other_disks: list[StableStorage] = []
        self.begin(log, 0)

    def begin(self, log: Log, commit: int) -> None:
        """The node starts: what is only in memory is as for a node that has seen nothing."""
        self.up = self.starting = True
        self.term = 0
        self.vote = ""
        self.vote_line = 0
        self.role: Role = "StateFollower"
        self.commit = commit
        self.log = log
        self.voters: Voters = ()
        self.outgoing: Voters = ()
        # After a change was applied: its place in the log and what the outgoing half may be, which the next event shows.
        self.outgoing_options: tuple[tuple[int, Voters], ...] = ()
        # The request at hand, for its answer; and the same if it takes effect only after the node has become follower.
        self.handling: Message | None = None
        self.handling_line = 0
        self.pending: Message | None = None
        # The log of a snapshot that was received: the next event shows whether the node took it.
        self.offered: Log | None = None
        # As candidate: who granted a vote, and on which line. As leader: up to where each peer acknowledged, and where.
        self.votes: dict[str, int] = {}
        self.matched: dict[str, tuple[int, int]] = {}
        # As leader: payloads and changes that were announced and are about to be appended.
        self.announced: list[tuple[int | None, str | None]] = []
        self.announced_changes: list[Change] = []
        # Index of the last membership change that is applied; several where the trace leaves open which.
        self.applied_changes: tuple[int, ...] = (0,)
        # How many peers are still to be added by the bootstrap that is under way.
        self.peers_to_add = 0
        self.unapplied: deque[tuple[int, Change]] = deque()
        # The application: the last entry it applied (None: not known), and the last snapshot it was given.
        self.applied: int | None = None
        self.snapshot_index = commit

    def copy(self) -> Node:
        """A copy that shares nothing mutable."""
        other = copy(self)
        other.storage = self.storage.copy()
        other.votes, other.matched = dict(self.votes), dict(self.matched)
        other.announced, other.announced_changes = list(self.announced), list(self.announced_changes)
        other.unapplied = deque(self.unapplied)
        return other

    def become(self, role: Role, term: int) -> None:
        """Change the role, and forget what belongs to the old one."""
        self.role = role
        if term != self.term:
            self.term = term
            self.vote = ""
        self.votes = {}
        self.matched = {}

    def last_vote(self) -> Evidence | None:
        """Where the node's present vote was cast."""
        return Evidence(self.vote_line, f"node {self.id} votes for {self.vote} in term {self.term}") if self.vote_line else None

    def lacks(self, members: Container[str], guards: QuorumGuards) -> Guard | None:
        """What keeps the members from being a quorum: they must be a majority of both halves of the configuration in force."""
        if not _majority(self.voters, members):
            return guards.incoming if self.outgoing else guards.simple
        return None if _majority(self.outgoing, members) else guards.outgoing


def _majority(voters: Voters, members: Container[str]) -> bool:
    return not voters or 2 * sum(voter in members for voter in voters) > len(voters)
