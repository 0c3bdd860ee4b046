"""Reads files of recorded answers: a recording, one with another version's answers laid over it, one of watches, or cases.

A recording `NAME.ndjson.gz` is of one server. `NAME.vNN.overlay.ndjson` beside it holds only the lines in which another version
answered otherwise to the same requests; the other lines are read from the recording.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from kubeproof.conformance.answers.recorded import Case, Exchange, FirstLine, Recording, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.ndjson import LineDecoder, read_blocks
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.store import Version

_OVERLAY = re.compile(r"(.+)\.v\d+\.overlay\.ndjson(\.gz)?")
_RELEASE_LINES = {str(version): version for version in Version}


class Overlaid(NamedTuple):
    """An exchange that an overlay does not change: it stands in another file than the one that is judged."""

    exchange: Exchange
    file: str
    line: int


Event = Exchange | Overlaid | Step | Case
Block = tuple[int, Sequence[Event | None]]
Numbered = TypeVar("Numbered", bound=Exchange | Step)


class AnswersReader:
    """Reads a file's exchanges or cases. `recording` is what its first line tells; None for cases."""

    def __init__(self, path: str, blocks: Iterator[bytes], limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self.recording, self._blocks = _opened(path, blocks)

    def blocks(self) -> Iterator[Block]:
        """The number of a line, and what stands in the lines from that one on (None: a blank line)."""
        if self.recording is None:
            cases = LineDecoder[Event](self._path, Case)
            for block in self._blocks:
                yield from cases.decode(block)
            return
        overlay = _OVERLAY.fullmatch(Path(self._path).name)
        if self.recording.operations is None:
            steps = LineDecoder[Step](self._path, Step, line=2)
            yield from _counted(steps, self._blocks, "steps", self.recording.steps)
        elif overlay is None:
            yield from _exchanges(self._path, self.recording, self._blocks)
        else:
            yield from self._laid_over(self._base(overlay[1]))

    def _base(self, name: str) -> Path:
        """The recording that an overlay belongs to: it is beside it."""
        for ending in (".ndjson.gz", ".ndjson"):
            base = Path(self._path).with_name(name + ending)
            if base.exists():
                return base
        raise InvalidInput(self._path, None, f"expected the recording {name}.ndjson.gz beside the overlay")

    def _laid_over(self, base: Path) -> Iterator[Block]:
        """The base's exchanges with the overlay's in their places, one in a block."""
        laid = self._overlay()
        recording, blocks = _opened(str(base), read_blocks(str(base), self._limits))
        assert self.recording is not None
        if recording is None or (recording.name, recording.operations) != (self.recording.name, self.recording.operations):
            raise InvalidInput(self._path, 1, f"meta.name, meta.operations: expected those of {base.name}")
        for first, exchanges in _exchanges(str(base), recording, blocks):
            for line, exchange in enumerate(exchanges, first):
                if exchange is None:
                    continue
                own_line, own = laid.pop(exchange.i, (0, None))
                if own is None:
                    yield line, [Overlaid(exchange, str(base), line)]
                elif type(own) is not type(exchange) or own.req != exchange.req:
                    raise InvalidInput(self._path, own_line, f"req: expected the request with this number in {base.name}")
                else:
                    yield own_line, [own]
        for number, (line, _) in laid.items():
            raise InvalidInput(self._path, line, f"i: expected the number of a request in {base.name}, got {number}")

    def _overlay(self) -> dict[int | None, tuple[int, Exchange]]:
        """The overlay's lines by the number of the request."""
        laid: dict[int | None, tuple[int, Exchange]] = {}
        for first, exchanges in _decoded(LineDecoder[Exchange](self._path, Exchange, line=2), self._blocks):
            for line, exchange in enumerate(exchanges, first):
                if exchange is None:
                    continue
                if exchange.i in laid:
                    raise InvalidInput(self._path, line, f"i: expected each number once, got {exchange.i} again")
                laid[exchange.i] = line, exchange
        return laid


def version_of(server: str) -> Version | None:
    """The release line of a version that a file names; the main branch counts as the latest. None: an unknown one."""
    if server.startswith("main "):
        return max(Version)
    return _RELEASE_LINES.get(".".join(server.split(".")[:2]))


def _opened(path: str, blocks: Iterator[bytes]) -> tuple[Recording | None, Iterable[bytes]]:
    """What the first line tells (None: it is a case already), and the lines that are to be judged."""
    block = next(blocks, b"")
    head, _, rest = block.partition(b"\n")
    if _is_case(head):
        return None, chain((block,), blocks)
    first = LineDecoder[FirstLine](path, FirstLine).decode_line(head, 1)
    if first is None:
        raise InvalidInput(path, 1, 'expected {"meta":{...}} or a case, got an empty line')
    recording = first.meta
    if recording.operations is None and recording.steps is None:
        raise InvalidInput(path, 1, "meta: expected operations (of requests) or steps (of watches), got neither")
    if version_of(recording.server) is None:
        known = ", ".join(_RELEASE_LINES)
        raise InvalidInput(path, 1, f"meta.server: expected a version of {known}, got {recording.server[:40]!r}")
    return recording, chain((rest,), blocks) if rest else blocks


class _CaseMark(msgspec.Struct):
    """By this a case is known, whatever is wrong with it."""

    case: msgspec.Raw


def _is_case(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=_CaseMark)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _decoded(decoder: LineDecoder[Numbered], blocks: Iterable[bytes]) -> Iterator[tuple[int, list[Numbered | None]]]:
    for block in blocks:
        yield from decoder.decode(block)


def _exchanges(path: str, recording: Recording, blocks: Iterable[bytes]) -> Iterator[tuple[int, list[Exchange | None]]]:
    return _counted(LineDecoder[Exchange](path, Exchange, line=2), blocks, "operations", recording.operations)


def _counted(
    decoder: LineDecoder[Numbered], blocks: Iterable[bytes], name: str, expected: int | None
) -> Iterator[tuple[int, list[Numbered | None]]]:
    """What a recording has; InvalidInput unless the numbers are 0, 1, 2 up to how many the first line says there are."""
    count = 0
    for first, events in _decoded(decoder, blocks):
        for line, event in enumerate(events, first):
            if event is None:
                continue
            if event.i != count:
                yield first, events[: line - first]
                raise InvalidInput(decoder.name, line, f"i: expected {count}, the number of the {_CALLED[name]}, got {event.i}")
            count += 1
        yield first, events
    if count != expected:
        raise InvalidInput(decoder.name, None, f"expected {expected} {_CALLED[name]}s (meta.{name}), got {count}")


_CALLED = {"operations": "request", "steps": "step"}
