"""Renaming members: what a local state or a message would be if the members had other ids.

Everything that is sorted by id is sorted again, so that renamed values are canonical, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubeproof.conformance.bindings.raft.canonical import by_receiver
from kubeproof.conformance.bindings.raft.changes import targets
from kubeproof.conformance.bindings.raft.client import Applied, Client
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore.system import Symmetry
from kubeproof.impl.raft import ConfState
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeV2, decode_conf_change, encode_conf_change
from kubeproof.impl.raft.log import LogState
from kubeproof.impl.raft.log_unstable import UnstableState
from kubeproof.impl.raft.quorum import JointConfig, MajorityConfig
from kubeproof.impl.raft.read_only import PendingRead, ReadOnlyState
from kubeproof.impl.raft.ready import Ready
from kubeproof.impl.raft.state import NodeState, RaftState
from kubeproof.impl.raft.storage import StorageState
from kubeproof.impl.raft.tracker import TrackerConfig, TrackerState
from kubeproof.impl.raft.types import Entry, EntryType, HardState, Message, Snapshot, SoftState

Ids = tuple[int, ...]
"""For each component its new number; member ids are one higher."""

PROPOSAL = b"p"


def symmetry(setup: Setup) -> Symmetry | None:
    """The members that are told apart by nothing but their ids: not by what they may do, nor by what may be done to them."""
    if not setup.symmetry:
        return None
    counts = (setup.learners + setup.spares, setup.fragile, setup.slow_writes, setup.slow_answers, setup.slow_applies)
    special = max([count for count in counts if count < setup.members], default=0)
    voters = setup.conf_state.voters
    candidates = voters[len(voters) - setup.candidates :] if setup.candidates else ()
    alike = [member for member in setup.ids[: setup.members - special] if member not in {*targets(setup), *candidates}]
    return Symmetry(tuple([member - 1 for member in alike]), rename)


def rename(value: Any, ids: Ids) -> Any:
    """A local state or a message's body under other ids. What has none in it stays as it is."""
    if isinstance(value, tuple) and type(value) in _RENAMED:
        return _RENAMED[type(value)](value, ids)
    return value


def _id(member: int, ids: Ids) -> int:
    """Ids that are no member's, as 0 or those of the storage threads, stay."""
    return ids[member - 1] + 1 if 0 < member <= len(ids) else member


def _each(values: tuple[Any, ...], ids: Ids) -> tuple[Any, ...]:
    return tuple([rename(value, ids) for value in values])


def _sorted(members: Ids, ids: Ids) -> Ids:
    return tuple(sorted([_id(member, ids) for member in members]))


def _keyed(items: tuple[tuple[int, Any], ...], ids: Ids) -> tuple[tuple[int, Any], ...]:
    """Pairs of a member and something, in ascending order of members."""
    return tuple(sorted([(_id(member, ids), value) for member, value in items]))


def _running(state: Running, ids: Ids) -> Running:
    return state._replace(
        id=_id(state.id, ids),
        node=_node(state.node, ids),
        storage=_storage(state.storage, ids),
        writes=_each(state.writes, ids),
        answers=tuple([_each(answers, ids) for answers in state.answers]),
        applies=_each(state.applies, ids),
        ready=rename(state.ready, ids),
    )


def _node(node: NodeState, ids: Ids) -> NodeState:
    return NodeState(
        _raft(node.raft, ids),
        _hard_state(node.prev_hard_state, ids),
        _soft_state(node.prev_soft_state, ids),
        _each(node.steps_on_advance, ids),
    )


def _raft(raft: RaftState, ids: Ids) -> RaftState:
    return raft._replace(
        vote=_id(raft.vote, ids),
        lead=_id(raft.lead, ids),
        lead_transferee=_id(raft.lead_transferee, ids),
        log=_log(raft.log, ids),
        tracker=_tracker(raft.tracker, ids),
        read_only=_read_only(raft.read_only, ids),
        pending_read_index_messages=_each(raft.pending_read_index_messages, ids),
        messages=by_receiver(_each(raft.messages, ids)),
        messages_after_append=by_receiver(_each(raft.messages_after_append, ids)),
    )


def _log(log: LogState, ids: Ids) -> LogState:
    unstable: UnstableState = log.unstable
    renamed = unstable._replace(snapshot=rename(unstable.snapshot, ids), entries=_each(unstable.entries, ids))
    return log._replace(unstable=renamed)


