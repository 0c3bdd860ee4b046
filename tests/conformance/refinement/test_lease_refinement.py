"""Explored local steps of leases are steps of models/lease.py; steps of wrong servers, and planted ones, are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import pytest

from kubeproof.conformance.bindings import lease
from kubeproof.conformance.bindings.lease import LeaseSystem
from kubeproof.conformance.bindings.lease.client import KEEP_ALIVE, Client
from kubeproof.conformance.bindings.lease.log import Appended, Campaign, Confirmation, Elected, Entry, Locked, Log, Proposal
from kubeproof.conformance.bindings.lease.member import CLOCK, Member
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Local, Message, Model
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.judge import Judge, NotAllowed, ghost_guards
from kubeproof.conformance.refinement.lease import BY_COMPONENT, LEASE, Map, world
from kubeproof.conformance.refinement.refine import Refinement, refine
from kubeproof.conformance.scenarios.scenario import load, shipped
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.store.requests import (
    LeaseCheckpoint,
    LeaseCheckpointRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    Request,
    TxnRequest,
)
from kubeproof.models import lease as spec
from kubeproof.models.logic.formulas import Symbol


def named(group: str) -> list[str]:
    return [path.stem for path in shipped(group) if path.stem.startswith("lease-")]


REFUSED = {
    "lease-checkpoint-not-cleared": "ensure_leadership.checkpoint_is_cleared",
    "lease-checkpointed-while-renewed": "renew.no_checkpoint_meanwhile",
    "lease-expired-renewed": "renew.not_expired",
    "lease-fast-keep-alive": "renew.applied_revocations",
    "lease-granted-not-found": "answer_not_found.applied_grants",
    "lease-renewed-after-revoke": "ensure_leadership.quorum_confirms",
    "lease-revocation-forwarded": "revoke_expired.proposed_in_own_term",
    "lease-stale-leader-renews": "ensure_leadership.quorum_confirms",
    "lease-stale-leader-revokes": "propose_expired.leadership_is_ensured",
}
"""The guard that each mistake does not meet."""

HARMLESS = {"lease-lock-no-fencing": "leases are as they should be: that their clients have stopped is promised nowhere"}
"""Mistakes of which each step is allowed, with the reason."""


@cache
def taken(name: str) -> tuple[Model, tuple[Taken, ...]]:
    """The model of a scenario, and the local steps that its exploration takes until something is broken."""
    return explored(load(name).model())


def explored(model: Model) -> tuple[Model, tuple[Taken, ...]]:
    exploration = Exploration(model, Limits())
    with suppress(Broken):
        exploration.run()
    return model, tuple(exploration.taken_steps())


@cache
def judged(name: str) -> Refinement:
    return refine(LEASE, *taken(name))


@pytest.mark.parametrize("name", named("quick"))
def test_every_local_step_is_one_of_the_specification(name: str) -> None:
    assert judged(name).refused == []
    assert judged(name).judged > 300


def test_every_action_is_used() -> None:
    used: Counter[str] = sum((judged(name).actions for name in named("quick")), Counter())
    assert set(used) == set(BY_COMPONENT.actions)


def test_the_parts_of_time_are_all_of_it() -> None:
    parts = [BY_COMPONENT.actions[name].updates.keys() for name in ("time_passes", "real_time_passes")]
    assert parts[0] | parts[1] == spec.lease.actions["time_passes"].updates.keys()
    assert not parts[0] & parts[1]
    assert not spec.lease.actions["time_passes"].guards


def test_what_the_map_does_not_speak_of_is_told() -> None:
    assert LEASE.leaves_out(load("two-phase-commit").model()) == ["another system than lease"]
    assert not any(LEASE.leaves_out(load(name).model()) for name in (*named("quick"), *named("full")))


def test_no_guard_asks_for_history() -> None:
    assert not any(map(ghost_guards, spec.lease.actions.values()))


def test_nothing_is_promised_where_clocks_are_too_fast() -> None:
    model = lease.model(clock_ratio=2)
    assert isinstance(model.system, LeaseSystem)
    slower = replace(model, system=replace(model.system, clock_ratio=1))
    with pytest.raises(InvalidInput, match="promises nothing here, as not all is so: clocks"):
        refine(LEASE, slower, explored(lease.model(members=1, terms=1, ticks=1))[1])


# ---- mistakes


def test_every_mistake_is_refused_or_harmless() -> None:
    assert sorted((*REFUSED, *HARMLESS)) == named("bugs")


@pytest.mark.parametrize("name", named("bugs"))
def test_a_mistake_is_refused_for_the_reason_that_its_scenario_gives(name: str) -> None:
    bug = load(name).bug
    assert bug is not None
    expected = {"lease": REFUSED[name]} if name in REFUSED else {}
    assert bug.refused_by == expected
    assert set(expected.values()) <= {each.why.reason for each in judged(name).refused}
    assert bool(expected) == bool(judged(name).refused)


# ---- planted steps


@cache
def some(name: str) -> tuple[Model, tuple[Taken, ...]]:
    """Small systems from which steps are taken to plant something in."""
    settings: dict[str, dict[str, Any]] = {
        "leases": {"members": 2, "terms": 2, "ttl": 1, "ticks": 1, "keepalives": 1},
        "checkpoints": {"members": 1, "terms": 1, "ticks": 1, "checkpoints": True},
        "lock": {"members": 1, "terms": 1, "ttl": 1, "ticks": 1, "clients": 2, "lock": True, "fencing": True},
    }
    return explored(lease.model(**settings[name]))


class Planted(NamedTuple):
    """A step of a system that is found by its cause, what to change of the state after it, and what alone tells of it."""

    system: str
    found: Callable[[Any, Any], bool]
    change: Callable[[Any, Any], Local]
    carried: tuple[Symbol, ...]


def verdict(system: str, step: Taken, ignoring: frozenset[Symbol] = frozenset()) -> str:
    """Why a step is refused; nothing if it is not."""
    model, _ = some(system)
    assert isinstance(model.system, LeaseSystem)
    common = world(model, model.system)
    try:
        Judge(BY_COMPONENT, common, ignoring).judge(Map(common, model.system).abstract(step))
    except NotAllowed as why:
        return why.reason
    return ""


def candidates(planted: Planted) -> Iterator[Taken]:
    for each in some(planted.system)[1]:
        cause = each[2].body if isinstance(each[2], Message) else each[2]
        if planted.found(each[1], cause):
            yield each


def first_of(planted: Planted) -> Taken:
    return min(candidates(planted), key=repr)


def appended(kind: type[Request] | None) -> Callable[[Any, Any], bool]:
    """A leader that keeps the time, and is not done with its lease, gets the next entry."""

    def found(before: Any, cause: Any) -> bool:
        is_kind = isinstance(cause, Appended) and (
            cause.entry.request is None if kind is None else isinstance(cause.entry.request, kind)
        )
        return is_kind and isinstance(before, Member) and before.server.is_primary and not before.leases.waiting

    return found


def proposed(kind: type[Request]) -> Callable[[Any, Any], bool]:
    """A proposal that the log takes, and that comes to something."""

    def found(before: Any, cause: Any) -> bool:
        if not isinstance(cause, Proposal) or not isinstance(cause.request, kind) or not isinstance(before, Log):
            return False
        return cause.term == before.term and all(not isinstance(each.request, kind) for each in before.entries)

    return found


def confirmed(*, granted: bool) -> Callable[[Any, Any], bool]:
    """The leader of a keepalive is confirmed, with the lease granted or not, and not revoked."""
    return lambda _, cause: (
        isinstance(cause, Confirmation) and cause.context > 0 and bool(cause.granted) is granted and not cause.revoked
    )


def without_entry(before: Log, after: Log) -> Log:
    return after._replace(entries=before.entries)


def in_term_2(before: Log, after: Log) -> Log:
    return after._replace(entries=(*before.entries, Entry(2, after.entries[-1].request)))


def with_history(**changes: Any) -> Callable[[Member, Member], Member]:
    """The member remembers something else of the confirmation."""
    return lambda _, after: after._replace(confirmations=tuple(replace(each, **changes) for each in after.confirmations))


def server_of(after: Member, **changes: Any) -> Member:
    return after._replace(server=after.server._replace(**changes))


def ticks(before: Any, cause: Any) -> bool:
    return isinstance(cause, Event) and cause.name.startswith(CLOCK) and isinstance(before, Member) and bool(before.server.leases)


PLANTED = {
    "leader": Planted(
        "leases",
        lambda _, cause: isinstance(cause, Elected),
        lambda _, after: after._replace(leases=after.leases._replace(term=0)),
        (spec.leader,),
    ),
    "primary": Planted(
        "leases",
        lambda before, cause: isinstance(cause, Confirmation) and not before.server.leases,
        lambda _, after: server_of(after, is_primary=False),
        (spec.primary,),
    ),
    "known": Planted("leases", appended(LeaseGrantRequest), lambda _, after: server_of(after, leases=()), (spec.known,)),
    "gone": Planted(
        "leases",
        appended(LeaseRevokeRequest),
        lambda before, after: server_of(after, leases=before.server.leases),
        (spec.gone,),
    ),
    "remaining": Planted(
        "leases",
        lambda before, cause: ticks(before, cause) and before.server.is_primary,
        lambda before, after: server_of(after, leases=before.server.leases),
        (spec.remaining,),
    ),
    "ensured": Planted(
        "leases",
        confirmed(granted=False),
        lambda _, after: after._replace(confirmations=()),
        (spec.ensured,),
    ),
    "granted_when_ensured": Planted(
        "leases", confirmed(granted=True), with_history(granted=frozenset()), (spec.granted_when_ensured,)
    ),
    "revoked_when_ensured": Planted(
        "leases", confirmed(granted=True), with_history(revoked=frozenset([1])), (spec.revoked_when_ensured,)
    ),
    "started": Planted(
        "leases", lambda _, cause: isinstance(cause, Campaign), lambda _, after: after._replace(term=0), (spec.started,)
    ),
    "granted": Planted("leases", proposed(LeaseGrantRequest), without_entry, (spec.granted, spec.granted_in)),
    "granted_in": Planted(
        "leases",
        lambda before, cause: proposed(LeaseGrantRequest)(before, cause) and before.term == 1,
        in_term_2,
        (spec.granted_in,),
    ),
    "revoked": Planted("leases", proposed(LeaseRevokeRequest), without_entry, (spec.revoked, spec.revoked_in)),
    "revoked_in": Planted(
        "leases",
        lambda before, cause: proposed(LeaseRevokeRequest)(before, cause) and before.term == 1,
        in_term_2,
        (spec.revoked_in,),
    ),
    "remaining_ttl": Planted(
        "checkpoints",
        proposed(LeaseCheckpointRequest),
        lambda before, after: after._replace(
            entries=(*before.entries, Entry(after.term, LeaseCheckpointRequest((LeaseCheckpoint(1, 600),))))
        ),
        (spec.remaining_ttl,),
    ),
    "owns_lock": Planted("lock", proposed(TxnRequest), without_entry, (spec.owns_lock,)),
    "asked": Planted(
        "leases",
        lambda before, cause: isinstance(before, Client) and isinstance(cause, Event) and cause.name == KEEP_ALIVE,
        lambda before, _: before,
        (spec.asked, *(spec.ensured, spec.granted_when_ensured, spec.revoked_when_ensured, spec.checkpointed_meanwhile)),
    ),
    "working": Planted(
        "lock", lambda _, cause: isinstance(cause, Locked), lambda _, after: after._replace(works=False), (spec.working,)
    ),
}
"""Wrong steps by what they make something else of."""


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_step_is_refused(name: str) -> None:
    planted = PLANTED[name]
    component, before, cause, step = first_of(planted)
    wrong = component, before, cause, step._replace(state=planted.change(before, step.state))
    assert verdict(planted.system, wrong) == name
    assert verdict(planted.system, wrong, frozenset(planted.carried)) == ""


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_in_is_right(name: str) -> None:
    assert verdict(PLANTED[name].system, first_of(PLANTED[name])) == ""


def test_a_leader_is_confirmed_by_its_own_term_alone() -> None:
    """What a confirmation tells is that there is no newer term."""
    component, before, cause, step = first_of(PLANTED["ensured"])
    assert isinstance(cause, Message)
    late = cause._replace(body=replace(cause.body, newest=2))  # type: ignore[type-var]
    assert before.leases.term == 1  # type: ignore[attr-defined]
    assert verdict("leases", (component, before, late, step)) == "ensure_leadership.quorum_confirms"


def test_time_that_no_clock_may_take_is_refused() -> None:
    """A clock that runs backwards, as a lease that has more time than before."""
    component, before, cause, step = first_of(PLANTED["remaining"])
    assert isinstance(step.state, Member)
    (own,) = step.state.server.leases
    assert own.expires_in_ms is not None
    more = server_of(step.state, leases=(own._replace(expires_in_ms=own.expires_in_ms + 2000),))
    assert verdict("leases", (component, before, cause, step._replace(state=more))) == "remaining"
