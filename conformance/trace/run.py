"""`kubeproof run v1`: the record of everything that happened (docs/run-format.md). Reader and writer, both streaming.

A Run is a header line and one line an event. The envelope is the same for every system; each system types its own
actions, arguments, messages and states on top of it (raft_events.py).
"""

from __future__ import annotations

import json as std_json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

from msgspec import Meta, Struct, field, json

from kubeproof.conformance.ndjson import LineDecoder, read_blocks
from kubeproof.conformance.verdict import InvalidInput


class Header(Struct, forbid_unknown_fields=True, kw_only=True):
    """The first line: `system` says whose vocabulary the events use, `source` where they come from, `options` is free."""

    kubeproof: Literal["run"] = "run"
    version: Literal[1] = 1
    system: str
    source: str = ""
    options: dict[str, Any] = field(default_factory=dict)


class _Kind(Struct):
    """By this a header is known, whatever is wrong with it."""

    kubeproof: Any


class _Mark(Struct):
    """What a header must have in a file, while `Header` fills it in for writers."""

    kubeproof: Literal["run"]
    version: Literal[1]


class Event(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The envelope: any system's event, untyped. `time_ms` counts from the start of the run."""

    action: str
    actor: str
    time_ms: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    state: dict[str, Any] | None = None
    args: dict[str, Any] | None = None
    message: dict[str, Any] | None = None


AnyEvent = TypeVar("AnyEvent")


class LineSink(Protocol):
    """Where a Run goes: a binary file, or what takes the place of one. It is given whole lines."""

    def write(self, line: bytearray, /) -> object: ...


class RunWriter:
    """Writes a Run, event by event. Equal events give equal bytes: fields in a fixed order, no spaces."""

    def __init__(self, file: LineSink, header: Header) -> None:
        self._file = file
        self._encoder = json.Encoder(order="deterministic")
        self._line = bytearray()
        self.write(header)

    def write(self, event: Struct) -> None:
        """Write one event: an `Event`, or one of a system's typed events."""
        self._encoder.encode_into(event, self._line)
        self._line += b"\n"
        self._file.write(self._line)


def write_run(file: LineSink, header: Header, events: Iterable[Struct]) -> None:
    """Write a whole Run."""
    writer = RunWriter(file, header)
    for event in events:
        writer.write(event)


class RunReader(Generic[AnyEvent]):
    """Reads a Run: `header`, then the events in blocks. InvalidInput for anything that is not a Run, with its line."""

    def __init__(self, path: str, event_type: Any = Event, blocks: Iterator[bytes] | None = None) -> None:
        self._blocks = read_blocks(path) if blocks is None else blocks
        line, self._rest = self._first_line(path)
        self.header = _read_header(path, line)
        self._decoder = _EventDecoder[AnyEvent](path, event_type, line=2)

    def blocks(self) -> Iterator[tuple[int, list[AnyEvent | None]]]:
        """The number of a line, and the events from that line on, one a line (None: a blank line)."""
        if self._rest:
            yield from self._decoder.decode(self._rest)
        for block in self._blocks:
            yield from self._decoder.decode(block)

    def __iter__(self) -> Iterator[AnyEvent]:
        for _, events in self.blocks():
            for event in events:
                if event is not None:
                    yield event

    def _first_line(self, path: str) -> tuple[bytes, bytes]:
        block = next(self._blocks, b"")
        if not block.strip():
            raise InvalidInput(path, 1, f"expected {_HEADER}, got an empty file")
        line, _, rest = block.partition(b"\n")
        return line, rest


_HEADER = 'the header of a Run, {"kubeproof":"run","version":1,"system":...}'


def _read_header(path: str, line: bytes) -> Header:
    if not _is_header(line):
        raise InvalidInput(path, 1, f"expected {_HEADER}")
    _require_single_fields(path, 1, line)
    LineDecoder[_Mark](path, _Mark).decode_line(line, 1)
    header = LineDecoder[Header](path, Header).decode_line(line, 1)
    assert header is not None
    return header


class _EventDecoder(LineDecoder[AnyEvent]):
    """Also refuses a field that is given twice, of which the decoder takes the last, and says what a second header is."""

    def __init__(self, name: str, type_: Any, line: int) -> None:
        super().__init__(name, type_, line)
        self._encoder = json.Encoder()

    def _decode_whole(self, block: bytes, count: int) -> list[AnyEvent | None] | None:
        events = super()._decode_whole(block, count)
        # What is written as it would be written again has each field once.
        if events is None or not any(events) or self._encoder.encode_lines(events) == block:
            return events
        return None

    def decode_line(self, line: bytes, number: int) -> AnyEvent | None:
        try:
            event = super().decode_line(line, number)
        except InvalidInput as error:
            _require_single_fields(self.name, number, line)
            if _is_header(line):
                raise InvalidInput(self.name, number, "expected an event, got a second header") from error
            raise
        if event is not None and self._encoder.encode(event) != line:
            _require_single_fields(self.name, number, line)
        return event


def _is_header(line: bytes) -> bool:
    try:
        json.decode(line, type=_Kind)
    except (ValueError, RecursionError):
        return False
    return True


class _GivenTwice(Exception):
    """A name that an object has twice."""


def _require_single_fields(path: str, number: int, line: bytes) -> None:
    """InvalidInput if an object of the line has a name twice; a line that is not JSON is for others to refuse."""
    try:
        std_json.loads(line, object_pairs_hook=_single_fields, parse_int=str, parse_float=str)
    except _GivenTwice as error:
        raise InvalidInput(path, number, f"expected each field once, got {str(error)!r} twice") from error
    except (ValueError, RecursionError):
        return


def _single_fields(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise _GivenTwice(name)
        seen.add(name)
