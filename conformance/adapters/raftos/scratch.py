"""Ways taken again from scratch: in a fresh Python process, by nodes that are never brought into a state.

Each is started once, and again where it restarts, on what it has written itself. It is handed what the others have sent there.
After each step its state and its messages must be what they were: else what was explored is not what the package does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from kubeproof.conformance.adapters.raftos.process import Process, Surroundings
from kubeproof.conformance.adapters.raftos.release import RELEASE
from kubeproof.conformance.explore.counterexample import Way
from kubeproof.conformance.explore.system import Event, Message
from kubeproof.conformance.nodes.cluster import Delivered
from kubeproof.conformance.nodes.member import Member, Panicked
from kubeproof.conformance.nodes.node import RESTART
from kubeproof.conformance.nodes.node import Event as NodeEvent
from kubeproof.conformance.verdict import InvalidInput


def retake(members: int, ways: Sequence[Way]) -> None:
    """InvalidInput names the first step that comes to something else."""
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        for difference in fresh.map(first_difference, [members] * len(ways), ways):
            if difference is not None:
                raise InvalidInput(RELEASE.name, None, f"takes another way from scratch: {difference}")


def first_difference(members: int, way: Way) -> str | None:
    """The first step that comes to something else, None if there is none."""
    cluster = _Cluster(members)
    for position, (action, _) in enumerate(way, 1):
        for component, cause, step in action.taken:
            expected = step.state.state if isinstance(step.state, Member) else step.state
            sends = tuple([each.body.message for each in step.sends if isinstance(each.body, Delivered)])
            seen = cluster.take(component + 1, cause)
            if seen != (expected, sends):
                return f"step {position}: was {(expected, sends)}, now {seen}"
    return None


def last_words(error: Exception) -> str:
    """What a node dies of."""
    return f"{type(error).__name__}: {error}"


class _Cluster:
    """Nodes that share a loop and a disk, on which each has files of its own."""

    def __init__(self, members: int) -> None:
        self._members, self._surroundings = members, Surroundings()
        self._processes: dict[int, Process] = {}
        self._dead: dict[int, Panicked] = {}

    def take(self, number: int, cause: Event | Message) -> tuple[object, tuple[object, ...]]:
        """What a step comes to, and what is sent. Who is dead hears nothing."""
        if number not in self._dead:
            try:
                self._how(number, cause)()
            except Exception as error:
                self._dead[number] = Panicked(number, last_words(error))
        if number in self._dead:
            return self._dead[number], ()
        return self._processes[number].read(), self._processes[number].sent()

    def _how(self, number: int, cause: Event | Message) -> Callable[[], None]:
        if number not in self._processes:
            self._start(number)
        process = self._processes[number]
        if isinstance(cause, Message):
            assert isinstance(cause.body, Delivered)
            sender, message = cause.body
            return lambda: process.receive(sender, message.body)
        if cause.name == RESTART:
            return lambda: self._start(number)
        return lambda: process.happen(NodeEvent(cause.name, cause.argument))

    def _start(self, number: int) -> None:
        self._processes[number] = Process(number, self._members, self._surroundings)
        self._processes[number].start()
