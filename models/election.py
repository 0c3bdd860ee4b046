"""Leader election by a Lease, as client-go does it, with clocks of bounded rate; and fencing tokens.

For any number of candidates and writes, and any durations that satisfy `timing`. A candidate only ever subtracts readings of
its own clock: it measures how long it has seen the same version of the Lease, and how long it has tried to renew. Requests are
applied once, late, or never, and their answers may be lost.

A renewal counts for the leader from when it is applied, which it does not know. From then on its work goes on for at most
`response_delay` until the answer comes, `retry_period` until it tries again, `renew_deadline` until it gives up, and
`release_time` until its context ends, by its own clock. Another candidate waits for `lease_duration` by its own clock since it
has seen the renewal. So the lease must be longer than the sum, times the ratio of the clocks' rates.

Clocks are read in whole ticks: when a timer is due by its reading, the leader's clock may be ahead of that by `rounding`.

Of a process that is paused its timers may be overdue when it goes on: it promises nothing until Run is called again. Only fencing
tokens help then.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from kubeproof.models.logic import (
    ANY,
    Action,
    Element,
    Formula,
    Real,
    Relation,
    Specification,
    View,
    exists,
    forall,
    ite,
    number,
)
from kubeproof.models.logic.specification import Axiom, Script


class Candidate(Element):
    """A candidate, which may be leader."""


class Request(Element):
    """An update of the Lease that a candidate has sent: its contents never change."""


class Passage(Element):
    """An interval of time, in which each clock advances by so many ticks of its own."""


class Version(Element, ordered=True):
    """A resource version of the Lease."""


election = Specification(
    "election",
    "At most one candidate works as leader, if clocks and answers keep to their bounds.",
    (Candidate, Request, Passage, Version, Real),
    universes=(
        {"candidate": 2, "request": 1, "passage": 1, "version": 2},
        {"candidate": 2, "request": 2, "passage": 1, "version": 3},
        {"candidate": 2, "request": 2, "passage": 1, "version": 4},
    ),
)

CLIENT_GO = "client-go leaderelection.go"
CLOCKS = "no reading of a clock advances by more than clock_ratio times as much as another clock does"
ANSWERS = "a leader hears of a renewal within response_delay after it is applied"
TIMING = "lease_duration > clock_ratio * (response_delay + retry_period + renew_deadline + release_time + rounding)"
After = Callable[[Any], Any]
Duration = Callable[[Any], Any]
"""Of a candidate."""

# ---- how the election is set up

lease_duration = election.function(
    "lease_duration", Candidate, to=Real, rigid=True, says="how long others wait for it, by their clocks: its record says so"
)
renew_deadline = election.function("renew_deadline", Candidate, to=Real, rigid=True, says="how long it tries to renew")
retry_period = election.function("retry_period", Candidate, to=Real, rigid=True, says="how long it rests after a renewal")
release_time = election.function(
    "release_time", Candidate, to=Real, rigid=True, says="how long its work goes on when it has given up: 0, if that ends first"
)
response_delay = election.constant("response_delay", Real, "the longest way of an answer, by the leader's clock")
clock_ratio = election.constant("clock_ratio", Real, "the rate of the fastest clock by that of the slowest")
rounding = election.constant("rounding", Real, "how far a clock may be ahead of its reading, at most, when a timer is due")
elapsed = election.function("elapsed", Passage, Candidate, to=Real, rigid=True, says="how far a clock advances")
ticks = election.function("ticks", Passage, Candidate, to=Real, rigid=True, says="how far its reading does")

zero = number(0)


def longest_work(n: Candidate) -> Any:
    """From a renewal to the end of the work, by the leader's clock."""
    return response_delay + retry_period(n) + renew_deadline(n) + release_time(n) + rounding


