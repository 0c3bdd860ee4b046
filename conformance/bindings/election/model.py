"""What is explored of leader election: candidates, the Lease, the resource that they guard, and what must hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any, TypeVar

from kubeproof.conformance.bindings.election import properties
from kubeproof.conformance.bindings.election.candidate import (
    CANCELS,
    CRASHES,
    FAILURES,
    PAUSE,
    PAUSES,
    SIGNALS,
    SKIP,
    TICK,
    Call,
    Candidate,
    CandidateComponent,
    Write,
    Written,
)
from kubeproof.conformance.bindings.election.describe import Describe
from kubeproof.conformance.bindings.election.labels import DRAINS, LABELS, RELEASE_LABELS, RESOURCE_LABELS, SIGNAL_LABELS
from kubeproof.conformance.bindings.election.lease import Lease, LeaseComponent, Resource, ResourceComponent
from kubeproof.conformance.bindings.election.renaming import IDENTITIES, rename
from kubeproof.conformance.explore.system import Event, JointEvent, Local, Message, Model, Step, Symmetry
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.election import MISTAKES, Answer, Elector, Faults, Options, Signal

T = TypeVar("T")

TICKS = "ticks"


@dataclass(frozen=True, slots=True)
class Election:
    """The system: the candidates, then the Lease, then the resource if there is one."""

    candidates: tuple[CandidateComponent, ...]
    lease: LeaseComponent
    resource: ResourceComponent | None

    def initial(self) -> tuple[Local, ...]:
        """Nobody runs, and there is no Lease."""
        last = () if self.resource is None else (Resource(),)
        return (*(each.initial() for each in self.candidates), Lease(), *last)

    def events(self, component: int, state: Local) -> Iterator[Event]:
        """Only candidates do something by themselves."""
        if isinstance(state, Candidate):
            yield from self.candidates[component].events(state)

    def step(self, component: int, state: Local, event: Event) -> Step | None:
        """One of these events, or a part of a joint event."""
        assert isinstance(state, Candidate)
        return self.candidates[component].step(state, event)

    def receive(self, component: int, state: Local, message: Message) -> Step | None:
        """All messages are calls, their answers, and what follows at once."""
        body = message.body
        if isinstance(state, Candidate):
            assert isinstance(body, Written | Answer)
            return self.candidates[component].receive(state, body)
        if isinstance(state, Lease):
            assert isinstance(body, Call)
            return self.lease.receive(state, body, IDENTITIES.index(body.request.identity))
        assert isinstance(state, Resource)
        assert isinstance(body, Write)
        assert self.resource is not None
        return self.resource.receive(state, body)


def model(
    candidates: int = 2,
    lease_duration: int = 4,
    renew_deadline: int = 2,
    retry_period: int = 1,
    request_timeout: int = 0,
    drain: int = 0,
    slow_clocks: int = 0,
    last_lease_duration: int = 0,
    last_renew_deadline: int = 0,
    wall_clock_offset: int = 0,
    ticks: int = 0,
    writes: int = 0,
    crashes: int = 0,
    cancels: int = 0,
    failures: int = 0,
    pauses: int = 0,
    *,
    latency: bool = False,
    release_on_cancel: bool = False,
    restart: bool = False,
    release_gets_first: bool = True,
    release_only_own: bool = False,
    cancel_before_release: bool = False,
    drain_before_release: bool = False,
    validated_timing: bool = False,
    resource: bool = False,
    fencing: bool = False,
    any_release: bool = False,
    recovery: bool = False,
    progress: bool = False,
    symmetry: bool = False,
    faults: Collection[str] = (),
) -> Model:
    """Candidates a, b, ... that run for one Lease. Times are ticks, counts of events budgets.

    - `request_timeout` is that of the HTTP client, 0 is none. `latency` lets answers take time, and a request that its sender has
      given up be applied; without it a request is applied and answered at one moment, or never.
    - `slow_clocks` is k if a clock may skip one tick of k: the fastest is k / (k - 1) times as fast as the slowest. 0: none may.
    - `drain` is for how long the guarded work goes on after its context has ended, at most.
    - `last_lease_duration` and `last_renew_deadline` are those of the last candidate, if not 0.
    - Where a fault trusts wall clocks, each is `wall_clock_offset` ahead of the one before, and time passes for so many `ticks`.
    - `writes` bounds those of the Lease; 0 is any number.
    - A `resource` is written by the guarded work, and looks at the fencing token if `fencing`.
    - `validated_timing` makes the lease duration as long as is safe, if it is shorter.
    - `any_release` asks not who empties the record, only what comes of it.
    - `recovery` and `progress` ask whether leaders can, and will, come back.

    The other options are those of the elector (impl.election.Options). A pause breaks what an elector can promise, so with
    `pauses` nobody asks for at most one leader. InvalidInput if the settings make no sense together.
    """
    given = _faults(faults)
    keeps_wall_clocks = given.expiry_by_renew_time or given.first_observation_by_renew_time
    problems = (
        (not 1 <= candidates <= len(IDENTITIES), f"candidates: expected 1 to {len(IDENTITIES)}, got {candidates}"),
        (slow_clocks == 1, "slow_clocks: expected 0 or at least 2, got 1"),
        (keeps_wall_clocks and not ticks, "ticks: expected a number, as faults that trust wall clocks need them bounded"),
        (resource and not writes, "writes: expected a number, as a resource needs them bounded"),
        (
            validated_timing and latency and not request_timeout,
            "request_timeout: expected a number, as without one nothing bounds when a candidate learns that it leads",
        ),
        (
            symmetry and (last_lease_duration + last_renew_deadline + wall_clock_offset > 0),
            "symmetry: expected candidates that are alike",
        ),
    )
    for wrong, problem in problems:
        if wrong:
            raise InvalidInput("size", None, problem)
    settings: dict[str, Any] = {
        "retry_period": retry_period,
        "release_on_cancel": release_on_cancel,
        "restart": restart,
        "request_timeout": request_timeout,
        "slow_drain": drain > 0,
        "fencing": resource,
        "release_gets_first": release_gets_first,
        "release_only_own": release_only_own,
        "cancel_before_release": cancel_before_release,
        "drain_before_release": drain_before_release,
        "clock_ratio_max": Fraction(slow_clocks, slow_clocks - 1) if slow_clocks else Fraction(1),
        "response_delay_max": request_timeout if latency else 0,
        "faults": given,
    }
    budgets: dict[str, int | None] = {CRASHES: crashes, CANCELS: cancels, FAILURES: failures, PAUSES: pauses}
    without = {event for event in (*SIGNALS.values(), PAUSE) if event.costs is not None and not budgets[event.costs]}
    if not drain:
        without.add(SIGNALS[Signal.WORK_RETURNED])
    all_but_last = _options(settings, lease_duration, renew_deadline, validated=validated_timing)
    last = _options(
        settings, last_lease_duration or lease_duration, last_renew_deadline or renew_deadline, validated=validated_timing
    )
    components = tuple(
        CandidateComponent(
            Elector(IDENTITIES[number], all_but_last if number < candidates - 1 else last),
            lease=candidates,
            resource=candidates + 1 if resource else None,
            latency=latency,
            slow_clocks=slow_clocks,
            drain=drain,
            relative=not writes,
            wall_time=number * wall_clock_offset if keeps_wall_clocks else None,
            without=frozenset(without),
        )
        for number in range(candidates)
    )
    if keeps_wall_clocks:
        budgets[TICKS] = ticks
    can_renew = properties.CAN_RENEW if candidates == 1 else properties.LEADER_AGAIN
    return Model(
        Election(components, LeaseComponent(candidates, writes, given), ResourceComponent(fencing) if resource else None),
        (*IDENTITIES[:candidates], "lease", *(("resource",) if resource else ())),
        messages_max=0,
        budgets=budgets,
        joint_events=tuple(_time_passes(candidates, slow=slow_clocks > 0, costs=TICKS if keeps_wall_clocks else None)),
        symmetry=Symmetry(tuple(range(candidates)), rename) if symmetry else None,
        always=tuple(
            _wanted(
                (properties.ONE_GUARDED_LEADER, not pauses),
                (properties.ONE_WORKING_LEADER, not pauses and drain),
                (properties.RELEASE_ONLY_OWN, not any_release),
                (properties.RELEASE_IS_TRIED, True),
                (properties.TRANSITIONS, True),
                (properties.WRITES_IN_ORDER, resource),
            )
        ),
        sometimes=tuple(
            _wanted(
                (properties.A_LEADER, True),
                (properties.A_FAILOVER, candidates > 1),
                (properties.A_RELEASE, release_on_cancel),
                (properties.AN_AMBIGUOUS_RENEWAL, latency and failures),
            )
        ),
        may_end=None if writes or keeps_wall_clocks else lambda *_: False,  # time goes on
        recoverable=(can_renew,) if recovery else (),
        eventually=(properties.LED_IN_THE_END,) if progress else (),
        labels=(
            *(label for signal, label in SIGNAL_LABELS.items() if SIGNALS[signal] not in without),
            *LABELS,
            *(RELEASE_LABELS if release_on_cancel else ()),
            *((DRAINS,) if drain_before_release else ()),
            *(RESOURCE_LABELS if resource else ()),
        ),
        describe=Describe(relative=not writes),
    )


def _options(settings: Mapping[str, Any], lease_duration: int, renew_deadline: int, *, validated: bool) -> Options:
    """A candidate's options. InvalidInput for those that NewLeaderElector refuses."""
    try:
        options = Options(lease_duration=lease_duration, renew_deadline=renew_deadline, **settings)
    except ValueError as problem:
        raise InvalidInput("size", None, str(problem)) from problem
    if not validated:
        return options
    return replace(options, lease_duration=max(lease_duration, options.safe_lease_duration), validated_timing=True)


def _wanted(*choices: tuple[T, object]) -> Iterator[T]:
    return (each for each, wanted in choices if wanted)


def _time_passes(candidates: int, *, slow: bool, costs: str | None) -> Iterator[JointEvent]:
    """All clocks go on by a tick; if some may be slow, also all but some."""
    for parts in product((TICK, SKIP) if slow else (TICK,), repeat=candidates):
        behind = [identity for identity, part in zip(IDENTITIES, parts, strict=False) if part is SKIP]
        if len(behind) < candidates:
            yield JointEvent("tick" + (f" ({', '.join(behind)} slow)" if behind else ""), parts, costs)


def _faults(names: Collection[str]) -> Faults:
    unknown = sorted(set(names) - set(MISTAKES))
    if unknown:
        raise InvalidInput("faults", None, f"expected names of docs/exploring-election.md, got {', '.join(unknown)}")
    return Faults(**dict.fromkeys(names, True))
