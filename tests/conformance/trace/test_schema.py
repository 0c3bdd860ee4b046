"""The JSON Schema of a Run's line: current, and as strict as the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec import json

from kubeproof.conformance.simulation import simulate
from kubeproof.conformance.trace.schema import STORED, formatted, run_schema
from tests.conformance.trace.samples import HEADER, START

SCHEMA: dict[str, Any] = json.decode(STORED.read_bytes())
LINE = Draft202012Validator(SCHEMA)
RAFT_EVENT = Draft202012Validator({"$ref": "#/$defs/RaftEvent", "$defs": SCHEMA["$defs"]})


def test_the_stored_schema_is_current() -> None:
    assert STORED.read_bytes() == formatted(), "store conformance.trace.schema.formatted() as run-v1.schema.json"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(run_schema())


def test_every_line_of_a_simulated_run_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    faults = ("crash", "partition", "membership", "compaction", "duplicate")
    simulate("raft", nodes=3, seed=4, events=700, faults=faults, out=str(path))
    header, *events = [json.decode(line) for line in path.read_bytes().splitlines()]
    assert LINE.is_valid(header)
    assert not RAFT_EVENT.is_valid(header)
    assert not [event for event in events if not (LINE.is_valid(event) and RAFT_EVENT.is_valid(event))]
    assert len({event["action"] for event in events}) > 12


@pytest.mark.parametrize(
    "line", [HEADER, START, b'{"action":"heal","actor":""}', b'{"action":"other","actor":"1","args":{"x":1}}']
)
def test_valid_lines(line: bytes) -> None:
    assert LINE.is_valid(json.decode(line))


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"null",
        b"{}",
        b'{"system":"raft"}',
        b'{"kubeproof":"run","version":1}',
        b'{"kubeproof":"run","system":"raft"}',
        b'{"kubeproof":"run","version":2,"system":"raft"}',
        b'{"kubeproof":"run","version":1,"system":"raft","odd":1}',
        b'{"action":"start"}',
        b'{"action":"start","actor":1}',
        b'{"action":"start","actor":"1","odd":1}',
        b'{"action":"start","actor":"1","time_ms":-1}',
        b'{"action":"start","actor":"1","state":3}',
    ],
)
def test_lines_that_are_invalid_in_every_system(line: bytes) -> None:
    assert not LINE.is_valid(json.decode(line))


@pytest.mark.parametrize(
    "line",
    [
        b'{"action":"other","actor":"1"}',
        b'{"action":"start","actor":"1","args":{}}',
        b'{"action":"start","actor":"1","state":{"term":-1}}',
        b'{"action":"start","actor":"1","state":{"term":9223372036854775808}}',
        b'{"action":"start","actor":"1","state":{"role":"Leader"}}',
        b'{"action":"send","actor":"1"}',
        b'{"action":"send","actor":"1","message":{"type":"Msg"}}',
        b'{"action":"send","actor":"1","message":{"type":"MsgApp","entries":[{}]}}',
        b'{"action":"replicate","actor":"1","args":{"payload":"0"}}',
        b'{"action":"apply","actor":"1","args":{"index":1}}',
    ],
)
def test_lines_that_are_invalid_for_raft(line: bytes) -> None:
    assert not RAFT_EVENT.is_valid(json.decode(line))
