"""The lease of a leader, with clocks of bounded rate: while it holds, no newer term has a leader.

After Ongaro, "Consensus: bridging theory and practice", 2014, sections 4.2.3 and 6.4.1, and etcd's CheckQuorum. For any number of
members, terms and heartbeats, and any durations that satisfy `timing`. Messages are lost, delayed without bound, repeated and
reordered. What reads.py makes of a lease is `read_by_lease`, whose guard `lease_holds` is what is promised here.

A member measures, by its own clock, how long ago it has heard from a leader, and votes for nobody until that is an
`election_timeout`. A leader measures, by its own clock, how long ago it has sent the heartbeats that were answered, and holds its
lease while for a quorum, itself included, that is less than `lease_timeout`. So the lease must end before the first of them may
vote: the sending of a heartbeat, not the arrival of its answer, is what comes before the member's hearing.

Three rules are stricter than etcd's, and each is a mutant. etcd counts from the arrival of answers, for up to twice the election
timeout; a member that comes to a newer term by another message than its leader's may vote there at once; and so may one that has
restarted, as both know of no leader.

Transfers of leadership, which pass over the protection on purpose, are left out: a leader that has asked another to campaign must
not read by its lease. So are PreVote, which only makes fewer campaigns, and changes of members. Of all votes only those for the
candidate who wins the term are there: that one candidate wins is shown in raft.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from kubeproof.models import raft as consensus
from kubeproof.models.logic import ANY, Action, Element, Formula, Real, Specification, View, exists, forall, number
from kubeproof.models.logic.specification import Axiom, Script
from kubeproof.models.raft import Node, Quorum, Term, raft


class Heartbeat(Element):
    """A message of a leader to its followers, and their answers: its contents never change."""


class Passage(Element):
    """An interval of time, in which each clock advances by so many ticks of its own."""


lease_reads = Specification(
    "lease_reads",
    "While a leader's lease holds by its clock, no newer term has a leader.",
    (Node, Quorum, Term, Heartbeat, Passage, Real),
    universes=(
        {"node": 2, "quorum": 2, "term": 2, "heartbeat": 1, "passage": 1},
        {"node": 3, "quorum": 2, "term": 3, "heartbeat": 1, "passage": 1},
    ),
)

THESIS = "Raft thesis, section 6.4.1"
CLOCKS = "no clock runs more than clock_ratio times as fast as another"
TIMING = "clock_ratio * lease_timeout <= election_timeout"

# ---- what never changes

member = lease_reads.relation("member", Node, Quorum, rigid=True, says="the member belongs to the quorum")
election_timeout = lease_reads.constant("election_timeout", Real, "how long a member that has heard of a leader does not vote")
lease_timeout = lease_reads.constant("lease_timeout", Real, "how long a leader trusts an answer, since it has sent the heartbeat")
clock_ratio = lease_reads.constant("clock_ratio", Real, "the rate of the fastest clock by that of the slowest")
ticks = lease_reads.function("ticks", Passage, Node, to=Real, rigid=True, says="how far a clock advances")

zero = number(0)
lease_reads.axiom(
    "quorums_intersect",
    forall(Quorum, lambda q, r: exists(Node, lambda n: member(n, q) & member(n, r))),
    raft.axioms["quorums_intersect"].because,
    raft.axioms["quorums_intersect"].shown_by,
)
lease_reads.axiom(
    "clocks",
    (number(1) <= clock_ratio)
    & forall(Passage, Node, Node, lambda p, n, k: (zero <= ticks(p, n)) & (ticks(p, k) <= clock_ratio * ticks(p, n))),
    f"assumption: {CLOCKS}",
)
lease_reads.axiom("timing", (zero < lease_timeout) & (clock_ratio * lease_timeout <= election_timeout), f"assumption: {TIMING}")

lease_reads.examples[clock_ratio.symbol] = Fraction(2)

# ---- what a member stores

left = lease_reads.relation("left", Node, Term, says="the member's term is beyond this one")
voted = lease_reads.relation("voted", Node, Term, says="the member has voted for the term's leader to be")

# ---- what a member remembers until it restarts

leader = lease_reads.relation("leader", Node, Term, says="the member was elected in the term, and acts as leader while in it")
since_heard = lease_reads.function("since_heard", Node, to=Real, says="since it has heard from a leader, or has restarted")
contacted = lease_reads.relation("contacted", Node, Node, says="the leader has an answer of the other member")
since_contact = lease_reads.function(
    "since_contact",
    Node,
    Node,
    to=Real,
    says="by the leader's clock, since it has sent the heartbeat that the other has answered",
)

# ---- messages

heartbeat_sent = lease_reads.relation("heartbeat_sent", Heartbeat)
heartbeat_from = lease_reads.function("heartbeat_from", Heartbeat, to=Node, rigid=True)
heartbeat_term = lease_reads.function("heartbeat_term", Heartbeat, to=Term, rigid=True)
heartbeat_acked = lease_reads.relation("heartbeat_acked", Node, Heartbeat, says="MsgHeartbeatResp of the member")
since_sent = lease_reads.function("since_sent", Heartbeat, to=Real, says="by its sender's clock")

# ---- history

started = lease_reads.relation("started", Term, ghost=True, says="the term has had a leader")
voters_of = lease_reads.function("voters_of", Term, to=Quorum, ghost=True, says="who elected it")

# ---- definitions


def reached(n: Node, t: Term) -> Formula:
    return forall(Term, lambda u: (u < t) >> left(n, u))


def in_term(n: Node, t: Term) -> Formula:
    return reached(n, t) & ~left(n, t)


def no_newer_leader(t: Term) -> Formula:
    return forall(Term, lambda u: (t < u) >> ~started(u))


def protected(n: Node) -> Formula:
    """The member has heard of a leader so lately that it must not help to depose it."""
    return since_heard(n) < election_timeout


def lease_holds(n: Node, q: Quorum) -> Formula:
    """All others of the quorum have answered heartbeats that the leader has sent lately."""
    return forall(Node, lambda k: member(k, q) >> ((k == n) | (contacted(n, k) & (since_contact(n, k) < lease_timeout))))


def enter(do: Action, n: Node, t: Term) -> None:
    """The member comes to the term."""
    do.set(left, lambda m, u: left(m, u) | ((m == n) & (u < t)))


def lead(do: Action, n: Node, t: Term) -> None:
    """The member leads its current term."""
    do.require(leader(n, t), "is_leader")
    do.require(in_term(n, t), "in_term")


# ---- initially

lease_reads.init(
    "members",
    forall(Node, Term, lambda n, t: ~left(n, t) & ~voted(n, t) & ~leader(n, t) & ~started(t))
    & forall(Node, lambda n: zero <= since_heard(n))
    & forall(Node, Node, lambda n, k: ~contacted(n, k)),
)
lease_reads.init("heartbeats", forall(Heartbeat, lambda m: ~heartbeat_sent(m) & forall(Node, lambda n: ~heartbeat_acked(n, m))))

# ---- time


@lease_reads.action
def time_passes(do: Action, p: Passage) -> None:
    """All clocks advance."""
    do.set(since_heard, lambda n: since_heard(n) + ticks(p, n))
    do.set(since_contact, lambda n, k: since_contact(n, k) + ticks(p, n))
    do.set(since_sent, lambda m: since_sent(m) + ticks(p, heartbeat_from(m)))


# ---- elections


@lease_reads.action
def update_term(do: Action, n: Node, t: Term) -> None:
    """A message carries a newer term. Whether the member may vote there is another question."""
    enter(do, n, t)


@lease_reads.action
def grant_vote(do: Action, n: Node, t: Term) -> None:
    """A member that has heard of no leader for an election timeout votes, be it for itself."""
    do.require(~left(n, t), "not_beyond")
    do.require(~protected(n), "not_protected")
    enter(do, n, t)
    do.add(voted, n, t)


@lease_reads.action
def become_leader(do: Action, n: Node, t: Term, q: Quorum) -> None:
    """A candidate has the votes of a quorum."""
    do.require(in_term(n, t), "in_term")
    do.require(~started(t), "no_other_leader")
    do.require(forall(Node, lambda k: member(k, q) >> voted(k, t)), "quorum_of_votes")
    do.add(leader, n, t)
    do.add(started, t)
    do.assign(voters_of, (t,), q)
    do.remove(contacted, n, ANY)


@lease_reads.action
def restart(do: Action, n: Node) -> None:
    """A member restarts as follower. It does not know what it has heard, so it waits as if it had heard just now."""
    do.assign(since_heard, (n,), zero)
    do.remove(leader, n, ANY)
    do.remove(contacted, n, ANY)


# ---- heartbeats


@lease_reads.action
def send_heartbeat(do: Action, n: Node, t: Term, m: Heartbeat) -> None:
    """The leader sends a heartbeat."""
    lead(do, n, t)
    do.require(~heartbeat_sent(m), "new_message")
    do.require(heartbeat_from(m) == n, "own_message")
    do.require(heartbeat_term(m) == t, "own_term")
    do.add(heartbeat_sent, m)
    do.assign(since_sent, (m,), zero)


@lease_reads.action
def receive_heartbeat(do: Action, n: Node, m: Heartbeat) -> None:
    """A member hears from the leader of its term, and answers."""
    do.require(heartbeat_sent(m), "sent")
    do.require(in_term(n, heartbeat_term(m)), "in_term")
    do.assign(since_heard, (n,), zero)
    do.add(heartbeat_acked, n, m)


@lease_reads.action
def receive_answer(do: Action, n: Node, t: Term, k: Node, m: Heartbeat) -> None:
    """The leader trusts the other member from when it has sent what this answers."""
    lead(do, n, t)
    do.require(heartbeat_acked(k, m), "answered")
    do.require(heartbeat_from(m) == n, "own_message")
    do.require(heartbeat_term(m) == t, "own_term")
    do.add(contacted, n, k)
    do.assign(since_contact, (n, k), since_sent(m))


# ---- invariants: terms


@lease_reads.invariant
def leader_started_term(n: Node, t: Term) -> Formula:
    return leader(n, t) >> (started(t) & reached(n, t))


@lease_reads.invariant(source=consensus.RAFT)
def election_safety(n: Node, k: Node, t: Term) -> Formula:
    """At most one leader is elected in a term."""
    return (leader(n, t) & leader(k, t)) >> (n == k)


@lease_reads.invariant
def voted_in_reached_term(n: Node, t: Term) -> Formula:
    return voted(n, t) >> reached(n, t)


@lease_reads.invariant
def leader_has_votes(t: Term, k: Node) -> Formula:
    return (started(t) & member(k, voters_of(t))) >> voted(k, t)


# ---- invariants: time


@lease_reads.invariant
def clocks_advance(n: Node, m: Heartbeat) -> Formula:
    return (zero <= since_heard(n)) & (heartbeat_sent(m) >> (zero <= since_sent(m)))


@lease_reads.invariant
def acked_was_sent(k: Node, m: Heartbeat) -> Formula:
    return heartbeat_acked(k, m) >> (heartbeat_sent(m) & reached(k, heartbeat_term(m)))


@lease_reads.invariant
def heard_after_sending(k: Node, m: Heartbeat) -> Formula:
    """Who has answered a heartbeat has heard from a leader since it was sent."""
    return heartbeat_acked(k, m) >> (since_heard(k) <= clock_ratio * since_sent(m))


@lease_reads.invariant
def no_vote_after_answer(k: Node, m: Heartbeat, u: Term) -> Formula:
    """Who has answered a heartbeat does not vote in a newer term for an election timeout since it was sent."""
    late = election_timeout <= clock_ratio * since_sent(m)
    return (heartbeat_acked(k, m) & (heartbeat_term(m) < u) & voted(k, u)) >> late


@lease_reads.invariant
def heard_after_contact(n: Node, k: Node, t: Term) -> Formula:
    """Likewise, as the leader sees it."""
    return (contacted(n, k) & leader(n, t) & ~left(n, t)) >> (since_heard(k) <= clock_ratio * since_contact(n, k))


@lease_reads.invariant
def no_vote_after_contact(n: Node, k: Node, t: Term, u: Term) -> Formula:
    late = election_timeout <= clock_ratio * since_contact(n, k)
    return (contacted(n, k) & leader(n, t) & ~left(n, t) & (t < u) & voted(k, u)) >> late


# ---- what is promised


@lease_reads.corollary(
    using=("leader_has_votes", "voted_in_reached_term", "no_vote_after_contact"), source=THESIS, assumes=(CLOCKS, TIMING)
)
def no_newer_leader_during_lease(n: Node, t: Term, q: Quorum) -> Formula:
    """While the lease of a leader holds, no newer term has had a leader."""
    return (leader(n, t) & in_term(n, t) & lease_holds(n, q)) >> no_newer_leader(t)


# ---- how members are drawn


@lease_reads.picture(Node)
def draw(view: View, n: object) -> str:
    """`in term 1, voted in 1, leader in 1, heard 2 ago, sent 3 ago what n2 has answered`."""
    terms = [t for t in view.all(Term) if not view.holds(left, n, t)]
    parts = [
        f"in term {terms[0]}" if terms else "beyond all terms",
        *([f"voted in {', '.join(map(str, view.those(voted, n)))}"] if view.those(voted, n) else []),
        *([f"leader in {', '.join(map(str, view.those(leader, n)))}"] if view.those(leader, n) else []),
        f"heard {view.value(since_heard, n)} ago",
        *[f"sent {view.value(since_contact, n, k)} ago what {k} has answered" for k in view.those(contacted, n)],
    ]
    return ", ".join(parts)


# ---- what does happen

Calls = list[str | tuple[str, Mapping[str, int]]]

three = {"node": 3, "quorum": 2, "term": 2, "heartbeat": 1, "passage": 2}
"""Three members, two terms, one heartbeat."""

two_of_three = forall(Quorum, lambda q: exists(Node, lambda n, k: (n != k) & member(n, q) & member(k, q)))
equal_clocks = (clock_ratio == number(1)) & forall(Passage, Node, Node, lambda p, n, k: ticks(p, n) == ticks(p, k))


def elects(n: int, t: int, voter: int) -> Calls:
    """Member n becomes leader of term t by its own vote and that of another."""
    return [("grant_vote", {"n": n, "t": t}), ("grant_vote", {"n": voter, "t": t}), ("become_leader", {"n": n, "t": t})]


def hears(n: int, to: int) -> Calls:
    """Leader n sends its heartbeat, which another member answers."""
    return [("send_heartbeat", {"n": n}), ("receive_heartbeat", {"n": to})]


def trusts(n: int, k: int) -> Calls:
    """Leader n gets the answer."""
    return [("receive_answer", {"n": n, "k": k})]


time: Calls = [("time_passes", {})]

has_lease = exists(Node, Term, Quorum, lambda n, t, q: leader(n, t) & in_term(n, t) & lease_holds(n, q))
two_lead = exists(
    *(Node, Term, Node, Term),
    lambda n, t, k, u: (t < u) & leader(n, t) & in_term(n, t) & leader(k, u) & in_term(k, u),
)

lease_reads.sometimes(
    "lease",
    "A leader has a lease some time after it has sent a heartbeat.",
    Script((*elects(0, 0, 1), *hears(0, 1), *time, *trusts(0, 1), *time), three, two_of_three & equal_clocks),
    has_lease
    & exists(Node, lambda n, k: (n != k) & contacted(n, k) & (zero < since_contact(n, k)))
    & forall(Passage, Node, lambda p, n: zero < ticks(p, n)),
)
lease_reads.sometimes(
    "newer_leader_after_lease",
    "A newer leader is elected when the lease of the former one, which does not know of it, has ended.",
    Script((*elects(0, 0, 1), *hears(0, 1), *trusts(0, 1), *time, *elects(1, 1, 2)), three, two_of_three & equal_clocks),
    two_lead & exists(Node, lambda n, k: contacted(n, k)),
)
lease_reads.sometimes(
    "slow_leader",
    "The clock of a leader runs more slowly than that of its follower, which votes when the lease has just ended.",
    Script(
        (*elects(0, 0, 1), *hears(0, 1), *trusts(0, 1), *time, *elects(1, 1, 2)),
        three,
        two_of_three & (clock_ratio == number(2)) & (election_timeout == number(10)) & (lease_timeout == number(5)),
    ),
    two_lead & exists(Node, lambda n, k: (since_contact(n, k) == lease_timeout) & (since_heard(k) == election_timeout)),
)

# ---- wrong protocols


def receive_answer_counting_from_now(do: Action, n: Node, t: Term, k: Node, m: Heartbeat) -> None:
    """The leader trusts the other member from when it gets its answer."""
    lead(do, n, t)
    do.require(heartbeat_acked(k, m), "answered")
    do.require(heartbeat_from(m) == n, "own_message")
    do.require(heartbeat_term(m) == t, "own_term")
    do.add(contacted, n, k)
    do.assign(since_contact, (n, k), zero)


def update_term_forgetting(do: Action, n: Node, t: Term) -> None:
    """A message carries a newer term, of which the member knows no leader: it may vote at once."""
    enter(do, n, t)
    do.assign(since_heard, (n,), election_timeout)


def restart_forgetting(do: Action, n: Node) -> None:
    """A member restarts, knows of no leader, and may vote at once."""
    do.assign(since_heard, (n,), election_timeout)
    do.remove(leader, n, ANY)
    do.remove(contacted, n, ANY)


def timing(because: str, condition: Formula) -> Axiom:
    """Another condition in place of `timing`."""
    return Axiom("timing", condition, because)


answered_then_voted: Calls = [*elects(0, 0, 1), *hears(0, 1), *trusts(0, 1), *time, *elects(1, 1, 2)]
"""A member answers the leader, and after some time elects itself with the help of a third one."""

lease_reads.mutant(
    "lease_outlives_election",
    "A leader trusts answers for nearly two election timeouts, and its followers wait for one: equal clocks do not help.",
    breaks="no_newer_leader_during_lease",
    axioms=[timing("etcd's CheckQuorum", (election_timeout == number(10)) & (lease_timeout == number(19)))],
    script=Script(answered_then_voted, three, two_of_three & equal_clocks),
)
lease_reads.mutant(
    "lease_just_too_long",
    "The lease is a little longer than the election timeout by the ratio of the clocks.",
    breaks="no_newer_leader_during_lease",
    axioms=[timing("5.001 * 2 > 10", (election_timeout == number(10)) & (lease_timeout == number("5.001")))],
    script=Script(answered_then_voted, three, two_of_three & (clock_ratio == number(2))),
)
lease_reads.mutant(
    "clocks_of_any_rate",
    "The clock of a leader may stand still.",
    breaks="no_newer_leader_during_lease",
    axioms=[
        Axiom(
            "clocks",
            (number(1) <= clock_ratio) & forall(Passage, Node, lambda p, n: zero <= ticks(p, n)),
            "clocks are only known not to run backwards",
        )
    ],
    script=Script(answered_then_voted, three, two_of_three & (clock_ratio == number(1))),
)
lease_reads.mutant(
    "lease_from_answers",
    "A leader counts from when it gets an answer, which has been on its way for long.",
    breaks="no_newer_leader_during_lease",
    actions=[receive_answer_counting_from_now],
    script=Script(
        (*elects(0, 0, 1), *hears(0, 1), *time, ("receive_answer_counting_from_now", {"n": 0, "k": 1}), *elects(1, 1, 2)),
        three,
        two_of_three & equal_clocks,
    ),
)
lease_reads.mutant(
    "votes_during_lease",
    "Members vote however lately they have heard from a leader: etcd's leases without CheckQuorum.",
    breaks="no_newer_leader_during_lease",
    without=["grant_vote.not_protected"],
    script=Script((*elects(0, 0, 1), *hears(0, 1), *trusts(0, 1), *elects(1, 1, 2)), three, two_of_three & equal_clocks),
)
lease_reads.mutant(
    "protection_ends_with_the_term",
    "A member hears of a newer term, knows no leader there, and votes: as etcd when a PreVote is rejected in a newer term.",
    breaks="no_newer_leader_during_lease",
    actions=[update_term_forgetting],
    script=Script(
        (*elects(0, 0, 1), *hears(0, 1), *trusts(0, 1), ("update_term_forgetting", {"n": 1, "t": 1}), *elects(1, 1, 2)),
        three,
        two_of_three & equal_clocks,
    ),
)
lease_reads.mutant(
    "protection_ends_with_a_restart",
    "A member answers a leader, restarts, and votes for another.",
    breaks="no_newer_leader_during_lease",
    actions=[restart_forgetting],
    script=Script(
        (*elects(0, 0, 1), *hears(0, 1), *trusts(0, 1), ("restart_forgetting", {"n": 1}), *elects(2, 1, 1)),
        three,
        two_of_three & equal_clocks,
    ),
)

# ---- guards that safety does not need

WHATEVER = "who hears a heartbeat does not vote, whoever has sent it; and a leader counts only answers to its own term"
WHILE_LEADING = "what is counted otherwise is forgotten before it could make a lease"
for guard, because in {
    "grant_vote.not_beyond": "that a member does not go back to an earlier term is for raft.py; a lease only asks when it votes",
    "send_heartbeat.is_leader": WHATEVER,
    "send_heartbeat.in_term": WHATEVER,
    "send_heartbeat.own_message": WHATEVER,
    "send_heartbeat.own_term": WHATEVER,
    "receive_answer.is_leader": WHILE_LEADING,
    "receive_answer.in_term": WHILE_LEADING,
    "receive_answer.own_message": "the age of a heartbeat bounds when it was heard, whichever clock has measured it",
}.items():
    lease_reads.needs_not(guard, because)
