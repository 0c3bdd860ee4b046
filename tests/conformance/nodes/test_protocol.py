"""Node protocol v1: its schema, the conversation in its documentation, and what is really said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec import json

from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.child import Child
from kubeproof.conformance.nodes.process import Process
from kubeproof.conformance.nodes.protocol import STORED, formatted, schema
from tests.conformance.nodes.programs import MENDED, MY_RAFT, cluster, edited

PAGE = MY_RAFT.parents[1] / "node-protocol.md"
SCHEMA: dict[str, Any] = json.decode(STORED.read_bytes())
LINE = Draft202012Validator(SCHEMA)
CALL, ANSWER = [Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}) for name in ("Call", "Answer")]


def documented() -> Iterator[tuple[bytes, bytes]]:
    """The calls of the page, with their answers."""
    [block] = re.findall(r"^```conversation\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    lines = block.encode().splitlines()
    for call, answer in zip(lines[::2], lines[1::2], strict=True):
        assert (call[:2], answer[:2]) == (b"> ", b"< ")
        yield call[2:], answer[2:]


def test_the_stored_schema_is_current() -> None:
    assert STORED.read_bytes() == formatted(), "store conformance.nodes.protocol.formatted() as node-v1.schema.json"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


def test_the_documented_conversation_is_had() -> None:
    calls, answers = zip(*documented(), strict=True)
    assert {json.decode(call)["call"] for call in calls} == {"hello", "init", "step", "observe"}
    process = Process(["python", str(MY_RAFT)], "my raft", 10)
    try:
        said = process.exchange(calls)
    finally:
        process.stop()
    assert [json.decode(line) for line in said] == [json.decode(line) for line in answers]


def test_real_conversations_are_as_the_schema_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []
    answers: list[bytes] = []
    exchange = Process.exchange

    def overheard(process: Process, lines: Sequence[bytes]) -> list[bytes]:
        said = exchange(process, lines)
        calls.extend(lines)
        answers.extend(said)
        return said

    monkeypatch.setattr(Process, "exchange", overheard)
    with Child(edited(tmp_path, MENDED), 2) as child:
        Exploration(cluster(child, 2, restarts=1, messages=2), Limits()).run()
    assert not [call for call in calls if not CALL.is_valid(json.decode(call))]
    assert not [answer for answer in answers if not ANSWER.is_valid(json.decode(answer))]
    assert {json.decode(call)["call"] for call in calls} == {"hello", "init", "step", "observe", "restore"}
    assert len(answers) > 300


@pytest.mark.parametrize(
    "line",
    [
        b'{"call":"observe","odd":1}',
        b'{"call":"init","node":0,"members":3,"options":{}}',
        b'{"call":"step","event":{"name":1}}',
        b'{"call":"stop"}',
        b'{"sends":[{"type":"vote"}]}',
        b'{"sends":[{"to":2,"type":"vote","term":-1}]}',
        b'{"role":"king","term":1,"log":[{"index":0,"term":0}],"commit_index":0}',
        b'{"role":"leader","term":1,"log":[],"commit_index":0}',
        b'{"role":"leader","term":1,"log":[{"index":0,"term":0}],"commit_index":-1}',
        b"[]",
    ],
)
def test_what_is_no_line(line: bytes) -> None:
    assert not LINE.is_valid(json.decode(line))
