"""Leases of an etcd cluster: who keeps a lease alive has it for its time to live, and only the current leader ends it.

After etcd's lessor (server/lease) and what etcdserver makes of it. For any number of members, terms, leases and keepalives, and
clocks that run at most `clock_ratio` times as fast as real time. Grants and revocations are entries of Raft's log, which
members apply each at its own pace; expiry is not: only the leader counts, by its own clock, how long a lease has `remaining`,
and a member that was elected gives every lease its whole time to live again, when it has applied what earlier leaders have left
(Lessor.Promote).

Of Raft there is what leases need, promised by raft.py and reads.py. A term has one leader, and what a leader proposes after a
newer term has begun is never committed: so only the leader of the newest term adds to the log. That a member still leads it
finds out by a quorum (ensureLeadership, a linearizable read), at some moment between the question and the answer; its lessor
then waits until the member has applied what was committed at that moment. The log is not ordered here but for each lease: it is
granted, then revoked.

Two things are stricter than etcd's main branch, and each is a mutant. A revocation counts only in the term of the leader that
has found the lease expired; etcd looks whether it leads, then proposes, and a follower forwards what it cannot propose itself.
And a keepalive always asks a quorum, and waits until the member has applied what is committed; etcd leaves out the first while
its own clock ticks, and the second where the member knows the lease (FastLeaseKeepAlive).

With checkpoints a new leader gives a lease what remained at the last one, so a keepalive of a lease that has one clears it in
the log first, and counts only if no new one comes between. etcd rounds a checkpoint up to seconds, so leases live longer than
here. The identifier of a revoked lease is not granted again.

A lock is a key attached to a lease. At most one living lease has it; but that its client has stopped when the lease is gone is
not promised (`two_at_work`): only fencing tokens help (election.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from kubeproof.models.logic import Action, Element, Formula, Real, Specification, View, exists, forall, ite, number
from kubeproof.models.logic.specification import Script


class Member(Element):
    """A member with its lessor."""


class Term(Element, ordered=True):
    """A term of Raft."""


class Lease(Element):
    """A lease."""


class Keepalive(Element):
    """A request to keep a lease alive, and its answer."""


class Passage(Element):
    """An interval of time, in which each clock advances by so much."""


lease = Specification(
    "lease",
    "Leases end only when they are expired at the current leader, and answers to keepalives are honest.",
    (Member, Term, Lease, Keepalive, Passage, Real),
    universes=(
        {"member": 1, "term": 1, "lease": 1, "keepalive": 1, "passage": 1},
        {"member": 2, "term": 2, "lease": 2, "keepalive": 1, "passage": 1},
    ),
)

LEASE_API = "etcd.io, API guarantees, Lease"
CLOCKS = "no member's clock runs more than clock_ratio times as fast as real time"
CONSENSUS = "what a leader proposes after a newer term has begun is never committed (leader_completeness of raft.py)"
READ_INDEX = "a leader that a quorum confirms led when it asked (linearizable_reads of reads.py)"
After = Callable[[Any], Any]

# ---- what never changes

ttl = lease.function("ttl", Lease, to=Real, rigid=True, says="its time to live")
lease_of = lease.function("lease_of", Keepalive, to=Lease, rigid=True)
extend = lease.constant("extend", Real, "what a new leader adds to all leases (etcd's is an election timeout)")
clock_ratio = lease.constant("clock_ratio", Real, "the rate of the fastest member's clock by that of real time")
passes = lease.function("passes", Passage, to=Real, rigid=True, says="how long it is")
ticks = lease.function("ticks", Passage, Member, to=Real, rigid=True, says="how far a clock advances")

zero = number(0)
lease.axiom("durations", forall(Lease, lambda x: zero < ttl(x)) & (zero <= extend), "durations are not negative")
lease.axiom(
    "clocks",
    (number(1) <= clock_ratio)
    & forall(
        Passage, Member, lambda p, m: (zero <= passes(p)) & (zero <= ticks(p, m)) & (ticks(p, m) <= clock_ratio * passes(p))
    ),
    f"assumption: {CLOCKS}",
)
lease.examples[clock_ratio.symbol] = Fraction(2)

# ---- the log

started = lease.relation("started", Term, says="the term has had a leader")
granted_in = lease.relation("granted_in", Lease, Term, says="there is an entry of the term that grants the lease")
revoked_in = lease.relation("revoked_in", Lease, Term, says="there is an entry of the term that revokes the lease")
granted = lease.relation("granted", Lease, says="... of any term")
revoked = lease.relation("revoked", Lease, says="... of any term")
remaining_ttl = lease.function("remaining_ttl", Lease, to=Real, says="the last checkpoint of what remains; 0 is none")

# ---- members

leader = lease.relation("leader", Member, Term, says="the member was elected in the term, and acts as its leader")
primary = lease.relation("primary", Member, Term, says="its lessor counts the leases")
known = lease.relation("known", Member, Lease, says="the member has applied the grant")
gone = lease.relation("gone", Member, Lease, says="the member has applied the revocation")
remaining = lease.function("remaining", Member, Lease, to=Real, says="until the lease expires, by the member's clock")

# ---- messages

revoke_proposed = lease.relation("revoke_proposed", Term, Lease, says="the leader of the term has found the lease expired")
asked = lease.relation("asked", Keepalive)
ensured = lease.relation("ensured", Member, Term, Keepalive, says="the member leads, a quorum says to the keepalive")
granted_when_ensured = lease.relation(
    "granted_when_ensured", Keepalive, says="... what was committed then has the grant of the lease"
)
revoked_when_ensured = lease.relation("revoked_when_ensured", Keepalive, says="... and its revocation")
checkpointed_meanwhile = lease.relation("checkpointed_meanwhile", Keepalive, says="... and the leader made a checkpoint since")
renewed = lease.relation("renewed", Member, Term, Keepalive, says="the answer: the time to live")
not_found = lease.relation("not_found", Member, Term, Keepalive, says="the answer: there is no such lease")

# ---- locks

owns_lock = lease.relation("owns_lock", Lease, says="the lock's key was attached to the lease")
working = lease.relation("working", Lease, says="its client does what the lock is for")

# ---- history

elected = lease.relation("elected", Member, Term, ghost=True, says="the member was elected in the term")
expired_in = lease.relation("expired_in", Lease, Term, ghost=True, says="the lease was revoked because it was expired")
revoked_when_asked = lease.relation("revoked_when_asked", Keepalive, ghost=True)
since_granted = lease.function("since_granted", Lease, to=Real, ghost=True, says="since the grant was proposed")
since_ensured = lease.function("since_ensured", Keepalive, to=Real, ghost=True, says="since the leader was confirmed")

# ---- definitions


def no_newer_leader(t: Term) -> Formula:
    return forall(Term, lambda u: (t < u) >> ~started(u))


def has(m: Member, x: Any) -> Formula:
    """The member knows the lease as one that lives."""
    return known(m, x) & ~gone(m, x)


def left(x: Any) -> Any:
    """What the log leaves to the lease: its last checkpoint, or its whole time to live."""
    return ite(zero < remaining_ttl(x), remaining_ttl(x), ttl(x))


def kept_for(m: Any, x: Any, since: Any) -> Formula:
    """By the member's clock the lease has run no longer than for `since`."""
    return ttl(x) - remaining(m, x) <= clock_ratio * since


