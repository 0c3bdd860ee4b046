"""Membership: joint consensus in the log, with etcd's rule that a change is in force for a member when that member applies it.

After Ongaro's thesis, chapter 4, and etcd's raft. For any number of members, terms, entries and changes; messages are lost,
delayed, repeated and reordered as in `raft.py`. What a member remembers and what it has stored are two things: a restart brings
back what was stored, and acknowledgements, votes and vote requests wait until what they promise is stored.

A log is named by its last entry: entries are the places of a tree, and `prefix` is its order. Two logs with an entry of the same
index and term are the same up to there (`one_entry`), so members find the place in the tree by index and term. An entry knows how
many changes its log has up to itself (`version`), and the configuration that is in force after it.

How it is proven. Configurations that are at most one change apart have quorums that intersect, others may not. A leader or
candidate has at most one change in its log that it has not applied. What a quorum of a configuration in the log may still choose
(`choosable`) is in the logs of all later leaders, as long as these have that configuration in their logs (`missed`); what is
applied is committed, so they have it. A candidate that is two changes behind meets, in every quorum of its own old configuration,
a member that has acknowledged an entry two changes ahead (the guard `witness` of `become_leader`).

Left out: snapshots, PreVote, heartbeats (`raft.py` has them). More is allowed than in etcd: anyone may campaign, not only voters;
any higher term may be entered; a message's previous entry is not compared; a new leader may propose a change when it has applied
all changes in its log, while etcd waits until it has applied its whole log. Learners are members that no half of a configuration
counts. A write stores all that a member remembers at that moment, commit index included, as a Ready with entries does in etcd: at
once, or later, when the member may be in another term already. Acknowledgements, votes and vote requests look only at what is
stored when they leave. Writes in hand may be left out, but none is done that is behind what is stored; etcd does all, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubeproof.models.logic import Action, Element, Formula, Real, Specification, View, exists, forall, iff, ite, number
from kubeproof.models.logic.specification import Script


class Node(Element):
    """A member."""


class Quorum(Element):
    """A set of members."""


class Voters(Element):
    """The voters of half a configuration."""


class Config(Element):
    """A configuration: an incoming half, and an outgoing half while it is joint."""


class Entry(Element):
    """An entry with all that comes before it: the log that ends with it."""


class Append(Element):
    """A MsgApp: its contents never change."""


class Term(Element, ordered=True):
    """A term."""


class Index(Element, ordered=True):
    """The place of an entry in a log."""


class Version(Element, ordered=True):
    """A number of changes."""


membership = Specification(
    "membership",
    "Raft stays safe while its members change, one change at a time, in force for each member when it applies it.",
    (Node, Quorum, Voters, Config, Entry, Append, Term, Index, Version),
    universes=(
        {"node": 2, "quorum": 2, "voters": 1, "config": 1, "entry": 2, "append": 1, "term": 2, "index": 2, "version": 2},
        {"node": 2, "quorum": 2, "voters": 2, "config": 2, "entry": 3, "append": 1, "term": 3, "index": 3, "version": 3},
        {"node": 3, "quorum": 2, "voters": 2, "config": 3, "entry": 4, "append": 1, "term": 3, "index": 4, "version": 3},
    ),
)

# ---- what never changes

term_0 = membership.constant("term_0", Term, "before all terms")
entry_0 = membership.constant("entry_0", Entry, "stands in every log")
member = membership.relation("member", Node, Quorum, rigid=True, says="the member belongs to the set")
majority = membership.relation("majority", Quorum, Voters, rigid=True, says="the set has a majority of these voters")
one_apart = membership.relation("one_apart", Voters, Voters, rigid=True, says="one has the voters of the other and one more")
joint = membership.relation("joint", Config, rigid=True, says="both halves count")
incoming = membership.function("incoming", Config, to=Voters, rigid=True)
outgoing = membership.function("outgoing", Config, to=Voters, rigid=True)
prefix = membership.relation("prefix", Entry, Entry, rigid=True, says="the one is in the log that ends with the other")
term = membership.function("term", Entry, to=Term, rigid=True, says="of the leader that has proposed it")
index = membership.function("index", Entry, to=Index, rigid=True)
version = membership.function("version", Entry, to=Version, rigid=True, says="how many changes there are up to it")
config = membership.function("config", Entry, to=Config, rigid=True, says="the configuration after it")

# ---- what a member remembers

current = membership.relation("current", Node, Term, says="the member's current term")
left = membership.relation("left", Node, Term, says="the member's term is beyond this one")
voted = membership.relation("voted", Node, Term, Node, says="whom the member has voted for in the term")
last = membership.relation("last", Node, Entry, says="the last entry of the member's log")
committed = membership.relation("committed", Node, Entry, says="the last entry that the member knows to be committed")
applied = membership.relation("applied", Node, Entry, says="the last entry that the member has applied")
candidate = membership.relation("candidate", Node, Term, says="the member campaigns in the term, while in it")
leader = membership.relation("leader", Node, Term, says="the member acts as leader of the term, while in it")

# ---- what a member has stored

stored_current = membership.relation("stored_current", Node, Term)
stored_left = membership.relation("stored_left", Node, Term)
stored_voted = membership.relation("stored_voted", Node, Term, Node)
stored_last = membership.relation("stored_last", Node, Entry)
stored_committed = membership.relation("stored_committed", Node, Entry)

# ---- what a member has handed to its storage, or will ask for

in_hand = membership.relation(
    *("in_hand", Node, Term, Entry, Entry), says="a write of this term, with this last and this last committed entry, may be done"
)
campaigned = membership.relation("campaigned", Node, Term, Entry, says="the last entry of the member's log when it campaigned")

# ---- messages

vote_requested = membership.relation("vote_requested", Node, Term, Entry, says="MsgVote: candidate, term, its last entry")
vote_granted = membership.relation("vote_granted", Node, Term, Node, says="MsgVoteResp: voter, term, candidate")
acked = membership.relation("acked", Node, Entry, says="MsgAppResp: to the leader of the entry's term, it is in the log")

append_sent = membership.relation("append_sent", Append)
append_term = membership.function("append_term", Append, to=Term, rigid=True, says="the leader's term")
append_last = membership.function("append_last", Append, to=Entry, rigid=True, says="the last entry that it carries")
append_commit = membership.function("append_commit", Append, to=Entry, rigid=True, says="the leader's last committed entry")

# ---- history

started = membership.relation("started", Term, ghost=True, says="the term has had a leader")
elected = membership.relation("elected", Node, Term, ghost=True, says="the member was elected in the term")
leader_of = membership.function("leader_of", Term, to=Node, ghost=True)
voters_of = membership.function("voters_of", Term, to=Quorum, ghost=True, says="who elected it")
elected_version = membership.function(
    "elected_version", Term, to=Version, ghost=True, says="of the configuration that it was elected by"
)
history = membership.relation("history", Term, Entry, ghost=True, says="is in the log of the term's leader, over its whole reign")
missed = membership.relation(
    "missed", Term, Term, Entry, ghost=True, says="some leader after the first term, up to the second, began without the entry"
)
chosen = membership.relation("chosen", Entry, ghost=True, says="the leader of its term has counted a quorum for it")
chosen_by = membership.function("chosen_by", Entry, to=Quorum, ghost=True, says="that quorum")
chosen_version = membership.function(
    "chosen_version", Entry, to=Version, ghost=True, says="of the configuration that it counted by"
)
outrun = membership.relation(
    "outrun", Term, Entry, ghost=True, says="an entry that is two changes ahead was chosen in a term before"
)
grown = membership.relation("grown", Term, Entry, ghost=True, says="the leader of the term has a log that is two changes ahead")
promised = membership.relation(
    "promised", Node, Entry, ghost=True, says="the member has acknowledged the entry, or may do so when a write has ended"
)
justified = membership.relation("justified", Node, Entry, ghost=True, says="this choice justifies what the member has committed")
stored_justified = membership.relation("stored_justified", Node, Entry, ghost=True, says="likewise, of what is stored")
append_by = membership.function(
    "append_by", Append, to=Entry, rigid=True, ghost=True, says="of the choice that justifies its commit"
)

# ---- definitions


def reached(n: Node, t: Term) -> Formula:
    return current(n, t) | left(n, t)


def stored_reached(n: Node, t: Term) -> Formula:
    return stored_current(n, t) | stored_left(n, t)


def here(n: Node, t: Term, z: Entry) -> Formula:
    """In the term the member remembers the log, or has stored it."""
    return (current(n, t) & last(n, z)) | (stored_current(n, t) & stored_last(n, z))


def asks(c: Node, k: Node, t: Term, z: Entry) -> Formula:
    """The candidate has asked k for its vote with a log that ends with z; itself it asks by campaigning."""
    return vote_requested(c, t, z) | ((k == c) & campaigned(c, t, z))


def meet(q: Quorum, r: Quorum) -> Formula:
    return exists(Node, lambda n: member(n, q) & member(n, r))


def is_quorum(q: Quorum, c: Config) -> Formula:
    """A majority of the incoming half, and if the configuration is joint, of the outgoing half."""
    return majority(q, incoming(c)) & (joint(c) >> majority(q, outgoing(c)))


def close(v: Version, w: Version) -> Formula:
    """The second is at most one change ahead of the first."""
    return forall(Version, lambda x: (v < x) >> (w <= x))


def near(v: Version, w: Version) -> Formula:
    """They differ by at most one change."""
    return close(v, w) & close(w, v)


def next_version(v: Version, w: Version) -> Formula:
    return (v < w) & close(v, w)


def two_ahead(e: Entry, d: Entry) -> Formula:
    """The log of e has two changes or more behind d."""
    return prefix(d, e) & ~close(version(d), version(e))


def next_entry(d: Entry, e: Entry) -> Formula:
    return prefix(d, e) & (d != e) & forall(Entry, lambda x: prefix(x, e) >> ((x == e) | prefix(x, d)))


def comparable(d: Entry, e: Entry) -> Formula:
    return prefix(d, e) | prefix(e, d)


def up_to_date(e: Entry, than: Entry) -> Formula:
    """A log that ends with e is at least as up to date as the other one."""
    return (term(than) < term(e)) | ((term(than) == term(e)) & (index(than) <= index(e)))


def choosable(e: Entry, q: Quorum, a: Entry) -> Formula:
    """The set is a quorum of the configuration after a, and each member has acknowledged e or may come to do so."""
    acks = forall(Node, lambda k: member(k, q) >> (acked(k, e) | ~stored_left(k, term(e))))
    return prefix(a, e) & close(version(a), version(e)) & is_quorum(q, config(a)) & acks


def is_top(e: Entry, t: Term) -> Formula:
    """Chosen before t, and two changes ahead of all that some such entry is two changes ahead of."""
    return chosen(e) & (term(e) < t) & forall(Entry, lambda a: outrun(t, a) >> two_ahead(e, a))


def is_witness(b: Entry, d: Entry, t: Term) -> Formula:
    """Chosen before t, two changes ahead of d, and by a quorum that intersects those of the configuration after d."""
    return chosen(b) & two_ahead(b, d) & near(version(d), chosen_version(b)) & (term(b) < t)


def justifies(by: Entry, t: Term, y: Entry) -> Formula:
    """This choice, of a term up to t, has y before it."""
    return chosen(by) & prefix(y, by) & (term(by) <= t)


# ---- axioms

membership.axiom("term_0_is_first", forall(Term, lambda t: term_0 <= t), "it names the least term")
membership.axiom(
    "prefix_order",
    forall(Entry, lambda d: prefix(d, d) & prefix(entry_0, d))
    & forall(Entry, lambda d, e, f: (prefix(d, e) & prefix(e, f)) >> prefix(d, f))
    & forall(Entry, lambda d, e: (prefix(d, e) & prefix(e, d)) >> (d == e))
    & forall(Entry, lambda d, e, f: (prefix(d, f) & prefix(e, f)) >> comparable(d, e)),
    "sequences are a tree by their prefixes",
)
membership.axiom(
    "index_counts",
    forall(Entry, lambda d, e: (prefix(d, e) & (d != e)) >> (index(d) < index(e))),
    "an index is the length of a log",
)
membership.axiom(
    "version_counts",
    forall(Entry, lambda d, e: prefix(d, e) >> (version(d) <= version(e))),
    "a version is the number of changes in a log",
)
membership.axiom(
    "majorities_intersect",
    forall(Quorum, Quorum, Voters, lambda q, r, v: (majority(q, v) & majority(r, v)) >> meet(q, r)),
    "two majorities of n voters have one in common: their sizes add up to more than n",
    shown_by=forall(Real, lambda n, q, r, both: ((q + q > n) & (r + r > n) & (q + r - both <= n)) >> (both > number(0))),
)
membership.axiom(
    "neighbours_intersect",
    forall(
        Quorum,
        Quorum,
        Voters,
        Voters,
        lambda q, r, v, w: (one_apart(v, w) & majority(q, v) & majority(r, w)) >> meet(q, r),
    ),
    "in whole numbers, majorities of n and n + 1 voters are at least (n + 1)/2 and (n + 2)/2: together more than n + 1",
    shown_by=forall(
        Real,
        lambda n, q, r, both: ((q + q >= n + 1) & (r + r >= n + 2) & (q + r - both <= n + 1)) >> (both > number(0)),
    ),
)
membership.axiom(
    "one_apart_both_ways",
    forall(Voters, lambda v, w: one_apart(v, w) >> one_apart(w, v)),
    "it does not say which has one more",
)

# ---- initially

membership.init(
    "members",
    forall(
        Node,
        Term,
        lambda n, t: (
            iff(current(n, t), t == term_0)
            & iff(stored_current(n, t), t == term_0)
            & ~left(n, t)
            & ~stored_left(n, t)
            & ~candidate(n, t)
            & ~leader(n, t)
            & ~elected(n, t)
            & forall(Node, lambda c: ~voted(n, t, c) & ~stored_voted(n, t, c))
            & forall(Entry, lambda e: ~campaigned(n, t, e))
            & forall(Entry, lambda e, d: ~in_hand(n, t, e, d))
        ),
    ),
)
membership.init(
    "logs",
    forall(
        Node,
        Entry,
        lambda n, e: (
            iff(last(n, e), e == entry_0)
            & iff(committed(n, e), e == entry_0)
            & iff(applied(n, e), e == entry_0)
            & iff(justified(n, e), e == entry_0)
            & iff(stored_last(n, e), e == entry_0)
            & iff(stored_committed(n, e), e == entry_0)
            & iff(stored_justified(n, e), e == entry_0)
            & iff(promised(n, e), e == entry_0)
        ),
    )
    & (term(entry_0) == term_0),
)
membership.init(
    "messages",
    forall(Append, lambda m: ~append_sent(m))
    & forall(Node, Term, Node, lambda n, t, c: ~vote_granted(n, t, c))
    & forall(Node, Term, Entry, lambda n, t, e: ~vote_requested(n, t, e))
    & forall(Node, Entry, lambda n, e: iff(acked(n, e), e == entry_0)),
)
membership.init(
    "history",
    forall(
        Term,
        Entry,
        lambda t, e: (
            iff(started(t), t == term_0)
            & iff(history(t, e), (t == term_0) & (e == entry_0))
            & ~outrun(t, e)
            & ~grown(t, e)
            & iff(chosen(e), e == entry_0)
            & forall(Term, lambda u: ~missed(t, u, e))
        ),
    )
    & is_quorum(chosen_by(entry_0), config(entry_0))
    & (chosen_version(entry_0) == version(entry_0)),
)


# ---- elections


def enter(do: Action, n: Node, t: Term) -> None:
    """The member's term becomes t."""
    do.set(current, lambda m, u: ite(m == n, u == t, current(m, u)))
    do.set(left, lambda m, u: ite(m == n, u < t, left(m, u)))