election.axiom(
    "durations",
    (zero <= response_delay)
    & (zero <= rounding)
    & forall(Candidate, lambda n: (zero <= renew_deadline(n)) & (zero <= retry_period(n)) & (zero <= release_time(n))),
    "durations are not negative",
)
election.axiom(
    "clocks",
    (number(1) <= clock_ratio)
    & forall(
        Passage,
        Candidate,
        Candidate,
        lambda p, n, k: (zero <= ticks(p, n)) & (zero <= elapsed(p, n)) & (ticks(p, k) <= clock_ratio * elapsed(p, n)),
    ),
    f"assumption: {CLOCKS}",
)
election.axiom("timing", forall(Candidate, lambda n: clock_ratio * longest_work(n) < lease_duration(n)), f"assumption: {TIMING}")

election.examples[clock_ratio.symbol] = Fraction(2)

version_0 = election.constant("version_0", Version, "there is no Lease yet")
election.axiom("version_0_is_first", forall(Version, lambda v: version_0 <= v), "it names the least version")

# ---- the Lease, as the API server has it

lease_version = election.function("lease_version", to=Version, says="the resource version of the Lease now")
holder = election.relation("holder", Version, Candidate, says="the record of this version names the candidate")
empty = election.relation("empty", Version, says="the record of this version names nobody")

# ---- requests, answers

sender = election.function("sender", Request, to=Candidate, rigid=True)
over = election.function(
    "over", Request, to=Version, rigid=True, says="the version that is overwritten if it still is the Lease's"
)
empties = election.relation("empties", Request, rigid=True, says="the new record names nobody, else the sender")
sent = election.relation("sent", Request)
accepted = election.relation("accepted", Request, Version, says="the request has made this version")

# ---- a candidate

observed_version = election.function("observed_version", Candidate, to=Version, says="the last version that it has seen")
observed_age = election.function("observed_age", Candidate, to=Real, says="since it has seen that version first")
expired = election.relation("expired", Candidate, says="it has seen that version for the lease duration in its record")
awaited = election.relation("awaited", Candidate, Request, says="the request whose answer it takes")
renew_wait = election.relation("renew_wait", Candidate, says="it leads, and rests after a renewal")
renew = election.relation("renew", Candidate, says="it leads, and tries to renew")
release = election.relation("release", Candidate, says="it has given up, but its work goes on")
timer = election.function("timer", Candidate, to=Real, says="since it rests, tries, or has given up")
lag = election.function("lag", Candidate, to=Real, says="how far its clock is ahead of its reading")
working = election.relation("working", Candidate, says="the guarded work has not returned, be it that its context has ended")
was_paused = election.relation("was_paused", Candidate, says="its process was paused since Run was called: timers may be overdue")
fencing_token = election.function("fencing_token", Candidate, to=Version, says="the version by which it took the Lease")

# ---- the resource that the leader works on

write_sent = election.relation("write_sent", Version, says="a write with this token")
highest_token = election.function("highest_token", to=Version, says="the highest token of a write that was taken")

# ---- history

since_write = election.function("since_write", Candidate, to=Real, ghost=True, says="since its last write was applied")
emptied = election.relation("emptied", Version, Candidate, ghost=True, says="who has emptied the record of this version")
write_of = election.relation("write_of", Candidate, Version, ghost=True, says="the candidate has sent a write with this token")
wrote = election.relation("wrote", Candidate, Version, ghost=True, says="a write of the candidate with this token was taken")


def guarded(n: Candidate) -> Formula:
    """The candidate acts as leader: its work has been started, and the context of the work has not ended."""
    return renew_wait(n) | renew(n) | release(n)


def free(v: Version) -> Formula:
    """There is no Lease yet, or its record names nobody."""
    return (v == version_0) | empty(v)


def stored(v: Version) -> Formula:
    """The Lease has this version, or had it."""
    return free(v) | exists(Candidate, lambda n: holder(v, n))


# ---- initially

