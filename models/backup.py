"""Backups of an etcd cluster: revisions over a restore, and what becomes of clients that remember the lost ones.

After etcdutl's `snapshot restore --bump-revision --mark-compacted`, etcd#16028 and kubernetes#118501. For any number of keys,
revisions, watchers and restores. A backup has the store as it was at a revision; what was written later is lost, but clients
have seen it, and resume their watches behind the last revision that they know. So the restored store must go on behind all
revisions that were ever given, and refuse every watch from before.

How large a bump is large enough: a client that knows the last lost revision resumes right behind it, and only what is *before*
the compact revision is refused. So the bump must be larger than the number of lost revisions by two: there must be a revision
between the last one lost and the bumped one (`bump_exceeds_lost`). With one less, revisions do not repeat, but that client is
not told.

A write here changes one key, and a watch is of all keys: transactions and ranges are in mvcc.py and watch.py, whose promises
hold between two restores. A list shows the store as it is, and is where a watch begins. That clients of the former cluster do
not go on to talk with it is a matter of the restore's procedure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubeproof.models.logic import ANY, Action, Element, Formula, Specification, View, exists, forall
from kubeproof.models.logic.specification import Script
from kubeproof.models.mvcc import Key, Revision, next_to


class Value(Element):
    """What a write makes of a key: a value, or nothing."""


class Watcher(Element):
    """A client that lists and watches, such as an informer."""


backup = Specification(
    "backup",
    "After a restore no revision is used twice, and clients that have seen what was lost are told so.",
    (Watcher, Key, Value, Revision),
    universes=(
        {"watcher": 1, "key": 1, "value": 2, "revision": 3},
        {"watcher": 2, "key": 2, "value": 2, "revision": 5},
    ),
)

RESTORE = "etcdutl snapshot restore --bump-revision --mark-compacted"
BUMP = "the bump is larger by two, at least, than the number of revisions since the backup"
After = Callable[[Any], Any]

# ---- the store

revision_0 = backup.constant("revision_0", Revision, "of the empty store")
backup.axiom("revision_0_is_first", forall(Revision, lambda r: revision_0 <= r), "it names the least revision")

current_revision = backup.function("current_revision", to=Revision)
compact_revision = backup.function("compact_revision", to=Revision, says="watches from before it are refused")
record = backup.relation("record", Revision, Key, Value, says="what the revision has written")

# ---- the backup

saved_record = backup.relation("saved_record", Revision, Key, Value)
saved_revision = backup.function("saved_revision", to=Revision)
saved_compact_revision = backup.function("saved_compact_revision", to=Revision)

# ---- clients

position = backup.function("position", Watcher, to=Revision, says="the last revision that the client knows")
listed_at = backup.function("listed_at", Watcher, to=Revision, says="the revision of its last list")
has_list = backup.relation("has_list", Watcher, says="the client has listed, and was not told to do so again")
watching = backup.relation("watching", Watcher, says="the store sends to it what is new")
saw = backup.relation("saw", Watcher, Revision, Key, Value, says="the client was sent the event")

# ---- history

written = backup.relation("written", Revision, Key, Value, ghost=True, says="it was written, be it lost since")
outdated = backup.relation("outdated", Watcher, ghost=True, says="the store was restored since the client's last list")

# ---- initially

backup.init(
    "store",
    (current_revision() == revision_0)
    & (compact_revision() == revision_0)
    & (saved_revision() == revision_0)
    & (saved_compact_revision() == revision_0)
    & forall(Revision, Key, Value, lambda r, k, v: ~record(r, k, v) & ~saved_record(r, k, v) & ~written(r, k, v)),
)
backup.init(
    "clients",
    forall(Watcher, lambda w: ~has_list(w) & ~watching(w) & ~outdated(w))
    & forall(Watcher, lambda w: (position(w) == revision_0) & (listed_at(w) == revision_0))
    & forall(Watcher, Revision, Key, Value, lambda w, r, k, v: ~saw(w, r, k, v)),
)

# ---- the store


@backup.action
def write(do: Action, r: Revision, k: Key, v: Value) -> None:
    """A write gets the next revision."""
    do.require(next_to(current_revision(), r), "next_revision")
    do.add(record, r, k, v)
    do.add(written, r, k, v)
    do.set(current_revision, lambda: r)


@backup.action
def compact(do: Action, r: Revision) -> None:
    """The store is compacted."""
    do.require(compact_revision() < r, "not_compacted")
    do.require(r <= current_revision(), "not_future")
    do.set(compact_revision, lambda: r)


@backup.action
def save(do: Action) -> None:
    """A backup is taken."""
    do.set(saved_record, lambda r, k, v: record(r, k, v))
    do.set(saved_revision, lambda: current_revision())
    do.set(saved_compact_revision, lambda: compact_revision())


def load(do: Action) -> None:
    """A new store begins with the records of the backup: all streams end, and all lists are of another store."""
    do.set(record, lambda r, k, v: saved_record(r, k, v))
    do.set(outdated, lambda w: outdated(w) | has_list(w))
    do.remove(watching, ANY)


@backup.action
def restore(do: Action, r: Revision, between: Revision) -> None:
    """The store is restored, its revision bumped beyond the one that it has given last, and marked as compacted."""
    do.require((current_revision() < between) & (between < r), "bump_exceeds_lost")
    load(do)
    do.set(current_revision, lambda: r)
    do.set(compact_revision, lambda: r)


# ---- clients


@backup.action
def list_all(do: Action, w: Watcher) -> None:
    """A client lists, at first or because it was told to, and does not watch until it has."""
    do.remove(watching, w)
    do.assign(position, (w,), current_revision())
    do.assign(listed_at, (w,), current_revision())
    do.add(has_list, w)
    do.remove(outdated, w)


@backup.action
def watch_from(do: Action, w: Watcher, r: Revision) -> None:
    """A client watches from right behind what it knows; from a future revision, too."""
    do.require(has_list(w), "has_list")
    do.require(next_to(position(w), r), "behind_position")
    do.require(compact_revision() <= r, "not_compacted")
    do.add(watching, w)


@backup.action
def refuse_compacted(do: Action, w: Watcher, r: Revision) -> None:
    """A client is told ErrCompacted: its list is of no use any more."""
    do.require(next_to(position(w), r), "behind_position")
    do.require(r < compact_revision(), "compacted")
    do.require(~watching(w), "not_watching")
    do.remove(has_list, w)


def nothing_before(w: Watcher, r: Any) -> Formula:
    """The client knows all events before the revision."""
    return forall(Revision, Key, Value, lambda s, k, v: ((position(w) < s) & (s < r)) >> ~record(s, k, v))


@backup.action
def deliver(do: Action, w: Watcher, r: Revision) -> None:
    """The events of a revision are sent, or a bookmark where there are none."""
    do.require(watching(w), "watching")
    do.require(position(w) < r, "new")
    do.require(r <= current_revision(), "not_future")
    do.require(nothing_before(w, r), "in_order")
    do.set(saw, lambda x, s, k, v: saw(x, s, k, v) | ((x == w) & (s == r) & record(r, k, v)))
    do.assign(position, (w,), r)


@backup.action
def stream_ends(do: Action, w: Watcher) -> None:
    """The connection breaks."""
    do.remove(watching, w)


# ---- invariants


@backup.invariant
def all_was_written(r: Revision, k: Key, v: Value) -> Formula:
    return (record(r, k, v) | saved_record(r, k, v)) >> written(r, k, v)


@backup.invariant
def revisions_are_past(r: Revision, k: Key, v: Value, w: Watcher) -> Formula:
    """No revision was ever given, by this store or a lost one, that is later than the current one."""
    known = (position(w) <= current_revision()) & (listed_at(w) <= position(w)) & (written(r, k, v) >> (r <= current_revision()))
    return known & (compact_revision() <= current_revision())


@backup.invariant
def who_watches_has_list(w: Watcher) -> Formula:
    return watching(w) >> has_list(w)


@backup.invariant
def seen_was_written(w: Watcher, r: Revision, k: Key, v: Value) -> Formula:
    return saw(w, r, k, v) >> (written(r, k, v) & (r <= position(w)))


@backup.invariant
def outdated_resume_before_compaction(w: Watcher) -> Formula:
    """There is a revision between what an outdated client knows and the compact revision."""
    return outdated(w) >> exists(Revision, lambda r: (position(w) < r) & (r < compact_revision()))


@backup.invariant
def list_is_followed(w: Watcher, r: Revision, k: Key, v: Value) -> Formula:
    """A client that has a list of this store has got all that it was sent since, and nothing else."""
    since = has_list(w) & ~outdated(w) & (listed_at(w) < r)
    return (since & record(r, k, v) & (r <= position(w))) >> saw(w, r, k, v)


@backup.invariant
def what_was_sent_is_recorded(w: Watcher, r: Revision, k: Key, v: Value) -> Formula:
    return (has_list(w) & ~outdated(w) & saw(w, r, k, v) & (listed_at(w) < r)) >> record(r, k, v)


# ---- what is promised


@backup.invariant(source="etcd#16028, etcd#14303", assumes=(BUMP,))
def revisions_never_repeat(r: Revision, k: Key, v: Value, j: Key, u: Value) -> Formula:
    """A revision is of one write, over all restores."""
    return (written(r, k, v) & written(r, j, u)) >> ((k == j) & (v == u))


@backup.step(source="etcd#16028, etcd#14303", assumes=(BUMP,))
def revision_never_falls(after: After) -> Formula:
    """The store's revision never falls, over all restores; nor does the compact revision."""
    return (current_revision() <= after(current_revision())) & (compact_revision() <= after(compact_revision()))


