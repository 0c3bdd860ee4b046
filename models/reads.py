"""Linearizable reads without an entry in the log: ReadIndex, and reads by a lease.

After Ongaro, "Consensus: bridging theory and practice", 2014, section 6.4, and etcd's raft. For any number of members, terms,
entries and reads, and messages that are lost, delayed, repeated and reordered: relations of messages only grow.

A read may be asked for at any member, which sends it to whoever leads. The leader notes its commit index, asks its followers
whether they still follow it, and answers when a quorum says so. Whoever was asked reads when it has applied that much. Or the
leader answers at once, while its lease holds: lease_reads.py shows that meanwhile no newer term has a leader.

Of Raft there is only what reads need. Three guards ask for history, and are promised by raft.py: a term has one leader
(`no_other_leader`); its own entries come behind all that was committed in earlier terms (`behind_commitments`), and behind all
that is committed there later (`before_newer_leaders`). Logs, votes, acknowledgements of entries and changes of members are left
out; so is who asks for a read, and the order in which a leader answers. A member that restarts is no leader any more. A single
voter answers at once, but like all others only when it has committed an entry of its term.

How it is proven. `due` are the entries that were committed when the read was asked for. Those of a newer term than its leader's
were committed after a quorum had left the leader's term, so they are due only where no quorum will answer. All others the
leader has committed when it notes its commit index, as it has committed an entry of its own term.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubeproof.models import raft as consensus
from kubeproof.models.logic import ANY, Action, Element, Formula, Specification, View, exists, forall, ite
from kubeproof.models.logic.specification import Script
from kubeproof.models.raft import Index, Node, Quorum, Term, raft


class Read(Element):
    """A read that a client has asked for, and its MsgReadIndex."""


class Number(Element, ordered=True):
    """The number that a leader gives to a read, and the context of heartbeats."""


reads = Specification(
    "reads",
    "Reads see every write that was acknowledged before they were asked for, and all that earlier reads have seen.",
    (Node, Quorum, Read, Term, Index, Number),
    universes=(
        {"node": 2, "quorum": 2, "read": 1, "term": 2, "index": 2, "number": 1},
        {"node": 2, "quorum": 2, "read": 2, "term": 2, "index": 3, "number": 2},
        {"node": 3, "quorum": 2, "read": 2, "term": 3, "index": 3, "number": 2},
    ),
)

THESIS = "Raft thesis, section 6.4"
After = Callable[[Any], Any]

# ---- what never changes

index_0 = reads.constant("index_0", Index, "of the entry that stands in every log")
member = reads.relation("member", Node, Quorum, rigid=True, says="the member belongs to the quorum")

# ---- what a member stores

left = reads.relation("left", Node, Term, says="the member's term is beyond this one")
own = reads.relation("own", Term, Index, says="the log of the term's leader has an entry of its own there or before")

# ---- what a member remembers until it restarts

committed = reads.relation("committed", Node, Index, says="up to the member's commit index")
leader = reads.relation("leader", Node, Term, says="the member was elected in the term, and acts as leader while in it")
numbered = reads.relation("numbered", Node, Term, Number, says="up to the last number that it has given as leader of the term")
pending = reads.relation("pending", Node, Term, Number, Read, Index, says="a read, its number, and the commit index noted for it")

# ---- messages

asked = reads.relation("asked", Read, says="MsgReadIndex, which carries no term")
heartbeat_sent = reads.relation("heartbeat_sent", Term, Number, says="MsgHeartbeat of the term's leader, with this context")
heartbeat_acked = reads.relation("heartbeat_acked", Node, Term, Number, says="MsgHeartbeatResp, of this number or a greater one")
answered = reads.relation("answered", Read, Index, says="MsgReadIndexResp, or the leader's answer to itself")
commit_told = reads.relation(
    "commit_told", Term, Index, says="MsgApp, MsgHeartbeat or MsgSnap of the term's leader, up to its commit index"
)
served = reads.relation("served", Read, Index, says="the client is told what the entries up to here have made")

# ---- history

started = reads.relation("started", Term, ghost=True, says="the term has had a leader")
voters_of = reads.function("voters_of", Term, to=Quorum, ghost=True, says="who elected it")
committed_in = reads.relation("committed_in", Term, Index, ghost=True, says="the leader of the term has committed up to here")
committed_by = reads.relation("committed_by", Term, Index, ghost=True, says="... or that of an earlier term has")
due = reads.relation("due", Read, Term, Index, ghost=True, says="was committed in the term when the read was asked for")

# ---- axioms

reads.axiom("index_0_is_first", forall(Index, lambda i: index_0 <= i), "it names the least index")
reads.axiom(
    "quorums_intersect",
    forall(Quorum, lambda q, r: exists(Node, lambda n: member(n, q) & member(n, r))),
    raft.axioms["quorums_intersect"].because,
    raft.axioms["quorums_intersect"].shown_by,
)

# ---- initially

reads.init(
    "members",
    forall(Node, Term, lambda n, t: ~left(n, t) & ~leader(n, t) & ~started(t))
    & forall(Node, Index, lambda n, i: committed(n, i) >> (i == index_0))
    & forall(Node, lambda n: committed(n, index_0)),
)
reads.init(
    "commitment", forall(Term, Index, lambda t, i: ~own(t, i) & ~committed_in(t, i) & ~committed_by(t, i) & ~commit_told(t, i))
)
reads.init(
    "reads",
    forall(Node, Term, Number, lambda n, t, x: ~numbered(n, t, x) & ~heartbeat_sent(t, x) & ~heartbeat_acked(n, t, x))
    & forall(Node, Term, Number, Read, Index, lambda n, t, x, r, i: ~pending(n, t, x, r, i))
    & forall(Read, Index, lambda r, i: ~asked(r) & ~answered(r, i) & ~served(r, i))
    & forall(Read, Term, Index, lambda r, t, i: ~due(r, t, i)),
)

# ---- definitions


def reached(n: Node, t: Term) -> Formula:
    return forall(Term, lambda u: (u < t) >> left(n, u))


def in_term(n: Node, t: Term) -> Formula:
    return reached(n, t) & ~left(n, t)


def commit_index(n: Node, i: Index) -> Formula:
    return committed(n, i) & forall(Index, lambda j: committed(n, j) >> (j <= i))


def was_committed(i: Index) -> Formula:
    return (i == index_0) | exists(Term, lambda t: committed_in(t, i))


def no_newer_leader(t: Term) -> Formula:
    return forall(Term, lambda u: (t < u) >> ~started(u))


def lead(do: Action, n: Node, t: Term) -> None:
    """The member leads its current term."""
    do.require(leader(n, t), "is_leader")
    do.require(in_term(n, t), "in_term")


# ---- terms, leaders, commitment


@reads.action
def update_term(do: Action, n: Node, t: Term) -> None:
    """A member comes to a newer term: it campaigns, or a message carries it."""
    do.set(left, lambda m, u: left(m, u) | ((m == n) & (u < t)))


@reads.action
def become_leader(do: Action, n: Node, t: Term, q: Quorum, i: Index) -> None:
    """A candidate has the votes of a quorum, whose members have come to the term, and appends the first entry of its own."""
    do.require(in_term(n, t), "in_term")
    do.require(~started(t), "no_other_leader")
    do.require(forall(Node, lambda k: member(k, q) >> reached(k, t)), "quorum_of_votes")
    do.require(index_0 < i, "behind_entry_0")
    do.require(forall(Index, lambda j: committed_by(t, j) >> (j < i)), "behind_commitments")
    do.add(leader, n, t)
    do.set(own, lambda u, j: own(u, j) | ((u == t) & (i <= j)))
    do.add(started, t)
    do.assign(voters_of, (t,), q)


@reads.action
def advance_commit(do: Action, n: Node, t: Term, i: Index) -> None:
    """The leader commits an entry of its own. From now on writes up to there may be acknowledged."""
    lead(do, n, t)
    do.require(own(t, i), "entry_of_own_term")
    do.require(forall(Term, lambda u: ((t < u) & started(u)) >> ~own(u, i)), "before_newer_leaders")
    do.set(committed, lambda m, j: committed(m, j) | ((m == n) & (j <= i)))
    do.set(committed_in, lambda u, j: committed_in(u, j) | ((u == t) & (j <= i)))
    do.set(committed_by, lambda u, j: committed_by(u, j) | ((t <= u) & (j <= i)))


@reads.action
def tell_commit(do: Action, n: Node, t: Term, i: Index) -> None:
    """The leader tells its commit index, or a lower one, with an append, a heartbeat or a snapshot."""
    lead(do, n, t)
    do.require(committed(n, i), "committed")
    do.set(commit_told, lambda u, j: commit_told(u, j) | ((u == t) & (j <= i)))


@reads.action
def learn_commit(do: Action, n: Node, t: Term, i: Index) -> None:
    """A member learns what is committed from the leader of its term."""
    do.require(commit_told(t, i), "told")
    do.require(in_term(n, t), "in_term")
    do.set(committed, lambda m, j: committed(m, j) | ((m == n) & (j <= i)))


@reads.action
def restart(do: Action, n: Node, i: Index) -> None:
    """A member restarts as follower. Its commit index may be any lower one, and reads that it was asked for are forgotten."""
    do.require(committed(n, i), "not_above")
    do.set(committed, lambda m, j: ite(m == n, j <= i, committed(m, j)))
    do.remove(leader, n, ANY)
    do.remove(pending, n, ANY, ANY, ANY, ANY)


# ---- reads


@reads.action
def ask(do: Action, r: Read) -> None:
    """A client asks a member for a read, which sends it to the leader, or is the leader."""
    do.require(~asked(r), "new_read")
    do.add(asked, r)
    do.set(due, lambda s, t, i: due(s, t, i) | ((s == r) & committed_in(t, i)))


def note(do: Action, n: Node, t: Term, r: Read, i: Index) -> None:
    """The leader has received a read, and notes its commit index, which is that of an entry of its own."""
    do.require(asked(r), "asked")
    do.require(commit_index(n, i), "commit_index")
    do.require(own(t, i), "committed_in_own_term")


@reads.action
def receive_read(do: Action, n: Node, t: Term, r: Read, i: Index, x: Number) -> None:
    """The leader gives the read a new number, and counts itself."""
    lead(do, n, t)
    note(do, n, t, r, i)
    do.require(~numbered(n, t, x), "new_number")
    do.add(pending, n, t, x, r, i)
    do.set(numbered, lambda m, u, y: numbered(m, u, y) | ((m == n) & (u == t) & (y <= x)))
    do.set(heartbeat_acked, lambda m, u, y: heartbeat_acked(m, u, y) | ((m == n) & (u == t) & (y <= x)))


@reads.action
def send_heartbeat(do: Action, n: Node, t: Term, x: Number) -> None:
    """The leader sends the number of the last read that it has received, or of an earlier one."""
    lead(do, n, t)
    do.require(numbered(n, t, x), "given_number")
    do.add(heartbeat_sent, t, x)


@reads.action
def receive_heartbeat(do: Action, n: Node, t: Term, x: Number) -> None:
    """A member answers that it follows the leader."""
    do.require(heartbeat_sent(t, x), "sent")
    do.require(in_term(n, t), "in_term")
    do.set(heartbeat_acked, lambda m, u, y: heartbeat_acked(m, u, y) | ((m == n) & (u == t) & (y <= x)))


@reads.action
def confirm_read(do: Action, n: Node, t: Term, r: Read, i: Index, x: Number, q: Quorum) -> None:
    """A quorum has answered in this term to the number of the read or a greater one: the leader tells the index."""
    lead(do, n, t)
    do.require(pending(n, t, x, r, i), "pending")
    do.require(forall(Node, lambda k: member(k, q) >> heartbeat_acked(k, t, x)), "quorum_of_answers")
    do.add(answered, r, i)


@reads.action
def read_by_lease(do: Action, n: Node, t: Term, r: Read, i: Index) -> None:
    """The leader's lease holds, so no newer term has a leader: it tells the index at once."""
    do.require(leader(n, t), "is_leader")
    do.require(in_term(n, t) & no_newer_leader(t), "lease_holds")
    note(do, n, t, r, i)
    do.add(answered, r, i)


