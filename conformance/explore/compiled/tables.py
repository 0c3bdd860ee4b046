"""What the compiled search reads and writes: tuples of arrays, and the meaning of their columns."""

from __future__ import annotations

from typing import NamedTuple

from kubeproof.conformance.explore.compiled.hashing import Ints, Numbers, Words

BATCH = 256
# Of one local state, and of one step; batches have room for the successors of a row in which all components have so many.
EVENTS_MAX = 64
SENDS_MAX = 64
NOT_ENABLED = 0


class World(NamedTuple):
    """What is the same for all rows. Costs are columns of `StepTable.after_cost`, -1 for what never happens.

    Of a joint event, a row of `joint`: the part of each component (-1: it is not concerned), and the cost.
    """

    components: int
    images: int
    kept: bool
    fifo: bool
    drop_cost: int
    duplicate_cost: int
    joint: Ints
    numbered: bool
    exact: bool
    link_max: int


class StepTable(NamedTuple):
    """The local steps that are known, by number; 0 is the step that is not enabled.

    Of a local state: in `events` where its own steps begin in `event_steps` (or MISSING) and how many there are; in `part_steps`
    its step for each part of joint events. Of a message: `destination`, whether it is `synchronous`, and the `link` that it is
    on. Of a local state and a message: the step, in the hash table `keys`, `values`. Of a step, in `steps`: see the columns; its
    messages are in `sends`. Words are those of each renamed image, the identity first; the word of a step is that of the new
    state, together with those of the messages unless they are kept. `after_cost[budget, cost]` is the budget that is left, -1 if
    there is none; cost 0 is none.
    """

    events: Ints
    event_steps: Ints
    part_steps: Ints
    destination: Ints
    synchronous: Ints
    link: Ints
    keys: Words
    values: Ints
    steps: Ints
    sends: Ints
    local_words: Words
    message_words: Words
    budget_words: Words
    step_words: Words
    after_cost: Ints


# Columns of `StepTable.steps`. A simple step sends nothing that is synchronous, and there are no FIFO links. CUTS are bits.
STATE, FIRST_SENT, SENT_COUNT, COST, COMPONENT, SIMPLE, CUTS = STEP_COLUMNS = range(7)
CUTS_MAX = 31


class Batch(NamedTuple):
    """Successors whose fingerprints are about to be looked up.

    `component` takes `step`; `taken` is the place of the message that is consumed or lost, `doubled` the message that is added
    once more; -1 for none. Where more than that happens, the new row is in `built` already (`is_built`), and `component` is
    CHANGED_MANY. `chain` has all local steps taken. `via` says what leads there (for edges). `glance` is what stood in the first
    slot. The rest is room to work in: of the present row what may happen (`moves`: step, place of the message that is consumed,
    budget left, via), the sums of its images, messages to be handed over, and how many successors are inside and outside the
    bounds.
    """

    row: Numbers
    component: Ints
    step: Ints
    taken: Ints
    doubled: Ints
    budget: Ints
    is_built: Ints
    built: Ints
    chain: Ints
    chain_length: Ints
    via: Ints
    word: Words
    glance: Words
    moves: Ints
    sums: Words
    queue: Ints
    tally: Numbers


UNCHANGED, CHANGED_MANY = -2, -3
"""Instead of the one component whose local state is another one than in the row before."""


class Asks(NamedTuple):
    """What is not known: `pairs` of a local state and a message (MISSING: its events), each once, by `keys`.

    `rows` wait for them, `ends` are rows without any successor. `counts`: see the columns.
    """

    pairs: Ints
    keys: Words
    rows: Ints
    ends: Ints
    counts: Numbers


PAIRS, ROWS, ENDS, ENDLESS = ASK_COUNTS = range(4)


class Asked(NamedTuple):
    """Combinations of components that properties look at: `columns`, padded, and how many there are.

    `concerned` has the numbers of the combinations of each component, and at last of all of them; those of a component begin at
    `first[component]`. Ids differ between components, so that keys of different combinations do, too.
    """

    columns: Ints
    sizes: Ints
    concerned: Ints
    first: Ints


class Found(NamedTuple):
    """New states: rows, the number of the row that each comes from, and the component that has changed."""

    rows: Ints
    parents: Ints
    changed: Ints


class Edges(NamedTuple):
    """Every successor, duplicates too, as numbers of states. `via` is a step, a message or a joint event (see below).

    How many there are is in `counts`.
    """

    source: Ints
    target: Ints
    via: Ints
    counts: Numbers


# `via`: the number of a step, -1 less that of a message that is delivered, VIA_JOINT plus that of a joint event, or one of these.
VIA_JOINT = 1 << 30
VIA_DROP, VIA_DUPLICATE = VIA_JOINT - 2, VIA_JOINT - 1