def _tracker(tracker: TrackerState, ids: Ids) -> TrackerState:
    return TrackerState(_config(tracker.config, ids), _keyed(tracker.progress, ids), _keyed(tracker.votes, ids))


def _config(config: TrackerConfig, ids: Ids) -> TrackerConfig:
    return config._replace(
        voters=JointConfig(_majority(config.voters.incoming, ids), _majority(config.voters.outgoing, ids)),
        learners=None if config.learners is None else _majority(config.learners, ids),
        learners_next=None if config.learners_next is None else _majority(config.learners_next, ids),
    )


def _majority(members: MajorityConfig, ids: Ids) -> MajorityConfig:
    return MajorityConfig(_id(member, ids) for member in members)


def _read_only(reads: ReadOnlyState, ids: Ids) -> ReadOnlyState:
    """Acknowledgements are by member and number, or with read_index_context_reused, by number with the members."""
    pending = tuple([PendingRead(_message(read.request, ids), read.index) for read in reads.pending])
    if any(isinstance(members, tuple) for _, members in reads.acks):
        by_number = [(number, _sorted(members, ids)) for number, members in reads.acks if isinstance(members, tuple)]
        return reads._replace(pending=pending, acks=tuple(by_number))
    return reads._replace(pending=pending, acks=_keyed(reads.acks, ids))


def _storage(storage: StorageState, ids: Ids) -> StorageState:
    return StorageState(
        _hard_state(storage.hard_state, ids),
        _snapshot(storage.snapshot, ids),
        tuple([_entry(each, ids) for each in storage.entries]),
    )


def _hard_state(state: HardState, ids: Ids) -> HardState:
    return state._replace(vote=_id(state.vote, ids))


def _soft_state(state: SoftState, ids: Ids) -> SoftState:
    return state._replace(lead=_id(state.lead, ids))


def _snapshot(snapshot: Snapshot, ids: Ids) -> Snapshot:
    return snapshot._replace(conf_state=_conf_state(snapshot.conf_state, ids))


def _conf_state(state: ConfState, ids: Ids) -> ConfState:
    return state._replace(
        voters=_sorted(state.voters, ids),
        learners=_sorted(state.learners, ids),
        voters_outgoing=_sorted(state.voters_outgoing, ids),
        learners_next=_sorted(state.learners_next, ids),
    )


def _entry(entry: Entry, ids: Ids) -> Entry:
    """A proposal bears the id of its proposer, a change those of the members that it is about."""
    if not entry.data:
        return entry
    if entry.type is EntryType.EntryNormal:
        return entry._replace(data=PROPOSAL + b"%d" % _id(int(entry.data[1:]), ids)) if entry.data[:1] == PROPOSAL else entry
    return entry._replace(data=encode_conf_change(_change(decode_conf_change(entry.type, entry.data), ids))[1])


def _change(change: ConfChange | ConfChangeV2, ids: Ids) -> ConfChange | ConfChangeV2:
    if isinstance(change, ConfChange):
        return change._replace(node_id=_id(change.node_id, ids))
    return change._replace(changes=tuple([each._replace(node_id=_id(each.node_id, ids)) for each in change.changes]))


def _message(message: Message, ids: Ids) -> Message:
    return message._replace(
        to=_id(message.to, ids),
        from_=_id(message.from_, ids),
        vote=_id(message.vote, ids),
        entries=tuple([_entry(entry, ids) for entry in message.entries]),
        snapshot=rename(message.snapshot, ids),
        responses=by_receiver(_each(message.responses, ids)),
    )


def _ready(ready: Ready, ids: Ids) -> Ready:
    return ready._replace(
        soft_state=rename(ready.soft_state, ids),
        hard_state=_hard_state(ready.hard_state, ids),
        entries=_each(ready.entries, ids),
        snapshot=rename(ready.snapshot, ids),
        committed_entries=_each(ready.committed_entries, ids),
        messages=by_receiver(_each(ready.messages, ids)),
    )


def _client(state: Client, ids: Ids) -> Client:
    """Reads are numbered by when they were asked, so their order stays."""
    waiting = tuple([read._replace(member=_id(read.member, ids)) for read in state.waiting])
    return state._replace(applied=_each(state.applied, ids), waiting=waiting)


_RENAMED: Mapping[type, Callable[[Any, Ids], Any]] = {
    Running: _running,
    Client: _client,
    Applied: lambda applied, ids: applied._replace(entry=_entry(applied.entry, ids)),
    Message: _message,
    Snapshot: _snapshot,
    Entry: _entry,
    SoftState: _soft_state,
    Ready: _ready,
}
