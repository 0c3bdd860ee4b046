"""Raft: election, replication, commitment, restart, snapshots, PreVote, leader transfers, and heartbeats that tell commitment.

After Ongaro and Ousterhout, "In search of an understandable consensus algorithm (extended version)", 2014, called Raft below, and
etcd's raft where that goes further. For any number of members, terms and entries, and messages that are lost, delayed, repeated
and reordered: `..._sent` relations only grow, and what was sent may be received any number of times, at any time, or never.

How it is proven. Logs are never compared with each other, but with the history of a term: the log of the leader of that term over
its whole reign, a ghost. An entry may be committed in a term as long as every member of some quorum has acknowledged it or may
still do so (`choosable`); then all later leaders have it. Entry 0 of term 0 stands in every log, so no index is without an entry
before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubeproof.models.logic import (
    ANY,
    TRUE,
    Action,
    Element,
    Formula,
    Real,
    Specification,
    View,
    exists,
    forall,
    iff,
    ite,
    number,
)
from kubeproof.models.logic.specification import Axiom, Script


class Node(Element):
    """A member."""


class Quorum(Element):
    """A set of members that is a majority."""


class Value(Element):
    """What an entry carries."""


class Append(Element):
    """A MsgApp: its contents never change."""


class Heartbeat(Element):
    """A MsgHeartbeat."""


class Snapshot(Element):
    """A MsgSnap: the state machine after the entries up to its index, which stands for these entries."""


class Term(Element, ordered=True):
    """A term."""


class Index(Element, ordered=True):
    """The place of an entry in a log."""


raft = Specification(
    "raft",
    "Raft with snapshots and PreVote keeps all members' state machines the same.",
    (Node, Quorum, Value, Append, Heartbeat, Snapshot, Term, Index),
    universes=(
        {"node": 2, "quorum": 2, "value": 1, "append": 1, "heartbeat": 1, "snapshot": 1, "term": 2, "index": 2},
        {"node": 2, "quorum": 2, "value": 2, "append": 1, "heartbeat": 1, "snapshot": 1, "term": 3, "index": 2},
        {"node": 2, "quorum": 2, "value": 1, "append": 1, "heartbeat": 1, "snapshot": 1, "term": 3, "index": 3},
    ),
)

RAFT = "Raft, figure 3"
After = Callable[[Any], Any]

# ---- what never changes

term_0 = raft.constant("term_0", Term, "before all terms")
index_0 = raft.constant("index_0", Index, "of the entry that stands in every log")
value_0 = raft.constant("value_0", Value, "of that entry")
member = raft.relation("member", Node, Quorum, rigid=True, says="the member belongs to the quorum")
pre_vote = raft.relation("pre_vote", rigid=True, says="members campaign only after a PreVote")

# ---- what a member stores

current = raft.relation("current", Node, Term, says="the member's current term")
left = raft.relation("left", Node, Term, says="the member's term is beyond this one")
voted = raft.relation("voted", Node, Term, Node, says="whom the member has voted for in the term")
log = raft.relation("log", Node, Index, Term, says="the term of the member's entry")
log_reaches = raft.relation("log_reaches", Node, Index, says="the member's log has an entry of this index or a later one")
value = raft.function("value", Node, Index, to=Value, says="the value of the member's entry")
compacted = raft.relation("compacted", Node, Index, says="the entry is only in the member's snapshot")

# ---- what a member remembers until it restarts

committed = raft.relation("committed", Node, Index, says="up to the member's commit index")
leader = raft.relation("leader", Node, Term, says="the member was elected in the term, and acts as leader while in it")

# ---- messages

begun = raft.relation("begun", Term, says="somebody has campaigned in the term, so messages carry it")
vote_requested = raft.relation("vote_requested", Node, Term, Index, Term, says="MsgVote: candidate, term, its last entry")
vote_granted = raft.relation("vote_granted", Node, Term, Node, says="MsgVoteResp: voter, term, candidate")
pre_vote_requested = raft.relation("pre_vote_requested", Node, Term, Index, Term, says="MsgPreVote, likewise")
pre_vote_granted = raft.relation(
    "pre_vote_granted", Node, Term, Node, says="MsgPreVoteResp: voter, this term or a later one, candidate"
)
timeout_now_sent = raft.relation("timeout_now_sent", Term, Node, says="MsgTimeoutNow: the term's leader hands over to the member")
acked = raft.relation("acked", Node, Term, Index, says="MsgAppResp: to the leader of the term, up to here the log is the same")

append_sent = raft.relation("append_sent", Append)
append_term = raft.function("append_term", Append, to=Term, rigid=True, says="the leader's term")
append_previous = raft.function("append_previous", Append, to=Index, rigid=True, says="of the entry before the new ones")
append_previous_term = raft.function("append_previous_term", Append, to=Term, rigid=True)
append_last = raft.function("append_last", Append, to=Index, rigid=True, says="of the last new entry")
append_entry = raft.function("append_entry", Append, Index, to=Term, rigid=True, says="the terms of the new entries")
append_value = raft.function("append_value", Append, Index, to=Value, rigid=True)
append_commit = raft.function("append_commit", Append, to=Index, rigid=True, says="the leader's commit index")

heartbeat_sent = raft.relation("heartbeat_sent", Heartbeat)
heartbeat_term = raft.function("heartbeat_term", Heartbeat, to=Term, rigid=True)
heartbeat_to = raft.function("heartbeat_to", Heartbeat, to=Node, rigid=True)
heartbeat_commit = raft.function("heartbeat_commit", Heartbeat, to=Index, rigid=True)

snapshot_sent = raft.relation("snapshot_sent", Snapshot)
snapshot_term = raft.function("snapshot_term", Snapshot, to=Term, rigid=True, says="the leader's term")
snapshot_index = raft.function("snapshot_index", Snapshot, to=Index, rigid=True, says="of the last entry that it covers")
snapshot_entry = raft.function("snapshot_entry", Snapshot, Index, to=Term, rigid=True, says="the terms of what it covers")
snapshot_value = raft.function("snapshot_value", Snapshot, Index, to=Value, rigid=True)

# ---- history

started = raft.relation("started", Term, ghost=True, says="the term has had a leader")
leader_of = raft.function("leader_of", Term, to=Node, ghost=True)
voters_of = raft.function("voters_of", Term, to=Quorum, ghost=True, says="who elected it")
history = raft.relation("history", Term, Index, Term, ghost=True, says="the log of the term's leader, over its whole reign")
history_value = raft.function("history_value", Term, Index, to=Value, ghost=True)
history_reaches = raft.relation("history_reaches", Term, Index, ghost=True, says="likewise")
chosen = raft.relation("chosen", Term, Index, ghost=True, says="the term's leader has counted a quorum for its own entry")
justified = raft.relation("justified", Node, Term, Index, ghost=True, says="this choice justifies the member's commit index")
append_by = raft.function("append_by", Append, to=Term, rigid=True, ghost=True, says="of the choice that justifies its commit")
append_at = raft.function("append_at", Append, to=Index, rigid=True, ghost=True)
heartbeat_by = raft.function("heartbeat_by", Heartbeat, to=Term, rigid=True, ghost=True, says="likewise")
heartbeat_at = raft.function("heartbeat_at", Heartbeat, to=Index, rigid=True, ghost=True)
snapshot_by = raft.function("snapshot_by", Snapshot, to=Term, rigid=True, ghost=True, says="likewise")
snapshot_at = raft.function("snapshot_at", Snapshot, to=Index, rigid=True, ghost=True)

# ---- axioms

raft.axiom("term_0_is_first", forall(Term, lambda t: term_0 <= t), "it names the least term")
raft.axiom("index_0_is_first", forall(Index, lambda i: index_0 <= i), "it names the least index")
raft.axiom(
    "quorums_intersect",
    forall(Quorum, lambda q, r: exists(Node, lambda n: member(n, q) & member(n, r))),
    "two majorities of n members have one in common: their sizes add up to more than n",
    shown_by=forall(
        Real,
        lambda n, q, r, both: ((q + q > n) & (r + r > n) & (q + r - both <= n)) >> (both > number(0)),
    ),
)

# ---- initially

raft.init(
    "members",
    forall(
        Node,
        Term,
        lambda n, t: iff(current(n, t), t == term_0) & ~left(n, t) & ~leader(n, t) & forall(Node, lambda c: ~voted(n, t, c)),
    ),
)
raft.init(
    "logs",
    forall(
        Node,
        Index,
        lambda n, i: (
            forall(Term, lambda t: iff(log(n, i, t), (i == index_0) & (t == term_0)))
            & (value(n, i) == value_0)
            & iff(log_reaches(n, i), i == index_0)
            & iff(committed(n, i), i == index_0)
            & ~compacted(n, i)
        ),
    ),
)
raft.init(
    "elections",
    forall(Term, lambda t: ~begun(t))
    & forall(Term, Node, lambda t, n: ~timeout_now_sent(t, n))
    & forall(Node, Term, Node, lambda n, t, c: ~vote_granted(n, t, c) & ~pre_vote_granted(n, t, c))
    & forall(Node, Term, Index, Term, lambda n, t, i, u: ~vote_requested(n, t, i, u) & ~pre_vote_requested(n, t, i, u)),
)
raft.init(
    "messages",
    forall(Append, lambda m: ~append_sent(m))
    & forall(Heartbeat, lambda m: ~heartbeat_sent(m))
    & forall(Snapshot, lambda m: ~snapshot_sent(m))
    & forall(Node, Term, Index, lambda n, t, i: iff(acked(n, t, i), (t == term_0) & (i == index_0))),
)
raft.init(
    "history",
    forall(
        Term,
        Index,
        lambda t, i: (
            iff(started(t), t == term_0)
            & forall(Term, lambda u: iff(history(t, i, u), (i == index_0) & (u == term_0)))
            & (history_value(t, i) == value_0)
            & iff(history_reaches(t, i), i == index_0)
            & iff(chosen(t, i), (t == term_0) & (i == index_0))
            & forall(Node, lambda n: iff(justified(n, t, i), (t == term_0) & (i == index_0)))
        ),
    ),
)

# ---- definitions


def last(n: Node, i: Index, t: Term) -> Formula:
    """The last entry of the member's log."""
    return log(n, i, t) & forall(Index, lambda j: log_reaches(n, j) >> (j <= i))


