"""Mistakes of applications that embed Raft, as switches.

The library can be right and the cluster wrong: what is durable, when messages leave, and when a membership is applied are
promises of the application (etcd-io/raft doc.go, "Usage"; each mistake here breaks one of them). All are off by default.
"""

from __future__ import annotations

from dataclasses import dataclass

from kubeproof.impl.mistakes import mistake, mistakes_of


@dataclass(frozen=True, slots=True)
class ApplicationFaults:
    """One switch for each mistake of an application. (What goes wrong inside the library is in raft/faults.py.)"""

    # storage
    vote_not_stored: bool = mistake("section 5.2", "safety", "A HardState is stored without its vote.")
    hard_state_not_stored: bool = mistake(
        "etcd-io/raft doc.go", "safety", "No HardState is ever stored: term, vote and commit index are lost in a crash."
    )
    sent_before_written: bool = mistake(
        "etcd#10166", "safety", "Votes and acknowledgements leave before what they promise is written."
    )
    last_entries_lost_at_restart: bool = mistake("etcd#10166", "safety", "The last stored entries are missing after a restart.")
    restored_from_backup: bool = mistake("etcd disaster recovery", "safety", "A member starts from an old copy of its disk.")
    empty_disk_at_restart: bool = mistake(
        "etcd runtime reconfiguration", "safety", "A member starts with an empty disk under its old id."
    )
    snapshot_labelled_with_last_index: bool = mistake(
        "section 7", "safety", "A snapshot is labelled with the last index of the log instead of the applied one."
    )
    # membership
    removal_not_applied: bool = mistake(
        "etcd#7280", "safety", "Members do not apply membership changes that remove another member."
    )
    conf_change_applied_when_proposed: bool = mistake(
        "thesis section 4.1", "safety", "A leader applies a membership change when it proposes it, before it is committed."
    )
    bootstrapped_with_other_peers: bool = mistake(
        "etcd-io/raft bootstrap.go", "safety", "One member starts the cluster with a peer list of its own."
    )
    removed_id_used_again: bool = mistake(
        "raft#349",
        "liveness",
        "A new member gets the id of a removed one: a late acknowledgement of the old one speaks for an empty log.",
    )
    entries_applied_over_snapshot: bool = mistake(
        "etcd-io/raft v3.7.0, ApplyConfChange",
        "panic",
        "Entries that were handed out are applied although a snapshot has been received since that covers them.",
    )
    # reads
    read_served_locally: bool = mistake("thesis section 6.4", "reads", "A read is answered from local state without asking Raft.")
    read_served_before_applied: bool = mistake(
        "thesis section 6.4", "reads", "A confirmed read is answered before its index is applied."
    )


APPLICATION_MISTAKES = mistakes_of(ApplicationFaults)
"""Every switch of ApplicationFaults by name, with its Mistake."""
