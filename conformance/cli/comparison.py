"""What people read of a comparison: what differs, how often, and the first time that each does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from kubeproof.conformance.cli.output import lines_for_people, printable
from kubeproof.conformance.verdict import Result

INDENT = " " * 10
CAUSES_SHOWN = 10
TEXT_MAX = 400


def comparison_lines(result: Result) -> list[str]:
    """A line each for the fields that differ, the step, and what each of both makes of them."""
    lines = lines_for_people(result)
    causes: Any = result.details.get("differences", [])
    for cause in causes[:CAUSES_SHOWN]:
        lines += [INDENT + printable(line) for line in _lines(cause)]
    if len(causes) > CAUSES_SHOWN:
        lines.append(f"{INDENT}and {len(causes) - CAUSES_SHOWN} other causes (--json has them)")
    return lines


def _lines(cause: Any) -> Iterator[str]:
    first = cause["first"]
    yield f"{cause['count']:,} times: {', '.join(cause['fields'])}"
    for step, each in enumerate(first.get("history", ()), 1):
        yield f"  {step}. member {first['member']}: {_text(each)}"
    yield f"  member {first['member']}: {_text(first['event'])}"
    for field in cause["fields"]:
        yield f"    {field}: ours {_text(_at(first['ours'], field))}, theirs {_text(_at(first['theirs'], field))}"


def _at(value: Any, field: str) -> Any:
    """What stands at a field; of lists, what stands there in each item that has fields."""
    for name in field.split("."):
        value = _inside(value, name)
    return value


def _inside(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_inside(each, name) for each in value if isinstance(each, list | dict)]
    return value.get(name) if isinstance(value, dict) else None


def _text(value: Any) -> str:
    text = msgspec.json.encode(value, order="deterministic").decode()
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}..."
