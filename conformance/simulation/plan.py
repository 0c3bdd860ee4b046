"""What one simulated run is made of; equal plans make equal Runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kubeproof.conformance.simulation.options import changed_options, varied_settings
from kubeproof.conformance.simulation.registry import FAULTS, needed_options
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.cluster.environment import ENVIRONMENT_FAULTS
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.sim.streams import Stream
from kubeproof.impl.sim.world import SEED_MAX

NODES_MAX = 99
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
        """For the header of the Run: all that is not as usual."""
        described: dict[str, Any] = {"nodes": self.nodes, "seed": self.seed, "events": self.events}
        if self.faults:
            described["faults"] = self.faults
        if self.bugs:
            described["bugs"] = self.bugs
        if self.liveness:
            described["liveness"] = True
        return described | changed_options(self.settings)


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
    if not 1 <= nodes <= NODES_MAX:
        raise InvalidInput("--nodes", None, f"expected 1 to {NODES_MAX}, not {nodes}")
    if not 0 <= seed <= SEED_MAX:
        raise InvalidInput("--seed", None, f"expected 0 to {SEED_MAX}, not {seed}")
    if events < 1:
        raise InvalidInput("--events", None, f"expected at least 1, not {events}")
    if options.get("tick_ms", 1) < 1:
        raise InvalidInput("--option", None, "expected tick_ms of at least 1")
    ordered_faults = _known("--faults", faults, ENVIRONMENT_FAULTS)
    ordered_bugs = _known("--bug", bugs, FAULTS)
    settings = replace(Settings(), **{**needed_options(ordered_bugs), **options})
    # Lease-based reads trust clocks more than this world promises (docs/faults.md): they are judged where that is asked for.
    reads = not settings.lease_based_reads or "lease_outlives_election" in ordered_bugs
    return Plan(nodes, seed, events, ordered_faults, ordered_bugs, settings, reads, liveness)


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