def next_index(i: Index, j: Index) -> Formula:
    return (i < j) & forall(Index, lambda k: (i < k) >> (j <= k))


def reached(n: Node, t: Term) -> Formula:
    return current(n, t) | left(n, t)


def up_to_date(t: Term, i: Index, than_t: Term, than_i: Index) -> Formula:
    """A log that ends with (i, t) is at least as up to date as one that ends with (than_i, than_t)."""
    return (than_t < t) | ((than_t == t) & (than_i <= i))


def carries(m: Append, i: Index) -> Formula:
    """The message has a new entry of this index."""
    return (append_previous(m) < i) & (i <= append_last(m))


def choosable(t: Term, i: Index, q: Quorum) -> Formula:
    """The leader of t may have, or may come to have, acknowledgements of all the quorum for its entry."""
    return forall(Node, lambda k: member(k, q) >> (acked(k, t, i) | ~left(k, t)))


def enter(do: Action, n: Node, t: Term) -> None:
    """The member's term becomes t."""
    do.set(current, lambda m, u: ite(m == n, u == t, current(m, u)))
    do.set(left, lambda m, u: ite(m == n, u < t, left(m, u)))


def commit(do: Action, n: Node, i: Index, by: Term, at: Index) -> None:
    """The member's commit index becomes i, justified by a choice."""
    do.set(committed, lambda m, j: committed(m, j) | ((m == n) & (j <= i)))
    do.set(justified, lambda m, t, j: ite(m == n, (t == by) & (j == at), justified(m, t, j)))


def acknowledge(do: Action, n: Node, t: Term, i: Index) -> None:
    """The member tells the leader of t that up to an index it has the same entries."""
    do.set(acked, lambda k, x, j: acked(k, x, j) | ((k == n) & (x == t) & (j <= i)))


def acknowledge_what_is_committed(do: Action, n: Node, t: Term, i: Index, by: Term, at: Index) -> None:
    """The member needs no word of the leader of t to have what that leader has."""
    do.require(current(n, t), "in_term")
    do.require(committed(n, i), "committed")
    do.require(justified(n, by, at), "justification")
    acknowledge(do, n, t, i)


# ---- elections


def begin_campaign(do: Action, n: Node, t: Term, t2: Term, i: Index, u: Term) -> None:
    do.require(current(n, t), "in_term")
    do.require(t < t2, "newer_term")
    do.require(last(n, i, u), "own_last")
    enter(do, n, t2)
    do.add(begun, t2)
    do.add(voted, n, t2, n)
    do.add(vote_granted, n, t2, n)
    do.add(vote_requested, n, t2, i, u)


@raft.action
def campaign(do: Action, n: Node, t: Term, t2: Term, i: Index, u: Term) -> None:
    """The election timeout has passed: the member becomes candidate of a newer term, votes for itself and asks for votes."""
    do.require(~pre_vote(), "without_pre_vote")
    begin_campaign(do, n, t, t2, i, u)


@raft.action
def pre_campaign(do: Action, n: Node, t: Term, t2: Term, i: Index, u: Term) -> None:
    """The election timeout has passed: the member asks whether it would get votes in a newer term, but stays in its own."""
    do.require(current(n, t), "in_term")
    do.require(t < t2, "newer_term")
    do.require(last(n, i, u), "own_last")
    do.add(pre_vote_requested, n, t2, i, u)


