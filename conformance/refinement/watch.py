"""The local states and steps of members with their watch hubs, and of clients that watch, in the terms of models/watch.py.

Known of a member: its revisions, what it has removed, and all of the watches whose streams end there; of a client: where it goes
on, which watches are canceled, and that none is open while it has no stream. What each revision changes is the same in all runs,
as the log is a script. What waits on a stream is under way.

Of the places in all that was ever sent to a watcher only the order counts. So within a step what is under way has places from 1
on, and what is sent has higher ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from kubeproof.conformance.bindings.store.history import history
from kubeproof.conformance.bindings.store.log import PROPOSALS
from kubeproof.conformance.bindings.store.member import CRASHES, REPLAY, Entry, Member
from kubeproof.conformance.bindings.store.menu import KEYS
from kubeproof.conformance.bindings.watch import WatchSystem
from kubeproof.conformance.bindings.watch.client import PROGRESS, Client, ClientComponent, is_for
from kubeproof.conformance.bindings.watch.member import BREAKS, SEND
from kubeproof.conformance.bindings.watch.messages import Ended, Open, Sent, Snapshot
from kubeproof.conformance.bindings.watch.properties import event_of, wants
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Message, Model, Step
from kubeproof.conformance.refinement.binding import Binding, First, Reading
from kubeproof.conformance.refinement.judge import Abstract, Call, Known, Values, World
from kubeproof.conformance.refinement.watch_steps import Proposal, calls_of_member, received
from kubeproof.conformance.refinement.watch_views import (
    REVISION_0,
    MemberView,
    Response,
    Watcher,
    WatcherView,
    changes,
    last_place,
    places_after,
    places_before,
    removed,
    view,
)
from kubeproof.impl.store.requests import WatchResponse
from kubeproof.impl.store.watch_group import Group
from kubeproof.models import watch as spec
from kubeproof.models.logic.formulas import Relation, Sort
from kubeproof.models.logic.structures import Structure
from kubeproof.models.mvcc import Key, Revision

ELSEWHERE = -1
"""A member that never does anything: watches that are not here are there. No action of a member asks anything of them."""

GROUPS = {
    spec.synced: Group.SYNCED,
    spec.unsynced: Group.UNSYNCED,
    spec.victim: Group.VICTIM,
    spec.canceled: Group.COMPACTED,
}
NOTHING: frozenset[Any] = frozenset()
NO_STEP = Abstract(Known(), NOTHING, (), Known(), NOTHING)
"""What the log does by itself: it is nothing to members and clients yet."""


@dataclass(frozen=True, slots=True)
class Half(Abstract):
    """A client's part of what it does together with a member. Of the whole the member's part has all that the action makes."""


def leaves_out(model: Model) -> list[str]:
    """What of a model cannot be judged."""
    return [] if isinstance(model.system, WatchSystem) else ["another system than watch"]


def world(model: Model) -> World:
    """What is written and watched, for as many revisions as there may be writes, and one that is never reached."""
    system = model.system
    assert isinstance(system, WatchSystem)
    writes = model.budgets[PROPOSALS] or 0
    made = history(system.log.first(writes)).changes
    watches = {(client.number, each.watch_id): each for client in system.clients for each in client.requests}
    last = max(REVISION_0 + writes, *(each.start_revision for each in watches.values()))
    return World(
        universes={
            spec.Member: (*range(len(system.members)), ELSEWHERE),
            spec.Watcher: list(watches),
            Key: KEYS[:2],
            Revision: range(REVISION_0, last + 2),
        },
        rigid={
            spec.event: {(change.revision[0], change.record.key) for change in made},
            spec.passes: {
                (w, change.revision[0], change.record.key)
                for w, request in watches.items()
                for change in made
                if wants(request, event_of(change))
            },
        },
        values={
            spec.revision_0.symbol: {(): REVISION_0},
            spec.place_0.symbol: {(): 0},
            spec.start_revision: {(w,): request.start_revision for w, request in watches.items()},
        },
    )


def read(model: Model, taken: Iterable[Taken]) -> Reading:
    """The steps of members and clients. The log is what members are told of."""
    system = model.system
    assert isinstance(system, WatchSystem)
    mapped = Map(system)
    members = [mapped.member(view(number, each.store.initial(), mapped.room, {})) for number, each in enumerate(system.members)]
    clients = [mapped.client(each, each.initial()) for each in system.clients]
    first = [First(each, NOTHING) for each in (*members, *clients, nowhere(system))]
    steps = [each for each in taken if isinstance(each[1], Member | Client)]
    return Reading(world(model), first, steps, mapped.abstract, lasting=partial(lasting, all_places(model)), placed=placed)


def nowhere(system: WatchSystem) -> Known:
    """What is known of ELSEWHERE, and of watches before they are opened."""
    known = Known()
    known.assign(spec.current_revision, (ELSEWHERE,), REVISION_0)
    known.assign(spec.compact_revision, (ELSEWHERE,), REVISION_0)
    for client in system.clients:
        for each in client.requests:
            w = client.number, each.watch_id
            known.assign(spec.served_by, (w,), ELSEWHERE)
            known.assign(spec.min_revision, (w,), each.start_revision)
            known.assign(spec.last_place, (w,), 0)
    return known


class Map:
    """The map of steps. What is known is made once of each view, as many states are alike to the specification."""

    def __init__(self, system: WatchSystem) -> None:
        self._system = system
        self.room = system.members[0].store.options.watch.channel_limit
        self._watches = [(client.number, each.watch_id) for client in system.clients for each in client.requests]
        self._values = {spec.served_by: {(w,): ELSEWHERE for w in self._watches}}
        self._known: dict[object, Known] = {}

    def abstract(self, taken: Taken) -> Abstract:
        """The step as the specification sees it."""
        component, before, cause, step = taken
        body = cause.body if isinstance(cause, Message) else cause
        if isinstance(before, Member):
            return self._of_member(component, before, body, step)
        if not isinstance(before, Client) or not isinstance(step.state, Client):
            return NO_STEP
        return self._of_client(self._system.clients[component - len(self._system.members)], before, body, step.state)

    # ---- members

    def _of_member(self, number: int, before: Member, cause: object, step: Step) -> Abstract:
        after = step.state
        assert isinstance(after, Member)
        sent = step.sends[0].to if isinstance(cause, Event) and cause.name == SEND else None
        is_applied = isinstance(cause, Entry) or (isinstance(cause, Event) and cause.name == REPLAY.name)
        free = last_place(before) + 1
        was = view(number, before, self.room, places_before(before))
        now = view(number, after, self.room, places_after(before, after, sent, together=is_applied))
        calls = calls_of_member(was, cause, now, free)
        places = range(free + 1 + sum(len(stream.waiting) for stream in after.server.watches))
        return _abstract(Abstract, self._before(was, cause, free, places), calls, self.member(now), places, self._values)

    def member(self, seen: MemberView) -> Known:
        """What a member's tuples are, and those of the watches whose streams end there."""
        if seen not in self._known:
            known = self._known[seen] = Known()
            number = seen.number
            known.assign(spec.current_revision, (number,), seen.revision)
            known.assign(spec.compact_revision, (number,), seen.compact_revision)
            _close(known, spec.removed, (number,), seen.removed)
            for each in seen.watchers:
                _watcher(known, number, each)
        return self._known[seen]

    def _before(self, seen: MemberView, cause: object, free: int, places: range) -> Known:
        """The same before a step, with what a client or another member tells of itself. Nothing was sent at `free` places."""
        told = cause if isinstance(cause, Open | Snapshot) else None
        key = seen, told, free, places
        if key not in self._known:
            own = self._known[key] = _copy(self.member(seen))
            for w in self._watches:
                own.assign(spec.last_place, (w,), free - 1)
            for each in seen.watchers:
                for place in places[free:]:
                    _close(own, spec.carries, (each.watcher, place), ())
                    _close(own, spec.progress_at, (each.watcher, place), ())
            if isinstance(told, Open):
                for request in told.watches:
                    w = told.client, request.watch_id
                    _not_open(own, w)
                    own.set(spec.canceled, (w,), False)
                    own.assign(spec.next_revision, (w,), request.start_revision)
            elif isinstance(told, Snapshot):
                made = history(told.log)
                own.assign(spec.current_revision, (told.member,), made.revision)
                own.assign(spec.compact_revision, (told.member,), max(made.compact_revision, REVISION_0))
                _close(own, spec.removed, (told.member,), removed(told.backend, told.log))
        return self._known[key]

    # ---- clients

    def _of_client(self, client: ClientComponent, before: Client, cause: object, after: Client) -> Abstract:
        known, calls = self.client(client, before), list[Proposal]()
        if isinstance(cause, Sent):
            known, calls = self._hearing(client, before, cause.response)
        elif isinstance(cause, Ended):
            calls = [("stream_ends", {"w": w}) for w in _live(client, before)]
        return _abstract(Half, known, calls, self.client(client, after), range(2), {})

    def client(self, client: ClientComponent, state: Client) -> Known:
        """Where its watches go on; while it has no stream, that none is open."""
        going_on = tuple(
            (watched.next_revision(request.start_revision), watched.compacted > 0)
            for request, watched in zip(client.requests, state.watches, strict=True)
        )
        key = client.number, going_on, state.member is None
        if key not in self._known:
            known = self._known[key] = Known()
            for request, (revision, is_canceled) in zip(client.requests, going_on, strict=True):
                w = client.number, request.watch_id
                known.assign(spec.next_revision, (w,), revision)
                known.set(spec.canceled, (w,), is_canceled)
                if state.member is None and not is_canceled:
                    _not_open(known, w)
        return self._known[key]

    def _hearing(self, client: ClientComponent, state: Client, response: WatchResponse) -> tuple[Known, list[Proposal]]:
        """What a client knows when a response arrives, and how it takes it. That a watch is canceled it is told."""
        assert response.header is not None
        told = Response(1, changes(response.events), 0 if response.events else response.header.revision)
        heard, calls = _copy(self.client(client, state)), list[Proposal]()
        for request, w in zip(client.requests, _watchers(client), strict=True):
            if w in _live(client, state) and is_for(request, response):
                if response.canceled:
                    heard.set(spec.canceled, (w,), True)
                else:
                    _under_way(heard, w, (told,))
                    calls.append(received(w, told))
        return heard, calls


