"""Shows a fault: its schedule with the switch on, where its property must break, and off, where everything must hold."""

from __future__ import annotations

from dataclasses import replace

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.simulation.liveness import LIVENESS, recovery_failure
from kubeproof.conformance.simulation.recorder import Recorder
from kubeproof.conformance.simulation.recording import Recording
from kubeproof.conformance.simulation.registry import Fault, mistakes
from kubeproof.conformance.trace.run import LineSink
from kubeproof.conformance.verdict import Result, Verdict
from kubeproof.impl.cluster.client import Client
from kubeproof.impl.cluster.script import Script
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.sim.world import World


def demonstrate(fault: Fault, *, on: bool, limits: Limits, file: LineSink | None = None) -> Result:
    """Run the fault's schedule and judge it; the Run goes to `file`. Recovery is judged for faults that break liveness."""
    bugs = [fault.name] if on else []
    settings = replace(Settings(), **{**fault.options, **({} if on else fault.off)})
    world = World(0)
    recording = Recording("raft", {"schedule": fault.steps.__name__, "bugs": bugs}, limits, file)
    script = Script(world, settings, mistakes(bugs), Recorder(world, recording.take, reads=True))
    fault.steps(script)
    failure = None
    if fault.breaks == LIVENESS and recording.violation is None:
        failure = recovery_failure(script.cluster, Client(script.cluster, every_ms=1, reads=False), script.pass_timeout)
    subject = f"{fault.name} {'on' if on else 'off'}"
    details = {**recording.counts(), "schedule": fault.steps.__name__}
    if recording.violation is not None:
        verdict, broken, message = Verdict.VIOLATED, recording.violation.property, recording.violation.message
        return Result(subject, "simulation", verdict, broken, message, 0.0, details)
    if failure is not None:
        return Result(subject, "simulation", Verdict.VIOLATED, LIVENESS, failure, 0.0, details)
    return Result(subject, "simulation", Verdict.HOLDS, None, "", 0.0, details)
