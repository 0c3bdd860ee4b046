"""What a node may have on its disk, and what it must have.

A Ready hands out what is to be written; answers leave after the write. So an answer that is received proves that all up to its
Ready is stored, and a crash may undo any later part: of what is being written the entries come first, one by one, then term and
vote (etcd-io/raft doc.go; etcd server/storage/wal). Commit indexes need not be stored.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import NamedTuple

from kubeproof.conformance.trace.raft.log_trie import Log, common_prefix


class Written(NamedTuple):
    """What is stored when the Readys from `ready` on are written, up to the next `Written`."""

    ready: int
    term: int
    vote: str
    log: Log


class Restart(NamedTuple):
    """A restart: how many Readys there were before, the last one whose write it can have survived, and its line."""

    readys: int
    survived: int
    line: int


class Survivor(NamedTuple):
    """A way in which a crash may have left the disk."""

    log: Log
    written: Written
    survived: int


class StableStorage:
    """One node's. Readys are counted from 1, through all restarts."""

    __slots__ = ("_restarts", "_window", "begun", "proof", "readys")

    def __init__(self, log: Log) -> None:
        self.readys = 0
        # Whether the node has loaded its state once; the line of the answer that proves the first state of the window.
        self.begun = False
        self.proof = 0
        self._restarts: list[Restart] = []
        # The last state that is known to be stored, then those that may be.
        self._window = deque([Written(0, 0, "", log)])

    def copy(self) -> StableStorage:
        """A copy that shares nothing mutable."""
        other = StableStorage(self._window[0].log)
        other.readys, other.begun, other.proof = self.readys, self.begun, self.proof
        other._restarts, other._window = list(self._restarts), deque(self._window)
        return other

    def stored(self) -> Written:
        """What is stored for certain."""
        return self._window[0]

    def assume_stored(self, term: int, vote: str, log: Log) -> None:
        """Without any Ready the source does not tell what was stored: all of this may have been, or a part."""
        self._window.append(Written(self.readys, term, vote, log))

    def ready(self, term: int, vote: str, log: Log) -> None:
        """A Ready is handed out in this state."""
        self.readys += 1
        last = self._window[-1]
        if last.log != log or last.term != term or last.vote != vote:
            self._window.append(Written(self.readys, term, vote, log))

    def confirm(self, ready: int, line: int) -> Restart | None:
        """An answer of this Ready is received on `line`, so it was written. The restart that has shown the contrary, if any."""
        window = self._window
        if not self._restarts or ready > self._restarts[-1].readys:
            while len(window) > 1 and window[1].ready <= ready:
                window.popleft()
                self.proof = line
            return None
        return self._lost_by(ready)

    def is_lost(self, ready: int) -> bool:
        """Whether a restart has shown that this Ready was not written."""
        return bool(self._restarts) and ready <= self._restarts[-1].readys and self._lost_by(ready) is not None

    def _lost_by(self, ready: int) -> Restart | None:
        restart = self._restarts[bisect_left(self._restarts, (ready,))]
        return restart if ready > restart.survived else None

    def survivors(self, last_index: int) -> list[Survivor]:
        """Every way in which a crash now leaves a log of this length; the latest state first."""
        found = []
        states = list(self._window)
        for written, following in zip(states, [*states[1:], None], strict=True):
            survived = self.readys if following is None else following.ready - 1
            if written.log.last == last_index:
                found.append(Survivor(written.log, written, survived))
            if following is not None and common_prefix(written.log, following.log) < last_index <= following.log.last:
                found.append(Survivor(following.log.at(last_index), written, survived))
        return found[::-1]

    def restart(self, term: int, vote: str, log: Log, survived: int, line: int) -> None:
        """The node has started with this."""
        if self.readys or self._restarts:
            self._restarts.append(Restart(self.readys, survived, line))
        self.begun = True
        self._window = deque([Written(self.readys, term, vote, log)])
