"""Makes the Run of a simulated cluster: what Raft traces, what members do and what the network does become events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, get_args

from kubeproof.conformance.trace import raft_events as events
from kubeproof.impl.raft import types
from kubeproof.impl.raft.confchange import ConfChange, ConfChangeTransition, ConfChangeType, ConfChangeV2
from kubeproof.impl.raft.quorum import MajorityConfig
from kubeproof.impl.raft.raft import Raft
from kubeproof.impl.raft.tracker import TrackerConfig
from kubeproof.impl.sim.world import World

NETWORK = "network"

_MESSAGE_TYPES: dict[types.MessageType, events.MessageType] = {types.MessageType[n]: n for n in get_args(events.MessageType)}
_ENTRY_TYPES: dict[types.EntryType, events.EntryType] = {types.EntryType[name]: name for name in get_args(events.EntryType)}
_ROLES: dict[types.StateType, events.Role] = {types.StateType[name]: name for name in get_args(events.Role)}
_CHANGES: dict[ConfChangeType, events.ChangeType] = {ConfChangeType[name]: name for name in get_args(events.ChangeType)}
_TRANSITIONS: dict[ConfChangeTransition, events.Transition] = {
    ConfChangeTransition[name]: name for name in get_args(events.Transition)
}
_PLAIN: dict[str, Callable[..., events.Event]] = {
    "start": events.Start,
    "become_follower": events.BecomeFollower,
    "become_pre_candidate": events.BecomePreCandidate,
    "become_candidate": events.BecomeCandidate,
    "become_leader": events.BecomeLeader,
    "commit": events.Commit,
    "ready": events.Ready,
}


class Recorder:
    """Hands each event to `take`, in the order in which things happen.

    It is the Watcher of impl/cluster. Without `reads` what
    reads are asked and answered stays out of the Run, because it is not to be judged.
    """

    def __init__(self, world: World, take: Callable[[events.Event], None], *, reads: bool) -> None:
        self._world = world
        self._take = take
        self._reads = reads

    def trace(self, action: str, node: object, subject: object) -> None:
        """What Raft traces: `node` is its Raft object, `subject` depends on the action."""
        assert isinstance(node, Raft)
        actor, time_ms, state = _name(node.id), self._world.now_ms, _state(node)
        if action == "send" or action == "receive":
            assert isinstance(subject, types.Message)
            kind = events.Send if action == "send" else events.Receive
            self._take(kind(actor=actor, time_ms=time_ms, state=state, message=_message(subject)))
        elif action in _PLAIN:
            self._take(_PLAIN[action](actor=actor, time_ms=time_ms, state=state))
        elif isinstance(subject, types.Entry):
            args = events.ReplicateArgs(index=subject.index, payload=subject.data.hex())
            self._take(events.Replicate(actor=actor, time_ms=time_ms, state=state, args=args))
        elif isinstance(subject, TrackerConfig):
            membership = _membership(subject)
            self._take(events.ApplyConfChange(actor=actor, time_ms=time_ms, state=state, args=membership))
        else:
            assert isinstance(subject, ConfChange | ConfChangeV2)
            self._take(events.ChangeConf(actor=actor, time_ms=time_ms, state=state, args=_changes(subject)))

    def observe(self, action: str, id_: int, arguments: Mapping[str, Any]) -> None:
        """What members do besides Raft."""
        actor, time_ms = _name(id_), self._world.now_ms
        if action == "apply":
            self._take(events.Apply(actor=actor, time_ms=time_ms, args=events.ApplyArgs(**arguments)))
        elif action in ("read_request", "read_served") and not self._reads:
            return
        elif action == "read_request":
            self._take(events.ReadRequest(actor=actor, time_ms=time_ms, args=events.ReadRequestArgs(**arguments)))
        elif action == "read_served":
            self._take(events.ReadServed(actor=actor, time_ms=time_ms, args=events.ReadServedArgs(**arguments)))
        elif action == "crash":
            self._take(events.Crash(actor=actor, time_ms=time_ms, args=events.CrashArgs(**arguments)))
        else:
            self._take(events.Panic(actor=actor, time_ms=time_ms, args=events.PanicArgs(**arguments)))

    def network(self, what: str, _sender: int, _receiver: int, message: types.Message) -> None:
        """What the network does to a message besides delivering it."""
        kind = events.Drop if what == "drop" else events.Duplicate
        self._take(kind(actor=NETWORK, time_ms=self._world.now_ms, message=_message(message)))

    def partition(self, groups: tuple[tuple[int, ...], ...]) -> None:
        """A partition into groups, or its end. Cuts in one direction show only by the messages that are dropped."""
        if groups:
            args = events.PartitionArgs(groups=tuple(map(_names, groups)))
            self._take(events.Partition(actor=NETWORK, time_ms=self._world.now_ms, args=args))
        else:
            self._take(events.Heal(actor=NETWORK, time_ms=self._world.now_ms))


@lru_cache(maxsize=1 << 12)
def _name(id_: int) -> str:
    return str(id_) if id_ else ""


@lru_cache(maxsize=1 << 12)
def _names(ids: MajorityConfig | tuple[int, ...]) -> tuple[str, ...]:
    return tuple(map(str, sorted(ids)))


def _state(node: Raft) -> events.State:
    voters = node.tracker.config.voters
    return events.State(
        term=node.term,
        vote=_name(node.vote),
        commit=node.log.committed,
        role=_ROLES[node.state],
        last_index=node.log.last_index(),
        voters=_names(voters.incoming),
        voters_outgoing=_names(voters.outgoing),
    )


def _message(message: types.Message) -> events.Message:
    return events.Message(
        type=_MESSAGE_TYPES[message.type],
        from_=_name(message.from_),
        to=_name(message.to),
        term=message.term,
        log_term=message.log_term,
        index=message.index,
        entries=tuple([_entry(entry) for entry in message.entries]),
        commit=message.commit,
        vote=_name(message.vote),
        snapshot=None if message.snapshot is None else _snapshot(message.snapshot),
        reject=message.reject,
        reject_hint=message.reject_hint,
        context=message.context.hex(),
    )


@lru_cache(maxsize=1 << 12)
def _entry(entry: types.Entry) -> events.Entry:
    return events.Entry(term=entry.term, type=_ENTRY_TYPES[entry.type], payload=entry.data.hex())


@lru_cache(maxsize=1 << 8)
def _snapshot(snapshot: types.Snapshot) -> events.Snapshot:
    conf_state = snapshot.conf_state
    return events.Snapshot(
        index=snapshot.index,
        term=snapshot.term,
        voters=_names(conf_state.voters),
        voters_outgoing=_names(conf_state.voters_outgoing),
        learners=_names(conf_state.learners),
        learners_next=_names(conf_state.learners_next),
        auto_leave=conf_state.auto_leave,
    )


def _membership(config: TrackerConfig) -> events.ApplyConfChangeArgs:
    return events.ApplyConfChangeArgs(
        voters=_names(config.voters.incoming),
        voters_outgoing=_names(config.voters.outgoing),
        learners=_names(config.learners or ()),
        learners_next=_names(config.learners_next or ()),
        auto_leave=config.auto_leave,
    )


def _changes(change: ConfChange | ConfChangeV2) -> events.ChangeConfArgs:
    v2 = change.as_v2()
    return events.ChangeConfArgs(
        changes=tuple(events.Change(type=_CHANGES[single.type], node=_name(single.node_id)) for single in v2.changes),
        transition=None if v2.transition is None else _TRANSITIONS[v2.transition],
    )
