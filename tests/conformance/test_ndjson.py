"""Lines of JSON: what is read, what is refused and with which words, and that nothing is waited for without an end."""

from __future__ import annotations

import gzip
import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from kubeproof.conformance import ndjson
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.ndjson import LineDecoder, read_blocks
from kubeproof.conformance.verdict import InvalidInput

TEXT = b'{"number":1}\n{"number":2}\n' * 300


class Item(Struct, forbid_unknown_fields=True):
    """What the lines of these tests hold."""

    number: Annotated[int, Meta(ge=0, le=9)]
    kind: Literal["this", "that"] | None = None
    inner: tuple[Item, ...] = ()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "BLOCK_BYTES", 64)
    monkeypatch.setattr(ndjson, "MAX_LINE_BYTES", 256)


def written(folder: Path, data: bytes) -> str:
    path = folder / "file"
    path.write_bytes(data)
    return str(path)


def problem(folder: Path, data: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        list(read_blocks(written(folder, data)))
    return str(caught.value)


# ---- bytes


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("text", [b"", b"\n", b"a", b"a\n", b"a\nb", b"\n\n\n", TEXT, b"x" * 200 + b"\n" + TEXT], ids=range(8))
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_blocks_end_with_a_line_and_are_the_file(tmp_path: Path, text: bytes, pack: type[bytes]) -> None:
    blocks = list(read_blocks(written(tmp_path, pack(text))))
    assert b"".join(blocks) == text
    assert all(block.endswith(b"\n") for block in blocks[:-1])


def test_gzip_members_follow_each_other(tmp_path: Path) -> None:
    data = gzip.compress(TEXT[:100]) + gzip.compress(b"") + gzip.compress(TEXT[100:])
    assert b"".join(read_blocks(written(tmp_path, data))) == TEXT


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(TEXT)[:-1],
        gzip.compress(TEXT)[:30],
        gzip.compress(TEXT)[:5],
        gzip.compress(TEXT)[:-8] + bytes(8),
        gzip.compress(TEXT) + b"rest",
        b"\x1f\x8b\x07" + bytes(20),
    ],
)
def test_broken_gzip_is_refused(tmp_path: Path, data: bytes) -> None:
    assert "expected whole gzip data" in problem(tmp_path, data)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_byte_order_mark_is_passed_over(tmp_path: Path, pack: type[bytes]) -> None:
    assert list(read_blocks(written(tmp_path, pack(b"\xef\xbb\xbf{}\n")))) == [b"{}\n"]


@pytest.mark.usefixtures("small_blocks")
def test_a_line_without_end_is_refused_with_its_number(tmp_path: Path) -> None:
    assert problem(tmp_path, b"a\nb\n" + b"x" * 1000).endswith("file:3: expected lines of at most 256 bytes")


