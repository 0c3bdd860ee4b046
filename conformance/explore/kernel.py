"""The inner loop: global states as rows of integers, a successor as a few table look-ups and additions.

A row holds the id of each component's local state, the id of what is left of the budgets, and the ids of the messages under
way in ascending order, padded with -1. Its fingerprint is the sum (modulo 2**64) of one mixed word for each of them, so that of
a successor is the old one less what has gone plus what has come; rows are only built for states that are new. Look-ups in the
table of fingerprints are made in batches, first all reads and then all decisions, so that cache misses overlap.

Only typed integers may reach the hash functions: a Python integer would turn an unsigned key into a float.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Numbers = NDArray[np.int64]
Words = NDArray[np.uint64]

BATCH = 128
# Of one local state; the batch has room for the successors of a row in which all components have so many.
EVENTS_MAX = 64
NOT_ENABLED = 0
MISSING = -1
ASKED = -2


class World(NamedTuple):
    """What is the same for all rows. Costs are columns of `StepTable.after_cost`, -1 for what never happens."""

    components: int
    kept: bool
    drop_cost: int
    duplicate_cost: int


class StepTable(NamedTuple):
    """The local steps that are known, by number; 0 is the step that is not enabled.

    Of a local state, in `events`: where its own steps begin in `event_steps` (or MISSING), and how many there are. Of a message:
    `destination`. Of a local state and a message: the step, in the hash table `keys`, `values`. Of a step, in `steps`: the new
    local state, where its messages begin in `sends`, how many there are, and its cost; its `word` is that of the new state,
    together with those of the messages unless they are kept. `after_cost[budget, cost]` is the budget that is left, -1 if there
    is none.
    """

    events: Ints
    event_steps: Ints
    destination: Ints
    keys: Words
    values: Ints
    steps: Ints
    sends: Ints
    word: Words
    after_cost: Ints


STATE, FIRST_SENT, SENT_COUNT, COST = range(4)


class Batch(NamedTuple):
    """Successors whose fingerprints are about to be looked up.

    `taken` is the place of the message that is consumed or lost, `doubled` the message that is added once more; -1 for none.
    `glance` is what stood in the table's first slot.
    """

    row: Numbers
    component: Ints
    step: Ints
    taken: Ints
    doubled: Ints
    budget: Ints
    word: Words
    glance: Words


class Found(NamedTuple):
    """New states: rows, fingerprints, and the number of the row that each comes from."""

    rows: Ints
    fingerprints: Words
    parents: Numbers


_ONE = np.uint64(1)

# Nothing here allocates. Without reference counts (`_nrt`), which are atomic and stood in the way at every access to an array of
# a tuple, the loop is twice as fast; functions that are inlined need not copy those tuples.
_OPTIONS: dict[str, Any] = {"cache": True, "_nrt": False}
_compiled: Any = njit(**_OPTIONS)
_inlined: Any = njit(**_OPTIONS, inline="always")


@_inlined
def mix(word: Any) -> Any:
    """MurmurHash3's finalizer: a bijection of 64-bit words in which every bit depends on every other."""
    word ^= word >> np.uint64(33)
    word *= np.uint64(0xFF51AFD7ED558CCD)
    word ^= word >> np.uint64(33)
    word *= np.uint64(0xC4CEB9FE1A85EC53)
    return word ^ (word >> np.uint64(33))


@_inlined
def local_word(local: Any) -> Any:
    """The word of a local state; ids differ between components."""
    return mix(np.uint64(local) + _ONE)


@_inlined
def message_word(message: Any) -> Any:
    """The word of a message under way."""
    return mix((_ONE << np.uint64(40)) | np.uint64(message))


@_inlined
def budget_word(budget: Any) -> Any:
    """The word of what is left of the budgets."""
    return mix((np.uint64(2) << np.uint64(40)) | np.uint64(budget))


@_inlined
def pair_key(local: Any, other: Any) -> Any:
    """The key of two ids, never 0."""
    return (np.uint64(local + 1) << np.uint64(32)) | np.uint64(other + 1)


@_inlined
def look_up(keys: Any, values: Any, key: Any) -> Any:
    """The value of a key, MISSING if it is not there."""
    mask = np.uint64(keys.shape[0] - 1)
    slot = mix(key) & mask
    while keys[slot] != 0:
        if keys[slot] == key:
            return values[slot]
        slot = (slot + _ONE) & mask
    return np.int32(MISSING)


@_compiled
def put(keys: Any, values: Any, key: Any, value: Any) -> Any:
    """Set a value; whether the key is new. The table must have room."""
    mask = np.uint64(keys.shape[0] - 1)
    slot = mix(key) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + _ONE) & mask
    new = keys[slot] == 0
    keys[slot] = key
    values[slot] = value
    return new


@_compiled
def step_word(state: int, sends: Any) -> Any:
    """The word of a step that leads to this local state and sends these messages."""
    word = local_word(state)
    for message in sends:
        word += message_word(message)
    return word


