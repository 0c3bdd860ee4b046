"""A way through the state space as a Run of Raft, for the trace checker and for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kubeproof.conformance.bindings.raft.member import RESTART, Members, Panicked
from kubeproof.conformance.explore import system
from kubeproof.conformance.explore.system import Action, Local
from kubeproof.conformance.simulation.recorder import Recorder
from kubeproof.conformance.trace import raft_events
from kubeproof.impl.raft.types import Message
from kubeproof.impl.sim.world import World


def record(members: Members, actions: Sequence[Action]) -> list[raft_events.Event]:
    """Take the steps once more, from the start of every member on, and note what happens."""
    events: list[raft_events.Event] = []
    recorder = Recorder(World(0), events.append, reads=False)
    traced = replace(members, trace=recorder.trace)
    states: list[Local] = list(traced.initial())
    for action in actions:
        component, message = action.component, action.message
        if action.name in ("drop", "duplicate"):
            assert message is not None
            assert isinstance(message.body, Message)
            recorder.network(action.name, 0, 0, message.body)
            continue
        if action.name == RESTART.name:
            recorder.observe("crash", component + 1, {"lost_writes": 0})
        [(_, cause, _)] = action.taken
        if isinstance(cause, system.Message):
            step = traced.receive(component, states[component], cause)
        else:
            step = traced.step(component, states[component], cause)
        assert step is not None
        states[component] = step.state
        if isinstance(step.state, Panicked):
            recorder.observe("panic", component + 1, {"reason": step.state.reason})
    return events
