"""Between the words of the node protocol and those of node.py. Bodies of messages are canonical JSON here, as text."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Raw, json

from kubeproof.conformance.nodes import protocol
from kubeproof.conformance.nodes.node import Entry, Event, Observed, Progress, Role, Sent

_situations = json.Decoder(protocol.Situation)


@lru_cache(maxsize=4096)
def situation(told: bytes) -> protocol.Situation:
    """What a node has told of itself."""
    return _situations.decode(told)


def observed(told: protocol.Observation) -> Observed:
    """What properties need of it."""
    return Observed(
        Role(told.role),
        told.term,
        tuple([Entry(each.index, each.term, each.data) for each in told.log]),
        told.commit_index,
        told.voted_for,
        told.leader,
        tuple([Progress(each.node, each.match_index, each.next_index) for each in told.progress]),
    )


def sent(message: protocol.Message) -> Sent:
    """A message that a node has sent."""
    return Sent(message.to, message.type, protocol.encoded(message.body).decode(), message.term, message.acknowledges)


def step_of(event: Event) -> bytes:
    """The call for an event."""
    argument = event.argument
    assert argument is None or isinstance(argument, int | str)
    return protocol.encoded(protocol.Step(event=protocol.Event(event.name, argument)))


def delivery_of(sender: int, message: Sent) -> bytes:
    """The call for a message."""
    assert isinstance(message.body, str)
    body = None if message.body == "null" else Raw(message.body.encode())
    delivered = protocol.Message(message.to, message.type, body, message.term, message.acknowledges)
    return protocol.encoded(protocol.Step(sender=sender, message=delivered))
