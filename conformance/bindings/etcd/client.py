"""What clients see, as a component of its own: which entries were applied, and how requests are answered.

Members tell it in the same step what they apply and what they answer, and it holds that against what it was told before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kubeproof.conformance.bindings.store.history import History, history
from kubeproof.conformance.explore.system import Event, Local, Message, Step
from kubeproof.impl.etcd.requests import DefragmentRequest, InternalRaftRequest, Response
from kubeproof.impl.store.requests import PutRequest, RangeRequest, RangeResponse

WRITE, READ = "write", "read"
PROPOSALS, READS = "proposals", "reads"

DEFRAGMENT = DefragmentRequest()
ALL = RangeRequest(b"\x00", b"\x00")
"""A linearizable read of everything."""


class Ask(NamedTuple):
    """To a member: a client's request."""

    request: PutRequest | RangeRequest


class Asked(NamedTuple):
    """From a member: the request is waiting under this id."""

    member: int
    id: int
    request: PutRequest | RangeRequest


class Applied(NamedTuple):
    """From a member: it has applied an entry, which is None if it is no request."""

    index: int  # type: ignore[assignment]  # the field hides tuple.index
    entry: InternalRaftRequest | None


class Answered(NamedTuple):
    """From a member: an answer; None is any error."""

    member: int
    id: int
    answer: Response | None


class Crashed(NamedTuple):
    """From a member: who has waited there gets no answer."""

    member: int


class Waiting(NamedTuple):
    """A request without an answer; `least` is the highest revision that anybody was told before it was asked."""

    member: int
    id: int
    least: int


class Client(NamedTuple):
    """Every entry that was applied anywhere, the highest revision that was told, and who waits."""

    applied: tuple[InternalRaftRequest | None, ...] = ()
    known: int = 1
    waiting: tuple[Waiting, ...] = ()

    def __str__(self) -> str:
        waiting = "".join(f", waits at member {each.member} for revision {each.least} or later" for each in self.waiting)
        return f"{len(self.applied)} applied, revision {self.known} told{waiting}"


class Contradicted(NamedTuple):
    """A promise to clients is broken: which (the property's id), and how."""

    promise: str
    how: str

    def __str__(self) -> str:
        return f"contradicted: {self.how}"


class ClientComponent(NamedTuple):
    """Clients that put one key and read everything, at the members `writes_at` and `reads_at`.

    Entries up to `base` were there before.
    """

    base: int
    writes_at: tuple[int, ...]
    reads_at: tuple[int, ...]

    def events(self, state: Local) -> Iterator[Event]:
        """Ask a member."""
        if isinstance(state, Client):
            yield from (Event(WRITE, member, PROPOSALS) for member in self.writes_at)
            yield from (Event(READ, member, READS) for member in self.reads_at)

    def step(self, state: Local, event: Event) -> Step:
        member = event.argument
        assert isinstance(member, int)
        request = PutRequest(b"a", b"v") if event.name == WRITE else ALL
        return Step(state, (Message(member - 1, Ask(request), synchronous=True),))

    def receive(self, state: Local, body: object) -> Step:
        """Who was contradicted listens no more."""
        if not isinstance(state, Client):
            return Step(state)
        match body:
            case Asked(member, id_, _):
                return Step(state._replace(waiting=(*state.waiting, Waiting(member, id_, state.known))))
            case Crashed(member):
                return Step(state._replace(waiting=tuple([each for each in state.waiting if each.member != member])))
            case Applied(index, entry):
                return Step(self._hears_applied(state, index - self.base, entry))
            case Answered():
                return Step(self._hears_answer(state, body))
        raise TypeError(f"no member says {body}")

    def _hears_applied(self, state: Client, place: int, entry: InternalRaftRequest | None) -> Local:
        if place == len(state.applied) + 1:
            return state._replace(applied=(*state.applied, entry))
        if place > len(state.applied):
            return Contradicted("applied_in_order", f"entry {place} is applied, and {len(state.applied)} were before")
        if place > 0 and state.applied[place - 1] != entry:
            how = f"another entry is applied in the place of entry {place}, which was applied before"
            return Contradicted("acknowledged_writes_survive", how)
        return state

    def _hears_answer(self, state: Client, told: Answered) -> Local:
        waiting = next((each for each in state.waiting if (each.member, each.id) == (told.member, told.id)), None)
        if waiting is None:
            return state  # nobody has asked: a member's own proposal
        rest = state._replace(waiting=tuple([each for each in state.waiting if each != waiting]))
        if told.answer is None:
            return rest
        header = told.answer.header  # type: ignore[union-attr]  # all that clients ask for here have one
        assert header is not None
        if isinstance(told.answer, RangeResponse):
            if header.revision < waiting.least:
                how = f"a read is answered as of revision {header.revision}, and {waiting.least} was told before it was asked for"
                return Contradicted("reads_are_linearizable", how)
            if told.answer.kvs != tuple(made(state).at(header.revision).values()):
                return Contradicted("reads_what_was_written", f"a read gives {told.answer.kvs}")
        return rest._replace(known=max(rest.known, header.revision))


def made(state: Client, count: int | None = None) -> History:
    """What the entries that were applied have made, or so many of them."""
    return history(
        tuple([each.request for each in state.applied[:count] if each is not None and isinstance(each.request, PutRequest)])
    )
