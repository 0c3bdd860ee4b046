"""Everything that may happen next in a row, as entries of the batch: fingerprints at once, rows only where they must be built."""

from __future__ import annotations

from typing import Any

import numpy as np

from kubeproof.conformance.explore.compiled.hashing import MISSING, compiled, inlined, look_up, pair_key
from kubeproof.conformance.explore.compiled.rows import (
    INCOMPLETE,
    OUTSIDE,
    REACHED,
    ask,
    build,
    contains,
    end_of,
    fingerprint,
    fingerprint_of,
    sum_of,
)
from kubeproof.conformance.explore.compiled.tables import (
    CHANGED_MANY,
    COMPONENT,
    COST,
    FIRST_SENT,
    NOT_ENABLED,
    SENT_COUNT,
    SIMPLE,
    UNCHANGED,
    VIA_DROP,
    VIA_DUPLICATE,
    VIA_JOINT,
    Asks,
    Batch,
    StepTable,
    World,
)


@inlined
def collect(world: World, row: Any, number: Any, steps: StepTable, asks: Asks, batch: Batch, pending: Any) -> int:
    """Put the successors of one row into the batch. Returns its new length, -1 if a local step is missing."""
    moves = collect_moves(world, row, steps, asks, batch)
    complete = moves >= 0
    batch.tally[0] = 0
    batch.tally[1] = 0
    end = end_of(world, row)
    for image in range(world.images):
        batch.sums[image] = sum_of(world, steps, row, image)
    for move in range(moves):
        step, place, left, via = batch.moves[move, 0], batch.moves[move, 1], batch.moves[move, 2], batch.moves[move, 3]
        if step != NOT_ENABLED and steps.steps[step, SIMPLE]:
            pending = add_step(world, row, end, number, steps, step, place, left, via, batch, pending)
        elif via == VIA_DROP and not world.fifo:
            pending = add_drop(world, row, number, steps, place, left, batch, pending)
        elif via == VIA_DUPLICATE and not world.fifo:
            pending = add_double(world, row, end, number, steps, place, left, batch, pending)
        else:
            # With arguments of one type the function is compiled once.
            status = build(
                world, row, np.int64(place), np.int64(left), np.int64(step), np.int64(via), steps, asks, batch, np.int64(pending)
            )
            complete = complete and status != INCOMPLETE
            pending = add_built(world, np.int64(number), steps, np.int64(status), np.int64(via), batch, np.int64(pending))
    return pending if complete else -1


@inlined
def collect_moves(world: World, row: Any, steps: StepTable, asks: Asks, batch: Batch) -> int:
    """Note everything that may happen next in `moves`: how many there are, -1 if a local step is missing."""
    components = world.components
    budget = row[components]
    complete = True
    count = 0
    for component in range(components):
        first = steps.events[row[component], 0]
        if first == MISSING:
            ask(asks, row[component], MISSING)
            complete = False
            continue
        for at in range(first, first + steps.events[row[component], 1]):
            step = steps.event_steps[at]
            count = note_move(steps, budget, steps.steps[step, COST], step, -1, step, batch, count)
    for event in range(world.joint.shape[0]):
        count = note_move(steps, budget, world.joint[event, components], NOT_ENABLED, -1, VIA_JOINT + event, batch, count)
    for place in range(components + 1, row.shape[0]):
        message = row[place]
        if message < 0:
            break
        if place > components + 1:
            previous = row[place - 1]
            if previous == message or (world.fifo and steps.link[previous] == steps.link[message]):
                continue
        local = row[steps.destination[message]]
        step = look_up(steps.keys, steps.values, pair_key(local, message))
        if step == MISSING:
            ask(asks, local, message)
            complete = False
        elif step != NOT_ENABLED:
            count = note_move(steps, budget, 0, step, -1 if world.kept else place, -1 - message, batch, count)
        if world.drop_cost >= 0:
            count = note_move(steps, budget, world.drop_cost, NOT_ENABLED, place, VIA_DROP, batch, count)
        if world.duplicate_cost >= 0:
            count = note_move(steps, budget, world.duplicate_cost, NOT_ENABLED, place, VIA_DUPLICATE, batch, count)
    return count if complete else -1


