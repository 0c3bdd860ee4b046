"""What is explored of the store: members that apply one log, what clients propose, and what must hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from kubeproof.conformance.bindings.store import labels, menu, properties
from kubeproof.conformance.bindings.store.log import COMPACTIONS, PROPOSALS, LogComponent, Proposed
from kubeproof.conformance.bindings.store.member import CRASHES, Entry, Fetch, Member, MemberComponent, ReadIndex
from kubeproof.conformance.explore.system import Event, Local, Message, Model, Step
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.store import MISTAKES, Faults, Options, Server, StoreError
from kubeproof.impl.store.requests import DeleteRangeRequest, PutRequest, Request


@dataclass(frozen=True, slots=True)
class StoreSystem:
    """The system: the members, then the log."""

    members: tuple[MemberComponent, ...]
    log: LogComponent

    def initial(self) -> tuple[Local, ...]:
        """Empty stores, and an empty log."""
        return (*(each.initial() for each in self.members), Proposed())

    def events(self, component: int, state: Local) -> Iterator[Event]:
        """What a member does, and what clients propose."""
        yield from self.members[component].events(state) if isinstance(state, Member) else self.log.events(_proposed(state))

    def step(self, component: int, state: Local, event: Event) -> Step | None:
        """One of these events."""
        if isinstance(state, Member):
            return self.members[component].step(state, event)
        return self.log.step(_proposed(state), event)

    def receive(self, component: int, state: Local, message: Message) -> Step | None:
        """All messages are calls of the log, and its answers."""
        body = message.body
        if isinstance(state, Member):
            assert isinstance(body, Entry)
            return self.members[component].receive(state, body)
        assert isinstance(body, Fetch | ReadIndex)
        return self.log.receive(_proposed(state), body)


def model(
    members: int = 1,
    keys: int = 1,
    proposals: int = 3,
    compactions: int = 0,
    crashes: int = 0,
    batch: int = 1,
    *,
    compares: bool = False,
    past_reads: bool = False,
    leases: bool = False,
    open_ranges: bool = False,
    keep_values: bool = False,
    unknown_sort: bool = False,
    any_changes: bool = False,
    any_history: bool = False,
    faults: Collection[str] = (),
) -> Model:
    """So many members that apply one log.

    - Clients put so many `keys` and delete the first; `proposals` and `compactions` are budgets, of all members together.
    - `batch` records are removed between two sync points of a compaction. The backend commits at any moment besides.
    - As many as `crashes` come at any moment, of all members together.
    - Transactions make `compares`, and `past_reads` of a revision that may be compacted.
    - `leases` are granted, checkpointed and revoked.
    - `open_ranges` and `keep_values` delete to the end of the key space and put what was deleted, where that is not refused.
    - `unknown_sort` reads a range with an unknown sort target.
    - `any_changes` asks not whether a revision changes a key twice, `any_history` not what is kept for watchers: only what comes
      of it.

    InvalidInput if the settings make no sense together.
    """
    if not 1 <= keys <= len(menu.KEYS):
        raise InvalidInput("size", None, f"keys: expected 1 to {len(menu.KEYS)}, got {keys}")
    options = Options(compaction_batch_limit=batch, faults=switched_on(faults))
    requests = (
        *(PutRequest(key, menu.VALUE) for key in menu.KEYS[:keys]),
        DeleteRangeRequest(menu.KEYS[0]),
        *((menu.TOGGLE, menu.DELETE_FIRST) if compares else ()),
        *((menu.PUT_AND_READ_PAST,) if past_reads else ()),
        *(menu.LEASES if leases else ()),
        *((menu.PUT_AGAIN,) if open_ranges else ()),
        *((menu.KEEP_VALUE,) if keep_values else ()),
    )
    asked = properties.always(options)
    left_out = {
        "members_agree": members == 1,
        "one_change_of_a_key": any_changes,
        "history_is_kept": any_history,
        "leases_are_of_log": not leases,
    }
    return Model(
        StoreSystem(
            tuple(
                MemberComponent(options, number, members, asked=number == 0, crashes=crashes > 0, sorts=unknown_sort)
                for number in range(members)
            ),
            LogComponent(tuple(_accepted(options, requests))),
        ),
        (*(f"member {number}" for number in range(members)), "log"),
        messages_max=0,
        budgets={PROPOSALS: proposals, COMPACTIONS: compactions, CRASHES: crashes},
        always=tuple(each for id_, each in asked.items() if not left_out.get(id_)),
        sometimes=(
            properties.A_PAST,
            *((properties.A_REPLAY,) if crashes else ()),
            *((properties.AN_INTERRUPTED_COMPACTION,) if compactions else ()),
            *((properties.MEMBERS_APART,) if compactions and members > 1 else ()),
        ),
        labels=(
            *labels.ALWAYS,
            *(labels.OF_COMPACTIONS if compactions else ()),
            *(labels.OF_CRASHES if crashes else ()),
            *((labels.CRASHED_WITHIN_COMPACTION,) if crashes and compactions else ()),
            *((labels.READ_REFUSED,) if unknown_sort else ()),
            *((labels.REFUSED,) if leases or (past_reads and compactions) else ()),
        ),
        describe=describe,
    )


def describe(value: object) -> str:
    """A short line for a local state or a message."""
    match value:
        case Member(server, log, panic):
            records = ", ".join(f"{main}.{sub}" for (main, sub), _ in server.written.key)
            at = f"revision {server.revision}, compacted {server.compact_revision}"
            kept = f"records {records or 'none'} ({len(server.committed.key)} committed)"
            return f"dead: {panic}" if panic else f"{at}, {value.applied} of {len(log)} applied, {kept}"
        case Proposed(log):
            return ", ".join(map(menu.spoken, log)) or "nothing"
        case Fetch(_, place):
            return f"asks for entry {place + 1}"
        case Entry(request):
            return menu.spoken(request)
    return "asks whether it has the whole log"


def _accepted(options: Options, requests: Collection[Request]) -> Iterator[Request]:
    server = Server(options)
    for request in requests:
        try:
            server.check(request)
        except StoreError:
            continue
        yield request


def _proposed(state: Local) -> Proposed:
    assert isinstance(state, Proposed)
    return state


def switched_on(names: Collection[str]) -> Faults:
    """The mistakes of these names. InvalidInput for one that there is not."""
    unknown = sorted(set(names) - set(MISTAKES))
    if unknown:
        raise InvalidInput("faults", None, f"expected names of docs/store.md, got {', '.join(unknown)}")
    return Faults(**dict.fromkeys(names, True))
