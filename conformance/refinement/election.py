"""The local states, messages and steps of an election, in the terms of models/election.py.

Known of a candidate: its phase and timer, what it has observed and for how long, its token, the request under way. Known of the
Lease: its version; of the resource: the highest token. What the record of a version says is told by answers, and remembered.

Relative versions (bindings/election/versions.py) are judged, too: within a step a version bears the name that it has before. Who
is told that the Lease was written has another name for the same version afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from functools import partial
from itertools import chain, product
from typing import Any, NamedTuple

from kubeproof.conformance.bindings.election import Election, versions
from kubeproof.conformance.bindings.election.candidate import ANSWER, PAUSE, SIGNALS, SKIP, TICK, WRITE, Candidate, Write, Written
from kubeproof.conformance.bindings.election.candidate import Call as Served
from kubeproof.conformance.bindings.election.labels import WRITTEN
from kubeproof.conformance.bindings.election.lease import Lease, Resource
from kubeproof.conformance.bindings.election.renaming import IDENTITIES
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, JointEvent, Local, Message, Model
from kubeproof.conformance.refinement.binding import Binding, First, Reading
from kubeproof.conformance.refinement.judge import Abstract, Call, Fact, Facts, Known, Values, World
from kubeproof.conformance.refinement.once import Alike, Once
from kubeproof.impl.election import Answer, ElectorState, LeaderElectionRecord, Options, Outcome, Phase, Request, Signal, Verb
from kubeproof.impl.election.record import NO_IDENTITY, NO_VERSION
from kubeproof.models import election as spec
from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import Function, Quantified, Relation, Variable, ite
from kubeproof.models.logic.rewriting import Update, substitute

NEXT = versions.CURRENT + 1
"""The version that the Lease gets, where its present one is CURRENT."""

LEADING = {
    Phase.RENEW_WAIT: spec.renew_wait,
    Phase.RENEW: spec.renew,
    Phase.RENEW_RETRY: spec.renew,
    Phase.RELEASE: spec.release,
}
"""Where a candidate may stand while it acts as leader."""

AT_REST = (Phase.IDLE, Phase.STOPPED)


class Sent(NamedTuple):
    """A request as an element. A candidate may have some that look alike: one that it has given up, and the next."""

    request: Request
    over: int | None
    """What the version that it overwrites is called; None for an update that does not say so."""
    late: bool = False
    new: bool = False
    """It is sent in the step at hand."""

    def __hash__(self) -> int:
        """There are few at a time: what is in the request need not be looked at."""
        return hash((self.over, self.late, self.new))

    @property
    def releases(self) -> bool:
        return self.request.record is not None and self.request.record.holder_identity == NO_IDENTITY


class Seen(NamedTuple):
    """A candidate's local state, with what the versions and requests in it are called."""

    state: Candidate
    observed: int
    answered: int
    """The version in the answer under way."""
    in_flight: tuple[Sent, ...]
    """The update or creation whose answer is awaited, if there is one."""
    late: frozenset[Sent]

    @property
    def elector(self) -> ElectorState:
        return self.state.elector

    @property
    def phase(self) -> Phase:
        return self.state.elector.phase

    @property
    def guarded(self) -> bool:
        return self.state.elector.guarded

    @property
    def requests(self) -> list[Sent]:
        return [*self.late, *self.in_flight]

    @property
    def new(self) -> tuple[Sent, ...]:
        return tuple(each for each in self.in_flight if each.new)


class Heard(NamedTuple):
    """The answer that an elector takes in a step, and what the version in it is called."""

    answer: Answer
    version: int


@dataclass(frozen=True, slots=True)
class Step:
    """A candidate's local step."""

    who: str
    before: Seen
    cause: Event | Written | Answer
    heard: Heard | None
    after: Seen

    @property
    def event(self) -> str | None:
        """What happens by itself, by name."""
        return self.cause.name if isinstance(self.cause, Event) else None


# ---- time


def part_of(action: Action) -> Action:
    """What an action does to candidate `n`, if it asks something of each candidate, and changes each, by itself.

    The guards are conjunctions over the candidates, and no update looks at what another one knows. So the action is possible if
    each of its parts is, and makes what they make together.
    """
    own = Variable("n", spec.Candidate)
    part = Action(action.name, (own, *action.parameters), action.says)
    for name, guard in action.guards.items():
        assert isinstance(guard, Quantified)
        assert guard.universal
        (each,) = guard.variables
        part.guards[name] = substitute(guard.body, {each: own})
    for symbol, (parameters, body) in action.updates.items():
        (each,) = parameters
        assert isinstance(symbol, Relation | Function)
        part.updates[symbol] = Update(parameters, ite(each == own, body, symbol(each)))
    return part


