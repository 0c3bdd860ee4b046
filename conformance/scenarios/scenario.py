"""Scenarios: YAML files that name a system, its size, and what is expected of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from kubeproof.conformance.adapters.nodes import require_no_program
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.ndjson import explained
from kubeproof.conformance.refinement.refine import BINDINGS
from kubeproof.conformance.scenarios.systems import SYSTEMS
from kubeproof.conformance.verdict import InvalidInput, Verdict

FOLDER = Path(__file__).parent
QUICK, FULL, BUGS = GROUPS = ("quick", "full", "bugs")
"""Folders of scenarios: those that `kubeproof verify` explores, big ones, and those of documented bugs."""
SIZE_MAX = 64
BYTES_MAX = 1 << 16
"""Of sizes in bytes, which are called `..._bytes`."""
FILE_BYTES_MAX = 1 << 20


class Pinned(msgspec.Struct, forbid_unknown_fields=True):
    """How many distinct states there are at this size; of a violated scenario, up to the level in which the violation is met.

    What `size` does not name is as in the scenario.
    """

    size: dict[str, int]
    states: int


class Bug(msgspec.Struct, forbid_unknown_fields=True):
    """A documented bug that the scenario must find. The control has its faults switched off, and these options and sizes.

    Where the bug is a fault's, `reference` is that of its declaration. Where it is somebody else's, the control has another
    `node`, in which it is mended. `refused_by` says why it takes steps that are none of a specification: the guard
    ("action.guard") that some do not meet, or what they make something else of.
    """

    reference: str | None = None
    control: dict[str, bool | int] = {}
    node: str | None = None
    refused_by: dict[str, str] = {}


class Scenario(msgspec.Struct, forbid_unknown_fields=True):
    """`size` and `options` are the arguments of the system's model; `--set` changes them.

    A `node` is whose implementation is explored, where the system is a cluster of anybody's; `leaves_out` are properties that are
    not asked for. All its local steps must be steps of the specifications in `refines`.
    """

    system: str
    expected: Verdict
    size: dict[str, int] = {}
    options: dict[str, bool] = {}
    faults: list[str] = []
    node: str | None = None
    leaves_out: list[str] = []
    property: str | None = None
    distinct: list[Pinned] = []
    bug: Bug | None = None
    refines: list[str] = []

    def pinned(self) -> int | None:
        """The count that is pinned for this size."""
        return next((each.states for each in self.distinct if each.size == self.size), None)

    def model(self) -> Model:
        """The model at this size."""
        others = {"faults": self.faults, "node": self.node, "leaves_out": self.leaves_out}
        return SYSTEMS[self.system](**self.size, **self.options, **{name: value for name, value in others.items() if value})

    def control(self) -> Scenario:
        """The same without the bug."""
        assert self.bug is not None
        options = {key: value for key, value in self.bug.control.items() if isinstance(value, bool)}
        size = {key: value for key, value in self.bug.control.items() if key not in options}
        return msgspec.structs.replace(
            self,
            expected=Verdict.HOLDS,
            property=None,
            size=self.size | size,
            distinct=[],
            faults=[],
            options=self.options | options,
            node=self.bug.node or self.node,
            leaves_out=[],
            bug=None,
        )


def shipped(group: str = QUICK) -> list[Path]:
    """The scenarios of a group that come with the program."""
    return sorted((FOLDER / group).glob("*.yaml"))


def load(name: str, settings: Iterable[str] = (), node: str | None = None) -> Scenario:
    """A scenario that ships, or a file of one's own, with `KEY=VALUE` settings. InvalidInput names what is wrong.

    With a `node` it is a scenario of that implementation; what is expected of it and pinned are then those of any sound one.
    """
    scenario = _read(_path(name), name)
    if node is None:
        require_no_program(name, scenario.node)
        return checked(name, scenario, settings)
    return checked(name, _of(node, scenario), settings)


def checked(name: str, scenario: Scenario, settings: Iterable[str] = ()) -> Scenario:
    """The scenario with every size that its system has, if it can be explored. InvalidInput names what is wrong."""
    if scenario.system not in SYSTEMS:
        raise InvalidInput(name, None, f"system: expected one of {', '.join(SYSTEMS)}, got {scenario.system!r}")
    known = inspect.signature(SYSTEMS[scenario.system]).parameters
    sizes = {key: each.default for key, each in known.items() if type(each.default) is int}
    options = {key: each.default for key, each in known.items() if type(each.default) is bool}
    scenario.size = sizes | scenario.size
    for each in scenario.distinct:
        each.size = scenario.size | each.size
    _require_known(name, "options", scenario.options, options)
    if scenario.bug is not None:
        _require_known(name, "bug.control", scenario.bug.control, {**options, **sizes})
        for key, value in scenario.bug.control.items():
            if isinstance(value, bool) != (key in options):
                expected = "true or false" if key in options else "a number"
                raise InvalidInput(name, None, f"bug.control.{key}: expected {expected}, got {value}")
    for field, specs in (("refines", scenario.refines), ("bug.refused_by", scenario.bug.refused_by if scenario.bug else ())):
        _require_known(name, field, specs, BINDINGS)
    for setting in settings:
        _set(scenario, setting, options)
    _require_known(name, "size", scenario.size, sizes)
    for key, value in scenario.size.items():
        most = BYTES_MAX if key.endswith("_bytes") else SIZE_MAX
        if not min(1, sizes[key]) <= value <= most:
            raise InvalidInput(name, None, f"size.{key}: expected {min(1, sizes[key])} to {most}, got {value}")
    for field, given in (("faults", scenario.faults), ("node", scenario.node), ("leaves_out", scenario.leaves_out)):
        if given and field not in known:
            raise InvalidInput(name, None, f"{field}: expected none for the system {scenario.system}")
    if "node" in known and scenario.node is None:
        raise InvalidInput(name, None, "node: expected whose implementation it is")
    return scenario


def _of(node: str, scenario: Scenario) -> Scenario:
    """The scenario with another implementation; one of our own Raft becomes one of a cluster of nodes, in the same bounds."""
    return msgspec.structs.replace(
        scenario,
        system="raft-nodes" if scenario.system == "raft" else scenario.system,
        node=node,
        expected=Verdict.HOLDS,
        property=None,
        faults=[],
        leaves_out=[],
        distinct=[],
        bug=None,
        refines=[],
    )


def _path(name: str) -> Path:
    if "/" in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    ships = [FOLDER / group / f"{name}.yaml" for group in GROUPS]
    return next((path for path in ships if path.exists()), ships[0])


def _require_known(name: str, field: str, given: Iterable[str], known: Iterable[str]) -> None:
    for key in given:
        if key not in known:
            raise InvalidInput(name, None, f"{field}: expected {', '.join(known) or 'none'}, got {key!r}")


def _set(scenario: Scenario, text: str, options: Mapping[str, bool]) -> None:
    """Change a size or an option. Counts are pinned for the options in the file."""
    key, equals, value = text.partition("=")
    if equals and key in options and value in ("true", "false"):
        if scenario.options.get(key, options[key]) != (value == "true"):
            scenario.options = scenario.options | {key: value == "true"}
            scenario.distinct = []
    elif equals and key not in options and value.isascii() and value.isdigit() and len(value) < 10:
        scenario.size[key] = int(value)
    else:
        expected = "true or false" if key in options else "a number"
        raise InvalidInput("--set", None, f"expected KEY=VALUE with {expected}, got {text!r}")


def _read(path: Path, name: str) -> Scenario:
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        known = ", ".join(each.stem for group in GROUPS for each in shipped(group))
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
