"""Seeded requests of a watch stream, beside other requests: watches of all kinds, canceled and created again, and progress."""

from __future__ import annotations

from kubeproof.conformance.adapters.etcd.gateway import JSON
from kubeproof.conformance.adapters.etcd.traffic import END, Asked, OddTraffic
from kubeproof.impl.store.requests import WatchResponse

CREATE, CANCEL, PROGRESS = "create", "cancel", "progress"
MOST = 8
"""Watches at a time."""
EVERYTHING: JSON = {"key": "\0", "range_end": END, "start_revision": 1, "prev_kv": True}


class OddWatches:
    """What the client of some traffic asks on its stream. The first watch, of everything, stays. `learn` is told what arrives."""

    def __init__(self, traffic: OddTraffic) -> None:
        self._traffic = traffic
        self._ids: list[int] = []
        self._has_begun = False

    def next(self) -> Asked | None:
        """The next request, and what it is; mostly None."""
        if not self._has_begun:
            self._has_begun = True
            return CREATE, EVERYTHING
        if not self._traffic.chance(6):
            return None
        if self._traffic.chance(20):
            return PROGRESS, {}
        many = len(self._ids) >= MOST
        return (CANCEL, self._cancel()) if many or self._traffic.chance(25) else (CREATE, self._create())

    def learn(self, response: WatchResponse) -> None:
        """Which watches there are. One that a compaction has canceled is one until the client cancels it, too."""
        if response.watch_id <= 0:  # the first watch, or none
            return
        if response.created:
            self._ids.append(response.watch_id)
        elif response.canceled and not response.compact_revision and response.watch_id in self._ids:
            self._ids.remove(response.watch_id)

    def _cancel(self) -> JSON:
        chance, choice = self._traffic.chance, self._traffic.random.choice
        return {"watch_id": choice(self._ids) if self._ids and not chance(5) else 999}

    def _create(self) -> JSON:
        chance, choice = self._traffic.chance, self._traffic.random.choice
        req = self._traffic.span()
        if chance(50):
            req["start_revision"] = self._start()
        if chance(30):
            req["filters"] = choice((["NOPUT"], ["NODELETE"], ["NOPUT", "NODELETE"], [7]))
        for flag in ("prev_kv", "progress_notify", "fragment"):
            if chance(40):
                req[flag] = True
        if chance(20):
            req["watch_id"] = choice((*self._ids, 100, 101))
        return req

    def _start(self) -> int:
        revision, random = self._traffic.revision, self._traffic.random
        return random.choice(
            (1, revision, revision + 1, revision + random.randrange(2, 9), self._traffic.past(), self._traffic.past())
        )
