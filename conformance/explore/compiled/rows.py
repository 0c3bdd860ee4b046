"""Rows of global states: copying, adding messages, fingerprints, and successors in which more than one simple step is taken."""

from __future__ import annotations

from typing import Any

import numpy as np

from kubeproof.conformance.explore.compiled.hashing import (
    MISSING,
    add_key,
    compiled,
    inlined,
    look_up,
    mix,
    pair_key,
    queued_word,
)
from kubeproof.conformance.explore.compiled.seen import find_or_add
from kubeproof.conformance.explore.compiled.tables import (
    COMPONENT,
    CUTS,
    ENDLESS,
    FIRST_SENT,
    NOT_ENABLED,
    PAIRS,
    SENT_COUNT,
    STATE,
    VIA_DROP,
    VIA_DUPLICATE,
    VIA_JOINT,
    Asks,
    Batch,
    StepTable,
    World,
)
from kubeproof.conformance.explore.plain import CHAIN_MAX

REACHED, OUTSIDE, BLOCKED, INCOMPLETE = range(4)

_MOST = np.uint64(0xFFFFFFFFFFFFFFFF)


@inlined
def end_of(world: World, row: Any) -> int:
    """The place behind the last message."""
    end = world.components + 1
    while end < row.shape[0] and row[end] >= 0:
        end += 1
    return end


@inlined
def copy_without(world: World, row: Any, place: Any, new: Any) -> int:
    """Copy a row but for the message at a place, -1 for none. Returns where the messages end; behind it nothing is written."""
    for at in range(world.components + 1):
        new[at] = row[at]
    end = world.components + 1
    for at in range(world.components + 1, row.shape[0]):
        if row[at] < 0:
            break
        if at != place:
            new[end] = row[at]
            end += 1
    return end


@inlined
def pad(row: Any, end: Any) -> None:
    """Clear the places behind the last message."""
    for place in range(end, row.shape[0]):
        row[place] = -1


@compiled
def contains(row: Any, first: int, end: int, message: Any) -> bool:
    """Whether a message is among those under way."""
    place = first
    while place < end and row[place] != message:
        place += 1
    return place < end


@compiled
def insert(world: World, link: Any, row: Any, end: int, message: Any) -> int:
    """Put a message among those under way, in order: on FIFO links behind all of its link. Returns the new end."""
    place = end
    first = world.components + 1
    if world.fifo:
        while place > first and link[row[place - 1]] > link[message]:
            place -= 1
    else:
        while place > first and row[place - 1] > message:
            place -= 1
    for other in range(end, place, -1):
        row[other] = row[other - 1]
    row[place] = message
    return end + 1


@compiled
def is_full(world: World, link: Any, row: Any, end: int, message: Any) -> bool:
    """Whether the FIFO link of a message has no room for it."""
    count = 0
    for place in range(world.components + 1, end):
        count += link[row[place]] == link[message]
    return count >= world.link_max


@compiled
def cut(world: World, link: Any, row: Any, end: int, component: Any, others: Any) -> int:
    """Lose what is under way between a component and others, which are bits. Returns the new end."""
    kept = world.components + 1
    for place in range(world.components + 1, end):
        sender, receiver = link[row[place]] // world.components - 1, link[row[place]] % world.components
        lost = (sender == component and others >> receiver & 1) or (receiver == component and others >> sender & 1)
        if not lost:
            row[kept] = row[place]
            kept += 1
    return kept


@inlined
def sum_of(world: World, steps: StepTable, row: Any, image: int) -> Any:
    """The sum of the words of a renamed image, without that of the budgets."""
    word = np.uint64(0)
    for component in range(world.components):
        word += steps.local_words[row[component], image]
    position = 0
    for place in range(world.components + 1, row.shape[0]):
        message = row[place]
        if message < 0:
            break
        if not world.fifo:
            word += steps.message_words[message, image]
            continue
        follows = place > world.components + 1 and steps.link[row[place - 1]] == steps.link[message]
        position = position + 1 if follows else 0
        word += queued_word(steps.message_words[message, image], position)
    return word


@inlined
def fingerprint(word: Any) -> Any:
    """A sum as a fingerprint, which is never 0."""
    word = mix(word)
    return word if word != 0 else np.uint64(1)


@compiled
def fingerprint_of(world: World, steps: StepTable, row: Any) -> Any:
    """The fingerprint of a whole row."""
    least = _MOST
    for image in range(world.images):
        least = min(least, sum_of(world, steps, row, image))
    return fingerprint(least + steps.budget_words[row[world.components]])


@compiled
def note_first(world: World, steps: StepTable, row: Any, words: Any, numbers: Any) -> None:
    """The first state is seen, and has the number 0."""
    slot, _ = find_or_add(words, fingerprint_of(world, steps, row))
    if world.numbered:
        numbers[slot] = 0