BY_CANDIDATE = replace(
    spec.election, actions=spec.election.actions | {"time_passes": part_of(spec.election.actions["time_passes"])}
)
"""The specification with time passing for one candidate, as local steps show it."""


class Clock(Enum):
    """What a clock does in a tick. One that has skipped a tick makes up for it bit by bit."""

    ON_TIME = "on time"
    CATCHES_UP = "catches up"
    SKIPS = "skips"


Passage = tuple[Clock, ...]
"""What each candidate's clock does."""


def passages_of(joint: JointEvent) -> Iterator[Passage]:
    """What the clocks may do in a joint event: those that do not skip the tick may have skipped an earlier one."""
    parts = [part for part in joint.parts if part is not None]
    return product(*([Clock.SKIPS] if part == SKIP else [Clock.ON_TIME, Clock.CATCHES_UP] for part in parts))


def clock_of(candidate: Candidate, event: Event) -> Clock:
    """What a candidate's clock does in its part."""
    if event.name == SKIP.name:
        return Clock.SKIPS
    return Clock.CATCHES_UP if candidate.credit else Clock.ON_TIME


def lag_of(credit: int, options: Options) -> Fraction:
    """How far a clock is ahead of its reading, which it makes up for in so many ticks.

    The reading advances by a tick or by none. The clock advances by 1, or by 1 / clock_ratio if it skips the tick or makes up for
    one: so it is never slower than that.
    """
    return credit * (1 - 1 / options.clock_ratio_max) if credit else Fraction(0)


# ---- the world


def leaves_out(model: Model) -> list[str]:
    """What of a model cannot be judged."""
    if not isinstance(model.system, Election):
        return ["another system than election"]
    first = model.system.candidates[0]
    return ["latency without request_timeout"] if first.latency and not first.elector.options.request_timeout else []


def world(model: Model, system: Election) -> World:
    """Candidates, versions, and passages of time; durations in ticks."""
    options = {each.elector.identity: each.elector.options for each in system.candidates}
    common, slow_clocks = system.candidates[0].elector.options, system.candidates[0].slow_clocks
    passages = list(dict.fromkeys(chain.from_iterable(map(passages_of, model.joint_events))))
    clocks = {(passage, who): clock for passage in passages for who, clock in zip(options, passage, strict=True)}
    return World(
        universes={
            spec.Candidate: list(options),
            spec.Passage: passages,
            spec.Version: range((system.lease.writes or NEXT) + 1),
        },
        rigid={},
        values={
            spec.lease_duration: {(who,): each.lease_duration for who, each in options.items()},
            spec.renew_deadline: {(who,): each.renew_deadline for who, each in options.items()},
            spec.retry_period: {(who,): each.retry_period for who, each in options.items()},
            spec.release_time: {(who,): 0 if each.cancels_first else each.renew_deadline for who, each in options.items()},
            spec.response_delay.symbol: {(): common.response_delay_max},
            spec.clock_ratio.symbol: {(): common.clock_ratio_max},
            # what fires a timer is a tick, which has made up for a bit of the one that was skipped
            spec.rounding.symbol: {(): lag_of(max(0, slow_clocks - 2), common)},
            spec.elapsed: {at: 1 if clock is Clock.ON_TIME else 1 / common.clock_ratio_max for at, clock in clocks.items()},
            spec.ticks: {at: int(clock is not Clock.SKIPS) for at, clock in clocks.items()},
            spec.version_0.symbol: {(): NO_VERSION},
        },
    )


def read(model: Model, taken: Iterable[Taken]) -> Reading:
    """All steps: of candidates, of the Lease, of the resource."""
    assert isinstance(model.system, Election)
    common = world(model, model.system)
    options = {each.elector.identity: each.elector.options for each in model.system.candidates}
    mapped = Map(common, options, relative=not model.system.lease.writes)
    return Reading(common, [*map(mapped.first, IDENTITIES, model.system.initial())], list(taken), mapped.abstract, (), lasting)


# ---- the map


