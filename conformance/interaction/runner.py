"""Runs a file of one of etcd-io/raft's suites against the reference and compares, byte for byte."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from kubeproof.conformance.interaction import confchange_suite, quorum_suite
from kubeproof.conformance.interaction.commands import COMMANDS, InteractionSuite
from kubeproof.conformance.interaction.confchange_suite import ConfChangeSuite
from kubeproof.conformance.interaction.datadriven import (
    SEPARATOR,
    BadDirective,
    Directive,
    MalformedFile,
    parse,
    split_lines,
)
from kubeproof.conformance.interaction.quorum_suite import QuorumSuite
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict

KIND = "interaction"

MAX_FILE_BYTES = 4 * 2**20
MAX_DIFF_LINES = 5000
"""Finding the shortest diff of longer outputs could take minutes; the message names the first difference anyway."""

_BLANK_LINE = re.compile(r"^[\t ]*\n", re.MULTILINE)

Handler = Callable[[Directive], str]


class Violation(Exception):
    """A directive whose output is not the expected one, or in which the reference broke down."""

    def __init__(self, property_id: str, directive: Directive, what: str, diff: str = "") -> None:
        super().__init__(f"{directive.command}: {what}")
        self.property = property_id
        self.line = directive.line
        self.diff = diff


@dataclass(slots=True)
class _Progress:
    """How far a file has come."""

    directives: int = 0
    failed: int = 0
    line: int | None = None


def run_file(path: str, limits: Limits) -> Result:
    """Run the file's directives until one fails.

    Details of the result: `directives` (how many were run), `failed` (0 or 1), `line` (1-based, of the directive that failed
    or of the malformed place, else None), `diff` (unified, expected against actual, else None).
    """
    begun = time.perf_counter()
    progress = _Progress()
    verdict, violated, message, diff = Verdict.HOLDS, None, "", None
    try:
        _run(path, limits, progress)
    except Violation as error:
        verdict, violated, message, diff = Verdict.VIOLATED, error.property, f"{path}:{error.line}: {error}", error.diff or None
        progress.failed, progress.line = 1, error.line
    except InvalidInput as error:
        verdict, message = Verdict.INVALID, str(error)
        progress.line = error.line
    except LimitReached as error:
        verdict, message = Verdict.UNKNOWN, str(error)
    details = {"directives": progress.directives, "failed": progress.failed, "line": progress.line, "diff": diff}
    return Result(path, KIND, verdict, violated, message, time.perf_counter() - begun, details)


def rewrite_file(path: str, limits: Limits) -> None:
    """Put what the reference answers into the file as its expected output; read it before you believe it.

    Raises InvalidInput, LimitReached, or Violation if the reference breaks down.
    """
    text = _read(path)
    lines = split_lines(text)
    written: list[str] = []
    end = 0
    for directive, actual in _answers(path, text, limits, _Progress()):
        written += lines[end : directive.input_end] + _expectation(actual)
        end = directive.end
    written += lines[end:]
    while written and not written[-1]:
        written.pop()
    Path(path).write_text("\n".join(written) + "\n", encoding="utf-8")


def _expectation(actual: str) -> list[str]:
    """The lines of the separator, of the output, and the blank one after it."""
    lines = split_lines(actual)
    if _BLANK_LINE.search(actual):
        return [SEPARATOR, SEPARATOR, *lines, SEPARATOR, SEPARATOR, ""]
    return [SEPARATOR, *lines, ""]


def _run(path: str, limits: Limits, progress: _Progress) -> None:
    for directive, actual in _answers(path, _read(path), limits, progress):
        if actual != directive.expected:
            raise _difference(path, directive, actual)


def _answers(path: str, text: str, limits: Limits, progress: _Progress) -> Iterator[tuple[Directive, str]]:
    """Each directive with what the reference answers to it, ended by a newline unless it is empty."""
    try:
        directives = parse(text)
    except MalformedFile as error:
        raise InvalidInput(path, error.line, str(error)) from None
    handler = _handler(path, directives, limits)
    for directive in directives:
        limits.check()
        progress.directives += 1
        actual = _answer(path, handler, directive)
        yield directive, actual if not actual or actual.endswith("\n") else actual + "\n"


def _answer(path: str, handler: Handler, directive: Directive) -> str:
    try:
        return handler(directive)
    except BadDirective as error:
        raise InvalidInput(path, directive.line, f"{directive.command[:60]}: {error}") from None
    except LimitReached:
        raise
    except Exception as error:
        if not _raised_by_reference(error.__traceback__):
            raise
        last_words = " ".join(str(error).split())[:300]
        raise Violation("NoPanic", directive, f"the reference broke down: {type(error).__name__}: {last_words}") from error


def _raised_by_reference(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        if str(traceback.tb_frame.f_globals.get("__name__")).startswith("kubeproof.impl."):
            return True
        traceback = traceback.tb_next
    return False


def _handler(path: str, directives: list[Directive], limits: Limits) -> Handler:
    """The suite to which the first command that any suite knows belongs."""
    for directive in directives:
        if directive.command in COMMANDS:
            return InteractionSuite(limits).handle
        if directive.command in confchange_suite.COMMANDS:
            return ConfChangeSuite().handle
        if directive.command in quorum_suite.COMMANDS:
            return QuorumSuite().handle
    if not directives:
        raise InvalidInput(path, None, "there is no directive in this file")
    raise InvalidInput(path, directives[0].line, "expected a command of the interaction, confchange or quorum suite")


def _read(path: str) -> str:
    """The file's text. InvalidInput if it cannot be read, is too large or is not text."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InvalidInput(path, None, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInput(path, None, f"larger than {MAX_FILE_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(path, _line_at(data, error.start), f"byte {data[error.start]:#04x} is not UTF-8") from None
    if (at := data.find(b"\0")) >= 0:
        raise InvalidInput(path, _line_at(data, at), "a NUL byte: this is not text")
    return text


def _line_at(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1


def _difference(path: str, directive: Directive, actual: str) -> Violation:
    expected_lines, actual_lines = split_lines(directive.expected), split_lines(actual)
    same = sum(1 for _ in _equal_beginning(expected_lines, actual_lines))
    what = f"output line {same + 1}: expected {_quoted(expected_lines, same)}, got {_quoted(actual_lines, same)}"
    if max(len(expected_lines), len(actual_lines)) > MAX_DIFF_LINES:
        return Violation("ExpectedOutput", directive, what)
    names = f"{path}:{directive.line} expected", f"{path}:{directive.line} actual"
    diff = difflib.unified_diff(expected_lines, actual_lines, *names, n=5, lineterm="")
    return Violation("ExpectedOutput", directive, what, "\n".join(diff) + "\n")


def _equal_beginning(one: list[str], other: list[str]) -> Iterator[str]:
    for left, right in zip(one, other, strict=False):
        if left != right:
            return
        yield left


def _quoted(lines: list[str], index: int) -> str:
    return ascii(lines[index][:200]) if index < len(lines) else "the end"
