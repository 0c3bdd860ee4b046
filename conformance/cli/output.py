"""How results leave the program: JSON Lines for programs, a few lines for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from typing import BinaryIO, cast
from xml.etree import ElementTree

import click

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict, exit_code

INTERNAL_ERROR = 4

_COLOUR = {Verdict.HOLDS: "green", Verdict.VIOLATED: "red", Verdict.UNKNOWN: "yellow", Verdict.INVALID: "magenta"}

# Integers among a result's details that are no amounts.
_NO_FIGURES = frozenset({"event", "line", "nodes", "seed"})


def escape_what_cannot_be_written() -> None:
    """Where the terminal's encoding lacks a character of the input, that is no reason to stop."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def lines_for_people(result: Result) -> list[str]:
    """One line, and below it what went wrong."""
    figures = ", ".join(
        f"{value:,} {name}" for name, value in result.details.items() if type(value) is int and name not in _NO_FIGURES
    )
    lines = [
        f"{coloured(result.verdict)}  {printable(result.subject)}  ({figures}{', ' if figures else ''}{result.seconds:.2f} s)"
    ]
    if result.property or result.message:
        lines.append("          " + ": ".join(printable(text) for text in (result.property, result.message) if text))
    if guard := cast(Mapping[str, str], result.details.get("guard")):
        lines.append(f"          no step of {guard['spec']}.{guard['action']}: its guard {guard['guard']} does not hold")
    evidence = cast(Iterable[Mapping[str, object]], result.details.get("evidence") or ())
    at = result.details.get("line")  # what happened there is the message already
    lines += [f"          {_place(item)}{printable(str(item['what']))}" for item in evidence if at is None or item["line"] != at]
    if result.verdict is Verdict.VIOLATED and (run := result.details.get("run")):
        lines.append(f"          the Run: {printable(str(run))}")
    if diff := result.details.get("diff"):
        lines += [f"          {printable(line)}" for line in str(diff).splitlines()]
    return lines


def _place(item: Mapping[str, object]) -> str:
    return "" if item["line"] is None else f"line {item['line']}: "


def coloured(verdict: Verdict) -> str:
    """A verdict for people, eight characters wide; in colour on a terminal."""
    text = verdict.value.upper().ljust(8)
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    return click.style(text, fg=_COLOUR[verdict], bold=True) if on_terminal else text


def row(*cells: tuple[object, int]) -> str:
    """A line of a table: texts to the left, numbers to the right, each with its width."""
    texts = (
        printable(value).ljust(width) if isinstance(value, str) else ("-" if value is None else f"{value:,}").rjust(width)
        for value, width in cells
    )
    return "  ".join(texts).rstrip()


def printable(text: str) -> str:
    """Input is hostile: control characters must not reach the terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


@dataclass(frozen=True, slots=True)
class Report:
    """How results are wanted: as JSON or for people, also as JUnit XML, and within which limits for each subject."""

    as_json: bool
    junit: BinaryIO | None = None
    time_limit: float | None = None
    memory_limit: float | None = None

    def judge(
        self,
        kind: str,
        subjects: Iterable[str],
        judge: Callable[[str, Limits], Result],
        lines: Callable[[Result], list[str]] = lines_for_people,
    ) -> int:
        """Judge the subjects one after the other, print each result at once, and return the exit code of them all.

        An exception inside the engine is our mistake, not the subject's: it is `unknown`, exit code 4, and hides no other
        subject.
        """
        results: list[Result] = []
        failed = False
        for subject in subjects:
            try:
                result = judge(subject, Limits(self.time_limit, self.memory_limit))
            except InvalidInput as error:
                result = Result(subject, kind, Verdict.INVALID, message=str(error))
            except Exception as error:
                failed = True
                message = f"internal error, please report it: {_last_words(error)}"
                result = Result(subject, kind, Verdict.UNKNOWN, message=message)
            results.append(result)
            self.print(result, lines)
        code = self.end(results)
        return INTERNAL_ERROR if failed else code

    def print(self, result: Result, lines: Callable[[Result], list[str]] = lines_for_people) -> None:
        """One result; `lines` makes what people read."""
        print(json.dumps(result.as_json()) if self.as_json else "\n".join(lines(result)), flush=True)

    def end(self, results: Sequence[Result]) -> int:
        """All results are printed. The exit code."""
        if self.junit is not None:
            _write_junit(self.junit, results)
        return exit_code(result.verdict for result in results)


def _last_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


# ---- JUnit XML

_JUNIT = {Verdict.VIOLATED: "failure", Verdict.INVALID: "error", Verdict.UNKNOWN: "error"}


def _write_junit(file: BinaryIO, results: Sequence[Result]) -> None:
    """The results as a test suite for CI: what is violated has failed; what is invalid or unknown is an error, and no pass."""
    seconds = f"{sum(result.seconds for result in results):.3f}"
    outcomes = [_JUNIT.get(result.verdict) for result in results]
    counts = {f"{outcome}s": str(outcomes.count(outcome)) for outcome in ("failure", "error")}
    suite = ElementTree.Element("testsuite", {"name": "kubeproof", "tests": str(len(results)), "time": seconds, **counts})
    for result, outcome in zip(results, outcomes, strict=True):
        name, time = printable(result.subject), f"{result.seconds:.3f}"
        case = ElementTree.SubElement(suite, "testcase", classname=f"kubeproof.{result.kind}", name=name, time=time)
        if outcome is not None:
            what = ": ".join(printable(text) for text in (result.property, result.message) if text)
            details = ElementTree.SubElement(case, outcome, type=result.verdict.value, message=what)
            details.text = "\n".join(map(click.unstyle, lines_for_people(result)))
    ElementTree.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)