def test_a_gzip_bomb_takes_no_memory(tmp_path: Path) -> None:
    data = gzip.compress(bytes(1 << 28), 1)
    tracemalloc.start()
    assert "expected lines of at most" in problem(tmp_path, data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * ndjson.MAX_LINE_BYTES


@pytest.mark.parametrize(
    ("path", "what"),
    [("absent", "No such file"), (".", "Is a directory"), ("a\0b", "embedded null byte"), ("", "No such file")],
)
def test_what_cannot_be_read_is_refused(path: str, what: str) -> None:
    with pytest.raises(InvalidInput, match=f"cannot be read: {what}"):
        list(read_blocks(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = Path(written(tmp_path, TEXT))
    path.chmod(0)
    with pytest.raises(InvalidInput, match="cannot be read: Permission denied"):
        list(read_blocks(str(path)))


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(written(tmp_path, gzip.compress(TEXT))) as file:
        monkeypatch.setattr("sys.stdin", file)
        assert b"".join(read_blocks("-")) == TEXT
        assert b"".join(read_blocks("-")) == b""


def test_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InvalidInput, match="-: cannot be read: standard input is closed"):
        list(read_blocks("-"))


# ---- pipes and limits


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return str(path)


def test_a_pipe_is_read_at_its_writers_pace(pipe: str) -> None:
    def write() -> None:
        time.sleep(0.05)
        with open(pipe, "wb", buffering=0) as file:
            for at in range(0, len(TEXT), 1000):
                file.write(TEXT[at : at + 1000])
                time.sleep(0.001)

    writer = Thread(target=write)
    writer.start()
    assert b"".join(read_blocks(pipe)) == TEXT
    writer.join()


def test_a_pipe_that_nobody_writes_to_ends(pipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "WRITER_PATIENCE_S", 0.05)
    assert not list(read_blocks(pipe))


def test_a_silent_writer_is_waited_for_until_the_limit(pipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "WRITER_PATIENCE_S", 0.05)
    keeps_open = os.open(pipe, os.O_RDWR)
    begun = time.monotonic()
    with pytest.raises(LimitReached, match="time limit"):
        list(read_blocks(pipe, Limits(time_limit_s=0.3)))
    assert 0.3 <= time.monotonic() - begun < 2
    os.close(keeps_open)


@pytest.mark.usefixtures("small_blocks")
def test_limits_are_looked_at_between_blocks(tmp_path: Path) -> None:
    blocks = read_blocks(written(tmp_path, TEXT), Limits(time_limit_s=0.05))
    next(blocks)
    time.sleep(0.06)
    with pytest.raises(LimitReached):
        next(blocks)


# ---- objects


def numbers(items: list[Item | None]) -> list[int | None]:
    return [None if item is None else item.number for item in items]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b'{"number":1}\n{"number":2}\n', [1, 2]),
        (b'{"number":1}\n{"number":2}', [1, 2]),
        (b'{"number":1}\r\n{"number":2}\r\n', [1, 2]),
        (b'\n{"number":1}\n\n \t\r\n{"number":2}\n\n', [None, 1, None, None, 2, None]),
        (b' {"number" : 1 } \n\t{"number":2}\n', [1, 2]),
        (b"\n \n", [None, None]),
    ],
)
def test_one_object_a_line_or_none(block: bytes, expected: list[int | None]) -> None:
    decoder = LineDecoder[Item]("file", Item)
    ((first, items),) = decoder.decode(block)
    assert (first, numbers(items)) == (1, expected)
    assert decoder.line == 1 + len(expected)


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (b'{"number":1}{"number":2}\n\n', "trailing characters"),
        (b'{"number":1} {"number":2}\n\n', "trailing characters"),
        (b'{"number":\n1}\n{"number":1} {"number":2}\n', "truncated"),
        (b'{"number":1', "truncated"),
        (b"\x00\x01\xff\n", "expected one JSON object in UTF-8"),
        (b'{"number":1,"kind":"\xff"}\n', "expected one JSON object in UTF-8"),
        (b'{"number":1,"kind":"\\ud800"}\n', "expected one JSON object in UTF-8"),
        (b'{"number":1,"kind":"\\ud800\\u0041"}\n', "expected one JSON object in UTF-8"),
        (b'{"number":1,"kind":"a\x1b"}\n', "expected one JSON object in UTF-8"),
        (b'{"number":NaN}\n', "expected one JSON object in UTF-8"),
        (b"[]\n", "expected `object`, got `array`"),
        (b'"text"\n', "expected `object`, got `str`"),
        (b"1\n", "expected `object`, got `int`"),
        (b"null\n", "expected `object`, got `null`"),
        (b'{"number":1,"inner":[' * 5000, "deeply"),
        (b"{}\n", "object missing required field `number`"),
        (b'{"number":1,"odd":1}\n', "object contains unknown field `odd`"),
        (b'{"number":-1}\n', "number: expected `int` >= 0"),
        (b'{"number":10}\n', "number: expected `int` <= 9"),
        (b'{"number":1.0}\n', "number: expected `int`, got `float`"),
        (b'{"number":1e999}\n', "number: expected an integer from 0 to 9, got number out of range"),
        (b'{"number":' + b"9" * 5000 + b"}\n", "number: expected an integer from 0 to 9, got integer value out of range"),
        (b'{"number":true}\n', "number: expected `int`, got `bool`"),
        (b'{"number":"1"}\n', "number: expected `int`, got `str`"),
        (b'{"number":null}\n', "number: expected `int`, got `null`"),
        (b'{"number":1,"kind":"other"}\n', "kind: expected that, this, got 'other'"),
        (b'{"number":1,"inner":[{"number":1},{"number":1,"kind":""}]}\n', "inner[1].kind: expected that, this, got ''"),
    ],
)
def test_the_line_at_fault_is_named_with_what_was_expected(bad: bytes, what: str) -> None:
    decoder = LineDecoder[Item]("file", Item, line=7)
    found = decoder.decode(b'{"number":1}\n' + bad)
    assert next(found) == (7, [Item(1)])
    with pytest.raises(InvalidInput) as caught:
        next(found)
    assert str(caught.value).startswith("file:8: ")
    assert what in str(caught.value)
    assert caught.value.line == 8


def test_blank_lines_cost_little() -> None:
    decoder = LineDecoder[Item]("file", Item)
    begun = time.process_time()
    for _ in range(20):
        ((_, items),) = decoder.decode(b"\n" * ndjson.BLOCK_BYTES)
        assert len(items) == ndjson.BLOCK_BYTES
    assert time.process_time() - begun < 1


def test_reading_streams(tmp_path: Path) -> None:
    def most(blocks: Iterator[bytes]) -> int:
        return max(len(block) for block in blocks)

    path = written(tmp_path, TEXT * 1000)
    tracemalloc.start()
    assert most(read_blocks(path)) <= 2 * ndjson.BLOCK_BYTES
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * ndjson.BLOCK_BYTES