def promise(do: Action, n: Node, t: Term, z: Entry) -> None:
    """The member may acknowledge the entries of the term in this log."""
    do.set(promised, lambda m, e: promised(m, e) | ((m == n) & prefix(e, z) & (term(e) == t)))


def becomes(do: Action, which: Any, n: Node, e: Entry) -> None:
    """The member's last, last committed or last applied entry becomes e."""
    do.set(which, lambda m, d: ite(m == n, d == e, which(m, d)))


@membership.action
def campaign(do: Action, n: Node, t: Term, t2: Term, z: Entry, d: Entry, x: Entry) -> None:
    """The election timeout has passed: the member becomes candidate of a newer term and votes for itself, all in memory."""
    do.require(current(n, t), "in_term")
    do.require(t < t2, "newer_term")
    do.require(last(n, z), "own_last")
    do.require(applied(n, d), "own_applied")
    do.require(committed(n, x), "own_commit")
    do.require(version(d) == version(x), "no_unapplied_change")
    enter(do, n, t2)
    do.add(candidate, n, t2)
    do.add(campaigned, n, t2, z)
    do.add(voted, n, t2, n)


@membership.action
def request_votes(do: Action, n: Node, t: Term, z: Entry) -> None:
    """The candidate asks for votes, once its term is stored. It may have given up by then."""
    do.require(campaigned(n, t, z), "has_campaigned")
    do.require(stored_current(n, t), "written")
    do.add(vote_requested, n, t, z)


@membership.action
def update_term(do: Action, n: Node, t: Term, t2: Term) -> None:
    """A message carries a newer term."""
    do.require(current(n, t), "in_term")
    do.require(t < t2, "newer_term")
    enter(do, n, t2)


@membership.action
def grant_vote(do: Action, n: Node, t: Term, c: Node, z: Entry, own: Entry) -> None:
    """A member decides to vote for a candidate whose log is at least as up to date as its own."""
    do.require(current(n, t), "in_term")
    do.require(vote_requested(c, t, z), "requested")
    do.require(last(n, own), "own_last")
    do.require(up_to_date(z, own), "up_to_date")
    do.require(forall(Node, lambda d: voted(n, t, d) >> (d == c)), "voted_for_no_other")
    do.add(voted, n, t, c)


@membership.action
def send_vote(do: Action, n: Node, t: Term, c: Node) -> None:
    """A vote leaves when it is stored, also that of a candidate for itself."""
    do.require(stored_voted(n, t, c), "written")
    do.add(vote_granted, n, t, c)


