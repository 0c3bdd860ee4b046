"""How a node is set up, and what it reports to (etcd raft.go, Config)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from kubeproof.impl.raft.faults import NO_FAULTS, Faults
from kubeproof.impl.raft.storage import Storage
from kubeproof.impl.raft.types import LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, NO_ID, NO_LIMIT


class ReadOnlyOption(IntEnum):
    """How a read is confirmed: by a round of heartbeats, or by the leader's lease, which trusts the clocks."""

    ReadOnlySafe = 0
    ReadOnlyLeaseBased = 1


class Logger(Protocol):
    """Takes the lines that etcd's Raft logs. Without a logger they are not even formatted."""

    def debug(self, text: str) -> None: ...
    def info(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def error(self, text: str) -> None: ...


Tracer = Callable[[str, object, object], None]
"""Called with (action, node, subject) where etcd's state_trace.go traces: `node` is the Raft object in its state of that moment,
`subject` the message, entry or membership concerned, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One node's settings. Timeouts count in ticks, sizes in bytes.

    `draw_election_timeout` is given `election_tick` and returns ticks in [election_tick, 2 * election_tick): it is the
    only randomness, and it is asked at every change of role. `applied` is the last index that the application has applied
    before a restart. `max_committed_size_per_ready` 0 is `max_size_per_msg`, `max_uncommitted_entries_size` 0 is no limit,
    `max_inflight_bytes` 0 is no limit. `vote_request_after_write` delays MsgVote and MsgPreVote, with asynchronous storage
    writes, until what they promise is durable; etcd sends them at once.
    """

    id: int
    election_tick: int
    heartbeat_tick: int
    storage: Storage
    draw_election_timeout: Callable[[int], int]
    applied: int = 0
    async_storage_writes: bool = False
    max_size_per_msg: int = NO_LIMIT
    max_committed_size_per_ready: int = 0
    max_uncommitted_entries_size: int = 0
    max_inflight_msgs: int = 2**31 - 1
    max_inflight_bytes: int = 0
    check_quorum: bool = False
    pre_vote: bool = False
    read_only_option: ReadOnlyOption = ReadOnlyOption.ReadOnlySafe
    disable_proposal_forwarding: bool = False
    disable_conf_change_validation: bool = False
    step_down_on_removal: bool = False
    vote_request_after_write: bool = False
    logger: Logger | None = None
    trace: Tracer | None = None
    faults: Faults = NO_FAULTS

    def __post_init__(self) -> None:
        problems = (
            (self.id == NO_ID, "cannot use none as id"),
            (self.id in (LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD), "cannot use local target as id"),
            (self.heartbeat_tick <= 0, "heartbeat tick must be greater than 0"),
            (self.election_tick <= self.heartbeat_tick, "election tick must be greater than heartbeat tick"),
            (self.max_inflight_msgs <= 0, "max inflight messages must be greater than 0"),
            (
                0 < self.max_inflight_bytes < self.max_size_per_msg,
                "max inflight bytes must be >= max message size",
            ),
            (
                self.read_only_option is ReadOnlyOption.ReadOnlyLeaseBased and not self.check_quorum,
                "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased",
            ),
        )
        for wrong, text in problems:
            if wrong:
                raise ValueError(text)
