"""What is known of the whole cluster: who led which term, what is committed, what was sent."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import NamedTuple

from kubeproof.conformance.trace.raft.log_trie import Log, Segment, empty_log
from kubeproof.conformance.trace.raft.node import Node, Voters
from kubeproof.conformance.trace.raft.properties import LEADER_COMPLETENESS, STATE_MACHINE_SAFETY
from kubeproof.conformance.trace.raft.sent_messages import SentMessages
from kubeproof.conformance.trace.raft.violation import CannotBeJudged, Evidence, Violation
from kubeproof.conformance.trace.raft_events import Message


class Membership(NamedTuple):
    """The voters of a configuration; `outgoing` is empty when it is not joint."""

    voters: Voters
    outgoing: Voters


class Reign:
    """A node's leadership in a term: `elected` is its log when it won, `log` what it has become since."""

    __slots__ = ("elected", "leader", "line", "log", "term")

    def __init__(self, leader: str, term: int, log: Log, line: int) -> None:
        self.leader = leader
        self.term = term
        self.elected = self.log = log
        self.line = line

    def evidence(self) -> Evidence:
        """When it began."""
        return Evidence(self.line, f"node {self.leader} becomes leader of term {self.term}, last index {self.elected.last}")


class CommittedIn(NamedTuple):
    """The highest index that was first committed in a term, and where."""

    term: int
    index: int  # type: ignore[assignment]  # the field hides tuple.index
    line: int
    node: str


class AskedRead(NamedTuple):
    """A read: who is asked, the term that it leads at that moment, and the highest index that is applied anywhere by then."""

    node: str
    leads: int | None
    least: int
    applied: Evidence
    line: int


class Cluster:
    """`line` is that of the event at hand, `assumptions` counts the facts that the source did not tell."""

    def __init__(self, *, changes_one_at_a_time: bool) -> None:
        self.changes_one_at_a_time = changes_one_at_a_time
        self.line = 0
        self.assumptions = 0
        self.nodes: dict[str, Node] = {}
        # Where a restart leaves open which entries a node kept: its other possible states.
        self.alternatives: dict[str, list[Node]] = {}
        self.sent = SentMessages()
        # The last message of each kind on each link, and its line.
        self.last_sent: dict[tuple[str, str, str], tuple[int, Message]] = {}
        # By sender, receiver and term: the lowest index of a snapshot that was sent.
        self.sent_snapshots: dict[tuple[str, str, int], int] = {}
        self.reigns: dict[int, Reign] = {}
        self._terms: list[int] = []
        # Votes that were received: by term and voter, the candidate and the line.
        self.delivered_votes: dict[tuple[int, str], tuple[str, int]] = {}
        self.empty = empty_log()
        self.committed = self.empty
        # Ascending, by term and by index.
        self._committed_in: list[CommittedIn] = []
        # Entries from before the trace, the peers that every bootstrapped node starts with as far as one of them has shown them,
        # how many they are, and memberships by their entry.
        self._origin: Segment | None = None
        self.peers: list[str] = []
        self.peer_count = 0
        self.memberships: dict[Log, Membership] = {}
        # Candidate, term, and index and term of the last entry of each vote request.
        self.vote_requests: set[tuple[str, int, int, int]] = set()
        # Highest applied index anywhere, and what it was when each read was asked for.
        self.applied = Evidence(0, "")
        self.applied_index = 0
        self.reads: dict[str, AskedRead] = {}
        self.reads_answered = 0

    # ---- logs from before the trace

    def stored_before(self, node: str, index: int) -> Log:
        """The log of a node whose first start has a snapshot of `index`: that of the others, as far as anybody can know."""
        if index == 0:
            return self.empty
        self.assumptions += 1
        if index <= self.committed.last:
            return self.committed.at(index)
        if self.reigns or self.committed.segment not in (self.empty.segment, self._origin):
            reason = "a node starts from a snapshot of entries that were never committed"
            raise Violation(STATE_MACHINE_SAFETY, node, reason, "state.commit", f"at most {self.committed.last}", index)
        if self._origin is None:
            self._origin = Segment(self.empty.segment, 1, None)
        self._origin.last = index
        self._committed_in = [CommittedIn(0, index, self.line, "before the trace")]
        self.committed = Log(self._origin, index)
        return self.committed

    # ---- reads

    def may_know_read_index(self, asked: AskedRead) -> bool:
        """Whether the node has become leader since it was asked, or a leader has told it an index."""
        leads = any(reign.leader == asked.node and reign.line > asked.line for reign in self.reigns.values())
        return leads or any(
            kind == "MsgReadIndexResp" and to == asked.node and line > asked.line
            for (kind, _, to), (line, _) in self.last_sent.items()
        )

    # ---- leaders

    def add_reign(self, reign: Reign) -> None:
        """A node has become leader."""
        if reign.term not in self.reigns:
            insort(self._terms, reign.term)
        self.reigns[reign.term] = reign

    def leader_log(self, term: int) -> Log:
        """The log of the leader of a term."""
        reign = self.reigns.get(term)
        if reign is None:
            raise CannotBeJudged(f"no event tells who leads term {term}: expected a trace from the first start of the cluster")
        return reign.log

    # ---- commitment

    def committed_before(self, term: int) -> CommittedIn | None:
        """The highest index that was committed in an earlier term."""
        at = bisect_left(self._committed_in, (term,))
        return self._committed_in[at - 1] if at else None

    def last_committed(self) -> Evidence | None:
        """Where the last entry was committed."""
        return _commit_evidence(self._committed_in[-1]) if self._committed_in else None

    def commit(self, node: Node, index: int, term: int, field: str = "state.commit") -> None:
        """A node knows that its entries up to `index` are committed, by the leader of `term`."""
        log = node.log.at(index)
        if index <= self.committed.last:
            if self.committed.at(index) != log:
                raise self._different_entries(node, log, field)
            return
        if not log.has_prefix(self.committed):
            raise self._different_entries(node, log, field)
        self.committed = log
        by = CommittedIn(term, index, self.line, node.id)
        for later in self._terms[bisect_right(self._terms, term) :]:
            self.require_completeness(self.reigns[later], log, by)
        # What was committed in later terms is less, and matters to no later leader any more.
        del self._committed_in[bisect_left(self._committed_in, (term,)) :]
        self._committed_in.append(by)

    def require_completeness(self, reign: Reign, committed: Log, by: CommittedIn) -> None:
        """A leader's log has what was committed in an earlier term."""
        if not reign.elected.has_prefix(committed):
            lacks = f"the leader of term {reign.term} lacks an entry that was committed in term {by.term}"
            seen = f"other entries, or last index {reign.elected.last}"
            evidence = (reign.evidence(), _commit_evidence(by))
            expected = f"entry {committed.last} of term {committed.last_term()}"
            raise Violation(LEADER_COMPLETENESS, reign.leader, lacks, "log", expected, seen, evidence)

    def _different_entries(self, node: Node, log: Log, field: str) -> Violation:
        index = min(log.last, self.committed.last)
        expected, seen = (f"entry {index} of term {each.at(index).last_term()}" for each in (self.committed, log))
        reason = "it takes entries for committed that differ from those committed elsewhere"
        return Violation(STATE_MACHINE_SAFETY, node.id, reason, field, expected, seen, (self.last_committed(),))


def _commit_evidence(by: CommittedIn) -> Evidence:
    return Evidence(by.line, f"node {by.node} commits up to index {by.index} in term {by.term}")
