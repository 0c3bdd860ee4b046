"""The system's steps as tables that the compiled search reads.

The system is asked once for the events of each local state and once for each message that a local state may receive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from kubeproof.conformance.explore.asking import Answer, Askers, Query
from kubeproof.conformance.explore.budgets import NO_COST, BudgetTable
from kubeproof.conformance.explore.compiled.hashing import MISSING, Ints, Numbers, add_words, put_pair
from kubeproof.conformance.explore.compiled.tables import (
    COMPONENT,
    COST,
    CUTS_MAX,
    EVENTS_MAX,
    NOT_ENABLED,
    SENDS_MAX,
    STEP_COLUMNS,
    VIA_DROP,
    VIA_DUPLICATE,
    VIA_JOINT,
    StepTable,
    World,
)
from kubeproof.conformance.explore.growing import Growing, Table
from kubeproof.conformance.explore.numbering import Numbering
from kubeproof.conformance.explore.plain import parts
from kubeproof.conformance.explore.saving import Saved
from kubeproof.conformance.explore.system import DROP, DUPLICATE, Event, Message, Model, Network, Step

RECEIVE = "receive"

Taken = tuple[int, Hashable, Event | Message, Step]
"""The component, its state before, what has happened, and the step."""


class LocalSteps:
    """What is known of a model's local steps so far. `computed` counts how often the system was asked.

    `ids` numbers local states and messages, `budgets` what is left of them; `kinds` has each step's event, by name, and labels.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.computed = 0
        self.ids = Numbering(model)
        self.budgets = BudgetTable(model.budgets)
        self.kinds: list[tuple[str, tuple[str, ...]]] = [("", ())]
        self.parts = list(dict.fromkeys(part for joint in model.joint_events for part in parts(joint)))
        self._events = Growing(MISSING, width=2)
        self._event_steps = Growing()
        self._part_steps = Growing(width=len(self.parts) + 1)  # an array without columns has no type of its own
        self._pairs = Table()
        self._pair_count = 0
        self._steps = Growing(width=len(STEP_COLUMNS))
        self._sends = Growing()
        self._step_words = Growing(dtype=np.uint64, width=self.ids.images)
        self._steps.append(0)  # the step that is not enabled
        self._step_words.append(0)

    def local_id(self, component: int, state: Hashable) -> int:
        """The id of a component's local state, for which there are places in the tables."""
        number = self.ids.local_id(component, state)
        self._events.reserve(len(self.ids.locals) - 1)
        self._part_steps.reserve(len(self.ids.locals) - 1)
        return number

    def world(self, *, numbered: bool, exact: bool) -> World:
        """What the compiled search must know besides the tables."""
        return World(
            components=len(self._model.component_names),
            images=self.ids.images,
            kept=self._model.network is Network.KEPT,
            fifo=self._model.network is Network.FIFO,
            drop_cost=self.budgets.cost_of(DROP),
            duplicate_cost=self.budgets.cost_of(DUPLICATE),
            joint=self._joint(),
            numbered=numbered,
            exact=exact,
            link_max=self._model.messages_max if self._model.link_max is None else self._model.link_max,
        )

    def _joint(self) -> Ints:
        components = len(self._model.component_names)
        rows = np.full((len(self._model.joint_events), components + 1), -1, np.int32)
        for number, joint in enumerate(self._model.joint_events):
            for component, event in parts(joint):
                rows[number, component] = self.parts.index((component, event))
            rows[number, components] = self.budgets.event_cost(joint.name, joint.costs)
        return rows

    def table(self) -> StepTable:
        """The tables as they are now; valid until the next `learn`."""
        ids = self.ids
        return StepTable(
            events=self._events.array,
            event_steps=self._event_steps.array,
            part_steps=self._part_steps.array,
            destination=ids.destination.array,
            synchronous=ids.synchronous.array,
            link=ids.link.array,
            keys=self._pairs.keys,
            values=self._pairs.values,
            steps=self._steps.array,
            sends=self._sends.array,
            local_words=ids.local_words.array,
            message_words=ids.message_words.array,
            budget_words=self.budgets.words,
            step_words=self._step_words.array,
            after_cost=self.budgets.after_cost,
        )

    # ---- steps

    def learn(self, missing: Sequence[tuple[int, int]], askers: Askers) -> None:
        """Ask the system for what is missing: of a local state, a message, or MISSING for its events."""
        answers = askers.ask([self._query(local, message) for local, message in missing])
        for (local, message), answer in zip(missing, answers, strict=True):
            if message == MISSING:
                self._learn_events(local, answer)
            else:
                self._learn_receive(local, message, answer.taken)

    def _query(self, local: int, message: int) -> Query:
        component, state = self.ids.locals[local]
        return Query(component, state, None if message == MISSING else self.ids.messages[message].message)

    def _learn_receive(self, local: int, message: int, step: Step | None) -> None:
        self._pair_count += 1
        self._pairs.make_room(self._pair_count)
        number = self._add(self.ids.locals[local][0], step, NO_COST, RECEIVE)
        put_pair(self._pairs.keys, self._pairs.values, local, message, number)

    def _learn_events(self, local: int, answer: Answer) -> None:
        component, _ = self.ids.locals[local]
        added = [
            self._add(component, step, self.budgets.event_cost(event.name, event.costs), event.name) for event, step in answer.own
        ]
        steps = [number for number in added if number != NOT_ENABLED]
        if len(steps) > EVENTS_MAX:
            raise ValueError(f"{len(steps)} events in one local state: expected at most {EVENTS_MAX}")
        own_parts = [(part, event) for part, (concerned, event) in enumerate(self.parts) if concerned == component]
        for (part, event), step in zip(own_parts, answer.parts, strict=True):
            self._part_steps.array[local, part] = self._add(component, step, NO_COST, event.name)
        self._events.array[local] = len(self._event_steps), len(steps)
        for number in steps:
            self._event_steps.append(number)

    def _add(self, component: int, step: Step | None, cost: int, kind: str) -> int:
        self.computed += 1
        if step is None:
            return NOT_ENABLED
        if len(step.sends) > SENDS_MAX:
            raise ValueError(f"{len(step.sends)} messages in one step: expected at most {SENDS_MAX}")
        number = len(self._steps)
        state = self.local_id(component, step.state)
        sends = [self.ids.message_id(component, message) for message in self._each(step.sends)]
        simple = self._model.network is not Network.FIFO and not any(message.synchronous for message in step.sends)
        self._steps.append((state, len(self._sends), len(sends), cost, component, simple, self._cuts(step)))
        for message in sends:
            self._sends.append(message)
        self._step_words.append(self._word(state, [] if self._model.network is Network.KEPT else sends))
        self.kinds.append((kind, step.labels))
        return number

    def _cuts(self, step: Step) -> int:
        if step.cuts and (self._model.network is not Network.FIFO or max(step.cuts) >= CUTS_MAX):
            raise ValueError(f"cuts {step.cuts}: expected FIFO links, and components below {CUTS_MAX}")
        return sum(1 << other for other in set(step.cuts))

    def _each(self, sends: tuple[Message, ...]) -> Iterable[Message]:
        """What is kept is there once; a call that is made twice is answered twice."""
        if self._model.network is not Network.KEPT:
            return sends
        return [message for at, message in enumerate(sends) if message.synchronous or message not in sends[:at]]

    def _word(self, state: int, sends: list[int]) -> Any:
        word = self.ids.local_words.array[state].copy()
        if sends:
            add_words(word, self.ids.message_words.array, np.array(sends, np.int32))
        return word

    # ---- to keep them

    def export(self) -> Saved:
        """All that is known."""
        arrays = {name: growing.filled for name, growing in self._growing().items()}
        arrays |= {"keys": self._pairs.keys, "values": self._pairs.values}
        values = {**self.ids.export(), "kinds": self.kinds, "pairs": self._pair_count, "computed": self.computed}
        return Saved(arrays, values)

    def restore(self, saved: Saved) -> None:
        """Know what was exported from the same model."""
        arrays, values = saved
        for name, growing in self._growing().items():
            growing.restore(arrays[name])
        self._pairs.keys, self._pairs.values = np.array(arrays["keys"]), np.array(arrays["values"])
        self.ids.restore(values)
        self.kinds, self._pair_count, self.computed = values["kinds"], values["pairs"], values["computed"]

    def _growing(self) -> dict[str, Growing]:
        everything = vars(self.ids) | vars(self)
        return {name: value for name, value in everything.items() if isinstance(value, Growing)}

    # ---- what the numbers stand for

    def taken_steps(self, taken: Numbers) -> Iterator[Taken]:
        """Each step that was taken at least once; `taken` counts by number. Of events only the name is known.

        Joint events are counted as a whole, so of them there is every part that was possible.
        """
        for local, (begin, count) in enumerate(self._events.filled.tolist()):
            for number in self._event_steps.array[begin : begin + count].tolist() if begin != MISSING else ():
                yield from self._if_taken(taken, local, Event(self.kinds[number][0]), number)
            for number in self._part_steps.array[local, : len(self.parts)].tolist() if begin != MISSING else ():
                if number != NOT_ENABLED:
                    yield self._taken(local, Event(self.kinds[number][0]), number)
        for key, number in zip(self._pairs.keys.tolist(), self._pairs.values.tolist(), strict=True):
            if key:
                message = self.ids.messages[(key & 0xFFFFFFFF) - 1].message
                yield from self._if_taken(taken, (key >> 32) - 1, message, number)

    def _if_taken(self, taken: Numbers, local: int, cause: Event | Message, number: int) -> Iterator[Taken]:
        if number != NOT_ENABLED and number < len(taken) and taken[number]:
            yield self._taken(local, cause, number)

    def _taken(self, local: int, cause: Event | Message, number: int) -> Taken:
        component, before = self.ids.locals[local]
        state, sends, sent, *_, cuts = self._steps.array[number].tolist()
        messages = [self.ids.messages[each].message for each in self._sends.array[sends : sends + sent].tolist()]
        broken = tuple([other for other in range(cuts.bit_length()) if cuts >> other & 1])
        return component, before, cause, Step(self.ids.states[state], tuple(messages), self.kinds[number][1], broken)

    def costs(self, via: Ints) -> Ints:
        """The cost of each edge (tables.py), by what happens there."""
        found = np.zeros(len(via), np.int32)
        of_step = (via >= 0) & (via < VIA_DROP)
        found[of_step] = self._steps.array[via[of_step], COST]
        found[via == VIA_DROP] = self.budgets.cost_of(DROP)
        found[via == VIA_DUPLICATE] = self.budgets.cost_of(DUPLICATE)
        joint = via >= VIA_JOINT
        found[joint] = self._joint()[via[joint] - VIA_JOINT, -1]
        return found

    def kind(self, via: int) -> Hashable:
        """What happens on an edge: a message, the name of a joint event, or a component and the name of its event."""
        if via < 0:
            return self.ids.messages[-1 - via]
        if via >= VIA_JOINT:
            return self._model.joint_events[via - VIA_JOINT].name
        if via >= VIA_DROP:
            return None
        return int(self._steps.array[via, COMPONENT]), self.kinds[via][0]

    def coverage(self, taken: Numbers) -> tuple[Counter[str], Counter[str]]:
        """How often each kind of event and each label was taken, those never taken included."""
        events: Counter[str] = Counter({kind: 0 for kind, _ in self.kinds[1:]})
        labels: Counter[str] = Counter(dict.fromkeys(self._model.labels, 0))
        for (kind, named), count in zip(self.kinds[1:], taken[1:].tolist(), strict=False):
            events[kind] += count
            for label in named:
                labels[label] += count
        return events, labels
