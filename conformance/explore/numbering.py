"""Local states and messages as small integers, and the 64-bit words that stand for them in fingerprints.

Under symmetry every local state and message is renamed, too, so that the words of all images are known.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import permutations
from typing import Any

import numpy as np

from kubeproof.conformance.explore.compiled.hashing import local_word, message_word
from kubeproof.conformance.explore.growing import Growing
from kubeproof.conformance.explore.plain import ANYBODY, UnderWay
from kubeproof.conformance.explore.system import Message, Model, Network

Permutation = tuple[int, ...]


class Numbering:
    """What is numbered so far: `locals` are components with a local state, `states` the states alone.

    Of a message: `destination`, whether it is `synchronous`, the `link` that it is on. Words have a column for each renamed
    image, the identity first.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.locals: list[tuple[int, Hashable]] = []
        self.states: list[Hashable] = []
        self.messages: list[UnderWay] = []
        self._local_ids: dict[tuple[int, Hashable], int] = {}
        self._message_ids: dict[UnderWay, int] = {}
        self._permutations = _permutations(model)
        self._composed = [
            [self._permutations.index(_compose(second, first)) for first in self._permutations] for second in self._permutations
        ]
        self.images = len(self._permutations)
        self.destination = Growing()
        self.synchronous = Growing()
        self.link = Growing()
        self.local_words = Growing(dtype=np.uint64, width=self.images)
        self.message_words = Growing(dtype=np.uint64, width=self.images)

    def local_id(self, component: int, state: Hashable) -> int:
        """The id of a component's local state."""
        known = self._local_ids.get((component, state))
        return self._add_locals(component, state) if known is None else known

    def message_id(self, sender: int, message: Message) -> int:
        """The id of a message that this component sends."""
        keeps_order = self._model.network is Network.FIFO and not message.synchronous
        under_way = UnderWay(message, sender if keeps_order else ANYBODY)
        known = self._message_ids.get(under_way)
        return self._add_messages(under_way) if known is None else known

    def _add_locals(self, component: int, state: Hashable) -> int:
        """Number a local state and its renamed images."""
        images = []
        for permutation in self._permutations:
            key = permutation[component], self._renamed(state, permutation)
            if key not in self._local_ids:
                self._local_ids[key] = len(self.locals)
                self.locals.append(key)
                self.states.append(key[1])
            images.append(self._local_ids[key])
        self._set_words(self.local_words, images, local_word)
        return images[0]

    def _add_messages(self, under_way: UnderWay) -> int:
        images = []
        for permutation in self._permutations:
            (to, body, synchronous), sender = under_way
            renamed_body = self._renamed(body, permutation)
            renamed_sender = sender if sender == ANYBODY else permutation[sender]
            renamed = UnderWay(Message(permutation[to], renamed_body, synchronous), renamed_sender)
            if renamed not in self._message_ids:
                self._number_message(renamed)
            images.append(self._message_ids[renamed])
        self._set_words(self.message_words, images, message_word)
        return images[0]

    def _number_message(self, under_way: UnderWay) -> None:
        message, sender = under_way
        self._message_ids[under_way] = len(self.messages)
        self.messages.append(under_way)
        self.destination.append(message.to)
        self.synchronous.append(int(message.synchronous))
        self.link.append((sender + 1) * len(self._model.component_names) + message.to)

    def _renamed(self, value: Hashable, permutation: Permutation) -> Hashable:
        if permutation is self._permutations[0]:
            return value
        assert self._model.symmetry is not None
        renamed: Hashable = self._model.symmetry.rename(value, permutation)
        return renamed

    def _set_words(self, words: Growing, images: list[int], word_of: Any) -> None:
        """Set the words of all images of each image. `images` are in the order of the permutations."""
        words.reserve(max(images))
        own = [word_of(np.int64(image)) for image in images]
        for at, image in enumerate(images):
            words.array[image] = [own[self._composed[after][at]] for after in range(len(images))]

    # ---- to keep them

    def export(self) -> dict[str, list[Any]]:
        """What the numbers stand for."""
        return {"locals": self.locals, "messages": self.messages}

    def restore(self, values: Mapping[str, list[Any]]) -> None:
        """Use the numbers that were exported. The arrays are restored by whoever keeps all arrays."""
        self.locals, self.messages = values["locals"], values["messages"]
        self.states = [state for _, state in self.locals]
        self._local_ids = {each: number for number, each in enumerate(self.locals)}
        self._message_ids = {each: number for number, each in enumerate(self.messages)}


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