@reads.action
def answer_alone(do: Action, n: Node, t: Term, r: Read, i: Index, q: Quorum) -> None:
    """A leader that is a quorum by itself tells the index at once."""
    lead(do, n, t)
    note(do, n, t, r, i)
    do.require(forall(Node, lambda k: member(k, q) >> (k == n)), "single_voter")
    do.add(answered, r, i)


@reads.action
def serve_read(do: Action, n: Node, r: Read, i: Index, j: Index) -> None:
    """A member has applied what the leader told it to, or more, and reads."""
    do.require(answered(r, i), "answered")
    do.require(committed(n, j), "applied")
    do.require(i <= j, "applied_enough")
    do.add(served, r, j)


# ---- invariants: terms and leaders


@reads.invariant
def left_is_downward(n: Node, t: Term, u: Term) -> Formula:
    return (left(n, t) & (u <= t)) >> left(n, u)


@reads.invariant
def leader_started_term(n: Node, t: Term) -> Formula:
    return leader(n, t) >> (started(t) & reached(n, t))


@reads.invariant(source=consensus.RAFT)
def election_safety(n: Node, k: Node, t: Term) -> Formula:
    """At most one leader is elected in a term."""
    return (leader(n, t) & leader(k, t)) >> (n == k)


@reads.invariant
def voters_have_left(t: Term, u: Term, k: Node) -> Formula:
    """Who has elected the leader of a term has left all earlier ones."""
    return (started(u) & member(k, voters_of(u)) & (t < u)) >> left(k, t)


