"""The inner loop: global states as rows of integers, a successor as a few table look-ups and additions.

A row holds the id of each component's local state, the id of what is left of the budgets, and the ids of the messages under
way, padded with -1: in ascending order, or on FIFO links by link and age. Its fingerprint is made of the sum (modulo 2**64) of
one word for each of them, so that of a successor is the old one less what has gone plus what has come; under symmetry it is the
least of those of all renamed images. Rows are only built for states that are new. Look-ups in the table of fingerprints are made
in batches, first all reads and then all decisions, so that cache misses overlap.

Local steps that are not known yet are asked for, and their row waits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kubeproof.conformance.explore.hashing import MISSING, add_key, compiled, inlined, look_up, pair_key
from kubeproof.conformance.explore.rows import (
    INCOMPLETE,
    OUTSIDE,
    REACHED,
    ask,
    build,
    contains,
    copy_without,
    end_of,
    fingerprint,
    fingerprint_of,
    insert,
    pad,
    sum_of,
)
from kubeproof.conformance.explore.seen import find_or_add, first_slot
from kubeproof.conformance.explore.tables import (
    BATCH,
    CHANGED_MANY,
    COMPONENT,
    COST,
    ENDS,
    FIRST_SENT,
    NOT_ENABLED,
    PAIRS,
    ROWS,
    SENT_COUNT,
    SIMPLE,
    STATE,
    UNCHANGED,
    VIA_DROP,
    VIA_DUPLICATE,
    VIA_JOINT,
    Asked,
    Asks,
    Batch,
    Edges,
    Found,
    StepTable,
    World,
)


@compiled
def expand(
    world: World,
    rows: Any,
    todo: Any,
    start: int,
    origin: int,
    steps: StepTable,
    asks: Asks,
    batch: Batch,
    words: Any,
    numbers: Any,
    store: Any,
    found: Found,
    first_number: int,
    edges: Edges,
    totals: Any,
    taken: Any,
) -> tuple[int, int]:
    """Visit the successors of the rows in `todo` from `start` on. Returns how many new ones there are, and where it stopped.

    It stops early when `found`, `edges` or `asks` is nearly full. Rows are numbered from `origin`, new ones from `first_number`;
    `store` has them all if that is needed. `totals` counts successors inside the bounds, those outside (too many messages), and
    rows without any successor; `taken` how often each local step was.
    """
    most = batch.word.shape[0]
    count = 0
    pending = 0
    at = start
    stop = False
    while not stop:
        stop = at == todo.shape[0]
        if not stop:
            number = todo[at]
            at += 1
            reached = collect(world, rows[number], number, steps, asks, batch, pending)
            if reached >= 0:
                pending = reached
                note_complete(number, asks, batch, totals)
            else:
                stop = note_incomplete(number, asks)
        if pending >= BATCH or stop:
            count = keep_new(
                world, rows, origin, steps, batch, pending, words, numbers, store, found, first_number, edges, taken, count
            )
            pending = 0
            full = count + most > found.rows.shape[0] or (world.numbered and edges.counts[0] + most > edges.source.shape[0])
            stop = stop or full
    return count, at


@inlined
def note_complete(number: Any, asks: Asks, batch: Batch, totals: Any) -> None:
    """All successors of a row are in the batch."""
    totals[0] += batch.tally[0]
    totals[1] += batch.tally[1]
    if batch.tally[0] + batch.tally[1] == 0:
        totals[2] += 1
        asks.ends[asks.counts[ENDS]] = number
        asks.counts[ENDS] += 1


@inlined
def note_incomplete(number: Any, asks: Asks) -> Any:
    """A row must wait. Whether there is no room for further questions."""
    asks.rows[asks.counts[ROWS]] = number
    asks.counts[ROWS] += 1
    return asks.counts[PAIRS] == asks.pairs.shape[0]


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


@inlined
def keep_new(
    world: World,
    rows: Any,
    origin: Any,
    steps: StepTable,
    batch: Batch,
    pending: Any,
    words: Any,
    numbers: Any,
    store: Any,
    found: Found,
    first_number: Any,
    edges: Edges,
    taken: Any,
    count: Any,
) -> Any:
    """Note the fingerprints of a batch, and keep the rows of those that are new. Returns how many were found so far."""
    for entry in range(pending):
        batch.glance[entry] = words[first_slot(words, batch.word[entry])]
    for entry in range(pending):
        if batch.is_built[entry]:
            for number in range(batch.chain_length[entry]):
                taken[batch.chain[entry, number]] += 1
        else:
            taken[batch.step[entry]] += 1
    for entry in range(pending):
        word = batch.word[entry]
        if not world.numbered and batch.glance[entry] == word:
            continue
        row = rows[batch.row[entry]]
        if world.exact:
            build_row(world, row, steps, batch, entry, found.rows[count])
            slot, new = find_or_add_exactly(words, word, numbers, store, found.rows[count])
        else:
            slot, new = find_or_add(words, word)
            if new:
                build_row(world, row, steps, batch, entry, found.rows[count])
        if world.numbered:
            if new:
                numbers[slot] = first_number + count
            edge = edges.counts[0]
            edges.source[edge] = origin + batch.row[entry]
            edges.target[edge] = numbers[slot]
            edges.via[edge] = batch.via[entry]
            edges.counts[0] = edge + 1
        if new:
            found.parents[count] = origin + batch.row[entry]
            component = batch.component[entry]
            if component >= 0 and found.rows[count, component] == row[component]:
                component = UNCHANGED
            found.changed[count] = component
            count += 1
    return count


@compiled
def find_or_add_exactly(words: Any, word: Any, numbers: Any, store: Any, row: Any) -> Any:
    """The slot of a row, and whether it was added just now: rows that share a fingerprint are told apart."""
    slot = first_slot(words, word)
    while words[slot] != 0:
        if words[slot] == word:
            same = True
            for place in range(row.shape[0]):
                same = same and store[numbers[slot], place] == row[place]
            if same:
                return slot, False
        slot += np.uint64(1)
    words[slot] = word
    return slot, True


@inlined
def build_row(world: World, row: Any, steps: StepTable, batch: Batch, entry: Any, new: Any) -> None:
    """Write a successor's row."""
    if batch.is_built[entry]:
        for place in range(new.shape[0]):
            new[place] = batch.built[entry, place]
        return
    end = copy_without(world, row, batch.taken[entry], new)
    new[world.components] = batch.budget[entry]
    if batch.doubled[entry] >= 0:
        end = insert(world, steps.link, new, end, batch.doubled[entry])
    component, step = batch.component[entry], batch.step[entry]
    if component >= 0:
        new[component] = steps.steps[step, STATE]
        for at in range(steps.steps[step, FIRST_SENT], steps.steps[step, FIRST_SENT] + steps.steps[step, SENT_COUNT]):
            if not (world.kept and contains(new, world.components + 1, end, steps.sends[at])):
                end = insert(world, steps.link, new, end, steps.sends[at])
    pad(new, end)


@compiled
def unjudged(rows: Any, changed: Any, start: int, asked: Asked, keys: Any, found: Any) -> tuple[int, int]:
    """Combinations of local states that are met for the first time: in `found` a row and the number of the combination's columns.

    Looked at are rows from `start` on, and combinations in which a local state has just changed. Returns how many were found, and
    where it stopped.
    """
    count = 0
    for row in range(start, rows.shape[0]):
        component = changed[row]
        if component == UNCHANGED:
            continue
        if count + asked.columns.shape[0] > found.shape[0]:
            return count, row
        if component == CHANGED_MANY:
            component = asked.first.shape[0] - 2
        for at in range(asked.first[component], asked.first[component + 1]):
            number = asked.concerned[at]
            key = np.uint64(0)
            for place in range(asked.sizes[number]):
                key = fingerprint(key * np.uint64(31) + np.uint64(rows[row, asked.columns[number, place]] + 1))
            if add_key(keys, key):
                found[count, 0] = row
                found[count, 1] = number
                count += 1
    return count, rows.shape[0]
