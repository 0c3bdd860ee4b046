"""Two implementations asked the same in the same states: the reference, and a program that tells of itself in the same words.

The reference is explored; each of its distinct local steps is a question. Whoever answers as the reference does is brought along
into the state that both have reached, so that its next answer is about the same. Where they differ, nothing behind is asked.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kubeproof.conformance.bindings.raft.client import Ask
from kubeproof.conformance.bindings.raft.member import Members
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore import system
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.child import Child, State
from kubeproof.conformance.nodes.node import Panic
from kubeproof.conformance.nodes.outcome import Cause, Died, Difference, Outcome, Reached, delivered, difference, of_reference
from kubeproof.conformance.nodes.words import event_of

Place = tuple[int, Running]
"""A member and its state."""


class Question(NamedTuple):
    """A local step of the reference: the member, its state before, what happens, and what it comes to."""

    number: int
    before: Running
    cause: Cause
    step: system.Step


# ---- what is asked


def questions(exploration: Exploration, members: Members) -> Iterator[Question]:
    """All local steps of members that an exploration has taken, each behind one that leads to where it begins."""
    steps: dict[Place, list[Question]] = defaultdict(list)
    named: dict[Place, set[tuple[str, system.Step]]] = defaultdict(set)
    for component, before, cause, step in exploration.taken_steps():
        if not isinstance(before, Running):
            continue
        if isinstance(cause, system.Event):
            named[component + 1, before].add((cause.name, step))
        else:
            steps[component + 1, before].append(Question(component + 1, before, cause, step))
    for place, taken in named.items():
        steps[place] += _events(members, place, taken)
    return _in_order(exploration.model.system.initial(), steps)


def _events(members: Members, place: Place, taken: set[tuple[str, system.Step]]) -> Iterator[Question]:
    """The events with their arguments, of which an exploration keeps only the names."""
    number, before = place
    for event in members.events(number - 1, before):
        step = members.step(number - 1, before, event)
        if step is not None and (event.name, step) in taken:
            yield Question(number, before, event, step)


def _in_order(initial: Iterable[system.Local], steps: Mapping[Place, Iterable[Question]]) -> Iterator[Question]:
    waiting = deque((number, state) for number, state in enumerate(initial, 1) if isinstance(state, Running))
    seen = set(waiting)
    while waiting:
        for question in steps.get(waiting.popleft(), ()):
            yield question
            if isinstance(question.step.state, Running) and (reached := (question.number, question.step.state)) not in seen:
                seen.add(reached)
                waiting.append(reached)


# ---- asking


@dataclass
class Agreement:
    """How far a program agrees with the reference: `asked` questions, and the differences so far.

    `behind` counts questions about states that are reached by differences only, which were not asked.
    """

    members: Members
    child: Child
    asked: int = 0
    behind: int = 0
    differences: list[Difference] = field(default_factory=list)
    _known: dict[Place, State] = field(default_factory=dict)

    def run(self, questions: Iterable[Question], limits: Limits) -> None:
        """Begin, and ask all of these."""
        for number, state in enumerate(self.members.initial(), 1):
            if isinstance(state, Running):
                theirs = _local(self.child.initial(number))
                self._hold(number, None, "init", system.Step(state), Reached(theirs.told, ()), theirs)
        for question in questions:
            limits.check()
            self._ask(question)

    def _ask(self, question: Question) -> None:
        """One question, if the program is known to be able to be where it begins."""
        number, before, cause, step = question
        there = self._known.get((number, before))
        if there is None:
            self.behind += 1
            return
        self.asked += 1
        theirs, reached = answered(self.child, number, there, cause)
        self._hold(number, there.told, cause, step, theirs, reached)

    def _hold(
        self, number: int, before: bytes | None, cause: Cause | str, step: system.Step, theirs: Outcome, reached: State | None
    ) -> None:
        found = difference(number, before, cause, of_reference(self.members, number, step), theirs)
        if found is not None:
            self.differences.append(found)
        elif reached is not None and isinstance(step.state, Running):
            self._known.setdefault((number, step.state), reached)


def answered(child: Child, number: int, there: State, cause: Cause) -> tuple[Outcome, State | None]:
    """What a program does in a state, and where it is then."""
    try:
        if isinstance(cause, system.Event) or isinstance(cause.body, Ask):
            answer = child.step(number, there, event_of(cause))
        else:
            answer = child.receive(number, there, *delivered(cause))
    except Panic as panic:
        return Died(str(panic)), None
    if answer is None:
        return None, None
    reached = _local(answer.state)
    return Reached(reached.told, answer.sends), reached


def _local(state: object) -> State:
    assert isinstance(state, State)
    return state