@membership.action
def become_leader(do: Action, n: Node, t: Term, z: Entry, d: Entry, q: Quorum, by: Entry, w: Entry, top: Entry) -> None:
    """A candidate has the votes of a quorum of the configuration that it has applied."""
    do.require(current(n, t), "in_term")
    do.require(candidate(n, t), "is_candidate")
    do.require(last(n, z), "own_last")
    do.require(applied(n, d), "own_configuration")
    do.require(forall(Node, lambda k: member(k, q) >> vote_granted(k, t, n)), "votes")
    do.require(majority(q, incoming(config(d))), "incoming_half")
    do.require(joint(config(d)) >> majority(q, outgoing(config(d))), "outgoing_half")
    do.require(justified(n, by), "justification")
    do.require(outrun(t, d) >> is_witness(w, d, t), "witness")
    do.require(is_top(top, t), "top")
    do.add(leader, n, t)
    do.remove(candidate, n, t)
    do.add(started, t)
    do.add(elected, n, t)
    do.assign(leader_of, (t,), n)
    do.assign(voters_of, (t,), q)
    do.assign(elected_version, (t,), version(d))
    do.set(history, lambda x, e: ite(x == t, prefix(e, z), history(x, e)))
    do.set(grown, lambda x, a: grown(x, a) | ((x == t) & two_ahead(z, a)))
    do.set(missed, lambda x, y, e: missed(x, y, e) | ((x < t) & (t <= y) & ~prefix(e, z)))


@membership.action
def step_down(do: Action, n: Node, t: Term) -> None:
    """A member gives up its campaign, or its leadership, for the rest of the term."""
    do.remove(candidate, n, t)
    do.remove(leader, n, t)


# ---- replication


def append_entry(do: Action, n: Node, t: Term, z: Entry, e: Entry) -> None:
    do.require(leader(n, t), "is_leader")
    do.require(current(n, t), "in_term")
    do.require(last(n, z), "own_last")
    do.require(next_entry(z, e), "next_entry")
    do.require(term(e) == t, "own_term")
    becomes(do, last, n, e)
    do.add(history, t, e)
    do.set(grown, lambda x, a: grown(x, a) | ((x == t) & two_ahead(e, a)))


@membership.action
def propose(do: Action, n: Node, t: Term, z: Entry, e: Entry) -> None:
    """The leader appends an entry that changes no configuration."""
    append_entry(do, n, t, z, e)
    do.require((version(e) == version(z)) & (config(e) == config(z)), "no_change")


def append_change(do: Action, n: Node, t: Term, z: Entry, e: Entry, d: Entry) -> None:
    append_entry(do, n, t, z, e)
    do.require(next_version(version(z), version(e)), "counted")
    do.require(applied(n, d), "own_applied")
    do.require(version(d) == version(z), "no_pending_change")


@membership.action
def propose_simple(do: Action, n: Node, t: Term, z: Entry, e: Entry, d: Entry) -> None:
    """The leader proposes to add or remove one voter, or a learner."""
    append_change(do, n, t, z, e, d)
    do.require(~joint(config(z)), "from_simple")
    do.require(~joint(config(e)), "to_simple")
    old, new = incoming(config(z)), incoming(config(e))
    do.require((old == new) | one_apart(old, new), "one_voter")


@membership.action
def propose_joint(do: Action, n: Node, t: Term, z: Entry, e: Entry, d: Entry) -> None:
    """The leader proposes any other voters; those of now become the outgoing half."""
    append_change(do, n, t, z, e, d)
    do.require(~joint(config(z)), "from_simple")
    do.require(joint(config(e)), "to_joint")
    do.require(outgoing(config(e)) == incoming(config(z)), "keeps_outgoing")


@membership.action
def propose_leave(do: Action, n: Node, t: Term, z: Entry, e: Entry, d: Entry) -> None:
    """The leader proposes to leave the joint configuration: the incoming half remains."""
    append_change(do, n, t, z, e, d)
    do.require(joint(config(z)), "from_joint")
    do.require(~joint(config(e)), "to_simple")
    do.require(incoming(config(e)) == incoming(config(z)), "keeps_incoming")


@membership.action
def send_append(do: Action, n: Node, t: Term, m: Append, z: Entry, x: Entry) -> None:
    """The leader sends entries of its log, and how far it knows them to be committed. It need not have stored them."""
    do.require(leader(n, t), "is_leader")
    do.require(current(n, t), "in_term")
    do.require(append_term(m) == t, "own_term")
    do.require(last(n, z), "own_last")
    do.require(prefix(append_last(m), z), "entries")
    do.require(committed(n, x), "own_commit")
    all_of_them = (append_commit(m) == append_last(m)) & prefix(append_last(m), x)
    do.require((append_commit(m) == x) | all_of_them, "commit")
    do.require(justified(n, append_by(m)), "justification")
    do.add(append_sent, m)


@membership.action
def receive_append(do: Action, n: Node, m: Append, z: Entry, x: Entry, by: Entry) -> None:
    """A member takes the entries, keeps what it has behind them if it has them all, and learns what is committed."""
    do.require(append_sent(m), "sent")
    do.require(current(n, append_term(m)), "in_term")
    do.require(last(n, z), "own_last")
    do.require(committed(n, x), "own_commit")
    do.require(justified(n, by), "justification")
    told = ite(prefix(append_commit(m), append_last(m)), append_commit(m), append_last(m))
    becomes(do, last, n, ite(prefix(append_last(m), z), z, append_last(m)))
    becomes(do, committed, n, ite(prefix(told, x), x, told))
    do.set(justified, lambda k, e: ite((k == n) & ~prefix(told, x), e == append_by(m), justified(k, e)))
    do.remove(candidate, n, append_term(m))


@membership.action
def acknowledge(do: Action, n: Node, e: Entry, s: Entry) -> None:
    """A member acknowledges an entry to the leader of the entry's term, once both are stored; the leader itself does too."""
    do.require(stored_current(n, term(e)), "term_written")
    do.require(stored_last(n, s) & prefix(e, s), "entry_written")
    do.add(acked, n, e)


# ---- commitment


@membership.action
def advance_commit(do: Action, n: Node, t: Term, z: Entry, x: Entry, d: Entry, e: Entry, q: Quorum, by: Entry) -> None:
    """A quorum of the configuration that the leader has applied has acknowledged an entry of its own term."""
    do.require(leader(n, t), "is_leader")
    do.require(current(n, t), "in_term")
    do.require(last(n, z) & prefix(e, z), "has_entry")
    do.require(committed(n, x) & prefix(x, e) & (x != e), "advances")
    do.require(term(e) == t, "entry_of_own_term")
    do.require(applied(n, d), "own_configuration")
    do.require(forall(Node, lambda k: member(k, q) >> acked(k, e)), "acks")
    do.require(majority(q, incoming(config(d))), "incoming_half")
    do.require(joint(config(d)) >> majority(q, outgoing(config(d))), "outgoing_half")
    do.require(justified(n, by), "justification")
    becomes(do, committed, n, e)
    becomes(do, justified, n, e)
    do.add(chosen, e)
    do.assign(chosen_by, (e,), q)
    do.assign(chosen_version, (e,), version(d))
    do.set(outrun, lambda u, a: outrun(u, a) | ((t < u) & two_ahead(e, a)))


@membership.action
def apply(do: Action, n: Node, d: Entry, e: Entry, x: Entry) -> None:
    """A member applies what is committed: the configuration after it is in force for this member."""
    do.require(applied(n, d) & prefix(d, e), "advances")
    do.require(committed(n, x) & prefix(e, x), "committed")
    becomes(do, applied, n, e)


# ---- storage


@membership.action
def write(do: Action, n: Node, t: Term, z: Entry) -> None:
    """What the member remembers is stored at once: term, vote, log and commit index together."""
    do.require(current(n, t), "in_term")
    do.require(last(n, z), "own_last")
    promise(do, n, t, z)
    do.set(stored_current, lambda m, t: ite(m == n, current(m, t), stored_current(m, t)))
    do.set(stored_left, lambda m, t: ite(m == n, left(m, t), stored_left(m, t)))
    do.set(stored_voted, lambda m, t, c: ite(m == n, voted(m, t, c), stored_voted(m, t, c)))
    do.set(stored_justified, lambda m, e: ite(m == n, justified(m, e), stored_justified(m, e)))
    do.set(stored_last, lambda m, e: ite(m == n, last(m, e), stored_last(m, e)))
    do.set(stored_committed, lambda m, e: ite(m == n, committed(m, e), stored_committed(m, e)))


@membership.action
def hand_over(do: Action, n: Node, t: Term, z: Entry, x: Entry) -> None:
    """What the member remembers is handed to the append thread."""
    do.require(current(n, t), "in_term")
    do.require(last(n, z), "own_last")
    do.require(committed(n, x), "own_commit")
    do.add(in_hand, n, t, z, x)
    promise(do, n, t, z)