# ---- invariants: commitment


@reads.invariant
def own_entries_are_behind_entry_0(t: Term, i: Index, j: Index) -> Formula:
    return own(t, i) >> (started(t) & (i != index_0) & ((i <= j) >> own(t, j)))


@reads.invariant
def committed_by_is_upward(t: Term, i: Index, u: Term, j: Index) -> Formula:
    return ((committed_in(t, i) | committed_by(t, i)) & (t <= u) & (j <= i)) >> committed_by(u, j)


@reads.invariant
def known_commitments_are_of_reached_terms(n: Node, t: Term, i: Index) -> Formula:
    """What a member has committed, or is told, was committed in the term or an earlier one."""
    return (commit_told(t, i) | (committed(n, i) & ~left(n, t))) >> ((i == index_0) | committed_by(t, i))


@reads.invariant
def committed_in_started_term(t: Term, i: Index, j: Index) -> Formula:
    return committed_in(t, i) >> (started(t) & ((j <= i) >> committed_in(t, j)))


@reads.invariant
def committed_in_is_behind(t: Term, i: Index, u: Term) -> Formula:
    """What was committed in a term comes before the own entries of all later leaders."""
    return (committed_in(t, i) & (t < u)) >> ~own(u, i)


@reads.invariant
def committed_is_downward(n: Node, i: Index, j: Index) -> Formula:
    return (committed(n, i) & (j <= i)) >> committed(n, j)


