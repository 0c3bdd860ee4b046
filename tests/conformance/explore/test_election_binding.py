"""impl/election under the explorer: canonical states, clocks, pauses, requests that are given up, symmetry, properties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeproof.conformance.bindings import election
from kubeproof.conformance.bindings.election import properties, versions
from kubeproof.conformance.bindings.election.candidate import (
    PAUSE,
    RESUME,
    SERVE_LATE,
    SIGNALS,
    SKIP,
    TICK,
    Call,
    Candidate,
    CandidateComponent,
)
from kubeproof.conformance.bindings.election.lease import Lease, Resource
from kubeproof.conformance.bindings.election.model import Election
from kubeproof.conformance.bindings.election.renaming import rename
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.plain import GlobalState, first_state, successors
from kubeproof.conformance.explore.system import Event, Local, Message, Model, Property, Step
from kubeproof.conformance.limits import Limits
from kubeproof.impl.election import (
    ElectorState,
    LeaderElectionRecord,
    LeaseState,
    Phase,
    Request,
    Signal,
    Verb,
)


def explored(model: Model) -> Exploration:
    exploration = Exploration(model, Limits())
    exploration.run()
    return exploration


def taken(model: Model, *names: str) -> GlobalState:
    """The state after these events, each `a: name`, or `name` for time."""
    state = first_state(model)
    for name in names:
        who, _, what = name.rpartition(": ")
        found = [
            reached
            for action, reached in successors(model, state)
            if action.name == what and who in ("", model.component_names[action.component])
        ]
        assert found, f"{name} cannot happen in {[model.describe(local) for local in state.locals]}"
        state = found[0]
    return state


A_LEADS = ("a: elector_start", "a: lease_get", "a: lease_create")
A_LEADS_LATE = (
    "a: elector_start",
    "a: lease_get",
    "a: elector_answer",
    "a: lease_create",
    "a: elector_answer",
)


def candidate(state: GlobalState, component: int = 0) -> Candidate:
    local = state.locals[component]
    assert isinstance(local, Candidate)
    return local


def lease(state: GlobalState) -> Lease:
    [found] = [local for local in state.locals if isinstance(local, Lease)]
    return found


# ---- canonical states


def test_a_renewal_leads_back_to_an_equal_state() -> None:
    model = election.model(candidates=1)
    once = taken(model, *A_LEADS, "a: lease_update")
    again = taken(model, *A_LEADS, "a: lease_update", "tick", "a: elector_retry", "a: lease_update")
    assert once == again
    assert hash(once) == hash(again)


def test_a_failover_and_one_more_lead_to_an_equal_state() -> None:
    """However often the lease has changed hands."""
    model = election.model(restart=True)
    change: tuple[str, ...] = (
        "{0}: elector_deadline_exceeded",
        "{1}: elector_start",
        "{1}: lease_get",
        "tick",
        "tick",
        "{1}: elector_retry",
    )
    change += ("{1}: lease_get", "tick", "tick", "{1}: elector_retry", "{1}: lease_get", "{1}: lease_update", "tick", "tick")
    first = [name.format("a", "b") for name in change]
    second = [name.format("b", "a") for name in change]
    once = taken(model, *A_LEADS, "tick", "tick", *first, *second)
    again = taken(model, *A_LEADS, "tick", "tick", *first, *second, *first, *second)
    assert once == again


def within(model: Model, depth: int) -> set[GlobalState]:
    """States that are reached in so many steps."""
    level = {first_state(model)}
    seen = set(level)
    for _ in range(depth):
        level = {reached for state in level for _, reached in successors(model, state)} - seen
        seen |= level
    return seen


def as_relative(state: GlobalState) -> GlobalState:
    """The state with all versions as in versions.py, and without requests that can not change anything any more."""
    stored = lease(state).stored
    now = stored.resource_version

    def renamed(version: int) -> int:
        return version if version == 0 else versions.CURRENT if version == now else versions.STALE

    def of_candidate(each: Candidate) -> Candidate:
        elector, request, answer = each.elector, each.elector.request, each.answer
        if request is not None:
            request = request._replace(resource_version=renamed(request.resource_version))
        if answer is not None and answer.resource_version:
            stale = versions.STALE if answer.resource_version == elector.observed_version else versions.OTHER_STALE
            answer = answer._replace(resource_version=versions.CURRENT if answer.resource_version == now else stale)
        late = {request._replace(resource_version=renamed(request.resource_version)) for request in each.late}
        return each._replace(
            elector=elector._replace(
                request=request,
                observed_version=renamed(elector.observed_version),
                resource_version=renamed(elector.resource_version),
            ),
            answer=answer,
            late=frozenset(each for each in late if stored.record is None or each.resource_version == versions.CURRENT),
        )

    locals_ = [of_candidate(each) if isinstance(each, Candidate) else each for each in state.locals]
    locals_ = [
        each._replace(stored=LeaseState(stored.record, renamed(now))) if isinstance(each, Lease) else each for each in locals_
    ]
    return state._replace(locals=tuple(locals_))


def as_far_as_it_matters(state: GlobalState) -> GlobalState:
    """Without creates of a Lease that is there already."""
    there = lease(state).stored.record is not None

    def of_candidate(each: Candidate) -> Candidate:
        return each._replace(late=frozenset(late for late in each.late if late.verb is not Verb.CREATE or not there))

    return state._replace(locals=tuple(of_candidate(each) if isinstance(each, Candidate) else each for each in state.locals))


@pytest.mark.parametrize(
    ("depth", "settings"),
    [
        (17, {}),
        (14, {"restart": True, "release_on_cancel": True, "cancels": 1}),
        (12, {"latency": True, "failures": 1}),
        (9, {"latency": True, "restart": True, "cancels": 1, "crashes": 1}),
    ],
)
def test_relative_versions_make_the_same_states_as_real_ones(depth: int, settings: dict[str, Any]) -> None:
    relative = within(election.model(**settings), depth)
    absolute = within(election.model(**settings, writes=60), depth)
    assert {as_far_as_it_matters(state) for state in relative} == {as_relative(state) for state in absolute}


def test_the_version_of_an_answer_under_way_ages_with_the_lease() -> None:
    """What b has read before and what it reads now are both old when the answer arrives, and still not the same."""
    model = election.model(latency=True, failures=1)
    seen = ("b: elector_start", "b: lease_get", "b: elector_answer")
    state = taken(model, *A_LEADS_LATE, *seen, "a: lease_update", "tick", "b: elector_retry", "b: lease_get")
    answer = candidate(state, 1).answer
    assert answer is not None
    assert answer.resource_version == versions.CURRENT
    assert candidate(state, 1).elector.observed_version == versions.STALE
    assert versions.aged_answer(answer, versions.STALE).resource_version == versions.OTHER_STALE
    assert versions.aged_answer(answer, versions.CURRENT).resource_version == versions.STALE
    old = answer._replace(resource_version=versions.STALE)
    assert versions.aged_answer(old, versions.STALE) == old


# ---- requests that are given up


def test_a_renewal_that_was_given_up_may_be_applied_later() -> None:
    model = election.model(candidates=1, latency=True, failures=1)
    given_up = taken(model, *A_LEADS_LATE, "a: elector_request_failed")
    [request] = candidate(given_up).late
    assert request.verb is Verb.UPDATE
    before = lease(given_up)
    applied = taken(model, *A_LEADS_LATE, "a: elector_request_failed", f"a: {SERVE_LATE}")
    assert not candidate(applied).late
    assert candidate(applied).elector.resource_version == versions.STALE
    assert lease(applied) == before  # the same record in a new version


def test_a_renewal_that_was_applied_can_not_be_applied_again() -> None:
    model = election.model(candidates=1, latency=True, failures=1)
    state = taken(model, *A_LEADS_LATE, "a: lease_update", "a: elector_request_failed")
    assert candidate(state).late == frozenset()
    assert candidate(state).elector.resource_version == versions.STALE


def test_without_latency_what_was_given_up_is_lost() -> None:
    model = election.model(candidates=1, failures=1)
    assert candidate(taken(model, *A_LEADS, "a: elector_request_failed")).late == frozenset()


# ---- time and pauses


def component(**settings: Any) -> CandidateComponent:
    system = election.model(**settings).system
    assert isinstance(system, Election)
    return system.candidates[0]


@given(st.integers(2, 6), st.lists(st.booleans(), max_size=60))
def test_of_k_ticks_a_slow_clock_skips_at_most_one(k: int, wishes: list[bool]) -> None:
    """In any stretch of time it skips no more than the rate allows, rounded up."""
    each = component(slow_clocks=k)
    started = each.step(each.initial(), SIGNALS[Signal.START])
    assert started is not None
    state, skipped = started.state, [0]
    for wish in wishes:
        assert isinstance(state, Candidate)
        step = each.step(state, SKIP) if wish else None
        skipped.append(skipped[-1] + (step is not None))
        step = step or each.step(state, TICK)
        assert step is not None
        state = step.state
    for begin, before in enumerate(skipped):
        for end in range(begin, len(skipped)):
            assert skipped[end] - before <= ceil((end - begin) / k)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_rate_is_reached(k: int) -> None:
    each = component(slow_clocks=k)
    started = each.step(each.initial(), SIGNALS[Signal.START])
    assert started is not None
    state, skipped = started.state, 0
    for _ in range(4 * k):
        assert isinstance(state, Candidate)
        step = each.step(state, SKIP)
        skipped += step is not None
        step = step or each.step(state, TICK)
        assert step is not None
        state = step.state
    assert skipped == 4


def test_time_does_not_pass_over_a_timer() -> None:
    model = election.model(candidates=1, renew_deadline=2)
    state = taken(model, *A_LEADS, "tick", "tick")
    assert {action.name for action, _ in successors(model, state)} == {"lease_update", "elector_deadline_exceeded"}


def test_who_is_paused_does_nothing_while_its_clock_goes_on() -> None:
    model = election.model(candidates=1, pauses=1)
    state = taken(model, *A_LEADS, "a: process_pause", "tick", "tick", "tick")
    assert candidate(state).elector.deadline_left == 0
    assert {action.name for action, _ in successors(model, state)} == {"lease_update", "process_resume", "tick"}
    answered = candidate(taken(model, *A_LEADS, "a: process_pause", "tick", "a: lease_update"))
    assert answered.paused
    assert answered.answer is not None
    assert answered.elector.phase is Phase.RENEW
    resumed = taken(model, *A_LEADS, "a: process_pause", "tick", "tick", "tick", "a: process_resume")
    assert candidate(resumed).elector.guarded
    assert "tick" not in {action.name for action, _ in successors(model, resumed)}


def test_the_guarded_work_returns_in_time() -> None:
    model = election.model(candidates=1, drain=1, cancels=1)
    state = taken(model, *A_LEADS, "a: elector_cancel", "tick")
    assert {action.name for action, _ in successors(model, state)} == {"elector_work_returned"}


def test_nobody_who_does_not_run_is_paused() -> None:
    each = component(pauses=1)
    assert each.step(each.initial(), PAUSE) is None
    assert each.step(each.initial()._replace(paused=True), RESUME) == Step(each.initial())


# ---- symmetry


def events_of(system: Election, number: int, state: Local) -> Iterator[Event]:
    yield from system.events(number, state)
    if isinstance(state, Candidate):
        yield from (TICK, SKIP)


@pytest.mark.parametrize(
    "settings",
    [
        {"candidates": 3, "crashes": 1},
        {"latency": True, "failures": 1, "release_on_cancel": True, "cancels": 1},
        {"resource": True, "writes": 4, "pauses": 1},
    ],
)
def test_renamed_candidates_take_renamed_steps(settings: dict[str, Any]) -> None:
    model = election.model(**settings)
    system = model.system
    assert isinstance(system, Election)
    exploration = explored(replace(model, always=()))
    candidates = len(system.candidates)
    others = tuple(range(candidates, len(model.component_names)))
    judged = 0
    for numbers in ((*order, *others) for order in permutations(range(candidates))):

        def renamed(step: Step | None, numbers: tuple[int, ...] = numbers) -> tuple[Local, Counter[Message]] | None:
            if step is None:
                return None
            sends = (message._replace(to=numbers[message.to], body=rename(message.body, numbers)) for message in step.sends)
            return rename(step.state, numbers), Counter(sends)

        for number, state in exploration.steps.ids.locals[::7]:
            for event in events_of(system, number, state):
                as_renamed = event._replace(argument=rename(event.argument, numbers))
                step = system.step(numbers[number], rename(state, numbers), as_renamed)
                unmoved = None if step is None else (step.state, Counter(step.sends))
                assert unmoved == renamed(system.step(number, state, event))
                judged += 1
    assert judged > 200


def test_one_of_each_orbit_is_visited() -> None:
    every, one_of_each = explored(election.model(3)), explored(election.model(3, symmetry=True))
    assert every.statistics.distinct / 6 <= one_of_each.statistics.distinct < every.statistics.distinct / 4
    assert every.witnessed.keys() == one_of_each.witnessed.keys()
    with pytest.raises(Broken):
        explored(election.model(3, lease_duration=3, symmetry=True))


# ---- properties


def elector(phase: Phase = Phase.RENEW, **fields: object) -> Candidate:
    return Candidate(ElectorState(phase, **fields))  # type: ignore[arg-type]


LEADER = elector(guarded=True, working=True)
DRAINING = elector(Phase.STOPPED, working=True)
WAITING = elector(Phase.ACQUIRE_WAIT)
HOLDERS = LeaseState(LeaderElectionRecord("a", 4), versions.CURRENT)


@pytest.mark.parametrize(
    ("wanted", "good", "bad"),
    [
        (properties.ONE_GUARDED_LEADER, (LEADER, DRAINING), (LEADER, LEADER)),
        (properties.ONE_WORKING_LEADER, (LEADER, WAITING), (LEADER, DRAINING)),
        (properties.RELEASE_ONLY_OWN, (Lease(HOLDERS),), (Lease(HOLDERS, robbed=True),)),
        (properties.RELEASE_IS_TRIED, (WAITING,), (WAITING._replace(left=True),)),
        (properties.TRANSITIONS, (Lease(HOLDERS),), (Lease(HOLDERS, miscounted=True),)),
        (properties.WRITES_IN_ORDER, (Resource(),), (Resource(disordered=True),)),
        (properties.A_LEADER, (LEADER,), (WAITING,)),
        (properties.A_FAILOVER, (LEADER, Lease(HOLDERS, taken_over=True)), (LEADER, Lease(HOLDERS))),
        (properties.A_RELEASE, (Lease(LeaseState(LeaderElectionRecord("", 1), 3)),), (Lease(HOLDERS),)),
    ],
    ids=lambda value: value.id if isinstance(value, Property) else "",
)
def test_a_property_can_break(wanted: Property, good: tuple[Local, ...], bad: tuple[Local, ...]) -> None:
    assert wanted.holds(*good)
    assert not wanted.holds(*bad)
    assert wanted.components == len(good)


def test_who_empties_the_record_of_another_is_seen() -> None:
    system = election.model().system
    assert isinstance(system, Election)
    released = LeaderElectionRecord("", 1)
    for identity, robbed in (("a", False), ("b", True)):
        request = Request(identity, 0, Verb.UPDATE, released, versions.CURRENT)
        step = system.receive(2, Lease(HOLDERS), Message(2, Call(request), synchronous=True))
        assert step is not None
        assert isinstance(step.state, Lease)
        assert step.state.robbed is robbed
        assert step.labels == ("lease emptied",)


@pytest.mark.parametrize(
    ("identity", "transitions", "miscounted"), [("a", 0, False), ("a", 1, True), ("b", 1, False), ("b", 0, True), ("b", 2, True)]
)
def test_transitions_are_counted(identity: str, transitions: int, miscounted: bool) -> None:
    system = election.model().system
    assert isinstance(system, Election)
    record = LeaderElectionRecord(identity, 4, leader_transitions=transitions)
    request = Request(identity, 0, Verb.UPDATE, record, versions.CURRENT)
    step = system.receive(2, Lease(HOLDERS), Message(2, Call(request), synchronous=True))
    assert step is not None
    assert isinstance(step.state, Lease)
    assert step.state.miscounted is miscounted
    assert step.state.taken_over is (identity == "b")
