"""What of a batch is new: fingerprints are noted, and rows built."""

from __future__ import annotations

from typing import Any

import numpy as np

from kubeproof.conformance.explore.compiled.hashing import compiled, inlined
from kubeproof.conformance.explore.compiled.rows import contains, copy_without, insert, pad
from kubeproof.conformance.explore.compiled.seen import find_or_add, first_slot
from kubeproof.conformance.explore.compiled.tables import (
    FIRST_SENT,
    SENT_COUNT,
    STATE,
    UNCHANGED,
    Batch,
    Edges,
    Found,
    StepTable,
    World,
)


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