@reads.invariant
def own_entry_is_committed_by_its_leader(n: Node, i: Index, t: Term) -> Formula:
    """Of the own entries of a leader nobody who has not left its term has committed more than it has."""
    return (committed(n, i) & own(t, i) & ~left(n, t)) >> committed_in(t, i)


@reads.invariant
def leader_knows_its_commits(n: Node, t: Term, i: Index) -> Formula:
    return (leader(n, t) & committed_in(t, i)) >> committed(n, i)


@reads.invariant
def told_own_entry_is_committed(t: Term, i: Index, u: Term) -> Formula:
    """Likewise, of what is told in the term or an earlier one."""
    return (commit_told(u, i) & (u <= t) & own(t, i)) >> committed_in(t, i)


@reads.invariant
def every_commitment_has_a_term(i: Index) -> Formula:
    """What a member has committed, or a message tells, was committed by the leader of some term."""
    known = exists(Node, lambda n: committed(n, i)) | exists(Term, lambda u: commit_told(u, i))
    return known >> was_committed(i)


# ---- invariants: reads


@reads.invariant
def due_was_committed(r: Read, t: Term, i: Index) -> Formula:
    return due(r, t, i) >> (asked(r) & committed_in(t, i))


@reads.invariant
def numbered_is_downward(n: Node, t: Term, x: Number, y: Number) -> Formula:
    return (numbered(n, t, x) & (y <= x)) >> numbered(n, t, y)


