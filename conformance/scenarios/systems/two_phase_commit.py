"""Two-phase commit (Gray and Lamport, "Consensus on Transaction Commit"): one coordinator, N resource managers.

Messages are a growing set, as in the TLA+ specification: what was once sent may be received at any later time, again and again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

from kubeproof.conformance.explore.system import Event, Message, Model, Network, Property, Step

COORDINATOR = 0
PREPARE, ABORT, COMMIT = Event("prepare"), Event("abort"), Event("commit")


class Coordinator(NamedTuple):
    """The coordinator: what it has decided, and which managers it knew to be prepared by then."""

    state: str = "undecided"
    prepared: frozenset[int] = frozenset()


class TwoPhaseCommit:
    """Component 0 is the coordinator, the others are managers: working, prepared, committed or aborted."""

    def __init__(self, managers: int) -> None:
        self.managers = tuple(range(1, managers + 1))

    def initial(self) -> tuple[Hashable, ...]:
        """Nobody has said anything yet."""
        return (Coordinator(), *("working" for _ in self.managers))

    def events(self, _component: int, state: Hashable) -> Iterator[Event]:
        """A manager decides by itself until it is prepared, the coordinator until it has decided."""
        if isinstance(state, Coordinator):
            if state.state == "undecided":
                yield ABORT
                if state.prepared == frozenset(self.managers):
                    yield COMMIT
        elif state == "working":
            yield PREPARE
            yield ABORT

    def step(self, component: int, state: Hashable, event: Event) -> Step | None:
        """What the event makes of the state."""
        if isinstance(state, Coordinator):
            decision = "committed" if event is COMMIT else "aborted"
            return Step(state._replace(state=decision), tuple(Message(manager, decision) for manager in self.managers))
        if event is PREPARE:
            return Step("prepared", (Message(COORDINATOR, component),))
        return Step("aborted")

    def receive(self, _component: int, state: Hashable, message: Message) -> Step | None:
        """The coordinator collects who is prepared until it has decided, managers follow its decision."""
        if not isinstance(state, Coordinator):
            return Step(message.body)
        if state.state != "undecided":
            return Step(state)
        assert isinstance(message.body, int)
        return Step(state._replace(prepared=state.prepared | {message.body}))


def outcome(state: Hashable) -> Hashable:
    """Undecided, working, prepared, committed or aborted."""
    return state.state if isinstance(state, Coordinator) else state


def consistent(one: Hashable, other: Hashable) -> bool:
    """Nobody has committed while somebody else has aborted."""
    return {outcome(one), outcome(other)} != {"committed", "aborted"}


def everybody(decision: str) -> Property:
    """That all come to this decision is possible."""
    return Property(f"all_{decision}", f"All have {decision}.", lambda *all_: {*map(outcome, all_)} == {decision}, None)


def model(managers: int = 3) -> Model:
    """Two-phase commit with so many resource managers."""
    return Model(
        TwoPhaseCommit(managers),
        ("coordinator", *(f"manager {number}" for number in range(1, managers + 1))),
        Network.KEPT,
        messages_max=2 * managers,
        always=(Property("consistent", "Nobody commits while somebody else aborts.", consistent, 2),),
        sometimes=(everybody("committed"), everybody("aborted")),
    )
