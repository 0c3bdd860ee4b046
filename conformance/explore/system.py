"""A system to explore: components with local states, the messages between them, and what must hold.

A step touches one component. The explorer interns every local state and every message as a small integer and asks the system
once for each (local state, event) that occurs, a few thousand times for millions of global states; so steps must be pure, and
states and messages immutable, hashable and canonical: equal situations are equal values.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

Local = Hashable


class Network(Enum):
    """How messages travel that are not handed over at once (`Message.synchronous`)."""

    CONSUMED = "consumed"  # unordered: any message may be the next to arrive, once for each time it was sent
    KEPT = "kept"  # unordered, and a message once sent stays deliverable for ever
    FIFO = "fifo"  # those from one component to another arrive in the order in which they were sent


class Message(NamedTuple):
    """A message to the component of index `to`; sender and contents are in `body`.

    A synchronous one is taken in the same step in which it is sent, like a call; who does not take it stops the whole step.
    """

    to: int
    body: Hashable
    synchronous: bool = False


class Event(NamedTuple):
    """What a component does by itself. `costs` names a budget of which the event takes one."""

    name: str
    argument: Hashable = None
    costs: str | None = None


class JointEvent(NamedTuple):
    """What several components do at once, for example let time pass: for each component its event, None if it is not concerned.

    It happens only if all of them can do their part. `System.events` does not offer the parts.
    """

    name: str
    parts: tuple[Event | None, ...]
    costs: str | None = None


class Step(NamedTuple):
    """A component's new local state, the messages that it sends, and for coverage, the names of the branches taken.

    On FIFO links, its connections to the components in `cuts` break before it sends: what is under way between it and them, in
    both directions, is lost.
    """

    state: Local
    sends: tuple[Message, ...] = ()
    labels: tuple[str, ...] = ()
    cuts: tuple[int, ...] = ()


class System(Protocol):
    """What the explorer asks. Components are numbered from 0."""

    def initial(self) -> Sequence[Local]:
        """The first local state of each component."""

    def events(self, component: int, state: Local) -> Iterable[Event]:
        """What the component may do by itself in this state: timeouts, client input, a crash."""

    def step(self, component: int, state: Local, event: Event) -> Step | None:
        """Do one of these events. None: it is not enabled after all."""

    def receive(self, component: int, state: Local, message: Message) -> Step | None:
        """Take a message. None: this state does not take it, and it stays under way."""


@dataclass(frozen=True, slots=True)
class Property:
    """Something that holds always, or for a witness (`sometimes`), somewhere.

    `holds` is given the local states of `components`, one after the other: of each one component by itself (1), of each two in
    ascending order (2), or of all (None).
    """

    id: str
    sentence: str
    holds: Callable[..., bool]
    components: int | None = 1


@dataclass(frozen=True, slots=True)
class Recoverable:
    """AG EF: from every reachable state for which `when` holds, one for which `goal` holds can be reached.

    Both are given all local states. The way there takes none of the budgets in `without`: recovery that needs another crash is
    none. (`messages_max` bounds the way, too.)
    """

    id: str
    sentence: str
    goal: Callable[..., bool]
    when: Callable[..., bool] = lambda *_: True
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Eventually:
    """Every fair run from a state for which `when` holds comes to one for which `goal` holds. Both are given all local states.

    A run is fair if nothing of what follows is possible for ever and never happens: the delivery of one message, a joint event,
    an event of one component unless its name is in `unfair` (a crash need not happen). In runs that take a budget for ever
    nothing is claimed, and there are none.
    """

    id: str
    sentence: str
    goal: Callable[..., bool]
    when: Callable[..., bool] = lambda *_: True
    unfair: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Symmetry:
    """Components that are interchangeable, and how to rename what refers to them.

    `rename` is given a local state or a message's body and, for each component, its new number; components that are not among
    the interchangeable ones keep theirs. A local state moves to the component of the new number.
    """

    components: tuple[int, ...]
    rename: Callable[[Any, tuple[int, ...]], Any]


class Taken(NamedTuple):
    """One local step: who takes it, for which event or message, and the step."""

    component: int
    cause: Event | Message
    step: Step


class Action(NamedTuple):
    """What leads from one state to the next: an event, a joint event, a delivery, or what the network does.

    `taken` are the local steps in the order in which they are taken, synchronous messages included; none if the network drops
    or duplicates `message`.
    """

    name: str
    message: Message | None
    taken: tuple[Taken, ...]

    @property
    def component(self) -> int:
        """Whose action it is: the first to take a step, or whose message the network has touched."""
        if self.taken:
            return self.taken[0].component
        assert self.message is not None
        return self.message.to

    @property
    def sends(self) -> tuple[Message, ...]:
        """What is put under way."""
        return tuple([message for each in self.taken for message in each.step.sends if not message.synchronous])


@dataclass(frozen=True, slots=True)
class Model:
    """A system, the world it lives in, and what is asked of it.

    At most `messages_max` messages are under way at once, on a FIFO link at most `link_max` (None: as many). `budgets` say how
    often an event that costs one may happen; None is any number of times. `may_end` is given all local states of a state without
    any successor, even outside the bounds; if it says no, that is a deadlock (None: nobody asks). `labels` are all that steps may
    bear, so that what never happened can be told. `describe` names local states and messages for people. `record` makes the
    events of a Run from a way through the state space, in the system's own vocabulary, so that its trace checker can judge them;
    without it they are the explorer's.
    """

    system: System
    component_names: tuple[str, ...]
    network: Network = Network.CONSUMED
    messages_max: int = 8
    link_max: int | None = None
    budgets: Mapping[str, int | None] = field(default_factory=dict)
    joint_events: tuple[JointEvent, ...] = ()
    symmetry: Symmetry | None = None
    always: tuple[Property, ...] = ()
    sometimes: tuple[Property, ...] = ()
    may_end: Callable[..., bool] | None = None
    recoverable: tuple[Recoverable, ...] = ()
    eventually: tuple[Eventually, ...] = ()
    labels: tuple[str, ...] = ()
    describe: Callable[[Any], str] = str
    record: Callable[[Sequence[Action]], Sequence[Struct]] | None = None


# The network's own events, if a budget of that name is given.
DROP = "drops"
DUPLICATE = "duplicates"
