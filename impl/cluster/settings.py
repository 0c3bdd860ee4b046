"""How the members of one cluster are configured. Names and meanings are those of etcd's raft.Config where it has them."""

from __future__ import annotations

from dataclasses import dataclass

from kubeproof.impl.raft.types import NO_LIMIT


@dataclass(frozen=True, slots=True)
class Settings:
    """The same for every member; each has a default, so that a scenario names only what it is about.

    `tick_ms` is the length of a tick of an exact clock (0: no clock runs), `disk_ms` the time of a sync, `apply_ms` of applying
    a batch of entries and `answer_ms` of an answer from a storage thread to its own node (from, to). A member snapshots its
    state machine every `snapshot_every` entries (0: never) and keeps `keep_entries` before it; `report_snapshots` tells Raft
    what became of those it sent. With `apply_while_writing` committed entries are applied without waiting for the write of the
    same Ready, which Raft allows; with `sync_commit` a commit index that is all that changed is made durable too, which Raft
    leaves open (raft#300).
    """

    election_tick: int = 10
    heartbeat_tick: int = 1
    pre_vote: bool = False
    check_quorum: bool = False
    async_storage_writes: bool = False
    vote_request_after_write: bool = False
    lease_based_reads: bool = False
    step_down_on_removal: bool = False
    disable_proposal_forwarding: bool = False
    disable_conf_change_validation: bool = False
    max_size_per_msg: int = NO_LIMIT
    max_committed_size_per_ready: int = 0
    max_uncommitted_entries_size: int = 0
    max_inflight_msgs: int = 256
    max_inflight_bytes: int = 0
    tick_ms: int = 10
    disk_ms: tuple[int, int] = (0, 0)
    apply_ms: tuple[int, int] = (0, 0)
    answer_ms: tuple[int, int] = (0, 0)
    apply_while_writing: bool = False
    sync_commit: bool = False
    snapshot_every: int = 0
    keep_entries: int = 10
    report_snapshots: bool = True

    @property
    def election_timeout_ms(self) -> int:
        """The shortest election timeout of an exact clock."""
        return self.election_tick * self.tick_ms
