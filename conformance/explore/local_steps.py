"""Local states and messages as small integers, and the system's steps as tables that the kernel reads.

The system is asked once for the events of each local state and once for each message that a local state may receive.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from kubeproof.conformance.explore import kernel
from kubeproof.conformance.explore.kernel import Ints, StepTable, Words
from kubeproof.conformance.explore.plain import Budgets, less
from kubeproof.conformance.explore.system import DROP, DUPLICATE, Event, Message, Model, Network, Step

NO_COST = 0


class LocalSteps:
    """What is known of a model's local steps so far. `computed` counts how often the system was asked."""

    def __init__(self, model: Model) -> None:
        self._system = model.system
        self._kept = model.network is Network.KEPT
        self.computed = 0
        self.locals: list[tuple[int, Hashable]] = []
        self.messages: list[Message] = []
        self._local_ids: dict[tuple[int, Hashable], int] = {}
        self._message_ids: dict[Message, int] = {}
        self.budget_names = tuple(model.budgets)
        self.budgets: list[Budgets] = []
        self._budget_ids: dict[Budgets, int] = {}
        self._events = Growing(kernel.MISSING, width=2)
        self._event_steps = Growing()
        self._destination = Growing()
        self._keys: Words = np.zeros(1 << 12, np.uint64)
        self._values: Ints = np.zeros(1 << 12, np.int32)
        self._pairs = 0
        self._steps = Growing(width=4)
        self._sends = Growing()
        self._word = Growing(dtype=np.uint64)
        self._steps.append(0)  # the step that is not enabled
        self._word.append(0)
        self.first_budget = self._budget_id(tuple(model.budgets.values()))
        self._after_cost = self._all_after_cost()

    def _all_after_cost(self) -> Ints:
        """What is left of each budget after each cost; cost 0 is none."""
        rows = []
        for budget in self.budgets:  # grows meanwhile
            left = [self._budget_ids[budget]]
            for place in range(len(self.budget_names)):
                rest = less(budget, place)
                left.append(-1 if rest is None else self._budget_id(rest))
            rows.append(left)
        return np.array(rows, np.int32)

    def cost_of(self, name: str) -> int:
        """The column of a budget; -1 if the model has none of that name."""
        return self.budget_names.index(name) + 1 if name in self.budget_names else -1

    def world(self, components: int) -> kernel.World:
        """What the kernel must know besides the tables."""
        return kernel.World(components, self._kept, self.cost_of(DROP), self.cost_of(DUPLICATE))

    def table(self) -> StepTable:
        """The tables as they are now; valid until the next `learn`."""
        return StepTable(
            self._events.array,
            self._event_steps.array,
            self._destination.array,
            self._keys,
            self._values,
            self._steps.array,
            self._sends.array,
            self._word.array,
            self._after_cost,
        )

    def reserve(self, pairs: int) -> None:
        """Make room in the table for so many more pairs of a local state and a message."""
        while 2 * (self._pairs + pairs) > len(self._keys):
            keys, values = np.zeros(2 * len(self._keys), np.uint64), np.zeros(2 * len(self._keys), np.int32)
            kernel.copy_table(self._keys, self._values, keys, values)
            self._keys, self._values = keys, values

    def local_id(self, component: int, state: Hashable) -> int:
        """The id of a component's local state."""
        key = component, state
        known = self._local_ids.get(key)
        if known is None:
            known = self._local_ids[key] = len(self.locals)
            self.locals.append(key)
            self._events.reserve(known)
        return known

    def _message_id(self, message: Message) -> int:
        known = self._message_ids.get(message)
        if known is None:
            known = self._message_ids[message] = len(self.messages)
            self.messages.append(message)
            self._destination.reserve(known)
            self._destination.array[known] = message.to
        return known

    def _budget_id(self, budget: Budgets) -> int:
        known = self._budget_ids.get(budget)
        if known is None:
            known = self._budget_ids[budget] = len(self.budgets)
            self.budgets.append(budget)
        return known

    def learn(self, missing: Any) -> None:
        """Ask the system for what the kernel has found missing: rows of a local state and a message, MISSING for its events."""
        table = self.table()
        for local, message in missing.tolist():
            if message == kernel.MISSING:
                self._learn_events(local)
            else:
                self._pairs += 1
                component, state = self.locals[local]
                self.computed += 1
                step = self._system.receive(component, state, self.messages[message])
                number = kernel.NOT_ENABLED if step is None else self._add(component, step, NO_COST)
                kernel.put_step(table, local, message, number)

    def _learn_events(self, local: int) -> None:
        component, state = self.locals[local]
        steps = []
        for event in self._system.events(component, state):
            self.computed += 1
            step = self._system.step(component, state, event)
            if step is not None:
                steps.append(self._add(component, step, self._event_cost(event)))
        if len(steps) > kernel.EVENTS_MAX:
            raise ValueError(f"{len(steps)} events in one local state: expected at most {kernel.EVENTS_MAX}")
        self._events.array[local] = len(self._event_steps), len(steps)
        for number in steps:
            self._event_steps.append(number)

    def _event_cost(self, event: Event) -> int:
        if event.costs is None:
            return NO_COST
        cost = self.cost_of(event.costs)
        if cost < 0:
            raise ValueError(f"event {event.name} costs {event.costs!r}, and the model has no budget of that name")
        return cost

    def _add(self, component: int, step: Step, cost: int) -> int:
        number = len(self._steps)
        state = self.local_id(component, step.state)
        sends = [self._message_id(message) for message in (dict.fromkeys(step.sends) if self._kept else step.sends)]
        self._steps.append((state, len(self._sends), len(sends), cost))
        for message in sends:
            self._sends.append(message)
        self._word.append(kernel.step_word(state, np.array([] if self._kept else sends, np.int32)))
        return number


class Growing:
    """An array that grows at its end, of numbers or (`width`) of rows of them; `array` is longer than what is in it."""

    __slots__ = ("_fill", "_length", "array")

    def __init__(self, fill: int = 0, dtype: Any = np.int32, width: int | None = None) -> None:
        self.array: Any = np.full(1 << 10 if width is None else (1 << 10, width), fill, dtype)
        self._fill = fill
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def reserve(self, index: int) -> None:
        """Make sure that there is a place `index`."""
        if index >= len(self.array):
            larger = np.full((2 * max(index, len(self.array)), *self.array.shape[1:]), self._fill, self.array.dtype)
            larger[: len(self.array)] = self.array
            self.array = larger
        self._length = max(self._length, index + 1)

    def append(self, value: int | tuple[int, ...]) -> None:
        """Add a number or a row at the end."""
        place = self._length
        self.reserve(place)
        self.array[place] = value
