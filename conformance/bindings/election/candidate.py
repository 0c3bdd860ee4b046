"""A candidate as a component: the elector, its connection to the API server, its clock, and the guarded work.

A request waits at the candidate until the API server takes it, and its answer until it arrives, so that it can be given up at
any moment in between: then nobody knows whether it was applied, or will be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from kubeproof.conformance.bindings.election import versions
from kubeproof.conformance.bindings.election.labels import elector_labels
from kubeproof.conformance.explore.system import Event, Message, Step
from kubeproof.impl.election import Answer, Elector, ElectorState, Phase, Request, Signal, Tick, Verb, works

CRASHES, CANCELS, FAILURES, PAUSES = "crashes", "cancels", "failures", "pauses"
COSTS = {Signal.CRASH: CRASHES, Signal.CANCEL: CANCELS, Signal.REQUEST_FAILED: FAILURES}

SIGNALS = {signal: Event(signal.value, costs=COSTS.get(signal)) for signal in Signal}
SERVE = {verb: Event(f"lease_{verb.value}") for verb in Verb}
"""The API server takes the request in flight."""
SERVE_LATE = "lease_update_late"
"""The API server takes a request that its sender has given up."""
ANSWER = Event("elector_answer")
PAUSE, RESUME = Event("process_pause", costs=PAUSES), Event("process_resume")
WRITE = Event("work_write")
TICK, SKIP = Event("tick"), Event("skip")
"""Parts of time passing: the clock goes on by one tick, or it is slow and does not."""


class Call(NamedTuple):
    """A request reaches the API server; nobody waits for the answer to one that was given up."""

    request: Request
    awaited: bool = True


class Written(NamedTuple):
    """The Lease has a new version. Candidates do not notice: this keeps their states canonical."""


class Write(NamedTuple):
    """A write of the guarded work to the resource, with the fencing token."""

    token: int


class Candidate(NamedTuple):
    """Times are ticks of the candidate's own clock."""

    elector: ElectorState
    answer: Answer | None = None
    """The answer under way to the request in flight."""
    late: frozenset[Request] = frozenset()
    """Requests that were given up, and may be applied yet."""
    drained: int = 0
    """For how long the guarded work goes on after its context has ended."""
    credit: int = 0
    """Ticks that the clock has to take until it may skip one again."""
    paused: bool = False
    left: bool = False
    """Run has returned, and did not try to give back the lease that it believed to hold."""


