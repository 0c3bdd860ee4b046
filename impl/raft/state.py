"""The whole state of a node as one immutable, hashable, canonical value.

Equal situations are equal values: dictionaries become tuples in ascending order, and nothing that is derived is kept. The
storage is the application's; its state is exported by itself (storage.MemoryStorage.export).
"""

from __future__ import annotations

from typing import NamedTuple

from kubeproof.impl.raft.log import LogState
from kubeproof.impl.raft.raft import Raft
from kubeproof.impl.raft.read_only import ReadOnlyState
from kubeproof.impl.raft.tracker import Inflights, Progress, TrackerState
from kubeproof.impl.raft.types import HardState, Message, ReadState, SoftState, StateType


class RaftState(NamedTuple):
    """An exported Raft; the fields are its attributes."""

    term: int
    vote: int
    lead: int
    state: StateType
    is_learner: bool
    lead_transferee: int
    pending_conf_index: int
    uncommitted_size: int
    election_elapsed: int
    heartbeat_elapsed: int
    randomized_election_timeout: int
    log: LogState
    tracker: TrackerState
    read_only: ReadOnlyState
    read_states: tuple[ReadState, ...]
    pending_read_index_messages: tuple[Message, ...]
    messages: tuple[Message, ...]
    messages_after_append: tuple[Message, ...]


class NodeState(NamedTuple):
    """An exported RawNode."""

    raft: RaftState
    prev_hard_state: HardState
    prev_soft_state: SoftState
    steps_on_advance: tuple[Message, ...]


UNKNOWN_PROGRESS = Progress(0, 1, Inflights(0)).export()
_PLAIN = RaftState._fields[: RaftState._fields.index("log")]


def export_raft(raft: Raft) -> RaftState:
    plain = {name: getattr(raft, name) for name in _PLAIN}
    return RaftState(
        **plain,
        log=raft.log.export(),
        tracker=_export_tracker(raft),
        read_only=raft.read_only.export(),
        read_states=tuple(raft.read_states),
        pending_read_index_messages=tuple(raft.pending_read_index_messages),
        messages=tuple(raft.messages),
        messages_after_append=tuple(raft.messages_after_append),
    )


def _export_tracker(raft: Raft) -> TrackerState:
    """Only a leader's view of its peers matters; what others still know of theirs is forgotten when they are elected."""
    state = raft.tracker.export()
    if raft.state is StateType.StateLeader:
        return state
    return state._replace(
        progress=tuple([(member, UNKNOWN_PROGRESS._replace(is_learner=known.is_learner)) for member, known in state.progress])
    )


def import_raft(raft: Raft, state: RaftState) -> None:
    for name in _PLAIN:
        setattr(raft, name, getattr(state, name))
    raft.log.import_state(state.log)
    raft.tracker.restore(state.tracker)
    raft.read_only = raft.new_read_only()
    raft.read_only.import_state(state.read_only)
    raft.read_states = list(state.read_states)
    raft.pending_read_index_messages = list(state.pending_read_index_messages)
    raft.messages = list(state.messages)
    raft.messages_after_append = list(state.messages_after_append)