@membership.action
def end_write(do: Action, n: Node, t: Term, s: Entry, y: Entry, r: Entry, by: Entry) -> None:
    """What was handed over is stored, but for the vote. The member may remember something else by now."""
    do.require(in_hand(n, t, s, y), "handed_over")
    do.require(~stored_left(n, t), "not_older")
    do.require(stored_last(n, r), "own_stored")
    do.require(forall(Entry, lambda d: (prefix(d, r) & (term(d) == t)) >> prefix(d, s)), "keeps_stored")
    do.require(justifies(by, t, y), "justification")
    do.set(stored_current, lambda m, u: ite(m == n, u == t, stored_current(m, u)))
    do.set(stored_left, lambda m, u: ite(m == n, u < t, stored_left(m, u)))
    becomes(do, stored_last, n, s)
    becomes(do, stored_committed, n, y)
    becomes(do, stored_justified, n, by)


@membership.action
def store_vote(do: Action, n: Node, t: Term, c: Node) -> None:
    """A vote is stored, in a write that has stored the term."""
    do.require(voted(n, t, c), "has_voted")
    do.require(stored_current(n, t), "term_written")
    do.add(stored_voted, n, t, c)


def forget(do: Action, n: Node) -> None:
    do.set(current, lambda m, t: ite(m == n, stored_current(m, t), current(m, t)))
    do.set(left, lambda m, t: ite(m == n, stored_left(m, t), left(m, t)))
    do.set(voted, lambda m, t, c: ite(m == n, stored_voted(m, t, c), voted(m, t, c)))
    do.set(last, lambda m, e: ite(m == n, stored_last(m, e), last(m, e)))
    do.set(justified, lambda m, e: ite(m == n, stored_justified(m, e), justified(m, e)))
    do.set(candidate, lambda m, t: (m != n) & candidate(m, t))
    do.set(leader, lambda m, t: (m != n) & leader(m, t))
    do.set(campaigned, lambda m, t, e: (m != n) & campaigned(m, t, e))
    do.set(in_hand, lambda m, t, e, d: (m != n) & in_hand(m, t, e, d))


@membership.action
def restart(do: Action, n: Node, z: Entry, d: Entry, x: Entry) -> None:
    """A member restarts from what it has stored. What it had applied may be anything committed that is older."""
    do.require(stored_last(n, z), "own_last")
    do.require(stored_committed(n, x), "own_commit")
    do.require(prefix(d, x), "applied_is_committed")
    forget(do, n)
    do.set(promised, lambda m, e: ite(m == n, acked(m, e) | (promised(m, e) & prefix(e, z)), promised(m, e)))
    becomes(do, applied, n, d)
    do.set(committed, lambda m, e: ite(m == n, stored_committed(m, e), committed(m, e)))


# ---- invariants: terms


@membership.invariant
def one_current_term(n: Node, t: Term, u: Term) -> Formula:
    return ((current(n, t) & current(n, u)) | (stored_current(n, t) & stored_current(n, u))) >> (t == u)


@membership.invariant
def current_is_beyond(n: Node, t: Term, u: Term) -> Formula:
    return (u < t) >> ((current(n, t) >> left(n, u)) & (stored_current(n, t) >> stored_left(n, u)))


@membership.invariant
def left_is_downward(n: Node, t: Term, u: Term) -> Formula:
    return (u < t) >> ((left(n, t) >> left(n, u)) & (stored_left(n, t) >> stored_left(n, u)))


@membership.invariant
def left_is_not_current(n: Node, t: Term) -> Formula:
    return ~(left(n, t) & current(n, t)) & ~(stored_left(n, t) & stored_current(n, t))


@membership.invariant
def stored_is_not_ahead(n: Node, t: Term) -> Formula:
    return (stored_left(n, t) >> left(n, t)) & (stored_current(n, t) >> reached(n, t))


# ---- invariants: votes


@membership.invariant
def voted_in_reached_term(n: Node, t: Term, c: Node) -> Formula:
    return (voted(n, t, c) >> reached(n, t)) & (stored_voted(n, t, c) >> stored_reached(n, t))


@membership.invariant
def one_vote_per_term(n: Node, t: Term, c: Node, d: Node) -> Formula:
    """A member votes for at most one candidate in a term."""
    return (voted(n, t, c) & voted(n, t, d)) >> (c == d)


@membership.invariant
def vote_is_stored(n: Node, t: Term, c: Node) -> Formula:
    """A vote that was sent is stored, and what is stored is remembered."""
    return (vote_granted(n, t, c) >> stored_voted(n, t, c)) & (stored_voted(n, t, c) >> voted(n, t, c))


@membership.invariant
def request_is_stored(c: Node, t: Term, z: Entry) -> Formula:
    """A candidate that has asked for votes will never campaign in that term again."""
    return vote_requested(c, t, z) >> (stored_reached(c, t) & (term(z) < t) & history(term(z), z) & started(term(z)))


@membership.invariant
def campaign_describes_log(c: Node, t: Term, z: Entry) -> Formula:
    """As long as a member is candidate, its log still ends as when it campaigned."""
    known = reached(c, t) & (term(z) < t) & history(term(z), z) & started(term(z))
    return ((candidate(c, t) & current(c, t) & last(c, z)) >> campaigned(c, t, z)) & (campaigned(c, t, z) >> known)


@membership.invariant
def one_request_per_term(c: Node, t: Term, z: Entry, z2: Entry) -> Formula:
    asked = vote_requested(c, t, z) | campaigned(c, t, z)
    return (asked & (vote_requested(c, t, z2) | campaigned(c, t, z2))) >> (z == z2)


@membership.invariant
def vote_was_requested(n: Node, t: Term, c: Node, z: Entry) -> Formula:
    """Who has votes of others has asked for them."""
    others = (voted(n, t, c) & (n != c)) >> (stored_reached(c, t) & (campaigned(c, t, z) >> vote_requested(c, t, z)))
    return others & (vote_granted(n, t, c) >> stored_reached(c, t))


@membership.invariant
def candidate_of_reached_term(n: Node, t: Term, z: Entry, by: Entry) -> Formula:
    """All that a candidate has is of earlier terms."""
    older = (last(n, z) >> (term(z) < t)) & (justified(n, by) >> (term(by) < t))
    return (candidate(n, t) & current(n, t)) >> (older & (t != term_0))


@membership.invariant
def acts_in_reached_term(n: Node, t: Term) -> Formula:
    return ((candidate(n, t) | leader(n, t)) >> reached(n, t)) & ~(candidate(n, t) & elected(n, t))


@membership.invariant
def elected_has_votes(n: Node, t: Term, k: Node) -> Formula:
    return (elected(n, t) & member(k, voters_of(t))) >> vote_granted(k, t, n)


@membership.invariant
def elected_is_stored(n: Node, t: Term, k: Node) -> Formula:
    """Who was elected, and who has elected, knows of the term after a restart."""
    voter = (started(t) & (t != term_0) & member(k, voters_of(t))) >> stored_reached(k, t)
    return (elected(n, t) >> stored_reached(n, t)) & voter


# ---- invariants: logs and histories


@membership.invariant
def one_of_each(n: Node, d: Entry, e: Entry) -> Formula:
    """A member has one last entry, one last committed entry, and so on."""
    return (
        ((last(n, d) & last(n, e)) >> (d == e))
        & ((committed(n, d) & committed(n, e)) >> (d == e))
        & ((applied(n, d) & applied(n, e)) >> (d == e))
        & ((stored_last(n, d) & stored_last(n, e)) >> (d == e))
        & ((stored_committed(n, d) & stored_committed(n, e)) >> (d == e))
    )


@membership.invariant
def history_of_started_terms(t: Term, e: Entry) -> Formula:
    return history(t, e) >> ((term(e) <= t) & started(t) & started(term(e)) & history(term(e), e))


@membership.invariant
def history_is_a_log(t: Term, d: Entry, e: Entry) -> Formula:
    """A history has all that comes before what it has, is one sequence, and its terms do not fall."""
    before = history(t, d) & (term(d) <= term(e))
    return (history(t, e) >> (prefix(d, e) >> before)) & ((history(t, d) & history(t, e)) >> comparable(d, e))


@membership.invariant
def log_is_history(n: Node, e: Entry) -> Formula:
    """A log that ends with an entry of some term is what the leader of that term had."""
    known = history(term(e), e) & started(term(e))
    reached_both = (last(n, e) >> reached(n, term(e))) & (stored_last(n, e) >> stored_reached(n, term(e)))
    return ((last(n, e) | stored_last(n, e)) >> known) & reached_both


@membership.invariant
def write_is_history(n: Node, t: Term, z: Entry, x: Entry) -> Formula:
    """What is in hand to be written was the member's log, in a term that it has reached."""
    known = reached(n, t) & (term(z) <= t) & history(term(z), z) & started(term(z))
    return in_hand(n, t, z, x) >> (known & prefix(x, z) & close(version(x), version(z)))


@membership.invariant
def leader_log_is_history(n: Node, t: Term, z: Entry, e: Entry) -> Formula:
    return (leader(n, t) & current(n, t) & last(n, z)) >> iff(history(t, e), prefix(e, z))


@membership.invariant
def leader_was_elected(n: Node, t: Term) -> Formula:
    return (leader(n, t) >> elected(n, t)) & (elected(n, t) >> (started(t) & (t != term_0)))


@membership.invariant
def started_has_leader(t: Term) -> Formula:
    return started(t) >> ((t == term_0) | elected(leader_of(t), t))


@membership.invariant
def append_is_history(m: Append) -> Formula:
    return append_sent(m) >> history(append_term(m), append_last(m))