@raft.action
def grant_pre_vote(do: Action, n: Node, t: Term, c: Node, t2: Term, i: Index, u: Term, j: Index, v: Term) -> None:
    """A member would vote for the candidate. It neither votes nor changes its term."""
    do.require(current(n, t), "in_term")
    do.require(t <= t2, "no_older_term")
    do.require(pre_vote_requested(c, t2, i, u), "requested")
    do.require(last(n, j, v), "own_last")
    do.require(up_to_date(u, i, v, j), "up_to_date")
    do.set(pre_vote_granted, lambda k, x, d: pre_vote_granted(k, x, d) | ((k == n) & (x <= t2) & (d == c)))


@raft.action
def campaign_after_pre_vote(do: Action, n: Node, t: Term, t2: Term, i: Index, u: Term, q: Quorum) -> None:
    """A quorum would vote for the member: it campaigns. As in etcd, late grants for the term that it is in by now count, too."""
    begin_campaign(do, n, t, t2, i, u)
    do.require(forall(Node, lambda k: member(k, q) >> pre_vote_granted(k, t, n)), "quorum_of_pre_votes")


@raft.action
def send_timeout_now(do: Action, n: Node, t: Term, c: Node) -> None:
    """The leader hands over to a member: it tells it to campaign at once."""
    do.require(leader(n, t), "is_leader")
    do.require(current(n, t), "in_term")
    do.add(timeout_now_sent, t, c)


@raft.action
def receive_timeout_now(do: Action, n: Node, t: Term, t2: Term, i: Index, u: Term) -> None:
    """The leader hands over to the member: it campaigns without a PreVote."""
    begin_campaign(do, n, t, t2, i, u)
    do.require(timeout_now_sent(t, n), "told")


@raft.action
def update_term(do: Action, n: Node, t: Term, t2: Term) -> None:
    """A message carries a newer term."""
    do.require(current(n, t), "in_term")
    do.require(t < t2, "newer_term")
    do.require(begun(t2), "term_begun")
    enter(do, n, t2)


@raft.action
def grant_vote(do: Action, n: Node, t: Term, c: Node, i: Index, u: Term, j: Index, v: Term) -> None:
    """A member votes for a candidate whose log is at least as up to date as its own."""
    do.require(current(n, t), "in_term")
    do.require(vote_requested(c, t, i, u), "requested")
    do.require(last(n, j, v), "own_last")
    do.require(up_to_date(u, i, v, j), "up_to_date")
    do.require(forall(Node, lambda d: voted(n, t, d) >> (d == c)), "voted_for_no_other")
    do.add(voted, n, t, c)
    do.add(vote_granted, n, t, c)


@raft.action
def become_leader(do: Action, n: Node, t: Term, q: Quorum) -> None:
    """A candidate has the votes of a quorum."""
    do.require(current(n, t), "in_term")
    do.require(~leader(n, t), "is_candidate")
    do.require(forall(Node, lambda k: member(k, q) >> vote_granted(k, t, n)), "quorum_of_votes")
    do.add(leader, n, t)
    do.add(started, t)
    do.assign(voters_of, (t,), q)
    do.assign(leader_of, (t,), n)
    do.set(history, lambda x, i, u: ite(x == t, log(n, i, u), history(x, i, u)))
    do.set(history_value, lambda x, i: ite(x == t, value(n, i), history_value(x, i)))
    do.set(history_reaches, lambda x, i: ite(x == t, log_reaches(n, i), history_reaches(x, i)))


# ---- replication


@raft.action
def propose(do: Action, n: Node, t: Term, i: Index, u: Term, j: Index, v: Value) -> None:
    """The leader appends an entry to its log."""
    do.require(leader(n, t), "is_leader")
    do.require(current(n, t), "in_term")
    do.require(last(n, i, u), "own_last")
    do.require(next_index(i, j), "next_index")
    do.add(log, n, j, t)
    do.assign(value, (n, j), v)
    do.add(log_reaches, n, j)
    do.add(history, t, j, t)
    do.assign(history_value, (t, j), v)
    do.add(history_reaches, t, j)


@raft.action
def acknowledge_own(do: Action, n: Node, t: Term, i: Index) -> None:
    """The leader counts itself for the entries that it has stored."""
    do.require(leader(n, t), "is_leader")
    do.require(current(n, t), "in_term")
    do.require(log_reaches(n, i), "has_entry")
    acknowledge(do, n, t, i)


@raft.action
def send_append(do: Action, n: Node, t: Term, m: Append, u: Term) -> None:
    """The leader sends entries of its log, and its commit index."""
    do.require(leader(n, t), "is_leader")
    do.require(current(n, t), "in_term")
    do.require(append_term(m) == t, "own_term")
    do.require(log(n, append_previous(m), append_previous_term(m)), "previous")
    do.require(log(n, append_last(m), u) & (append_previous(m) <= append_last(m)), "last")
    do.require(
        forall(Index, lambda i: carries(m, i) >> (log(n, i, append_entry(m, i)) & (value(n, i) == append_value(m, i)))),
        "entries",
    )
    do.require(forall(Index, lambda i: carries(m, i) >> ~compacted(n, i)), "not_compacted")
    do.require(committed(n, append_commit(m)), "commit")
    do.require(justified(n, append_by(m), append_at(m)), "justification")
    do.add(append_sent, m)


def matches(m: Append, n: Node) -> Formula:
    """The member has all entries of the message."""
    return forall(Index, lambda i: carries(m, i) >> log(n, i, append_entry(m, i)))


def receive_append(do: Action, n: Node, m: Append) -> None:
    do.require(append_sent(m), "sent")
    do.require(current(n, append_term(m)), "in_term")
    do.require(log(n, append_previous(m), append_previous_term(m)), "previous_matches")


def replace_suffix(do: Action, n: Node, m: Append) -> None:
    """The member's log becomes what it has up to the entry before the new ones, and these; it acknowledges all of it."""

    def kept(i: Any, u: Any) -> Formula:
        return (i <= append_previous(m)) & log(n, i, u)

    def entries(k: Any, i: Any, u: Any) -> Formula:
        return ite(k == n, kept(i, u) | (carries(m, i) & (u == append_entry(m, i))), log(k, i, u))

    do.set(log, entries)
    do.set(value, lambda k, i: ite((k == n) & carries(m, i), append_value(m, i), value(k, i)))
    do.set(log_reaches, lambda k, i: ite(k == n, i <= append_last(m), log_reaches(k, i)))
    acknowledge(do, n, append_term(m), append_last(m))


@raft.action
def receive_known_append(do: Action, n: Node, m: Append) -> None:
    """All entries are there already. What the log has behind them stays."""
    receive_append(do, n, m)
    do.require(matches(m, n), "no_conflict")
    acknowledge(do, n, append_term(m), append_last(m))


@raft.action
def receive_new_append(do: Action, n: Node, m: Append, i: Index) -> None:
    """An entry is missing, or there is another in its place: the log is cut there, and the entries are appended."""
    receive_append(do, n, m)
    do.require(carries(m, i) & ~log(n, i, append_entry(m, i)), "conflict")
    replace_suffix(do, n, m)