election.init(
    "lease",
    (lease_version() == version_0)
    & forall(Version, Candidate, lambda v, n: ~holder(v, n) & ~empty(v))
    & forall(Request, Version, lambda r, v: ~sent(r) & ~accepted(r, v)),
)
election.init("resource", (highest_token() == version_0) & forall(Version, lambda v: ~write_sent(v)))
election.init(
    "candidates",
    forall(
        Candidate,
        lambda n: (
            ~guarded(n)
            & ~working(n)
            & ~was_paused(n)
            & ~expired(n)
            & forall(Request, lambda r: ~awaited(n, r))
            & (observed_version(n) == version_0)
            & (observed_age(n) == zero)
            & (timer(n) == zero)
            & (lag(n) == zero)
        ),
    ),
)
election.init(
    "history",
    forall(Version, Candidate, lambda v, n: (since_write(n) == zero) & ~emptied(v, n) & ~write_of(n, v) & ~wrote(n, v)),
)

# ---- time


def greatest(a: Any, b: Any) -> Any:
    return ite(a <= b, b, a)


@election.action
def time_passes(do: Action, p: Passage) -> None:
    """All clocks advance, but not beyond a timer of a leader that is not paused: it would have acted before."""

    def in_time(phase: Relation, bound: Duration) -> Formula:
        def lasts(n: Candidate) -> Formula:
            by_clock = timer(n) + lag(n) + elapsed(p, n) <= bound(n) + rounding
            return (timer(n) + ticks(p, n) <= bound(n)) & by_clock

        return forall(Candidate, lambda n: (phase(n) & ~was_paused(n)) >> lasts(n))

    def expires(n: Candidate) -> Formula:
        age = observed_age(n) + ticks(p, n)
        return exists(Candidate, lambda k: holder(observed_version(n), k) & (lease_duration(k) <= age))

    do.require(in_time(renew_wait, retry_period), "rests_in_time")
    do.require(in_time(renew, renew_deadline), "gives_up_in_time")
    do.require(in_time(release, release_time), "ends_in_time")
    do.set(since_write, lambda n: since_write(n) + elapsed(p, n))
    do.set(lag, lambda n: greatest(lag(n) + elapsed(p, n) - ticks(p, n), zero))
    do.set(timer, lambda n: timer(n) + ticks(p, n))
    do.set(observed_age, lambda n: observed_age(n) + ticks(p, n))
    do.set(expired, lambda n: expired(n) | expires(n))


def start_timer(do: Action, n: Candidate, bound: Duration) -> None:
    """A timer that is due when `bound` has passed by the candidate's reading."""
    do.require(lag(n) <= bound(n) + rounding, "clock_is_read")
    do.assign(timer, (n,), zero)


@election.action
def process_pause(do: Action, n: Candidate) -> None:
    """A process is paused (SIGSTOP): nothing ends in time, and when it goes on it does not know."""
    do.add(was_paused, n)


# ---- Run is called


def observe(do: Action, n: Candidate, v: Version) -> None:
    do.assign(observed_version, (n,), v)
    do.assign(observed_age, (n,), zero)
    do.remove(expired, n)


@election.action
def elector_start(do: Action, n: Candidate) -> None:
    """A candidate knows nothing of the Lease, be it that it has led before."""
    do.require(~guarded(n), "not_leading")
    observe(do, n, version_0)
    do.assign(lag, (n,), zero)
    do.remove(awaited, n, ANY)
    do.remove(was_paused, n)


# ---- requests


@election.action
def lease_get(do: Action, n: Candidate, v: Version) -> None:
    """A candidate reads the Lease, maybe a former version: the answer comes late, or from a cache."""
    do.require(stored(v), "stored")
    observe(do, n, v)


def send(do: Action, n: Candidate, r: Request) -> None:
    do.require(~sent(r), "new_request")
    do.require(sender(r) == n, "own_request")
    do.add(sent, r)
    do.set(awaited, lambda k, s: ite(k == n, (s == r) & ~empties(r), awaited(k, s)))


