"""Mistakes of etcd's server, above Raft and the store, as switches, each where its guard stands. All are off by default.

References: etcd#N are issues or pull requests of etcd-io/etcd.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubeproof.impl.mistakes import mistake, mistakes_of


@dataclass(frozen=True, slots=True)
class Faults:
    """One switch for each mistake of a server."""

    # leases
    stale_leader_revokes: bool = mistake(
        "etcd#15247",
        "safety",
        "A leader that was deposed meanwhile revokes what is expired by its own clock: its proposal is forwarded to the new one.",
    )
    stale_leader_renews: bool = mistake(
        "etcd#12528, etcd#16822",
        "safety",
        "A leader answers keepalives without asking a quorum whether it still leads.",
    )
    revocation_is_forwarded: bool = mistake(
        "found here",
        "safety",
        "A leader that was confirmed, then deposed, proposes to revoke what was expired; forwarded, it counts in the newer term.",
    )
    answered_before_applied: bool = mistake(
        "etcd#13675, etcd#20589",
        "safety",
        "A leader answers before it has applied what is committed: a lease that was granted is not found, a revoked one renewed.",
    )
    expired_is_renewed: bool = mistake(
        "etcd#6570",
        "safety",
        "A lease that has expired is renewed while its revocation is under way.",
    )
    checkpoint_is_not_cleared: bool = mistake(
        "etcd lessor.go, Renew",
        "safety",
        "A lease is renewed and keeps its checkpoint: it gets only what was left then, here and at a new leader.",
    )
    checkpointed_while_renewed: bool = mistake(
        "found here",
        "safety",
        "A lease is renewed while a checkpoint of it is under way: it gets only what was left then, here or at a new leader.",
    )
    # reads
    read_index_id_reused: bool = mistake(
        "etcd#20418",
        "reads",
        "A read index that is asked for again keeps its id: with raft#397, late answers to the first try confirm later reads.",
    )
    # durability
    single_member_answers_before_sync: bool = mistake(
        "etcd#14370", "safety", "A cluster of one applies and answers while its write-ahead log is being written."
    )
    defragment_without_consistent_index: bool = mistake(
        "etcd#14685", "safety", "Defragmentation commits what was written without the consistent index: a crash applies it again."
    )
    snapshot_file_released_early: bool = mistake(
        "etcd#18055",
        "panic",
        "A second snapshot that arrives releases the first one's file, which is not applied yet: the member dies.",
    )
    # membership
    updated_learner_forgotten: bool = mistake(
        "etcd#21694",
        "safety",
        "A learner whose URLs are updated is taken for a voter, which it is not to Raft: the quorum seems larger than it is.",
    )
    # space
    nested_puts_cost_nothing: bool = mistake(
        "etcd#22134",
        "safety",
        "Puts in a nested transaction do not count for the quota: they are served in spite of NOSPACE.",
    )


NO_FAULTS = Faults()

MISTAKES = mistakes_of(Faults)
"""Every switch of Faults by name, with its Mistake."""