@reads.invariant
def pending_is_committed(n: Node, t: Term, x: Number, r: Read, i: Index) -> Formula:
    return pending(n, t, x, r, i) >> (asked(r) & committed_in(t, i) & numbered(n, t, x))


@reads.invariant
def sent_numbers_were_given(n: Node, t: Term, x: Number) -> Formula:
    return heartbeat_sent(t, x) >> (started(t) & (leader(n, t) >> numbered(n, t, x)))


@reads.invariant
def answers_are_to_given_numbers(n: Node, k: Node, t: Term, x: Number) -> Formula:
    return heartbeat_acked(k, t, x) >> (started(t) & (leader(n, t) >> numbered(n, t, x)))


@reads.invariant
def pending_covers_earlier_terms(n: Node, t: Term, x: Number, r: Read, i: Index, u: Term, j: Index) -> Formula:
    """The index that the leader has noted covers what is due of its own and earlier terms."""
    return (pending(n, t, x, r, i) & due(r, u, j) & (u <= t)) >> (j <= i)


@reads.invariant
def no_answer_after_newer_leader(n: Node, t: Term, x: Number, r: Read, i: Index, u: Term, j: Index, k: Node) -> Formula:
    """If something is due of a newer term, who has elected its leader does not answer to the read's number."""
    return (pending(n, t, x, r, i) & due(r, u, j) & (t < u) & member(k, voters_of(u))) >> ~heartbeat_acked(k, t, x)


@reads.invariant
def answered_was_asked(r: Read, i: Index) -> Formula:
    return answered(r, i) >> asked(r)


@reads.invariant(source=THESIS)
def answer_covers_writes(r: Read, i: Index, u: Term, j: Index) -> Formula:
    """The index that a leader answers covers all that was committed when the read was asked for."""
    return (answered(r, i) & due(r, u, j)) >> (j <= i)


# ---- what is promised


@reads.invariant(source=THESIS)
def linearizable_reads(r: Read, i: Index, u: Term, j: Index) -> Formula:
    """A read sees every write that was committed when it was asked for."""
    return (served(r, i) & due(r, u, j)) >> (j <= i)


@reads.invariant
def served_is_committed(r: Read, i: Index) -> Formula:
    """A read sees only what is committed."""
    return served(r, i) >> (asked(r) & was_committed(i))


@reads.step(source=THESIS)
def later_reads_see_no_less(r: Read, s: Read, i: Index, after: After) -> Formula:
    """What a read has seen is due of each read that is asked for later."""
    due_then = (i == index_0) | exists(Term, lambda t: after(due(r, t, i)))
    return (served(s, i) & ~asked(r)) >> (after(asked(r)) >> due_then)


