"""A way through the state space as a Run of Raft, for the trace checker and for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kubeproof.conformance.bindings.raft.member import CUT_OFF, RECONNECT, RESTART, STOP, Members
from kubeproof.conformance.bindings.raft.prepare import before, prepared
from kubeproof.conformance.bindings.raft.process import Watch
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Panicked, Running
from kubeproof.conformance.explore import system
from kubeproof.conformance.explore.system import Action, Local
from kubeproof.conformance.simulation.recorder import Recorder
from kubeproof.conformance.trace import raft_events
from kubeproof.impl.raft.types import Message
from kubeproof.impl.sim.world import World


def record(setup: Setup, actions: Sequence[Action]) -> list[raft_events.Event]:
    """Take the steps once more, the prepared ones first, and note what happens."""
    events: list[raft_events.Event] = []
    recorder = _Observer(events)
    watch = Watch(recorder.trace, recorder.observe)
    _, way = prepared(setup)
    begun = replace(before(setup), watch=watch)
    states = list(begun.initial())
    _retake(recorder, begun, states, way)
    _retake(recorder, Members(setup, watch), states, actions)
    return events


def _retake(recorder: Recorder, members: Members, states: list[Local], actions: Sequence[Action]) -> None:
    for action in actions:
        if not action.taken:
            assert action.message is not None
            assert isinstance(action.message.body, Message)
            recorder.network(action.name, 0, 0, action.message.body)
        for component, cause, _ in action.taken:
            _note(recorder, members, component, states[component], cause)
            if isinstance(cause, system.Message):
                step = members.receive(component, states[component], cause)
            else:
                step = members.step(component, states[component], cause)
            assert step is not None
            states[component] = step.state
            if isinstance(step.state, Panicked):
                recorder.observe("panic", component + 1, {"reason": step.state.reason})


def _note(recorder: Recorder, members: Members, component: int, state: Local, cause: system.Event | system.Message) -> None:
    """What happens to a member besides what it does."""
    if not isinstance(cause, system.Event) or not isinstance(state, Running):
        return
    if cause.name in (RESTART, STOP):
        lost = len(state.writes) if state.ready is None else 1
        recorder.observe("crash", component + 1, {"lost_writes": lost})
    elif cause.name == CUT_OFF:
        others = tuple([member for member in members.setup.ids if member != component + 1])
        recorder.partition(((component + 1,), others))
    elif cause.name == RECONNECT:
        recorder.partition(())


class _Observer(Recorder):
    """A read that is asked again may be answered twice; the first answer counts."""

    def __init__(self, events: list[raft_events.Event]) -> None:
        super().__init__(World(0), events.append, reads=True)
        self._answered: set[str] = set()

    def observe(self, action: str, id_: int, arguments: Mapping[str, object]) -> None:
        if action == "read_served":
            if arguments["id"] in self._answered:
                return
            self._answered.add(str(arguments["id"]))
        super().observe(action, id_, arguments)
