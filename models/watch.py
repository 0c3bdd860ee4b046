"""Watches of an etcd cluster: each client gets all changes that it wants, once and in order, whatever becomes of its streams.

After etcd's watchable store (server/storage/mvcc) and API guarantees. For any number of members, watchers, keys and revisions.
What each revision has changed never changes itself (`committed_changes_stay` of mvcc.py); members apply the revisions one after
the other, each at its own pace, or skip some by a snapshot of another member.

A watcher is what a client wants to see from some revision on, over all of its streams. It is `synced` and is told of a revision
when its member applies it, or `unsynced` and reads what is behind from the history, or a `victim` whose last response did not
fit into the channel. Its stream is a queue: what was sent arrives in that order, or the stream ends and the rest is lost. Then
the client opens another one, at any member, from the revision after the last that it has received or was told of.

The channel of a stream may be full at any moment (`full`), and a response is for one watcher: streams that several share differ
in nothing that is promised. Fragments of a response, which the client puts together, are left out; so are previous values,
which are reads at a past revision (mvcc.py). A client that was told that its revision is compacted has to list anew: that is
another watcher. Nothing says that what is sent arrives some day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubeproof.models.logic import ANY, TRUE, Action, Element, Formula, Relation, Specification, View, exists, forall, iff, ite
from kubeproof.models.logic.specification import Script
from kubeproof.models.mvcc import GUARANTEES, Key, Revision, next_to


class Member(Element):
    """A member with its store."""


class Watcher(Element):
    """A client's watch."""


class Place(Element, ordered=True):
    """The place of a response in all that is sent to a watcher, over all of its streams."""


watch = Specification(
    "watch",
    "Watches are ordered, unique, reliable, atomic, resumable and bookmarkable.",
    (Member, Watcher, Key, Revision, Place),
    universes=(
        {"member": 1, "watcher": 1, "key": 1, "revision": 3, "place": 2},
        {"member": 2, "watcher": 1, "key": 2, "revision": 4, "place": 4},
    ),
)

HISTORY = "what a revision has changed never changes (committed_changes_stay of mvcc.py)"
KEPT = "compaction removes only what is older than the compact revision (compaction_keeps_watch_history of mvcc.py)"
FIFO = "a stream delivers what was sent in that order, up to its end"
After = Callable[[Any], Any]

# ---- what never changes

revision_0 = watch.constant("revision_0", Revision, "of the empty store")
place_0 = watch.constant("place_0", Place, "before all responses")
event = watch.relation("event", Revision, Key, rigid=True, says="the revision changes the key")
passes = watch.relation(
    "passes", Watcher, Revision, Key, rigid=True, says="the change is in the watcher's range, and passes its filters"
)
start_revision = watch.function("start_revision", Watcher, to=Revision, rigid=True, says="the first that the client wants")

watch.axiom("revision_0_is_first", forall(Revision, lambda r: revision_0 <= r), "it names the least revision")
watch.axiom("place_0_is_first", forall(Place, lambda i: place_0 <= i), "it names the least place")

# ---- members

current_revision = watch.function("current_revision", Member, to=Revision)
compact_revision = watch.function("compact_revision", Member, to=Revision, says="a watch from before it is canceled")
removed = watch.relation("removed", Member, Revision, Key, says="the member has no record of the change any more")

# ---- watchers, as their members have them

served_by = watch.function("served_by", Watcher, to=Member, says="the member at the other end of the stream")
synced = watch.relation("synced", Watcher, says="it is told of each revision when that is applied")
unsynced = watch.relation("unsynced", Watcher, says="it is behind")
victim = watch.relation("victim", Watcher, says="its last response waits until the channel has room")
canceled = watch.relation("canceled", Watcher, says="it was told that its revision is compacted")
min_revision = watch.function("min_revision", Watcher, to=Revision, says="what was before it was sent, or waits to be")
pending = watch.relation("pending", Watcher, Revision, Key, says="the response of a victim")

# ---- streams

full = watch.relation("full", Watcher, says="the channel has no room")
on_stream = watch.relation("on_stream", Watcher, Place, says="a response is under way")
carries = watch.relation("carries", Watcher, Place, Revision, Key, says="... that carries this event")
progress_at = watch.relation("progress_at", Watcher, Place, Revision, says="... that is a progress notification of this revision")
last_place = watch.function("last_place", Watcher, to=Place, says="of the last response that was sent to it")

# ---- clients

next_revision = watch.function("next_revision", Watcher, to=Revision, says="where the client resumes")

# ---- history

received = watch.relation("received", Watcher, Place, ghost=True, says="the client has received the response")
got = watch.relation("got", Watcher, Revision, Key, ghost=True, says="the client has received the event")
told_progress = watch.relation(
    "told_progress", Watcher, Revision, ghost=True, says="the client has received a progress notification"
)