@backup.invariant(source=f"{RESTORE}, kubernetes#118501", assumes=(BUMP,))
def watchers_are_told(w: Watcher) -> Formula:
    """No watch goes on from a list that was made before a restore: it is refused as compacted."""
    return watching(w) >> ~outdated(w)


@backup.invariant(source="kubernetes#118501, kubernetes#107457", assumes=(BUMP,))
def watchers_skip_nothing(w: Watcher, r: Revision, k: Key, v: Value) -> Formula:
    """Who watches has seen every write since its list, up to the revision that it knows."""
    return (watching(w) & record(r, k, v) & (listed_at(w) < r) & (r <= position(w))) >> saw(w, r, k, v)


@backup.invariant(source="kubernetes#118501, kubernetes#107457", assumes=(BUMP,))
def watchers_know_nothing_lost(w: Watcher, r: Revision, k: Key, v: Value) -> Formula:
    """What who watches has seen since its list is in the store's history."""
    return (watching(w) & saw(w, r, k, v) & (listed_at(w) < r)) >> record(r, k, v)


@backup.step(source="etcd rpc.proto, WatchResponse.compact_revision")
def refused_only_if_compacted(w: Watcher, after: After) -> Formula:
    """A client is told to list anew only if there are compacted revisions behind what it knows."""
    refused = has_list(w) & ~after(has_list(w))
    return refused >> exists(Revision, lambda r: (position(w) < r) & (r < compact_revision()))


