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

from kubeproof.conformance.explore.compiled.hashing import compiled, inlined
from kubeproof.conformance.explore.compiled.keeping import keep_new
from kubeproof.conformance.explore.compiled.successors import collect
from kubeproof.conformance.explore.compiled.tables import BATCH, ENDS, PAIRS, ROWS, Asks, Batch, Edges, Found, StepTable, World


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