def outlived(x: Any, since: Any) -> Formula:
    """Its time to live is over, `since` something."""
    return ttl(x) <= clock_ratio * since


# ---- initially

lease.init(
    "nothing",
    forall(Term, Member, lambda t, m: ~started(t) & ~leader(m, t) & ~primary(m, t) & ~elected(m, t))
    & forall(Lease, Term, lambda x, t: ~granted_in(x, t) & ~revoked_in(x, t) & ~revoke_proposed(t, x) & ~expired_in(x, t))
    & forall(Lease, Member, lambda x, m: ~granted(x) & ~revoked(x) & ~known(m, x) & ~gone(m, x))
    & forall(Lease, lambda x: ~owns_lock(x) & ~working(x) & (since_granted(x) == zero) & (remaining_ttl(x) == zero)),
)
lease.init(
    "keepalives",
    forall(Keepalive, lambda a: ~asked(a) & (since_ensured(a) == zero))
    & forall(Keepalive, lambda a: ~granted_when_ensured(a) & ~revoked_when_asked(a) & ~revoked_when_ensured(a))
    & forall(Keepalive, lambda a: ~checkpointed_meanwhile(a))
    & forall(Member, Term, Keepalive, lambda m, t, a: ~ensured(m, t, a) & ~renewed(m, t, a) & ~not_found(m, t, a)),
)

# ---- time, leaders