@_compiled
def put_step(steps: StepTable, local: int, message: int, step: int) -> None:
    """Note the step that a local state takes for a message."""
    put(steps.keys, steps.values, pair_key(local, message), np.int32(step))


@_compiled
def copy_table(keys: Any, values: Any, larger_keys: Any, larger_values: Any) -> None:
    """Put all entries into a larger table."""
    for slot in range(keys.shape[0]):
        if keys[slot] != 0:
            put(larger_keys, larger_values, keys[slot], values[slot])


@_compiled
def copy_seen(seen: Any, larger: Any) -> None:
    """Put all fingerprints into a larger table."""
    mask = np.uint64(larger.shape[0] - 1)
    for old in range(seen.shape[0]):
        if seen[old] != 0:
            slot = mix(seen[old]) & mask
            while larger[slot] != 0:
                slot = (slot + _ONE) & mask
            larger[slot] = seen[old]


@_compiled
def find_missing(rows: Any, components: int, steps: StepTable, found: Any) -> tuple[int, int]:
    """Collect local states whose events, and (local state, message) whose steps, are not known; each once.

    Returns how many were found and how many rows were looked at: fewer than all when `found` or the table is full.
    """
    width = rows.shape[1]
    count = 0
    for row in range(rows.shape[0]):
        if count + width > found.shape[0]:
            return count, row
        for component in range(components):
            local = rows[row, component]
            if steps.events[local, 0] == MISSING:
                steps.events[local, 0] = ASKED
                found[count, 0] = local
                found[count, 1] = MISSING
                count += 1
        for place in range(components + 1, width):
            message = rows[row, place]
            if message < 0:
                break
            key = pair_key(rows[row, steps.destination[message]], message)
            if look_up(steps.keys, steps.values, key) == MISSING:
                put(steps.keys, steps.values, key, np.int32(ASKED))
                found[count, 0] = rows[row, steps.destination[message]]
                found[count, 1] = message
                count += 1
    return count, rows.shape[0]


@_compiled
def expand(
    world: World, rows: Any, fingerprints: Any, start: int, steps: StepTable, batch: Batch, seen: Any, found: Found, totals: Any
) -> tuple[int, int]:
    """Visit the successors of rows from `start` on. Returns how many new ones there are, and the next row to begin with.

    It stops early when `found` is nearly full. `totals` counts successors inside the bounds, those outside (too many messages),
    and rows without any successor.
    """
    count = 0
    pending = 0
    row = start
    while row < rows.shape[0]:
        before = totals[0] + totals[1]
        pending = collect(world, rows[row], row, fingerprints[row], steps, batch, pending, totals)
        if totals[0] + totals[1] == before:
            totals[2] += 1
        row += 1
        if pending >= BATCH:
            count = keep_new(world, rows, steps, batch, pending, seen, found, count)
            pending = 0
            if count + batch.word.shape[0] > found.parents.shape[0]:
                return count, row
    return keep_new(world, rows, steps, batch, pending, seen, found, count), row


@_inlined
def collect(
    world: World, row: Any, number: int, fingerprint: Any, steps: StepTable, batch: Batch, pending: int, totals: Any
) -> int:
    """Put the successors of one row into the batch. Returns its new length."""
    components = world.components
    messages = components + 1
    while messages < row.shape[0] and row[messages] >= 0:
        messages += 1
    budget = row[components]
    for component in range(components):
        local = row[component]
        for option in range(steps.events[local, 1]):
            step = steps.event_steps[steps.events[local, 0] + option]
            left = steps.after_cost[budget, steps.steps[step, COST]]
            if left >= 0:
                pending = add_step(
                    world, row, messages, number, fingerprint, steps, component, step, -1, left, batch, pending, totals
                )
    previous = np.int32(-1)
    for place in range(components + 1, messages):
        message = row[place]
        if message == previous:
            continue
        previous = message
        component = steps.destination[message]
        step = look_up(steps.keys, steps.values, pair_key(row[component], message))
        if step != NOT_ENABLED:
            pending = add_step(
                world, row, messages, number, fingerprint, steps, component, step, place, budget, batch, pending, totals
            )
        if world.drop_cost >= 0:
            left = steps.after_cost[budget, world.drop_cost]
            if left >= 0:
                word = fingerprint - message_word(message) - budget_word(budget) + budget_word(left)
                pending = add(batch, pending, number, -1, 0, place, -1, left, word)
                totals[0] += 1
        if world.duplicate_cost >= 0:
            left = steps.after_cost[budget, world.duplicate_cost]
            if left >= 0 and messages == row.shape[0]:
                totals[1] += 1
            elif left >= 0:
                word = fingerprint + message_word(message) - budget_word(budget) + budget_word(left)
                pending = add(batch, pending, number, -1, 0, -1, message, left, word)
                totals[0] += 1
    return pending


