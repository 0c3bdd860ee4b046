"""What stands for consensus: one log, to which proposals are appended at once, in one order for all members."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kubeproof.conformance.bindings.store import menu
from kubeproof.conformance.bindings.store.history import Log, history
from kubeproof.conformance.bindings.store.member import Entry, Fetch, ReadIndex
from kubeproof.conformance.explore.system import Event, Message, Step
from kubeproof.impl.store.requests import CompactionRequest, Request

PROPOSALS, COMPACTIONS = "proposals", "compactions"
PROPOSE, COMPACT = "propose", "propose_compaction"


class Proposed(NamedTuple):
    """The log."""

    log: Log = ()


@dataclass(frozen=True, slots=True)
class LogComponent:
    """The log, and the clients that propose. What a server refuses before consensus is not proposed."""

    requests: tuple[Request, ...]

    def events(self, state: Proposed) -> Iterator[Event]:
        """A client proposes one of the requests, or a compaction."""
        yield from (Event(PROPOSE, request, PROPOSALS) for request in self.proposals(state.log))
        yield from (Event(COMPACT, request, COMPACTIONS) for request in menu.compactions(history(state.log)))

    def proposals(self, _: Log) -> Iterable[Request]:
        """What may come next in a log, besides compactions."""
        return self.requests

    def step(self, state: Proposed, event: Event) -> Step:
        """Append a proposal."""
        request: Request = event.argument  # type: ignore[assignment]
        return Step(Proposed((*state.log, request)))

    def receive(self, state: Proposed, body: Fetch | ReadIndex) -> Step | None:
        """Give a member its next entry; or let it answer if it has them all."""
        if isinstance(body, ReadIndex):
            return Step(state) if body.place == len(state.log) else None
        if body.place >= len(state.log):
            return None
        return Step(state, (Message(body.member, Entry(state.log[body.place]), synchronous=True),))


@dataclass(frozen=True, slots=True)
class Script(LogComponent):
    """The requests are proposed in their order, again and again: so each revision has the same changes in all runs."""

    def proposals(self, log: Log) -> Iterable[Request]:
        """The next of the requests."""
        written = sum(not isinstance(each, CompactionRequest) for each in log)
        yield self.first(written + 1)[-1]

    def first(self, count: int) -> Log:
        """So many of them, as a log without compactions."""
        return tuple(self.requests[number % len(self.requests)] for number in range(count))