# ---- definitions


def wanted(w: Watcher, r: Any, k: Key) -> Formula:
    """It happens, and the watcher wants to see it."""
    return event(r, k) & passes(w, r, k)


def is_open(w: Watcher) -> Formula:
    """A member knows the watcher, or has told it that it is canceled."""
    return synced(w) | unsynced(w) | victim(w) | canceled(w)


def here(w: Watcher) -> Any:
    """The revision of the watcher's member."""
    return current_revision(served_by(w))


def first_on_stream(w: Watcher, i: Place) -> Formula:
    return on_stream(w, i) & forall(Place, lambda j: on_stream(w, j) >> (i <= j))


# ---- initially

watch.init(
    "members",
    forall(Member, lambda m: (current_revision(m) == revision_0) & (compact_revision(m) == revision_0))
    & forall(Member, Revision, Key, lambda m, r, k: ~removed(m, r, k)),
)
watch.init(
    "watchers",
    forall(Watcher, lambda w: ~is_open(w) & ~full(w) & (next_revision(w) == start_revision(w)))
    & forall(Watcher, Revision, Key, lambda w, r, k: ~pending(w, r, k) & ~got(w, r, k) & ~told_progress(w, r)),
)
watch.init(
    "streams",
    forall(Watcher, Place, lambda w, i: (last_place(w) == place_0) & ~on_stream(w, i) & ~received(w, i))
    & forall(Watcher, Place, Revision, Key, lambda w, i, r, k: ~carries(w, i, r, k) & ~progress_at(w, i, r)),
)

# ---- members


def send(do: Action, to: Callable[[Any], Formula], i: Place) -> None:
    """Responses come behind all that was sent to these watchers."""
    do.require(forall(Watcher, lambda y: to(y) >> (last_place(y) < i)), "new_place")
    do.set(last_place, lambda y: ite(to(y), i, last_place(y)))


@watch.action
def apply(do: Action, m: Member, r: Revision, n: Revision, i: Place) -> None:
    """A member applies a revision, and tells its synced watchers of it; who has no room becomes a victim."""
    do.require(next_to(current_revision(m), r), "next_revision")
    do.require(next_to(r, n), "behind_revision")
    send(do, lambda w: synced(w) & (served_by(w) == m), i)

    def notified(w: Watcher) -> Formula:
        here_and_in_step = synced(w) & (served_by(w) == m) & (min_revision(w) <= r)
        return here_and_in_step & exists(Key, lambda k: wanted(w, r, k))

    def in_response(w: Watcher, s: Revision, k: Key) -> Formula:
        return notified(w) & (s == r) & wanted(w, r, k)

    do.assign(current_revision, (m,), r)
    do.set(on_stream, lambda w, j: on_stream(w, j) | (notified(w) & ~full(w) & (j == i)))
    do.set(carries, lambda w, j, s, k: carries(w, j, s, k) | (in_response(w, s, k) & ~full(w) & (j == i)))
    do.set(pending, lambda w, s, k: pending(w, s, k) | (in_response(w, s, k) & full(w)))
    do.set(victim, lambda w: victim(w) | (notified(w) & full(w)))
    do.set(synced, lambda w: synced(w) & ~(notified(w) & full(w)))
    do.set(min_revision, lambda w: ite(notified(w), n, min_revision(w)))


@watch.action
def compact(do: Action, m: Member, r: Revision) -> None:
    """A member compacts."""
    do.require(compact_revision(m) < r, "not_compacted")
    do.require(r <= current_revision(m), "not_future")
    do.assign(compact_revision, (m,), r)


@watch.action
def compact_remove(do: Action, m: Member, r: Revision, k: Key) -> None:
    """A member removes the record of a change that is older than the compact revision."""
    do.require(r < compact_revision(m), "before_compact_revision")
    do.add(removed, m, r, k)


@watch.action
def restore_snapshot(do: Action, m: Member, n: Member) -> None:
    """A member that lags behind gets the store of another one: its synced watchers have missed what is between."""
    do.require(current_revision(m) < current_revision(n), "newer")
    do.assign(current_revision, (m,), current_revision(n))
    do.assign(compact_revision, (m,), compact_revision(n))
    do.set(removed, lambda x, r, k: ite(x == m, removed(n, r, k), removed(x, r, k)))
    do.set(unsynced, lambda w: unsynced(w) | (synced(w) & (served_by(w) == m)))
    do.set(synced, lambda w: synced(w) & (served_by(w) != m))