def _copy(known: Known) -> Known:
    return Known(
        {relation: set(tuples) for relation, tuples in known.true.items()},
        {relation: set(tuples) for relation, tuples in known.closed.items()},
        {function: dict(values) for function, values in known.values.items()},
    )


def _watcher(known: Known, number: int, seen: WatcherView) -> None:
    w = seen.watcher
    known.assign(spec.served_by, (w,), number)
    for relation, group in GROUPS.items():
        known.set(relation, (w,), seen.group is group)
    if seen.group is not Group.COMPACTED:
        known.assign(spec.min_revision, (w,), seen.min_revision)
        known.set(spec.full, (w,), seen.full)
        _close(known, spec.pending, (w,), seen.pending)
        _under_way(known, w, seen.on_stream)


def _under_way(known: Known, w: Watcher, responses: Iterable[Response]) -> None:
    """What is on a stream, and nothing else."""
    _close(known, spec.on_stream, (w,), ((each.place,) for each in responses))
    for each in responses:
        _close(known, spec.carries, (w, each.place), each.events)
        _close(known, spec.progress_at, (w, each.place), [(each.progress,)] if each.progress else ())


def _not_open(known: Known, w: Watcher) -> None:
    """No member has the watch."""
    for relation in (spec.synced, spec.unsynced, spec.victim, spec.full):
        known.set(relation, (w,), False)
    _close(known, spec.pending, (w,), ())
    _close(known, spec.on_stream, (w,), ())


