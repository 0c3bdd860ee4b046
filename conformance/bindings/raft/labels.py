"""What a local step was about, for coverage: told from the states before and after, the cause, and what is sent.

The names of events are counted by themselves; labels tell the messages by their types, and the branches taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubeproof.conformance.bindings.raft.client import Served
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore import system
from kubeproof.impl.raft.types import Message, MessageType, StateType

_ANSWERS = {
    MessageType.MsgVoteResp: ("vote_granted", "vote_rejected"),
    MessageType.MsgPreVoteResp: ("pre_vote_granted", "pre_vote_rejected"),
    MessageType.MsgAppResp: ("append_accepted", "append_rejected"),
}
_ROLES = {
    StateType.StateFollower: "becomes_follower",
    StateType.StatePreCandidate: "becomes_pre_candidate",
    StateType.StateCandidate: "becomes_candidate",
    StateType.StateLeader: "becomes_leader",
}


def labels(
    before: Running, cause: system.Event | system.Message, after: Running, sends: Sequence[system.Message]
) -> tuple[str, ...]:
    """The names of what has happened."""
    return tuple(dict.fromkeys((*_taken(cause), *_outcomes(before, after, sends))))


def _taken(cause: system.Event | system.Message) -> Iterator[str]:
    if isinstance(cause, system.Message) and isinstance(cause.body, Message):
        yield cause.body.type.name


def _outcomes(before: Running, after: Running, sends: Sequence[system.Message]) -> Iterator[str]:
    if after == before and not sends:
        yield "ignored"
    for message in sends:
        body = message.body
        if isinstance(body, Message) and body.type in _ANSWERS:
            yield _ANSWERS[body.type][body.reject]
        if isinstance(body, Served):
            yield "read_answered"
    if after.role is not before.role or after.term > before.term:
        yield _ROLES[after.role]
    if before.leads and not after.leads:
        yield "steps_down"
    if after.commit > before.commit:
        yield "commits"
    if not before.leads and after.log[0].index > before.log[0].index:
        yield "restores_snapshot"
    yield from _membership(before, after)


def _membership(before: Running, after: Running) -> Iterator[str]:
    old, new = before.config, after.config
    if new.is_joint and not old.is_joint:
        yield "enters_joint"
    elif old.is_joint and not new.is_joint:
        yield "leaves_joint"
    elif old != new:
        yield "changes_membership"
    if new.voters.incoming & (old.learners or frozenset()):
        yield "promotes_learner"


def possible(setup: Setup) -> tuple[str, ...]:
    """What labels the steps of such a model may bear."""
    learners = (setup.learners > 0 and (setup.promote or setup.replace)) or (setup.add_learner and setup.promote)
    heartbeats = setup.heartbeats > 0 or setup.endless_heartbeats or setup.reads > 0
    groups = (
        (True, ("becomes_follower", "becomes_candidate", "becomes_leader", "steps_down", "commits", "ignored")),
        (setup.members > 1, ("MsgVote", "MsgVoteResp", "vote_granted", "vote_rejected")),
        (setup.members > 1, ("MsgApp", "MsgAppResp", "append_accepted", "append_rejected")),
        (
            setup.pre_vote,
            ("MsgPreVote", "MsgPreVoteResp", "becomes_pre_candidate", "pre_vote_granted", "pre_vote_rejected"),
        ),
        (heartbeats, ("MsgHeartbeat", "MsgHeartbeatResp")),
        (setup.forward_proposals, ("MsgProp",)),
        (setup.transfers > 0, ("MsgTimeoutNow",)),
        (setup.compactions > 0, ("MsgSnap", "restores_snapshot")),
        (setup.reads > 0, ("MsgReadIndex", "MsgReadIndexResp", "read_answered")),
        (setup.changes > 0 and setup.replace, ("enters_joint",)),
        (setup.changes > setup.explicit and setup.replace, ("leaves_joint",)),
        (setup.changes > 0, ("changes_membership",)),
        (setup.changes > 0 and learners, ("promotes_learner",)),
    )
    return tuple(label for wanted, names in groups if wanted for label in names)