@raft.action
def acknowledge_committed(do: Action, n: Node, m: Append, i: Index, by: Term, at: Index) -> None:
    """The append begins before the member's commit index: it acknowledges what it has committed, and looks no further."""
    do.require(append_sent(m), "sent")
    acknowledge_what_is_committed(do, n, append_term(m), i, by, at)


# ---- commitment


@raft.action
def advance_commit(do: Action, n: Node, t: Term, i: Index, u: Term, q: Quorum) -> None:
    """A quorum has acknowledged an entry of the leader's own term."""
    do.require(leader(n, t), "is_leader")
    do.require(current(n, t), "in_term")
    do.require(log(n, i, u), "has_entry")
    do.require(~committed(n, i), "advances")
    do.require(u == t, "entry_of_own_term")
    do.require(forall(Node, lambda k: member(k, q) >> acked(k, t, i)), "quorum_of_acks")
    commit(do, n, i, t, i)
    do.add(chosen, t, i)


@raft.action
def learn_commit(do: Action, n: Node, m: Append, i: Index) -> None:
    """A member learns from an append that its leader has committed, up to the last entry of the message at most."""
    receive_append(do, n, m)
    do.require(matches(m, n), "no_conflict")
    do.require(i <= append_commit(m), "leader_committed")
    do.require(i <= append_last(m), "within_message")
    do.require(~committed(n, i), "advances")
    commit(do, n, i, append_by(m), append_at(m))


@raft.action
def send_heartbeat(do: Action, n: Node, t: Term, m: Heartbeat) -> None:
    """The leader tells a member its commit index, but no more than what that member has acknowledged."""
    do.require(leader(n, t), "is_leader")
    do.require(current(n, t), "in_term")
    do.require(heartbeat_term(m) == t, "own_term")
    do.require(committed(n, heartbeat_commit(m)), "commit")
    do.require(acked(heartbeat_to(m), t, heartbeat_commit(m)), "within_match")
    do.require(justified(n, heartbeat_by(m), heartbeat_at(m)), "justification")
    do.add(heartbeat_sent, m)


@raft.action
def receive_heartbeat(do: Action, n: Node, m: Heartbeat, i: Index) -> None:
    """A member learns from a heartbeat that its leader has committed."""
    do.require(heartbeat_sent(m), "sent")
    do.require(heartbeat_to(m) == n, "addressed")
    do.require(current(n, heartbeat_term(m)), "in_term")
    do.require(i <= heartbeat_commit(m), "leader_committed")
    do.require(~committed(n, i), "advances")
    commit(do, n, i, heartbeat_by(m), heartbeat_at(m))


# ---- snapshots and restart


@raft.action
def compact(do: Action, n: Node, i: Index) -> None:
    """A member keeps a snapshot instead of entries that it has committed."""
    do.require(committed(n, i), "committed")
    do.set(compacted, lambda k, j: compacted(k, j) | ((k == n) & (j <= i)))


def stands_for(m: Snapshot, i: Index) -> Formula:
    """The entry of this index, which may be compacted, is in the state: what the leader has had is the history of its term."""
    t = snapshot_term(m)
    return history(t, i, snapshot_entry(m, i)) & (history_value(t, i) == snapshot_value(m, i))


@raft.action
def send_snapshot(do: Action, n: Node, t: Term, m: Snapshot) -> None:
    """The leader sends the state after entries that it has committed."""
    do.require(leader(n, t), "is_leader")
    do.require(current(n, t), "in_term")
    do.require(snapshot_term(m) == t, "own_term")
    do.require(log(n, snapshot_index(m), snapshot_entry(m, snapshot_index(m))), "last")
    do.require(forall(Index, lambda i: (i <= snapshot_index(m)) >> stands_for(m, i)), "state")
    do.require(committed(n, snapshot_index(m)), "committed")
    do.require(justified(n, snapshot_by(m), snapshot_at(m)), "justification")
    do.add(snapshot_sent, m)


def receive_snapshot(do: Action, n: Node, m: Snapshot) -> None:
    do.require(snapshot_sent(m), "sent")
    do.require(current(n, snapshot_term(m)), "in_term")
    do.require(~committed(n, snapshot_index(m)), "advances")


@raft.action
def receive_known_snapshot(do: Action, n: Node, m: Snapshot) -> None:
    """The member has the entry that the snapshot ends with: it only learns that this is committed."""
    receive_snapshot(do, n, m)
    do.require(log(n, snapshot_index(m), snapshot_entry(m, snapshot_index(m))), "last_matches")
    commit(do, n, snapshot_index(m), snapshot_by(m), snapshot_at(m))
    acknowledge(do, n, snapshot_term(m), snapshot_index(m))


@raft.action
def receive_new_snapshot(do: Action, n: Node, m: Snapshot) -> None:
    """The snapshot takes the place of the member's log."""
    receive_snapshot(do, n, m)
    do.require(~log(n, snapshot_index(m), snapshot_entry(m, snapshot_index(m))), "last_differs")

    def covered(i: Any) -> Formula:
        return i <= snapshot_index(m)

    def entries(k: Any, i: Any, u: Any) -> Formula:
        return ite(k == n, covered(i) & (u == snapshot_entry(m, i)), log(k, i, u))

    do.set(log, entries)
    do.set(value, lambda k, i: ite((k == n) & covered(i), snapshot_value(m, i), value(k, i)))
    do.set(log_reaches, lambda k, i: ite(k == n, covered(i), log_reaches(k, i)))
    do.set(compacted, lambda k, i: compacted(k, i) | ((k == n) & covered(i)))
    commit(do, n, snapshot_index(m), snapshot_by(m), snapshot_at(m))
    acknowledge(do, n, snapshot_term(m), snapshot_index(m))


@raft.action
def receive_old_snapshot(do: Action, n: Node, m: Snapshot, i: Index, by: Term, at: Index) -> None:
    """The member has committed what the snapshot stands for: it acknowledges what it has committed."""
    do.require(snapshot_sent(m), "sent")
    acknowledge_what_is_committed(do, n, snapshot_term(m), i, by, at)


@raft.action
def restart(do: Action, n: Node, i: Index) -> None:
    """A member restarts from what it has stored. Its commit index may be any lower one, but its snapshot is committed."""
    do.require(committed(n, i), "not_above")
    do.require(forall(Index, lambda j: compacted(n, j) >> (j <= i)), "not_below_snapshot")
    do.set(committed, lambda k, j: ite(k == n, j <= i, committed(k, j)))


# ---- invariants: terms and votes


@raft.invariant
def one_current_term(n: Node, t: Term, u: Term) -> Formula:
    return (current(n, t) & current(n, u)) >> (t == u)


@raft.invariant
def current_is_beyond(n: Node, t: Term, u: Term) -> Formula:
    return (current(n, t) & (u < t)) >> left(n, u)