def end_streams(do: Action, ends: Callable[[Any], Formula]) -> None:
    """Streams end, with all that is under way, and the member forgets the watchers."""

    def forget(group: Relation) -> None:
        do.set(group, lambda w: group(w) & ~ends(w))

    for each in (synced, unsynced, victim, full):
        forget(each)
    do.set(on_stream, lambda w, i: on_stream(w, i) & ~ends(w))
    do.set(pending, lambda w, r, k: pending(w, r, k) & ~ends(w))


@watch.action
def restart(do: Action, m: Member, r: Revision) -> None:
    """A member crashes and restarts with what it had stored, which is not less than it has compacted."""
    do.require(compact_revision(m) <= r, "stored_compaction")
    do.require(r <= current_revision(m), "stored")
    do.assign(current_revision, (m,), r)
    end_streams(do, lambda w: (served_by(w) == m) & ~canceled(w))


# ---- watchers


@watch.action
def watch_create(do: Action, w: Watcher, m: Member) -> None:
    """A client opens a stream, at first or again; a revision that is not there yet is waited for."""
    do.require(~is_open(w), "not_watching")
    do.assign(served_by, (w,), m)
    do.assign(min_revision, (w,), next_revision(w))
    do.set(synced, lambda x: synced(x) | ((x == w) & (current_revision(m) < next_revision(w))))
    do.set(unsynced, lambda x: unsynced(x) | ((x == w) & (next_revision(w) <= current_revision(m))))


def from_history(do: Action, w: Watcher) -> None:
    """The member reads the history for a watcher that is behind, and all of that must be there."""
    do.require(unsynced(w), "unsynced")
    do.require(compact_revision(served_by(w)) <= min_revision(w), "not_compacted")


def in_history(w: Watcher, r: Revision, k: Key) -> Formula:
    """The member has a record that is still to be sent to the watcher."""
    return wanted(w, r, k) & ~removed(served_by(w), r, k) & (min_revision(w) <= r)


@watch.action
def sync(do: Action, w: Watcher, r: Revision, n: Revision, i: Place) -> None:
    """A watcher that is behind gets all events up to some revision in one response, and is synced if that is the current one."""
    from_history(do, w)
    do.require(r <= here(w), "not_future")
    do.require(exists(Revision, Key, lambda s, k: in_history(w, s, k) & (s <= r)), "has_events")
    do.require(next_to(r, n), "behind_revision")
    send(do, lambda x: x == w, i)

    def in_response(x: Watcher, s: Revision, k: Key) -> Formula:
        return (x == w) & in_history(w, s, k) & (s <= r)

    do.set(on_stream, lambda x, j: on_stream(x, j) | ((x == w) & ~full(w) & (j == i)))
    do.set(carries, lambda x, j, s, k: carries(x, j, s, k) | (in_response(x, s, k) & ~full(w) & (j == i)))
    do.set(pending, lambda x, s, k: pending(x, s, k) | (in_response(x, s, k) & full(w)))
    do.set(victim, lambda x: victim(x) | ((x == w) & full(w)))
    do.set(synced, lambda x: synced(x) | ((x == w) & ~full(w) & (r == here(w))))
    do.set(unsynced, lambda x: unsynced(x) & ~((x == w) & (full(w) | (r == here(w)))))
    do.assign(min_revision, (w,), n)


@watch.action
def sync_nothing(do: Action, w: Watcher, n: Revision) -> None:
    """There is nothing for a watcher that is behind: it is synced."""
    from_history(do, w)
    do.require(min_revision(w) <= here(w), "is_behind")
    do.require(forall(Revision, Key, lambda r, k: in_history(w, r, k) >> (here(w) < r)), "has_no_events")
    do.require(next_to(here(w), n), "behind_revision")
    do.remove(unsynced, w)
    do.add(synced, w)
    do.assign(min_revision, (w,), n)


@watch.action
def sync_future(do: Action, w: Watcher) -> None:
    """A watcher of a future revision has lived through a snapshot: it still waits for that revision (etcd#20221)."""
    do.require(unsynced(w), "unsynced")
    do.require(here(w) < min_revision(w), "future")
    do.remove(unsynced, w)
    do.add(synced, w)


@watch.action
def skip_hidden(do: Action, w: Watcher, n: Revision) -> None:
    """What a watcher's filters hide counts as sent."""
    do.require(min_revision(w) <= n, "forward")
    do.require(forall(Revision, Key, lambda r, k: (wanted(w, r, k) & (min_revision(w) <= r)) >> (n <= r)), "hidden")
    do.assign(min_revision, (w,), n)