class Map:
    """The map of steps. States are mapped once, as many steps have them in common."""

    def __init__(self, world: World, options: Mapping[str, Options], relative: bool) -> None:
        self.world, self.options, self.relative = world, options, relative
        self._alike: Alike[Known] = Alike()
        self._candidates = {who: self._alike.once(partial(known_of, who, each)) for who, each in options.items()}
        self._named = Once(named)
        self._remembered: Once[Seen, Facts] = Once(lambda seen: frozenset(remembered(seen)))
        self._resource = self._alike.once(resource)

    def first(self, who: str, state: Local) -> First:
        """A component before anything has happened."""
        if isinstance(state, Candidate):
            seen = self._named(state)
            return First(self._candidates[who](seen), self._remembered(seen))
        if isinstance(state, Lease):
            version = state.stored.resource_version
            return First(self.lease(version), frozenset(recorded(version, state.stored.record)))
        assert isinstance(state, Resource)
        return First(self._resource(state), frozenset())

    def abstract(self, taken: Taken) -> Abstract:
        """The step as the specification sees it."""
        component, before, happens, taken_step = taken
        after, sends = taken_step.state, taken_step.sends
        cause = happens.body if isinstance(happens, Message) else happens
        if isinstance(before, Candidate) and isinstance(after, Candidate):
            assert isinstance(cause, Event | Written | Answer)
            return self._of_candidate(self.step(IDENTITIES[component], before, cause, after), sends)
        if isinstance(before, Lease) and isinstance(after, Lease):
            assert isinstance(cause, Served)
            return self._of_lease(before, cause.request, after, [each.body for each in sends])
        assert isinstance(before, Resource)
        assert isinstance(after, Resource)
        assert isinstance(cause, Write)
        calls = [("resource_write", {"v": cause.token})] if WRITTEN in taken_step.labels else []
        given = frozenset([(spec.write_sent, (cause.token,))])
        return _abstract(self._resource(before), given, calls, self._resource(after), frozenset(), [])

    # ---- candidates

    def step(self, who: str, before: Candidate, cause: Event | Written | Answer, after: Candidate) -> Step:
        """A candidate's step, with names for what it knows before and afterwards."""
        seen, heard = self._named(before), None
        if isinstance(cause, Answer) and after.answer is None:
            heard = Heard(cause, cause.resource_version)
        elif isinstance(cause, Event) and cause.name == ANSWER.name:
            assert before.answer is not None
            heard = Heard(before.answer, seen.answered)
        return Step(who, seen, cause, heard, self._renamed(seen, cause, heard, self._named(after)))

    def _renamed(self, before: Seen, cause: Event | Written | Answer, heard: Heard | None, after: Seen) -> Seen:
        """The state afterwards, in the names of the state before. What is stale looks alike as soon as it is taken."""
        settled = heard is not None and self.relative and heard.version == versions.OTHER_STALE
        names: dict[int | None, int] = {versions.STALE: versions.OTHER_STALE} if settled else {}
        observed, answered, in_flight = names.get(after.observed, after.observed), after.answered, after.in_flight
        if isinstance(cause, Written):
            observed, answered, in_flight = before.observed, before.answered, before.in_flight
        elif heard is not None or in_flight != before.in_flight:
            in_flight = tuple(each._replace(over=names.get(each.over, each.over), new=True) for each in in_flight)
        late = after.late
        if late and before.in_flight:
            given_up = {each._replace(late=True): each for each in before.in_flight}
            late = frozenset(each if each in before.late else given_up.get(each, each) for each in late)
        renamed = Seen(after.state, observed, answered, in_flight, late)
        return after if renamed[1:] == after[1:] else renamed

    def _of_candidate(self, step: Step, sends: Iterable[Message]) -> Abstract:
        before, after = step.before, step.after
        arrived = facts(step.cause, step.cause.resource_version, before.in_flight) if isinstance(step.cause, Answer) else ()
        candidate = self._candidates[step.who]
        return _abstract(
            self._alike(known_of(step.who, self.options[step.who], before, after.new)) if after.new else candidate(before),
            self._remembered(before).union(arrived),
            [(name, {"n": step.who} | arguments) for name, arguments in self._calls(step)],
            candidate(after),
            self._remembered(after).union(*(called(each.body, before) for each in sends)),
            [*before.requests, *(each for each in after.requests if each not in before.requests)],
        )

    def _calls(self, step: Step) -> Iterator[Proposal]:
        """The actions that a candidate's step may be, in their order."""
        before, after, event = step.before, step.after, step.event
        if event == SIGNALS[Signal.START].name:
            yield "elector_start", {}
        if event == PAUSE.name:
            yield "process_pause", {}
        if event in (TICK.name, SKIP.name):
            yield "time_passes", {"p": self._passage(step)}
        if event == WRITE.name:
            yield "work_write", {}
        if step.heard is not None and _has_observed(step, step.heard):
            yield "lease_get", {"v": step.heard.version}
        for request in before.in_flight:
            if after.guarded and not before.guarded:
                yield "elector_acquired", {"r": request, "w": after.observed}
            elif before.phase is Phase.RENEW and after.phase is Phase.RENEW_WAIT:
                same_token = before.elector.fencing_token == after.elector.fencing_token
                yield "elector_renewed" if same_token else "elector_retaken", {"r": request, "w": after.observed}
        if before.phase in (Phase.RENEW, Phase.RENEW_RETRY) and after.phase is Phase.RELEASE and after.guarded:
            yield "elector_lose", {}
        if before.guarded and not after.guarded:
            yield "elector_stop", {}
        if before.elector.working and not after.elector.working:
            yield "elector_work_returned", {}
        if before.phase is Phase.RENEW_WAIT and after.phase is Phase.RENEW:
            yield "elector_retry", {}
        for request in after.new:
            yield "elector_release" if request.releases else "elector_try", {"r": request}

    def _passage(self, step: Step) -> Passage:
        """One of the passages in which the candidate's clock does what it does."""
        assert isinstance(step.cause, Event)
        clock, component = clock_of(step.before.state, step.cause), IDENTITIES.index(step.who)
        return next(each for each in self.world.universes[spec.Passage] if each[component] is clock)

    # ---- the Lease, and the resource

    def _of_lease(self, before: Lease, request: Request, after: Lease, says: Iterable[Any]) -> Abstract:
        """The Lease takes a write, or only answers."""
        told = list(says)
        version, made = before.stored.resource_version, after.stored.resource_version
        if any(isinstance(each, Written) for each in told):
            made = NEXT
        requests = [] if request.verb is Verb.GET else [Sent(request, over(request))]
        names = {versions.CURRENT: made} if self.relative else {}
        answers = [
            facts(each, names.get(each.resource_version, each.resource_version), requests)
            for each in told
            if isinstance(each, Answer)
        ]
        return _abstract(
            self.lease(version, *requests),
            frozenset([*recorded(version, before.stored.record), *((spec.sent, (each,)) for each in requests)]),
            [
                ("lease_release" if each.releases else "lease_update", {"r": each, "w": made})
                for each in requests
                if made != version
            ],
            self.lease(made),
            frozenset([*recorded(made, after.stored.record), *chain.from_iterable(answers)]),
            requests,
        )

    def lease(self, version: int, *requests: Sent) -> Known:
        """What the Lease's version is, and what the request at hand wants."""
        known = Known()
        known.assign(spec.lease_version, (), version)
        for each in requests:
            known.set(spec.empties, (each,), each.releases)
        return self._alike(known)


