"""Local states and messages as small integers, and the system's steps as tables that the compiled search reads.

The system is asked once for the events of each local state and once for each message that a local state may receive. Under
symmetry every local state and message is renamed, too, so that the words of all images are known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from kubeproof.conformance.explore.asking import Answer, Askers, Query
from kubeproof.conformance.explore.growing import Growing, Table
from kubeproof.conformance.explore.hashing import (
    MISSING,
    Ints,
    Numbers,
    add_words,
    budget_word,
    local_word,
    message_word,
    put_pair,
)
from kubeproof.conformance.explore.plain import ANYBODY, Budgets, UnderWay, less, parts
from kubeproof.conformance.explore.saving import Saved
from kubeproof.conformance.explore.system import DROP, DUPLICATE, Message, Model, Network, Step
from kubeproof.conformance.explore.tables import (
    COMPONENT,
    COST,
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

NO_COST = 0
RECEIVE = "receive"

Permutation = tuple[int, ...]


class LocalSteps:
    """What is known of a model's local steps so far. `computed` counts how often the system was asked."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.computed = 0
        self.locals: list[tuple[int, Hashable]] = []
        self.states: list[Hashable] = []
        self.messages: list[UnderWay] = []
        self.kinds: list[tuple[str, tuple[str, ...]]] = [("", ())]
        self.budget_names = tuple(model.budgets)
        self.budgets: list[Budgets] = []
        self._local_ids: dict[tuple[int, Hashable], int] = {}
        self._message_ids: dict[UnderWay, int] = {}
        self._budget_ids: dict[Budgets, int] = {}
        self._permutations = _permutations(model)
        self._composed = [
            [self._permutations.index(_compose(two, one)) for one in self._permutations] for two in self._permutations
        ]
        images = len(self._permutations)
        self.parts = list(dict.fromkeys(part for joint in model.joint_events for part in parts(joint)))
        self._events = Growing(MISSING, width=2)
        self._event_steps = Growing()
        self._part_steps = Growing(width=len(self.parts) + 1)  # an array without columns has no type of its own
        self._destination = Growing()
        self._synchronous = Growing()
        self._link = Growing()
        self._pairs = Table()
        self._pair_count = 0
        self._steps = Growing(width=len(STEP_COLUMNS))
        self._sends = Growing()
        self._local_words = Growing(dtype=np.uint64, width=images)
        self._message_words = Growing(dtype=np.uint64, width=images)
        self._step_words = Growing(dtype=np.uint64, width=images)
        self._steps.append(0)  # the step that is not enabled
        self._step_words.append(0)
        self.first_budget = self._budget_id(tuple(model.budgets.values()))
        self._after_cost = self._all_after_cost()
        self._budget_words = np.array([budget_word(np.int64(budget)) for budget in range(len(self.budgets))], np.uint64)

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

    def world(self, *, numbered: bool, exact: bool) -> World:
        """What the compiled search must know besides the tables."""
        return World(
            components=len(self._model.component_names),
            images=len(self._permutations),
            kept=self._model.network is Network.KEPT,
            fifo=self._model.network is Network.FIFO,
            drop_cost=self.cost_of(DROP),
            duplicate_cost=self.cost_of(DUPLICATE),
            joint=self._joint(),
            numbered=numbered,
            exact=exact,
        )

    def _joint(self) -> Ints:
        components = len(self._model.component_names)
        rows = np.full((len(self._model.joint_events), components + 1), -1, np.int32)
        for number, joint in enumerate(self._model.joint_events):
            for component, event in parts(joint):
                rows[number, component] = self.parts.index((component, event))
            rows[number, components] = self._event_cost(joint.name, joint.costs)
        return rows

    def table(self) -> StepTable:
        """The tables as they are now; valid until the next `learn`."""
        return StepTable(
            self._events.array,
            self._event_steps.array,
            self._part_steps.array,
            self._destination.array,
            self._synchronous.array,
            self._link.array,
            self._pairs.keys,
            self._pairs.values,
            self._steps.array,
            self._sends.array,
            self._local_words.array,
            self._message_words.array,
            self._budget_words,
            self._step_words.array,
            self._after_cost,
        )

    # ---- numbers

    def local_id(self, component: int, state: Hashable) -> int:
        """The id of a component's local state."""
        known = self._local_ids.get((component, state))
        return self._add_locals(component, state) if known is None else known

    def _add_locals(self, component: int, state: Hashable) -> int:
        """Number a local state and its renamed images."""
        images = []
        for permutation in self._permutations:
            renamed = state if permutation is self._permutations[0] else self._rename(state, permutation)
            key = permutation[component], renamed
            if key not in self._local_ids:
                self._local_ids[key] = len(self.locals)
                self.locals.append(key)
                self.states.append(renamed)
            images.append(self._local_ids[key])
        self._events.reserve(max(images))
        self._part_steps.reserve(max(images))
        self._set_words(self._local_words, images, local_word)
        return images[0]

    def _message_id(self, under_way: UnderWay) -> int:
        known = self._message_ids.get(under_way)
        return self._add_messages(under_way) if known is None else known

    def _add_messages(self, under_way: UnderWay) -> int:
        message, sender = under_way
        images = []
        for permutation in self._permutations:
            body = message.body if permutation is self._permutations[0] else self._rename(message.body, permutation)
            renamed = UnderWay(
                Message(permutation[message.to], body, message.synchronous), sender if sender == ANYBODY else permutation[sender]
            )
            if renamed not in self._message_ids:
                self._number_message(renamed)
            images.append(self._message_ids[renamed])
        self._set_words(self._message_words, images, message_word)
        return images[0]

    def _number_message(self, under_way: UnderWay) -> None:
        message, sender = under_way
        self._message_ids[under_way] = len(self.messages)
        self.messages.append(under_way)
        self._destination.append(message.to)
        self._synchronous.append(int(message.synchronous))
        self._link.append((sender + 1) * len(self._model.component_names) + message.to)

    def _rename(self, value: Hashable, permutation: Permutation) -> Hashable:
        assert self._model.symmetry is not None
        renamed: Hashable = self._model.symmetry.rename(value, permutation)
        return renamed

    def _set_words(self, words: Growing, images: list[int], word_of: Any) -> None:
        """Set the words of all images of each image. `images` are in the order of the permutations."""
        words.reserve(max(images))
        own = [word_of(np.int64(image)) for image in images]
        for at, image in enumerate(images):
            words.array[image] = [own[self._composed[after][at]] for after in range(len(images))]

    def _budget_id(self, budget: Budgets) -> int:
        known = self._budget_ids.get(budget)
        if known is None:
            known = self._budget_ids[budget] = len(self.budgets)
            self.budgets.append(budget)
        return known

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
        component, state = self.locals[local]
        return Query(component, state, None if message == MISSING else self.messages[message].message)

    def _learn_receive(self, local: int, message: int, step: Step | None) -> None:
        self._pair_count += 1
        self._pairs.make_room(self._pair_count)
        number = self._add(self.locals[local][0], step, NO_COST, RECEIVE)
        put_pair(self._pairs.keys, self._pairs.values, local, message, number)

    def _learn_events(self, local: int, answer: Answer) -> None:
        component, _ = self.locals[local]
        added = [self._add(component, step, self._event_cost(event.name, event.costs), event.name) for event, step in answer.own]
        steps = [number for number in added if number != NOT_ENABLED]
        if len(steps) > EVENTS_MAX:
            raise ValueError(f"{len(steps)} events in one local state: expected at most {EVENTS_MAX}")
        own_parts = [(part, event) for part, (concerned, event) in enumerate(self.parts) if concerned == component]
        for (part, event), step in zip(own_parts, answer.parts, strict=True):
            self._part_steps.array[local, part] = self._add(component, step, NO_COST, event.name)
        self._events.array[local] = len(self._event_steps), len(steps)
        for number in steps:
            self._event_steps.append(number)

    def _event_cost(self, name: str, costs: str | None) -> int:
        if costs is None:
            return NO_COST
        cost = self.cost_of(costs)
        if cost < 0:
            raise ValueError(f"event {name} costs {costs!r}, and the model has no budget of that name")
        return cost

    def _add(self, component: int, step: Step | None, cost: int, kind: str) -> int:
        self.computed += 1
        if step is None:
            return NOT_ENABLED
        if len(step.sends) > SENDS_MAX:
            raise ValueError(f"{len(step.sends)} messages in one step: expected at most {SENDS_MAX}")
        number = len(self._steps)
        state = self.local_id(component, step.state)
        sends = [self._message_id(self._under_way(component, message)) for message in self._each(step.sends)]
        simple = self._model.network is not Network.FIFO and not any(message.synchronous for message in step.sends)
        self._steps.append((state, len(self._sends), len(sends), cost, component, simple))
        for message in sends:
            self._sends.append(message)
        self._step_words.append(self._word(state, [] if self._model.network is Network.KEPT else sends))
        self.kinds.append((kind, step.labels))
        return number

    def _each(self, sends: tuple[Message, ...]) -> Iterable[Message]:
        """What is kept is there once; a call that is made twice is answered twice."""
        if self._model.network is not Network.KEPT:
            return sends
        return [message for at, message in enumerate(sends) if message.synchronous or message not in sends[:at]]

    def _under_way(self, sender: int, message: Message) -> UnderWay:
        keeps_order = self._model.network is Network.FIFO and not message.synchronous
        return UnderWay(message, sender if keeps_order else ANYBODY)

    def _word(self, state: int, sends: list[int]) -> Any:
        word = self._local_words.array[state].copy()
        if sends:
            add_words(word, self._message_words.array, np.array(sends, np.int32))
        return word

    # ---- to keep them

    def export(self) -> Saved:
        """All that is known."""
        arrays = {name: growing.filled for name, growing in self._growing().items()}
        arrays |= {"keys": self._pairs.keys, "values": self._pairs.values}
        values = {"locals": self.locals, "messages": self.messages, "kinds": self.kinds}
        return Saved(arrays, values | {"pairs": self._pair_count, "computed": self.computed})

    def restore(self, saved: Saved) -> None:
        """Know what was exported from the same model."""
        arrays, values = saved
        for name, growing in self._growing().items():
            growing.restore(arrays[name])
        self._pairs.keys, self._pairs.values = np.array(arrays["keys"]), np.array(arrays["values"])
        self.locals, self.messages, self.kinds = values["locals"], values["messages"], values["kinds"]
        self.states = [state for _, state in self.locals]
        self._local_ids = {each: number for number, each in enumerate(self.locals)}
        self._message_ids = {each: number for number, each in enumerate(self.messages)}
        self._pair_count, self.computed = values["pairs"], values["computed"]

    def _growing(self) -> dict[str, Growing]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Growing)}

    # ---- what the numbers stand for

    def costs(self, via: Ints) -> Ints:
        """The cost of each edge (tables.py), by what happens there."""
        found = np.zeros(len(via), np.int32)
        of_step = (via >= 0) & (via < VIA_DROP)
        found[of_step] = self._steps.array[via[of_step], COST]
        found[via == VIA_DROP] = self.cost_of(DROP)
        found[via == VIA_DUPLICATE] = self.cost_of(DUPLICATE)
        joint = via >= VIA_JOINT
        found[joint] = self._joint()[via[joint] - VIA_JOINT, -1]
        return found

    def kind(self, via: int) -> Hashable:
        """What happens on an edge: a message, the name of a joint event, or a component and the name of its event."""
        if via < 0:
            return self.messages[-1 - via]
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


def _permutations(model: Model) -> list[Permutation]:
    """For each way to rename the interchangeable components, the new number of every component; first the identity."""
    everyone = tuple(range(len(model.component_names)))
    if model.symmetry is None:
        return [everyone]
    renamings = []
    for order in permutations(model.symmetry.components):
        renamed = dict(zip(model.symmetry.components, order, strict=True))
        renamings.append(tuple(renamed.get(component, component) for component in everyone))
    return renamings


def _compose(second: Permutation, first: Permutation) -> Permutation:
    return tuple(second[component] for component in first)
