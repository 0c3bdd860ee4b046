"""Long random ways of both implementations side by side, beyond what can be exhausted, and what differs made short.

Each way is one of a small cluster in which anything may happen any number of times and messages are lost or come twice. A
difference is one member's: of what has happened to it, all is left out that the difference does not need.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from kubeproof.conformance.bindings.raft.client import Ask
from kubeproof.conformance.bindings.raft.member import Members
from kubeproof.conformance.bindings.raft.model import Begun
from kubeproof.conformance.bindings.raft.prepare import prepared
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore import system
from kubeproof.conformance.explore.walks import LIKINGS
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.child import Child
from kubeproof.conformance.nodes.conversation import OBSERVE, Conversation
from kubeproof.conformance.nodes.options import BUDGETS
from kubeproof.conformance.nodes.outcome import Cause, Died, Difference, Outcome, Reached, asked, difference, of_reference
from kubeproof.conformance.nodes.protocol import SENDS_MAX
from kubeproof.conformance.nodes.translation import sent
from kubeproof.impl.raft.types import Message

LENGTH = 200
"""Steps of a way."""
UNDER_WAY = 12
"""Messages under way at once; of more than that any is lost."""
DELIVERED, LOST, TWICE = 0.6, 0.05, 0.05
"""How likely a message is the next to arrive, and is lost instead, or stays under way."""
READS = 4
"""Reads are numbered up to this, and asked again."""
ENDLESS = 10**6


def beyond(setup: Setup) -> Setup:
    """The same setup without its bounds: what may happen at all happens any number of times."""
    unbounded: dict[str, Any] = {name: ENDLESS for name in BUDGETS if type(getattr(setup, name)) is int and getattr(setup, name)}
    return replace(setup, **unbounded)


@dataclass
class Ways:
    """Random ways of a setup: `taken` counts their steps. A program is asked in a conversation for each member."""

    setup: Setup
    child: Child
    taken: int = 0

    def run(self, steps: int, seed: int, limits: Limits) -> Difference | None:
        """The first difference within so many steps, made short."""
        random = Random(seed)
        members = begun(self.setup)
        with ExitStack() as processes:
            pairs = [self._pair(processes, members, number) for number in self.setup.ids]
            while self.taken < steps:
                if (found := self._way(pairs, random, min(LENGTH, steps - self.taken), limits)) is not None:
                    return _shortened(*found)
        return None

    def _pair(self, processes: ExitStack, members: Members, number: int) -> Pair:
        conversation = self.child.anew()
        processes.callback(conversation.end)
        return Pair(members, conversation, number)

    def _way(self, pairs: Sequence[Pair], random: Random, steps: int, limits: Limits) -> tuple[Pair, Difference] | None:
        for pair in pairs:
            if (found := pair.begin()) is not None:
                return pair, found
        cluster = Wandering(self.setup, pairs, random)
        for _ in range(steps):
            limits.check()
            number, cause = cluster.next()
            self.taken += 1
            if (found := pairs[number - 1].take(cause)) is not None:
                return pairs[number - 1], found
            if pairs[number - 1].has_ended:
                break
            cluster.under_way += pairs[number - 1].sends
        return None


def begun(setup: Setup) -> Members:
    """Members that begin where the setup says."""
    return Begun(setup, first=tuple(prepared(setup)[0]))


class Wandering:
    """A cluster on its way. Each way has its own liking for each kind of event."""

    def __init__(self, setup: Setup, pairs: Sequence[Pair], random: Random) -> None:
        self._setup = setup
        self._pairs = pairs
        self._random = random
        self._likings: dict[str, float] = {}
        self.under_way: list[system.Message] = []

    def next(self) -> tuple[int, Cause]:
        """What happens next, and to whom."""
        random = self._random
        while self.under_way and random.random() < DELIVERED:
            at, chance = random.randrange(len(self.under_way)), random.random()
            message = self.under_way[at] if chance < TWICE else self.under_way.pop(at)
            if not TWICE <= chance < TWICE + LOST and len(self.under_way) < UNDER_WAY:
                return message.to + 1, message
        choices = [(pair.number, cause) for pair in self._pairs for cause in self._own(pair)]
        weights = [self._liking(cause) for _, cause in choices]
        return random.choices(choices, weights)[0]

    def _own(self, pair: Pair) -> Iterator[Cause]:
        yield from pair.events()
        if self._setup.reads:
            yield system.Message(pair.number - 1, Ask(self._random.randint(1, READS), again=True), synchronous=True)

    def _liking(self, cause: Cause) -> float:
        name = cause.name if isinstance(cause, system.Event) else "read"
        return self._likings.setdefault(name, self._random.choice(LIKINGS))


class Pair:
    """A member, by the reference and by a program. `history` is what has happened to it since it began."""

    def __init__(self, members: Members, conversation: Conversation, number: int) -> None:
        self.number = number
        self.sends: list[system.Message] = []
        self.history: list[Cause] = []
        self._members = members
        self._conversation = conversation
        self._state: system.Local = None
        self._told = b""

    @property
    def has_ended(self) -> bool:
        """Nothing more happens to it."""
        return not isinstance(self._state, Running)

    def begin(self) -> Difference | None:
        """Both begin."""
        self.history = []
        line, behind = self._conversation.ask([self._conversation.init(self.number), OBSERVE])
        self._conversation.begun(line)
        first = system.Step(self._members.initial()[self.number - 1])
        return self._hold("init", first, Reached(self._conversation.told(behind), ()))

    def events(self) -> Iterator[system.Event]:
        """What it may do by itself."""
        return self._members.events(self.number - 1, self._state)

    def take(self, cause: Cause) -> Difference | None:
        """Something happens to both. What would send more than an answer may tell ends the way."""
        self.history.append(cause)
        if isinstance(cause, system.Event):
            step = self._members.step(self.number - 1, self._state, cause)
        else:
            step = self._members.receive(self.number - 1, self._state, cause)
        assert step is not None
        if len(step.sends) > SENDS_MAX:
            self._state = None
            return None
        return self._hold(cause, step, self._theirs(cause))

    def differs(self, history: Sequence[Cause]) -> Difference | None:
        """The difference to which this comes from the beginning; what is not offered does not happen."""
        found = self.begin()
        for cause in history:
            if found is not None or self.has_ended:
                break
            if not isinstance(cause, system.Event) or cause in tuple(self.events()):
                found = self.take(cause)
        return found

    def _theirs(self, cause: Cause) -> Outcome:
        line, behind = self._conversation.ask([asked(cause), OBSERVE])
        stepped = self._conversation.stepped(line)
        if stepped.panic is not None:
            return Died(stepped.panic)
        return Reached(self._conversation.told(behind), tuple(map(sent, stepped.sends))) if stepped.enabled else None

    def _hold(self, cause: Cause | str, step: system.Step, theirs: Outcome) -> Difference | None:
        ours = of_reference(self._members, self.number, step)
        before, self._told = self._told or None, ours.told if isinstance(ours, Reached) else b""
        self._state = step.state
        self.sends = [message for message in step.sends if isinstance(message.body, Message)]
        return difference(self.number, before, cause, ours, theirs, tuple(self.history))


def _shortened(pair: Pair, found: Difference) -> Difference:
    """Leave out what happened, in ever smaller pieces, as long as the same fields differ."""
    history = tuple(pair.history)
    size = max(1, len(history) // 2)
    while size:
        at = 0
        while at < len(history):
            shorter = history[:at] + history[at + size :]
            again = pair.differs(shorter)
            if again is not None and again.fields == found.fields:
                found, history = again, tuple(pair.history)
            else:
                at += size
        size //= 2
    return found