def _close(known: Known, relation: Relation, beginning: tuple[Any, ...], ends: Iterable[tuple[Any, ...]]) -> None:
    """Of the tuples that begin so, the relation is true of those that end so, and of no others."""
    known.closed.setdefault(relation, set()).add(beginning)
    known.true.setdefault(relation, set()).update((*beginning, *end) for end in ends)


def _watchers(client: ClientComponent) -> list[Watcher]:
    return [(client.number, each.watch_id) for each in client.requests]


def _live(client: ClientComponent, state: Client) -> list[Watcher]:
    """Those that are not canceled."""
    return [w for w, watched in zip(_watchers(client), state.watches, strict=True) if not watched.compacted]


def _abstract(
    kind: type[Abstract], before: Known, calls: Iterable[Proposal], after: Known, places: range, values: Values
) -> Abstract:
    named = tuple(Call(name, tuple(arguments.items())) for name, arguments in calls)
    return kind(before, NOTHING, named, after, NOTHING, _places(places), values)


def _places(places: range) -> Mapping[Sort, Sequence[int]]:
    return {spec.Place: places}


# ---- where all that was ever sent is carried along


def all_places(model: Model) -> range:
    """As many as responses may be sent: to each watch of each stream all that happens, and all progress."""
    system, budgets = model.system, {name: left or 0 for name, left in model.budgets.items()}
    assert isinstance(system, WatchSystem)
    watches = sum(len(client.requests) for client in system.clients)
    streams = 1 + budgets[BREAKS] + budgets[CRASHES]
    return range(1 + watches * streams * (budgets[PROPOSALS] + budgets[PROGRESS]))


def lasting(places: range, step: Abstract) -> Abstract:
    """The same step where all that was ever sent has places. Of a client's half there is only what it has made."""
    if isinstance(step, Half):
        return replace(step, before=Known(), calls=(), elements=_places(places))
    return replace(step, elements=_places(places))


def placed(step: Abstract, state: Structure) -> Abstract:
    """The same step with the places that responses have in all that was sent so far."""
    free: int = max(state.values[spec.last_place].values())
    last = max(step.before.values.get(spec.last_place, {}).values(), default=0)
    here, under_way = step.before.true.get(spec.on_stream, set()), state.true[spec.on_stream]
    names: dict[tuple[Any, Any], int] = {
        (w, place): whole for w in {w for w, _ in here} for place, whole in zip(_of(w, here), _of(w, under_way), strict=False)
    }

    def through(w: Any, place: int) -> int:
        return names.get((w, place), free + place - last)

    def renamed(known: Known) -> Known:
        true, closed = dict(known.true), dict(known.closed)
        for relation in (spec.on_stream, spec.carries, spec.progress_at):
            for tuples in (true, closed):
                if relation in tuples:
                    tuples[relation] = {(at[0], *map(through, at[:1], at[1:2]), *at[2:]) for at in tuples[relation]}
        return Known(true, closed, known.values)

    calls = tuple(
        Call(name, tuple((each, through(dict(arguments).get("w"), value) if each == "i" else value) for each, value in arguments))
        for name, arguments in step.calls
    )
    return replace(step, before=renamed(step.before), calls=calls, after=renamed(step.after))


def _of(w: Any, on_stream: Iterable[tuple[Any, ...]]) -> list[int]:
    """The places of what is under way to a watcher, in their order."""
    return sorted(place for each, place in on_stream if each == w)


WATCH = Binding(spec.watch, leaves_out, read)