@lease.action
def time_passes(do: Action, p: Passage) -> None:
    """All clocks advance."""
    do.set(remaining, lambda m, x: remaining(m, x) - ticks(p, m))
    do.set(since_granted, lambda x: since_granted(x) + passes(p))
    do.set(since_ensured, lambda a: since_ensured(a) + passes(p))


@lease.action
def become_leader(do: Action, m: Member, t: Term) -> None:
    """A member is elected."""
    do.require(~started(t), "no_other_leader")
    do.require(forall(Term, lambda u: ~leader(m, u)), "not_leading")
    do.add(started, t)
    do.add(leader, m, t)
    do.add(elected, m, t)


@lease.action
def promote(do: Action, m: Member, t: Term) -> None:
    """The leader has applied what earlier ones have left: each lease gets its time to live, or its last checkpoint, and more."""
    do.require(leader(m, t), "is_leader")
    do.require(~primary(m, t), "not_primary")
    do.require(forall(Lease, Term, lambda x, u: ((u < t) & granted_in(x, u)) >> known(m, x)), "applied_grants")
    do.require(forall(Lease, Term, lambda x, u: ((u < t) & revoked_in(x, u)) >> gone(m, x)), "applied_revocations")
    do.add(primary, m, t)
    do.set(remaining, lambda k, x: ite(k == m, left(x) + extend, remaining(k, x)))


@lease.action
def demote(do: Action, m: Member, t: Term) -> None:
    """A leader hears of a newer term, or restarts."""
    do.remove(leader, m, t)
    do.remove(primary, m, t)


# ---- the log


def append(do: Action, m: Member, t: Term) -> None:
    """The leader adds an entry, and still leads."""
    do.require(leader(m, t), "is_leader")
    do.require(no_newer_leader(t), "no_newer_leader")


@lease.action
def grant(do: Action, m: Member, t: Term, x: Lease) -> None:
    """A client gets a lease."""
    append(do, m, t)
    do.require(~granted(x), "new_lease")
    do.add(granted, x)
    do.add(granted_in, x, t)
    do.assign(since_granted, (x,), zero)


def end(do: Action, t: Term, x: Lease) -> None:
    do.require(granted(x), "granted")
    do.require(~revoked(x), "not_revoked")
    do.add(revoked, x)
    do.add(revoked_in, x, t)


@lease.action
def revoke(do: Action, m: Member, t: Term, x: Lease) -> None:
    """A client gives up a lease."""
    append(do, m, t)
    end(do, t, x)


@lease.action
def propose_expired(do: Action, m: Member, t: Term, x: Lease) -> None:
    """The primary finds a lease expired, and proposes to revoke it."""
    do.require(primary(m, t), "is_primary")
    do.require(no_newer_leader(t), "leadership_is_ensured")
    do.require(has(m, x), "has_lease")
    do.require(remaining(m, x) <= zero, "expired")
    do.add(revoke_proposed, t, x)


@lease.action
def revoke_expired(do: Action, m: Member, t: Term, x: Lease) -> None:
    """The leader that has found it expired revokes the lease."""
    append(do, m, t)
    do.require(revoke_proposed(t, x), "proposed_in_own_term")
    end(do, t, x)
    do.add(expired_in, x, t)


@lease.action
def checkpoint(do: Action, m: Member, t: Term, x: Lease) -> None:
    """The primary has it put into the log how much remains."""
    do.require(primary(m, t), "is_primary")
    do.require(no_newer_leader(t), "no_newer_leader")
    do.require(has(m, x), "has_lease")
    do.require(zero < remaining(m, x), "not_expired")
    do.assign(remaining_ttl, (x,), remaining(m, x))

    def spoils(a: Keepalive) -> Formula:
        return (lease_of(a) == x) & ensured(m, t, a) & ~renewed(m, t, a)

    do.set(checkpointed_meanwhile, lambda a: checkpointed_meanwhile(a) | spoils(a))


@lease.action
def clear_checkpoint(do: Action, m: Member, t: Term, x: Lease) -> None:
    """The leader clears a checkpoint, as the lease is about to be renewed."""
    append(do, m, t)
    do.assign(remaining_ttl, (x,), zero)


@lease.action
def apply_grant(do: Action, m: Member, x: Lease) -> None:
    """A member applies a grant."""
    do.require(granted(x), "granted")
    do.require(~known(m, x), "once")
    do.add(known, m, x)
    do.assign(remaining, (m, x), ttl(x))


