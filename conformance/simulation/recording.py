"""A Run while it is made: counted, checked and written event by event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace import raft_events
from kubeproof.conformance.trace.raft import RaftChecker, Violation
from kubeproof.conformance.trace.run import Header, LineSink, RunWriter

EVENTS_BETWEEN_LIMITS = 256
SOURCE = "kubeproof simulate"


class Recording:
    """Takes events, and calls `stop` when there is a violation or there are as many as wanted.

    The Run ends with the violation; otherwise with what was under way. LimitReached is raised to whoever makes events.
    """

    def __init__(self, system: str, options: Mapping[str, Any], limits: Limits, file: LineSink | None) -> None:
        header = Header(system=system, source=SOURCE, options=dict(options))
        self.violation: Violation | None = None
        self.events = 0
        self.elections = 0
        self.commit = 0
        self._limits = limits
        self._checker = RaftChecker(header.options)
        self._writer = None if file is None else RunWriter(file, header)
        self._events_max: int | None = None
        self._stop: Callable[[], None] = lambda: None

    def stop_at(self, events: int | None, stop: Callable[[], None]) -> None:
        """Call `stop` when there is a violation or, if given, when there are so many events."""
        self._events_max, self._stop = events, stop

    def take(self, event: raft_events.Event) -> None:
        """The next event."""
        if self.violation is not None:
            return
        self.events += 1
        if isinstance(event, raft_events.BecomeLeader):
            self.elections += 1
        elif isinstance(event, raft_events.Apply):
            self.commit = max(self.commit, event.args.index)
        if self._writer is not None:
            self._writer.write(event)
        try:
            self._checker.take(1 + self.events, event)  # the header is line 1
        except Violation as violation:
            self.violation = violation
        if self.violation is not None or (self._events_max is not None and self.events >= self._events_max):
            self._stop()
        if self.events % EVENTS_BETWEEN_LIMITS == 0:
            self._limits.check()

    def counts(self) -> dict[str, object]:
        """For the details of a result: events, elections won, highest index that was applied."""
        return {"events": self.events, "elections": self.elections, "commit": self.commit}
