"""How an event is rejected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kubeproof.conformance.trace.raft.properties import Property


class Evidence(NamedTuple):
    """An earlier event that matters here: its line and what happened there."""

    line: int
    what: str


class Violation(Exception):
    """The event at hand breaks a property.

    `guard` says in a few words what was not so; `field` is the event's field that shows it, with what was expected there and what
    was seen. `line` and `event` (both 1-based) are set by the checker; all events before are accepted.
    """

    def __init__(
        self,
        broken: Property,
        node: str,
        guard: str,
        field: str,
        expected: object,
        seen: object,
        evidence: Iterable[Evidence | None] = (),
    ) -> None:
        super().__init__(guard)
        self.property = broken.id
        self.node = node
        self.guard = guard
        self.field = field
        self.expected = str(expected)
        self.seen = str(seen)
        self.evidence = tuple(sorted(item for item in evidence if item is not None))
        self.line = 0
        self.event = 0

    @property
    def message(self) -> str:
        """One sentence for people."""
        return (
            f"event {self.event}, node {self.node}: {self.guard}; {self.field}: expected {self.expected}, seen {self.seen}; "
            f"the {self.event - 1} events before are accepted"
        )

    def details(self, file: str | None) -> dict[str, object]:
        """For the details of a result; `file` is the Run's or trace's."""
        here = f"node {self.node}: {self.guard}; {self.field}: expected {self.expected}, seen {self.seen}"
        evidence = [*self.evidence, Evidence(self.line, here)]
        return {
            "line": self.line,
            "event": self.event,
            "node": self.node,
            "guard": self.guard,
            "field": self.field,
            "expected": self.expected,
            "seen": self.seen,
            "evidence": [{"file": file, "line": line, "what": what} for line, what in evidence],
        }


class CannotBeJudged(Exception):
    """The trace lacks what every judgement needs, such as the start of a node: input that is invalid, not a violation."""
