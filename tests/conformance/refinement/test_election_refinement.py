"""Explored local steps of elections are steps of models/election.py; steps of wrong electors, and planted ones, are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import product
from random import Random
from typing import Any

import pytest

from kubeproof.conformance.bindings.election.candidate import PAUSES, TICK, WRITE, Candidate, Write
from kubeproof.conformance.bindings.election.lease import Lease, Resource
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Model, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.election import BY_CANDIDATE, ELECTION
from kubeproof.conformance.refinement.judge import ghost_guards
from kubeproof.conformance.refinement.locality import Locality
from kubeproof.conformance.refinement.refine import Refinement, refine
from kubeproof.conformance.scenarios.scenario import load, shipped
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.election import Answer, FenceState, LeaderElectionRecord, Outcome, Phase, Request, Verb
from kubeproof.models import election as spec
from kubeproof.models.logic.evaluator import after, enabled
from kubeproof.models.logic.formulas import Function, Real, Relation, Sort, Symbol
from kubeproof.models.logic.structures import Structure
from tests.conformance.refinement.weight import require_weight

RELEASES_FIRST = ("election-timing-safe-release", "election-timing-release-no-lease-is-long-enough")
"""Here a leader that has lost its lease releases it before it ends the guarded context, as client-go does."""

TIMING = (
    "election-timing-just-below",
    "election-timing-just-below-delay",
    "election-timing-just-below-ratio-2",
    "election-timing-just-below-ratio-3-2",
    "election-timing-just-below-release",
)
"""Here the lease is too short: the axiom `timing` does not hold."""

LEFT_OUT = {"election-timing-no-client-timeout": "latency without request_timeout"}

SIZES = {
    "pauses and releases": (
        "election-fencing",
        ("writes=4", "cancels=1", "release_on_cancel=true", "release_only_own=true", "cancel_before_release=true"),
    ),
    "requests that look alike": ("election-failover", ("pauses=1", "crashes=0", "restart=true")),
    "stale release, mended": (
        "election-stale-release",
        ("lease_duration=4", "renew_deadline=2", "release_only_own=true", "cancel_before_release=true"),
    ),
    "two leaders by a stale release, mended": ("election-stale-release-two-leaders", ("release_only_own=true",)),
    "release before cancel, mended": ("election-release-before-cancel", ("release_only_own=true", "cancel_before_release=true")),
    "accepted timing, mended": ("election-accepted-timing", ("validated_timing=true",)),
    "clock rates, mended": ("election-clock-rates", ("validated_timing=true",)),
    "slow drain, mended": ("election-slow-drain", ("drain_before_release=true",)),
}
"""Scenarios that do not ship."""


def named(group: str) -> list[str]:
    return [path.stem for path in shipped(group) if path.stem.startswith("election-")]


REFINING = [*(each for each in named("quick") if each not in (*RELEASES_FIRST, *TIMING, *LEFT_OUT)), *SIZES]

FAULTS: dict[str, tuple[str | None, str | Symbol]] = {
    "election-deadline-waits-for-answer": ("time_passes", "gives_up_in_time"),
    "election-expiry-by-renew-time": ("elector_try", "free_or_own_or_expired"),
    "election-failed-update-forgets-lease": (None, spec.observed_version),
    "election-first-observation-by-renew-time": ("lease_get", spec.observed_age),
    "election-lost-leader-keeps-renewing": ("elector_renewed", "accepted"),
    "election-no-fencing": ("resource_write", "token_is_not_older"),
    "election-own-lease-duration-used": ("elector_try", "free_or_own_or_expired"),
    "election-release-before-cancel": ("elector_release", "context_has_ended"),
    "election-renewals-not-observed": ("lease_get", spec.observed_age),
    "election-slow-drain": ("elector_release", "work_has_returned"),
    "election-stale-release": ("elector_release", "own_record"),
    "election-stale-release-two-leaders": ("elector_release", "own_record"),
    "election-unknown-outcome-taken-as-renewed": ("elector_renewed", "accepted"),
    "election-update-without-resource-version": ("lease_update", "resource_version"),
}
"""What each mistake makes impossible: an action by its guard, or the action that comes closest and what it does not change so."""

HARMLESS = {
    "election-accepted-timing": "the lease is too short, which is told",
    "election-clock-rates": "likewise",
    "election-fast-path-without-fallback": "nobody can renew: safety allows that",
    "election-one-shot": "nobody leads again: safety allows that",
}
"""Mistakes of which each step is allowed, with the reason."""

ONLY_IF_RELEASED_FIRST = {"elector_lose"}
"""What a leader does that has given up while its work goes on, as in `RELEASES_FIRST`."""

UNTIMED = ELECTION._replace(
    specification=replace(BY_CANDIDATE, axioms={name: each for name, each in BY_CANDIDATE.axioms.items() if name != "timing"})
)
"""What may be done, however long a lease is."""


@cache
def taken(name: str) -> tuple[Model, tuple[Taken, ...]]:
    """The model of a scenario, and the local steps that its exploration takes until something is broken."""
    model = load(*SIZES.get(name, (name, ()))).model()
    exploration = Exploration(model, Limits())
    with suppress(Broken):
        exploration.run()
    return model, tuple(exploration.taken_steps())


@cache
def judged(name: str) -> Refinement:
    return refine(ELECTION, *taken(name))


def whys(refused: Refinement) -> set[tuple[str | None, str | Symbol | None]]:
    return {(each.why.action, each.why.guard or each.why.symbol) for each in refused.refused}


@pytest.mark.parametrize("name", REFINING)
def test_every_local_step_is_one_of_the_specification(name: str) -> None:
    assert judged(name).refused == []
    assert judged(name).judged == len(taken(name)[1]) > 300


@pytest.mark.parametrize("name", RELEASES_FIRST)
def test_a_release_before_the_end_of_the_context_is_all_that_is_refused(name: str) -> None:
    assert whys(refine(UNTIMED, *taken(name))) == {("elector_release", "context_has_ended")}


@pytest.mark.parametrize("name", TIMING)
def test_of_a_lease_that_is_too_short_nothing_is_promised(name: str) -> None:
    with pytest.raises(InvalidInput, match="timing"):
        refine(ELECTION, *taken(name))
    released = {("elector_release", "context_has_ended")} if name.endswith("-release") else set()
    assert whys(refine(UNTIMED, *taken(name))) == released


@pytest.mark.parametrize(("name", "what"), [*LEFT_OUT.items(), ("two-phase-commit", "another system than election")])
def test_what_the_map_does_not_speak_of_is_told(name: str, what: str) -> None:
    assert ELECTION.leaves_out(load(name, ()).model()) == [what]


def test_all_other_scenarios_are_spoken_of() -> None:
    assert not any(ELECTION.leaves_out(load(name, ()).model()) for name in named("quick") if name not in LEFT_OUT)


def test_every_action_is_used() -> None:
    used: Counter[str] = sum((judged(name).actions for name in REFINING), Counter())
    released_first = refine(UNTIMED, *taken(RELEASES_FIRST[0])).actions
    assert set(spec.election.actions) - set(used) == ONLY_IF_RELEASED_FIRST == set(+released_first) - set(used)


# ---- mistakes


def test_every_mistake_is_refused_or_harmless() -> None:
    assert sorted((*FAULTS, *HARMLESS)) == sorted(named("bugs"))


@pytest.mark.parametrize(("name", "expected"), FAULTS.items(), ids=list(FAULTS))
def test_a_mistake_is_a_step_that_no_action_allows(name: str, expected: tuple[str | None, str | Symbol]) -> None:
    assert expected in whys(refine(UNTIMED, *taken(name)))


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_harmless_is_allowed(name: str) -> None:
    assert refine(UNTIMED, *taken(name)).refused == []


# ---- what is assumed of the world


def test_only_the_time_of_answers_is_assumed_of_the_world() -> None:
    erased = {f"{action.name}.{guard}" for action in spec.election.actions.values() for guard in ghost_guards(action)}
    assert erased == {f"elector_{got}.answered_in_time" for got in ("acquired", "renewed", "retaken")}
    assert spec.ANSWERS in spec.election.properties["one_guarded_leader"].assumes


@pytest.mark.parametrize("name", REFINING)
def test_answers_come_in_time_unless_somebody_is_paused(name: str) -> None:
    """At once, or before the request times out: no time passes else while one is under way."""
    model, steps = taken(name)
    for _, before, cause, _ in steps:
        if isinstance(cause, Event) and cause.name == TICK.name and not model.budgets[PAUSES]:
            assert isinstance(before, Candidate)
            assert before.answer is None or before.elector.request_left > 0


# ---- why it is enough to look at one component and what was sent

OWN = {
    spec.observed_version,
    spec.observed_age,
    spec.expired,
    spec.awaited,
    spec.renew_wait,
    spec.renew,
    spec.release,
    spec.timer,
    spec.lag,
    spec.was_paused,
    spec.working,
    spec.fencing_token,
}
SENT = {spec.holder, spec.empty, spec.sent, spec.accepted, spec.write_sent}
ALONE = {spec.lease_version: ("lease_update", "lease_release"), spec.highest_token: ("resource_write",)}
"""What there is only one of, and the actions of its owner."""


def test_actions_read_and_change_what_is_their_owners() -> None:
    breaches = set(Locality(OWN, SENT).breaches(BY_CANDIDATE))
    owners = {each for each in breaches for symbol, actions in ALONE.items() if symbol.name in each and each.startswith(actions)}
    assert breaches - owners == {
        "elector_try.new_request asks whether sent is not so",  # of one's own request, as own_request says
        "elector_release.new_request asks whether sent is not so",
    }


SIZES_OF_TIME: dict[Sort, Sequence[Any]] = {
    spec.Candidate: "ab",
    spec.Request: [],
    spec.Passage: [0],
    spec.Version: range(2),
}


def a_state(random: Random) -> Structure:
    """Any state, in which guards are about as often true as not."""

    def places(symbol: Relation | Function) -> list[tuple[Any, ...]]:
        return list(product(*(SIZES_OF_TIME[sort] for sort in symbol.sorts)))

    def element(sort: Sort) -> Any:
        return Fraction(random.randrange(6), 2) if sort is Real else random.choice(SIZES_OF_TIME[sort])

    relations: dict[Relation, set[tuple[Any, ...]]] = {}
    values: dict[Function, dict[tuple[Any, ...], Any]] = {}
    for symbol in spec.election.symbols:
        if isinstance(symbol, Relation):
            relations[symbol] = {at for at in places(symbol) if random.random() < 0.3}
        elif isinstance(symbol, Function):
            values[symbol] = {at: element(symbol.result) for at in places(symbol)}
    return Structure.known(SIZES_OF_TIME, relations, values)


def test_time_passes_for_all_just_as_it_does_for_each() -> None:
    whole, part = spec.election.actions["time_passes"], BY_CANDIDATE.actions["time_passes"]
    (p,), (n, p_of_part) = whole.parameters, part.parameters
    possible: Counter[bool] = Counter()
    for number in range(300):
        state = a_state(Random(number))
        each = [{n: who, p_of_part: 0} for who in "ab"]
        together = all(enabled(whole, state, {p: 0}).values())
        assert together == all(all(enabled(part, state, arguments).values()) for arguments in each)
        possible[together] += 1
        one_by_one = after(part, after(part, state, each[0]), each[1])
        assert after(whole, state, {p: 0}).true == one_by_one.true
        assert after(whole, state, {p: 0}).values == one_by_one.values
    assert min(possible.values()) > 20


# ---- planted mistakes: each relation carries weight


def with_elector(state: Candidate, **changes: Any) -> Candidate:
    return state._replace(elector=state.elector._replace(**changes))


def leading(phase: Phase) -> Callable[[Candidate], Candidate]:
    """The candidate acts as leader, and its timer is due."""
    return lambda state: with_elector(state, guarded=True, working=True, phase=phase, waited=1, deadline_left=0)


def with_answer(record: LeaderElectionRecord) -> Callable[[Candidate], Candidate]:
    """An answer comes from nowhere."""

    def changed(state: Candidate) -> Candidate:
        assert state.elector.request is not None
        answer = Answer(state.elector.request.identity, 0, Outcome.OK, record, resource_version=2)
        return state._replace(answer=answer)

    return changed


def with_late(state: Candidate) -> Candidate:
    own = LeaderElectionRecord(holder_identity="a", lease_duration=5)
    return state._replace(late=frozenset({Request("a", 0, Verb.UPDATE, own, 3)}))


def is_leader(state: Candidate) -> bool:
    return state.elector.guarded and state.elector.phase is Phase.RENEW and state.elector.deadline_left == 1


def asks(verb: Verb) -> Callable[[Candidate], bool]:
    def found(state: Candidate) -> bool:
        request = state.elector.request
        unanswered = state.answer is None and request is not None and request.verb is verb
        return unanswered and state.elector.phase is Phase.RENEW and not state.late

    return found


def waits(state: Candidate) -> bool:
    """It has just seen another's record."""
    elector = state.elector
    known = elector.observed_record.lease_duration > 1 and elector.resource_version == 1 and not state.late
    return elector.phase is Phase.ACQUIRE_WAIT and known and elector.observed_age == 1


