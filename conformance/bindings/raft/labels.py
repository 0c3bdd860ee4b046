"""What a local step was about, for coverage: told from the states before and after, the cause, and what is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore import system
from kubeproof.impl.raft.types import Message, MessageType, StateType

_ANSWERS = {
    MessageType.MsgVoteResp: "vote",
    MessageType.MsgPreVoteResp: "pre_vote",
    MessageType.MsgAppResp: "append",
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
    """The names of what has happened, the cause first."""
    return tuple(dict.fromkeys((_cause(cause), *_outcomes(before, after, sends))))


def _cause(cause: system.Event | system.Message) -> str:
    if isinstance(cause, system.Event):
        return cause.name
    return cause.body.type.name if isinstance(cause.body, Message) else "ask"


def _outcomes(before: Running, after: Running, sends: Sequence[system.Message]) -> Iterator[str]:
    for message in sends:
        body = message.body
        if isinstance(body, Message) and body.type in _ANSWERS:
            yield f"{_ANSWERS[body.type]}_{'rejected' if body.reject else 'granted'}"
    if after.role is not before.role or after.term > before.term:
        yield _ROLES[after.role]
    if before.leads and not after.leads:
        yield "steps_down"
    if after.commit > before.commit:
        yield "commits"
    if after.log[0].index > before.log[0].index and after.log[0].index > before.applied:
        yield "restores_snapshot"
    yield from _membership(before, after)


def _membership(before: Running, after: Running) -> Iterator[str]:
    old, new = before.config, after.config
    if new.is_joint and not old.is_joint:
        yield "enters_joint"
    if old.is_joint and not new.is_joint:
        yield "leaves_joint"
    if not old.is_joint and not new.is_joint and old != new:
        yield "changes_membership"
    if set(new.voters.incoming) & set(old.learners or ()):
        yield "promotes_learner"


def possible(setup: Setup) -> tuple[str, ...]:
    """All labels that steps of such a model may bear."""
    yes = True
    groups = (
        (yes, ("campaign", "MsgVote", "MsgVoteResp", "MsgApp", "MsgAppResp", *_ROLES.values(), "steps_down", "commits")),
        (yes, ("vote_granted", "vote_rejected", "append_granted", "append_rejected")),
    )
    return tuple(label for switch, names in groups if switch for label in names)
