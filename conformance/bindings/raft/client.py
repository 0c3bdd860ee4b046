"""What clients see, as a component of its own: what was applied, and how reads are answered.

Members tell it in the same step what they apply and which reads they answer. It never sends anything but reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kubeproof.conformance.explore import system
from kubeproof.impl.raft.types import Entry

READ, READ_AGAIN = "read", "read_again"


class Ask(NamedTuple):
    """To a member: a linearizable read, for the first time or again."""

    read: int
    again: bool


class Applied(NamedTuple):
    """From a member: it has applied an entry, the one before was at `after`, and whoever has proposed it may be told."""

    entry: Entry
    after: int


class Served(NamedTuple):
    """From a member: the read is answered from the state as of an index."""

    read: int
    index: int  # type: ignore[assignment]  # the field hides tuple.index


class Read(NamedTuple):
    """A read that waits at a member for an answer that has at least what was applied when it was asked for."""

    number: int
    member: int
    least: int


class Client(NamedTuple):
    """Every entry that was applied anywhere, by index, and the reads without answer."""

    applied: tuple[Entry, ...] = ()
    asked: int = 0
    waiting: tuple[Read, ...] = ()

    def __str__(self) -> str:
        waiting = "".join(f", read {each.number} at member {each.member} from {each.least} on" for each in self.waiting)
        return f"{len(self.applied)} applied{waiting}"


class Contradicted(NamedTuple):
    """A promise to clients is broken: which (the property's id), and how."""

    promise: str
    how: str


def events(state: system.Local, members: tuple[int, ...]) -> Iterator[system.Event]:
    """A new read at a member, or the same again where one waits."""
    if isinstance(state, Client):
        for member in members:
            yield system.Event(READ, member, "reads")
        for read in state.waiting:
            yield system.Event(READ_AGAIN, read.number, "read_retries")


def step(state: Client, event: system.Event) -> system.Step:
    """Ask a member."""
    if event.name == READ:
        assert isinstance(event.argument, int)
        read = Read(state.asked + 1, event.argument, len(state.applied))
        asks = state._replace(asked=read.number, waiting=(*state.waiting, read))
        return system.Step(asks, (_ask(read, again=False),))
    [read] = [each for each in state.waiting if each.number == event.argument]
    return system.Step(state, (_ask(read, again=True),))


def _ask(read: Read, *, again: bool) -> system.Message:
    return system.Message(read.member - 1, Ask(read.number, again), synchronous=True)


def receive(state: system.Local, body: object) -> system.Step | None:
    """Hold what a member tells against what was told before; who was contradicted listens no more."""
    if not isinstance(state, Client):
        return system.Step(state)
    if isinstance(body, Applied):
        return system.Step(_hears_applied(state, body))
    assert isinstance(body, Served)
    return system.Step(_hears_served(state, body))


def _hears_applied(state: Client, applied: Applied) -> system.Local:
    entry, known = applied.entry, state.applied
    if entry.index != applied.after + 1:
        return Contradicted("applied_in_order", f"{_named(entry)} is applied after entry {applied.after}")
    if entry.index > len(known):
        return state._replace(applied=(*known, entry))
    if known[entry.index - 1] != entry:
        how = f"{_named(known[entry.index - 1])} was applied and acknowledged, now {_named(entry)} is applied in its place"
        return Contradicted("acknowledged_writes_survive", how)
    return state


def _named(entry: Entry) -> str:
    return f"{entry.term}/{entry.index} {entry.data.decode(errors='replace') or 'empty'}"


def _hears_served(state: Client, served: Served) -> system.Local:
    read = next((each for each in state.waiting if each.number == served.read), None)
    if read is None:
        return state  # an earlier try was answered
    if served.index < read.least:
        how = f"read {read.number} is answered as of {served.index}, and {read.least} was applied before it was asked for"
        return Contradicted("reads_are_linearizable", how)
    return state._replace(waiting=tuple([each for each in state.waiting if each != read]))
