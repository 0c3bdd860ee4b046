"""The local states, messages and steps of leases behind consensus, in the terms of models/lease.py.

An action of the specification there reads a member and the log at once. Here these are components that call one another, and
nothing comes between: so whoever takes a call knows what its sender's state says, and the action is the log's step if it appends,
else the member's. Time passes for each member by itself, and once more for clients, who live in real time.

A leader that keeps the time since when it was deposed already is no primary here: it reads older checkpoints than the
specification's, and whatever it finds comes to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from kubeproof.conformance.bindings.lease import LeaseSystem
from kubeproof.conformance.bindings.lease.client import Client
from kubeproof.conformance.bindings.lease.log import Log, Proposal
from kubeproof.conformance.bindings.lease.member import TERMS, Member
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Message, Model, Step
from kubeproof.conformance.refinement.binding import Binding, First, Reading
from kubeproof.conformance.refinement.judge import Abstract, Call, Facts, Known, World
from kubeproof.conformance.refinement.lease_steps import (
    Proposes,
    advance_of,
    calls_of_client,
    calls_of_log,
    calls_of_member,
    is_lost,
)
from kubeproof.conformance.refinement.lease_views import (
    NOTHING_TOLD,
    Seen,
    Told,
    Views,
    facts,
    facts_for_log,
    facts_of_primary,
    remembered,
    set_false,
)
from kubeproof.conformance.refinement.once import Once
from kubeproof.models import lease as spec
from kubeproof.models.logic.actions import Action
from kubeproof.models.logic.formulas import Variable, ite
from kubeproof.models.logic.rewriting import Update

NO_FACTS: Facts = frozenset()

# ---- time


def _time_of_members(action: Action) -> Action:
    """Time passes for one member: its clock advances."""
    own = Variable("m", spec.Member)
    part = Action(action.name, (own, *action.parameters), action.says)
    parameters, body = action.updates[spec.remaining]
    part.updates[spec.remaining] = Update(parameters, ite(parameters[0] == own, body, spec.remaining(*parameters)))
    return part


def _time_of_clients(action: Action) -> Action:
    """Time passes: whatever is ago is longer ago."""
    part = Action("real_time_passes", action.parameters, action.says)
    part.updates = {symbol: update for symbol, update in action.updates.items() if symbol is not spec.remaining}
    return part


TIME_PASSES = spec.lease.actions["time_passes"]
PARTS = {"time_passes": _time_of_members(TIME_PASSES), "real_time_passes": _time_of_clients(TIME_PASSES)}
BY_COMPONENT = replace(spec.lease, actions=spec.lease.actions | PARTS)
"""The specification with time passing for each component: it asks nothing, and no update looks at another's."""

# ---- the world


def leaves_out(model: Model) -> list[str]:
    """What of a model cannot be judged."""
    return [] if isinstance(model.system, LeaseSystem) else ["another system than lease"]


def world(model: Model, system: LeaseSystem) -> World:
    """Members, leases and keepalives by number, terms and one that is never reached; durations in ticks."""
    leases = [each.lease for each in system.clients]
    keepalives = {each.context(place): each.lease for each in system.clients for place in range(each.keepalives)}
    parts = [joint.parts[: len(system.members)] for joint in model.joint_events]
    passages = [tuple(advance_of(part.name) for part in each if part is not None) for each in parts]
    return World(
        universes={
            spec.Member: range(len(system.members)),
            spec.Term: range(1, (model.budgets[TERMS] or 0) + 2),
            spec.Lease: leases,
            spec.Keepalive: list(keepalives),
            spec.Passage: passages,
        },
        rigid={},
        values={
            spec.ttl: {(x,): system.ttl for x in leases},
            spec.lease_of: {(a,): x for a, x in keepalives.items()},
            spec.extend.symbol: {(): 0},
            spec.clock_ratio.symbol: {(): system.clock_ratio},
            spec.passes: {(p,): 1 for p in passages},
            spec.ticks: {(p, m): advance for p in passages for m, advance in enumerate(p)},
        },
    )


