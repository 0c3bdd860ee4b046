"""The generations of a key, by the example in etcd's own description, and against a list of all that happened."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeproof.impl.store.key_index import KeyIndex
from kubeproof.impl.store.records import Revision


def example() -> KeyIndex:
    """put 2, put 3, delete 4, put 6, delete 7"""
    index = KeyIndex()
    index.put((2, 0))
    index.put((3, 0))
    index.tombstone((4, 0))
    index.put((6, 0))
    index.tombstone((7, 1))
    return index


def mains(index: KeyIndex) -> list[list[int]]:
    return [[main for main, _ in generation] for generation in (*index.ended, index.revisions)]


@pytest.mark.parametrize(
    ("at_revision", "found"),
    [(1, None), (2, (2, 0)), (3, (3, 0)), (4, None), (5, None), (6, (6, 0)), (7, None), (99, None)],
)
def test_get(at_revision: int, found: Revision | None) -> None:
    assert example().get(at_revision) == found


@pytest.mark.parametrize(
    ("at_revision", "left", "kept"),
    [
        (1, [[2, 3, 4], [6, 7], []], None),
        (2, [[2, 3, 4], [6, 7], []], (2, 0)),
        (3, [[3, 4], [6, 7], []], (3, 0)),
        (4, [[4], [6, 7], []], (4, 0)),
        (5, [[6, 7], []], None),
        (6, [[6, 7], []], (6, 0)),
        (7, [[7], []], (7, 1)),
        (8, [[]], None),
    ],
)
def test_compact(at_revision: int, left: list[list[int]], kept: Revision | None) -> None:
    index = example()
    assert index.compact(at_revision) == kept
    assert mains(index) == left
    assert index.is_empty() == (left == [[]])


def test_version_counts_within_a_generation() -> None:
    index = example()
    assert not index.exists()
    index.put((9, 0))
    assert (index.exists(), index.created, index.version) == (True, 9, 1)
    index.put((10, 0))
    assert (index.created, index.version) == (9, 2)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["put", "delete", "skip"]), max_size=14), st.integers(0, 16), st.integers(0, 16))
def test_any_history(steps: list[str], compacted: int, at_revision: int) -> None:
    index = KeyIndex()
    alive: dict[int, Revision | None] = {}
    now: Revision | None = None
    for main, step in enumerate(steps, 2):
        if step == "put":
            now = (main, 0)
            index.put(now)
        elif step == "delete" and now is not None:
            index.tombstone((main, 0))
            now = None
        alive[main] = now
    index.compact(compacted)
    last = max(alive, default=1)
    if at_revision >= compacted:
        assert index.get(at_revision) == alive.get(min(at_revision, last))