@lease.action
def apply_revoke(do: Action, m: Member, x: Lease) -> None:
    """A member applies a revocation."""
    do.require(revoked(x), "revoked")
    do.require(known(m, x), "in_order")
    do.add(gone, m, x)


@lease.action
def forget(do: Action, m: Member, x: Lease) -> None:
    """A member that restarts has to apply again what it had not stored."""
    do.require(forall(Term, lambda t: ~leader(m, t)), "not_leading")
    do.remove(known, m, x)
    do.remove(gone, m, x)


# ---- keepalives


@lease.action
def ask(do: Action, a: Keepalive) -> None:
    """A client wants to keep a lease alive."""
    do.require(~asked(a), "new_request")
    do.add(asked, a)
    do.set(revoked_when_asked, lambda b: revoked_when_asked(b) | ((b == a) & revoked(lease_of(a))))


@lease.action
def ensure_leadership(do: Action, m: Member, t: Term, a: Keepalive) -> None:
    """The primary makes sure that it still leads, and remembers what is committed."""
    do.require(asked(a), "asked")
    do.require(forall(Member, Term, lambda k, u: ~ensured(k, u, a)), "once")
    do.require(primary(m, t), "is_primary")
    do.require(no_newer_leader(t), "quorum_confirms")
    do.require(remaining_ttl(lease_of(a)) <= zero, "checkpoint_is_cleared")
    do.add(ensured, m, t, a)
    do.assign(since_ensured, (a,), zero)
    do.set(granted_when_ensured, lambda b: granted_when_ensured(b) | ((b == a) & granted(lease_of(a))))
    do.set(revoked_when_ensured, lambda b: revoked_when_ensured(b) | ((b == a) & revoked(lease_of(a))))


def answer(do: Action, m: Member, t: Term, a: Keepalive) -> None:
    """The primary has made sure that it leads, and has applied what was committed then."""
    do.require(ensured(m, t, a), "leadership_is_ensured")
    do.require(primary(m, t), "is_primary")
    do.require(granted_when_ensured(a) >> known(m, lease_of(a)), "applied_grants")
    do.require(revoked_when_ensured(a) >> gone(m, lease_of(a)), "applied_revocations")


@lease.action
def renew(do: Action, m: Member, t: Term, a: Keepalive) -> None:
    """The lease gets its whole time to live. One that is expired waits to be revoked, and is not renewed."""
    answer(do, m, t, a)
    do.require(has(m, lease_of(a)), "has_lease")
    do.require(zero < remaining(m, lease_of(a)), "not_expired")
    do.require(~checkpointed_meanwhile(a), "no_checkpoint_meanwhile")
    do.add(renewed, m, t, a)
    do.assign(remaining, (m, lease_of(a)), ttl(lease_of(a)))


@lease.action
def answer_not_found(do: Action, m: Member, t: Term, a: Keepalive) -> None:
    """There is no such lease."""
    answer(do, m, t, a)
    do.require(~has(m, lease_of(a)), "has_no_lease")
    do.add(not_found, m, t, a)


# ---- locks


@lease.action
def take_lock(do: Action, x: Lease) -> None:
    """A client takes the lock: its key is not there, as no lease lives that it was attached to."""
    do.require(granted(x) & ~revoked(x), "lives")
    do.require(forall(Lease, lambda y: owns_lock(y) >> revoked(y)), "is_free")
    do.add(owns_lock, x)
    do.add(working, x)


@lease.action
def stop_work(do: Action, x: Lease) -> None:
    """A client is done, or has noticed that its lease is gone."""
    do.remove(working, x)


# ---- invariants: leaders, the log


@lease.invariant
def one_leader(m: Member, k: Member, t: Term, u: Term) -> Formula:
    """A term has one leader, and a member leads one term at a time."""
    return ((elected(m, t) & elected(k, t)) >> (m == k)) & ((leader(m, t) & leader(m, u)) >> (t == u))


@lease.invariant
def leaders_were_elected(m: Member, t: Term) -> Formula:
    return (primary(m, t) >> leader(m, t)) & (leader(m, t) >> elected(m, t)) & (elected(m, t) >> started(t))


