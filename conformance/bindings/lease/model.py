"""What is explored of leases: members, the log, clients, how clocks run, and what must hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TypeVar

from kubeproof.conformance.bindings.election.candidate import Write
from kubeproof.conformance.bindings.election.labels import RESOURCE_LABELS
from kubeproof.conformance.bindings.election.lease import Resource, ResourceComponent
from kubeproof.conformance.bindings.lease import client, labels, properties
from kubeproof.conformance.bindings.lease.client import (
    KEEPALIVES,
    REVOCATIONS,
    Answered,
    Ask,
    Client,
    ClientComponent,
    Ensured,
    Want,
)
from kubeproof.conformance.bindings.lease.describe import describe
from kubeproof.conformance.bindings.lease.log import (
    Appended,
    Campaign,
    Confirm,
    Confirmation,
    Deposed,
    Elected,
    Fetch,
    Granted,
    Hear,
    Locked,
    Log,
    LogComponent,
    Proposal,
    Revoked,
)
from kubeproof.conformance.bindings.lease.member import CRASHES, TERMS, Member, MemberComponent, clock
from kubeproof.conformance.explore.system import Event, JointEvent, Local, Message, Model, Step
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.etcd.faults import MISTAKES, Faults
from kubeproof.impl.store import Options
from kubeproof.impl.store.lessor import CHECKPOINT_INTERVAL_MS

T = TypeVar("T")

SECOND_MS = 1000


@dataclass(frozen=True, slots=True)
class LeaseSystem:
    """The system: the members, then the log, the clients, and the resource if there is one. `ttl` is in ticks."""

    members: tuple[MemberComponent, ...]
    log: LogComponent
    clients: tuple[ClientComponent, ...]
    resource: ResourceComponent | None
    ttl: int
    clock_ratio: int

    def initial(self) -> tuple[Local, ...]:
        """Empty stores, no term, no leases."""
        last = () if self.resource is None else (Resource(),)
        return (*(each.initial() for each in self.members), Log(), *(Client() for _ in self.clients), *last)

    def events(self, component: int, state: Local) -> Iterator[Event]:
        """What members and clients do by themselves."""
        if isinstance(state, Member):
            yield from self.members[component].events(state)
        elif isinstance(state, Client):
            yield from self.client(component).events(state)

    def step(self, component: int, state: Local, event: Event) -> Step | None:
        """One of these events, or a part of time passing."""
        if isinstance(state, Member):
            return self.members[component].step(state, event)
        assert isinstance(state, Client)
        return self.client(component).step(state, event)

    def receive(self, component: int, state: Local, message: Message) -> Step | None:
        """All messages are calls, and what follows at once."""
        body = message.body
        if isinstance(state, Member):
            assert isinstance(body, Elected | Deposed | Appended | Confirmation | Ask | Want)
            return self.members[component].receive(state, body)
        if isinstance(state, Log):
            assert isinstance(body, Campaign | Hear | Fetch | Confirm | Proposal)
            return self.log.receive(state, body)
        if isinstance(state, Client):
            assert isinstance(body, Granted | Revoked | Locked | Ensured | Answered)
            return self.client(component).receive(state, body)
        assert isinstance(state, Resource)
        assert isinstance(body, Write)
        assert self.resource is not None
        return self.resource.receive(state, body)

    def client(self, component: int) -> ClientComponent:
        """The client that is this component."""
        return self.clients[component - self.log.first_client]


def model(
    members: int = 2,
    terms: int = 2,
    clients: int = 1,
    ttl: int = 2,
    ticks: int = 4,
    clock_ratio: int = 1,
    keepalives: int = 0,
    revocations: int = 0,
    crashes: int = 0,
    *,
    slow_clocks: bool = False,
    checkpoints: bool = False,
    lock: bool = False,
    fencing: bool = False,
    recovery: bool = False,
    any_revocation: bool = False,
    any_not_found: bool = False,
    faults: Collection[str] = (),
) -> Model:
    """Members whose leaders keep the time of one lease for each client.

    - `ttl` is a lease's time to live; time passes for so many `ticks`, of a second each. With `checkpoints` a tick is as long as
      what lies between two of a lease's.
    - Clocks advance by up to `clock_ratio` in a tick, all as they like; with `slow_clocks` also by none.
    - Each client asks for so many `keepalives`, and gives up its lease in one of `revocations`.
    - `terms` and `crashes` are budgets of all members together.
    - With a `lock` clients take it by a key with their lease, and then write a resource, which looks at the fencing token if
      `fencing`.
    - `recovery` asks whether whoever waits can be answered, and what is expired be revoked, if nothing more goes wrong.
    - `any_revocation` asks not whether what is revoked is expired, `any_not_found` not whether what is not found is gone: only
      what comes of it.

    InvalidInput if the settings make no sense together.
    """
    if fencing and not lock:
        raise InvalidInput("options", None, "fencing: expected a lock")
    tick_ms = CHECKPOINT_INTERVAL_MS if checkpoints else SECOND_MS
    ttl_s = ttl * tick_ms // 1000
    options = Options(min_lease_ttl=1, election_timeout_ms=0)
    given = _faults(faults)
    first_client = members + 1
    resource = first_client + clients if lock else None
    left_out = {
        "revoked_only_if_expired": any_revocation,
        "keepalive_is_honest": not keepalives,
        "no_renew_after_revoke": not keepalives,
        "not_found_is_honest": not keepalives or any_not_found,
        "one_living_owner": not lock,
        "no_write_of_a_former_owner": not lock,
    }
    asked = properties.always(properties.Lives(ttl, clock_ratio))
    return Model(
        LeaseSystem(
            tuple(
                MemberComponent(
                    options, given, number, members, partial(client_of, first_client, keepalives), tick_ms, crashes > 0
                )
                for number in range(members)
            ),
            LogComponent(first_client),
            tuple(
                ClientComponent(number, members, keepalives, revocations > 0, ttl_s, ttl, resource) for number in range(clients)
            ),
            None if resource is None else ResourceComponent(fencing),
            ttl,
            clock_ratio,
        ),
        (
            *(f"member {number}" for number in range(members)),
            "log",
            *(f"client {number}" for number in range(clients)),
            *(("resource",) if lock else ()),
        ),
        messages_max=0,
        budgets={
            TERMS: terms,
            CRASHES: crashes,
            properties.TICKS: ticks,
            KEEPALIVES: keepalives * clients,
            REVOCATIONS: revocations,
        },
        joint_events=tuple(_time_passes(members, clients, range(0 if slow_clocks else 1, clock_ratio + 1), lock=lock)),
        always=tuple(each for id_, each in asked.items() if not left_out.get(id_)),
        sometimes=tuple(
            _wanted(
                (properties.AN_EXPIRY, True),
                (properties.A_RENEWAL, keepalives),
                (properties.NOTHING_FOUND, keepalives),
                (properties.TWO_PRIMARIES, members > 1 and terms > 1),
                (properties.A_CHECKPOINT, checkpoints),
                (properties.A_CLEARED_CHECKPOINT, checkpoints and keepalives),
                (properties.A_REPLAY, crashes),
                (properties.TWO_AT_WORK, lock),
            )
        ),
        recoverable=(properties.CAN_ANSWER, properties.CAN_REVOKE) if recovery else (),
        labels=(
            *labels.ALWAYS,
            *(labels.OF_TERMS if members > 1 and terms > 1 else ()),
            *(labels.OF_KEEPALIVES if keepalives else ()),
            *((labels.GIVEN_UP,) if revocations else ()),
            *((labels.CHECKPOINTED,) if checkpoints else ()),
            *((labels.CLEARED,) if checkpoints and keepalives else ()),
            *(labels.OF_CRASHES if crashes else ()),
            *((labels.LOCKED, *RESOURCE_LABELS) if fencing else ()),
        ),
        describe=describe,
    )


def client_of(first_client: int, keepalives: int, context: int) -> int:
    """The component of the client with this keepalive."""
    return first_client + (context - 1) // keepalives


def _time_passes(members: int, clients: int, advances: range, *, lock: bool) -> Iterator[JointEvent]:
    """Each clock advances by one of these numbers of ticks."""
    rest = (None, *(client.TICK for _ in range(clients)), *((None,) if lock else ()))
    for each in product(advances, repeat=members):
        name = "tick" if len(advances) == 1 else f"tick ({', '.join(map(str, each))})"
        yield JointEvent(name, (*map(clock, each), *rest), properties.TICKS)


def _wanted(*choices: tuple[T, object]) -> Iterator[T]:
    return (each for each, wanted in choices if wanted)


def _faults(names: Collection[str]) -> Faults:
    unknown = sorted(set(names) - set(MISTAKES))
    if unknown:
        raise InvalidInput("faults", None, f"expected names of docs/etcd.md, got {', '.join(unknown)}")
    return Faults(**dict.fromkeys(names, True))
