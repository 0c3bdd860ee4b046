"""Compaction: what is forgotten at once, what is removed in batches, and what stays."""

from __future__ import annotations

import pytest

from kubeproof.impl.store import Options, Server, hash_kv
from kubeproof.impl.store.backend import FINISHED_COMPACT, SCHEDULED_COMPACT
from kubeproof.impl.store.compaction import remove_batch, schedule
from kubeproof.impl.store.errors import ErrCompacted, ErrFutureRev
from kubeproof.impl.store.requests import CompactionRequest, CompactionResponse, DeleteRangeRequest, PutRequest, ResponseHeader


def server(batch_limit: int = 1000) -> Server:
    """a at 2, 3, 4; b at 5, deleted at 6; c at 7."""
    made = Server.alone(Options(compaction_batch_limit=batch_limit))
    for key in b"a", b"a", b"a", b"b":
        made.answer(PutRequest(key), 0)
    made.answer(DeleteRangeRequest(b"b"), 0)
    made.answer(PutRequest(b"c"), 0)
    return made


def mains(of: Server) -> list[int]:
    return [main for main, _ in sorted(of.backend.key.now)]


@pytest.mark.parametrize(
    ("revision", "left"),
    [(2, [2, 3, 4, 5, 6, 7]), (4, [4, 5, 6, 7]), (5, [4, 5, 6, 7]), (6, [4, 6, 7]), (7, [4, 7])],
)
def test_what_is_left(revision: int, left: list[int]) -> None:
    made = server()
    assert made.answer(CompactionRequest(revision), 0) == CompactionResponse(ResponseHeader(7))
    assert mains(made) == left
    made.answer(CompactionRequest(7), 0)
    assert mains(made) == [4, 7]


def test_revisions_that_are_refused() -> None:
    made = server()
    assert isinstance(made.answer(CompactionRequest(-1), 0), ErrCompacted)
    assert isinstance(made.answer(CompactionRequest(8), 0), ErrFutureRev)
    assert isinstance(made.answer(CompactionRequest(0), 0), CompactionResponse)  # once, on a store never compacted
    assert isinstance(made.answer(CompactionRequest(0), 0), ErrCompacted)
    made.answer(CompactionRequest(4), 0)
    assert isinstance(made.answer(CompactionRequest(4), 0), ErrCompacted)


def test_batches() -> None:
    made = server(batch_limit=2)
    schedule(made.store, 6)
    assert made.backend.committed().meta[-1] == (SCHEDULED_COMPACT, 6)
    with pytest.raises(ErrCompacted):
        made.store.range(b"a", None, 5)
    assert mains(made) == [2, 3, 4, 5, 6, 7]
    assert remove_batch(made.store)
    assert mains(made) == [4, 5, 6, 7] == [main for (main, _), _ in made.backend.committed().key]
    assert FINISHED_COMPACT not in made.backend.meta.now
    assert remove_batch(made.store)
    assert (mains(made), made.backend.meta.now[FINISHED_COMPACT]) == ([4, 6, 7], 6)
    assert not remove_batch(made.store)


def test_the_hash_does_not_tell_how_far_the_removal_is() -> None:
    made, other = server(batch_limit=1), server()
    schedule(made.store, 6)
    other.answer(CompactionRequest(6), 0)
    hashes = {hash_kv(other.store)}
    while remove_batch(made.store):
        hashes.add(hash_kv(made.store))
    assert len(hashes) == 1


def test_the_hash_is_of_a_past_revision_too() -> None:
    made, other = server(), server()
    other.answer(PutRequest(b"z"), 0)
    assert hash_kv(made.store) == hash_kv(other.store, 7) != hash_kv(other.store)
    made.answer(CompactionRequest(4), 0)
    with pytest.raises(ErrCompacted):
        hash_kv(made.store, 3)
    with pytest.raises(ErrFutureRev):
        hash_kv(made.store, 8)


def test_two_compactions_wait_in_order() -> None:
    made = server(batch_limit=1)
    schedule(made.store, 3)
    schedule(made.store, 7)
    state = made.export(0)
    assert [each.revision for each in state.compactions] == [3, 7]
    again = Server.restore(made.options, state, 0)
    for each in made, again:
        while remove_batch(each.store):
            pass
        assert mains(each) == [4, 7]