@lease.invariant
def entries_are_of_started_terms(x: Lease, t: Term) -> Formula:
    entries = (granted_in(x, t) >> (granted(x) & started(t))) & (revoked_in(x, t) >> (revoked(x) & started(t)))
    proposals = (expired_in(x, t) >> (revoke_proposed(t, x) & revoked_in(x, t))) & (revoke_proposed(t, x) >> started(t))
    return entries & proposals & (revoked(x) >> granted(x))


@lease.invariant
def members_follow_the_log(m: Member, x: Lease) -> Formula:
    return (known(m, x) >> granted(x)) & (gone(m, x) >> (known(m, x) & revoked(x)))


@lease.invariant
def time_advances(x: Lease, a: Keepalive) -> Formula:
    return (zero <= since_granted(x)) & (zero <= since_ensured(a))


# ---- invariants: expiry


@lease.invariant
def proposed_is_expired(m: Member, t: Term, x: Lease) -> Formula:
    """What a leader has proposed to revoke stays expired, by its clock."""
    return (revoke_proposed(t, x) & leader(m, t)) >> (primary(m, t) & known(m, x) & (remaining(m, x) <= zero))


@lease.invariant
def counted_since_granted(m: Member, t: Term, x: Lease) -> Formula:
    return (primary(m, t) & known(m, x)) >> kept_for(m, x, since_granted(x))


# ---- invariants: keepalives


@lease.invariant
def ensured_once(m: Member, t: Term, k: Member, u: Term, a: Keepalive) -> Formula:
    once = (ensured(m, t, a) & ensured(k, u, a)) >> ((m == k) & (t == u))
    return once & (ensured(m, t, a) >> (elected(m, t) & asked(a)))


@lease.invariant
def answered_was_ensured(m: Member, t: Term, a: Keepalive) -> Formula:
    return (renewed(m, t, a) | not_found(m, t, a)) >> ensured(m, t, a)


@lease.invariant
def revoked_meanwhile(a: Keepalive, m: Member, t: Term, u: Term) -> Formula:
    """What was revoked when the client asked, or in an earlier term than the answer's, was so when leadership was ensured."""
    before = revoked_when_asked(a) | (revoked_in(lease_of(a), u) & (u < t))
    known_then = ensured(m, t, a) >> (before >> revoked_when_ensured(a))
    return known_then & ((revoked_when_asked(a) | revoked_when_ensured(a)) >> revoked(lease_of(a)))


@lease.invariant
def later_leaders_count_since_ensured(m: Member, t: Term, a: Keepalive, k: Member, u: Term) -> Formula:
    later = ensured(m, t, a) & ~checkpointed_meanwhile(a) & primary(k, u) & (t < u) & known(k, lease_of(a))
    return later >> kept_for(k, lease_of(a), since_ensured(a))


@lease.invariant
def leader_counts_since_renewed(m: Member, t: Term, a: Keepalive) -> Formula:
    counts = (renewed(m, t, a) & primary(m, t)) >> kept_for(m, lease_of(a), since_ensured(a))
    return counts & (renewed(m, t, a) >> ~checkpointed_meanwhile(a))


@lease.invariant
def checkpoints_count_since_granted(x: Lease) -> Formula:
    return (granted(x) | (remaining_ttl(x) <= zero)) & (ttl(x) - left(x) <= clock_ratio * since_granted(x))


@lease.invariant
def checkpoints_count_since_ensured(m: Member, t: Term, a: Keepalive) -> Formula:
    counts = ensured(m, t, a) & ~checkpointed_meanwhile(a)
    return counts >> (ttl(lease_of(a)) - left(lease_of(a)) <= clock_ratio * since_ensured(a))


@lease.invariant
def outlived_in_later_terms(m: Member, t: Term, a: Keepalive, u: Term) -> Formula:
    later = ensured(m, t, a) & ~checkpointed_meanwhile(a) & expired_in(lease_of(a), u) & (t < u)
    return later >> outlived(lease_of(a), since_ensured(a))


# ---- what is promised


@lease.step(source="etcd#15247, etcd#12528", assumes=(CONSENSUS,))
def revoked_only_if_expired(x: Lease, t: Term, after: After) -> Formula:
    """A lease that no client gives up is revoked only when it is expired by the clock of the current leader."""
    revoked_now = ~expired_in(x, t) & after(expired_in(x, t))
    return revoked_now >> (no_newer_leader(t) & exists(Member, lambda m: leader(m, t) & (remaining(m, x) <= zero)))