def known_of(who: str, options: Options, seen: Seen, new: tuple[Sent, ...] = ()) -> Known:
    """What a candidate's tuples are, and what the requests at hand want. Of one that is new nobody has heard."""
    known, elector = Known(), seen.elector
    leading = LEADING[elector.phase] if elector.guarded else None
    for phase in dict.fromkeys(LEADING.values()):
        known.set(phase, (who,), phase is leading)
    if leading is not None and (time := _timer(elector, options)) is not None:
        known.assign(spec.timer, (who,), time)
    known.set(spec.working, (who,), elector.working)
    if seen.state.paused:
        known.set(spec.was_paused, (who,), True)
    if elector.fencing_token != NO_VERSION:
        known.assign(spec.fencing_token, (who,), elector.fencing_token)
    if elector.phase not in AT_REST:
        known.assign(spec.lag, (who,), lag_of(seen.state.credit, options))
    if _observes(elector):
        _map_observed(known, who, seen)
    _map_requests(known, who, seen, new)
    return known


def _map_observed(known: Known, who: str, seen: Seen) -> None:
    record = seen.elector.observed_record
    known.assign(spec.observed_version, (who,), seen.observed)
    if seen.elector.observed_age < record.lease_duration:
        known.assign(spec.observed_age, (who,), seen.elector.observed_age)
    elif record.holder_identity != NO_IDENTITY:
        known.set(spec.expired, (who,), True)


def _map_requests(known: Known, who: str, seen: Seen, new: tuple[Sent, ...]) -> None:
    for request in seen.in_flight:
        if not request.releases:
            known.set(spec.awaited, (who, request), True)
    for request in (*seen.requests, *new):
        known.set(spec.empties, (request,), request.releases)
    for request in new:
        known.set(spec.sent, (request,), False)


def resource(state: Resource) -> Known:
    """What its highest token is."""
    known = Known()
    known.assign(spec.highest_token, (), state.fence.highest_token)
    return known


Proposal = tuple[str, dict[str, Any]]


