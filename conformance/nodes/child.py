"""A node that is somebody's program: a child process that speaks the node protocol (docs/node-protocol.md).

Its local states are what it tells of itself, in canonical JSON. To bring it into one it is asked to restore it; if it cannot, the
shortest history known to lead there is taken once more. What it tells then must be that state: else it is not one to explore.

Each process that asks (explore/asking.py) has a child of its own, started when it is first asked something.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from kubeproof.conformance.nodes import protocol
from kubeproof.conformance.nodes.conversation import OBSERVE, Conversation
from kubeproof.conformance.nodes.node import Answer, Event, Observed, Panic, Sent
from kubeproof.conformance.nodes.node import State as NodeState
from kubeproof.conformance.nodes.process import shown
from kubeproof.conformance.nodes.translation import delivery_of, observed, sent, situation, step_of

ANSWER_S = 10.0
NOT_ALL_TOLD = "is another one when it is brought back into a state, of which it must tell all that matters and nothing else"
ANSWERS_DIFFER = "answers differently in what it tells to be the same state"
WAYS_TRIED = 2


@dataclass(frozen=True, slots=True)
class State:
    """What a node has told of itself, and the steps from its start that have led there, which make no difference."""

    told: bytes
    history: tuple[bytes, ...] = field(compare=False, repr=False)


class Child:
    """Nodes of a cluster of so many `members`, by the command line of their program; use it as a context, to end its processes.

    An answer may take `answer_s` seconds. Whatever the program does wrong is InvalidInput.
    """

    def __init__(
        self, command: str, members: int, options: Mapping[str, protocol.Option] | None = None, answer_s: float = ANSWER_S
    ) -> None:
        self.name = command
        self._members = members
        self._options = dict(options or {})
        self._answer_s = answer_s
        self._conversations: dict[int, Conversation] = {}
        self._histories: dict[tuple[int, bytes], tuple[bytes, ...]] = {}
        self._ways: Counter[tuple[int, bytes]] = Counter()
        self._answers: dict[tuple[int, bytes, bytes], int] = {}

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        if conversation := self._conversations.pop(os.getpid(), None):
            conversation.end()

    # ---- the interface of a node

    def initial(self, number: int) -> NodeState:
        """A node that has just started for the first time."""
        with self._asking() as conversation:
            begun, told = conversation.ask([conversation.init(number), OBSERVE])
            conversation.begun(begun)
            return State(conversation.told(told), ())

    def events(self, number: int, state: NodeState) -> Iterator[Event]:  # noqa: ARG002 (the state tells)
        """What it offers."""
        for event in situation(_local(state).told).events:
            yield Event(event.name, event.argument)

    def step(self, number: int, state: NodeState, event: Event) -> Answer | None:
        """One of these."""
        return self._taken(number, _local(state), step_of(event))

    def receive(self, number: int, state: NodeState, sender: int, message: Sent) -> Answer | None:
        """A message arrives as it was sent."""
        return self._taken(number, _local(state), delivery_of(sender, message))

    def observe(self, number: int, state: NodeState) -> Observed:  # noqa: ARG002 (the state tells)
        """What it has told."""
        return observed(situation(_local(state).told))

    def anew(self) -> Conversation:
        """A process of its own, which knows nothing of what others were asked."""
        return Conversation(self.name, self._members, self._options, self._answer_s)

    # ---- how it is asked

    @property
    def _conversation(self) -> Conversation:
        """The one of this process: what another one has started before it forked is not ours."""
        own = os.getpid()
        if own not in self._conversations:
            self._conversations[own] = self.anew()
        return self._conversations[own]

    @contextmanager
    def _asking(self) -> Iterator[Conversation]:
        """Who has done something wrong is asked no more."""
        try:
            yield self._conversation
        except BaseException:
            self.__exit__()
            raise

    def _taken(self, number: int, before: State, call: bytes) -> Answer | None:
        with self._asking() as conversation:
            there, line, behind = self._answered(conversation, number, before, call)
            told = conversation.told(there)
            if told != before.told:
                raise conversation.failed(f"{NOT_ALL_TOLD}: {difference(before.told, told)}")
            taken = self._answer(conversation, number, before, call, line, behind)
            if isinstance(taken, Answer):
                self._go_on(conversation, number, taken.state)
        if isinstance(taken, Panic):
            raise taken
        return taken

    def _go_on(self, conversation: Conversation, number: int, reached: NodeState) -> None:
        """Behind a step, an event comes to what it comes to when the node is brought there, if it has told all that matters.

        That is tried on the first ways to a state, with an event each.
        """
        there = _local(reached)
        way = self._ways[number, there.told]
        self._ways[number, there.told] += 1
        events = situation(there.told).events
        if way < WAYS_TRIED and events:
            call = protocol.encoded(protocol.Step(event=events[way % len(events)]))
            line, behind = conversation.ask([call, OBSERVE])
            self._answer(conversation, number, there, call, line, behind)

    def _answered(self, conversation: Conversation, number: int, before: State, call: bytes) -> list[bytes]:
        """What it tells in this state, what it answers there, and what it tells then."""
        calls = [OBSERVE, call, OBSERVE]
        if conversation.restores:
            state = situation(before.told).state
            restored, *answers = conversation.ask([conversation.restore(number, state), *calls])
            if conversation.restored(restored):
                return answers
        history = self._shortest(number, before.told, before.history)
        begun, *answers = conversation.ask([conversation.init(number), *history, *calls])
        conversation.begun(begun)
        return answers[-len(calls) :]

    def _answer(
        self, conversation: Conversation, number: int, before: State, call: bytes, line: bytes, behind: bytes
    ) -> Answer | Panic | None:
        """What a step comes to, which is the same whenever it is asked."""
        stepped = conversation.stepped(line)
        answer = None
        if stepped.panic is None:
            told = conversation.told(behind)
            if stepped.enabled:
                history = (*self._shortest(number, before.told, before.history), call)
                answer = Answer(
                    State(told, self._shortest(number, told, history)),
                    tuple([sent(message) for message in stepped.sends]),
                    tuple([observed(each) for each in stepped.between]),
                )
            elif told != before.told:
                raise conversation.failed(f"has changed by what is not enabled: {difference(before.told, told)}")
        summary = hash((stepped.panic, answer))
        if self._answers.setdefault((number, before.told, call), summary) != summary:
            raise conversation.failed(f"{ANSWERS_DIFFER}: {shown(call)} in the state {shown(before.told)}")
        return answer if stepped.panic is None else Panic(stepped.panic)

    def _shortest(self, number: int, told: bytes, history: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """The shortest history that is known of a state."""
        known = self._histories.setdefault((number, told), history)
        if len(history) < len(known):
            self._histories[number, told] = known = history
        return known


def _local(state: NodeState) -> State:
    assert isinstance(state, State)
    return state


def difference(expected: bytes, got: bytes) -> str:
    """The first field of what a node has told that is not the same."""
    one, other = [msgspec.json.decode(each) for each in (expected, got)]
    name = next(name for name in one | other if one.get(name) != other.get(name))
    told, again = [shown(msgspec.json.encode(each.get(name), order="deterministic")) for each in (one, other)]
    return f"{name}: was {told}, now {again}"