# ---- how they are drawn


@backup.picture(Revision)
def draw(view: View, r: object) -> str:
    """`current, compact; k1 = v1, lost: k1 = v2`."""
    marks = {"current": current_revision, "compact": compact_revision, "saved": saved_revision}
    at = [name for name, symbol in marks.items() if view.value(symbol) == r]
    wrote = [f"{'' if view.holds(record, r, k, v) else 'lost: '}{k} = {v}" for k, v in view.those(written, r)]
    return "; ".join([*([", ".join(at)] if at else []), *([", ".join(wrote)] if wrote else [])])


@backup.picture(Watcher)
def draw_watcher(view: View, w: object) -> str:
    """`watches, listed at 1, knows 2, of a former store, saw 2 k1 = v1`."""
    parts = [
        "watches" if view.holds(watching, w) else "does not watch",
        *([f"listed at {view.value(listed_at, w)}, knows {view.value(position, w)}"] if view.holds(has_list, w) else []),
        *(["of a former store"] if view.holds(outdated, w) else []),
        *[f"saw {r} {k} = {v}" for r, k, v in view.those(saw, w)],
    ]
    return ", ".join(parts)


# ---- what does happen

Calls = list[str | tuple[str, Mapping[str, int]]]

one = {"watcher": 1, "key": 1, "value": 2, "revision": 7}
"""One client, and one key."""


def writes(*revisions: int, v: int = 0) -> Calls:
    """Writes of a value at these revisions."""
    return [("write", {"r": r, "v": v}) for r in revisions]


watches: Calls = ["list_all", "watch_from"]