@raft.invariant
def left_is_downward(n: Node, t: Term, u: Term) -> Formula:
    return (left(n, t) & (u < t)) >> left(n, u)


@raft.invariant
def left_is_not_current(n: Node, t: Term) -> Formula:
    return ~(left(n, t) & current(n, t))


@raft.invariant
def reached_was_begun(n: Node, t: Term) -> Formula:
    return (current(n, t) & (t != term_0)) >> begun(t)


@raft.invariant
def voted_in_reached_term(n: Node, t: Term, c: Node) -> Formula:
    return voted(n, t, c) >> reached(n, t)


@raft.invariant(source="Raft, section 5.2")
def vote_is_stored(n: Node, t: Term, c: Node) -> Formula:
    """A vote that was sent is stored."""
    return vote_granted(n, t, c) >> voted(n, t, c)


@raft.invariant(source="Raft, section 5.2")
def one_vote_per_term(n: Node, t: Term, c: Node, d: Node) -> Formula:
    """A member votes for at most one candidate in a term."""
    return (voted(n, t, c) & voted(n, t, d)) >> (c == d)


@raft.invariant
def vote_for_candidate(n: Node, t: Term, c: Node) -> Formula:
    return vote_granted(n, t, c) >> (reached(c, t) & (t != term_0))


@raft.invariant
def request_of_candidate(c: Node, t: Term, i: Index, u: Term) -> Formula:
    return vote_requested(c, t, i, u) >> (reached(c, t) & (t != term_0))


@raft.invariant
def request_describes_log(c: Node, t: Term, i: Index, u: Term, j: Index, x: Term) -> Formula:
    """As long as a candidate can win, its log still ends as it has told."""
    return (vote_requested(c, t, i, u) & ~left(c, t) & ~started(t)) >> (log(c, i, u) & (log(c, j, x) >> (j <= i)))


@raft.invariant
def leader_has_votes(n: Node, t: Term, k: Node) -> Formula:
    return (leader(n, t) & member(k, voters_of(t))) >> vote_granted(k, t, n)


@raft.invariant(source=RAFT)
def election_safety(n: Node, k: Node, t: Term) -> Formula:
    """At most one leader is elected in a term."""
    return (leader(n, t) & leader(k, t)) >> (n == k)


@raft.invariant
def leader_started_term(n: Node, t: Term) -> Formula:
    return leader(n, t) >> (started(t) & reached(n, t) & (t != term_0))


@raft.invariant
def started_has_leader(t: Term) -> Formula:
    return started(t) >> ((t == term_0) | leader(leader_of(t), t))


@raft.invariant(source="Ongaro's thesis, section 3.10")
def leader_hands_over(t: Term, n: Node) -> Formula:
    """Only leaders hand over."""
    return timeout_now_sent(t, n) >> (started(t) & (t != term_0))


# ---- invariants: logs and histories


@raft.invariant
def entry_0(n: Node, t: Term, u: Term) -> Formula:
    return started(term_0) & iff(log(n, index_0, u), u == term_0) & iff(history(t, index_0, u), u == term_0)


@raft.invariant
def one_entry_in_log(n: Node, i: Index, t: Term, u: Term) -> Formula:
    return (log(n, i, t) & log(n, i, u)) >> (t == u)


@raft.invariant
def one_entry_in_history(x: Term, i: Index, t: Term, u: Term) -> Formula:
    return (history(x, i, t) & history(x, i, u)) >> (t == u)


@raft.invariant
def history_of_started_terms(x: Term, i: Index, t: Term) -> Formula:
    return history(x, i, t) >> ((t <= x) & started(t) & (started(x) | (i == index_0)))


@raft.invariant
def log_within_its_reach(n: Node, i: Index, t: Term, j: Index) -> Formula:
    return (log(n, i, t) >> log_reaches(n, i)) & ((log_reaches(n, i) & (j <= i)) >> log_reaches(n, j))


@raft.invariant
def history_within_its_reach(x: Term, i: Index, t: Term, j: Index) -> Formula:
    within = (history(x, i, t) >> history_reaches(x, i)) & (history_reaches(x, i) >> (started(x) | (i == index_0)))
    return within & ((history_reaches(x, i) & (j <= i)) >> history_reaches(x, j))


@raft.invariant
def log_of_reached_terms(n: Node, i: Index, t: Term) -> Formula:
    return log(n, i, t) >> (reached(n, t) & started(t))


@raft.invariant
def log_is_in_history(n: Node, i: Index, t: Term, j: Index, u: Term) -> Formula:
    """Up to an entry of term t, a log is the history of t."""
    same = iff(log(n, j, u), history(t, j, u)) & (value(n, j) == history_value(t, j))
    return (log(n, i, t) & (j <= i)) >> same


@raft.invariant
def history_is_in_history(x: Term, i: Index, t: Term, j: Index, u: Term) -> Formula:
    """Up to an entry of term t, a history is the history of t."""
    same = iff(history(x, j, u), history(t, j, u)) & (history_value(x, j) == history_value(t, j))
    return (history(x, i, t) & (j <= i)) >> same


@raft.invariant
def leader_log_is_history(n: Node, t: Term, i: Index, u: Term) -> Formula:
    same = iff(log(n, i, u), history(t, i, u)) & (value(n, i) == history_value(t, i))
    return (leader(n, t) & current(n, t)) >> (same & iff(log_reaches(n, i), history_reaches(t, i)))


@raft.invariant
def append_follows_history(m: Append) -> Formula:
    known = history(append_term(m), append_previous(m), append_previous_term(m))
    return append_sent(m) >> (started(append_term(m)) & known)


@raft.invariant
def append_is_history(m: Append, i: Index) -> Formula:
    same = history(append_term(m), i, append_entry(m, i)) & (append_value(m, i) == history_value(append_term(m), i))
    return (append_sent(m) & carries(m, i)) >> same


@raft.invariant
def snapshot_is_history(m: Snapshot, i: Index) -> Formula:
    same = history(snapshot_term(m), i, snapshot_entry(m, i)) & (snapshot_value(m, i) == history_value(snapshot_term(m), i))
    return (snapshot_sent(m) & (i <= snapshot_index(m))) >> same


@raft.invariant(layer=1, using=("log_within_its_reach",), source="the guard `state` of send_snapshot keeps no snapshot back")
def logs_have_no_gaps(n: Node, i: Index) -> Formula:
    """A log has an entry at every index up to its last."""
    return log_reaches(n, i) >> exists(Term, lambda t: log(n, i, t))


# ---- invariants: acknowledgements, and what may still be chosen


@raft.invariant
def ack_is_within_history(n: Node, t: Term, i: Index) -> Formula:
    return acked(n, t, i) >> (history_reaches(t, i) & reached(n, t))


@raft.invariant
def ack_is_downward(n: Node, t: Term, i: Index, j: Index) -> Formula:
    return (acked(n, t, i) & (j <= i)) >> acked(n, t, j)


