"""The benchmark's model of ongardie's raft.tla has the states that others have counted, and its servers are interchangeable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations

import pytest

from benchmarks.ongardie_raft import SERVERS, Raft, model, rename
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.system import Event, Local, Message, Step
from kubeproof.conformance.limits import Limits


@pytest.mark.parametrize(
    ("log_max", "symmetry", "distinct", "generated", "levels"),
    [
        (0, False, 617_361, 3_331_011, 39),
        (1, False, 1_931_973, 10_974_420, 53),
        (1, True, 322_580, 1_832_500, 53),
    ],
)
def test_the_states_are_those_that_others_count(log_max: int, symmetry: bool, distinct: int, generated: int, levels: int) -> None:
    exploration = Exploration(model(log_max=log_max, symmetry=symmetry), Limits())
    exploration.run()
    found = exploration.statistics
    assert (found.distinct, found.generated, found.depth + 1) == (distinct, generated, levels)


class Noting:
    """Raft, and what it answers."""

    def __init__(self, raft: Raft) -> None:
        self.raft = raft
        self.states: set[tuple[int, Local]] = set()
        self.steps: dict[tuple[int, Local, Event | Message], Step | None] = {}

    def initial(self) -> Sequence[Local]:
        return self.raft.initial()

    def events(self, component: int, state: Local) -> Iterator[Event]:
        self.states.add((component, state))
        return self.raft.events(component, state)

    def step(self, component: int, state: Local, event: Event) -> Step | None:
        return self.steps.setdefault((component, state, event), self.raft.step(component, state, event))

    def receive(self, component: int, state: Local, message: Message) -> Step | None:
        return self.steps.setdefault((component, state, message), self.raft.receive(component, state, message))


def renamed_cause(cause: Event | Message, new: tuple[int, ...]) -> Event | Message:
    if isinstance(cause, Message):
        return Message(new[cause.to], rename(cause.body, new))
    return cause if cause.argument is None else cause._replace(argument=new[int(str(cause.argument))])


def renamed_step(step: Step | None, new: tuple[int, ...]) -> Step | None:
    if step is None:
        return None
    return Step(rename(step.state, new), tuple(Message(new[sent.to], rename(sent.body, new)) for sent in step.sends))


def answer(raft: Raft, component: int, state: Local, cause: Event | Message) -> Step | None:
    return raft.receive(component, state, cause) if isinstance(cause, Message) else raft.step(component, state, cause)


def test_servers_are_interchangeable() -> None:
    noting = Noting(Raft(2, 0))
    Exploration(replace(model(log_max=0), system=noting), Limits()).run()
    assert len(noting.steps) > 1000
    for new in permutations(SERVERS):
        for component, state in noting.states:
            events = {renamed_cause(event, new) for event in noting.raft.events(component, state)}
            assert events == set(noting.raft.events(new[component], rename(state, new)))
        for (component, state, cause), step in noting.steps.items():
            image = answer(noting.raft, new[component], rename(state, new), renamed_cause(cause, new))
            assert image == renamed_step(step, new)