def _abstract(
    before: Known, given: Facts, calls: Iterable[Proposal], after: Known, claims: Facts, requests: Iterable[Sent]
) -> Abstract:
    """The step, with what is in the requests."""
    elements = list(requests)
    named_calls = tuple([Call(name, tuple(arguments.items())) for name, arguments in calls])
    if not elements:
        return Abstract(before, given, named_calls, after, claims)
    contents: Values = {
        spec.sender: {(each,): each.request.identity for each in elements},
        spec.over: {(each,): each.over for each in elements if each.over is not None},
    }
    return Abstract(before, given, named_calls, after, claims, {spec.Request: elements}, contents)


def lasting(step: Abstract) -> Abstract:
    """The same step, with requests named by what is in them: enough where versions are absolute, and no request is sent twice."""
    return Abstract(
        _lasting_known(step.before),
        frozenset((relation, _lasting(at)) for relation, at in step.given),
        tuple(
            Call(name, tuple(zip(dict(arguments), _lasting(dict(arguments).values()), strict=True)))
            for name, arguments in step.calls
        ),
        _lasting_known(step.after),
        frozenset((relation, _lasting(at)) for relation, at in step.claims),
        {sort: list(dict.fromkeys(_lasting(elements))) for sort, elements in step.elements.items()},
        {function: {_lasting(at): value for at, value in values.items()} for function, values in step.values.items()},
    )


def _lasting_known(known: Known) -> Known:
    return Known(
        {relation: set(map(_lasting, tuples)) for relation, tuples in known.true.items()},
        {relation: set(map(_lasting, beginnings)) for relation, beginnings in known.closed.items()},
        known.values,
    )


def _lasting(elements: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(Sent(each.request, each.over) if isinstance(each, Sent) else each for each in elements)


def named(state: Candidate) -> Seen:
    """A local state in its own names."""
    request = state.elector.request
    return Seen(
        state,
        state.elector.resource_version,
        NO_VERSION if state.answer is None else state.answer.resource_version,
        () if request is None or request.verb is Verb.GET else (Sent(request, over(request)),),
        frozenset(Sent(each, over(each), late=True) for each in state.late),
    )


def over(request: Request) -> int | None:
    """The version that a request overwrites: who creates a Lease overwrites none."""
    return request.resource_version or (NO_VERSION if request.verb is Verb.CREATE else None)


def _timer(elector: ElectorState, options: Options) -> int | None:
    """A leader's timer, by its reading. One that is due does not tell for how long it has been."""
    if elector.phase is Phase.RENEW_WAIT:
        return elector.waited if elector.waited < options.retry_period else None
    return options.renew_deadline - elector.deadline_left if elector.deadline_left else None


def _observes(elector: ElectorState) -> bool:
    """Whether what it remembers is what it has observed: a release remembers the version that it reads, but not the record."""
    return elector.phase not in (*AT_REST, Phase.RELEASE)


def _has_observed(step: Step, heard: Heard) -> bool:
    """Whether it has read, and observed what it has read: it does not, if it knows that version already."""
    before, after, request = step.before, step.after, step.before.elector.request
    if request is None or request.verb is not Verb.GET or heard.answer.outcome is not Outcome.OK:
        return False
    return heard.version != before.observed or after.elector.observed_age != before.elector.observed_age


# ---- what states and messages stand for


def recorded(version: int, record: LeaderElectionRecord | None) -> Iterator[Fact]:
    """What the record of a version says."""
    if record is not None and record.holder_identity == NO_IDENTITY:
        yield spec.empty, (version,)
    elif record is not None:
        yield spec.holder, (version, record.holder_identity)


def facts(answer: Answer, version: int, asked: Iterable[Sent]) -> Iterator[Fact]:
    """What an answer says: to an update, that it has made this version."""
    if answer.outcome is Outcome.OK:
        yield from recorded(version, answer.record)
        for request in asked:
            yield spec.accepted, (request, version)


def remembered(seen: Seen) -> Iterator[Fact]:
    """What a candidate counts on: the record that it has observed, the requests that it has sent, the answer under way."""
    if _observes(seen.elector) and seen.observed != NO_VERSION:
        yield from recorded(seen.observed, seen.elector.observed_record)
    for request in seen.requests:
        yield spec.sent, (request,)
    if seen.state.answer is not None:
        yield from facts(seen.state.answer, seen.answered, seen.in_flight)


def called(call: Any, by: Seen) -> Iterator[Fact]:
    """What a call of a candidate stands for."""
    if isinstance(call, Write):
        yield spec.write_sent, (call.token,)
    else:
        for request in by.in_flight if call.awaited else [Sent(call.request, over(call.request), late=True)]:
            yield spec.sent, (request,)


ELECTION = Binding(BY_CANDIDATE, leaves_out, read)
