"""What people read of proofs and of their controls: a line each, and what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO, cast

from kubeproof.conformance.cli.output import coloured, printable, row
from kubeproof.conformance.proofs.work import Progress, no_progress
from kubeproof.conformance.verdict import Result, Verdict

INDENT = " " * 10
NAME = 44


@contextmanager
def progress_line(stream: TextIO = sys.stderr) -> Iterator[Progress]:
    """How much is done, in a line that is written over and over, and cleared in the end. Nothing where nobody looks at it."""
    if not stream.isatty():
        yield no_progress
        return

    def show(done: int, total: int) -> None:
        stream.write(f"\r\x1b[K{done:,} of {total:,}")
        stream.flush()

    try:
        yield show
    finally:
        stream.write("\r\x1b[K")


def proof_lines(result: Result, explain: bool) -> list[str]:
    """A property: obligations, how many proven, seconds of one process; with `explain`, what it says and rests on."""
    details = result.details
    counts = (details["obligations"], 6), ("obligations", 0), (details["proved"], 6), ("proved", 0)
    cells = row((result.subject, NAME), *counts, (f"{result.seconds:6.1f} s  {_of_second(details)}", 0))
    lines = [f"{coloured(result.verdict)}  {cells}", *_wrong(result)]
    if explain:
        assumes = cast(Sequence[str], details.get("assumes") or ())
        rests_on = cast(Sequence[str], details.get("rests_on") or ())
        lines += [f"{INDENT}{details['sentence']}"] if details.get("sentence") else []
        lines += [f"{INDENT}source: {details['source']}; strength: {details['strength']}"] if details.get("source") else []
        lines += [f"{INDENT}assumes: {each}" for each in assumes]
        lines += [f"{INDENT}rests on: {', '.join(rests_on)}"] if rests_on else []
        lines += [f"{INDENT}outside EPR: {each}" for each in cast(Sequence[str], details.get("outside_epr") or ())]
    return lines


def mutant_lines(result: Result, explain: bool) -> list[str]:
    """A wrong protocol: what breaks; with `explain`, how."""
    details = result.details
    expected = result.verdict == details["expected"]
    cells = row((result.subject, 56), (result.property or "nothing breaks", 30))
    lines = [f"{coloured(result.verdict)}  {cells}  {'as expected' if expected else 'NOT AS EXPECTED'}", *_wrong(result, explain)]
    return [*lines, *([f"{INDENT}{details['sentence']}"] if explain and details.get("sentence") else [])]


def _wrong(result: Result, show_picture: bool = True) -> list[str]:
    lines = [f"{INDENT}{printable(result.message)}"] if result.message else []
    if show_picture and result.verdict is not Verdict.HOLDS:
        lines += [f"{INDENT}{each}" for each in cast(Sequence[str], result.details.get("picture") or ())]
    return lines


def _of_second(details: Mapping[str, object]) -> str:
    confirmed = details.get("confirmed")
    return "" if confirmed is None else f"{confirmed:,} confirmed"
