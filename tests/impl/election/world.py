"""A few electors, the Lease they run for, and what is in flight between them: driven by hand, or by a simple autopilot."""

from __future__ import annotations

from collections.abc import Collection

from kubeproof.impl.election import (
    NO_LEASE,
    Answer,
    Callback,
    CallbackKind,
    Elector,
    ElectorState,
    Event,
    LeaseState,
    Options,
    Output,
    Request,
    Signal,
    Tick,
    guarded_leader,
    lease_step,
)

STARTED = CallbackKind.ON_STARTED_LEADING
STOPPED = CallbackKind.ON_STOPPED_LEADING
NEW_LEADER = CallbackKind.ON_NEW_LEADER
CANCELLED = CallbackKind.GUARDED_CONTEXT_CANCELLED

TIMERS = (Signal.DEADLINE_EXCEEDED, Signal.RETRY)


class World:
    """Electors by identity. `callbacks` is all that was called so far, in order; `step_outputs` what the last event put out."""

    def __init__(self, electors: dict[str, Options], wall_times: dict[str, int] | None = None) -> None:
        self.electors = {name: Elector(name, options) for name, options in electors.items()}
        self.states: dict[str, ElectorState] = {}
        for name, elector in self.electors.items():
            self.states[name] = elector.initial(None if wall_times is None else wall_times[name])
        self.lease: LeaseState = NO_LEASE
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self.callbacks: list[Callback] = []
        self.step_outputs: tuple[Output, ...] = ()

    def __getitem__(self, name: str) -> ElectorState:
        return self.states[name]

    @property
    def holder(self) -> str | None:
        return None if self.lease.record is None else self.lease.record.holder_identity

    def guarded(self) -> list[str]:
        return [name for name, state in self.states.items() if guarded_leader(state)]

    def enabled(self, name: str, event: Event) -> bool:
        return self.electors[name].step(self.states[name], event) is not None

    def do(self, name: str, event: Event) -> None:
        stepped = self.electors[name].step(self.states[name], event)
        assert stepped is not None, f"{event} is not enabled for {name} in {self.states[name]}"
        self.states[name], self.step_outputs = stepped
        for output in self.step_outputs:
            if isinstance(output, Request):
                self.requests.append(output)
            else:
                self.callbacks.append(output)

    def serve(self, name: str) -> Answer:
        """The API server takes the oldest request of an elector. Its answer is in flight then."""
        request = next(request for request in self.requests if request.identity == name)
        self.requests.remove(request)
        served = lease_step(self.lease, request, self.electors[name].options.faults)
        assert served is not None
        self.lease, (answer,) = served
        self.answers.append(answer)
        return answer

    def deliver(self, name: str) -> None:
        """The oldest answer to an elector arrives."""
        answer = next(answer for answer in self.answers if answer.identity == name)
        self.answers.remove(answer)
        self.do(name, answer)

    def exchange(self, name: str) -> None:
        """Serve and answer until nothing of an elector is in flight."""
        while True:
            if any(answer.identity == name for answer in self.answers):
                self.deliver(name)
            elif any(request.identity == name for request in self.requests):
                self.serve(name)
            else:
                return

    def start(self, *names: str) -> None:
        for name in names:
            self.do(name, Signal.START)
            self.exchange(name)

    def lose_messages(self, name: str) -> None:
        """What is in flight from and to an elector is never seen again."""
        self.requests = [request for request in self.requests if request.identity != name]
        self.answers = [answer for answer in self.answers if answer.identity != name]

    def tick(self, ticks: int = 1, rates: dict[str, int] | None = None) -> None:
        """Time passes; a rate is the ticks of an elector's clock to one of the true one."""
        for name in self.electors:
            self.do(name, Tick(ticks * (rates or {}).get(name, 1)))

    def settle(self, cut: Collection[str] = (), paused: Collection[str] = ()) -> None:
        """All that is due now happens: timers fire as early as they may, and requests are answered at once, unless cut off."""
        for name in self.electors:
            while name not in paused:
                if name in cut:
                    self.lose_messages(name)
                else:
                    self.exchange(name)
                due = [timer for timer in TIMERS if self.enabled(name, timer)]
                if not due:
                    break
                self.do(name, due[0])

    def run(
        self, ticks: int, *, cut: Collection[str] = (), paused: Collection[str] = (), rates: dict[str, int] | None = None
    ) -> list[list[str]]:
        """Ticks, each followed by all that is due then. Returns who acted as leader after each tick."""
        leaders = []
        for _ in range(ticks):
            self.tick(1, rates)
            self.settle(cut, paused)
            leaders.append(self.guarded())
        return leaders


def two_at_once(leaders: list[list[str]]) -> bool:
    return any(len(names) > 1 for names in leaders)