@compiled
def ask(asks: Asks, local: Any, message: Any) -> None:
    """Note that a step is missing, if there is room."""
    count = asks.counts[PAIRS]
    if count < asks.pairs.shape[0] and add_key(asks.keys, pair_key(local, message)):
        asks.pairs[count, 0] = local
        asks.pairs[count, 1] = message
        asks.counts[PAIRS] = count + 1


@compiled
def build(
    world: World,
    row: Any,
    place: int,
    left: int,
    step: int,
    via: int,
    steps: StepTable,
    asks: Asks,
    batch: Batch,
    entry: int,
) -> Any:
    """Build the row behind something that is more than a simple step: a joint event, a call, what happens on a FIFO link."""
    new = batch.built[entry]
    if step != NOT_ENABLED:
        batch.chain[entry, 0] = step
        return take_chain(world, row, place, left, steps, asks, batch, entry, np.int64(1))
    if via >= VIA_JOINT:
        length = joint_steps(world, row, via - VIA_JOINT, steps, batch, entry)
        if length < 0:
            return BLOCKED
        return take_chain(world, row, place, left, steps, asks, batch, entry, np.int64(length))
    end = copy_without(world, row, place if via == VIA_DROP else -1, new)
    if via == VIA_DUPLICATE:
        if end == new.shape[0] or (world.fifo and is_full(world, steps.link, new, end, row[place])):
            return OUTSIDE
        for at in range(end, place, -1):
            new[at] = new[at - 1]
        end += 1
    pad(new, end)
    new[world.components] = left
    batch.chain_length[entry] = 0
    return REACHED


@inlined
def joint_steps(world: World, row: Any, event: Any, steps: StepTable, batch: Batch, entry: Any) -> int:
    """The parts of a joint event as a chain of steps: how many there are, -1 if somebody cannot do his part."""
    length = 0
    for component in range(world.components):
        part = world.joint[event, component]
        if part >= 0:
            step = steps.part_steps[row[component], part]
            if step == NOT_ENABLED:
                return -1
            batch.chain[entry, length] = step
            length += 1
    return length


@compiled
def take_chain(
    world: World, row: Any, place: int, left: int, steps: StepTable, asks: Asks, batch: Batch, entry: int, length: int
) -> int:
    """Take the first steps of `batch.chain[entry]` together, then those for the synchronous messages that are sent.

    The message at `place` is consumed (-1: none). Builds the row, and says whether it is a successor.
    """
    new = batch.built[entry]
    end = copy_without(world, row, place, new)
    new[world.components] = left
    head = tail = 0
    for number in range(length):
        tail = take(steps, batch, new, batch.chain[entry, number], tail)
        end = cut_by(world, steps, new, end, batch.chain[entry, number])
    fits = True
    while head < tail:
        message = batch.queue[head]
        head += 1
        if not steps.synchronous[message]:
            if world.kept and contains(new, world.components + 1, end, message):
                continue
            if end < new.shape[0] and not (world.fifo and is_full(world, steps.link, new, end, message)):
                end = insert(world, steps.link, new, end, message)
            else:
                fits = False
            continue
        local = new[steps.destination[message]]
        step = look_up(steps.keys, steps.values, pair_key(local, message))
        if step == MISSING:
            ask(asks, local, message)
            return INCOMPLETE
        if step == NOT_ENABLED:
            return BLOCKED
        if length == CHAIN_MAX:
            asks.counts[ENDLESS] = 1
            return INCOMPLETE
        batch.chain[entry, length] = step
        length += 1
        tail = take(steps, batch, new, step, tail)
        end = cut_by(world, steps, new, end, step)
    pad(new, end)
    batch.chain_length[entry] = length
    return REACHED if fits else OUTSIDE


@inlined
def cut_by(world: World, steps: StepTable, new: Any, end: Any, step: Any) -> Any:
    """Lose what is under way on the connections that a step breaks. Returns where the messages end."""
    if steps.steps[step, CUTS]:
        end = cut(world, steps.link, new, end, steps.steps[step, COMPONENT], steps.steps[step, CUTS])
    return end


@inlined
def take(steps: StepTable, batch: Batch, new: Any, step: Any, tail: Any) -> Any:
    """One local step: the new state, and its messages in the queue."""
    new[steps.steps[step, COMPONENT]] = steps.steps[step, STATE]
    for at in range(steps.steps[step, FIRST_SENT], steps.steps[step, FIRST_SENT] + steps.steps[step, SENT_COUNT]):
        batch.queue[tail] = steps.sends[at]
        tail += 1
    return tail
