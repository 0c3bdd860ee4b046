"""How an event is rejected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kubeproof.conformance.trace.raft.guards import Guard
from kubeproof.conformance.trace.raft.properties import Property

# A message repeats this much of a text from the input.
LONGEST_TEXT = 500


def shortened(text: str) -> str:
    """The text, or its beginning."""
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."


class Evidence(NamedTuple):
    """An earlier event that matters here: its line and what happened there."""

    line: int
    what: str


class Violation(Exception):
    """The event at hand breaks a property.

    `reason` says in a few words what was not so; `field` is the event's field that shows it, with what was expected there and
    what was seen. `guard` is the one that keeps the event from being a step of its action in a specification, where there is
    one. `line` and `event` (both 1-based) are set by the checker; all events before are accepted.
    """

    def __init__(
        self,
        broken: Property,
        node: str,
        reason: str,
        field: str,
        expected: object,
        seen: object,
        evidence: Iterable[Evidence | None] = (),
        guard: Guard | None = None,
    ) -> None:
        super().__init__(reason)
        self.property = broken.id
        self.node = shortened(node)
        self.reason = shortened(reason)
        self.field = field
        self.expected = shortened(str(expected))
        self.seen = shortened(str(seen))
        self.evidence = tuple(sorted(Evidence(line, shortened(what)) for line, what in filter(None, evidence)))
        self.guard = guard
        self.line = 0
        self.event = 0

    @property
    def message(self) -> str:
        """One sentence for people."""
        return (
            f"event {self.event}, node {self.node}: {self.reason}; {self.field}: expected {self.expected}, seen {self.seen}; "
            f"the {self.event - 1} events before are accepted"
        )

    def details(self, file: str | None) -> dict[str, object]:
        """For the details of a result; `file` is the Run's or trace's."""
        here = f"node {self.node}: {self.reason}; {self.field}: expected {self.expected}, seen {self.seen}"
        evidence = [*self.evidence, Evidence(self.line, here)]
        guard = {} if self.guard is None else {"guard": self.guard._asdict()}
        return {
            "line": self.line,
            "event": self.event,
            "accepted": self.event - 1,
            "node": self.node,
            "reason": self.reason,
            **guard,
            "field": self.field,
            "expected": self.expected,
            "seen": self.seen,
            "evidence": [{"file": file, "line": line, "what": what} for line, what in evidence],
        }


class CannotBeJudged(Exception):
    """The trace lacks what every judgement needs, such as the start of a node: input that is invalid, not a violation."""
