"""The revisions of an etcd store: one total order of changes, of which nothing is ever replaced.

After etcd's mvcc package and its API guarantees. For any number of keys, revisions, transactions, reads and compactions, and a
member that crashes at any moment. The entries of Raft's log come one at a time and in one order (`state_machine_safety` of
raft.py), so there is one store that applies them.

A write transaction has the next main revision for itself, and each key is changed at most once in it: so a record is named by
its main revision and its key, and sub-revisions, which only order the changes of one transaction, are left out. Compares look
at the state before the transaction, whatever it has written already. Compares of version, create revision or value are compares
with the record that a compare of the mod revision names.

The backend stores what the member has written at some moments, between transactions; a crash brings back the last of them. Then
the current revision is what the records and the compact revision say, and the log is replayed from there: what a transaction
did when it was applied first it does again, as it meets the same state (`changed` remembers it, so a replay is one step here).
Reads may be stale meanwhile; new transactions, and answers that tell the revision, wait.

A compaction sets the compact revision, and stores it at once. Then the index says of each key which record must stay, and
others are removed one by one, or none are, and the next compaction or restart begins anew. A deleted key goes with its
tombstone, after all older records of it, but not at the compact revision itself: a watcher may begin there.

How it is proven. `floor` is the newest record of a key that others were removed for. All later changes have their records; and
`floor` itself has, unless it is a tombstone and nothing of the key is left before it. So the newest record at or below any
revision that may be read is the newest change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubeproof.models.logic import (
    ANY,
    Action,
    Element,
    Formula,
    Function,
    Relation,
    Specification,
    View,
    exists,
    forall,
    iff,
    ite,
)
from kubeproof.models.logic.specification import Script


class Key(Element):
    """A key."""


class Value(Element):
    """What a key may hold."""


class Revision(Element, ordered=True):
    """A main revision."""


class Version(Element, ordered=True):
    """How often a key was written since it was created."""


mvcc = Specification(
    "mvcc",
    "Revisions are one total order of changes; reads at a revision, compares and compaction agree with it.",
    (Key, Value, Revision, Version),
    universes=(
        {"key": 1, "value": 1, "revision": 3, "version": 2},
        {"key": 2, "value": 2, "revision": 4, "version": 3},
    ),
)

GUARANTEES = "etcd.io, API guarantees"
DATA_MODEL = "etcd.io, data model"
ONE_LOG = "all members apply the same log (state_machine_safety of raft.py)"
DURABLE_LOG = "what was applied is in the log after a crash"
After = Callable[[Any], Any]

# ---- what never changes

revision_0 = mvcc.constant("revision_0", Revision, "of the empty store (etcd's is 1), and where there is no revision (etcd's 0)")
version_1 = mvcc.constant("version_1", Version, "of a key that was just created")

mvcc.axiom("revision_0_is_first", forall(Revision, lambda r: revision_0 <= r), "it names the least revision")
mvcc.axiom("version_1_is_first", forall(Version, lambda w: version_1 <= w), "it names the least version")

# ---- the log, as far as it was ever applied

last_revision = mvcc.function("last_revision", to=Revision, says="of its last transaction")
changed = mvcc.relation("changed", Revision, Key, says="its transaction of this revision changes the key")

# ---- what the member remembers

current_revision = mvcc.function("current_revision", to=Revision, says="of the last transaction that has ended")
compact_revision = mvcc.function(
    "compact_revision", to=Revision, says="before it reads and watches get ErrCompacted; stored at once"
)
applied_revision = mvcc.function("applied_revision", to=Revision, says="what the log has made up to the consistent index")
record = mvcc.relation("record", Revision, Key, says="there is a record of what the revision has changed in the key")
tombstone = mvcc.relation("tombstone", Revision, Key, says="... which says that it was deleted")
value = mvcc.function("value", Revision, Key, to=Value)
version = mvcc.function("version", Revision, Key, to=Version)
create_revision = mvcc.relation("create_revision", Revision, Key, Revision, says="... and when it was created")
keep = mvcc.relation("keep", Key, Revision, says="the record that the index found for the compaction to keep")
writing = mvcc.relation("writing", Revision, says="the revision of the transaction under way")

# ---- what the backend has stored

stored_record = mvcc.relation("stored_record", Revision, Key)
stored_revision = mvcc.function("stored_revision", to=Revision, says="what the log had made up to the consistent index")

# ---- answers

read_found = mvcc.relation("read_found", Revision, Key, Revision, says="a read at a revision has found a record")
told_revision = mvcc.relation("told_revision", Revision, says="a client was told that the store is at this revision")

# ---- history

floor = mvcc.function("floor", Key, to=Revision, ghost=True, says="the newest record that others were removed for")
stored_floor = mvcc.function("stored_floor", Key, to=Revision, ghost=True, says="... in what the backend has stored")
compared = mvcc.relation(
    "compared", Key, Revision, ghost=True, says="the newest change of the key that a compare of the transaction has seen"
)
swapped = mvcc.relation(
    "swapped",
    Key,
    Revision,
    Revision,
    ghost=True,
    says="a compare has seen the first change, and the transaction made the second",
)
read_absent = mvcc.relation(
    "read_absent", Revision, Key, Revision, ghost=True, says="a read has found nothing since this change, a deletion or none"
)

# ---- definitions


def next_to(r: Any, s: Any) -> Formula:
    """One comes right after the other."""
    return (r < s) & forall(s.sort, lambda x: (r < x) >> (s <= x))


def newest(r: Any, k: Key, p: Revision) -> Formula:
    """The newest record of the key at the revision or before."""
    return record(p, k) & (p <= r) & forall(Revision, lambda s: ((p < s) & (s <= r)) >> ~record(s, k))


def has_none(r: Any, k: Key) -> Formula:
    """There is no record of the key at the revision or before."""
    return forall(Revision, lambda s: (s <= r) >> ~record(s, k))


def absent(r: Any, k: Key, p: Revision) -> Formula:
    """At the revision the key is deleted, by a tombstone at `p`, or has no record."""
    return (newest(r, k, p) & tombstone(p, k)) | (has_none(r, k) & (p == revision_0))


def last_change(k: Key, p: Revision, m: Revision) -> Formula:
    """Where a key is absent so, its newest change is at `m`; revision_0 if it was never changed."""
    return m == ite(p == revision_0, floor(k), p)


def no_transaction() -> Formula:
    return forall(Revision, lambda r: ~writing(r))


def unchanged_between(k: Key, p: Any, r: Any) -> Formula:
    """Nothing behind `p` changes the key, up to `r` and with it."""
    return forall(Revision, lambda s: ((p < s) & (s <= r)) >> ~changed(s, k))


def same_contents(r: Revision, k: Key, after: After) -> Formula:
    return (
        (after(value(r, k)) == value(r, k))
        & (after(version(r, k)) == version(r, k))
        & iff(after(tombstone(r, k)), tombstone(r, k))
        & forall(Revision, lambda c: iff(after(create_revision(r, k, c)), create_revision(r, k, c)))
    )


# ---- initially

mvcc.init(
    "empty",
    forall(Revision, Key, lambda r, k: ~record(r, k) & ~stored_record(r, k) & ~changed(r, k) & ~keep(k, r) & ~compared(k, r))
    & no_transaction()
    & (current_revision() == revision_0)
    & (compact_revision() == revision_0)
    & (applied_revision() == revision_0)
    & (stored_revision() == revision_0)
    & (last_revision() == revision_0),
)
mvcc.init(
    "history",
    forall(Revision, Key, Revision, lambda r, k, p: ~swapped(k, p, r) & ~read_found(r, k, p) & ~read_absent(r, k, p))
    & forall(Revision, Key, lambda r, k: ~told_revision(r) & (floor(k) == revision_0) & (stored_floor(k) == revision_0)),
)

# ---- transactions


@mvcc.action
def txn_begin(do: Action, r: Revision) -> None:
    """A write transaction gets the next revision. The log is replayed, so it is a new one."""
    do.require(no_transaction(), "one_at_a_time")
    do.require(applied_revision() == last_revision(), "log_is_replayed")
    do.require(next_to(current_revision(), r), "next_revision")
    do.add(writing, r)
    do.remove(compared, ANY, ANY)


@mvcc.action
def txn_compare(do: Action, k: Key, p: Revision, r: Revision) -> None:
    """The key has the mod revision that the transaction wants."""
    do.require(writing(r), "in_transaction")
    do.require(newest(current_revision(), k, p), "mod_revision")
    do.require(~tombstone(p, k), "not_deleted")
    do.add(compared, k, p)


@mvcc.action
def txn_compare_absent(do: Action, k: Key, p: Revision, r: Revision) -> None:
    """The key does not exist (its mod revision is 0), as the transaction wants."""
    do.require(writing(r), "in_transaction")
    do.require(absent(current_revision(), k, p), "absent")
    do.set(compared, lambda j, m: compared(j, m) | ((j == k) & last_change(k, p, m)))


def write(do: Action, k: Key, r: Revision) -> None:
    """A record of the key at the revision of the transaction."""
    do.require(writing(r), "in_transaction")
    do.require(~record(r, k), "once_in_transaction")
    do.add(record, r, k)
    do.add(changed, r, k)
    do.set(swapped, lambda j, m, s: swapped(j, m, s) | ((j == k) & (s == r) & compared(k, m)))


def put(do: Action, k: Key, r: Revision, v: Value, w: Any, c: Revision) -> None:
    """... that holds a value, a version and when it was created."""
    write(do, k, r)
    do.remove(tombstone, r, k)
    do.assign(value, (r, k), v)
    do.assign(version, (r, k), w)
    do.set(create_revision, lambda s, j, d: ite((s == r) & (j == k), d == c, create_revision(s, j, d)))


@mvcc.action
def txn_put_new(do: Action, k: Key, v: Value, p: Revision, r: Revision) -> None:
    """The transaction creates a key."""
    do.require(absent(current_revision(), k, p), "absent")
    put(do, k, r, v, version_1, r)


@mvcc.action
def txn_put(do: Action, k: Key, v: Value, p: Revision, c: Revision, w: Version, r: Revision) -> None:
    """The transaction puts a value into a key that exists."""
    do.require(newest(current_revision(), k, p), "mod_revision")
    do.require(~tombstone(p, k), "not_deleted")
    do.require(create_revision(p, k, c), "create_revision")
    do.require(next_to(version(p, k), w), "next_version")
    put(do, k, r, v, w, c)


@mvcc.action
def txn_delete(do: Action, k: Key, p: Revision, r: Revision) -> None:
    """The transaction deletes a key: a tombstone is its record."""
    do.require(newest(current_revision(), k, p), "mod_revision")
    do.require(~tombstone(p, k), "not_deleted")
    write(do, k, r)
    do.add(tombstone, r, k)


@mvcc.action
def txn_end(do: Action, r: Revision) -> None:
    """The transaction ends: the store is at its revision."""
    do.require(writing(r), "in_transaction")
    do.require(exists(Key, lambda k: record(r, k)), "changes_something")
    do.remove(writing, r)
    for symbol in (current_revision, applied_revision, last_revision):
        do.set(symbol, lambda: r)


@mvcc.action
def txn_end_unchanged(do: Action, r: Revision) -> None:
    """A transaction that has changed nothing ends: its revision is left to the next one."""
    do.require(writing(r), "in_transaction")
    do.require(forall(Key, lambda k: ~record(r, k)), "changes_nothing")
    do.remove(writing, r)


# ---- reads


def may_read(do: Action, r: Revision) -> None:
    """Neither ErrCompacted nor ErrFutureRev."""
    do.require(compact_revision() <= r, "not_compacted")
    do.require(r <= current_revision(), "not_future")


@mvcc.action
def read(do: Action, r: Revision, k: Key, p: Revision) -> None:
    """A read at a revision finds a key."""
    may_read(do, r)
    do.require(newest(r, k, p), "newest")
    do.require(~tombstone(p, k), "not_deleted")
    do.add(read_found, r, k, p)


@mvcc.action
def read_nothing(do: Action, r: Revision, k: Key, p: Revision) -> None:
    """A read at a revision does not find a key."""
    may_read(do, r)
    do.require(absent(r, k, p), "absent")
    do.set(read_absent, lambda s, j, m: read_absent(s, j, m) | ((s == r) & (j == k) & last_change(k, p, m)))


@mvcc.action
def tell_revision(do: Action) -> None:
    """The header of a linearizable answer: it waits until the member has applied what is committed."""
    do.require(applied_revision() == last_revision(), "log_is_replayed")
    do.add(told_revision, current_revision())


# ---- compaction


def store(do: Action) -> None:
    """All that was written is committed in the backend."""
    do.require(no_transaction(), "between_transactions")
    do.set(stored_record, lambda r, k: record(r, k))
    do.set(stored_revision, lambda: applied_revision())
    do.set(stored_floor, lambda k: floor(k))


@mvcc.action
def backend_commit(do: Action) -> None:
    """The backend commits its batch."""
    store(do)


@mvcc.action
def compact(do: Action, r: Revision) -> None:
    """A compaction is scheduled, and that is stored."""
    do.require(compact_revision() < r, "not_compacted")
    do.require(r <= current_revision(), "not_future")
    store(do)
    do.set(compact_revision, lambda: r)


@mvcc.action
def compact_index(do: Action, k: Key, p: Revision) -> None:
    """The index finds which record of a key must stay: the newest at the compact revision or before."""
    do.require(newest(compact_revision(), k, p), "newest")
    do.set(keep, lambda j, s: ite(j == k, s == p, keep(j, s)))


@mvcc.action
def compact_remove(do: Action, r: Revision, k: Key, p: Revision) -> None:
    """A record is removed that is older than the one that stays."""
    do.require(keep(k, p), "kept")
    do.require(r < p, "older_than_kept")
    do.require(record(r, k), "record")
    do.remove(record, r, k)
    do.assign(floor, (k,), p)


@mvcc.action
def compact_remove_tombstone(do: Action, k: Key, p: Revision) -> None:
    """A tombstone is removed when nothing older of its key is left, but not at the compact revision (etcd#18089)."""
    do.require(keep(k, p), "kept")
    do.require(record(p, k), "record")
    do.require(tombstone(p, k), "tombstone")
    do.require(p < compact_revision(), "before_compact_revision")
    do.require(forall(Revision, lambda s: (s < p) >> ~record(s, k)), "after_all_older")
    do.remove(record, p, k)
    do.assign(floor, (k,), p)


# ---- crashes


def lose(do: Action, r: Revision) -> None:
    """What was not stored is gone, with the transaction under way; the store says it is at this revision."""
    do.set(record, lambda s, k: stored_record(s, k))
    do.set(applied_revision, lambda: stored_revision())
    do.set(current_revision, lambda: r)
    do.set(floor, lambda k: stored_floor(k))
    do.set(changed, lambda s, k: changed(s, k) & (s <= last_revision()))
    do.set(swapped, lambda k, m, s: swapped(k, m, s) & (s <= last_revision()))
    do.remove(writing, ANY)
    do.remove(keep, ANY, ANY)


@mvcc.action
def restart(do: Action, r: Revision) -> None:
    """A member crashes and restarts: the greatest revision of a record, or that of the compaction, is the current one."""
    do.require(forall(Revision, Key, lambda s, k: stored_record(s, k) >> (s <= r)), "all_records")
    do.require(compact_revision() <= r, "scheduled_compaction")
    do.require((r == compact_revision()) | exists(Key, lambda k: stored_record(r, k)), "not_more")
    lose(do, r)


@mvcc.action
def replay(do: Action, r: Revision) -> None:
    """A transaction that was applied before the crash is applied again, and does the same."""
    do.require(applied_revision() < last_revision(), "in_log")
    do.require(next_to(current_revision(), r), "next_revision")
    do.require(exists(Key, lambda k: changed(r, k)), "changes_something")
    do.set(record, lambda s, k: record(s, k) | ((s == r) & changed(r, k)))
    for symbol in (current_revision, applied_revision):
        do.set(symbol, lambda: r)


# ---- invariants: revisions


@mvcc.invariant
def transaction_is_next(r: Revision, s: Revision) -> Formula:
    """There is at most one transaction, of the next revision, and only where the log is replayed."""
    first = (applied_revision() == last_revision()) & (last_revision() < r)
    return writing(r) >> (first & ((last_revision() < s) >> (r <= s)))


@mvcc.invariant
def revisions_are_ordered(k: Key) -> Formula:
    stored = (stored_floor(k) <= compact_revision()) & (compact_revision() <= stored_revision())
    applied = (stored_revision() <= applied_revision()) & (applied_revision() <= last_revision())
    return stored & applied & (stored_floor(k) <= floor(k)) & (floor(k) <= compact_revision())


@mvcc.invariant
def changes_are_past(r: Revision, k: Key) -> Formula:
    """What has changed is of a transaction that has ended, or of the one under way."""
    return changed(r, k) >> ((revision_0 < r) & ((r <= last_revision()) | writing(r)))


@mvcc.invariant
def records_are_changes(r: Revision, k: Key) -> Formula:
    applied = record(r, k) >> (changed(r, k) & ((r <= applied_revision()) | writing(r)))
    return applied & (stored_record(r, k) >> (changed(r, k) & (r <= stored_revision())))


@mvcc.invariant
def newest_revision_is_seen() -> Formula:
    """The revision that the log had made is that of a record, or the compact revision."""

    def seen(revision: Any, of: Relation) -> Formula:
        return (revision == compact_revision()) | exists(Key, lambda k: of(revision, k))

    return seen(applied_revision(), record) & seen(stored_revision(), stored_record)


@mvcc.invariant(source="etcd#17780, etcd#13766")
def current_is_applied() -> Formula:
    """The current revision is what the log has made up to the consistent index."""
    return current_revision() == applied_revision()


# ---- invariants: compaction


def complete(of: Relation, below: Function, up_to: Any, r: Revision, k: Key) -> Formula:
    """All changes behind the floor have their records."""
    return (changed(r, k) & (below(k) < r) & (r <= up_to)) >> of(r, k)


def floor_stays(of: Relation, below: Function, k: Key, r: Revision) -> Formula:
    """The floor has its record, unless it is an old tombstone, and nothing is left before it; or nothing was removed."""
    gone = tombstone(below(k), k) & (below(k) < compact_revision()) & ((r <= below(k)) >> ~of(r, k))
    return (below(k) == revision_0) | (changed(below(k), k) & (of(below(k), k) | gone))


@mvcc.invariant
def changes_behind_floor_are_recorded(r: Revision, k: Key) -> Formula:
    applied = complete(record, floor, applied_revision(), r, k) & ((writing(r) & changed(r, k)) >> record(r, k))
    return applied & complete(stored_record, stored_floor, stored_revision(), r, k)


@mvcc.invariant
def floor_is_recorded(r: Revision, k: Key) -> Formula:
    return floor_stays(record, floor, k, r) & floor_stays(stored_record, stored_floor, k, r)


@mvcc.invariant
def kept_is_recorded(r: Revision, k: Key, p: Revision) -> Formula:
    gone = tombstone(p, k) & (p < compact_revision()) & ((r <= p) >> ~record(r, k))
    return keep(k, p) >> (changed(p, k) & (floor(k) <= p) & (p <= compact_revision()) & (record(p, k) | gone))


@mvcc.invariant
def one_is_kept(k: Key, p: Revision, q: Revision) -> Formula:
    return (keep(k, p) & keep(k, q)) >> (p == q)


@mvcc.invariant(source="etcd#18089, etcd#19179")
def compaction_keeps_watch_history(r: Revision, k: Key) -> Formula:
    """All changes at the compact revision and later have their records, deletions too."""
    applied = (changed(r, k) & (compact_revision() <= r) & (r <= applied_revision())) >> record(r, k)
    return applied & ((changed(r, k) & (compact_revision() <= r) & (r <= stored_revision())) >> stored_record(r, k))


# ---- what is promised: one history


@mvcc.invariant(
    layer=1, using=("transaction_is_next", "changes_are_past", "records_are_changes"), source=GUARANTEES, assumes=(ONE_LOG,)
)
def revisions_are_total(r: Revision) -> Formula:
    """Every revision up to the last is one transaction that has changed something."""
    return ((revision_0 < r) & (r <= last_revision())) >> exists(Key, lambda k: changed(r, k))


@mvcc.step(source=GUARANTEES, assumes=(ONE_LOG, DURABLE_LOG))
def revisions_go_on(r: Revision, after: After) -> Formula:
    """The last revision never falls, and no revision is left out."""
    last = last_revision()
    return (last <= after(last)) & (((last < r) & (last < after(last))) >> (after(last) <= r))


@mvcc.step(source=GUARANTEES, assumes=(ONE_LOG, DURABLE_LOG))
def committed_changes_stay(r: Revision, k: Key, after: After) -> Formula:
    """What a revision has changed once its transaction has ended is so for ever, and nothing is added to it."""
    ended = r <= last_revision()
    return ended >> (iff(after(changed(r, k)), changed(r, k)) & (changed(r, k) >> same_contents(r, k, after)))


@mvcc.step(source=DATA_MODEL)
def append_only(r: Revision, k: Key, after: After) -> Formula:
    """A record is never replaced: a revision changes a key at most once."""
    return (record(r, k) & after(record(r, k))) >> same_contents(r, k, after)


@mvcc.invariant(source="etcd#17780", assumes=(DURABLE_LOG,))
def told_revision_never_falls(r: Revision) -> Formula:
    """Where the log is replayed, the current revision is not below any that a client was told."""
    known = told_revision(r) >> (r <= last_revision())
    return known & ((told_revision(r) & (applied_revision() == last_revision())) >> (r <= current_revision()))


@mvcc.step(source=GUARANTEES)
def told_revisions_go_on(r: Revision, s: Revision, after: After) -> Formula:
    """A linearizable answer tells no lower revision than an earlier one."""
    return (told_revision(s) & ~told_revision(r) & after(told_revision(r))) >> (s <= r)


# ---- what is promised: create revision, version


@mvcc.invariant
def one_create_revision(r: Revision, k: Key, c: Revision, d: Revision) -> Formula:
    """A change that is no deletion has one create revision at most."""
    put_there = changed(r, k) & ~tombstone(r, k)
    return (put_there & create_revision(r, k, c) & create_revision(r, k, d)) >> (c == d)


@mvcc.invariant(source=DATA_MODEL)
def create_revision_began_this_life(r: Revision, k: Key, c: Revision, s: Revision) -> Formula:
    """The create revision is that of a put of version 1, and the key was not deleted or created anew since then."""
    begins = changed(c, k) & (version(c, k) == version_1) & (c <= r)
    lives = ((c <= s) & (s <= r) & changed(s, k)) >> (~tombstone(s, k) & create_revision(s, k, c))
    return (changed(r, k) & ~tombstone(r, k) & create_revision(r, k, c)) >> (begins & lives)


@mvcc.invariant(source=DATA_MODEL)
def version_1_is_creation(r: Revision, k: Key) -> Formula:
    """A put has version 1 if and only if it creates the key."""
    return (changed(r, k) & ~tombstone(r, k)) >> iff(version(r, k) == version_1, create_revision(r, k, r))


def written(r: Revision, k: Key, after: After) -> Formula:
    """The step puts a value into the key."""
    return ~changed(r, k) & after(changed(r, k)) & ~after(tombstone(r, k))


@mvcc.step(source=DATA_MODEL)
def version_counts_puts(r: Revision, k: Key, p: Revision, c: Revision, w: Version, after: After) -> Formula:
    """A put on a key that exists has the next version, and the same create revision."""
    exists_already = changed(p, k) & unchanged_between(k, p, last_revision()) & (p <= last_revision()) & ~tombstone(p, k)
    next_version = (version(p, k) < after(version(r, k))) & ((version(p, k) < w) >> (after(version(r, k)) <= w))
    same_creation = iff(after(create_revision(r, k, c)), create_revision(p, k, c))
    return (written(r, k, after) & exists_already) >> (next_version & same_creation)


@mvcc.step(source=DATA_MODEL)
def creation_begins_anew(r: Revision, k: Key, p: Revision, after: After) -> Formula:
    """A put on a key that was deleted, or never there, creates it."""
    deleted = tombstone(p, k) & changed(p, k) & unchanged_between(k, p, last_revision())
    never = unchanged_between(k, revision_0, last_revision())
    created = after(create_revision(r, k, r)) & (after(version(r, k)) == version_1)
    return (written(r, k, after) & ((deleted & (p <= last_revision())) | never)) >> created


@mvcc.step(source=DATA_MODEL)
def deletes_what_exists(r: Revision, k: Key, p: Revision, after: After) -> Formula:
    """Only a key that exists is deleted."""
    deleted = ~changed(r, k) & after(changed(r, k)) & after(tombstone(r, k))
    last = changed(p, k) & (p <= last_revision()) & unchanged_between(k, p, last_revision())
    return deleted >> (~unchanged_between(k, revision_0, last_revision()) & (last >> ~tombstone(p, k)))


# ---- what is promised: compares and reads


@mvcc.invariant
def compared_is_newest(k: Key, m: Revision, s: Revision, r: Revision) -> Formula:
    """What a compare has seen is the newest change of the key before the transaction."""
    unchanged = ((m < s) & (s <= last_revision())) >> ~changed(s, k)
    return (writing(r) & compared(k, m)) >> ((m <= last_revision()) & unchanged)


@mvcc.invariant(source=GUARANTEES, assumes=(ONE_LOG,))
def compare_and_swap(k: Key, m: Revision, r: Revision, s: Revision) -> Formula:
    """Between the change that a compare has seen and the one that its transaction makes nobody changes the key."""
    return swapped(k, m, r) >> (changed(r, k) & (m < r) & (((m < s) & (s < r)) >> ~changed(s, k)))


@mvcc.invariant(source=GUARANTEES)
def read_sees_what_was_committed(r: Revision, k: Key, p: Revision, s: Revision) -> Formula:
    """A read at a revision finds the newest change of the key up to there."""
    past = (p <= r) & (r <= last_revision()) & changed(p, k) & ~tombstone(p, k)
    return read_found(r, k, p) >> (past & (((p < s) & (s <= r)) >> ~changed(s, k)))


@mvcc.invariant(source=GUARANTEES)
def read_misses_nothing(r: Revision, k: Key, p: Revision, s: Revision) -> Formula:
    """If a read at a revision finds nothing, the newest change of the key up to there is a deletion, or there is none."""
    deleted = changed(p, k) & tombstone(p, k) & (p <= r)
    return read_absent(r, k, p) >> (
        (r <= last_revision()) & ((p == revision_0) | deleted) & (((p < s) & (s <= r)) >> ~changed(s, k))
    )


@mvcc.corollary(using=("read_sees_what_was_committed", "read_misses_nothing", "changes_are_past"), source=GUARANTEES)
def read_at_revision_is_stable(r: Revision, k: Key, p: Revision, q: Revision) -> Formula:
    """Reads of a key at the same revision find the same, at any time, compacted meanwhile or not."""
    return read_found(r, k, p) >> ((read_found(r, k, q) >> (p == q)) & ~read_absent(r, k, q))


# ---- how revisions are drawn


@mvcc.picture(Revision)
def draw(view: View, r: object) -> str:
    """`current, compact; k1 put (version 1, created 1), k2 deleted, record removed`."""
    marks = {"current": current_revision, "compact": compact_revision, "stored": stored_revision, "last": last_revision}
    at = [name for name, symbol in marks.items() if view.value(symbol) == r]
    if view.holds(writing, r):
        at.append("transaction under way")
    return "; ".join([*([", ".join(at)] if at else []), *(drawn_change(view, r, k) for k in view.those(changed, r))])


def drawn_change(view: View, r: object, k: object) -> str:
    """One key's change."""
    created = ", ".join(map(str, view.those(create_revision, r, k)))
    what = "deleted" if view.holds(tombstone, r, k) else f"put (version {view.value(version, r, k)}, created {created or '?'})"
    return f"{k} {what}{'' if view.holds(record, r, k) else ', no record'}"


# ---- what does happen

Calls = list[str | tuple[str, Mapping[str, int]]]

one_key = {"key": 1, "value": 1, "revision": 5, "version": 3}
"""One key, four revisions behind the first."""


def txn(r: int, *writes: str) -> Calls:
    """A transaction at revision r that makes these changes of key 0."""
    return [("txn_begin", {"r": r}), *((each, {"k": 0, "r": r}) for each in writes), ("txn_end", {"r": r})]


created_and_deleted: Calls = [*txn(1, "txn_put_new"), *txn(2, "txn_delete")]
compacts_at_tombstone: Calls = [("compact", {"r": 2}), ("compact_index", {"k": 0, "p": 2}), ("compact_remove", {"r": 1, "p": 2})]


def nothing_recorded() -> Formula:
    return forall(Revision, Key, lambda r, k: ~record(r, k))


mvcc.sometimes(
    "lives",
    "A key is created, put, deleted and created anew, and a read at each revision finds what was there.",
    Script(
        (
            *[*txn(1, "txn_put_new"), *txn(2, "txn_put"), *txn(3, "txn_delete"), *txn(4, "txn_put_new")],
            *[("read", {"r": 1}), ("read", {"r": 2}), ("read_nothing", {"r": 3}), ("read", {"r": 4})],
        ),
        one_key,
    ),
    exists(
        Key,
        Revision,
        lambda k, r: record(r, k) & create_revision(r, k, r) & exists(Revision, lambda s: tombstone(s, k) & (s < r)),
    ),
)
mvcc.sometimes(
    "compare_and_put",
    "A transaction puts a value if the key does not exist, another if it has the mod revision of the first.",
    Script((*txn(1, "txn_compare_absent", "txn_put_new"), *txn(2, "txn_compare", "txn_put")), one_key),
    exists(Key, Revision, Revision, lambda k, m, r: swapped(k, m, r) & (revision_0 < m)),
)
mvcc.sometimes(
    "deleted_key_goes",
    "A deleted key is compacted away, in two batches with a crash between them.",
    Script(
        (
            *[*created_and_deleted, *txn(3, "txn_put_new"), *txn(4, "txn_delete"), ("compact", {"r": 3}), "compact_index"],
            *[("compact_remove", {"r": 1}), ("backend_commit", {}), ("restart", {"r": 4}), ("compact_index", {"p": 3})],
            *[("compact_remove", {"r": 2}), ("compact", {"r": 4}), ("compact_index", {"p": 4}), ("compact_remove", {"r": 3})],
            *[("backend_commit", {}), ("read_nothing", {"r": 4})],
        ),
        one_key,
    ),
    exists(Key, Revision, lambda k, r: record(r, k) & tombstone(r, k) & forall(Revision, lambda s: record(s, k) >> (s == r))),
)
mvcc.sometimes(
    "tombstone_goes",
    "When the compact revision is beyond it, a tombstone goes, too.",
    Script(
        (
            *[*created_and_deleted, ("txn_begin", {"r": 3}), ("txn_put_new", {"k": 1}), ("txn_end", {}), ("compact", {"r": 3})],
            *[("compact_index", {"k": 0}), ("compact_remove", {"k": 0}), ("compact_remove_tombstone", {"k": 0})],
            *[("read_nothing", {"r": 3, "k": 0}), ("read", {"r": 3, "k": 1})],
        ),
        {**one_key, "key": 2},
    ),
    exists(Key, Revision, lambda k, r: changed(r, k) & tombstone(r, k) & ~record(r, k)),
)
mvcc.sometimes(
    "replay",
    "A member loses what it had not stored, and applies it again.",
    Script(
        (
            *[*txn(1, "txn_put_new"), "backend_commit", *txn(2, "txn_put"), "tell_revision", ("restart", {"r": 1})],
            *[("read", {"r": 1}), ("replay", {"r": 2}), ("tell_revision", {}), ("read", {"r": 2})],
        ),
        one_key,
    ),
    exists(Revision, lambda r: told_revision(r) & (current_revision() == r) & (stored_revision() < r)),
)

# ---- wrong protocols


def txn_begin_keeping_compares(do: Action, r: Revision) -> None:
    """The transaction begins with compares that were made before."""
    do.require(no_transaction(), "one_at_a_time")
    do.require(applied_revision() == last_revision(), "log_is_replayed")
    do.require(next_to(current_revision(), r), "next_revision")
    do.add(writing, r)


def txn_compare_with_own_writes(do: Action, k: Key, p: Revision, r: Revision) -> None:
    """A compare sees what its own transaction has written."""
    do.require(writing(r), "in_transaction")
    do.require(newest(r, k, p), "mod_revision")
    do.require(~tombstone(p, k), "not_deleted")
    do.add(compared, k, p)
    do.set(swapped, lambda j, m, s: swapped(j, m, s) | ((j == k) & (m == p) & (s == r) & changed(r, k)))


def backend_commit_without_index(do: Action) -> None:
    """The backend commits what was written, and the consistent index later."""
    do.require(no_transaction(), "between_transactions")
    do.set(stored_record, lambda r, k: record(r, k))
    do.set(stored_floor, lambda k: floor(k))


def restart_from_records(do: Action, r: Revision) -> None:
    """The current revision is that of the newest record, without a look at the compaction that was scheduled."""
    do.require(forall(Revision, Key, lambda s, k: stored_record(s, k) >> (s <= r)), "all_records")
    do.require((r == revision_0) | exists(Key, lambda k: stored_record(r, k)), "not_more")
    lose(do, r)


def restart_without_log(do: Action, r: Revision) -> None:
    """What the backend had not stored is not in the log either."""
    do.require(r == stored_revision(), "stored")
    lose(do, r)
    do.set(last_revision, lambda: stored_revision())


def compact_remove_orphan(do: Action, k: Key, p: Revision) -> None:
    """An index that was loaded from the records does not know a key of which only a tombstone is left."""
    do.require(tombstone(p, k), "tombstone")
    do.require(p <= compact_revision(), "compacted")
    do.require(forall(Revision, lambda s: (s < p) >> ~record(s, k)), "nothing_older")
    do.remove(record, p, k)


mvcc.mutant(
    "etcd_18089",
    "A compaction at the revision of a tombstone removes it: who watches from there misses the deletion.",
    breaks="compaction_keeps_watch_history",
    without=["compact_remove_tombstone.before_compact_revision"],
    script=Script((*created_and_deleted, *compacts_at_tombstone, "compact_remove_tombstone"), one_key),
)
mvcc.mutant(
    "etcd_19179",
    "The older record went in one batch, the member crashed, and the tombstone at the compact revision goes in the next.",
    breaks="compaction_keeps_watch_history",
    actions=[compact_remove_orphan],
    script=Script(
        (*created_and_deleted, *compacts_at_tombstone, "backend_commit", ("restart", {"r": 2}), "compact_remove_orphan"), one_key
    ),
)
mvcc.mutant(
    "etcd_13766",
    "The consistent index is stored apart from the data: after a crash a transaction is applied twice.",
    breaks="current_is_applied",
    actions=[backend_commit_without_index],
    script=Script((*txn(1, "txn_put_new"), "backend_commit_without_index", ("restart", {"r": 1})), one_key),
)
mvcc.mutant(
    "etcd_17780",
    "All records are compacted away, and after a crash the revision is that of the records that are left.",
    breaks="told_revision_never_falls",
    without=["compact_remove_tombstone.before_compact_revision"],
    actions=[restart_from_records],
    script=Script(
        (
            *[*created_and_deleted, "tell_revision", *compacts_at_tombstone, "compact_remove_tombstone", "backend_commit"],
            ("restart_from_records", {"r": 0}),
        ),
        one_key,
    ),
)
mvcc.mutant(
    "etcd_14370",
    "Answers come before the log is on disk: after a crash the revision is given to another transaction.",
    breaks="told_revision_never_falls",
    actions=[restart_without_log],
    script=Script((*txn(1, "txn_put_new"), "tell_revision", "restart_without_log"), one_key),
)
mvcc.mutant(
    "revision_used_twice",
    "A new transaction begins while the log is not replayed, at a revision that had been given.",
    breaks="read_at_revision_is_stable",
    without=["txn_begin.log_is_replayed"],
    script=Script(
        (
            *[*txn(1, "txn_put_new"), ("read_nothing", {"r": 1, "k": 1}), ("restart", {"r": 0})],
            *[("txn_begin", {"r": 1}), ("txn_put_new", {"k": 1}), ("txn_end", {}), ("read", {"r": 1, "k": 1})],
        ),
        {**one_key, "key": 2},
    ),
)
mvcc.mutant(
    "one_key_twice",
    "A transaction deletes a range up to the end of the keys, and puts one of them: the check for duplicates does not see it.",
    breaks="append_only",
    without=["txn_put_new.once_in_transaction", "txn_put.once_in_transaction", "txn_delete.once_in_transaction"],
)
mvcc.mutant(
    "lost_update",
    "Compares are made before the transaction has the store for itself.",
    breaks="compare_and_swap",
    without=["txn_compare.in_transaction"],
    actions=[txn_begin_keeping_compares],
    script=Script(
        (
            *[*txn(1, "txn_put_new"), ("txn_compare", {"p": 1})],
            *[("txn_begin_keeping_compares", {"r": 2}), ("txn_put", {}), ("txn_end", {})],
            *[("txn_begin_keeping_compares", {"r": 3}), ("txn_put", {}), ("txn_end", {})],
        ),
        one_key,
    ),
)
mvcc.mutant(
    "compare_after_write",
    "A compare is evaluated on what its own transaction has written.",
    breaks="compare_and_swap",
    actions=[txn_compare_with_own_writes],
)
mvcc.mutant(
    "tombstone_before_older",
    "A tombstone is removed before the records that it hides: after a crash the key is there again.",
    breaks="read_sees_what_was_committed",
    without=["compact_remove_tombstone.after_all_older"],
    script=Script(
        (
            *[*created_and_deleted, ("txn_begin", {"r": 3}), ("txn_put_new", {"k": 1}), ("txn_end", {}), ("compact", {"r": 3})],
            *[("compact_index", {"k": 0}), ("compact_remove_tombstone", {"k": 0}), ("backend_commit", {}), ("restart", {"r": 3})],
            ("read", {"r": 3, "k": 0}),
        ),
        {**one_key, "key": 2},
    ),
)
mvcc.mutant(
    "read_of_compacted",
    "A read before the compact revision is answered from what is left.",
    breaks="read_misses_nothing",
    without=["read_nothing.not_compacted"],
)

# ---- guards that safety does not need

for guard, because in {
    "txn_begin.one_at_a_time": "there is one next revision, so two transactions that had begun would be one",
    "txn_compare.in_transaction": "when a transaction begins, what was compared before is forgotten",
    "txn_compare_absent.in_transaction": "when a transaction begins, what was compared before is forgotten",
    "txn_compare.not_deleted": "tells it from txn_compare_absent; who takes the tombstone has seen the newest change, too",
    "txn_end_unchanged.in_transaction": "where there is no transaction, nothing ends",
    "compact_remove.record": "what is gone is not removed again",
    "compact_remove_tombstone.record": "what is gone is not removed again",
}.items():
    mvcc.needs_not(guard, because)