# ---- how members are drawn


@reads.picture(Node)
def draw(view: View, n: object) -> str:
    """`in term 1, leader in 1, commit 2, read r1 is number 0 of term 1 at 2, has answered 0 in term 1`."""
    terms = [t for t in view.all(Term) if not view.holds(left, n, t)]
    leads = view.those(leader, n)
    commits_to = view.those(committed, n)
    parts = [
        f"in term {terms[0]}" if terms else "beyond all terms",
        *([f"leader in {', '.join(map(str, leads))}"] if leads else []),
        f"commit {commits_to[-1] if commits_to else '?'}",
        *[f"read {r} is number {x} of term {t} at {i}" for t, x, r, i in view.those(pending, n)],
        *[f"has answered {x} in term {t}" for t, x in view.those(heartbeat_acked, n)],
    ]
    return ", ".join(parts)


@reads.picture(Read)
def draw_read(view: View, r: object) -> str:
    """`asked, due 1 in term 0, answered 1, has seen 1`."""
    due_at = [f"{i} in term {t}" for t, i in view.those(due, r)]
    parts = [
        *(["asked"] if view.holds(asked, r) else []),
        *([f"due {', '.join(due_at)}"] if due_at else []),
        *[f"answered {i}" for i in view.those(answered, r)],
        *[f"has seen {i}" for i in view.those(served, r)],
    ]
    return ", ".join(parts)


# ---- what does happen

Calls = list[str | tuple[str, Mapping[str, int]]]

three = {"node": 3, "quorum": 2, "read": 2, "term": 3, "index": 3, "number": 2}
"""Three members, three terms, two entries."""

two_of_three = forall(Quorum, lambda q: exists(Node, lambda n, k: (n != k) & member(n, q) & member(k, q)))


def elects(n: int, t: int, voter: int) -> Calls:
    """Member n becomes leader of term t by its own vote and that of another."""
    return [("update_term", {"n": n, "t": t}), ("update_term", {"n": voter, "t": t}), ("become_leader", {"n": n, "t": t})]


def commits_entry(n: int, i: int) -> Calls:
    """Leader n commits entry i."""
    return [("advance_commit", {"n": n, "i": i})]


def receives(n: int, r: int, x: int = 0) -> Calls:
    """Leader n gives number x to read r."""
    return [("receive_read", {"n": n, "r": r, "x": x})]


def contacts(n: int, to: int, x: int = 0) -> Calls:
    """Leader n sends a heartbeat of number x, which another member answers."""
    return [("send_heartbeat", {"n": n, "x": x}), ("receive_heartbeat", {"n": to, "x": x})]


def answers(n: int, r: int, by: int) -> Calls:
    """Leader n answers read r, and the member that was asked serves it."""
    return [("confirm_read", {"n": n, "r": r}), ("serve_read", {"n": by, "r": r})]


def asks(r: int) -> Calls:
    return [("ask", {"r": r})]


first_is_committed: Calls = [*elects(0, 0, 1), *commits_entry(0, 1)]
"""Member 0 is leader of term 0, and has committed entry 1."""


def sees(index: int) -> Formula:
    """Some read has seen this many entries behind entry 0."""
    below = exists(Read, Index, lambda r, i: served(r, i) & (index_0 < i))
    more = exists(Read, Index, Index, lambda r, i, j: served(r, i) & (index_0 < j) & (j < i))
    return below if index == 1 else more