@election.action
def elector_try(do: Action, n: Candidate, r: Request) -> None:
    """A candidate asks for the Lease, which it holds, or nobody does, or whose holder has not renewed it for too long."""
    send(do, n, r)
    do.require(~empties(r), "names_itself")
    do.require(over(r) == observed_version(n), "observed_version")
    do.require(free(over(r)) | holder(over(r), n) | expired(n), "free_or_own_or_expired")


@election.action
def lease_update(do: Action, r: Request, w: Version) -> None:
    """The API server applies an update, if nobody else has written meanwhile."""
    do.require(sent(r), "sent")
    do.require(~empties(r), "names_sender")
    do.require(over(r) == lease_version(), "resource_version")
    do.require(lease_version() < w, "newer_version")
    do.set(lease_version, lambda: w)
    do.add(holder, w, sender(r))
    do.add(accepted, r, w)
    do.assign(since_write, (sender(r),), zero)


def answer(do: Action, n: Candidate, r: Request, w: Version, bound: Duration) -> None:
    do.require(accepted(r, w), "accepted")
    do.require(awaited(n, r), "awaited")
    do.require(was_paused(n) | (since_write(n) <= response_delay + lag(n)), "answered_in_time")
    do.remove(awaited, n, r)
    observe(do, n, w)
    start_timer(do, n, bound)


@election.action
def elector_acquired(do: Action, n: Candidate, r: Request, w: Version) -> None:
    """A candidate has the Lease: its work starts, and the first renewal begins at once."""
    do.require(~guarded(n), "not_leading")
    answer(do, n, r, w, renew_deadline)
    do.add(renew, n)
    do.add(working, n)
    do.assign(fencing_token, (n,), w)


def renewed(do: Action, n: Candidate, r: Request, w: Version) -> None:
    do.require(renew(n), "renews")
    answer(do, n, r, w, retry_period)
    do.remove(renew, n)
    do.add(renew_wait, n)


@election.action
def elector_renewed(do: Action, n: Candidate, r: Request, w: Version) -> None:
    """A leader has renewed, and rests."""
    renewed(do, n, r, w)


@election.action
def elector_retaken(do: Action, n: Candidate, r: Request, w: Version) -> None:
    """A leader that was paused has the Lease again, which another has given back meanwhile: its token is a new one."""
    renewed(do, n, r, w)
    do.assign(fencing_token, (n,), w)


@election.action
def elector_retry(do: Action, n: Candidate) -> None:
    """A leader has rested: its deadline begins."""
    do.require(renew_wait(n), "rests")
    do.remove(renew_wait, n)
    do.add(renew, n)
    start_timer(do, n, renew_deadline)


# ---- the end of a leadership


@election.action
def elector_lose(do: Action, n: Candidate) -> None:
    """A leader gives up, at its deadline or before. Its work goes on for at most `release_time`."""
    do.require(renew(n), "renews")
    do.remove(renew, n)
    do.add(release, n)
    start_timer(do, n, release_time)


@election.action
def elector_stop(do: Action, n: Candidate) -> None:
    """The context of the guarded work ends, and nothing is awaited any more."""
    do.require(guarded(n), "leads")
    for phase in (renew_wait, renew, release):
        do.remove(phase, n)
    do.remove(awaited, n, ANY)


@election.action
def elector_release(do: Action, n: Candidate, r: Request) -> None:
    """Who does not lead any more gives the Lease back, when its work has returned."""
    send(do, n, r)
    do.require(empties(r), "names_nobody")
    do.require(~guarded(n), "context_has_ended")
    do.require(~working(n), "work_has_returned")
    do.require(stored(over(r)), "read_version")
    do.require(holder(over(r), n), "own_record")


@election.action
def lease_release(do: Action, r: Request, w: Version) -> None:
    """The API server applies a release, if nobody has written meanwhile."""
    do.require(sent(r), "sent")
    do.require(empties(r), "names_nobody")
    do.require(over(r) == lease_version(), "resource_version")
    do.require(lease_version() < w, "newer_version")
    do.set(lease_version, lambda: w)
    do.add(empty, w)
    do.add(accepted, r, w)
    do.add(emptied, over(r), sender(r))