@membership.invariant
def ack_is_history(n: Node, e: Entry) -> Formula:
    return acked(n, e) >> (history(term(e), e) & stored_reached(n, term(e)))


@membership.invariant
def missed_is_monotonic(t: Term, t2: Term, u: Term, u2: Term, d: Entry, e: Entry) -> Formula:
    return (missed(t, t2, d) & (u <= t) & (t2 <= u2) & prefix(d, e)) >> (missed(u, u2, e) & (t < t2))


@membership.invariant
def not_missed_is_there(t: Term, t2: Term, e: Entry) -> Formula:
    return (started(t2) & (t < t2) & ~missed(t, t2, e)) >> history(t2, e)


# ---- invariants: configurations


@membership.invariant
def same_version_same_configuration(t: Term, d: Entry, e: Entry) -> Formula:
    return (history(t, e) & prefix(d, e) & (version(d) == version(e))) >> (config(d) == config(e))


@membership.invariant
def near_configurations_intersect(t: Term, d: Entry, e: Entry, q: Quorum, r: Quorum) -> Formula:
    """Quorums of configurations that are one change apart intersect."""
    quorums = is_quorum(q, config(d)) & is_quorum(r, config(e))
    return (history(t, e) & prefix(d, e) & close(version(d), version(e)) & quorums) >> meet(q, r)


@membership.invariant
def one_change_beyond_commit(n: Node, x: Entry, z: Entry) -> Formula:
    """A log has at most one change that its member does not know to be committed, also after a restart."""
    near_commit = close(version(x), version(z))
    return ((committed(n, x) & last(n, z)) | (stored_committed(n, x) & stored_last(n, z))) >> near_commit


@membership.invariant
def one_change_beyond_applied(n: Node, t: Term, d: Entry, z: Entry) -> Formula:
    """Candidates and leaders have at most one change that they have not applied."""
    acts = (candidate(n, t) | leader(n, t)) & current(n, t)
    return (acts & applied(n, d) & last(n, z)) >> close(version(d), version(z))


@membership.invariant
def candidate_has_no_unapplied_change(n: Node, t: Term, d: Entry, x: Entry) -> Formula:
    return (candidate(n, t) & current(n, t) & applied(n, d) & committed(n, x)) >> (version(d) == version(x))


def before(t: Term, e: Entry) -> Formula:
    """The leader of the term began with the entry."""
    return started(t) & history(t, e) & (term(e) < t)


@membership.invariant
def elected_close_to_log(t: Term, e: Entry) -> Formula:
    """Who was elected had at most one change beyond the configuration that elected it."""
    return before(t, e) >> close(elected_version(t), version(e))


@membership.invariant
def elected_quorum_intersects(t: Term, e: Entry, r: Quorum) -> Formula:
    """Who has elected a leader intersects the quorums of the configurations next to the one that it was elected by."""
    return (before(t, e) & near(version(e), elected_version(t)) & is_quorum(r, config(e))) >> meet(r, voters_of(t))


@membership.invariant
def elected_after_choices(t: Term, e: Entry) -> Formula:
    return (before(t, e) & ~close(version(e), elected_version(t))) >> outrun(t, e)


@membership.invariant
def choice_outruns(t: Term, e: Entry, a: Entry) -> Formula:
    return (chosen(e) & (term(e) < t) & two_ahead(e, a)) >> outrun(t, a)


@membership.invariant
def leader_is_not_outrun(n: Node, t: Term, z: Entry, a: Entry) -> Formula:
    return (leader(n, t) & current(n, t) & last(n, z) & outrun(t, a)) >> two_ahead(z, a)


@membership.invariant
def history_has_grown(t: Term, e: Entry, a: Entry) -> Formula:
    return ((history(t, e) & two_ahead(e, a)) >> grown(t, a)) & (grown(t, a) >> started(t))


# ---- invariants: acknowledgements, and what may still be chosen


@membership.invariant
def promised_is_reached(k: Node, e: Entry, z: Entry, x: Entry) -> Formula:
    """What is or will be stored in an entry's term may be acknowledged."""
    written = in_hand(k, term(e), z, x) | (stored_current(k, term(e)) & stored_last(k, z))
    promises = acked(k, e) | (written & prefix(e, z))
    return (promises >> promised(k, e)) & (promised(k, e) >> (reached(k, term(e)) & history(term(e), e)))


@membership.invariant
def promise_kept_in_term(k: Node, e: Entry, z: Entry) -> Formula:
    """In its term, a member keeps what it has acknowledged, and what it will when that is written."""
    remembered = (promised(k, e) & current(k, term(e)) & last(k, z)) >> prefix(e, z)
    return remembered & ((acked(k, e) & stored_current(k, term(e)) & stored_last(k, z)) >> prefix(e, z))


@membership.invariant
def promise_kept_while_choosable(k: Node, t: Term, e: Entry, a: Entry, q: Quorum, z: Entry) -> Formula:
    """In later terms it does so, as long as all leaders have had the configuration."""
    kept = promised(k, e) & (term(e) < t) & ~missed(term(e), t, a)
    return (choosable(e, q, a) & kept & here(k, t, z)) >> prefix(e, z)


@membership.invariant
def write_keeps_choosable(k: Node, t: Term, e: Entry, a: Entry, q: Quorum, z: Entry, x: Entry) -> Formula:
    """So does each write in hand."""
    kept = promised(k, e) & (term(e) < t) & ~missed(term(e), t, a)
    return (choosable(e, q, a) & kept & in_hand(k, t, z, x)) >> prefix(e, z)


@membership.invariant
def candidate_has_choosable(k: Node, c: Node, t: Term, e: Entry, a: Entry, q: Quorum, z: Entry) -> Formula:
    """Who gets the vote of a member that has acknowledged a choosable entry, or will, has that entry."""
    votes = voted(k, t, c) & asks(c, k, t, z) & (term(e) < t)
    return (choosable(e, q, a) & promised(k, e) & votes & ~missed(term(e), t, a)) >> prefix(e, z)


# ---- invariants: commitment


@membership.invariant
def chosen_is_history(e: Entry) -> Formula:
    return chosen(e) >> (history(term(e), e) & started(term(e)))


@membership.invariant
def chosen_has_quorum(e: Entry, k: Node) -> Formula:
    return (chosen(e) & member(k, chosen_by(e))) >> acked(k, e)


@membership.invariant
def chosen_close_to_configuration(e: Entry) -> Formula:
    return chosen(e) >> (close(chosen_version(e), version(e)) & (chosen_version(e) <= version(e)))


@membership.invariant
def chosen_quorum_intersects(e: Entry, d: Entry, r: Quorum) -> Formula:
    """The quorum that chose an entry intersects those of the configurations next to the one that it was counted by."""
    return (chosen(e) & prefix(d, e) & near(version(d), chosen_version(e)) & is_quorum(r, config(d))) >> meet(r, chosen_by(e))


@membership.invariant
def chosen_is_never_missed(e: Entry, t: Term) -> Formula:
    """No leader of a later term begins without an entry that was chosen."""
    return chosen(e) >> ~missed(term(e), t, e)


@membership.invariant
def chosen_promise_is_kept(k: Node, t: Term, e: Entry, z: Entry) -> Formula:
    return (chosen(e) & promised(k, e) & here(k, t, z) & (term(e) < t)) >> prefix(e, z)


@membership.invariant
def write_keeps_chosen(k: Node, t: Term, e: Entry, z: Entry, x: Entry) -> Formula:
    return (chosen(e) & promised(k, e) & in_hand(k, t, z, x) & (term(e) < t)) >> prefix(e, z)


@membership.invariant
def chosen_reaches_candidates(k: Node, c: Node, t: Term, e: Entry, z: Entry) -> Formula:
    return (chosen(e) & promised(k, e) & voted(k, t, c) & asks(c, k, t, z) & (term(e) < t)) >> prefix(e, z)


@membership.invariant
def leader_knows_its_choices(n: Node, t: Term, e: Entry, x: Entry) -> Formula:
    return (leader(n, t) & current(n, t) & chosen(e) & (term(e) == t) & committed(n, x)) >> prefix(e, x)


@membership.invariant
def justified_by_choice(n: Node, by: Entry, x: Entry, t: Term) -> Formula:
    known = chosen(by) & ((committed(n, x) | applied(n, x)) >> prefix(x, by)) & (current(n, t) >> (term(by) <= t))
    stored = chosen(by) & (stored_committed(n, x) >> prefix(x, by)) & (stored_current(n, t) >> (term(by) <= t))
    return (justified(n, by) >> known) & (stored_justified(n, by) >> stored)


@membership.invariant
def append_commit_is_chosen(m: Append) -> Formula:
    known = chosen(append_by(m)) & prefix(append_commit(m), append_by(m)) & (term(append_by(m)) <= append_term(m))
    changes = prefix(append_commit(m), append_last(m)) >> close(version(append_commit(m)), version(append_last(m)))
    return append_sent(m) >> (known & history(append_term(m), append_commit(m)) & changes)


@membership.invariant
def committed_is_in_log(n: Node, x: Entry, z: Entry) -> Formula:
    here = (committed(n, x) | applied(n, x)) & last(n, z)
    return (here | (stored_committed(n, x) & stored_last(n, z))) >> prefix(x, z)