@raft.invariant
def ack_kept_in_term(n: Node, t: Term, i: Index, u: Term) -> Formula:
    """As long as a member is in a term, it has what it has acknowledged there."""
    same = iff(log(n, i, u), history(t, i, u)) & (value(n, i) == history_value(t, i))
    return (acked(n, t, i) & ~left(n, t)) >> same


@raft.invariant
def ack_kept_while_choosable(n: Node, t: Term, i: Index, q: Quorum) -> Formula:
    return (history(t, i, t) & choosable(t, i, q) & acked(n, t, i)) >> log(n, i, t)


@raft.invariant
def candidate_has_choosable(k: Node, c: Node, t: Term, t2: Term, i: Index, q: Quorum) -> Formula:
    """Who gets the vote of a member that has acknowledged a choosable entry has that entry."""
    wins = vote_granted(k, t2, c) & (t < t2) & ~started(t2) & ~left(c, t2)
    return (history(t, i, t) & choosable(t, i, q) & acked(k, t, i) & wins) >> log(c, i, t)


@raft.invariant
def later_leaders_have_choosable(t: Term, t2: Term, i: Index, q: Quorum) -> Formula:
    return (history(t, i, t) & choosable(t, i, q) & started(t2) & (t <= t2)) >> history(t2, i, t)


# ---- invariants: commitment


@raft.invariant
def chosen_has_quorum(t: Term, i: Index) -> Formula:
    quorum = exists(Quorum, lambda q: forall(Node, lambda k: member(k, q) >> acked(k, t, i)))
    return chosen(t, i) >> (history(t, i, t) & quorum)


@raft.invariant(source=RAFT)
def leader_completeness(t: Term, i: Index, t2: Term) -> Formula:
    """An entry that was committed in a term is in the log of the leader of every later term."""
    return (chosen(t, i) & started(t2) & (t <= t2)) >> history(t2, i, t)


@raft.invariant
def committed_is_downward(n: Node, i: Index, j: Index) -> Formula:
    return (committed(n, i) & (j <= i)) >> committed(n, j)


@raft.invariant
def justified_by_choice(n: Node, t: Term, i: Index) -> Formula:
    return justified(n, t, i) >> (chosen(t, i) & started(t) & reached(n, t))


@raft.invariant
def committed_is_history(n: Node, t: Term, i: Index, j: Index, u: Term) -> Formula:
    """What a member has committed is the history of the term that justifies it."""
    same = iff(log(n, j, u), history(t, j, u)) & (value(n, j) == history_value(t, j))
    return (justified(n, t, i) & committed(n, j)) >> ((j <= i) & same)


def is_chosen(by: Term, at: Index, t: Term, commit_index: Index) -> Formula:
    """A choice of a term up to t justifies this commit index."""
    return chosen(by, at) & started(by) & (by <= t) & (commit_index <= at)


@raft.invariant
def append_commit_is_chosen(m: Append) -> Formula:
    return append_sent(m) >> is_chosen(append_by(m), append_at(m), append_term(m), append_commit(m))


@raft.invariant
def heartbeat_commit_is_chosen(m: Heartbeat) -> Formula:
    return heartbeat_sent(m) >> is_chosen(heartbeat_by(m), heartbeat_at(m), heartbeat_term(m), heartbeat_commit(m))


@raft.invariant(source="etcd raft, bcastHeartbeat: min(match, committed)")
def heartbeat_commit_is_acked(m: Heartbeat) -> Formula:
    """A heartbeat tells a member to commit only what that member has acknowledged to this leader."""
    acknowledged = acked(heartbeat_to(m), heartbeat_term(m), heartbeat_commit(m))
    return heartbeat_sent(m) >> (started(heartbeat_term(m)) & acknowledged)


@raft.invariant(source="Raft, section 7")
def snapshot_is_committed(m: Snapshot) -> Formula:
    """A snapshot covers only committed entries."""
    chosen_state = is_chosen(snapshot_by(m), snapshot_at(m), snapshot_term(m), snapshot_index(m))
    return snapshot_sent(m) >> (started(snapshot_term(m)) & chosen_state)


@raft.invariant(source="Raft, section 7")
def compacted_is_committed(n: Node, i: Index) -> Formula:
    """A member compacts only entries that it has committed, and knows so after a restart."""
    return compacted(n, i) >> committed(n, i)


# The only statement of the form "every member has some term and index". By itself, it takes no other proof out of EPR.
@raft.invariant(layer=1, using=())
def every_commitment_is_justified(n: Node) -> Formula:
    return exists(Term, Index, lambda t, i: justified(n, t, i))


# ---- what is promised


@raft.step(source="Ongaro's thesis, section 9.6; section 3.10 for transfers", assumes=("PreVote is on at all members",))
def no_disruption(n: Node, t: Term, t2: Term, after: After) -> Formula:
    """With PreVote a member begins a term only if a quorum has granted it pre-votes for a term that is not below its present one,
    or if the leader hands over to it."""
    begins = current(n, t) & after(current(n, t2)) & ~begun(t2) & after(begun(t2))
    quorum = exists(Quorum, lambda q: forall(Node, lambda k: member(k, q) >> pre_vote_granted(k, t, n)))
    return (pre_vote() & begins) >> (quorum | timeout_now_sent(t, n))


@raft.step(source=RAFT)
def leader_append_only(n: Node, t: Term, i: Index, u: Term, after: After) -> Formula:
    """A leader never overwrites or deletes entries in its log."""
    kept = after(log(n, i, u)) & (value(n, i) == after(value(n, i)))
    return (leader(n, t) & current(n, t) & log(n, i, u)) >> kept


@raft.step(source="Raft, section 5.3")
def committed_never_overwritten(n: Node, i: Index, u: Term, t: Term, j: Index, after: After) -> Formula:
    """No member changes an entry that it has committed."""
    kept = after(log(n, i, u)) & (value(n, i) == after(value(n, i)))
    return (justified(n, t, j) & committed(n, i) & log(n, i, u)) >> kept


@raft.corollary(using=("log_is_in_history",), source=RAFT)
def log_matching(n: Node, k: Node, i: Index, t: Term, j: Index, u: Term) -> Formula:
    """Two logs that have an entry of the same index and term are identical up to that index."""
    same = iff(log(n, j, u), log(k, j, u)) & (value(n, j) == value(k, j))
    return (log(n, i, t) & log(k, i, t) & (j <= i)) >> same


@raft.corollary(
    using=(
        "committed_is_history",
        "justified_by_choice",
        "leader_completeness",
        "history_is_in_history",
        "one_entry_in_history",
    )
)
def same_commitments(n: Node, k: Node, t: Term, i: Index, t2: Term, i2: Index, j: Index, u: Term, u2: Term) -> Formula:
    both = justified(n, t, i) & justified(k, t2, i2) & committed(n, j) & committed(k, j)
    return (both & log(n, j, u) & log(k, j, u2)) >> ((u == u2) & (value(n, j) == value(k, j)))


