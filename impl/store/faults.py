"""Mistakes of etcd's store as switches: each re-creates one where its guard stands. All are off by default.

References: etcd#N are issues or pull requests of etcd-io/etcd. What is called "found here" has no issue yet, as
far as a search has shown; docs/store.md describes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubeproof.impl.mistakes import mistake, mistakes_of
from kubeproof.impl.store.versions import Version


@dataclass(frozen=True, slots=True)
class Faults:
    """One switch for each mistake of a store."""

    # compaction and restart
    scheduled_compaction_forgotten: bool = mistake(
        "etcd#17780",
        "safety",
        "After a crash within a compaction that has removed the last records the current revision is taken from what is left.",
    )
    tombstone_compacted: bool = mistake(
        "etcd#18089",
        "safety",
        "A compaction at the revision of a deletion removes its tombstone, so watchers from there miss it.",
    )
    lone_tombstone_not_restored: bool = mistake(
        "etcd#19179",
        "safety",
        "A restart forgets a tombstone whose put was removed, and the compaction that goes on then removes it too.",
    )
    second_change_compacted: bool = mistake(
        "etcd#22376",
        "panic",
        "Where one revision deletes and puts a key, a compaction at it removes the put's record: whoever reads the key dies.",
    )
    consistent_index_saved_apart: bool = mistake(
        "etcd#13766", "safety", "The index of the last applied entry is committed before what the entry has changed."
    )
    # transactions
    open_range_not_seen: bool = mistake(
        "etcd#22445, etcd#16380",
        "safety",
        'The check for keys that are changed twice misses ranges to the end ("\\0") and deletions in a later nested transaction.',
    )
    previous_looked_up_before_txn: bool = mistake(
        "found here (docs/store.md)",
        "panic",
        "A put that keeps value or lease is checked against the state before the transaction, which has deleted the key by then.",
    )
    unknown_sort_target_accepted: bool = mistake(
        "etcd#13554", "panic", "A range with an unknown sort target is not refused, and dies when it sorts (before 3.6)."
    )
    ranges_dropped_where_nobody_waits: bool = mistake(
        "etcd#18667",
        "safety",
        "A member that no client asked applies a transaction without its ranges, also where these make it fail elsewhere.",
    )
    # leases
    lease_forgotten_apart: bool = mistake(
        "etcd lessor.go, Revoke",
        "safety",
        "A revoked lease and its keys are committed apart: after a crash its keys live for ever.",
    )
    checkpoints_not_persisted: bool = mistake(
        "etcd#13508", "liveness", "Checkpoints are kept in memory only: each restart lets leases live for their whole time again."
    )
    # watches
    progress_not_synchronised: bool = mistake(
        "etcd#15220",
        "safety",
        "Progress requests are answered at once with the current revision, whatever the watches have still to be told.",
    )
    told_revision_not_noted: bool = mistake(
        "etcd#15271",
        "safety",
        "What a synced watcher was told is not noted, so a snapshot makes it read all of that again.",
    )
    synced_after_snapshot: bool = mistake(
        "etcd#8411",
        "safety",
        "After a snapshot synced watchers go on with what comes next: they miss what the snapshot has brought.",
    )
    read_buffer_has_duplicates: bool = mistake(
        "etcd#17247",
        "safety",
        "The first change of a transaction with several is in the read buffer twice: who is behind is told twice.",
    )
    starved_watch_taken_for_synced: bool = mistake(
        "etcd#17529",
        "safety",
        "A watch on a full stream that a compaction has overtaken becomes synced instead of canceled: its events are lost.",
    )
    future_watch_taken_for_past: bool = mistake(
        "etcd#20221, etcd#19487",
        "safety",
        "A watch of a future revision gets earlier events after a snapshot, and progress notifications of earlier revisions.",
    )
    compacted_watch_blocks_progress: bool = mistake(
        "found here (docs/store.md)",
        "liveness",
        "A watch that was canceled by a compaction counts as not in step: progress requests of its stream have no answer.",
    )


NO_FAULTS = Faults()

MISTAKES = mistakes_of(Faults)
"""Every switch of Faults by name, with its Mistake."""


def as_released(version: Version) -> Faults:
    """What the last releases of a line still do (3.4.23, 3.5.33, 3.6.14), as far as a client can see it without a crash."""
    return Faults(
        tombstone_compacted=version is Version.V3_4,
        second_change_compacted=version is not Version.V3_4,
        open_range_not_seen=True,
        previous_looked_up_before_txn=True,
        unknown_sort_target_accepted=version < Version.V3_6,
        progress_not_synchronised=version is Version.V3_4,
        future_watch_taken_for_past=version is Version.V3_4,
        compacted_watch_blocks_progress=version is not Version.V3_4,
    )