reads.sometimes(
    "forwarded_read",
    "A read is asked for at a follower, confirmed by a heartbeat, and served by the follower when it has applied as much.",
    Script(
        (
            *[*first_is_committed, *asks(0), *receives(0, 0), *contacts(0, 1)],
            *[("confirm_read", {}), ("tell_commit", {"n": 0}), ("learn_commit", {"n": 1}), ("serve_read", {"n": 1})],
        ),
        three,
        two_of_three,
    ),
    sees(1),
)
reads.sometimes(
    "one_answer_for_two_reads",
    "A heartbeat with the number of a later read confirms an earlier one too.",
    Script(
        (
            *[*first_is_committed, *asks(0), *asks(1), *receives(0, 0), *receives(0, 1, x=1), *contacts(0, 1, x=1)],
            *[*answers(0, 0, by=0), *answers(0, 1, by=0)],
        ),
        three,
        two_of_three,
    ),
    forall(Read, lambda r: exists(Index, lambda i: served(r, i))),
)
reads.sometimes(
    "read_after_commit_of_own_term",
    "A new leader that does not know what its predecessor has committed serves a read when it has committed an entry of its own.",
    Script(
        (
            *[*first_is_committed, *elects(1, 1, 2), *asks(0), *commits_entry(1, 2)],
            *[*receives(1, 0), *contacts(1, 2), *answers(1, 0, by=1)],
        ),
        three,
        two_of_three,
    ),
    sees(2),
)
reads.sometimes(
    "lease_read",
    "A leader answers by its lease, without a heartbeat.",
    Script((*first_is_committed, *asks(0), "read_by_lease", "serve_read"), three, two_of_three),
    sees(1) & forall(Term, Number, lambda t, x: ~heartbeat_sent(t, x)),
)
reads.sometimes(
    "read_refused",
    "A former leader that does not know of the newer one has a read that no quorum will confirm.",
    Script((*first_is_committed, *elects(1, 1, 2), *commits_entry(1, 2), *asks(0), *receives(0, 0)), three, two_of_three),
    exists(
        *(Node, Term, Number, Read, Index, Term, Index),
        lambda n, t, x, r, i, u, j: leader(n, t) & in_term(n, t) & pending(n, t, x, r, i) & due(r, u, j) & (i < j),
    ),
)

# ---- wrong protocols


def restart_as_leader(do: Action, n: Node, i: Index) -> None:
    """A member restarts, and goes on as leader."""
    do.require(committed(n, i), "not_above")
    do.set(committed, lambda m, j: ite(m == n, j <= i, committed(m, j)))


def confirm_read_with_answers_of_another_term(
    do: Action, n: Node, t: Term, r: Read, i: Index, x: Number, q: Quorum, u: Term
) -> None:
    """The leader counts answers without a look at their term."""
    lead(do, n, t)
    do.require(pending(n, t, x, r, i), "pending")
    do.require(forall(Node, lambda k: member(k, q) >> (heartbeat_acked(k, t, x) | heartbeat_acked(k, u, x))), "quorum_of_answers")
    do.add(answered, r, i)


deposed_unknowingly: Calls = [*first_is_committed, *elects(1, 1, 2), *commits_entry(1, 2)]
"""Member 1 leads the next term, and has committed entry 2; the former leader 0 knows of nothing."""

