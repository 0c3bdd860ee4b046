"""What one simulated run is made of; equal plans make equal Runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from kubeproof.conformance.ndjson import explained
from kubeproof.conformance.simulation.options import DEFAULTS, changed_options, varied_settings
from kubeproof.conformance.simulation.registry import FAULTS, needed_options
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.cluster.environment import ENVIRONMENT_FAULTS
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.raft.types import NO_LIMIT
from kubeproof.impl.sim.streams import Stream
from kubeproof.impl.sim.world import SEED_MAX

NODES_MAX = 99
EVENTS_MAX = 2**63 - 1
TIME_MAX = 100_000
TIMES = frozenset({"election_tick", "tick_ms", "disk_ms", "apply_ms", "answer_ms"})
"""Settings of which more than TIME_MAX would let nothing happen for very long."""
USUAL = Settings()


@dataclass(frozen=True, slots=True)
class Plan:
    """`events` bounds the phase with faults; times are the average distance of client calls and of environment faults.

    `reads` asks for linearizable reads. With `liveness` everything heals after that phase and the cluster must recover.
    """

    nodes: int
    seed: int
    events: int
    faults: tuple[str, ...] = ()
    bugs: tuple[str, ...] = ()
    settings: Settings = USUAL
    reads: bool = True
    liveness: bool = False
    client_ms: int = 5
    fault_ms: int = 60

    def options(self) -> dict[str, Any]:
        """For the header of the Run: size, seed, and all that is not as usual."""
        described = changed_options(self)
        return described | changed_options(described.pop("settings", USUAL))


def plan_of(
    *,
    nodes: int,
    seed: int,
    events: int,
    faults: Collection[str],
    bugs: Collection[str],
    options: Mapping[str, Any],
    liveness: bool,
) -> Plan:
    """A plan from what a user asks for. InvalidInput names what is wrong."""
    ordered_faults = _known("--faults", faults, ENVIRONMENT_FAULTS)
    ordered_bugs = _known("--bug", bugs, FAULTS)
    settings = replace(Settings(), **{**needed_options(ordered_bugs), **options})
    # Lease-based reads trust clocks more than this world promises (docs/faults.md): they are judged where that is asked for.
    reads = not settings.lease_based_reads or "lease_outlives_election" in ordered_bugs
    return _checked(Plan(nodes, seed, events, ordered_faults, ordered_bugs, settings, reads, liveness))


def plan_from(options: Mapping[str, Any]) -> Plan:
    """The plan whose `options` these are. InvalidInput names what is wrong."""
    parts: dict[str, Any] = {"settings": {}}
    for name, value in options.items():
        if name in DEFAULTS:
            parts["settings"][name] = value
        elif name in Plan.__slots__ and name != "settings":
            parts[name] = value
        else:
            raise InvalidInput("options", None, f"unknown option {name!r}")
    try:
        plan = msgspec.convert(parts, Plan)
    except msgspec.ValidationError as error:
        raise InvalidInput("options", None, explained(str(error), Plan)) from error
    faults, bugs = _known("faults", plan.faults, ENVIRONMENT_FAULTS), _known("bugs", plan.bugs, FAULTS)
    return _checked(replace(plan, faults=faults, bugs=bugs))


def _checked(plan: Plan) -> Plan:
    """The plan, if all of it is in range."""
    times = (1, TIME_MAX)
    bounds = {"nodes": (1, NODES_MAX), "seed": (0, SEED_MAX), "events": (1, EVENTS_MAX), "client_ms": times, "fault_ms": times}
    for name, (least, most) in bounds.items():
        _require_range(name, getattr(plan, name), least, most)
    for name, value in asdict(plan.settings).items():
        _require_range(name, value, int(name == "tick_ms"), TIME_MAX if name in TIMES else NO_LIMIT)
    return plan


def _require_range(name: str, value: int | tuple[int, int], least: int, most: int) -> None:
    first, last = value if isinstance(value, tuple) else (value, value)
    if not least <= first <= last <= most:
        raise InvalidInput(name, None, f"expected {least} to {most}, not {value}")


def varied_plan(seed: int, events: int) -> Plan:
    """Size, options and environment drawn from the seed, each fault with good probability, and recovery demanded.

    A cluster that starts with one voter is asked for no reads: while it is alone it answers them at once, which is a known hole
    (docs/faults.md, single_voter_reads_at_once).
    """
    stream = Stream(seed, "plan")
    nodes = stream.choose((1, 2, 3, 3, 3, 4, 5, 5, 7))
    faults = tuple(name for name in ENVIRONMENT_FAULTS if stream.chance(0.7))
    fault_ms = stream.choose((20, 60, 200))
    return Plan(nodes, seed, events, faults, (), varied_settings(seed), nodes > 1, True, fault_ms=fault_ms)


def _known(option: str, names: Collection[str], known: Iterable[str]) -> tuple[str, ...]:
    """The names in the order of the known ones."""
    ordered = tuple(name for name in known if name in names)
    unknown = sorted(set(names) - set(ordered))
    if unknown:
        raise InvalidInput(option, None, f"unknown {', '.join(unknown)}; known are {', '.join(known)}")
    return ordered
