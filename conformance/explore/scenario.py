"""Scenarios: YAML files that name a system, its size, and what is expected of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.explore.systems import SYSTEMS
from kubeproof.conformance.trace.lines import explained
from kubeproof.conformance.verdict import InvalidInput, Verdict

FOLDER = Path(__file__).parents[1] / "scenarios"
SIZE_MAX = 64
FILE_BYTES_MAX = 1 << 20


class Pinned(msgspec.Struct, forbid_unknown_fields=True):
    """How many distinct states there are at this size; of a violated scenario, until the violation is met."""

    size: dict[str, int]
    states: int


class Scenario(msgspec.Struct, forbid_unknown_fields=True):
    """`size` are the arguments of the system's model; `--set` changes them."""

    system: str
    expected: Verdict
    size: dict[str, int] = {}
    options: dict[str, bool] = {}
    faults: list[str] = []
    property: str | None = None
    distinct: list[Pinned] = []

    def pinned(self) -> int | None:
        """The count that is pinned for this size."""
        return next((each.states for each in self.distinct if each.size == self.size), None)

    def model(self) -> Model:
        """The model at this size."""
        faults = {"faults": self.faults} if self.faults else {}
        return SYSTEMS[self.system](**self.size, **self.options, **faults)


def shipped() -> list[Path]:
    """The scenarios that come with the program."""
    return sorted(FOLDER.glob("*.yaml"))


def load(name: str, settings: Iterable[str] = ()) -> Scenario:
    """A scenario that ships, or a file of one's own, with `KEY=VALUE` settings. InvalidInput names what is wrong."""
    scenario = _read(FOLDER / f"{name}.yaml" if "/" not in name and not name.endswith((".yaml", ".yml")) else Path(name), name)
    if scenario.system not in SYSTEMS:
        raise InvalidInput(name, None, f"system: expected one of {', '.join(SYSTEMS)}, got {scenario.system!r}")
    known = inspect.signature(SYSTEMS[scenario.system]).parameters
    sizes = {key: each.default for key, each in known.items() if type(each.default) is int}
    options = [key for key, each in known.items() if type(each.default) is bool]
    scenario.size = sizes | scenario.size | dict(map(_setting, settings))
    for key, value in scenario.size.items():
        if key not in sizes:
            raise InvalidInput(name, None, f"size: expected {', '.join(sizes)}, got {key!r}")
        if not min(1, sizes[key]) <= value <= SIZE_MAX:
            raise InvalidInput(name, None, f"size.{key}: expected {min(1, sizes[key])} to {SIZE_MAX}, got {value}")
    for key in scenario.options:
        if key not in options:
            raise InvalidInput(name, None, f"options: expected {', '.join(options) or 'none'}, got {key!r}")
    if scenario.faults and "faults" not in known:
        raise InvalidInput(name, None, f"faults: expected none for the system {scenario.system}")
    return scenario


def _setting(text: str) -> tuple[str, int]:
    key, equals, value = text.partition("=")
    if not equals or not (value.isascii() and value.isdigit() and len(value) < 10):
        raise InvalidInput("--set", None, f"expected KEY=NUMBER, got {text!r}")
    return key, int(value)


def _read(path: Path, name: str) -> Scenario:
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        known = ", ".join(each.stem for each in shipped())
        raise InvalidInput(name, None, f"expected a scenario's file, or one of {known}: {error}") from error
    if len(text) > FILE_BYTES_MAX:
        raise InvalidInput(name, None, f"expected at most {FILE_BYTES_MAX} bytes")
    try:
        return msgspec.convert(_parsed(text), Scenario)
    except msgspec.ValidationError as error:
        raise InvalidInput(name, None, explained(str(error), Scenario)) from error
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        raise InvalidInput(name, line, f"expected YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise InvalidInput(name, None, f"expected a scenario: {' '.join(str(error).split())[:200]}") from error


def _parsed(text: bytes) -> Mapping[str, Any]:
    if b"&" in text or b"*" in text:
        raise ValueError("aliases are not used here")  # they can blow up a small file
    parsed: Mapping[str, Any] = yaml.safe_load(text)
    return parsed