reads.mutant(
    "etcd_7331",
    "A new leader answers before it has committed an entry of its own, from a commit index that is behind.",
    breaks="linearizable_reads",
    without=["receive_read.committed_in_own_term"],
    script=Script(
        (*first_is_committed, *elects(1, 1, 2), *asks(0), *receives(1, 0), *contacts(1, 2), *answers(1, 0, by=1)),
        three,
        two_of_three,
    ),
)
reads.mutant(
    "raft_397",
    "A context is used again: a late answer to the first try of a read confirms the second at a former leader.",
    breaks="linearizable_reads",
    without=["receive_read.new_number"],
    script=Script(
        (
            *[*first_is_committed, *asks(0), *receives(0, 0), *contacts(0, 1)],
            *[*elects(1, 1, 2), *commits_entry(1, 2), *asks(1), *receives(0, 1), *answers(0, 1, by=0)],
        ),
        three,
        two_of_three,
    ),
)
reads.mutant(
    "no_quorum_of_answers",
    "A leader answers without asking its followers, one of whom leads by now.",
    breaks="linearizable_reads",
    without=["confirm_read.quorum_of_answers"],
    script=Script((*deposed_unknowingly, *asks(0), *receives(0, 0), *answers(0, 0, by=0)), three, two_of_three),
)
reads.mutant(
    "answers_of_another_term",
    "Numbers begin anew with each term, and an answer of an earlier one counts for a read of the same number.",
    breaks="linearizable_reads",
    actions=[confirm_read_with_answers_of_another_term],
    script=Script(
        (
            *[*elects(0, 0, 1), *commits_entry(0, 1), *asks(0), *receives(0, 0), *contacts(0, 1)],
            *[*elects(0, 1, 2), *commits_entry(0, 2), *elects(1, 2, 2), *commits_entry(1, 3), *asks(1), *receives(0, 1)],
            *[("confirm_read_with_answers_of_another_term", {}), ("serve_read", {"n": 0, "r": 1})],
        ),
        {**three, "quorum": 3, "index": 4},
        two_of_three,
    ),
)
reads.mutant(
    "lease_beside_newer_leader",
    "A leader answers by its lease, which has outlived its leadership.",
    breaks="linearizable_reads",
    without=["read_by_lease.lease_holds"],
    script=Script((*deposed_unknowingly, *asks(0), ("read_by_lease", {"n": 0}), "serve_read"), three, two_of_three),
)
reads.mutant(
    "lease_before_own_commit",
    "A new leader has a lease, but has not committed an entry of its own.",
    breaks="linearizable_reads",
    without=["read_by_lease.committed_in_own_term"],
    script=Script(
        (*first_is_committed, *elects(1, 1, 2), *asks(0), ("read_by_lease", {"n": 1}), ("serve_read", {"n": 1})),
        three,
        two_of_three,
    ),
)
reads.mutant(
    "served_before_applied",
    "A member reads before it has applied what the leader told it to.",
    breaks="linearizable_reads",
    without=["serve_read.applied_enough"],
)
reads.mutant(
    "single_voter_reads_at_once",
    "A single voter has restarted with a lower commit index, and answers before it has committed an entry of its new term.",
    breaks="linearizable_reads",
    without=["answer_alone.committed_in_own_term"],
    script=Script(
        (
            *[("become_leader", {"t": 0}), *commits_entry(0, 1), ("restart", {"i": 0})],
            *[("update_term", {"t": 1}), ("become_leader", {"t": 1}), *asks(0)],
            *["answer_alone", "serve_read"],
        ),
        {"node": 1, "quorum": 1, "read": 1, "term": 2, "index": 3, "number": 1},
    ),
)
reads.mutant(
    "leader_after_restart",
    "A leader restarts with a lower commit index, and goes on to lead its term.",
    breaks="linearizable_reads",
    actions=[restart_as_leader],
    script=Script(
        (
            *[*first_is_committed, *commits_entry(0, 2), ("restart_as_leader", {"n": 0, "i": 1})],
            *[*asks(0), *receives(0, 0), *contacts(0, 1), *answers(0, 0, by=0)],
        ),
        three,
        two_of_three,
    ),
)

# ---- guards that safety does not need

for guard, because in {
    "advance_commit.in_term": "who counts late that a quorum had acknowledged an entry commits it rightly",
    "advance_commit.entry_of_own_term": "raft.py needs it; here before_newer_leaders stands for it",
    "tell_commit.is_leader": "what a member has committed may be told by anybody who is in the term",
    "send_heartbeat.in_term": "a member that has come to a newer term does not answer, or was counted before",
    "confirm_read.is_leader": "who has numbered the read was leader and has not restarted",
    "confirm_read.in_term": "a quorum has still followed the leader when the read was asked for, whatever it does now",
}.items():
    reads.needs_not(guard, because)
