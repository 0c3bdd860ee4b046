"""impl/raft as a node like others, in the words that programs are compared by.

Whatever can be explored of anybody's node can be explored of it; a test holds that against bindings/raft, which tells more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any

from msgspec import json

from kubeproof.conformance.bindings.raft.member import CUT_OFF, RECONNECT, STOP, Members
from kubeproof.conformance.bindings.raft.prepare import prepared
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Panicked, Running
from kubeproof.conformance.explore import system
from kubeproof.conformance.nodes import protocol
from kubeproof.conformance.nodes.node import Answer, Event, Observed, Panic, Sent, State
from kubeproof.conformance.nodes.translation import observed
from kubeproof.conformance.nodes.words import decoded, event_of, sends_of, told

OF_THE_WORLD = (STOP, CUT_OFF, RECONNECT)
"""What happens to a member, and is no answer of its own."""


class Reference:
    """Nodes of clusters of so many `members`. Options are those of a setup; a fault's name is one, too."""

    name = "impl/raft"

    def __init__(self, members: int, options: Mapping[str, int | bool]) -> None:
        known = {each.name for each in fields(Setup)}
        sizes: dict[str, Any] = {name: value for name, value in options.items() if name in known}
        faults = [name for name, value in options.items() if name not in known and value]
        self._setup = Setup(members=members, **sizes, faults=faults)
        self._members = Members(self._setup)

    @cached_property
    def _first(self) -> tuple[system.Local, ...]:
        return tuple(prepared(self._setup)[0])

    def initial(self, number: int) -> State:
        """A member that has just started, or that is where a prepared way has led."""
        return self._first[number - 1]

    def events(self, number: int, state: State) -> Iterator[Event]:
        """What it offers."""
        return (event_of(each) for each in self._events(number, state))

    def step(self, number: int, state: State, event: Event) -> Answer | None:
        """One of these."""
        [happens] = [each for each in self._events(number, state) if event_of(each) == event]
        return _answer(number, self._members.step(number - 1, state, happens))

    def receive(self, number: int, state: State, sender: int, message: Sent) -> Answer | None:  # noqa: ARG002 (the body tells)
        """A message arrives."""
        assert isinstance(message.body, str)
        return _answer(number, self._members.receive(number - 1, state, system.Message(number - 1, decoded(message.body))))

    def observe(self, number: int, state: State) -> Observed:  # noqa: ARG002 (the state tells)
        """What there is to see of it."""
        return observed(json.decode(told(_running(state), ()), type=protocol.Situation))

    def _events(self, number: int, state: State) -> Iterator[system.Event]:
        return (each for each in self._members.events(number - 1, state) if each.name not in OF_THE_WORLD)


def _answer(number: int, step: system.Step | None) -> Answer | None:
    if step is None:
        return None
    if isinstance(step.state, Panicked):
        raise Panic(step.state.reason)
    return Answer(step.state, sends_of(number, step.sends))


def _running(state: State) -> Running:
    assert isinstance(state, Running)
    return state