@lease.invariant(source=LEASE_API, assumes=(CLOCKS, CONSENSUS))
def granted_lives_for_ttl(x: Lease, t: Term) -> Formula:
    """A lease that is revoked because it was expired has had its time to live since it was granted."""
    return expired_in(x, t) >> outlived(x, since_granted(x))


@lease.invariant(source="etcd#15247, etcd#12528, etcd#7029", assumes=(CLOCKS, CONSENSUS, READ_INDEX))
def keepalive_is_honest(m: Member, t: Term, a: Keepalive, u: Term) -> Formula:
    """Who is answered a time to live has it, counted from the moment at which the leader was confirmed."""
    return (renewed(m, t, a) & expired_in(lease_of(a), u)) >> outlived(lease_of(a), since_ensured(a))


@lease.invariant(source="etcd#7029", assumes=(CONSENSUS, READ_INDEX))
def no_renew_after_revoke(m: Member, t: Term, a: Keepalive) -> Formula:
    """A keepalive that is asked for after the lease was revoked is not answered a time to live."""
    return renewed(m, t, a) >> (~revoked_when_asked(a) & ~revoked_when_ensured(a))


@lease.invariant(source="etcd server/lease, ErrLeaseNotFound", assumes=(CONSENSUS, READ_INDEX))
def not_found_is_honest(m: Member, t: Term, a: Keepalive) -> Formula:
    """A lease that is not found was revoked, or not granted when the leader was confirmed."""
    return (not_found(m, t, a) & granted_when_ensured(a)) >> revoked(lease_of(a))


@lease.invariant(source="etcd server/etcdserver/api/v3lock")
def one_living_owner(x: Lease, y: Lease) -> Formula:
    """At most one lease that lives has the lock."""
    return (owns_lock(x) & owns_lock(y) & ~revoked(x) & ~revoked(y)) >> (x == y)


# ---- how members and leases are drawn


@lease.picture(Member)
def draw(view: View, m: object) -> str:
    """`primary of 1, l1 for 5, confirmed for k1`."""
    parts = [f"{'primary' if view.holds(primary, m, t) else 'leader'} of {t}" for t in view.those(leader, m)] or ["no leader"]
    parts += [f"{x} {'gone' if view.holds(gone, m, x) else f'for {view.value(remaining, m, x)}'}" for x in view.those(known, m)]
    return ", ".join([*parts, *(f"confirmed in {t} for {a}" for t, a in view.those(ensured, m))])


@lease.picture(Lease)
def draw_lease(view: View, x: object) -> str:
    """`ttl 5, granted 3 ago, revoked`."""
    parts = [
        f"ttl {view.value(ttl, x)}",
        *([f"granted {view.value(since_granted, x)} ago"] if view.holds(granted, x) else []),
        *([f"checkpoint {view.value(remaining_ttl, x)}"] if view.value(remaining_ttl, x) else []),
        *(["revoked"] if view.holds(revoked, x) else []),
        *(["has the lock"] if view.holds(owns_lock, x) else []),
        *(["its client works"] if view.holds(working, x) else []),
    ]
    return ", ".join(parts)


@lease.picture(Keepalive)
def draw_keepalive(view: View, a: object) -> str:
    """`of l1, confirmed 2 ago, answered`."""
    words = {renewed: "renewed", not_found: "not found"}
    answers = [word for symbol, word in words.items() if any(each == a for _, _, each in view.those(symbol))]
    return ", ".join([f"of {view.value(lease_of, a)}", f"confirmed {view.value(since_ensured, a)} ago", *answers])


# ---- what does happen

Calls = list[str | tuple[str, Mapping[str, int]]]

pair = {"member": 2, "term": 2, "lease": 2, "keepalive": 2, "passage": 2}
"""Two members, two terms."""


def leads(m: int, t: int) -> Calls:
    """Member m is elected in term t, and counts the leases."""
    return [("become_leader", {"m": m, "t": t}), ("promote", {"m": m})]


def grants(x: int, *members: int) -> Calls:
    """The lease is granted, and these members apply it."""
    return [("grant", {"x": x}), *(("apply_grant", {"m": m, "x": x}) for m in members)]


def keeps_alive(m: int, a: int) -> Calls:
    """Member m answers keepalive a."""
    return [("ask", {"a": a}), ("ensure_leadership", {"m": m, "a": a}), ("renew", {"m": m, "a": a})]


expires: Calls = ["time_passes", "propose_expired", "revoke_expired"]