LOSSY, SLOW, FENCED = "election-lossy", "election-timing-safe-ratio-2", "election-fencing"
HELD = LeaderElectionRecord(holder_identity="b", lease_duration=5)
EMPTY = LeaderElectionRecord(lease_duration=1)

CHANGES: dict[str, tuple[str, Callable[[Candidate], bool], Callable[[Candidate], Candidate], Set[Symbol]]] = {
    "a candidate leads, and renews": (LOSSY, waits, leading(Phase.RENEW), {spec.renew, spec.working}),
    "a candidate leads, and rests": (LOSSY, waits, leading(Phase.RENEW_WAIT), {spec.renew_wait, spec.working}),
    "a candidate leads, and releases": (LOSSY, waits, leading(Phase.RELEASE), {spec.release, spec.working}),
    "a deadline moves": (
        LOSSY,
        is_leader,
        lambda state: with_elector(state, deadline_left=2),
        {spec.timer},
    ),
    "a skipped tick is forgotten": (
        SLOW,
        lambda state: is_leader(state) and state.credit == 1,
        lambda state: state._replace(credit=0),
        {spec.lag},
    ),
    "another version is known": (
        LOSSY,
        waits,
        lambda state: with_elector(state, resource_version=3),
        {spec.observed_version, spec.holder},
    ),
    "time passes faster": (LOSSY, waits, lambda state: with_elector(state, observed_age=2), {spec.observed_age}),
    "the lease expires early": (LOSSY, waits, lambda state: with_elector(state, observed_age=5), {spec.expired}),
    "a pause is not told": (LOSSY, waits, lambda state: state._replace(paused=True), {spec.was_paused}),
    "a token is newer": (
        FENCED,
        is_leader,
        lambda state: with_elector(state, fencing_token=state.elector.fencing_token + 1),
        {spec.fencing_token},
    ),
    "a request comes from nowhere": (LOSSY, waits, with_late, {spec.sent, spec.empties}),
    "an update is answered": (LOSSY, asks(Verb.UPDATE), with_answer(HELD), {spec.accepted, spec.holder}),
    "another holds the Lease": (LOSSY, asks(Verb.GET), with_answer(HELD), {spec.holder}),
    "nobody holds the Lease": (LOSSY, asks(Verb.GET), with_answer(EMPTY), {spec.empty}),
}
"""Of each mistake: the scenario and the state where it is planted, what comes of nothing, and what shows that."""

