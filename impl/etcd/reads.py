"""Linearizable reads (etcd v3_server.go, linearizableReadLoop): one read index for all reads that have come meanwhile.

A round asks the leader for its commit index, which a quorum confirms; when that is applied, all reads of the round are served
from the own store. Reads that come during a round wait for the next one: its index may be older than they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

RETRY_MS = 500
"""A leader may never have got the request, or never answer (etcd readIndexRetryTime)."""


class Round(NamedTuple):
    """`requests` are those that wait, `ids` those under which Raft was asked; `index` is the answer. Times are of the clock."""

    requests: tuple[int, ...]
    ids: tuple[int, ...]
    begun_ms: int
    sent_ms: int
    index: int | None = None  # type: ignore[assignment]  # the field hides tuple.index


class ReadsState(NamedTuple):
    """The round under way, with times relative to now, and who waits for the next one."""

    round: Round | None = None
    next: tuple[int, ...] = ()


class Reads:
    """The rounds of a member. `new_id` makes ids, `ask_raft` asks for a read index under one.

    Raft is asked again under a new id, so that no late answer to an earlier try counts for a later one; `reuse_id` is a fault.
    """

    def __init__(self, new_id: Callable[[], int], ask_raft: Callable[[int], None], *, reuse_id: bool = False) -> None:
        self._new_id = new_id
        self._ask_raft = ask_raft
        self._reuse_id = reuse_id
        self._round: Round | None = None
        self._next: list[int] = []

    def export(self, now_ms: int) -> ReadsState:
        return ReadsState(_shifted(self._round, -now_ms), tuple(self._next))

    def restore(self, state: ReadsState, now_ms: int) -> None:
        self._round, self._next = _shifted(state.round, now_ms), list(state.next)

    @property
    def is_asking(self) -> bool:
        """Whether an answer of Raft is awaited."""
        return self._round is not None and self._round.index is None

    def wait(self, request: int, now_ms: int) -> None:
        """A read has come."""
        self._next.append(request)
        self._begin(now_ms)

    def ask_again(self, now_ms: int) -> None:
        """Raft may have dropped what it was asked."""
        if self._round is None or self._round.index is not None:
            return
        ids = self._round.ids
        id_ = ids[0] if self._reuse_id else self._new_id()
        self._round = self._round._replace(ids=ids if id_ in ids else (*ids, id_), sent_ms=now_ms)
        self._ask_raft(id_)

    def confirm(self, id_: int, index: int) -> None:
        """Raft has answered. Answers to earlier rounds say nothing."""
        if self._round is not None and self._round.index is None and id_ in self._round.ids:
            self._round = self._round._replace(index=index)

    def served(self, applied_index: int, now_ms: int) -> tuple[int, ...]:
        """The reads that can be served now; their round ends."""
        if self._round is None or self._round.index is None or applied_index < self._round.index:
            return ()
        return self.end(now_ms)

    def tick(self, now_ms: int, timeout_ms: int) -> tuple[int, ...]:
        """Ask again from time to time; in the end the round is over, without an answer for these."""
        if self._round is None or self._round.index is not None:
            return ()
        if now_ms - self._round.begun_ms >= timeout_ms:
            return self.end(now_ms)
        if now_ms - self._round.sent_ms >= RETRY_MS:
            self.ask_again(now_ms)
        return ()

    def end(self, now_ms: int) -> tuple[int, ...]:
        """The round ends; its reads. The next one begins, if somebody waits for it."""
        assert self._round is not None
        ended, self._round = self._round, None
        self._begin(now_ms)
        return ended.requests

    def _begin(self, now_ms: int) -> None:
        if self._round is None and self._next:
            id_ = self._new_id()
            self._round = Round(tuple(self._next), (id_,), now_ms, now_ms)
            self._next.clear()
            self._ask_raft(id_)


def _shifted(round_: Round | None, by_ms: int) -> Round | None:
    if round_ is None:
        return None
    return round_._replace(begun_ms=round_.begun_ms + by_ms, sent_ms=round_.sent_ms + by_ms)
