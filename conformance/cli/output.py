"""How results leave the program: JSON Lines for programs, a few lines for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from io import TextIOWrapper
from typing import cast

import click

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


def print_results(kind: str, subjects: Iterable[str], judge: Callable[[str], Result], *, as_json: bool) -> int:
    """Judge the subjects one after the other, print each result at once, and return the exit code of them all.

    An exception inside the engine is our mistake, not the subject's: it is `unknown`, exit code 4, and hides no other subject.
    """
    verdicts: list[Verdict] = []
    failed = False
    for subject in subjects:
        try:
            result = judge(subject)
        except InvalidInput as error:
            result = Result(subject, kind, Verdict.INVALID, message=str(error))
        except Exception as error:
            failed = True
            result = Result(subject, kind, Verdict.UNKNOWN, message=f"internal error, please report it: {_last_words(error)}")
        verdicts.append(result.verdict)
        print_result(result, as_json=as_json)
    return INTERNAL_ERROR if failed else exit_code(verdicts)


def print_result(result: Result, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.as_json()), flush=True)
    else:
        print("\n".join(_lines_for_people(result)), flush=True)


def _lines_for_people(result: Result) -> list[str]:
    verdict = click.style(result.verdict.value.upper().ljust(8), fg=_COLOUR[result.verdict], bold=True)
    if sys.stdout is None or not sys.stdout.isatty():
        verdict = click.unstyle(verdict)
    figures = ", ".join(
        f"{value:,} {name}" for name, value in result.details.items() if type(value) is int and name not in _NO_FIGURES
    )
    lines = [f"{verdict}  {printable(result.subject)}  ({figures}{', ' if figures else ''}{result.seconds:.2f} s)"]
    if result.property or result.message:
        lines.append("          " + ": ".join(printable(text) for text in (result.property, result.message) if text))
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


def printable(text: str) -> str:
    """Input is hostile: control characters must not reach the terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _last_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