# ---- the guarded work


@election.action
def work_write(do: Action, n: Candidate) -> None:
    """The guarded work writes with its fencing token. It may do so long after its context has ended."""
    do.require(working(n), "works")
    do.add(write_sent, fencing_token(n))
    do.add(write_of, n, fencing_token(n))


@election.action
def resource_write(do: Action, v: Version) -> None:
    """The resource takes a write, unless it has taken one with a newer token."""
    do.require(write_sent(v), "sent")
    do.require(highest_token() <= v, "token_is_not_older")
    do.set(highest_token, lambda: v)
    do.set(wrote, lambda n, x: wrote(n, x) | ((x == v) & write_of(n, v)))


@election.action
def elector_work_returned(do: Action, n: Candidate) -> None:
    """The guarded work returns."""
    do.require(~guarded(n), "context_has_ended")
    do.remove(working, n)


# ---- invariants: versions


@election.invariant
def one_holder_of_version(v: Version, n: Candidate, k: Candidate) -> Formula:
    return ((holder(v, n) & holder(v, k)) >> (n == k)) & ~(holder(v, n) & free(v))


@election.invariant
def versions_are_past(n: Candidate, r: Request, v: Version) -> Formula:
    """Whatever is known of a version, the Lease has or had it."""
    known = (holder(v, n) | empty(v) | accepted(r, v)) >> (v <= lease_version())
    return known & (sent(r) >> (over(r) <= lease_version())) & (observed_version(n) <= lease_version())


@election.invariant
def accepted_was_sent(r: Request, w: Version) -> Formula:
    return accepted(r, w) >> (sent(r) & (empties(r) | holder(w, sender(r))))


@election.invariant
def accepted_once(r: Request, w: Version, x: Version) -> Formula:
    return accepted(r, w) >> ((over(r) < w) & (accepted(r, x) >> (w == x)))


@election.invariant
def awaits_own(n: Candidate, r: Request) -> Formula:
    return awaited(n, r) >> (sent(r) & (sender(r) == n) & ~empties(r))


@election.invariant
def awaits_latest(n: Candidate, r: Request, s: Request, w: Version) -> Formula:
    """What a candidate has sent before the request that it awaits comes too late once that is applied."""
    earlier = sent(s) & (sender(s) == n) & (s != r)
    return (awaited(n, r) & accepted(r, w) & earlier) >> (over(s) < w)


@election.invariant
def release_over_own(r: Request) -> Formula:
    return (sent(r) & empties(r)) >> holder(over(r), sender(r))


@election.invariant
def one_phase(n: Candidate) -> Formula:
    return ~(renew_wait(n) & renew(n)) & ~(renew(n) & release(n)) & ~(release(n) & renew_wait(n))


# ---- invariants: time


@election.invariant
def clocks_advance(n: Candidate) -> Formula:
    return (zero <= since_write(n)) & (zero <= observed_age(n)) & (zero <= timer(n)) & (zero <= lag(n))


@election.invariant
def observed_after_write(n: Candidate, k: Candidate) -> Formula:
    """Who has seen the record that the Lease has now has seen it since its holder wrote it, at the latest."""
    seen = (observed_version(k) == lease_version()) & holder(lease_version(), n) & (k != n)
    waited = expired(k) >> (lease_duration(n) <= clock_ratio * since_write(n))
    return seen >> ((observed_age(k) <= clock_ratio * since_write(n)) & waited)


@election.invariant
def asked_after_expiry(n: Candidate, r: Request) -> Formula:
    """Who has asked for the Lease that another holds has done so after it was expired."""
    asked = sent(r) & ~empties(r) & (over(r) == lease_version()) & holder(lease_version(), n) & (sender(r) != n)
    return asked >> (lease_duration(n) <= clock_ratio * since_write(n))


