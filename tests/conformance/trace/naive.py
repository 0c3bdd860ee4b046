"""A second checker of Raft runs: slow, simple, written from the paper alone. It shares nothing with the one it is compared to.

It knows entries by (index, term) only, and looks at what messages, leaders' commit indexes and applications say about them.
"""

from __future__ import annotations

from collections import defaultdict

from kubeproof.conformance.trace import raft_events as events


class Contradiction(Exception):
    """Two things that cannot both be true of a correct cluster."""


class NaiveChecker:
    """Give it the events in order. It needs payloads and states, as the simulator tells them."""

    def __init__(self) -> None:
        self.leaders: dict[int, str] = {}
        self.grants: dict[tuple[int, str], str] = {}
        # Entries that were sent: what they hold, and the term of the entry before.
        self.contents: dict[tuple[int, int], tuple[str, str]] = {}
        self.before: dict[tuple[int, int], int] = {}
        # The last entry of whoever asked for votes, and of whoever won (its term None: not known).
        self.ends: dict[tuple[int, str], tuple[int, int]] = {}
        self.elected: dict[int, tuple[int, int | None]] = {}
        # What is committed at each index, in which term at the latest; and what was applied there.
        self.committed: dict[int, int] = {}
        self.committed_in: dict[int, int] = {}
        self.payloads: dict[int, str | None] = {}
        self.terms: dict[str, int] = defaultdict(int)
        self.commits: dict[str, int] = defaultdict(int)
        self.applied: dict[str, int | None] = {}
        self.snapshots: dict[str, set[int]] = defaultdict(set)
        self.highest_applied = 0
        self.reads: dict[str, int] = {}

    def take(self, event: events.Event) -> None:
        """The next event; Contradiction if it cannot come from a correct cluster."""
        actor = event.actor
        if isinstance(event, events.Start):
            self.applied[actor] = None
            self.commits[actor] = 0
        elif event.state is not None:
            self.look_at_state(actor, event.state)
        if isinstance(event, events.BecomeLeader):
            self.elect(actor)
        elif isinstance(event, events.Send):
            self.sent(actor, event.message)
        elif isinstance(event, events.Receive):
            self.received(actor, event.message)
        elif isinstance(event, events.Apply):
            self.apply(actor, event.args)
        elif isinstance(event, events.ReadRequest):
            self.reads[event.args.id] = self.highest_applied
        elif isinstance(event, events.ReadServed) and event.args.index < self.reads[event.args.id]:
            raise Contradiction(
                f"read {event.args.id} is served from {event.args.index}, {self.reads[event.args.id]} was applied"
            )

    # ---- elections

    def elect(self, actor: str) -> None:
        """One leader a term, with all that was committed in earlier terms."""
        term = self.terms[actor]
        if self.leaders.setdefault(term, actor) != actor:
            raise Contradiction(f"nodes {self.leaders[term]} and {actor} lead term {term}")
        if (term, actor) in self.ends:
            self.elected[term] = self.ends[term, actor]
            self.before[self.elected[term][0] + 1, term] = self.ends[term, actor][1]
        for index in self.committed:
            self.leader_has(term, index)

    def leader_has(self, term: int, index: int) -> None:
        """The leader of this term was elected with the entry at this index, if that was committed before."""
        if term not in self.elected or self.committed_in[index] >= term:
            return
        last, last_term = self.elected[term]
        has = self.term_at(index, last, last_term) if index <= last else 0
        if has not in (None, self.committed[index]):
            raise Contradiction(f"the leader of term {term} lacks entry {index} of term {self.committed[index]}")

    def term_at(self, index: int, last: int, term: int | None) -> int | None:
        """The term of an entry in a log that ends with entry `last` of that term; None if nobody told."""
        while last > index and term is not None:
            term = self.before.get((last, term))
            last -= 1
        return term

    # ---- messages

    def sent(self, actor: str, message: events.Message) -> None:
        """A message tells of its sender's log."""
        if message.type == "MsgVote":
            self.ends[message.term, actor] = message.index, message.log_term
        elif message.type == "MsgApp":
            term = message.log_term
            for index, entry in enumerate(message.entries, message.index + 1):
                self.see(index, entry, term)
                term = entry.term
        elif message.type == "MsgSnap" and message.snapshot is not None and message.snapshot.term is not None:
            self.commit(message.snapshot.index, message.snapshot.term, message.term)

    def see(self, index: int, entry: events.Entry, term_before: int) -> None:
        """Logs that share an entry share its content and all entries before."""
        content = entry.type, entry.payload
        if self.contents.setdefault((index, entry.term), content) != content:
            raise Contradiction(f"entry {index} of term {entry.term} has two contents")
        if self.before.setdefault((index, entry.term), term_before) != term_before:
            raise Contradiction(f"entry {index} of term {entry.term} follows entries of two terms")

    def received(self, actor: str, message: events.Message) -> None:
        """Votes that arrive, snapshots that may be taken."""
        if message.type == "MsgVoteResp" and not message.reject:
            candidate = self.grants.setdefault((message.term, message.from_), message.to)
            if candidate != message.to:
                raise Contradiction(f"node {message.from_} votes for {candidate} and {message.to} in term {message.term}")
        elif message.type == "MsgSnap" and message.snapshot is not None:
            self.snapshots[actor].add(message.snapshot.index)

    # ---- what is committed

    def look_at_state(self, actor: str, state: events.State) -> None:
        """A leader's own entries follow each other; its commit index says what is committed."""
        assert state.term is not None
        assert state.commit is not None
        assert state.last_index is not None
        self.terms[actor] = state.term
        if state.role == "StateLeader" and self.leaders.get(state.term) == actor and state.term in self.elected:
            last, last_term = self.elected[state.term]
            for index in range(last + 2, state.last_index + 1):
                self.before[index, state.term] = state.term
            if state.commit > self.commits[actor]:
                own = state.term if state.commit > last else self.term_at(state.commit, last, last_term)
                self.commit(state.commit, own, state.term)
        self.commits[actor] = state.commit

    def commit(self, index: int, term: int | None, by_term: int) -> None:
        """An entry and all before it are committed, in this term at the latest."""
        while index and term is not None:
            known = index in self.committed
            if self.committed.setdefault(index, term) != term:
                raise Contradiction(f"entries of terms {self.committed[index]} and {term} are committed at {index}")
            self.committed_in[index] = min(by_term, self.committed_in.get(index, by_term))
            for later in self.elected:
                self.leader_has(later, index)
            if known:
                return
            term = self.before.get((index, term))
            index -= 1

    def apply(self, actor: str, entry: events.ApplyArgs) -> None:
        """Every application gets the same entries in the same order."""
        at = self.applied[actor]
        if at is not None and entry.index != at + 1 and (entry.index <= at or entry.index - 1 not in self.snapshots[actor]):
            raise Contradiction(f"node {actor} applies entry {entry.index} after entry {at}")
        self.applied[actor] = entry.index
        self.commit(entry.index, entry.term, self.terms[actor])
        if self.payloads.setdefault(entry.index, entry.payload) != entry.payload:
            raise Contradiction(f"two payloads are applied at {entry.index}")
        sent = self.contents.get((entry.index, entry.term))
        if sent is not None and sent[1] != entry.payload:
            raise Contradiction(f"what node {actor} applies at {entry.index} is not what was sent")
        self.highest_applied = max(self.highest_applied, entry.index)


def first_contradiction(run: list[events.Event]) -> tuple[int, str] | None:
    """Which event, counted from 1, contradicts those before, and how."""
    checker = NaiveChecker()
    for number, event in enumerate(run, 1):
        try:
            checker.take(event)
        except Contradiction as contradiction:
            return number, str(contradiction)
    return None
