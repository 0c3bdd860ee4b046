"""What a step comes to, in the words of the node protocol, whoever has taken it; and where two of them differ."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import json

from kubeproof.conformance.bindings.raft.client import Ask
from kubeproof.conformance.bindings.raft.member import Members
from kubeproof.conformance.bindings.raft.state import Panicked, Running
from kubeproof.conformance.explore import system
from kubeproof.conformance.nodes.node import Sent
from kubeproof.conformance.nodes.translation import delivery_of, step_of
from kubeproof.conformance.nodes.words import event_of, sends_of, told
from kubeproof.impl.raft.types import Message

Cause = system.Event | system.Message
"""What happens to a member: an event, a message of another member, or a read that the client asks it for."""


PANIC, ENABLED = "panic", "enabled"


class Reached(NamedTuple):
    """What a node tells of itself behind the step, and what it sends."""

    told: bytes
    sends: tuple[Sent, ...]


class Died(NamedTuple):
    """Last words."""

    panic: str


Outcome = Reached | Died | None
"""None: nothing happens after all."""


class Difference(NamedTuple):
    """An outcome that is not the reference's, and what has led to it: the node's state before, and what happened.

    `fields` are those that differ, places in lists left out. `history` has led a fresh node there, if there is one.
    """

    number: int
    state: Any
    event: Any
    ours: Any
    theirs: Any
    fields: tuple[str, ...]
    history: tuple[Any, ...] = ()


def of_reference(members: Members, number: int, step: system.Step) -> Outcome:
    """The outcome of a step of the reference."""
    if isinstance(step.state, Panicked):
        return Died(step.state.reason)
    assert isinstance(step.state, Running)
    return Reached(told(step.state, members.events(number - 1, step.state)), sends_of(number, step.sends))


def asked(cause: Cause) -> bytes:
    """The call by which a program is asked the same."""
    if isinstance(cause, system.Event) or isinstance(cause.body, Ask):
        return step_of(event_of(cause))
    return delivery_of(*delivered(cause))


def delivered(cause: system.Message) -> tuple[int, Sent]:
    """Who has sent a message, and the message."""
    assert isinstance(cause.body, Message)
    [message] = sends_of(0, (cause,))
    return cause.body.from_, message


def difference(
    number: int, before: bytes | None, cause: Cause | str, ours: Outcome, theirs: Outcome, history: tuple[Cause, ...] = ()
) -> Difference | None:
    """What differs, if anything does."""
    if ours == theirs:
        return None
    one, other = _as_json(ours), _as_json(theirs)
    state = None if before is None else json.decode(before)
    fields = _differing(one, other) if type(ours) is type(theirs) else {PANIC, ENABLED} & {*one, *other}
    return Difference(number, state, described(cause), one, other, tuple(sorted(fields)), tuple(map(described, history)))


def described(cause: Cause | str) -> Any:
    """What happens, as JSON."""
    if isinstance(cause, str):
        return {"name": cause}
    call = json.decode(asked(cause))
    return call.get("event") or call["message"]


def _as_json(outcome: Outcome) -> Any:
    match outcome:
        case Reached(situation, sends):
            return {"sends": [_message(each) for each in sends], **json.decode(situation)}
        case Died(words):
            return {PANIC: words}
    return {ENABLED: False}


def _message(message: Sent) -> Any:
    return json.decode(delivery_of(0, message))["message"]


def _differing(ours: Any, theirs: Any, path: str = "") -> set[str]:
    """The fields that are not the same, by their names from the outside to the inside."""
    if ours == theirs:
        return set()
    if isinstance(ours, dict) and isinstance(theirs, dict):
        inner = [(name, ours.get(name), theirs.get(name)) for name in {*ours, *theirs}]
        return set().union(*[_differing(one, other, f"{path}.{name}" if path else name) for name, one, other in inner])
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return set().union(*[_differing(one, other, path) for one, other in zip(ours, theirs, strict=True)])
    return {path}
