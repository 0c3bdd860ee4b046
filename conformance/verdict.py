"""Verdicts and results: what every engine answers, for people, for `--json` and as an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """The four answers; `unknown` means that a limit was reached, `invalid` that the input or an assumption is broken."""

    HOLDS = "holds"
    VIOLATED = "violated"
    UNKNOWN = "unknown"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on one subject.

    `kind` is the command's name in the singular (check, interaction, simulation), `property` the id of the first violated
    property, `message` one sentence without a newline, `details` the fields that this kind adds (docs/command-line.md).
    """

    subject: str
    kind: str
    verdict: Verdict
    property: str | None = None
    message: str = ""
    seconds: float = 0.0
    details: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {
            "subject": self.subject,
            "kind": self.kind,
            "verdict": self.verdict.value,
            "property": self.property,
            "message": " ".join(self.message.split()),
            "seconds": round(self.seconds, 3),
            **self.details,
        }


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """1 if any is violated, else 3 if any is invalid, else 2 if any is unknown, else 0. (4 is an internal error.)"""
    seen = set(verdicts)
    for verdict, code in ((Verdict.VIOLATED, 1), (Verdict.INVALID, 3), (Verdict.UNKNOWN, 2)):
        if verdict in seen:
            return code
    return 0


class InvalidInput(Exception):
    """Input that cannot be judged: where it is, and what was expected there. Becomes verdict `invalid`.

    `where` is a file's name as the user gave it, `line` is 1-based (None where the input has no lines).
    """

    def __init__(self, where: str, line: int | None, problem: str) -> None:
        super().__init__(where, line, problem)  # as they are, so that it can be sent to another process
        self.line = line

    def __str__(self) -> str:
        where, line, problem = self.args
        return f"{where}: {problem}" if line is None else f"{where}:{line}: {problem}"
