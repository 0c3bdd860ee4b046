"""`kubeproof run v1`: the record of everything that happened (docs/run-format.md). Reader and writer, both streaming.

A Run is a header line and one line an event. The envelope is the same for every system; each system types its own
actions, arguments, messages and states on top of it (raft_events.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, BinaryIO, Generic, Literal, TypeVar

from msgspec import Meta, Struct, field, json

from kubeproof.conformance.trace.lines import LineDecoder, read_blocks
from kubeproof.conformance.verdict import InvalidInput


class Header(Struct, forbid_unknown_fields=True, kw_only=True):
    """The first line: `system` says whose vocabulary the events use, `source` where they come from, `options` is free."""

    kubeproof: Literal["run"] = "run"
    version: Literal[1] = 1
    system: str
    source: str = ""
    options: dict[str, Any] = field(default_factory=dict)


class Event(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The envelope: any system's event, untyped. `time_ms` counts from the start of the run."""

    action: str
    actor: str
    time_ms: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    state: dict[str, Any] | None = None
    args: dict[str, Any] | None = None
    message: dict[str, Any] | None = None


AnyEvent = TypeVar("AnyEvent")


class RunWriter:
    """Writes a Run to a binary file, event by event. Equal events give equal bytes: fields in a fixed order, no spaces."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._file = file
        self._encoder = json.Encoder(order="deterministic")
        self._line = bytearray()
        self.write(header)

    def write(self, event: Struct) -> None:
        """Write one event: an `Event`, or one of a system's typed events."""
        self._encoder.encode_into(event, self._line)
        self._line += b"\n"
        self._file.write(self._line)


def write_run(file: BinaryIO, header: Header, events: Iterable[Struct]) -> None:
    """Write a whole Run."""
    writer = RunWriter(file, header)
    for event in events:
        writer.write(event)


class RunReader(Generic[AnyEvent]):
    """Reads a Run: `header`, then the events in blocks. InvalidInput for anything that is not a Run, with its line."""

    def __init__(self, path: str, event_type: Any = Event, blocks: Iterator[bytes] | None = None) -> None:
        self._blocks = read_blocks(path) if blocks is None else blocks
        head, self._rest = self._first_line(path)
        header = LineDecoder[Header](path, Header).decode_line(head, 1)
        if header is None:
            raise InvalidInput(path, 1, 'expected the header of a Run: {"kubeproof":"run","version":1,"system":...}')
        self.header = header
        self._decoder = LineDecoder[AnyEvent](path, event_type, line=2)

    def blocks(self) -> Iterator[tuple[int, list[AnyEvent | None]]]:
        """The number of a line, and the events from that line on, one a line (None: a blank line)."""
        if self._rest:
            yield self._decoder.line, self._decoder.decode(self._rest)
        for block in self._blocks:
            yield self._decoder.line, self._decoder.decode(block)

    def __iter__(self) -> Iterator[AnyEvent]:
        for _, events in self.blocks():
            for event in events:
                if event is not None:
                    yield event

    def _first_line(self, path: str) -> tuple[bytes, bytes]:
        block = next(self._blocks, b"")
        if not block.strip():
            raise InvalidInput(path, 1, "expected the header of a Run, got an empty file")
        line, _, rest = block.partition(b"\n")
        return line, rest