@_inlined
def add_step(
    world: World,
    row: Any,
    messages: int,
    number: int,
    fingerprint: Any,
    steps: StepTable,
    component: int,
    step: int,
    place: int,
    left: int,
    batch: Batch,
    pending: int,
    totals: Any,
) -> Any:
    """A component takes a step, by itself (`place` is -1) or for the message at a place of its row."""
    components = world.components
    budget = row[components]
    word = fingerprint - local_word(row[component]) + steps.word[step]
    if left != budget:
        word += budget_word(left) - budget_word(budget)
    end = messages
    consumed = place >= 0 and not world.kept
    if consumed:
        word -= message_word(row[place])
        end -= 1
    if world.kept:
        for at in range(steps.steps[step, FIRST_SENT], steps.steps[step, FIRST_SENT] + steps.steps[step, SENT_COUNT]):
            if not contains(row, components + 1, messages, steps.sends[at]):
                word += message_word(steps.sends[at])
                end += 1
    else:
        end += steps.steps[step, SENT_COUNT]
    if end > row.shape[0]:
        totals[1] += 1
        return pending
    totals[0] += 1
    return add(batch, pending, number, component, step, place if consumed else -1, -1, left, word)


@_inlined
def add(
    batch: Batch, pending: int, number: int, component: int, step: int, taken: int, doubled: int, budget: int, word: Any
) -> int:
    """One more successor in the batch."""
    batch.row[pending] = number
    batch.component[pending] = component
    batch.step[pending] = step
    batch.taken[pending] = taken
    batch.doubled[pending] = doubled
    batch.budget[pending] = budget
    batch.word[pending] = word if word != 0 else _ONE
    return pending + 1


@_inlined
def contains(row: Any, first: int, end: int, message: Any) -> bool:
    """Whether a message is among those under way."""
    place = first
    while place < end and row[place] != message:
        place += 1
    return place < end


@_inlined
def keep_new(world: World, rows: Any, steps: StepTable, batch: Batch, pending: int, seen: Any, found: Found, count: int) -> int:
    """Note the fingerprints of a batch, and build the rows of those that are new. Returns how many were found so far."""
    mask = np.uint64(seen.shape[0] - 1)
    for entry in range(pending):
        batch.glance[entry] = seen[mix(batch.word[entry]) & mask]
    for entry in range(pending):
        word = batch.word[entry]
        if batch.glance[entry] == word:
            continue
        slot = mix(word) & mask
        while seen[slot] != 0 and seen[slot] != word:
            slot = (slot + _ONE) & mask
        if seen[slot] == word:
            continue
        seen[slot] = word
        build_row(world, rows[batch.row[entry]], steps, batch, entry, found.rows[count])
        found.fingerprints[count] = word
        found.parents[count] = batch.row[entry]
        count += 1
    return count


@_inlined
def build_row(world: World, row: Any, steps: StepTable, batch: Batch, entry: int, new: Any) -> None:
    """Write a successor's row: messages stay in ascending order."""
    components = world.components
    for place in range(components):
        new[place] = row[place]
    new[components] = batch.budget[entry]
    first = end = components + 1
    for place in range(first, row.shape[0]):
        if row[place] < 0:
            break
        if place != batch.taken[entry]:
            new[end] = row[place]
            end += 1
    if batch.doubled[entry] >= 0:
        end = insert(new, first, end, batch.doubled[entry], False)
    component, step = batch.component[entry], batch.step[entry]
    if component >= 0:
        new[component] = steps.steps[step, STATE]
        for at in range(steps.steps[step, FIRST_SENT], steps.steps[step, FIRST_SENT] + steps.steps[step, SENT_COUNT]):
            end = insert(new, first, end, steps.sends[at], world.kept)
    for place in range(end, row.shape[0]):
        new[place] = -1


@_compiled
def insert(row: Any, first: int, end: int, message: Any, once: bool) -> int:
    """Put a message at its place among those under way, or with `once` not again. Returns the new end."""
    place = end
    while place > first and row[place - 1] > message:
        place -= 1
    if once and place > first and row[place - 1] == message:
        return end
    for other in range(end, place, -1):
        row[other] = row[other - 1]
    row[place] = message
    return end + 1


@_compiled
def unjudged(rows: Any, columns: Any, keys: Any, values: Any, found: Any) -> tuple[int, int]:
    """Rows whose local states in these columns are met together for the first time: one row for each such combination.

    Returns how many were found and how many rows were looked at.
    """
    count = 0
    for row in range(rows.shape[0]):
        if count == found.shape[0]:
            return count, row
        key = np.uint64(0)
        for column in columns:
            key = mix(key * np.uint64(31) + np.uint64(rows[row, column]) + _ONE)
        if key == 0:
            key = _ONE
        if look_up(keys, values, key) == MISSING:
            put(keys, values, key, np.int32(ASKED))
            found[count] = row
            count += 1
    return count, rows.shape[0]
