"""Random runs of a simulated cluster, checked while they are made."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.simulation.liveness import LIVENESS, recovery_failure
from kubeproof.conformance.simulation.plan import Plan, plan_of, varied_plan
from kubeproof.conformance.simulation.recorder import Recorder
from kubeproof.conformance.simulation.recording import Recording
from kubeproof.conformance.simulation.registry import mistakes
from kubeproof.conformance.trace.raft import Violation
from kubeproof.conformance.trace.run import LineSink
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict
from kubeproof.impl.cluster.client import Client
from kubeproof.impl.cluster.cluster import Cluster
from kubeproof.impl.cluster.environment import Environment
from kubeproof.impl.sim.network import Network
from kubeproof.impl.sim.world import World

VARIED_EVENTS = 3000


def simulate(
    system: str,
    *,
    nodes: int = 3,
    seed: int = 1,
    events: int = 10_000,
    faults: Collection[str] = (),
    bug: Collection[str] = (),
    options: Mapping[str, Any] | None = None,
    liveness: bool = False,
    out: str | None = None,
    limits: Limits | None = None,
) -> Result:
    """Simulate a cluster of `nodes` for `events` events and judge it. The Run goes to `out`; a violation is kept in any case.

    `faults` are names of ENVIRONMENT_FAULTS, `bug` names of FAULTS, `options` fields of Settings. InvalidInput for anything
    else.
    """
    if system != "raft":
        raise InvalidInput("SYSTEM", None, f"unknown system {system!r}; known is raft")
    plan = plan_of(nodes=nodes, seed=seed, events=events, faults=faults, bugs=bug, options=options or {}, liveness=liveness)
    return run_plan(plan, limits or Limits(), out)


def simulate_varied(seed: int, limits: Limits, events: int = VARIED_EVENTS) -> Result:
    """Simulate a cluster of which everything is drawn from the seed."""
    return run_plan(varied_plan(seed, events), limits, None)


def run_plan(plan: Plan, limits: Limits, out: str | None) -> Result:
    """Run a plan. Without `out` nothing is written unless there is a violation: then the same Run is made once more, into a
    file."""
    begun = time.perf_counter()
    with nullcontext() if out is None else _replacing(out) as file:
        outcome = run_into(plan, limits, file)
    if outcome.verdict is Verdict.VIOLATED and out is None:
        out = str(Path(tempfile.mkdtemp(prefix="kubeproof-")) / f"raft-seed-{plan.seed}.ndjson")
        with _replacing(out) as evidence:
            run_into(plan, Limits(), evidence)
    details = {**outcome.details, "run": out, "seed": plan.seed, "nodes": plan.nodes}
    if outcome.violation is not None:
        details |= outcome.violation.details(out)
    seconds = time.perf_counter() - begun
    return Result(f"raft seed {plan.seed}", "simulation", outcome.verdict, outcome.property, outcome.message, seconds, details)


@contextmanager
def _replacing(path: str) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when all is written, and not before."""
    partial = f"{path}.partial"
    try:
        with open(partial, "wb") as file:
            yield file
        os.replace(partial, path)
    except OSError as error:
        raise InvalidInput("--out", None, f"cannot write {path}: {error.strerror}") from error
    finally:
        Path(partial).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a plan."""

    verdict: Verdict
    property: str | None
    message: str
    details: dict[str, object]
    violation: Violation | None = None


def run_into(plan: Plan, limits: Limits, file: LineSink | None) -> Outcome:
    """Run a plan, and write the Run while it is made."""
    world = World(plan.seed)
    recording = Recording("raft", plan.options(), limits, file)
    recorder = Recorder(world, recording.take, reads=plan.reads)
    network = Network(world, recorder.network)
    cluster = Cluster(world, network, plan.settings, mistakes(plan.bugs), recorder)
    client = Client(cluster, plan.client_ms, reads=plan.reads)
    environment = Environment(cluster, network, plan.faults, plan.fault_ms)

    def pass_timeout() -> None:
        world.run(until_ms=world.now_ms + plan.settings.election_timeout_ms)
        environment.stop_removed()

    limit = failure = None
    try:
        recording.stop_at(plan.events, world.stop)
        _bootstrap(cluster, plan)
        client.start()
        environment.start()
        world.run()
        if plan.liveness and recording.violation is None:
            recording.stop_at(None, world.stop)
            client.stop()
            environment.heal()
            failure = recovery_failure(cluster, client, pass_timeout)
    except LimitReached as reached:
        limit = str(reached)
    violation = recording.violation
    details = recording.counts() | {"delivered": network.delivered, "environment": environment.happened}
    if violation is not None:
        return Outcome(Verdict.VIOLATED, violation.property, violation.message, details, violation)
    if failure is not None:
        return Outcome(Verdict.VIOLATED, LIVENESS, failure, details)
    if limit is not None:
        return Outcome(Verdict.UNKNOWN, None, limit, details)
    return Outcome(Verdict.HOLDS, None, "", details)


def _bootstrap(cluster: Cluster, plan: Plan) -> None:
    try:
        cluster.bootstrap(range(1, plan.nodes + 1))
    except ValueError as error:  # of raft/config.py, which knows what settings go together
        raise InvalidInput("options", None, str(error)) from error