NOTHING = Event("process_resume")


@pytest.mark.parametrize(("scenario", "where", "change", "shows"), CHANGES.values(), ids=list(CHANGES))
def test_a_planted_change_is_shown_by_its_symbols_only(
    scenario: str, where: Callable[[Candidate], bool], change: Callable[[Candidate], Candidate], shows: Set[Symbol]
) -> None:
    model, steps = taken(scenario)
    states = (each[3].state for each in steps if each[0] == 0)
    state = next(each for each in states if isinstance(each, Candidate) and where(each))
    require_weight(ELECTION, model, (0, state, NOTHING, Step(change(state))), shows)


def step_of(component: type[Lease | Resource], where: Callable[[Taken], bool] = lambda each: each[1] != each[3].state) -> Taken:
    """A step of the Lease or the resource, in which it is written if nothing else is asked for."""
    return next(each for each in taken(FENCED)[1] if isinstance(each[1], component) and where(each))


def test_a_version_that_nobody_has_made_is_shown() -> None:
    component, before, cause, step = step_of(Lease, lambda each: each[1] == each[3].state and "lease read" in each[3].labels)
    assert isinstance(before, Lease)
    forged = before._replace(stored=before.stored._replace(resource_version=before.stored.resource_version + 1))
    step = Step(forged, step.sends)
    require_weight(ELECTION, taken(FENCED)[0], (component, before, cause, step), {spec.lease_version, spec.holder})