@watch.action
def retry_victim(do: Action, w: Watcher, i: Place) -> None:
    """There is room for the response of a victim, which is behind now, or not."""
    do.require(victim(w), "victim")
    do.require(~full(w), "has_room")
    send(do, lambda x: x == w, i)
    do.add(on_stream, w, i)
    do.set(carries, lambda x, j, r, k: carries(x, j, r, k) | ((x == w) & (j == i) & pending(w, r, k)))
    do.remove(pending, w, ANY, ANY)
    do.remove(victim, w)
    do.set(unsynced, lambda x: unsynced(x) | ((x == w) & (min_revision(w) <= here(w))))
    do.set(synced, lambda x: synced(x) | ((x == w) & (here(w) < min_revision(w))))


@watch.action
def send_progress(do: Action, w: Watcher, i: Place) -> None:
    """A synced watcher is told the current revision, behind all that is on its stream (etcd#15220)."""
    do.require(synced(w), "synced")
    do.require(~full(w), "has_room")
    send(do, lambda x: x == w, i)
    do.add(on_stream, w, i)
    do.add(progress_at, w, i, here(w))


@watch.action
def cancel_compacted(do: Action, w: Watcher) -> None:
    """A watcher that is behind the compact revision is told so."""
    do.require(unsynced(w), "unsynced")
    do.require(min_revision(w) < compact_revision(served_by(w)), "compacted")
    do.require(~full(w), "has_room")
    do.remove(unsynced, w)
    do.add(canceled, w)


# ---- streams and clients


@watch.action
def stall(do: Action, w: Watcher) -> None:
    """The client does not read, and the channel is full."""
    do.add(full, w)


@watch.action
def make_room(do: Action, w: Watcher) -> None:
    """There is room again: other watches share the stream, and what was for them is received."""
    do.remove(full, w)


def receive(do: Action, w: Watcher, i: Place) -> None:
    do.require(first_on_stream(w, i), "in_order")
    do.remove(on_stream, w, i)
    do.remove(full, w)
    do.add(received, w, i)


@watch.action
def receive_events(do: Action, w: Watcher, i: Place, r: Revision, n: Revision) -> None:
    """A client receives a response: it would resume behind the last of its revisions."""
    receive(do, w, i)
    do.require(exists(Key, lambda k: carries(w, i, r, k)), "has_events")
    do.require(forall(Revision, Key, lambda s, k: carries(w, i, s, k) >> (s <= r)), "last_revision")
    do.require(next_to(r, n), "behind_revision")
    do.set(got, lambda x, s, k: got(x, s, k) | ((x == w) & carries(w, i, s, k)))
    do.assign(next_revision, (w,), n)


@watch.action
def receive_progress(do: Action, w: Watcher, i: Place, r: Revision, n: Revision) -> None:
    """A client receives a progress notification: it would resume behind it, if that is more than it knows already."""
    receive(do, w, i)
    do.require(progress_at(w, i, r), "is_progress")
    do.require(next_to(r, n), "behind_revision")
    do.add(told_progress, w, r)
    do.assign(next_revision, (w,), ite(next_revision(w) <= n, n, next_revision(w)))


@watch.action
def stream_ends(do: Action, w: Watcher) -> None:
    """A stream ends: the connection breaks, or the client has canceled the watch."""
    do.require(~canceled(w), "not_canceled")
    end_streams(do, lambda x: x == w)


# ---- invariants: members, watchers, places


@watch.invariant
def removed_is_compacted(m: Member, r: Revision, k: Key) -> Formula:
    return (removed(m, r, k) >> (r < compact_revision(m))) & (compact_revision(m) <= current_revision(m))


@watch.invariant
def one_group(w: Watcher) -> Formula:
    """A watcher is in one group, at most."""
    no_two = ~(synced(w) & (unsynced(w) | victim(w) | canceled(w)))
    return no_two & ~(unsynced(w) & (victim(w) | canceled(w))) & ~(victim(w) & canceled(w))


@watch.invariant
def only_open_streams(w: Watcher, i: Place, r: Revision, k: Key) -> Formula:
    return (on_stream(w, i) >> is_open(w)) & (pending(w, r, k) >> (victim(w) & wanted(w, r, k)))


@watch.invariant
def places_are_used_once(w: Watcher, i: Place, r: Revision, k: Key) -> Formula:
    used = on_stream(w, i) | received(w, i) | carries(w, i, r, k) | progress_at(w, i, r)
    return (used >> (i <= last_place(w))) & ~(on_stream(w, i) & received(w, i))


@watch.invariant
def progress_carries_nothing(w: Watcher, i: Place, p: Revision, r: Revision, k: Key) -> Formula:
    return ~(progress_at(w, i, p) & carries(w, i, r, k))


@watch.invariant
def received_in_order(w: Watcher, i: Place, j: Place) -> Formula:
    return (received(w, i) & on_stream(w, j)) >> (i < j)


