"""Small good inputs of both formats, and what tests do with files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from msgspec import json

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace import check_file, raft_events
from kubeproof.conformance.trace.run import RunReader
from kubeproof.conformance.verdict import Result
from tests.conformance.trace.with_tla import with_tla

ROOT = Path(__file__).parents[3]
GOOD = ROOT / "traces" / "good-plain.ndjson"
BAD = ROOT / "traces" / "bad-vote-not-stored.ndjson"
HEADER = b'{"kubeproof":"run","version":1,"system":"raft"}\n'
START = b'{"action":"start","actor":"1","state":{"commit":0,"last_index":0}}\n'


def first_start(actor: str) -> raft_events.Start:
    """A node starts with an empty disk."""
    return raft_events.Start(actor=actor, state=raft_events.State(commit=0, last_index=0))


@cache
def run_lines(events: int = 200) -> tuple[bytes, ...]:
    """The beginning of a good Run, with its header."""
    return tuple(GOOD.read_bytes().splitlines(keepends=True)[: 1 + events])


@cache
def trace_lines(events: int = 200) -> tuple[bytes, ...]:
    """The beginning of a good trace of etcd-io/raft."""
    records = with_tla(RunReader[raft_events.Event](str(GOOD), raft_events.Event))
    return tuple(json.encode(record) + b"\n" for record in records[:events])


def check_bytes(folder: Path, data: bytes, format_: str | None = None) -> Result:
    """Judge a file with these bytes."""
    path = folder / "input"
    path.write_bytes(data)
    return check_file(str(path), format_, Limits())