lease.sometimes(
    "expiry",
    "A lease is kept alive, expires, and is revoked; then it is not found.",
    Script(
        (
            *[*leads(0, 0), *grants(0, 0), "time_passes", *keeps_alive(0, 0), *expires, ("apply_revoke", {"m": 0})],
            *[("ask", {"a": 1}), ("ensure_leadership", {"a": 1}), ("answer_not_found", {})],
        ),
        {**pair, "lease": 1},
    ),
    exists(Keepalive, lambda a: exists(Member, Term, lambda m, t: not_found(m, t, a))),
)
lease.sometimes(
    "failover_extends",
    "A new leader gives a lease its whole time to live, so that it lives longer than by the former leader's clock.",
    Script(
        (*[*leads(0, 0), *grants(0, 0, 1), "time_passes", *leads(1, 1), "time_passes", *keeps_alive(1, 0)],),
        {**pair, "lease": 1},
        forall(Passage, Member, lambda p, m: ticks(p, m) == passes(p)),
    ),
    exists(Member, Term, Lease, lambda m, t, x: primary(m, t) & (remaining(m, x) < zero)) & forall(Lease, lambda x: ~revoked(x)),
)
lease.sometimes(
    "checkpoint",
    "A new leader gives a lease what remained at the last checkpoint; a keepalive clears it first.",
    Script(
        (
            *[*leads(0, 0), *grants(0, 0, 1), "time_passes", "checkpoint", *leads(1, 1), "clear_checkpoint", *keeps_alive(1, 0)],
            *["time_passes", "checkpoint"],
        ),
        {**pair, "lease": 1},
        extend == zero,
    ),
    exists(Lease, lambda x: (zero < remaining_ttl(x)) & (remaining_ttl(x) < ttl(x))),
)
lease.sometimes(
    "late_answer",
    "A leader is confirmed, is deposed, and answers when the newer one has been promoted.",
    Script(
        (
            *[*leads(0, 0), *grants(0, 0, 1), ("ask", {"a": 0}), ("ensure_leadership", {"a": 0}), *leads(1, 1)],
            *[("time_passes", {}), ("renew", {"a": 0})],
        ),
        {**pair, "lease": 1},
    ),
    exists(Member, Term, Keepalive, Term, lambda m, t, a, u: renewed(m, t, a) & (t < u) & started(u)),
)
lease.sometimes(
    "two_at_work",
    "A client does not notice that its lease has expired and works on, while another has the lock.",
    Script((*leads(0, 0), *grants(0, 0), ("take_lock", {"x": 0}), *expires, *grants(1), ("take_lock", {"x": 1})), pair),
    exists(Lease, lambda x, y: (x != y) & working(x) & working(y)),
)

# ---- wrong protocols


def promote_without_refresh(do: Action, m: Member, t: Term) -> None:
    """The leader has counted since it applied the grants, as it was not told of renewals."""
    do.require(leader(m, t), "is_leader")
    do.require(~primary(m, t), "not_primary")
    do.add(primary, m, t)


deposed: Calls = [*leads(0, 0), *grants(0, 0, 1), *leads(1, 1)]
"""Member 1 leads the newer term, and member 0 does not know."""