# ---- invariants: what was sent, what is to be sent


@watch.invariant
def synced_misses_nothing(w: Watcher, r: Revision, k: Key) -> Formula:
    """What is still to be sent to a synced watcher is not there yet."""
    return (synced(w) & wanted(w, r, k) & (min_revision(w) <= r)) >> (here(w) < r)


@watch.invariant
def unsent_is_not_received(w: Watcher, r: Revision, k: Key) -> Formula:
    return (is_open(w) & wanted(w, r, k) & (min_revision(w) <= r)) >> (next_revision(w) <= r)


@watch.invariant
def sent_is_between(w: Watcher, i: Place, r: Revision, k: Key) -> Formula:
    """What is under way comes behind what was received, and before what is to be sent."""
    under_way = (on_stream(w, i) & carries(w, i, r, k)) | pending(w, r, k)
    return under_way >> ((next_revision(w) <= r) & (r < min_revision(w)))


@watch.invariant
def nothing_is_lost_under_way(w: Watcher, r: Revision, k: Key) -> Formula:
    """What was sent and is not received is on the stream, or pending."""
    on_its_way = pending(w, r, k) | exists(Place, lambda i: on_stream(w, i) & carries(w, i, r, k))
    return (is_open(w) & wanted(w, r, k) & (next_revision(w) <= r) & (r < min_revision(w))) >> on_its_way


@watch.invariant
def stream_is_ordered(w: Watcher, i: Place, j: Place, r: Revision, k: Key, s: Revision, x: Key) -> Formula:
    sent = on_stream(w, i) & carries(w, i, r, k)
    later = (on_stream(w, j) & carries(w, j, s, x) & (i < j)) | pending(w, s, x)
    return (sent & later) >> (r < s)


@watch.invariant
def progress_is_behind(w: Watcher, i: Place, p: Revision, j: Place, s: Revision, k: Key) -> Formula:
    """What comes behind a progress notification is newer."""
    later = (on_stream(w, j) & carries(w, j, s, k) & (i < j)) | pending(w, s, k)
    unsent = wanted(w, s, k) & (min_revision(w) <= s)
    return (on_stream(w, i) & progress_at(w, i, p) & (later | unsent)) >> (p < s)


@watch.invariant
def pending_is_whole(w: Watcher, r: Revision, k: Key, x: Key) -> Formula:
    return pending(w, r, k) >> ((r <= here(w)) & (wanted(w, r, x) >> pending(w, r, x)))


@watch.invariant
def received_before_next(w: Watcher, i: Place, r: Revision, k: Key) -> Formula:
    got_before = got(w, r, k) >> (r < next_revision(w))
    return got_before & ((received(w, i) & carries(w, i, r, k)) >> got(w, r, k)) & (start_revision(w) <= next_revision(w))


# ---- what is promised


@watch.invariant(source=GUARANTEES, assumes=(HISTORY, FIFO))
def ordered(w: Watcher, i: Place, j: Place, r: Revision, k: Key, s: Revision, x: Key) -> Formula:
    """Events come in the order of their revisions, over all streams of a watch."""
    later = received(w, i) & carries(w, i, r, k) & received(w, j) & carries(w, j, s, x) & (i < j)
    return later >> (r < s)


@watch.invariant(source=GUARANTEES, assumes=(HISTORY, FIFO))
def unique(w: Watcher, i: Place, j: Place, r: Revision, k: Key) -> Formula:
    """No event comes twice."""
    return (received(w, i) & carries(w, i, r, k) & received(w, j) & carries(w, j, r, k)) >> (i == j)


@watch.invariant(source=GUARANTEES, assumes=(HISTORY, KEPT, FIFO))
def resumable(w: Watcher, r: Revision, k: Key) -> Formula:
    """Before the revision where a client resumes, it has received every event that it wants."""
    return (wanted(w, r, k) & (start_revision(w) <= r) & (r < next_revision(w))) >> got(w, r, k)


@watch.invariant(source=GUARANTEES, assumes=(HISTORY, KEPT, FIFO))
def reliable(w: Watcher, r: Revision, k: Key, s: Revision, x: Key) -> Formula:
    """Who receives an event has received all earlier ones, back to where the watch began."""
    return (got(w, s, x) & wanted(w, r, k) & (start_revision(w) <= r) & (r <= s)) >> got(w, r, k)


@watch.invariant(source=GUARANTEES, assumes=(HISTORY, KEPT))
def atomic(w: Watcher, i: Place, r: Revision, k: Key, x: Key) -> Formula:
    """All events of a revision are in one response."""
    return (carries(w, i, r, k) & wanted(w, r, x)) >> carries(w, i, r, x)