@inlined
def note_move(steps: StepTable, budget: Any, cost: Any, step: Any, place: Any, via: Any, batch: Batch, count: Any) -> Any:
    """Something may happen, if the budget that it costs allows it."""
    left = steps.after_cost[budget, cost]
    if left < 0:
        return count
    batch.moves[count, 0] = step
    batch.moves[count, 1] = place
    batch.moves[count, 2] = left
    batch.moves[count, 3] = via
    return count + 1


@inlined
def add_step(
    world: World,
    row: Any,
    end: Any,
    number: Any,
    steps: StepTable,
    step: Any,
    consumed: Any,
    left: Any,
    via: Any,
    batch: Batch,
    pending: Any,
) -> Any:
    """A component takes a simple step, by itself (`consumed` is -1) or for the message at a place of its row."""
    component = steps.steps[step, COMPONENT]
    first = steps.steps[step, FIRST_SENT]
    sent = steps.steps[step, SENT_COUNT]
    fresh = sent
    if world.kept:
        fresh = 0
        for at in range(first, first + sent):
            if not contains(row, world.components + 1, end, steps.sends[at]):
                batch.queue[fresh] = steps.sends[at]
                fresh += 1
    if end + fresh - (1 if consumed >= 0 else 0) > row.shape[0]:
        batch.tally[1] += 1
        return pending
    least = step_sum(world, row, steps, component, step, consumed, fresh, batch, 0)
    for image in range(1, world.images):
        least = min(least, step_sum(world, row, steps, component, step, consumed, fresh, batch, image))
    return add(steps, number, component, step, consumed, -1, left, via, least, batch, pending)


@inlined
def step_sum(
    world: World, row: Any, steps: StepTable, component: Any, step: Any, consumed: Any, fresh: Any, batch: Batch, image: Any
) -> Any:
    """The sum of words of an image of the row behind a simple step."""
    word = batch.sums[image] - steps.local_words[row[component], image] + steps.step_words[step, image]
    if consumed >= 0:
        word -= steps.message_words[row[consumed], image]
    if world.kept:
        for at in range(fresh):
            word += steps.message_words[batch.queue[at], image]
    return word


@inlined
def add_drop(world: World, row: Any, number: Any, steps: StepTable, place: Any, left: Any, batch: Batch, pending: Any) -> Any:
    """The network loses the message at a place."""
    least = batch.sums[0] - steps.message_words[row[place], 0]
    for image in range(1, world.images):
        least = min(least, batch.sums[image] - steps.message_words[row[place], image])
    return add(steps, number, UNCHANGED, NOT_ENABLED, place, -1, left, VIA_DROP, least, batch, pending)


@inlined
def add_double(
    world: World, row: Any, end: Any, number: Any, steps: StepTable, place: Any, left: Any, batch: Batch, pending: Any
) -> Any:
    """The network doubles the message at a place."""
    if end == row.shape[0]:
        batch.tally[1] += 1
        return pending
    message = row[place]
    least = batch.sums[0] + steps.message_words[message, 0]
    for image in range(1, world.images):
        least = min(least, batch.sums[image] + steps.message_words[message, image])
    return add(steps, number, UNCHANGED, NOT_ENABLED, -1, message, left, VIA_DUPLICATE, least, batch, pending)


@compiled
def add_built(world: World, number: Any, steps: StepTable, status: Any, via: Any, batch: Batch, pending: Any) -> Any:
    """A successor whose row is built already, if it is one."""
    if status == OUTSIDE:
        batch.tally[1] += 1
    if status != REACHED:
        return pending
    batch.tally[0] += 1
    batch.row[pending] = number
    batch.component[pending] = CHANGED_MANY
    batch.is_built[pending] = 1
    batch.via[pending] = via
    batch.word[pending] = fingerprint_of(world, steps, batch.built[pending])
    return pending + 1


@inlined
def add(
    steps: StepTable,
    number: Any,
    component: Any,
    step: Any,
    taken: Any,
    doubled: Any,
    budget: Any,
    via: Any,
    least: Any,
    batch: Batch,
    pending: Any,
) -> Any:
    """A successor whose row is built when it turns out to be new."""
    batch.tally[0] += 1
    batch.row[pending] = number
    batch.component[pending] = component
    batch.step[pending] = step
    batch.taken[pending] = taken
    batch.doubled[pending] = doubled
    batch.budget[pending] = budget
    batch.is_built[pending] = 0
    batch.via[pending] = via
    batch.word[pending] = fingerprint(least + steps.budget_words[budget])
    return pending + 1
