"""The way of a counterexample taken once more by the implementation itself: by members of fresh processes, never restored.

A program that does not tell all that matters, or does not do the same twice, gives itself away here; also on random ways, where
there is no counterexample.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from random import Random
from typing import Protocol, runtime_checkable

from kubeproof.conformance.explore.counterexample import Way
from kubeproof.conformance.explore.plain import GlobalState, first_state, is_inside, moves, take
from kubeproof.conformance.explore.system import Action, Event, Message, Model, Step
from kubeproof.conformance.nodes.child import Child, State, difference
from kubeproof.conformance.nodes.cluster import BREAK, Cluster, Delivered
from kubeproof.conformance.nodes.conversation import OBSERVE, Conversation
from kubeproof.conformance.nodes.member import Member, Panicked
from kubeproof.conformance.nodes.node import Event as NodeEvent
from kubeproof.conformance.nodes.node import Sent
from kubeproof.conformance.nodes.translation import delivery_of, sent, step_of
from kubeproof.conformance.verdict import InvalidInput

WAYS, STEPS = 5, 60
"""How many random ways, and how long."""


@runtime_checkable
class Retaking(Protocol):
    """A node that takes ways again by itself."""

    def retake(self, ways: Sequence[Way]) -> None:
        """From scratch, in a fresh process. InvalidInput names the first step that comes to something else."""


def confirm(model: Model, counterexample: Way | None) -> None:
    """Of a cluster of others' nodes, take a counterexample again; if there is none, some random ways. InvalidInput: `retake`."""
    if not isinstance(model.system, Cluster) or not isinstance(model.system.node, Child | Retaking):
        return
    random = Random(0)
    ways = [random_way(model, STEPS, random) for _ in range(WAYS)] if counterexample is None else [counterexample]
    if isinstance(model.system.node, Retaking):
        model.system.node.retake(ways)
    else:
        for way in ways:
            retake(model.system.node, way)


def retake(child: Child, way: Way) -> None:
    """InvalidInput names the first step that comes to something else, or its messages."""
    with ExitStack() as processes:
        members: dict[int, Alone] = {}
        for position, (action, _) in enumerate(way, 1):
            for component, cause, step in action.taken:
                if isinstance(cause, Event) and cause.name == BREAK:
                    continue
                if component not in members:
                    conversation = child.anew()
                    processes.callback(conversation.end)
                    members[component] = Alone(conversation, component + 1)
                members[component].take(position, cause, step)


def random_way(model: Model, steps: int, random: Random) -> Way:
    """So many steps of a model, or fewer if there are no more."""
    state, way = first_state(model), Way()
    while len(way) < steps and (following := _following(model, state, random)):
        way.append(following)
        state = following[1]
    return way


def _following(model: Model, state: GlobalState, random: Random) -> tuple[Action, GlobalState] | None:
    choices = list(moves(model, state))
    random.shuffle(choices)
    reached = (take(model, state, each) for each in choices)
    return next((each for each in reached if each is not None and is_inside(model, each[1])), None)


class Alone:
    """A member in a process of its own."""

    def __init__(self, conversation: Conversation, number: int) -> None:
        self._conversation = conversation
        self._is_dead = False
        begun, _ = conversation.ask([conversation.init(number), OBSERVE])
        conversation.begun(begun)

    def take(self, position: int, cause: Event | Message, expected: Step) -> None:
        """A step. Who is dead hears nothing."""
        if self._is_dead:
            return
        line, behind = self._conversation.ask([_call(cause), OBSERVE])
        stepped = self._conversation.stepped(line)
        self._is_dead = stepped.panic is not None
        if self._is_dead or isinstance(expected.state, Panicked):
            reason = expected.state.reason if isinstance(expected.state, Panicked) else None
            self._require(position, "panic", reason, stepped.panic)
            return
        assert isinstance(expected.state, Member)
        assert isinstance(expected.state.state, State)
        was, now = expected.state.state.told, self._conversation.told(behind)
        if was != now:
            raise self._failed(position, difference(was, now))
        self._require(position, "sends", _sends(expected), [sent(each) for each in stepped.sends])

    def _require(self, position: int, field: str, was: object, now: object) -> None:
        if was != now:
            raise self._failed(position, f"{field}: was {was}, now {now}")

    def _failed(self, position: int, problem: str) -> InvalidInput:
        return self._conversation.failed(f"takes another way in a fresh process: step {position}: {problem}")


def _call(cause: Event | Message) -> bytes:
    if isinstance(cause, Event):
        return step_of(NodeEvent(cause.name, cause.argument))
    assert isinstance(cause.body, Delivered)
    return delivery_of(cause.body.sender, cause.body.message)


def _sends(step: Step) -> list[Sent]:
    return [message.body.message for message in step.sends if isinstance(message.body, Delivered)]