@watch.invariant(source=GUARANTEES, assumes=(HISTORY, KEPT, FIFO))
def bookmarkable(w: Watcher, p: Revision, r: Revision, k: Key) -> Formula:
    """A progress notification tells that all events up to its revision were delivered."""
    delivered = (wanted(w, r, k) & (start_revision(w) <= r) & (r <= p)) >> got(w, r, k)
    return told_progress(w, p) >> ((p < next_revision(w)) & delivered)


@watch.invariant(source="etcd#20221, etcd#19487")
def from_start_revision(w: Watcher, r: Revision, k: Key) -> Formula:
    """No event comes from before the revision that the watch was to begin at."""
    return got(w, r, k) >> (start_revision(w) <= r)


@watch.invariant(source="etcd tests/robustness, Filter")
def only_what_is_wanted(w: Watcher, i: Place, r: Revision, k: Key) -> Formula:
    """Only events that happened come, and that pass the filters."""
    return (carries(w, i, r, k) | got(w, r, k)) >> wanted(w, r, k)


@watch.step(source=GUARANTEES, assumes=(HISTORY,))
def only_what_has_happened(w: Watcher, i: Place, r: Revision, k: Key, after: After) -> Formula:
    """An event is sent by a member that has applied its revision."""
    return (~carries(w, i, r, k) & after(carries(w, i, r, k))) >> (r <= after(here(w)))


@watch.step(source="etcd rpc.proto, WatchResponse.compact_revision")
def canceled_only_if_compacted(w: Watcher, after: After) -> Formula:
    """A watch is canceled only if its member has compacted beyond the revision that it would go on from."""
    return (~canceled(w) & after(canceled(w))) >> (min_revision(w) < compact_revision(served_by(w)))


# ---- how watchers are drawn


@watch.picture(Watcher)
def draw(view: View, w: object) -> str:
    """`synced at m1, min 2, resumes at 1, on stream 1, got 0`."""
    groups = {synced: "synced", unsynced: "unsynced", victim: "victim", canceled: "canceled"}
    group = next((word for symbol, word in groups.items() if view.holds(symbol, w)), "not watching")
    flights = [f"{i}: {drawn_response(view, w, i)}" for i in view.those(on_stream, w)]
    parts = [
        f"{group} at {view.value(served_by, w)}{', full' if view.holds(full, w) else ''}",
        f"from {view.value(start_revision, w)}, min {view.value(min_revision, w)}, resumes at {view.value(next_revision, w)}",
        *([f"on stream {'; '.join(flights)}"] if flights else []),
        *[f"pending {r} {k}" for r, k in view.those(pending, w)],
        *[f"received {i}: {drawn_response(view, w, i)}" for i in view.those(received, w)],
    ]
    return ", ".join(parts)


def drawn_response(view: View, w: object, i: object) -> str:
    """`1 k1, 1 k2`, or `progress 1`."""
    return ", ".join(
        [*(f"{r} {k}" for r, k in view.those(carries, w, i)), *(f"progress {r}" for r in view.those(progress_at, w, i))]
    )


@watch.picture(Member)
def draw_member(view: View, m: object) -> str:
    """`revision 2, compact 1, without 0 k1`."""
    gone = "".join(f", without {r} {k}" for r, k in view.those(removed, m))
    return f"revision {view.value(current_revision, m)}, compact {view.value(compact_revision, m)}{gone}"


@watch.picture(Revision)
def draw_revision(view: View, r: object) -> str:
    """`changes k1, k2`."""
    keys = view.those(event, r)
    return f"changes {', '.join(map(str, keys))}" if keys else ""


# ---- what does happen

Calls = list[str | tuple[str, Mapping[str, int]]]

one = {"member": 1, "watcher": 1, "key": 1, "revision": 5, "place": 7}
"""One watcher of one key at one member."""
two = {**one, "member": 2}

each_changes = forall(Revision, Key, Watcher, lambda r, k, w: iff(event(r, k), r != revision_0) & passes(w, r, k))


def starts_at(number: int) -> Formula:
    """All watchers start at the revision of this number, and each revision has an event for them."""

    def is_number(r: Any, number: int) -> Formula:
        return r == revision_0 if number == 0 else exists(Revision, lambda s: is_number(s, number - 1) & next_to(s, r))

    return each_changes & forall(Watcher, lambda w: is_number(start_revision(w), number))


def applies(*revisions: int, m: int = 0) -> Calls:
    """A member applies these revisions."""
    return [("apply", {"m": m, "r": r}) for r in revisions]


