"""Members that take a schedule from scratch (scratch.py): each is one object of the package, which is never loaded."""

from __future__ import annotations

import pickle
from collections.abc import Hashable
from pathlib import Path
from types import TracebackType

from kubeproof.conformance.adapters.pysyncobj import versions
from kubeproof.conformance.adapters.pysyncobj.node import PySyncObj, sent
from kubeproof.conformance.adapters.pysyncobj.process import Local, Process, Settings, frozen
from kubeproof.conformance.adapters.pysyncobj.scratch import Asked, Told
from kubeproof.conformance.nodes.cluster import BREAK, Delivered
from kubeproof.conformance.nodes.node import RESTART, Answer, Event, Observed, Sent


class NotDelivered(Exception):
    """The schedule delivers what is not there."""


class Members:
    """All members of a cluster, on journals in a folder. Messages are handed from one to the other."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._module = versions.load(settings.version)
        self._node = PySyncObj(*settings)
        self._journals = {number: folder / f"journal{number}" for number in range(1, settings.members + 1)}
        self._processes = {number: self._started(number) for number in self._journals}
        self._sent: dict[tuple[int, int, Hashable], bytes] = {}

    def __enter__(self) -> Members:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._processes.values():
            process.destroy()

    def take(self, asked: Asked) -> Told:
        """What happens next."""
        number, cause, receivers = asked
        between: list[Observed] = []
        try:
            if isinstance(cause, Delivered):
                self._receive(number, cause.sender, cause.message)
                between.append(self._node.observe(number, self._seen(number)))
                self._processes[number].tick()
            elif cause.name == BREAK:
                assert isinstance(cause.argument, int)
                self._break(number, cause.argument)
                return Told(None)
            elif cause.name == RESTART:
                self._restart(number)
            else:
                self._happen(number, cause)
        except Exception as error:
            return Told(None, f"{type(error).__name__}: {error}")
        return Told(Answer(self._seen(number), self._posted(number, receivers), tuple(between)))

    # ---- how they are started, and how messages go

    def _started(self, number: int) -> Process:
        return Process(self._module, self._settings, number, self._journals[number])

    def _restart(self, number: int) -> None:
        self._processes[number].destroy()
        self._processes[number] = self._started(number)
        self._processes[number].tick()

    def _break(self, one: int, other: int) -> None:
        """What is under way is lost: the schedule delivers none of it."""

    def _happen(self, number: int, event: Event) -> None:
        self._node.happen(self._processes[number], number, event)

    def _receive(self, number: int, sender: int, message: Sent) -> None:
        """As it was sent."""
        if (sender, number, message.body) not in self._sent:
            raise NotDelivered(f"member {sender} has not sent this message")
        self._processes[number].receive(sender, pickle.loads(self._sent[sender, number, message.body]))

    def _posted(self, number: int, receivers: tuple[int, ...]) -> tuple[Sent, ...]:  # noqa: ARG002 (over TCP they matter)
        posted, self._processes[number].posted = self._processes[number].posted, []
        for to, message in posted:
            self._sent[number, to, frozen(message)] = pickle.dumps(message)
        return tuple([sent(to, message) for to, message in posted])

    def _seen(self, number: int) -> Local:
        """Its log is the one on its disk."""
        journal = self._module.createJournal(str(self._journals[number]))
        try:
            return self._processes[number].read(journal.getRaftCommitIndex())._replace(log=tuple(journal[:]))
        finally:
            journal._destroy()