@election.invariant
def awaited_is_current_or_expired(n: Candidate, r: Request, w: Version) -> Formula:
    """A candidate whose request was applied has the Lease until another finds it expired."""
    applied = awaited(n, r) & accepted(r, w)
    return applied >> ((lease_version() == w) | (lease_duration(n) <= clock_ratio * since_write(n)))


@election.invariant
def work_is_bounded(n: Candidate) -> Formula:
    def lasts(phase: Relation, before: Any, bound: Any) -> Formula:
        """The phase is over in time, and began at most so long after the last write was applied."""
        in_time = (timer(n) <= bound) & (timer(n) + lag(n) <= bound + rounding)
        return phase(n) >> (in_time & (since_write(n) <= before + timer(n) + lag(n)))

    rests = lasts(renew_wait, response_delay, retry_period(n))
    tries = lasts(renew, response_delay + retry_period(n), renew_deadline(n))
    ends = lasts(release, response_delay + retry_period(n) + renew_deadline(n), release_time(n))
    return was_paused(n) | (rests & tries & ends)


# ---- what is promised


@election.invariant(source=CLIENT_GO, assumes=(TIMING, CLOCKS, ANSWERS))
def guarded_leader_holds(n: Candidate) -> Formula:
    """A candidate that acts as leader is the holder of the Lease, unless it was paused."""
    return (guarded(n) & ~was_paused(n)) >> holder(lease_version(), n)


@election.invariant(source="client-go#728, KEP-5366")
def who_works_has_not_released(n: Candidate, r: Request) -> Formula:
    """No release of a candidate whose guarded work runs can be applied."""
    return (working(n) & sent(r) & empties(r) & (sender(r) == n)) >> (over(r) < lease_version())


@election.invariant(source="the purpose of client-go leaderelection.go", assumes=(TIMING, CLOCKS, ANSWERS))
def one_guarded_leader(n: Candidate, k: Candidate) -> Formula:
    """At most one candidate acts as leader, of those that were not paused."""
    lead = guarded(n) & guarded(k) & ~was_paused(n) & ~was_paused(k)
    return lead >> (n == k)


@election.invariant(source="client-go leaderelection.go, release")
def release_only_own(v: Version, n: Candidate) -> Formula:
    """Who empties the record was its holder."""
    return emptied(v, n) >> holder(v, n)


@election.invariant
def works_with_token(n: Candidate) -> Formula:
    return (guarded(n) >> working(n)) & (working(n) >> holder(fencing_token(n), n))


@election.invariant
def writes_are_of_holders(n: Candidate, v: Version) -> Formula:
    return write_of(n, v) >> holder(v, n)


@election.invariant(source="Kleppmann, How to do distributed locking, 2016")
def token_of_one_leader(v: Version, n: Candidate, k: Candidate) -> Formula:
    """Writes with the same fencing token are of the same candidate."""
    return (wrote(n, v) >> holder(v, n)) & ((wrote(n, v) & wrote(k, v)) >> (n == k))


@election.invariant
def highest_is_highest(n: Candidate, v: Version) -> Formula:
    return wrote(n, v) >> (v <= highest_token())


@election.step(source="Kleppmann, How to do distributed locking, 2016")
def no_write_of_a_former_leader(n: Candidate, k: Candidate, v: Version, x: Version, after: After) -> Formula:
    """No write of a former leader is taken after one of a later leader."""
    taken = ~wrote(n, v) & after(wrote(n, v))
    return (wrote(k, x) & taken) >> (x <= v)


@election.picture(Candidate)
def draw(view: View, n: object) -> str:
    """`renews for 3, last write 5 ago, has seen version 1 for 2`."""
    phases = {renew_wait: "rests", renew: "renews", release: "gives up"}
    leads = [f"{word} for {view.value(timer, n)}" for phase, word in phases.items() if view.holds(phase, n)]
    held = [str(v) for v, k in view.those(holder) if k == n]
    parts = [
        *(leads or ["does not lead"]),
        f"last write {view.value(since_write, n)} ago",
        f"has seen version {view.value(observed_version, n)} for {view.value(observed_age, n)}",
        *([f"wrote versions {' '.join(held)}"] if held else []),
        *([f"works with token {view.value(fencing_token, n)}"] if view.holds(working, n) else []),
    ]
    return ", ".join(parts)


