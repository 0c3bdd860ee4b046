"""Newline-delimited JSON, read in blocks and decoded a block at a time.

The decoder sees many lines in one call. Only a block that it rejects is decoded line by line, to name the line at fault.
"""

from __future__ import annotations

import gzip
import os
import select
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from io import FileIO
from typing import Any, BinaryIO, Generic, TypeVar, cast

import msgspec
from msgspec import inspect

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.verdict import InvalidInput

BLOCK_BYTES = 1 << 18
# A line without an end would otherwise be collected until memory is full; and what JSON holds takes a multiple of its bytes.
MAX_LINE_BYTES = 1 << 23
# How long a named pipe may have no writer before that counts as a mistake, and how often a wait looks at the limits.
WRITER_PATIENCE_S = 5.0
_GLANCE_MS = 100
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError)

Decoded = TypeVar("Decoded")


# ---- bytes


def read_blocks(path: str, limits: Limits | None = None) -> Iterator[bytes]:
    """The file's bytes in blocks that end with a line. `-` is standard input; gzip is recognised by content.

    InvalidInput if the file cannot be read or is broken, LimitReached also while nothing comes from a pipe.
    """
    limits = limits or Limits()
    try:
        with _open(path) as file:
            yield from _whole_lines(_Source(file, path, limits), path, limits)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidInput(path, None, f"expected whole gzip data: {error}") from error
    except (OSError, ValueError) as error:
        raise InvalidInput(path, None, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _open(path: str) -> FileIO:
    if path != "-":
        return open(path, "rb", buffering=0, opener=_open_without_waiting)
    if sys.stdin is None:
        raise ValueError("standard input is closed")
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


def _open_without_waiting(path: str, flags: int) -> int:
    """Opening a named pipe would wait for its writer, whatever the limits say."""
    return os.open(path, flags | os.O_NONBLOCK)


class _Source:
    """A file, pipe or terminal. Reading looks at the limits, and goes on doing so while it waits."""

    def __init__(self, file: FileIO, path: str, limits: Limits) -> None:
        self._file = file
        self._path = path
        self._limits = limits
        self._ahead = b""
        self._ended = False
        self._poll = select.poll()
        self._poll.register(file, select.POLLIN)

    def begins_with(self, wanted: bytes) -> bool:
        """Look ahead; pipes cannot seek back."""
        while len(self._ahead) < len(wanted) and (more := self._take(BLOCK_BYTES)):
            self._ahead += more
        return self._ahead.startswith(wanted)

    def read(self, size: int) -> bytes:
        if not self._ahead:
            return self._take(size)
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        return taken

    def _take(self, size: int) -> bytes:
        patience = time.monotonic() + WRITER_PATIENCE_S
        while not self._ended:
            self._limits.check()
            # Only what was opened here can be asked without waiting whether it has a writer.
            ask_for_writer = time.monotonic() > patience and self._path != "-"
            if self._poll.poll(_GLANCE_MS) or ask_for_writer:
                taken = self._file.read(size)
                self._ended = taken == b""
                if taken:
                    return taken
        return b""


def _whole_lines(source: _Source, path: str, limits: Limits) -> Iterator[bytes]:
    read: Callable[[int], bytes] = source.read
    if source.begins_with(_GZIP_MAGIC):
        # read1, so that what stands before the end of a truncated file is told.
        read = gzip.GzipFile(fileobj=cast(BinaryIO, source)).read1
    line = 1
    rest = bytearray()
    for block in _without_mark(iter(lambda: read(BLOCK_BYTES), b"")):
        limits.check()
        end = block.rfind(b"\n") + 1
        if end:
            whole = bytes(rest) + block[:end] if rest else block[:end]
            rest = bytearray(block[end:])
            yield whole
            line += whole.count(b"\n")
        else:
            rest += block
        if len(rest) > MAX_LINE_BYTES:
            raise InvalidInput(path, line, f"expected lines of at most {MAX_LINE_BYTES} bytes")
    if rest:
        yield bytes(rest)


def _without_mark(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Some editors put a byte order mark before UTF-8."""
    first = next(blocks, b"")
    while len(first) < len(_BYTE_ORDER_MARK) and (more := next(blocks, b"")):
        first += more
    yield first.removeprefix(_BYTE_ORDER_MARK)
    yield from blocks


# ---- objects


class LineDecoder(Generic[Decoded]):
    """Decodes blocks into one object a line.

    `name` is the file as the user gave it; `line` the number of the next line.
    """

    def __init__(self, name: str, type_: Any, line: int = 1) -> None:
        self.name = name
        self.line = line
        self._type = type_
        self._decoder: msgspec.json.Decoder[Decoded] = msgspec.json.Decoder(type_)

    def decode(self, block: bytes) -> Iterator[tuple[int, list[Decoded | None]]]:
        """The number of a line, and the objects from that line on, one a line; None for a blank line.

        What stands before a line at fault comes before its InvalidInput, wherever a block begins.
        """
        first = self.line
        count = block.count(b"\n") + (not block.endswith(b"\n"))
        self.line += count
        decoded = self._decode_whole(block, count)
        if decoded is None:
            decoded = []
            try:
                for number, line in enumerate(block.split(b"\n")[:count], first):
                    decoded.append(self.decode_line(line, number))
            except InvalidInput:
                yield first, decoded
                raise
        yield first, decoded

    def _decode_whole(self, block: bytes, count: int) -> list[Decoded | None] | None:
        """The block in one call; None if its lines must be looked at one by one."""
        if block.isspace():
            return [None] * count
        # The decoder takes any white space between objects. Inside of one, no line ends with } before one that begins with {.
        if not block.startswith(b"{") or block.count(b"}\n{") != count - 1:
            return None
        try:
            decoded: list[Decoded | None] = [*self._decoder.decode_lines(block)]
        except (*_NOT_JSON, RecursionError):
            return None
        return decoded if len(decoded) == count else None

    def decode_line(self, line: bytes, number: int) -> Decoded | None:
        """One line; InvalidInput names its number, the field and what was expected there."""
        if not line or line.isspace():
            return None
        try:
            return self._decoder.decode(line)
        except msgspec.ValidationError as error:
            raise InvalidInput(self.name, number, explained(str(error), self._type)) from error
        except _NOT_JSON as error:
            raise InvalidInput(self.name, number, f"expected one JSON object in UTF-8: {error}") from error
        except RecursionError as error:
            raise InvalidInput(self.name, number, "expected one JSON object, got too deeply nested ones") from error


# ---- what was expected


def explained(text: str, type_: Any) -> str:
    """msgspec's "Expected `int` - at `$.state.term`" as "state.term: expected `int`", with the values it does not tell."""
    problem, _, path = text.partition(" - at `")
    field = path[:-1].removeprefix("$").removeprefix(".")
    problem = problem[:1].lower() + problem[1:]
    if not problem.startswith(("expected", "object")):
        got = problem.removeprefix("invalid enum value ").removeprefix("invalid value ")
        problem = _expectation(_type_info(type_), field) + got
    return f"{field}: {problem}" if field else problem


def _expectation(type_: inspect.Type, field: str) -> str:
    types = [type_]
    for name in field.replace("[", ".[").split("."):
        types = [inner for outer in types for inner in _inside(outer, name)]
    values = [str(value) for each in types if isinstance(each, inspect.LiteralType) for value in each.values]
    ranges = [f"an integer from {each.ge} to {each.le}" for each in types if isinstance(each, inspect.IntType)]
    expected = " or ".join([*dict.fromkeys(ranges), ", ".join(dict.fromkeys(values))]).removesuffix(" or ")
    return f"expected {expected}, got " if expected else ""


def _inside(type_: inspect.Type, name: str) -> Iterable[inspect.Type]:
    """The types that a field, or an item of an array, may have. A tag is as a literal."""
    if isinstance(type_, inspect.UnionType):
        for each in type_.types:
            yield from _inside(each, name)
    elif isinstance(type_, inspect.StructType):
        if type_.tag is not None and name == type_.tag_field:
            yield inspect.LiteralType((type_.tag,))
        for field in type_.fields:
            if field.encode_name == name:
                yield from _alternatives(field.type)
    elif isinstance(type_, inspect.VarTupleType):
        yield from _alternatives(type_.item_type)
    elif isinstance(type_, inspect.TupleType):
        for each in type_.item_types:
            yield from _alternatives(each)


def _alternatives(type_: inspect.Type) -> Iterable[inspect.Type]:
    return type_.types if isinstance(type_, inspect.UnionType) else (type_,)


@lru_cache(maxsize=8)
def _type_info(type_: Any) -> inspect.Type:
    return inspect.type_info(type_)