@raft.corollary(using=("every_commitment_is_justified", "same_commitments"), source=RAFT)
def state_machine_safety(n: Node, k: Node, j: Index, u: Term, u2: Term) -> Formula:
    """No two members commit different entries at an index."""
    both = committed(n, j) & committed(k, j) & log(n, j, u) & log(k, j, u2)
    return both >> ((u == u2) & (value(n, j) == value(k, j)))


@raft.corollary(
    using=(
        "leader_completeness",
        "leader_log_is_history",
        "leader_started_term",
        "justified_by_choice",
        "committed_is_history",
        "history_is_in_history",
    ),
    source="Raft, section 5.4",
)
def leader_has_committed(n: Node, c: Node, t: Term, t2: Term, i: Index, j: Index, u: Term) -> Formula:
    """A leader has every entry that a member has committed because of this or an earlier term."""
    known = justified(n, t, i) & committed(n, j) & log(n, j, u)
    return (known & leader(c, t2) & current(c, t2) & (t <= t2)) >> (log(c, j, u) & (value(c, j) == value(n, j)))


# ---- how members are drawn


@raft.picture(Node)
def draw(view: View, n: object) -> str:
    """`term 2, voted n2 in 2, log [0:0 1:1], commit 0`."""
    terms = view.those(current, n)
    votes = [f"{c} in {t}" for t, c in view.those(voted, n)]
    entries = [f"{i}:{t}" for i, t in view.those(log, n)]
    commits = view.those(committed, n)
    parts = [
        f"term {' and '.join(map(str, terms)) or '?'}",
        *([f"voted {', '.join(votes)}"] if votes else []),
        *([f"leader in {', '.join(map(str, view.those(leader, n)))}"] if view.those(leader, n) else []),
        f"log [{' '.join(entries)}]",
        f"commit {commits[-1] if commits else '?'}",
        *([f"compacted {view.those(compacted, n)[-1]}"] if view.those(compacted, n) else []),
    ]
    return ", ".join(parts)


# ---- what does happen

three = {"node": 3, "quorum": 2, "value": 2, "append": 2, "heartbeat": 1, "snapshot": 1, "term": 5, "index": 2}
"""Three members, four terms, one entry."""

majorities = forall(Quorum, lambda q: exists(Node, lambda n, k: (n != k) & member(n, q) & member(k, q)))
two_of_three = majorities & ~pre_vote()

Calls = list[str | tuple[str, Mapping[str, int]]]


def elects(n: int, t: int, voter: int) -> Calls:
    """Member n becomes leader of term t by its own vote and that of another."""
    return [
        ("campaign", {"n": n, "t2": t}),
        ("update_term", {"n": voter, "t2": t}),
        ("grant_vote", {"n": voter, "c": n}),
        ("become_leader", {"n": n, "t": t}),
    ]


def replicates(n: int, to: int, m: int = 0) -> Calls:
    """Leader n sends message m, which another stores."""
    return [("send_append", {"n": n, "m": m}), ("receive_new_append", {"n": to, "m": m})]


def commits(n: int) -> Calls:
    """Leader n counts itself, and commits."""
    return [("acknowledge_own", {"n": n}), ("advance_commit", {"n": n})]


def proposes(n: int) -> Calls:
    return [("propose", {"n": n})]


def all_commit(index: Index) -> Formula:
    return forall(Node, lambda n: committed(n, index))


raft.sometimes(
    "replication",
    "All members commit an entry: the leader by counting, the others by a heartbeat and an append. One of them restarts.",
    Script(
        (
            *[*elects(0, 1, 1), *proposes(0), *replicates(0, 1), *commits(0)],
            *[("send_heartbeat", {"n": 0}), ("receive_heartbeat", {"n": 1}), ("restart", {"n": 0})],
            *[("send_append", {"n": 0, "m": 1}), ("update_term", {"n": 2}), ("receive_new_append", {"n": 2, "m": 1})],
            *[("receive_known_append", {"n": 2, "m": 1}), ("learn_commit", {"n": 2, "m": 1})],
        ),
        three,
        two_of_three,
    ),
    exists(Index, lambda i: (i != index_0) & all_commit(i)),
)
raft.sometimes(
    "snapshots",
    "A leader compacts its log and sends its snapshot: one member has the entries already, another takes it for its log.",
    Script(
        (
            *[*elects(0, 1, 1), *proposes(0), *replicates(0, 1), *commits(0)],
            *[("compact", {"n": 0}), ("send_snapshot", {"n": 0}), ("receive_known_snapshot", {"n": 1})],
            *[("update_term", {"n": 2}), ("receive_new_snapshot", {"n": 2})],
        ),
        three,
        two_of_three,
    ),
    exists(
        Index, lambda i: (i != index_0) & all_commit(i) & exists(Node, lambda n, k: (n != k) & compacted(n, i) & compacted(k, i))
    ),
)
raft.sometimes(
    "failover",
    "A new leader has the entry that the former one has committed.",
    Script((*elects(0, 1, 1), *proposes(0), *replicates(0, 1), *commits(0), *elects(1, 2, 2)), three, two_of_three),
    exists(
        Node,
        Node,
        Index,
        lambda n, k, i: (n != k) & (i != index_0) & committed(n, i) & exists(Term, lambda t: leader(k, t) & current(k, t)),
    ),
)
raft.sometimes(
    "pre_vote_election",
    "A member wins a PreVote, and then an election.",
    Script(
        (
            *[("pre_campaign", {"n": 0}), ("grant_pre_vote", {"n": 0, "c": 0}), ("grant_pre_vote", {"n": 1, "c": 0})],
            *[("campaign_after_pre_vote", {"n": 0}), ("update_term", {"n": 1}), ("grant_vote", {"n": 1})],
            "become_leader",
        ),
        three,
        majorities & pre_vote(),
    ),
    exists(Node, Term, lambda n, t: leader(n, t)),
)
raft.sometimes(
    "leader_transfer",
    "A leader hands over to another member, which needs no PreVote.",
    Script(
        (
            *[("pre_campaign", {"n": 0}), ("grant_pre_vote", {"n": 0, "c": 0}), ("grant_pre_vote", {"n": 1, "c": 0})],
            *[("campaign_after_pre_vote", {"n": 0}), ("update_term", {"n": 1}), ("grant_vote", {"n": 1})],
            "become_leader",
            *[("send_timeout_now", {"n": 0, "c": 1}), ("receive_timeout_now", {"n": 1})],
            *[("update_term", {"n": 0}), ("grant_vote", {"n": 0, "c": 1}), ("become_leader", {"n": 1})],
        ),
        three,
        majorities & pre_vote(),
    ),
    exists(Node, Node, Term, lambda n, k, t: (n != k) & leader(n, t) & ~current(n, t) & exists(Term, lambda u: leader(k, u))),
)

# ---- wrong protocols


