# ruff: noqa: ARG002 (it is an interface)
"""Nodes to test clusters with: the leader is told by an event, and counts; nothing is sent but what an event says."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from kubeproof.conformance.nodes.node import CAMPAIGN, PROPOSE, RESTART, Answer, Entry, Event, Observed, Panic, Role, Sent, State


@dataclass(frozen=True)
class Counters:
    """A state is a term and how many entries there are. Node 1 sends its entries to the others, which take what they are sent."""

    members: int
    name: str = "counters"
    forgets: bool = False
    dies_at: int = 0

    def initial(self, number: int) -> State:
        return 0, 0

    def events(self, number: int, state: State) -> Iterator[Event]:
        yield from (Event(CAMPAIGN), Event(PROPOSE), Event(RESTART)) if number == 1 else (Event(RESTART),)

    def step(self, number: int, state: State, event: Event) -> Answer | None:
        term, count = _pair(state)
        if event.name == CAMPAIGN:
            return Answer((term + 1, count))
        if event.name == RESTART:
            return Answer((0, count) if self.forgets else state)
        if count + 1 == self.dies_at:
            raise Panic("one too many")
        others = range(2, self.members + 1)
        return Answer((term, count + 1), tuple([Sent(other, "entries", (("count", count + 1),), term) for other in others]))

    def receive(self, number: int, state: State, sender: int, message: Sent) -> Answer | None:
        term, _ = _pair(state)
        (_, sent), *_ = _pairs(message.body)
        return None if message.term is None or message.term < term else Answer((message.term, sent))

    def observe(self, number: int, state: State) -> Observed:
        term, count = _pair(state)
        role = Role.LEADER if number == 1 and term else Role.FOLLOWER
        return Observed(role, term, tuple([Entry(index, 1, "x") for index in range(count + 1)]), count)


def _pairs(body: Hashable) -> tuple[tuple[str, int], ...]:
    assert isinstance(body, tuple)
    return body


def _pair(state: State) -> tuple[int, int]:
    assert isinstance(state, tuple)
    term, count = state
    return term, count
