"""Whole runs of simulated clusters as lists of events, made without a checker: they go on behind a violation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kubeproof.conformance.simulation.plan import Plan
from kubeproof.conformance.simulation.recorder import Recorder
from kubeproof.conformance.simulation.registry import Fault, mistakes
from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.trace.raft import RaftChecker, Violation
from kubeproof.impl.cluster.client import Client
from kubeproof.impl.cluster.cluster import Cluster
from kubeproof.impl.cluster.environment import Environment
from kubeproof.impl.cluster.script import Script
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.sim.network import Network
from kubeproof.impl.sim.world import World


def planned_run(plan: Plan) -> list[events.Event]:
    """The first `plan.events` events of a plan's run."""
    world = World(plan.seed)
    run: list[events.Event] = []

    def take(event: events.Event) -> None:
        run.append(event)
        if len(run) >= plan.events:
            world.stop()

    recorder = Recorder(world, take, reads=plan.reads)
    network = Network(world, recorder.network)
    cluster = Cluster(world, network, plan.settings, mistakes(plan.bugs), recorder)
    cluster.bootstrap(range(1, plan.nodes + 1))
    Client(cluster, plan.client_ms, reads=plan.reads).start()
    Environment(cluster, network, plan.faults, plan.fault_ms).start()
    world.run()
    return run


def scheduled_run(fault: Fault, *, on: bool) -> list[events.Event]:
    """All events of a fault's schedule."""
    settings = replace(Settings(), **{**fault.options, **({} if on else fault.off)})
    world = World(0)
    run: list[events.Event] = []
    fault.steps(Script(world, settings, mistakes([fault.name] if on else []), Recorder(world, run.append, reads=True)))
    return run


def first_violation(run: list[events.Event], options: Mapping[str, Any] | None = None) -> Violation | None:
    """What the Raft checker finds; its `event` counts from 1. `options` are those of the Run's header."""
    checker = RaftChecker(options)
    try:
        for line, event in enumerate(run, 1):
            checker.take(line, event)
    except Violation as violation:
        return violation
    return None