lease.mutant(
    "etcd_15247",
    "A leader that was stuck proposes to revoke what is expired by its clock, and the newer leader does it.",
    breaks="keepalive_is_honest",
    without=["propose_expired.leadership_is_ensured", "revoke_expired.proposed_in_own_term"],
    script=Script(
        (*deposed, "time_passes", ("propose_expired", {"m": 0}), *keeps_alive(1, 0), ("revoke_expired", {"m": 1})),
        {**pair, "lease": 1, "keepalive": 1},
    ),
)
lease.mutant(
    "proposal_is_forwarded",
    "A leader makes sure that it leads, proposes, and is deposed: the newer one revokes a lease that it has just renewed.",
    breaks="keepalive_is_honest",
    without=["revoke_expired.proposed_in_own_term"],
    script=Script(
        (
            *[*leads(0, 0), *grants(0, 0, 1), "time_passes", ("propose_expired", {"m": 0}), *leads(1, 1), *keeps_alive(1, 0)],
            ("revoke_expired", {"m": 1}),
        ),
        {**pair, "lease": 1, "keepalive": 1},
    ),
)
lease.mutant(
    "revocation_by_a_former_leader",
    "A lease is revoked because it was expired at some leader, not at the current one.",
    breaks="revoked_only_if_expired",
    without=["revoke_expired.proposed_in_own_term"],
)
lease.mutant(
    "etcd_12528",
    "A leader answers keepalives without asking a quorum, while a newer one has let the lease expire, which it cannot know.",
    breaks="keepalive_is_honest",
    without=["ensure_leadership.quorum_confirms", "renew.applied_revocations"],
    script=Script(
        (*deposed, *expires, *keeps_alive(0, 0)),
        {**pair, "lease": 1, "keepalive": 1},
    ),
)
lease.mutant(
    "keepalive_at_a_former_leader",
    "A leader answers keepalives without asking a quorum, while a client has given up the lease at a newer one.",
    breaks="no_renew_after_revoke",
    without=["ensure_leadership.quorum_confirms", "renew.applied_revocations"],
    script=Script((*deposed, ("revoke", {"m": 1}), *keeps_alive(0, 0)), {**pair, "lease": 1, "keepalive": 1}),
)
lease.mutant(
    "etcd_7029",
    "An expired lease is renewed while its revocation is under way.",
    breaks="keepalive_is_honest",
    without=["renew.not_expired"],
    script=Script(
        (
            *[*leads(0, 0), *grants(0, 0), "time_passes", ("ask", {}), "ensure_leadership", "propose_expired", "revoke_expired"],
            "renew",
        ),
        {**pair, "lease": 1, "keepalive": 1},
    ),
)
lease.mutant(
    "fast_lease_keep_alive",
    "A leader that knows the lease does not wait until it has applied what is committed, and renews what was given up.",
    breaks="no_renew_after_revoke",
    without=["renew.applied_revocations"],
    script=Script((*leads(0, 0), *grants(0, 0), "revoke", *keeps_alive(0, 0)), {**pair, "lease": 1, "keepalive": 1}),
)
lease.mutant(
    "checkpoint_is_not_cleared",
    "A lease is renewed whose checkpoint stays: a new leader gives it only what remained before.",
    breaks="keepalive_is_honest",
    without=["ensure_leadership.checkpoint_is_cleared"],
    script=Script(
        (
            *[*leads(0, 0), *grants(0, 0, 1), "time_passes", "checkpoint", *keeps_alive(0, 0), *leads(1, 1), "time_passes"],
            *[("propose_expired", {"m": 1}), ("revoke_expired", {"m": 1})],
        ),
        {**pair, "lease": 1, "keepalive": 1},
    ),
)
lease.mutant(
    "promotion_without_refresh",
    "A new leader goes on from its own count, which no renewal has reached.",
    breaks="keepalive_is_honest",
    actions=[promote_without_refresh],
    script=Script(
        (
            *[*leads(0, 0), *grants(0, 0, 1), "time_passes", *keeps_alive(0, 0), ("become_leader", {"m": 1, "t": 1})],
            *[("promote_without_refresh", {"m": 1}), ("propose_expired", {"m": 1}), ("revoke_expired", {"m": 1})],
        ),
        {**pair, "lease": 1, "keepalive": 1},
    ),
)

# ---- guards that safety does not need

for guard, because in {
    "promote.applied_grants": "a lease whose grant is applied later gets its whole time to live then",
    "promote.applied_revocations": "answers wait for these, and a second revocation changes nothing",
    "grant.no_newer_leader": "who has applied the grant counts from then, whoever has proposed it",
    "revoke.not_revoked": "a second revocation changes nothing",
    "propose_expired.leadership_is_ensured": "proposed_in_own_term does what it is for; etcd has this one alone",
    "revoke_expired.granted": "what was proposed was known, so granted",
    "revoke_expired.not_revoked": "a second revocation changes nothing",
    "checkpoint.not_expired": "a checkpoint of nothing is none",
    "clear_checkpoint.is_leader": "without a checkpoint a lease lives longer, whoever has cleared it",
    "clear_checkpoint.no_newer_leader": "without a checkpoint a lease lives longer, whoever has cleared it",
    "renew.applied_grants": "has_lease implies it",
    "answer_not_found.is_primary": "who was confirmed may say that there was no such lease, whoever leads now",
    "answer_not_found.applied_revocations": "a lease that is not known yet may be gone, or not granted",
    "take_lock.lives": "a lease that does not live owns nothing, whatever it takes",
}.items():
    lease.needs_not(guard, because)