def restart_without_votes(do: Action, n: Node, i: Index) -> None:
    """A member restarts, and has forgotten its votes."""
    do.require(committed(n, i), "not_above")
    do.remove(voted, n, ANY, ANY)


def restart_without_log(do: Action, n: Node, i: Index) -> None:
    """A member restarts with the committed part of its log."""
    do.require(committed(n, i), "not_above")
    do.set(log, lambda k, j, u: log(k, j, u) & ((k != n) | committed(n, j)))
    do.set(log_reaches, lambda k, j: log_reaches(k, j) & ((k != n) | committed(n, j)))


def receive_append_cutting(do: Action, n: Node, m: Append) -> None:
    """A member cuts its log behind every append."""
    receive_append(do, n, m)
    replace_suffix(do, n, m)


def grant_pre_vote_as_vote(do: Action, n: Node, t: Term, c: Node, t2: Term, i: Index, u: Term) -> None:
    """A member answers a PreVote request as if it were a vote request of the candidate's present term."""
    do.require(current(n, t), "in_term")
    do.require(t < t2, "newer_term")
    do.require(pre_vote_requested(c, t2, i, u), "requested")
    do.add(vote_granted, n, t2, c)


raft.mutant(
    "volatile_votes",
    "Votes are not stored: a member votes twice in a term, and two leaders are elected.",
    breaks="election_safety",
    actions=[restart_without_votes],
    script=Script(
        (
            *[*elects(0, 1, 1), ("campaign", {"n": 2, "t2": 1}), ("restart_without_votes", {"n": 1})],
            *[("grant_vote", {"n": 1, "c": 2}), ("become_leader", {"n": 2})],
        ),
        three,
        two_of_three,
    ),
)
raft.mutant(
    "disjoint_quorums",
    "Quorums need not intersect: two candidates win the same term.",
    breaks="election_safety",
    axioms=[Axiom("quorums_intersect", TRUE, "it is wrong")],
    script=Script(
        (
            *[("campaign", {"n": 0, "t2": 1}), ("become_leader", {"n": 0})],
            *[("campaign", {"n": 1, "t2": 1}), ("become_leader", {"n": 1})],
        ),
        three,
        ~pre_vote(),
    ),
)
raft.mutant(
    "vote_for_shorter_log",
    "Votes go to candidates whatever their log: a new leader overwrites a committed entry.",
    breaks="state_machine_safety",
    without=["grant_vote.up_to_date"],
    script=Script(
        (
            *[*elects(0, 1, 1), *proposes(0), *replicates(0, 1), *commits(0)],
            *[*elects(2, 2, 1), *proposes(2), *replicates(2, 1, m=1), *commits(2)],
        ),
        three,
        two_of_three,
    ),
)
raft.mutant(
    "figure_8",
    "A leader commits entries of earlier terms by counting: they are overwritten (Raft, figure 8).",
    breaks="state_machine_safety",
    without=["advance_commit.entry_of_own_term"],
    script=Script(
        (
            *[*elects(0, 1, 1), *proposes(0), *elects(2, 2, 1), *proposes(2)],
            *[*elects(0, 3, 1), *replicates(0, 1), *commits(0)],
            *[*elects(2, 4, 1), *replicates(2, 1, m=1), *commits(2)],
        ),
        three,
        two_of_three,
    ),
)
raft.mutant(
    "truncate_always",
    "A member cuts its log behind an append that came late, and with it an entry that it has acknowledged.",
    breaks="leader_completeness",
    actions=[receive_append_cutting],
    script=Script(
        (
            *[*elects(0, 1, 1), *proposes(0), ("send_append", {"n": 0, "m": 0}), *proposes(0), *replicates(0, 1, m=1)],
            *[*commits(0), ("receive_append_cutting", {"n": 1, "m": 0})],
            *[("update_term", {"n": 2, "t2": 1}), ("receive_new_append", {"n": 2, "m": 0}), *elects(2, 2, 1)],
        ),
        {**three, "term": 3, "index": 3},
        two_of_three,
    ),
)
raft.mutant(
    "volatile_log",
    "A member acknowledges entries before it has stored them, and loses them in a restart.",
    breaks="leader_completeness",
    actions=[restart_without_log],
    script=Script(
        (
            *[*elects(0, 1, 1), *proposes(0), *replicates(0, 1), *commits(0)],
            *[("restart_without_log", {"n": 1}), *elects(2, 2, 1)],
        ),
        three,
        two_of_three,
    ),
)
raft.mutant(
    "heartbeat_commit_beyond_match",
    "A heartbeat tells the leader's commit index to a member that has another entry there.",
    breaks="state_machine_safety",
    without=["send_heartbeat.within_match"],
    script=Script(
        (
            *[*elects(2, 1, 1), *proposes(2), *elects(0, 2, 1), *proposes(0), *replicates(0, 1), *commits(0)],
            *[("send_heartbeat", {"n": 0}), ("update_term", {"n": 2, "t2": 2}), ("receive_heartbeat", {"n": 2})],
        ),
        three,
        two_of_three,
    ),
)
raft.mutant(
    "snapshot_beyond_commit",
    "A snapshot covers an entry that is not committed: a later leader does not have it.",
    breaks="leader_has_committed",
    without=["send_snapshot.committed"],
    script=Script(
        (
            *[*elects(0, 1, 2), *proposes(0), *elects(1, 2, 2), *proposes(1), *elects(0, 3, 2)],
            *[("send_snapshot", {"n": 0}), ("receive_new_snapshot", {"n": 2}), *elects(1, 4, 2)],
        ),
        three,
        two_of_three,
    ),
)
raft.mutant(
    "pre_vote_as_vote",
    "An answer to a PreVote counts as a vote, which nobody has stored.",
    breaks="vote_is_stored",
    actions=[grant_pre_vote_as_vote],
)

# ---- guards that safety does not need

PRE_VOTE = "PreVote decides whether a campaign is worth it, not who wins it"
for guard, because in {
    "pre_campaign.in_term": PRE_VOTE,
    "pre_campaign.newer_term": PRE_VOTE,
    "pre_campaign.own_last": PRE_VOTE,
    "grant_pre_vote.in_term": PRE_VOTE,
    "grant_pre_vote.no_older_term": PRE_VOTE,
    "grant_pre_vote.requested": PRE_VOTE,
    "grant_pre_vote.own_last": PRE_VOTE,
    "grant_pre_vote.up_to_date": PRE_VOTE,
    "send_timeout_now.in_term": PRE_VOTE,
    "become_leader.is_candidate": "who is leader already would only be elected again, by other votes",
    "send_append.last": "entries and previous say what is sent; an append without entries may name any last index below",
    "send_append.not_compacted": "what is compacted cannot be sent, but sending it would be right",
    "send_snapshot.last": "it is part of `state`, but history is nothing that a member can look at",
    "advance_commit.is_leader": "a quorum has acknowledged the entry to the leader of this term, and all else follows",
    "advance_commit.in_term": "likewise",
}.items():
    raft.needs_not(guard, because)