backup.sometimes(
    "restored_and_told",
    "A client that has seen lost writes is refused after the restore, lists anew, and sees what is written then.",
    Script(
        (
            *[*writes(1), "save", *watches, *writes(2, 3), ("deliver", {"r": 2}), ("deliver", {"r": 3}), ("restore", {"r": 5})],
            *["refuse_compacted", *watches, *writes(6, v=1), ("deliver", {"r": 6})],
        ),
        one,
    ),
    exists(
        *(Watcher, Revision, Revision, Key, Value, Value),
        lambda w, r, s, k, v, u: watching(w) & saw(w, r, k, v) & ~record(r, k, v) & saw(w, s, k, u) & record(s, k, u),
    ),
)
backup.sometimes(
    "resumes",
    "Without a restore a client resumes where it was.",
    Script((*watches, *writes(1), "deliver", "stream_ends", *writes(2), "watch_from", "deliver"), one),
    exists(Watcher, Revision, Revision, Key, Value, lambda w, r, s, k, v: (r < s) & saw(w, r, k, v) & saw(w, s, k, v)),
)

# ---- wrong protocols


def restore_without_bump(do: Action) -> None:
    """The store goes on from the revision of the backup."""
    load(do)
    do.set(current_revision, lambda: saved_revision())
    do.set(compact_revision, lambda: saved_compact_revision())


def restore_without_mark(do: Action, r: Revision, between: Revision) -> None:
    """The revision is bumped, and not marked as compacted."""
    do.require((current_revision() < between) & (between < r), "bump_exceeds_lost")
    load(do)
    do.set(current_revision, lambda: r)
    do.set(compact_revision, lambda: saved_compact_revision())


def restore_one_behind_lost(do: Action, r: Revision) -> None:
    """The bumped revision is the one that comes right behind the last that was lost."""
    do.require(next_to(current_revision(), r), "bump_reaches_lost")
    load(do)
    do.set(current_revision, lambda: r)
    do.set(compact_revision, lambda: r)


def restore_within_lost(do: Action, r: Revision) -> None:
    """The revision is bumped by less than what was lost, and marked as compacted."""
    do.require(saved_revision() < r, "bumped")
    load(do)
    do.set(current_revision, lambda: r)
    do.set(compact_revision, lambda: r)


has_seen_lost_writes: Calls = [*writes(1), "save", *watches, *writes(2, 3), ("deliver", {"r": 2}), ("deliver", {"r": 3})]
"""A client has listed at the revision of the backup, and knows two more."""

backup.mutant(
    "etcd_16028",
    "A restore without a bump: revisions are used again for other writes.",
    breaks="revisions_never_repeat",
    actions=[restore_without_bump],
    script=Script((*writes(1), "save", *writes(2), "restore_without_bump", *writes(2, v=1)), one),
)
backup.mutant(
    "kubernetes_118501",
    "A restore without a bump: a client goes on from a lost revision, and skips the writes that have taken its place.",
    breaks="watchers_skip_nothing",
    actions=[restore_without_bump],
    script=Script((*has_seen_lost_writes, "restore_without_bump", *writes(2, 3, v=1), "watch_from"), one),
)
backup.mutant(
    "bump_too_small",
    "The bump is smaller than the number of lost revisions: some are used again.",
    breaks="revisions_never_repeat",
    actions=[restore_within_lost],
    script=Script((*has_seen_lost_writes, ("restore_within_lost", {"r": 2}), *writes(3, v=1)), one),
)
backup.mutant(
    "bump_too_small_for_watchers",
    "The bump is smaller than the number of lost revisions: who knows the last of them is not refused.",
    breaks="watchers_are_told",
    actions=[restore_within_lost],
    script=Script((*has_seen_lost_writes, ("restore_within_lost", {"r": 2}), "watch_from"), one),
)
backup.mutant(
    "bump_too_small_by_one",
    "The bump is larger than the number of lost revisions by one: who knows the last of them resumes at the compact revision.",
    breaks="watchers_know_nothing_lost",
    actions=[restore_one_behind_lost],
    script=Script((*has_seen_lost_writes, ("restore_one_behind_lost", {"r": 4}), "watch_from"), one),
)
backup.mutant(
    "not_marked_as_compacted",
    "The revision is bumped, but a client that has seen lost writes goes on: it is told nothing of their loss.",
    breaks="watchers_are_told",
    actions=[restore_without_mark],
    script=Script((*has_seen_lost_writes, ("restore_without_mark", {"r": 5}), "watch_from"), one),
)