@dataclass(frozen=True, slots=True)
class CandidateComponent:
    """What a candidate does. `lease` and `resource` are components; `without` are events that never happen.

    `latency` lets answers take time, and requests that were given up be applied. `slow_clocks` is k if a clock may skip one tick
    of k, 0 if all clocks are equal; `drain` the ticks after which the guarded work has returned. Versions are as in versions.py
    if `relative`, else as they are.
    """

    elector: Elector
    lease: int
    resource: int | None = None
    latency: bool = False
    slow_clocks: int = 0
    drain: int = 0
    relative: bool = True
    wall_time: int | None = None
    without: frozenset[Event] = field(default_factory=frozenset)

    def initial(self) -> Candidate:
        """Run was not called yet."""
        return Candidate(self.elector.initial(self.wall_time))

    def events(self, state: Candidate) -> Iterator[Event]:
        """What the candidate and its connection may do, each by itself."""
        yield from (Event(SERVE_LATE, request) for request in state.late)
        if state.elector.request is not None and state.answer is None:
            yield SERVE[state.elector.request.verb]
        if state.paused:
            yield RESUME
            return
        yield from (event for event in (*SIGNALS.values(), PAUSE) if event not in self.without)
        if state.answer is not None:
            yield ANSWER
        if self.resource is not None and works(state.elector):
            yield WRITE

    def step(self, state: Candidate, event: Event) -> Step | None:
        """One of these events, or a part of time passing."""
        elector = state.elector
        if event in (TICK, SKIP):
            return self._time_passes(state, ticks=event == TICK)
        if event == ANSWER:
            assert state.answer is not None
            return self._happens(state, state.answer)
        if event == PAUSE:
            return Step(state._replace(paused=True)) if self._runs(elector) else None
        if event == RESUME:
            return Step(state._replace(paused=False))
        if event == WRITE:
            assert self.resource is not None
            return Step(state, (Message(self.resource, Write(elector.fencing_token), synchronous=True),))
        if event.name == SERVE_LATE:
            assert isinstance(event.argument, Request)
            left = state._replace(late=state.late - {event.argument})
            return Step(left, (Message(self.lease, Call(event.argument, awaited=False), synchronous=True),))
        if elector.request is not None and event == SERVE[elector.request.verb]:
            return Step(state, (Message(self.lease, Call(elector.request), synchronous=True),))
        return self._happens(state, Signal(event.name))

    def receive(self, state: Candidate, body: Written | Answer) -> Step | None:
        """What comes from the Lease. Who is paused takes an answer later."""
        if isinstance(body, Written):
            answer = state.answer
            return Step(
                state._replace(
                    elector=versions.aged(state.elector),
                    answer=None if answer is None else versions.aged_answer(answer, state.elector.observed_version),
                    late=versions.can_still_be_applied(state.late),
                )
            )
        return Step(state._replace(answer=body)) if self.latency or state.paused else self._happens(state, body)

    def slack(self, state: Candidate) -> int | None:
        """Ticks that may pass until a timer of the elector is due, or the guarded work must have returned; None is any number."""
        bounds = [] if (left := self.elector.slack(state.elector)) is None else [left]
        if _drains(state.elector):
            bounds.append(self.drain - state.drained)
        return min(bounds, default=None)

    def _runs(self, elector: ElectorState) -> bool:
        return elector.phase not in (Phase.IDLE, Phase.STOPPED) or works(elector)

    def _time_passes(self, state: Candidate, *, ticks: bool) -> Step | None:
        if not state.paused and self.slack(state) == 0:
            return None
        if not ticks:
            return None if state.credit else Step(self._canonical(state._replace(credit=self.slow_clocks - 1)))
        ticked = self.elector.step(state.elector, Tick(1))
        assert ticked is not None
        drained = min(state.drained + 1, self.drain)
        return Step(self._canonical(state._replace(elector=ticked[0], drained=drained, credit=max(0, state.credit - 1))))

    def _happens(self, state: Candidate, event: Signal | Answer) -> Step | None:
        """The elector takes a step."""
        before = state.elector
        stepped = self.elector.step(before, event)
        if stepped is None:
            return None
        elector, _ = stepped
        answer, late = state.answer, state.late
        if elector.request_id != before.request_id:  # it has given up its request
            if answer is None and before.request is not None and self._can_be_applied(before.request):
                late |= {before.request}
            answer = None
        elif isinstance(event, Answer):
            answer = None
        left = event is not Signal.CRASH and self._leaves(before, elector)
        reached = Candidate(elector, answer, late, state.drained, state.credit, left=left)
        return Step(self._canonical(reached), labels=tuple(elector_labels(before, event, elector)))

    def _can_be_applied(self, request: Request) -> bool:
        """Whether a request that was given up before the API server took it may still change the Lease."""
        stale = self.relative and request.resource_version == versions.STALE
        return self.latency and request.verb is not Verb.GET and not stale

    def _leaves(self, before: ElectorState, after: ElectorState) -> bool:
        """Whether Run returns without a try to give back the lease."""
        if not self.elector.options.release_on_cancel or after.phase is not Phase.STOPPED or not self.elector.is_leader(before):
            return False
        return before.phase in (Phase.RENEW, Phase.RENEW_RETRY, Phase.RENEW_WAIT, Phase.DRAIN)

    def _canonical(self, state: Candidate) -> Candidate:
        elector = versions.canonical(state.elector)
        if self.relative:
            elector = versions.settled(elector)
        return state._replace(
            elector=elector,
            drained=state.drained if _drains(elector) else 0,
            credit=state.credit if self._runs(elector) else 0,
        )


def _drains(elector: ElectorState) -> bool:
    return elector.working and not elector.guarded
