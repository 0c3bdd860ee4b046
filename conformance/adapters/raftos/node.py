"""A node of raftos for the explorer: its own code takes every step.

Its messages are datagrams. A step is a handler, or a timer that goes off, and the coroutines that it has started. An exception
that it does not catch is a panic here; asyncio would log it, and leave the node with half of its step taken.

A restart starts a new node on the files of the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from kubeproof.conformance.adapters.raftos import scratch
from kubeproof.conformance.adapters.raftos.process import CANDIDATE, LEADER, STEP_DOWN, Local, Process, Surroundings
from kubeproof.conformance.adapters.raftos.release import RELEASE
from kubeproof.conformance.explore.counterexample import Way
from kubeproof.conformance.nodes.node import (
    CAMPAIGN,
    HEARTBEAT,
    PROPOSE,
    RESTART,
    Answer,
    Entry,
    Event,
    Observed,
    Panic,
    Progress,
    Role,
    Sent,
    State,
)

ROLES = {LEADER: Role.LEADER, CANDIDATE: Role.CANDIDATE}


class Raftos:
    """Nodes of a cluster of so many members."""

    def __init__(self, members: int) -> None:
        self.name = RELEASE.name
        self._members = members

    # ---- the interface of a node

    def initial(self, number: int) -> State:
        """A node without files."""
        process = Process(number, self._members, Surroundings())
        process.start()
        return process.read()

    def events(self, number: int, state: State) -> Iterator[Event]:  # noqa: ARG002
        """Timers, what a client asks of a leader, and restarts."""
        role = _local(state).role
        if role == LEADER:
            yield Event(HEARTBEAT)
            yield Event(PROPOSE)
        yield Event(STEP_DOWN if role in (CANDIDATE, LEADER) else CAMPAIGN)
        yield Event(RESTART)

    def step(self, number: int, state: State, event: Event) -> Answer | None:
        """One of these."""
        if event.name == RESTART:
            return self._answer(number, _local(state), Process.start, restarts=True)
        return self._answer(number, _local(state), lambda process: process.happen(event))

    def receive(self, number: int, state: State, sender: int, message: Sent) -> Answer | None:
        """A datagram."""
        return self._answer(number, _local(state), lambda process: process.receive(sender, message.body))

    def observe(self, number: int, state: State) -> Observed:
        """What it says itself. Its log begins at 1; the entry 0 stands for what is before."""
        local = _local(state)
        others = [other for other in range(1, self._members + 1) if other != number]
        progress = zip(others, local.match_index, local.next_index, strict=False)
        return Observed(
            ROLES.get(local.role, Role.FOLLOWER),
            local.term,
            (Entry(0, 0), *(Entry(index, term, value) for index, (term, value) in enumerate(local.log, 1))),
            local.commit,
            local.voted_for,
            progress=tuple([Progress(other, match_index, next_index) for other, match_index, next_index in progress]),
        )

    def retake(self, ways: Sequence[Way]) -> None:
        """From scratch: see scratch.py."""
        scratch.retake(self._members, ways)

    def _answer(self, number: int, before: Local, happens: Callable[[Process], None], *, restarts: bool = False) -> Answer:
        surroundings = Surroundings()
        process = Process(number, self._members, surroundings)
        process.load(before)
        try:
            if restarts:
                process = Process(number, self._members, surroundings)
            happens(process)
        except Exception as error:
            raise Panic(scratch.last_words(error)) from error
        return Answer(process.read(), process.sent())


def _local(state: State) -> Local:
    assert isinstance(state, Local)
    return state