def got_events(count: int) -> Formula:
    """Some watcher has got events of so many revisions, at least."""

    def after(w: Watcher, r: Any, count: int) -> Formula:
        if count == 0:
            return TRUE
        return exists(Revision, Key, lambda s, k: (r < s) & got(w, s, k) & after(w, s, count - 1))

    return exists(Watcher, lambda w: after(w, revision_0, count))


watch.sometimes(
    "catches_up",
    "A watcher from a past revision reads what is behind in two batches, then is told of what is new.",
    Script(
        (
            *[*applies(1, 2), "watch_create", ("sync", {"r": 1}), ("sync", {"r": 2}), *applies(3)],
            *["receive_events", "receive_events", "receive_events"],
        ),
        one,
        starts_at(1),
    ),
    got_events(3),
)
watch.sometimes(
    "victim",
    "A slow watcher becomes a victim, and gets its response and what has come meanwhile.",
    Script(
        (
            *["watch_create", *applies(1), "stall", *applies(2), *applies(3), "receive_events", "retry_victim"],
            *["sync", "send_progress", "receive_events", "receive_events", "receive_progress"],
        ),
        one,
        starts_at(1),
    ),
    got_events(3) & exists(Watcher, Revision, lambda w, r: told_progress(w, r)),
)
watch.sometimes(
    "resumes_elsewhere",
    "A stream breaks with a response under way, and the client resumes at a member that lags behind.",
    Script(
        (
            *[("watch_create", {"m": 0}), *applies(1, 2), "receive_events", "stream_ends"],
            *[("watch_create", {"m": 1}), *applies(1, m=1), ("restore_snapshot", {"m": 1}), "sync", "receive_events"],
        ),
        two,
        starts_at(1),
    ),
    got_events(2),
)
watch.sometimes(
    "future_revision_through_snapshot",
    "A watcher of a future revision lives through a snapshot of an earlier one.",
    Script(
        (
            *[*applies(1), ("watch_create", {"m": 1}), ("restore_snapshot", {"m": 1}), "sync_future"],
            *[*applies(2, m=1), "receive_events"],
        ),
        two,
        starts_at(2),
    ),
    got_events(1) & forall(Watcher, Revision, Key, lambda w, r, k: got(w, r, k) >> (start_revision(w) <= r)),
)
watch.sometimes(
    "compacted",
    "A watcher that is behind the compact revision is canceled.",
    Script((*applies(1, 2), "watch_create", ("compact", {"r": 2}), "compact_remove", "cancel_compacted"), one, starts_at(1)),
    exists(Watcher, lambda w: canceled(w)),
)

# ---- wrong protocols


def apply_without_min_revision(do: Action, m: Member, r: Revision, i: Place) -> None:
    """A member tells its synced watchers of a revision, and does not note that it has."""
    do.require(next_to(current_revision(m), r), "next_revision")
    send(do, lambda w: synced(w) & (served_by(w) == m), i)

    def told(w: Watcher) -> Formula:
        return synced(w) & (served_by(w) == m) & (min_revision(w) <= r) & ~full(w) & exists(Key, lambda k: wanted(w, r, k))

    do.assign(current_revision, (m,), r)
    do.set(on_stream, lambda w, j: on_stream(w, j) | (told(w) & (j == i)))
    do.set(carries, lambda w, j, s, k: carries(w, j, s, k) | (told(w) & (j == i) & (s == r) & wanted(w, r, k)))


def send_operation(do: Action, w: Watcher, r: Revision, k: Key, i: Place) -> None:
    """A synced watcher is told of one operation of a transaction that has not ended."""
    do.require(synced(w), "synced")
    do.require(next_to(here(w), r), "next_revision")
    do.require(min_revision(w) <= r, "not_sent")
    do.require(wanted(w, r, k), "wanted")
    send(do, lambda x: x == w, i)
    do.add(on_stream, w, i)
    do.add(carries, w, i, r, k)


def sync_with_future_as_past(do: Action, w: Watcher, n: Revision) -> None:
    """A watcher of a future revision is treated like all that are behind: it is synced from the next revision on."""
    do.require(unsynced(w), "unsynced")
    do.require(here(w) < min_revision(w), "future")
    do.require(next_to(here(w), n), "behind_revision")
    do.remove(unsynced, w)
    do.add(synced, w)
    do.assign(min_revision, (w,), n)


def send_progress_at_once(do: Action, w: Watcher, n: Revision) -> None:
    """A progress notification goes past what is on the stream."""
    do.require(synced(w), "synced")
    do.require(next_to(here(w), n), "behind_revision")
    do.add(told_progress, w, here(w))
    do.assign(next_revision, (w,), ite(next_revision(w) <= n, n, next_revision(w)))