@membership.invariant
def applied_is_committed(n: Node, d: Entry, x: Entry) -> Formula:
    return (applied(n, d) & committed(n, x)) >> prefix(d, x)


@membership.invariant(
    using=(
        "near_configurations_intersect",
        "same_version_same_configuration",
        "one_change_beyond_applied",
        "committed_is_in_log",
        "log_is_history",
        "history_is_a_log",
        "history_has_grown",
        "justified_by_choice",
        "chosen_is_history",
        "choice_outruns",
        "candidate_of_reached_term",
        "missed_is_monotonic",
        "vote_is_stored",
        "voted_in_reached_term",
        "current_is_beyond",
        "left_is_downward",
        "left_is_not_current",
        "stored_is_not_ahead",
    )
)
def later_leaders_took_voters(t: Term, t2: Term, a: Entry, q: Quorum, e: Entry) -> Formula:
    """When a later leader begins with a configuration, each quorum of it has lost a member for the term.

    Unless a choice of before the term, or its own leader, is two changes ahead of that configuration.
    """
    later = (t < t2) & (started(t2) | missed(t, t2, e)) & ~missed(t, t2, a)
    counts = is_quorum(q, config(a)) & ~outrun(t, a) & ~grown(t, a)
    return (later & counts) >> exists(Node, lambda k: member(k, q) & stored_left(k, t))


@membership.invariant(source="Raft, figure 3")
def election_safety(n: Node, k: Node, t: Term) -> Formula:
    """At most one leader is elected in a term."""
    return (elected(n, t) & elected(k, t)) >> (n == k)


@membership.invariant(source="Raft, figure 3")
def leader_completeness(e: Entry, t: Term) -> Formula:
    """An entry that was committed is in the log of the leader of every later term, whatever configurations counted."""
    return (chosen(e) & started(t) & (term(e) <= t)) >> history(t, e)


@membership.invariant(
    using=(
        "acts_in_reached_term",
        "candidate_of_reached_term",
        "chosen_promise_is_kept",
        "promised_is_reached",
        "chosen_has_quorum",
        "chosen_is_history",
        "chosen_quorum_intersects",
        "chosen_reaches_candidates",
        "elected_after_choices",
        "elected_close_to_log",
        "elected_has_votes",
        "elected_quorum_intersects",
        "election_safety",
        "history_is_a_log",
        "justified_by_choice",
        "leader_completeness",
        "leader_was_elected",
        "one_change_beyond_applied",
        "one_vote_per_term",
        "started_has_leader",
        "vote_is_stored",
        "vote_was_requested",
        "committed_is_in_log",
        "history_has_grown",
        "one_of_each",
        "one_current_term",
        "leader_log_is_history",
        "append_is_history",
        "stored_is_not_ahead",
        "current_is_beyond",
        "left_is_downward",
        "left_is_not_current",
    )
)
def leader_has_grown(n: Node, t: Term, z: Entry, a: Entry) -> Formula:
    return (leader(n, t) & current(n, t) & last(n, z) & grown(t, a)) >> two_ahead(z, a)


@membership.invariant(
    using=(
        "candidate_has_choosable",
        "promised_is_reached",
        "promise_kept_while_choosable",
        "vote_is_stored",
        "vote_was_requested",
        "voted_in_reached_term",
        "current_is_beyond",
        "left_is_downward",
        "left_is_not_current",
        "stored_is_not_ahead",
        "near_configurations_intersect",
        "same_version_same_configuration",
        "log_is_history",
        "history_is_a_log",
        "history_of_started_terms",
        "committed_is_in_log",
        "one_change_beyond_applied",
        "justified_by_choice",
        "chosen_is_history",
        "leader_completeness",
        "not_missed_is_there",
        "missed_is_monotonic",
        "candidate_of_reached_term",
        "later_leaders_took_voters",
        "leader_has_grown",
        "leader_is_not_outrun",
        "ack_is_history",
        "leader_log_is_history",
    )
)
def later_leaders_have_choosable(t: Term, e: Entry, a: Entry, q: Quorum) -> Formula:
    known = history(term(e), e) & ~missed(term(e), t, a)
    return (known & choosable(e, q, a)) >> ~missed(term(e), t, e)


@membership.corollary(using=("leader_was_elected", "election_safety"), source="Raft, figure 3")
def one_leader_per_term(n: Node, k: Node, t: Term) -> Formula:
    """No two members act as leaders of one term."""
    return (leader(n, t) & leader(k, t)) >> (n == k)


@membership.invariant(using=())
def choices_are_one_log(d: Entry, e: Entry) -> Formula:
    """Of two chosen entries, one is in the log that ends with the other."""
    return (chosen(d) & chosen(e)) >> comparable(d, e)


@membership.invariant
def one_entry(t: Term, u: Term, d: Entry, e: Entry) -> Formula:
    """Log matching: in all logs, index and term say which entry it is, and what comes before it."""
    return (history(t, d) & history(u, e) & (term(d) == term(e)) & (index(d) == index(e))) >> (d == e)


# ---- lemmas: what is so when a candidate has its votes


@membership.lemma(
    become_leader, using=("candidate_of_reached_term", "history_is_a_log", "history_of_started_terms", "log_is_history")
)
def log_is_older_history(t: Term, z: Entry) -> Formula:
    """The log is a part of the history of earlier terms."""
    return forall(Entry, lambda e: prefix(e, z) >> (history(term(z), e) & history(term(e), e) & (term(e) < t)))


@membership.lemma(become_leader, using=("vote_is_stored", "vote_was_requested", "campaign_describes_log"))
def voters_were_asked(n: Node, t: Term, z: Entry, q: Quorum) -> Formula:
    """Who has voted for the candidate was told how its log ends, but for itself."""
    return forall(Node, lambda k: member(k, q) >> (voted(k, t, n) & ((k == n) | vote_requested(n, t, z))))


@membership.lemma(become_leader, using=("current_is_beyond", "left_is_downward", "vote_is_stored", "voted_in_reached_term"))
def voters_have_left_earlier_terms(t: Term, q: Quorum) -> Formula:
    """They will acknowledge nothing more of earlier terms, even after a restart."""
    return forall(Node, Term, lambda k, u: (member(k, q) & (u < t)) >> stored_left(k, u))


@membership.lemma(become_leader, using=("chosen_promise_is_kept", "chosen_reaches_candidates", "promised_is_reached"))
def voters_brought_choices(t: Term, z: Entry, q: Quorum) -> Formula:
    """The log has what its voters have acknowledged of earlier choices."""
    return forall(Node, Entry, lambda k, e: (member(k, q) & acked(k, e) & chosen(e) & (term(e) < t)) >> prefix(e, z))


@membership.lemma(become_leader, using=("chosen_quorum_intersects", "chosen_has_quorum", "one_change_beyond_applied"))
def configuration_is_not_outrun(t: Term, d: Entry) -> Formula:
    """The witness would be in the log, which would have two changes that are not applied."""
    return ~outrun(t, d)


@membership.lemma(
    become_leader,
    using=(
        "candidate_of_reached_term",
        "chosen_is_history",
        "history_is_a_log",
        "justified_by_choice",
        "leader_completeness",
        "chosen_quorum_intersects",
        "chosen_has_quorum",
        "chosen_close_to_configuration",
        "choice_outruns",
        "committed_is_in_log",
    ),
)
def choices_are_in_log(t: Term, z: Entry) -> Formula:
    """The log has every choice of earlier terms."""
    return forall(Entry, lambda e: (chosen(e) & (term(e) < t)) >> prefix(e, z))


@membership.lemma(
    become_leader,
    using=(
        "acts_in_reached_term",
        "candidate_of_reached_term",
        "chosen_is_history",
        "elected_after_choices",
        "elected_close_to_log",
        "elected_has_votes",
        "elected_quorum_intersects",
        "history_is_a_log",
        "justified_by_choice",
        "leader_completeness",
        "one_vote_per_term",
        "started_has_leader",
        "vote_is_stored",
    ),
)
def term_has_no_leader(t: Term) -> Formula:
    """Nobody else was elected: the two quorums would intersect."""
    return ~started(t)


@membership.lemma(become_leader, using=("near_configurations_intersect", "committed_is_in_log"))
def voters_intersect_others(z: Entry, d: Entry, q: Quorum) -> Formula:
    """The voters intersect the quorums of the configurations in the log next to the one that elects."""

    def next_to_it(a: Entry, r: Quorum) -> Formula:
        return prefix(a, z) & near(version(a), version(d)) & is_quorum(r, config(a))

    return forall(Entry, Quorum, lambda a, r: next_to_it(a, r) >> meet(r, q))


def was_choosable(e: Entry, r: Quorum, a: Entry, t: Term, z: Entry) -> Formula:
    """It may have been chosen before the term, by a configuration that no leader has missed, nor does this log."""
    return choosable(e, r, a) & history(term(e), e) & (term(e) < t) & ~missed(term(e), t, a) & prefix(a, z)


@membership.lemma(become_leader, using=("promise_kept_while_choosable", "candidate_has_choosable", "promised_is_reached"))
def voters_brought_choosables(t: Term, z: Entry, d: Entry) -> Formula:
    """The log has what a quorum that intersects the voters may have chosen."""
    return forall(
        *(Entry, Entry, Quorum),
        lambda e, a, r: (was_choosable(e, r, a, t, z) & near(version(a), version(d))) >> prefix(e, z),
    )