def read(model: Model, taken: Iterable[Taken]) -> Reading:
    """All steps: of members, of the log, of clients. The resource is none of the specification's."""
    assert isinstance(model.system, LeaseSystem)
    common = world(model, model.system)
    mapped = Map(common, model.system)
    first = [First(mapped.known(component, state), NO_FACTS) for component, state in enumerate(model.system.initial())]
    return Reading(common, first, list(taken), mapped.abstract)


# ---- the map


class Map:
    """The map of steps. States that look alike have in common what is known of them, and many do."""

    def __init__(self, world: World, system: LeaseSystem) -> None:
        self.system, self.passages = system, world.universes[spec.Passage]
        lease_of = {a: x for (a,), x in world.values[spec.lease_of].items()}
        members, terms, leases = (world.universes[sort] for sort in (spec.Member, spec.Term, spec.Lease))
        self.views = Views(members, terms, leases, lease_of, system.members[0].tick_ms)
        self._seen, self._remembered = Once(self.views.seen), Once(remembered)
        self._log = Once(self.views.log)
        self._clients = [Once(partial(self.views.client, each)) for each in system.clients]
        self._members: dict[tuple[int, Seen], Known] = {}
        self._told: dict[tuple[Known, Told, Facts], Known] = {}
        self._nothing = Known()

    def abstract(self, taken: Taken) -> Abstract:
        """The step as the specification sees it."""
        component, before, happens, step = taken
        cause = happens.body if isinstance(happens, Message) else happens
        told, given = self._arrives(component, before, cause)
        claims = [fact for each in step.sends for fact in facts(each.to, each.body)]
        if isinstance(before, Member) and not before.is_late:
            claims += (fact for each in step.sends for fact in facts_of_primary(each.body))
        return Abstract(
            self._with(self.known(component, before), told, given),
            given,
            tuple([Call(name, tuple(arguments.items())) for name, arguments in self._calls(component, before, cause, step)]),
            self.known(component, step.state),
            self._counts_on(step.state).union(claims),
        )

    def known(self, component: int, state: object) -> Known:
        """What a component's tuples are."""
        if isinstance(state, Member):
            at = component, self._seen(state)
            if at not in self._members:
                self._members[at] = self.views.member(*at)
            return self._members[at]
        if isinstance(state, Log):
            return self._log(state)
        return self._clients[self.system.client(component).number](state) if isinstance(state, Client) else self._nothing

    def _counts_on(self, state: object) -> Facts:
        return self._remembered(state) if isinstance(state, Member) else NO_FACTS

    def _arrives(self, component: int, before: object, cause: object) -> tuple[Told, Facts]:
        """What a component is told, and what it and that stand for."""
        if isinstance(before, Log):
            if isinstance(cause, Proposal) and not is_lost(before, cause):
                return self.views.told_to_log(cause), facts_for_log(before, cause)
            return self.views.told_to_log(cause), NO_FACTS
        given = self._counts_on(before).union(facts(component, cause))
        return self.views.told_to_member(before, cause) if isinstance(before, Member) else NOTHING_TOLD, given

    def _with(self, known: Known, told: Told, given: Facts) -> Known:
        """What a component knows when it takes a call: what it is told is so, whatever it was before."""
        new = frozenset((relation, at) for relation, at in given if at in known.closed.get(relation, ()))
        if told == NOTHING_TOLD and not new:
            return known
        key = known, told, new
        if key not in self._told:
            both = self._told[key] = Known(
                {relation: set(tuples) for relation, tuples in known.true.items()},
                {relation: {at for at in tuples if (relation, at) not in new} for relation, tuples in known.closed.items()},
                {function: dict(assigned) for function, assigned in known.values.items()},
            )
            set_false(both, told.false)
            for function, at, value in told.values:
                both.assign(function, at, value)
        return self._told[key]

    def _calls(self, component: int, before: object, cause: object, step: Step) -> Iterator[Proposes]:
        if isinstance(before, Member):
            assert isinstance(step.state, Member)
            seen = self._seen(before), self._seen(step.state)
            yield from calls_of_member(component, before, cause, step, seen, self.passages)
        elif isinstance(before, Log):
            yield from calls_of_log(before, cause)
        elif isinstance(before, Client):
            yield from calls_of_client(self.system.client(component), before, cause, self.passages)


LEASE = Binding(BY_COMPONENT, leaves_out, read)