def restore_snapshot_quietly(do: Action, m: Member, n: Member) -> None:
    """A member that lags behind gets the store of another one, and its synced watchers go on as if nothing had happened."""
    do.require(current_revision(m) < current_revision(n), "newer")
    do.assign(current_revision, (m,), current_revision(n))
    do.assign(compact_revision, (m,), compact_revision(n))
    do.set(removed, lambda x, r, k: ite(x == m, removed(n, r, k), removed(x, r, k)))


def sync_part_of_revision(do: Action, w: Watcher, r: Revision, k: Key, i: Place) -> None:
    """A response ends where it has got large enough, be it within a revision."""
    from_history(do, w)
    do.require(r == min_revision(w), "is_behind")
    do.require(r <= here(w), "not_future")
    do.require(in_history(w, r, k), "has_events")
    do.require(~full(w), "has_room")
    send(do, lambda x: x == w, i)
    do.add(on_stream, w, i)
    do.add(carries, w, i, r, k)


watch.mutant(
    "etcd_15220",
    "Progress notifications do not wait for the events that are on the stream.",
    breaks="bookmarkable",
    actions=[send_progress_at_once],
    script=Script(("watch_create", *applies(1), "send_progress_at_once"), one, starts_at(1)),
)
watch.mutant(
    "progress_while_behind",
    "A watcher that is behind is told the current revision.",
    breaks="bookmarkable",
    without=["send_progress.synced"],
    script=Script((*applies(1), "watch_create", "send_progress", "receive_progress"), one, starts_at(1)),
)
watch.mutant(
    "etcd_15271",
    "What a synced watcher was told is not noted, and a snapshot makes it read all of that again.",
    breaks="unique",
    actions=[apply_without_min_revision],
    script=Script(
        (
            *[
                *applies(1, 2, m=0),
                ("watch_create", {"m": 1}),
                ("apply_without_min_revision", {"m": 1, "r": 1}),
                "receive_events",
            ],
            *[("restore_snapshot", {"m": 1}), ("sync", {"r": 1}), ("receive_events", {})],
        ),
        two,
        starts_at(1),
    ),
)
watch.mutant(
    "etcd_8411",
    "After a snapshot synced watchers go on with what comes next: they miss what the snapshot has brought.",
    breaks="reliable",
    actions=[restore_snapshot_quietly],
    script=Script(
        (
            *[*applies(1), ("watch_create", {"m": 1}), ("restore_snapshot_quietly", {"m": 1}), *applies(2, m=1)],
            "receive_events",
        ),
        two,
        starts_at(1),
    ),
)
watch.mutant(
    "etcd_17247",
    "An event of a transaction with several operations is sent with the first of them, and again with all.",
    breaks="unique",
    actions=[send_operation],
    script=Script(("watch_create", "send_operation", *applies(1), "receive_events", "receive_events"), one, starts_at(1)),
)
watch.mutant(
    "etcd_17529",
    "A watcher that has starved is read on from the compact revision, as if nothing were missing.",
    breaks="reliable",
    without=["sync.not_compacted"],
    script=Script(
        (
            *applies(1, 2),
            "watch_create",
            ("compact", {"r": 2}),
            ("compact_remove", {"r": 1}),
            ("sync", {"r": 2}),
            "receive_events",
        ),
        one,
        starts_at(1),
    ),
)
watch.mutant(
    "etcd_18089",
    "A compaction removes the tombstone at its own revision: who watches from there misses the deletion.",
    breaks="reliable",
    without=["compact_remove.before_compact_revision"],
    script=Script(
        (
            *[*applies(1), ("compact", {"r": 1}), ("compact_remove", {"r": 1}), "watch_create", "sync_nothing"],
            *[*applies(2), "receive_events"],
        ),
        one,
        starts_at(1),
    ),
)
watch.mutant(
    "etcd_20221",
    "A watcher of a future revision gets what comes before it, after a snapshot.",
    breaks="from_start_revision",
    actions=[sync_with_future_as_past],
    script=Script(
        (
            *[*applies(1), ("watch_create", {"m": 1}), ("restore_snapshot", {"m": 1}), "sync_with_future_as_past"],
            *[*applies(2, m=1), "receive_events"],
        ),
        two,
        starts_at(3),
    ),
)
watch.mutant(
    "response_within_revision",
    "A response is cut within a revision.",
    breaks="atomic",
    actions=[sync_part_of_revision],
)

# ---- guards that safety does not need

for guard, because in {
    "restart.stored": "a member that has applied more has the same history",
    "retry_victim.has_room": "who has no room waits; a queue without end would do no harm",
    "send_progress.has_room": "who has no room waits; a queue without end would do no harm",
    "cancel_compacted.has_room": "who has no room waits; a queue without end would do no harm",
}.items():
    watch.needs_not(guard, because)
