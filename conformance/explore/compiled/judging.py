"""Which combinations of local states no property was asked about yet."""

from __future__ import annotations

from typing import Any

import numpy as np

from kubeproof.conformance.explore.compiled.hashing import add_key, compiled
from kubeproof.conformance.explore.compiled.rows import fingerprint
from kubeproof.conformance.explore.compiled.tables import CHANGED_MANY, UNCHANGED, Asked


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
