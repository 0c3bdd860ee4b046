"""Node protocol v1: what a child process is asked, and what it answers, one JSON object a line (docs/node-protocol.md).

The JSON Schema of a line is made from these types; `node-v1.schema.json` is its stored result.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field, json

VERSION = 1
STORED = files("kubeproof.conformance.nodes") / "node-v1.schema.json"
STANDARD_EVENTS = ("campaign", "heartbeat", "propose", "restart")
"""node.py says what they mean."""
EVENTS_MAX, SENDS_MAX = 32, 64
"""Of one state, and of one step."""

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Number = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Option = bool | int | str


class _Line(Struct, forbid_unknown_fields=True, omit_defaults=True): ...


# ---- what both sides say


class Event(_Line):
    """What a node does by itself, or what is asked of it."""

    name: str
    argument: int | str | None = None


class Message(_Line):
    """A message to a node. It is delivered as it was sent."""

    to: Number
    type: str
    body: Any = None
    term: Count | None = None
    acknowledges: Count | None = None


# ---- calls


class _Call(_Line, tag_field="call"): ...


class Hello(_Call, tag="hello", omit_defaults=False):
    """The first call: who are you?"""

    version: int = VERSION


class Init(_Call, tag="init", omit_defaults=False):
    """Be this node, freshly started for the first time."""

    node: Number
    members: Number
    options: dict[str, Option]


class Restore(Init, tag="restore"):
    """Be this node, in a state that `observe` has told; another process may have told it."""

    state: Any


class Step(_Call, tag="step"):
    """Take an event that is offered, or a message from another node."""

    event: Event | None = None
    sender: Number | None = field(default=None, name="from")
    message: Message | None = None


class Observe(_Call, tag="observe"):
    """What is there to see, and what may happen?"""


Call = Hello | Init | Restore | Step | Observe


# ---- answers


class Greeting(_Line):
    """To `hello`. `restores`: `restore` is known; `options` with their defaults; `events`: names besides the standard ones."""

    version: int
    name: str
    restores: bool = False
    options: dict[str, Option] = {}
    events: tuple[str, ...] = ()


class Begun(_Line):
    """To `init`."""


class Restored(_Line):
    """To `restore`: false if this process does not know the state."""

    restored: bool


class Entry(_Line):
    """An entry of the log."""

    index: Count
    term: Count
    data: str = ""


class Progress(_Line):
    """What a leader believes of another node's log."""

    node: Number
    match_index: Count
    next_index: Count | None = None


class Observation(_Line):
    """What there is to see of a node. The log begins with the entry that stands for all up to it."""

    role: Literal["follower", "pre_candidate", "candidate", "leader"]
    term: Count
    log: Annotated[tuple[Entry, ...], Meta(min_length=1)]
    commit_index: Count
    voted_for: Count = 0
    leader: Count = 0
    progress: tuple[Progress, ...] = ()


class Situation(Observation):
    """To `observe`: also the events that are offered now, and all else that matters, in canonical form."""

    events: Annotated[tuple[Event, ...], Meta(max_length=EVENTS_MAX)] = ()
    state: Any = None


class Stepped(_Line):
    """To `step`: what is sent, and what could be seen in between; or that it is not enabled; or the last words."""

    enabled: bool = True
    sends: Annotated[tuple[Message, ...], Meta(max_length=SENDS_MAX)] = ()
    between: tuple[Observation, ...] = ()
    panic: str | None = None


Answer = Greeting | Begun | Restored | Situation | Stepped


# ---- JSON


def encoded(value: object) -> bytes:
    """Canonical JSON: equal values are equal bytes."""
    return json.encode(value, order="deterministic")


def schema() -> dict[str, Any]:
    """One line of a conversation: a call or an answer."""
    named = (Hello, Init, Restore, Step, Observe, Greeting, Begun, Restored, Stepped, Situation)
    references, definitions = json.schema_components(named, ref_template="#/$defs/{name}")
    calls, answers = list(references[:5]), list(references[5:])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kubeproof node protocol v1: one line",
        "anyOf": [{"$ref": "#/$defs/Call"}, {"$ref": "#/$defs/Answer"}],
        "$defs": {**definitions, "Call": {"anyOf": calls}, "Answer": {"anyOf": answers}},
    }


def formatted() -> bytes:
    """The schema as it is stored."""
    return json.format(json.encode(schema(), order="deterministic"), indent=2) + b"\n"
