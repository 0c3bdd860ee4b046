"""A client with its lease, its keepalives and the lock; and for how long ago what was.

A client knows less than is here: it is told at once what becomes of its lease, so that properties can speak of it, but acts as
if it did not know. Who keeps a lease alive or works for a lock goes on when the lease is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from kubeproof.conformance.bindings.election.candidate import Write
from kubeproof.conformance.bindings.lease import labels
from kubeproof.conformance.bindings.lease.log import Granted, Locked, Revoked
from kubeproof.conformance.explore.system import Event, Message, Step
from kubeproof.impl.store.requests import (
    Compare,
    CompareTarget,
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    LeaseRevokeRequest,
    PutRequest,
    Request,
    TxnRequest,
)

KEEPALIVES, REVOCATIONS = "keepalives", "revocations"
GRANT, KEEP_ALIVE, REVOKE, LOCK = "lease_grant", "lease_keep_alive", "lease_revoke", "lock"
STOP, WRITE = Event("work_stop"), Event("work_write")
TICK = Event("tick")
"""The client's part of time passing: clients live in real time."""

LOCK_KEY = b"lock"


@dataclass(frozen=True, slots=True)
class Ask:
    """A client wants a lease to be kept alive."""

    context: int
    request: LeaseKeepAliveRequest


@dataclass(frozen=True, slots=True)
class Want:
    """A client wants something to be appended to the log."""

    request: Request


@dataclass(frozen=True, slots=True)
class Ensured:
    """The keepalive's leader was confirmed at this moment, or has not asked for it."""

    context: int


class Result(Enum):
    """What a keepalive was answered."""

    WAITING = "unanswered"
    RENEWED = "renewed"
    NOT_FOUND = "not found"
    NOT_PRIMARY = "not primary"


@dataclass(frozen=True, slots=True)
class Answered:
    """A keepalive's answer."""

    context: int
    result: Result


class Keepalive(NamedTuple):
    """A keepalive; and of the moment at which its leader was confirmed: for how long ago it was, and what was committed then."""

    result: Result = Result.WAITING
    since_ensured: int | None = None
    was_granted: bool = False
    was_revoked: bool = False


class End(Enum):
    """How a lease has ended."""

    LIVES = "lives"
    GIVEN_UP = "given up"
    EXPIRED = "expired"


class Client(NamedTuple):
    """`since_granted` is None if the lease is not granted; `token` is that of the lock, 0 without it."""

    since_granted: int | None = None
    end: End = End.LIVES
    keepalives: tuple[Keepalive, ...] = ()
    token: int = 0
    works: bool = False


@dataclass(frozen=True, slots=True)
class ClientComponent:
    """What client `number` does. It asks any member that leads, as far as that knows. Times to live are in seconds.

    More time than `ticks_max` is as long ago. `resource` is a component that the work for the lock writes.
    """

    number: int
    members: int
    keepalives: int
    revokes: bool
    ttl: int
    ticks_max: int
    resource: int | None = None

    @property
    def lease(self) -> int:
        return self.number + 1

    def context(self, place: int) -> int:
        """The context of a keepalive."""
        return self.number * self.keepalives + place + 1

    def events(self, state: Client) -> Iterator[Event]:
        """What a client may do, each at any member."""
        for member in range(self.members):
            if state.since_granted is None:
                yield Event(GRANT, member)
            elif self.resource is not None and not state.token:
                yield Event(LOCK, member)
            if self.revokes and state.since_granted is not None:
                yield Event(REVOKE, member, REVOCATIONS)
            if len(state.keepalives) < self.keepalives:
                yield Event(KEEP_ALIVE, member, KEEPALIVES)
        if state.works:
            yield from (STOP, WRITE)

    def step(self, state: Client, event: Event) -> Step | None:
        """One of these events, or time passing."""
        if event == TICK:
            return Step(self._older(state))
        if event == STOP:
            return Step(state._replace(works=False))
        if event == WRITE:
            assert self.resource is not None
            return Step(state, (Message(self.resource, Write(state.token), synchronous=True),))
        assert isinstance(event.argument, int)
        if event.name == KEEP_ALIVE:
            ask = Ask(self.context(len(state.keepalives)), LeaseKeepAliveRequest(self.lease))
            asked = state._replace(keepalives=(*state.keepalives, Keepalive()))
            return Step(asked, (Message(event.argument, ask, synchronous=True),))
        return Step(state, (Message(event.argument, Want(self._wanted(event.name)), synchronous=True),))

    def _wanted(self, name: str) -> Request:
        if name == GRANT:
            return LeaseGrantRequest(self.ttl, self.lease)
        if name == REVOKE:
            return LeaseRevokeRequest(self.lease)
        free = Compare(target=CompareTarget.MOD, key=LOCK_KEY, mod_revision=0)
        return TxnRequest((free,), (PutRequest(LOCK_KEY, lease=self.lease),))

    def receive(self, state: Client, body: Granted | Revoked | Locked | Ensured | Answered) -> Step:
        """What it notices."""
        match body:
            case Granted():
                return Step(state._replace(since_granted=0))
            case Revoked(as_expired):
                return Step(state._replace(end=End.EXPIRED if as_expired else End.GIVEN_UP))
            case Locked(_, token):
                return Step(state._replace(token=token, works=True))
            case Ensured(context):
                was_granted, was_revoked = state.since_granted is not None, state.end is not End.LIVES
                return Step(self._with(state, context, Keepalive(Result.WAITING, 0, was_granted, was_revoked)))
            case Answered(context, result):
                return self._answered(state, context, result)

    def _answered(self, state: Client, context: int, result: Result) -> Step:
        """Who was answered a time to live counts from when the leader was confirmed; nobody else does any more."""
        keepalive = state.keepalives[self._place(context)]
        if result is Result.NOT_PRIMARY:
            return Step(self._with(state, context, Keepalive(result)), labels=(labels.NOT_PRIMARY,))
        if result is Result.RENEWED:
            return Step(self._with(state, context, keepalive._replace(result=result)), labels=(labels.RENEWED,))
        return Step(self._with(state, context, keepalive._replace(result=result, since_ensured=None)), labels=(labels.NOT_FOUND,))

    def _with(self, state: Client, context: int, keepalive: Keepalive) -> Client:
        place = self._place(context)
        return state._replace(keepalives=(*state.keepalives[:place], keepalive, *state.keepalives[place + 1 :]))

    def _place(self, context: int) -> int:
        return context - self.context(0)

    def _older(self, state: Client) -> Client:
        return state._replace(
            since_granted=self._aged(state.since_granted),
            keepalives=tuple(each._replace(since_ensured=self._aged(each.since_ensured)) for each in state.keepalives),
        )

    def _aged(self, ticks: int | None) -> int | None:
        return None if ticks is None else min(ticks + 1, self.ticks_max)