@election.picture(Version)
def draw_version(view: View, v: object) -> str:
    """The version that the Lease has."""
    return "is the Lease's" if view.value(lease_version) == v else ""


# ---- what does happen

pair = {"candidate": 2, "request": 3, "passage": 2, "version": 4}
"""Two candidates, enough for a takeover."""


def takes(n: int, r: int) -> list[Any]:
    """Candidate n asks for the Lease by request r, gets it, and hears of it."""
    return [("elector_try", {"n": n, "r": r}), ("lease_update", {"r": r}), ("elector_acquired", {"n": n, "r": r})]


def looks(n: int) -> Any:
    """Candidate n reads the Lease as it is."""
    return ("lease_get", {"n": n})


two_lead = exists(Candidate, lambda n, k: (n != k) & guarded(n) & guarded(k))
equal_clocks = (clock_ratio == number(1)) & forall(Passage, Candidate, Candidate, lambda p, n, k: ticks(p, n) == ticks(p, k))

election.sometimes(
    "failover",
    "A leader stops without a release, and another takes over when the lease has expired.",
    Script((*takes(0, 0), looks(1), ("elector_stop", {"n": 0}), "time_passes", *takes(1, 1)), pair),
    exists(Candidate, lambda n, k: (n != k) & guarded(n) & holder(lease_version(), n) & working(k)),
)
election.sometimes(
    "renewal",
    "A leader renews twice.",
    Script(
        (
            *takes(0, 0),
            *[("elector_try", {"n": 0, "r": 1}), ("lease_update", {"r": 1}), ("elector_renewed", {"n": 0})],
            *["time_passes", "elector_retry"],
            *[("elector_try", {"n": 0, "r": 2}), ("lease_update", {"r": 2}), ("elector_renewed", {"n": 0})],
        ),
        pair,
    ),
    exists(Candidate, Passage, lambda n, p: renew_wait(n) & (zero < ticks(p, n))),
)
election.sometimes(
    "handover",
    "A leader gives the Lease back when its work has returned, another takes it at once and writes, and the first runs again.",
    Script(
        (
            *takes(0, 0),
            *["work_write", "resource_write"],
            *[("elector_stop", {"n": 0}), ("elector_work_returned", {"n": 0})],
            *[("elector_release", {"n": 0, "r": 1}), ("lease_release", {"r": 1})],
            *[looks(1), *takes(1, 2), ("work_write", {"n": 1})],
            "resource_write",
            *[("elector_start", {"n": 0}), looks(0)],
        ),
        pair,
    ),
    exists(
        Candidate,
        lambda n, k: guarded(n) & (highest_token() == fencing_token(n)) & ~working(k) & holder(observed_version(k), n),
    ),
)

# ---- wrong protocols

stays_then_taken = Script(
    (
        *takes(0, 0),
        *[("elector_try", {"n": 0, "r": 1}), ("lease_update", {"r": 1}), looks(1), "time_passes", ("elector_renewed", {"n": 0})],
        *["time_passes", "elector_retry", "time_passes", "elector_lose", "time_passes"],
        *takes(1, 2),
    ),
    {"candidate": 2, "request": 3, "passage": 4, "version": 4},
    equal_clocks,
)
"""The answer to the last renewal takes its time, the leader rests, tries, gives up and works on; then the lease expires."""


def timing(because: str, condition: Callable[[Candidate], Formula]) -> Axiom:
    """Another condition in place of `timing`."""
    return Axiom("timing", forall(Candidate, condition), because)


