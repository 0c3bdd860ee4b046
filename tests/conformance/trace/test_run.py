"""The Run: written canonically, read strictly, both as a stream."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, json

from kubeproof.conformance.simulation import simulate
from kubeproof.conformance.trace import raft_events
from kubeproof.conformance.trace.run import Event, Header, RunReader, RunWriter, write_run
from kubeproof.conformance.verdict import InvalidInput
from tests.conformance.trace.samples import HEADER, ROOT, START, run_lines

FAULTS = ("crash", "partition", "membership", "compaction")


def read(data: bytes, type_: Any = raft_events.Event) -> tuple[Header, list[Struct]]:
    reader = RunReader[Struct]("run", type_, iter([data] if data else []))
    return reader.header, list(reader)


def write(header: Header, events: list[Struct]) -> bytes:
    file = io.BytesIO()
    write_run(file, header, events)
    return file.getvalue()


def problem(data: bytes, type_: Any = raft_events.Event) -> str:
    with pytest.raises(InvalidInput) as caught:
        read(data, type_)
    return str(caught.value)


# ---- writing


@pytest.mark.parametrize("path", sorted((ROOT / "traces").glob("*.ndjson")), ids=lambda path: path.stem)
def test_recorded_runs_are_written_again_byte_for_byte(path: Path) -> None:
    data = path.read_bytes()
    assert write(*read(data)) == data


def test_untyped_events_are_written_so_that_they_are_read_again() -> None:
    events = read(b"".join(run_lines()))
    untyped = read(b"".join(run_lines()), Event)
    assert read(write(*untyped), Event) == untyped
    assert read(write(*untyped)) == events


@pytest.mark.parametrize("seed", range(3))
def test_a_simulated_run_is_written_again_byte_for_byte(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "run.ndjson"
    simulate("raft", nodes=3, seed=seed, events=1500, faults=FAULTS, out=str(path))
    reader = RunReader[Struct](str(path), raft_events.Event)
    assert write(reader.header, list(reader)) == path.read_bytes()


def test_writing_is_canonical() -> None:
    header = Header(system="raft", source="a test", options={"b": 1, "a": {"d": [], "c": None}})
    events: list[Struct] = [
        raft_events.Start(state=raft_events.State(commit=0, term=0), actor="1"),
        raft_events.Ready(actor="1", time_ms=3),
        raft_events.Send(actor="1", message=raft_events.Message(type="MsgApp", to="2", from_="1", term=0, entries=())),
        Event(action="heal", actor="network", args={"b": 1, "a": 2}),
    ]
    assert write(header, events).decode().splitlines() == [
        '{"kubeproof":"run","version":1,"system":"raft","source":"a test","options":{"a":{"c":null,"d":[]},"b":1}}',
        '{"action":"start","actor":"1","state":{"term":0,"commit":0}}',
        '{"action":"ready","actor":"1","time_ms":3}',
        '{"action":"send","actor":"1","message":{"type":"MsgApp","from":"1","to":"2"}}',
        '{"action":"heal","actor":"network","args":{"a":2,"b":1}}',
    ]


def test_each_event_is_written_at_once() -> None:
    file = io.BytesIO()
    writer = RunWriter(file, Header(system="raft"))
    lengths = [len(file.getvalue())]
    for _ in range(3):
        writer.write(raft_events.Ready(actor="1"))
        lengths.append(len(file.getvalue()))
    assert len(set(lengths)) == 4


# ---- reading


def test_what_is_not_told_is_none() -> None:
    _, events = read(HEADER + b'{"action":"start","actor":"1","state":{"term":0}}\n{"action":"crash","actor":"1"}\n')
    assert events == [raft_events.Start(actor="1", state=raft_events.State(term=0)), raft_events.Crash(actor="1")]


def test_the_order_of_fields_spaces_and_blank_lines_do_not_matter() -> None:
    odd = b' {"actor" : "1", "state": {"commit": 0, "term": 0}, "action": "start"}\r\n\n \n'
    header, events = read(b'{"system":"raft","version":1,"kubeproof":"run"}\r\n' + odd)
    assert (header, events) == read(HEADER + b'{"action":"start","actor":"1","state":{"term":0,"commit":0}}\n')


@pytest.mark.parametrize(
    ("header", "what"),
    [
        (b"", "expected the header of a Run"),
        (b"\n" + HEADER, "expected the header of a Run"),
        (START, "expected the header of a Run"),
        (b"[]\n", "expected the header of a Run"),
        (b"\xff\n", "expected the header of a Run"),
        (b'{"system":"raft"}\n', "expected the header of a Run"),
        (b'{"kubeproof":"trace","version":1,"system":"raft"}\n', "kubeproof: expected run, got 'trace'"),
        (b'{"kubeproof":null,"version":1,"system":"raft"}\n', "kubeproof: expected `str`"),
        (b'{"kubeproof":"run","version":2,"system":"raft"}\n', "version: expected 1, got 2"),
        (b'{"kubeproof":"run","version":"1","system":"raft"}\n', "version: expected `int`, got `str`"),
        (b'{"kubeproof":"run","version":1.0,"system":"raft"}\n', "version: expected `int`, got `float`"),
        (b'{"kubeproof":"run","system":"raft"}\n', "missing required field `version`"),
        (b'{"kubeproof":"run","version":1}\n', "missing required field `system`"),
        (b'{"kubeproof":"run","version":1,"system":5}\n', "system: expected `str`, got `int`"),
        (b'{"kubeproof":"run","version":1,"system":"raft","more":1}\n', "unknown field `more`"),
        (b'{"kubeproof":"run","version":1,"system":"raft","options":[]}\n', "options: expected `object`, got `array`"),
        (b'{"kubeproof":"run","version":1,"version":1,"system":"raft"}\n', "each field once, got 'version' twice"),
        (b'{"kubeproof":"run","version":1,"system":"raft","options":{"a":1,"a":2}}\n', "each field once, got 'a' twice"),
        (b'{"kubeproof":"run","version":1,"system":"raft","options":' + b'{"a":' * 5000, "expected the header"),
    ],
)
def test_another_header_is_refused(header: bytes, what: str) -> None:
    text = problem(header + START)
    assert text.startswith("run:1: ")
    assert what in text


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (HEADER, "expected an event, got a second header"),
        (b'{"kubeproof":"run","version":3}', "expected an event, got a second header"),
        (b'{"actor":"1"}', "missing required field `action`"),
        (b'{"action":"start"}', "missing required field `actor`"),
        (b'{"action":"explode","actor":"1"}', "action: expected start, become_follower, "),
        (b'{"action":7,"actor":"1"}', "action: expected `str`"),
        (b'{"action":"start","actor":1}', "actor: expected `str`, got `int`"),
        (b'{"action":"start","actor":"1","odd":1}', "unknown field `odd`"),
        (b'{"action":"start","actor":"1","args":{}}', "unknown field `args`"),
        (b'{"action":"start","actor":"1","time_ms":-1}', "time_ms: expected `int` >= 0"),
        (b'{"action":"start","actor":"1","state":[]}', "state: expected `object | null`, got `array`"),
        (b'{"action":"start","actor":"1","state":{"odd":1}}', "state: object contains unknown field `odd`"),
        (b'{"action":"start","actor":"1","state":{"term":9223372036854775808}}', "state.term: expected `int` <="),
        (b'{"action":"start","actor":"1","state":{"role":"Leader"}}', "state.role: expected StateCandidate, "),
        (b'{"action":"start","actor":"1","state":{"voters":"1"}}', "state.voters: expected `array | null`, got `str`"),
        (b'{"action":"start","actor":"1","state":{"voters":[1]}}', "state.voters[0]: expected `str`, got `int`"),
        (b'{"action":"send","actor":"1"}', "missing required field `message`"),
        (b'{"action":"send","actor":"1","message":{}}', "message: object missing required field `type`"),
        (b'{"action":"send","actor":"1","message":{"type":"Msg"}}', "message.type: expected MsgApp, "),
        (b'{"action":"apply","actor":"1"}', "missing required field `args`"),
        (b'{"action":"replicate","actor":"1","args":{"payload":"AB"}}', "args.payload: expected `str` matching"),
        (b'{"action":"start","actor":"1","actor":"2"}', "each field once, got 'actor' twice"),
        (b'{"action":"start","action":"start","actor":"1"}', "each field once, got 'action' twice"),
        (b'{"action":"start","actor":"1","state":{"term":0,"term":0}}', "each field once, got 'term' twice"),
        (b'{"action":"start","actor":"1"} {"action":"ready","actor":"1"}', "trailing characters"),
        (b'{"action":"start","actor":"1"', "truncated"),
    ],
)
def test_what_is_no_event_is_refused(line: bytes, what: str) -> None:
    text = problem(HEADER + START + line.rstrip() + b"\n" + START)
    assert text.startswith("run:3: ")
    assert what in text


def test_the_envelope_alone_is_as_strict() -> None:
    assert "unknown field `odd`" in problem(HEADER + b'{"action":"a","actor":"1","odd":1}\n', Event)
    assert "got 'x' twice" in problem(HEADER + b'{"action":"a","actor":"1","args":{"x":1,"x":2}}\n', Event)
    assert read(HEADER + b'{"action":"anything","actor":"","args":{"x":[1]}}\n', Event)[1]


def test_reading_streams() -> None:
    given = 0

    def blocks() -> Iterator[bytes]:
        nonlocal given
        for line in run_lines():
            given += 1
            yield line

    reader = RunReader[Struct]("run", raft_events.Event, blocks())
    assert given == 1
    events = iter(reader)
    next(events)
    assert given == 2


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    with path.open("wb") as file:
        write_run(file, Header(system="raft"), (raft_events.Ready(actor=str(at)) for at in range(100_000)))
    tracemalloc.start()
    assert sum(1 for _ in RunReader[Struct](str(path), raft_events.Event)) == 100_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_what_is_written_can_be_read_by_others() -> None:
    """Any JSON library does: one object a line."""
    assert all(isinstance(json.decode(line), dict) for line in run_lines())
