"""Newline-delimited JSON, read in blocks and decoded a block at a time.

The decoder sees many lines in one call. Only a block that it rejects is decoded line by line, to name the line at fault.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Generic, TypeVar, cast

import msgspec

from kubeproof.conformance.verdict import InvalidInput

BLOCK_BYTES = 1 << 18
# A line without an end would otherwise be collected until memory is full.
MAX_LINE_BYTES = 1 << 26
_GZIP_MAGIC = b"\x1f\x8b"
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError)

Decoded = TypeVar("Decoded")


def read_blocks(path: str) -> Iterator[bytes]:
    """The file's bytes in blocks that end with a line. `-` is standard input; gzip is recognised by content.

    InvalidInput if the file cannot be read or is broken.
    """
    try:
        if path == "-":
            yield from _whole_lines(sys.stdin.buffer, path)
        else:
            with open(path, "rb") as file:
                yield from _whole_lines(file, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidInput(path, None, f"expected whole gzip data: {error}") from error
    except (OSError, ValueError) as error:
        raise InvalidInput(path, None, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _whole_lines(file: BinaryIO, path: str) -> Iterator[bytes]:
    first = file.read(len(_GZIP_MAGIC))
    source = cast(BinaryIO, _PutBack(first, file))
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=source)) if first == _GZIP_MAGIC else source
    rest = b""
    while block := stream.read(BLOCK_BYTES):
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
            rest = block[end:]
        else:
            rest += block
        if len(rest) > MAX_LINE_BYTES:
            raise InvalidInput(path, None, f"expected lines of at most {MAX_LINE_BYTES} bytes")
    if rest:
        yield rest


class _PutBack:
    """A stream whose first bytes have been looked at. Pipes cannot seek back."""

    def __init__(self, first: bytes, file: BinaryIO) -> None:
        self._first = first
        self._file = file

    def read(self, size: int) -> bytes:
        first, self._first = self._first[:size], self._first[size:]
        return first + self._file.read(size - len(first)) if first else self._file.read(size)


class LineDecoder(Generic[Decoded]):
    """Decodes blocks into one object a line.

    `name` is the file as the user gave it; `line` the number of the next line.
    """

    def __init__(self, name: str, type_: Any, line: int = 1) -> None:
        self.name = name
        self.line = line
        self._decoder: msgspec.json.Decoder[Decoded] = msgspec.json.Decoder(type_)

    def decode(self, block: bytes) -> list[Decoded | None]:
        """A block's objects, one for each line; None for a blank line."""
        first = self.line
        count = block.count(b"\n") + (not block.endswith(b"\n"))
        self.line += count
        decoded: list[Decoded | None]
        try:
            decoded = [*self._decoder.decode_lines(block)]
        except (*_NOT_JSON, RecursionError):
            decoded = []
        if len(decoded) == count:
            return decoded
        return [self.decode_line(line, number) for number, line in enumerate(block.split(b"\n")[:count], first)]

    def decode_line(self, line: bytes, number: int) -> Decoded | None:
        """One line; InvalidInput names its number, the field and what was expected there."""
        if not line.strip():
            return None
        try:
            return self._decoder.decode(line)
        except msgspec.ValidationError as error:
            raise InvalidInput(self.name, number, _field_first(str(error))) from error
        except _NOT_JSON as error:
            raise InvalidInput(self.name, number, f"expected one JSON object in UTF-8: {error}") from error
        except RecursionError as error:
            raise InvalidInput(self.name, number, "expected one JSON object, got too deeply nested ones") from error


def _field_first(text: str) -> str:
    """msgspec's "Expected `int` - at `$.state.term`" as "state.term: expected `int`"."""
    problem, found, path = text.partition(" - at `")
    problem = problem[:1].lower() + problem[1:]
    field = path[:-1].removeprefix("$").removeprefix(".")
    return f"{field}: {problem}" if found and field else problem