election.mutant(
    "lease_as_long_as_the_work",
    "The lease is exactly as long as the work may go on: just too short.",
    breaks="one_guarded_leader",
    axioms=[timing("the bound itself is not enough", lambda n: lease_duration(n) == clock_ratio * longest_work(n))],
    script=stays_then_taken,
)
election.mutant(
    "validation_of_client_go",
    "Only what NewLeaderElector checks: 5 > 4.9 > 1.2 * 4.",
    breaks="one_guarded_leader",
    axioms=[
        timing(
            "client-go accepts it",
            lambda n: (
                (lease_duration(n) == number(5))
                & (renew_deadline(n) == number("4.9"))
                & (retry_period(n) == number(4))
                & (release_time(n) == zero)
                & (response_delay == zero)
            ),
        )
    ],
    script=stays_then_taken,
)
election.mutant(
    "default_timing_with_slow_answers",
    "The control plane's 15, 10 and 2 seconds, and an answer that takes the clients' timeout of 5: 17 seconds of work.",
    breaks="one_guarded_leader",
    axioms=[
        timing(
            "the defaults of kube-controller-manager",
            lambda n: (
                (lease_duration(n) == number(15))
                & (renew_deadline(n) == number(10))
                & (retry_period(n) == number(2))
                & (release_time(n) == zero)
                & (response_delay == number(5))
            ),
        )
    ],
    script=stays_then_taken,
)
election.mutant(
    "release_before_cancel",
    "A leader gives the Lease back while the context of its work has not ended.",
    breaks="one_guarded_leader",
    without=["elector_release.context_has_ended", "elector_release.work_has_returned"],
    script=Script(
        (*takes(0, 0), ("elector_release", {"n": 0, "r": 1}), ("lease_release", {"r": 1}), looks(1), *takes(1, 2)),
        pair,
        equal_clocks,
    ),
)
election.mutant(
    "stale_release",
    "A release overwrites the record as it is now, without a look at whom it names.",
    breaks="release_only_own",
    without=["elector_release.own_record"],
    script=Script(
        (
            *[
                *takes(0, 0),
                looks(1),
                ("elector_stop", {"n": 0}),
                ("elector_work_returned", {"n": 0}),
                "time_passes",
                *takes(1, 1),
            ],
            *[("elector_release", {"n": 0, "r": 2}), ("lease_release", {"r": 2})],
        ),
        pair,
        equal_clocks,
    ),
)
election.mutant(
    "update_without_resource_version",
    "The API server applies updates without a look at the version that they overwrite.",
    breaks="one_guarded_leader",
    without=["lease_update.resource_version"],
    script=Script(
        (
            *[("elector_try", {"n": 0, "r": 0}), ("elector_try", {"n": 1, "r": 1})],
            *[("lease_update", {"r": 0}), ("elector_acquired", {"n": 0})],
            *[("lease_update", {"r": 1}), ("elector_acquired", {"n": 1})],
        ),
        pair,
        equal_clocks,
    ),
)
election.mutant(
    "no_fencing",
    "The resource takes every write: a former leader overwrites what a later one has written.",
    breaks="no_write_of_a_former_leader",
    without=["resource_write.token_is_not_older"],
)

# ---- guards that safety does not need

for guard, because in {
    "lease_update.names_sender": "tells updates from releases; a release that was applied as a renewal would do no harm",
    "elector_renewed.awaited": "a leader may rest after any answer that is in time, as its bound counts from the last write",
    "elector_stop.leads": "who does not lead has nothing to end",
    "elector_release.new_request": "a request is sent once; sent again, it would come too late",
    "elector_release.context_has_ended": "work_has_returned implies it; it is the order of the two that client-go has wrong",
    "elector_release.names_nobody": "tells releases from updates; the holder may also renew",
    "resource_write.sent": "a write is taken because it was sent; one of nobody would do no harm",
    "elector_release.read_version": "own_record implies it; without that guard it still says what a release overwrites",
}.items():
    election.needs_not(guard, because)
