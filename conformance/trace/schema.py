"""The JSON Schema of the Run, made from the types that read it. `run-v1.schema.json` is its stored result."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from msgspec import json

from kubeproof.conformance.trace import raft_events
from kubeproof.conformance.trace.run import Event, Header

STORED = files("kubeproof.conformance.trace") / "run-v1.schema.json"
_REF = "#/$defs/{name}"


def run_schema() -> dict[str, Any]:
    """One line of a Run: a header or an event of any system. `$defs/RaftEvent` is one of Raft's events."""
    (header, event, raft_event), definitions = json.schema_components((Header, Event, raft_events.Event), ref_template=_REF)
    # `Header` fills these in for writers.
    definitions["Header"]["required"] = ["kubeproof", "version", "system"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kubeproof run v1: one line",
        "anyOf": [header, event],
        "$defs": {**definitions, "RaftEvent": raft_event},
    }


def formatted() -> bytes:
    """The schema as it is stored."""
    return json.format(json.encode(run_schema(), order="deterministic"), indent=2) + b"\n"
