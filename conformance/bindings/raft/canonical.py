"""What an exported node may forget without anybody noticing: the fewer differences, the fewer states.

Each rule says under which setup a field can influence nothing; a test compares runs with and without them.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubeproof.conformance.bindings.raft.setup import NO_WINDOW, Setup
from kubeproof.impl.raft.state import NodeState, RaftState
from kubeproof.impl.raft.tracker import InflightsState, ProgressState, TrackerState
from kubeproof.impl.raft.types import NO_ID, Message, StateType

NO_INFLIGHTS = InflightsState()


def canonical(node: NodeState, setup: Setup) -> NodeState:
    """The same node without what cannot matter. Nothing is dropped that a property looks at."""
    raft = node.raft
    return node._replace(
        raft=raft._replace(
            uncommitted_size=0,  # there is no limit to it
            heartbeat_elapsed=0,  # heartbeats are events
            election_elapsed=_election_elapsed(raft, setup),
            messages=by_receiver(raft.messages),
            messages_after_append=by_receiver(raft.messages_after_append),
            tracker=_tracker(raft.tracker, setup) if raft.state is StateType.StateLeader else raft.tracker,
        )
    )


def by_receiver(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Messages that wait for a write, in the order in which each receiver gets them; between receivers there is none."""
    return tuple(sorted(messages, key=lambda message: message.to))


def _election_elapsed(raft: RaftState, setup: Setup) -> int:
    """Timeouts are events; only a follower's lease looks at the time since it has heard of its leader."""
    leased = setup.check_quorum and raft.lead != NO_ID and raft.state is not StateType.StateLeader
    return raft.election_elapsed if leased else 0


def _tracker(tracker: TrackerState, setup: Setup) -> TrackerState:
    return tracker._replace(progress=tuple([(member, _progress(known, setup)) for member, known in tracker.progress]))


def _progress(known: ProgressState, setup: Setup) -> ProgressState:
    # who was heard of matters to CheckQuorum, and to snapshots, which nobody else gets
    recent_active = known.recent_active if setup.check_quorum or setup.compactions else True
    inflights = NO_INFLIGHTS if setup.max_inflight == NO_WINDOW else known.inflights
    return known._replace(recent_active=recent_active, inflights=inflights)