def test_an_answer_with_another_version_is_shown() -> None:
    component, before, cause, step = step_of(Lease)
    (message,) = step.sends
    assert isinstance(message.body, Answer)
    forged = message._replace(body=message.body._replace(resource_version=message.body.resource_version + 1))
    told = step._replace(sends=(forged,))
    require_weight(ELECTION, taken(FENCED)[0], (component, before, cause, told), {spec.accepted, spec.holder})


def test_a_token_that_nobody_has_written_is_shown() -> None:
    component, before, cause, step = step_of(Resource)
    assert isinstance(step.state, Resource)
    forged = Resource(FenceState(step.state.fence.highest_token - 1))
    require_weight(ELECTION, taken(FENCED)[0], (component, before, cause, step._replace(state=forged)), {spec.highest_token})


def test_a_write_that_nobody_has_sent_is_shown() -> None:
    model, steps = taken(FENCED)
    writes = (each for each in steps if isinstance(each[2], Event) and each[2].name == WRITE.name)
    component, before, cause, step = next(writes)
    (call,) = step.sends
    forged = call._replace(body=Write(call.body.token + 1))  # type: ignore[attr-defined]
    require_weight(ELECTION, model, (component, before, cause, step._replace(sends=(forged,))), {spec.write_sent})


def test_every_symbol_that_changes_carries_weight() -> None:
    shown = {symbol for _, _, _, shows in CHANGES.values() for symbol in shows}
    others = {spec.lease_version, spec.highest_token, spec.write_sent}
    asked_for_by_guards = {spec.awaited}  # whoever awaits an answer has sent the request by an action
    state = {symbol for symbol in spec.election.symbols if not symbol.rigid and not symbol.ghost}
    assert shown - {spec.empties} | others | asked_for_by_guards == state