@membership.lemma(
    become_leader,
    using=(
        "chosen_is_history",
        "committed_is_in_log",
        "history_is_a_log",
        "history_of_started_terms",
        "justified_by_choice",
        "later_leaders_have_choosable",
        "leader_completeness",
        "missed_is_monotonic",
        "not_missed_is_there",
        "candidate_of_reached_term",
    ),
)
def configuration_is_behind_choosables(t: Term, z: Entry, d: Entry) -> Formula:
    """The log has what may have been chosen two changes before."""
    return forall(*(Entry, Entry, Quorum), lambda e, a, r: (was_choosable(e, r, a, t, z) & two_ahead(d, a)) >> prefix(e, z))


@membership.lemma(become_leader, using=())
def log_is_ahead_of_outrun(t: Term, z: Entry) -> Formula:
    """The log has the choice that is ahead of all that is outrun."""
    return forall(Entry, lambda a: outrun(t, a) >> two_ahead(z, a))


# ---- lemmas: what is so when a leader has counted a quorum


@membership.lemma(advance_commit, using=("applied_is_committed", "one_change_beyond_applied", "leader_log_is_history"))
def entry_is_choosable(d: Entry, e: Entry, q: Quorum) -> Formula:
    """The quorum may choose the entry."""
    return choosable(e, q, d) & history(term(e), e)


@membership.lemma(advance_commit, using=("justified_by_choice", "chosen_is_never_missed", "missed_is_monotonic"))
def configuration_is_never_missed(t: Term, d: Entry) -> Formula:
    """The configuration that counts is in the logs of all later leaders."""
    return forall(Term, lambda u: ~missed(t, u, d))


@membership.lemma(advance_commit, using=("later_leaders_have_choosable",))
def entry_is_never_missed(t: Term, e: Entry) -> Formula:
    """So is the entry."""
    return forall(Term, lambda u: ~missed(t, u, e))


@membership.lemma(advance_commit, using=("not_missed_is_there",))
def later_leaders_have_entry(t: Term, e: Entry) -> Formula:
    return forall(Term, lambda u: (started(u) & (t <= u)) >> history(u, e))


@membership.lemma(advance_commit, using=("near_configurations_intersect", "history_is_a_log"))
def quorum_intersects_others(d: Entry, e: Entry, q: Quorum) -> Formula:
    """It intersects the quorums of the configurations next to the one that counts."""

    def next_to_it(a: Entry, r: Quorum) -> Formula:
        return prefix(a, e) & near(version(a), version(d)) & is_quorum(r, config(a))

    return forall(Entry, Quorum, lambda a, r: next_to_it(a, r) >> meet(r, q))


@membership.lemma(
    advance_commit, using=("chosen_is_history", "history_is_a_log", "history_of_started_terms", "leader_completeness")
)
def choices_are_comparable(e: Entry) -> Formula:
    """Every other choice is in the same log, of earlier terms before the entry, of later ones behind it."""
    return forall(Entry, lambda c: chosen(c) >> comparable(c, e))


@membership.lemma(advance_commit, using=("choice_outruns", "justified_by_choice"))
def configuration_has_outrun(t: Term, d: Entry) -> Formula:
    """What the configuration that counts is two changes ahead of was outrun before."""
    return forall(Term, Entry, lambda u, a: ((t < u) & two_ahead(d, a)) >> outrun(u, a))


@membership.lemma(advance_commit, using=("leader_knows_its_choices",))
def entry_was_not_chosen(e: Entry) -> Formula:
    """The choice is a new one."""
    return ~chosen(e)


# What ghosts stand for exists, so the guards called justification, witness and top keep no member from anything.


@membership.invariant(layer=1, using=())
def every_commitment_is_justified(n: Node) -> Formula:
    return exists(Entry, lambda e: justified(n, e)) & exists(Entry, lambda e: stored_justified(n, e))


@membership.invariant(
    layer=1,
    using=("every_commitment_is_justified", "justified_by_choice"),
    source="the guard `justification` of end_write keeps no write from ending",
)
def every_write_is_justified(n: Node, t: Term, z: Entry, x: Entry) -> Formula:
    """For every write in hand there is a choice that justifies its commit index."""
    return in_hand(n, t, z, x) >> exists(Entry, lambda e: justifies(e, t, x))


@membership.invariant(layer=1, using=(), source="the guard `witness` of become_leader keeps nobody from being elected")
def every_outrun_configuration_has_witness(t: Term, d: Entry) -> Formula:
    """If some choice is two changes ahead, one is so that was counted by a configuration next to this one."""
    return outrun(t, d) >> exists(Entry, lambda w: is_witness(w, d, t))


@membership.invariant(layer=1, using=(), source="the guard `top` of become_leader keeps nobody from being elected")
def every_term_has_top(t: Term) -> Formula:
    """Before every term but the first there is a choice that is two changes ahead of all that some such choice is."""
    return (t != term_0) >> exists(Entry, lambda e: is_top(e, t))


for name in ("every_write_is_justified", "every_outrun_configuration_has_witness", "every_term_has_top"):
    membership.leaves_epr(name, "for every term or entry there is an entry, and entries have terms")


@membership.corollary(
    using=("every_commitment_is_justified", "justified_by_choice", "choices_are_one_log"), source="Raft, figure 3"
)
def state_machine_safety(n: Node, k: Node, d: Entry, e: Entry) -> Formula:
    """What two members have committed is one log, so they apply the same entries."""
    return (committed(n, d) & committed(k, e)) >> comparable(d, e)


# ---- how members are drawn


@membership.picture(Node)
def draw(view: View, n: object) -> str:
    """`term 2, voted n2 in 2, last e3, committed e2, applied e1, stored: term 1, last e1`."""
    votes = [f"{c} in {t}" for t, c in view.those(voted, n)]
    parts = [
        f"term {' and '.join(map(str, view.those(current, n))) or '?'}",
        *([f"voted {', '.join(votes)}"] if votes else []),
        *([f"candidate in {', '.join(map(str, view.those(candidate, n)))}"] if view.those(candidate, n) else []),
        *([f"leader in {', '.join(map(str, view.those(leader, n)))}"] if view.those(leader, n) else []),
        *(f"{which.name} {' and '.join(view.those(which, n)) or '?'}" for which in (last, committed, applied)),
        f"stored: term {' and '.join(map(str, view.those(stored_current, n))) or '?'}",
        f"last {' and '.join(view.those(stored_last, n)) or '?'}",
        *(f"in hand: term {t}, last {z}, committed {x}" for t, z, x in view.those(in_hand, n)),
    ]
    return ", ".join(parts)


@membership.picture(Entry)
def draw_entry(view: View, e: object) -> str:
    """`[e1 e2 e3] of term 1, version 1, configuration c2`."""
    before_it = sorted(
        (d for d in view.all(Entry) if view.holds(prefix, d, e)), key=lambda d: len(view.those(prefix, d)), reverse=True
    )
    path = " ".join(map(str, before_it))
    return f"[{path}] of term {view.value(term, e)}, version {view.value(version, e)}, configuration {view.value(config, e)}"


# ---- what does happen

Calls = list[str | tuple[str, Mapping[str, int]]]


def wins(n: int, t: int, *voters: int) -> Calls:
    """Member n becomes leader of term t by its own vote and those of others."""
    calls: Calls = [("campaign", {"n": n, "t2": t}), ("write", {"n": n}), ("request_votes", {"n": n, "t": t})]
    calls += [("send_vote", {"n": n, "t": t, "c": n})]
    for voter in voters:
        calls += [("update_term", {"n": voter, "t2": t}), ("grant_vote", {"n": voter, "t": t, "c": n}), ("write", {"n": voter})]
        calls += [("send_vote", {"n": voter, "t": t, "c": n})]
    return [*calls, ("become_leader", {"n": n, "t": t})]


def stores(n: int, e: int) -> Calls:
    """Member n stores all that it remembers and acknowledges entry e."""
    return [("write", {"n": n}), ("acknowledge", {"n": n, "e": e})]


def takes(n: int, leads: int, m: int, e: int) -> Calls:
    """Member n takes message m from the leader up to entry e, stores and acknowledges it."""
    return [("send_append", {"n": leads, "m": m}), ("receive_append", {"n": n, "m": m}), *stores(n, e)]


two = {"node": 2, "quorum": 3, "voters": 2, "config": 3, "entry": 3, "append": 2, "term": 3, "index": 3, "version": 3}
"""Two members, two entries."""

enters_and_leaves: Calls = [
    *wins(0, 1),
    *[("propose_joint", {"n": 0, "e": 1}), *stores(0, 1), ("advance_commit", {"n": 0, "e": 1}), ("apply", {"n": 0, "e": 1})],
    *[("propose_leave", {"n": 0, "e": 2}), *stores(0, 2)],
    *[("update_term", {"n": 1, "t2": 1}), *takes(1, 0, m=0, e=2), ("advance_commit", {"n": 0, "e": 2})],
]
"""Member 0 alone leads, enters a joint configuration with its own votes, and leaves it with those of member 1."""

learns_and_wins: Calls = [
    *[("send_append", {"n": 0, "m": 1}), ("receive_append", {"n": 1, "m": 1}), ("apply", {"n": 1, "e": 2})],
    *wins(1, 2),
]
"""Member 1 applies the change and is elected by the new configuration."""

one_by_one = exists(
    Quorum,
    lambda q: exists(
        Node, lambda n: member(n, q) & forall(Node, lambda k: member(k, q) >> (k == n)) & majority(q, incoming(config(entry_0)))
    ),
) & ~joint(config(entry_0))
"""The first configuration has one voter."""

membership.sometimes(
    "joint_configuration_entered_and_left",
    "All voters are replaced, and the new one leads.",
    Script((*enters_and_leaves, *learns_and_wins), two, one_by_one),
    exists(
        Node,
        Term,
        Entry,
        lambda n, t, e: (
            (leader(n, t) & current(n, t) & applied(n, e))
            & exists(Entry, lambda d: prefix(d, e) & joint(config(d)) & (entry_0 != d))
            & ~joint(config(e))
            & ~is_quorum(voters_of(t), config(entry_0))
        ),
    ),
)

# ---- wrong protocols


def campaign_on_timeout_now(do: Action, n: Node, t: Term, t2: Term, z: Entry) -> None:
    """A leader asks the member to take over, and it campaigns without a look at what it has not applied."""
    do.require(current(n, t), "in_term")
    do.require(t < t2, "newer_term")
    do.require(last(n, z), "own_last")
    enter(do, n, t2)
    do.add(candidate, n, t2)
    do.add(campaigned, n, t2, z)
    do.add(voted, n, t2, n)


def restart_with_older_commit(do: Action, n: Node, d: Entry, x: Entry, y: Entry) -> None:
    """A member restarts with its log, but with an older commit index."""
    do.require(stored_committed(n, x) & prefix(y, x), "not_above")
    do.require(prefix(d, y), "applied_is_committed")
    forget(do, n)
    becomes(do, applied, n, d)
    becomes(do, committed, n, y)


def become_leader_by_log(do: Action, n: Node, t: Term, z: Entry, q: Quorum) -> None:
    """A candidate has the votes of a quorum of the configuration that its log ends with, applied or not."""
    do.require(current(n, t) & candidate(n, t), "is_candidate")
    do.require(last(n, z), "own_last")
    do.require(forall(Node, lambda k: member(k, q) >> vote_granted(k, t, n)), "votes")
    do.require(is_quorum(q, config(z)), "quorum")
    do.add(leader, n, t)
    do.remove(candidate, n, t)
    do.add(started, t)
    do.add(elected, n, t)
    do.set(history, lambda x, e: ite(x == t, prefix(e, z), history(x, e)))


def advance_commit_by_log(do: Action, n: Node, t: Term, z: Entry, q: Quorum) -> None:
    """A quorum of the configuration that the leader's log ends with has acknowledged its last entry."""
    do.require(leader(n, t) & current(n, t), "is_leader")
    do.require(last(n, z) & (term(z) == t), "entry_of_own_term")
    do.require(forall(Node, lambda k: member(k, q) >> acked(k, z)), "acks")
    do.require(is_quorum(q, config(z)), "quorum")
    becomes(do, committed, n, z)
    becomes(do, justified, n, z)
    do.add(chosen, z)


old_one_wins: Calls = [("restart", {"n": 0}), *wins(0, 2)]
"""Member 0, which has not applied the change, wins the same term by the old configuration."""

membership.mutant(
    "raft_456",
    "Nothing keeps a member from campaigning with committed changes that it has not applied, as in the published TLA+ model "
    "(etcd-io/raft#456): two leaders in one term.",
    breaks="election_safety",
    without=["campaign.no_unapplied_change"],
    script=Script((*enters_and_leaves, *learns_and_wins, *old_one_wins), two, one_by_one),
)
membership.mutant(
    "etcd_12133",
    "A leader transfer skips the look at unapplied changes (etcd#12133): two leaders in one term.",
    breaks="election_safety",
    actions=[campaign_on_timeout_now],
    script=Script(
        (
            *enters_and_leaves,
            *learns_and_wins,
            ("restart", {"n": 0}),
            ("campaign_on_timeout_now", {"n": 0, "t2": 2}),
            *wins(0, 2)[1:],
        ),
        two,
        one_by_one,
    ),
)
membership.mutant(
    "two_changes_pending",
    "A leader proposes to leave a joint configuration before it has entered it: the old one alone decides on both changes.",
    breaks="election_safety",
    without=["propose_leave.no_pending_change"],
    script=Script(
        (
            *[*wins(0, 1), ("propose_joint", {"n": 0, "e": 1}), ("propose_leave", {"n": 0, "e": 2}), *stores(0, 2)],
            *[("advance_commit", {"n": 0, "e": 2}), ("update_term", {"n": 1, "t2": 1}), *learns_and_wins, *old_one_wins],
        ),
        two,
        one_by_one,
    ),
)
membership.mutant(
    "incoming_half_elects",
    "In a joint configuration a majority of the incoming half is enough to be elected.",
    breaks="election_safety",
    without=["become_leader.outgoing_half"],
    script=Script(
        (
            *[*wins(0, 1), ("propose_joint", {"n": 0, "e": 1}), *stores(0, 1), ("advance_commit", {"n": 0, "e": 1})],
            *[("update_term", {"n": 1, "t2": 1}), ("send_append", {"n": 0, "m": 1}), ("receive_append", {"n": 1, "m": 1})],
            *[("apply", {"n": 1, "e": 1}), *wins(1, 2), *old_one_wins],
        ),
        {**two, "entry": 2, "index": 2, "version": 2},
        one_by_one,
    ),
)
membership.mutant(
    "commit_index_not_stored",
    "A restart forgets what was known to be committed: a member campaigns two changes behind its own log.",
    breaks="election_safety",
    actions=[restart_with_older_commit],
    script=Script((*enters_and_leaves, *learns_and_wins, ("restart_with_older_commit", {"n": 0}), *wins(0, 2)), two, one_by_one),
)
membership.mutant(
    "vote_request_before_write",
    "MsgVote leaves before term, vote and log are written, as with etcd's AsyncStorageWrites: a member that has forgotten its "
    "campaign in a restart, and part of its log, is elected by a vote for what it was before.",
    breaks="leader_completeness",
    without=["request_votes.written"],
    script=Script(
        (
            *[*wins(0, 1, 1), ("propose", {"n": 0, "e": 1}), *stores(0, 1), *takes(1, 0, m=0, e=1)],
            *[("advance_commit", {"n": 0, "e": 1}), ("update_term", {"n": 2, "t2": 1}), ("receive_append", {"n": 2, "m": 0})],
            *[("campaign", {"n": 2, "t2": 2}), ("request_votes", {"n": 2, "z": 1}), ("restart", {"n": 2})],
            *[("campaign", {"n": 2, "t2": 2}), ("write", {"n": 2}), ("send_vote", {"n": 2, "t": 2})],
            *[("update_term", {"n": 1, "t2": 2}), ("grant_vote", {"n": 1, "c": 2, "z": 1}), ("write", {"n": 1})],
            *[("send_vote", {"n": 1, "t": 2}), ("become_leader", {"n": 2, "t": 2})],
        ),
        {**two, "node": 3, "entry": 2, "index": 2, "version": 2, "config": 1},
        forall(Quorum, lambda q: exists(Node, lambda n, k: (n != k) & member(n, q) & member(k, q))),
    ),
)
membership.mutant(
    "in_force_when_appended",
    "A change is in force as soon as it is in the log, and a new leader proposes one before it has committed an entry of its own "
    "term: Ongaro's bug of the single-server changes. With changes in force when applied it is none.",
    breaks="leader_completeness",
    actions=[become_leader_by_log, advance_commit_by_log],
    script=Script(
        (
            *[*wins(0, 1, 1, 2)[:-1], ("become_leader_by_log", {"n": 0, "t": 1})],
            *[("propose_simple", {"n": 0, "e": 1}), ("write", {"n": 0})],
            *[("update_term", {"n": 4, "t2": 1}), ("send_append", {"n": 0, "m": 0}), ("receive_append", {"n": 4, "m": 0})],
            *[*wins(1, 2, 2, 3)[:-1], ("become_leader_by_log", {"n": 1, "t": 2})],
            *[("propose_simple", {"n": 1, "e": 2}), *stores(1, 2), *takes(2, 1, m=1, e=2), ("advance_commit_by_log", {"n": 1})],
            *[*wins(0, 3, 3, 4)[:-1], ("become_leader_by_log", {"n": 0, "t": 3})],
        ),
        {**two, "node": 5, "quorum": 5, "voters": 3, "term": 4},
    ),
)

# ---- guards that safety does not need

INCOMING = "both configurations have an incoming half that is the same or one voter apart, and that is enough to intersect"
for guard, because in {
    "propose_simple.from_simple": INCOMING,
    "propose_simple.to_simple": INCOMING,
    "propose_joint.from_simple": "the new outgoing half is the old incoming one, whether the old configuration was joint or not",
    "propose_leave.from_joint": INCOMING,
    "propose_leave.to_simple": INCOMING,
}.items():
    membership.needs_not(guard, because)
