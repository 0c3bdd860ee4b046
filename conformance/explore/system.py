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
    """How messages travel. All are unordered: any message under way may be the next to arrive."""

    CONSUMED = "consumed"  # a message is delivered once for each time it was sent
    KEPT = "kept"  # a message once sent stays deliverable for ever


class Message(NamedTuple):
    """A message to the component of index `to`; sender and contents are in `body`."""

    to: int
    body: Hashable


class Event(NamedTuple):
    """What a component does by itself. `costs` names a budget of which the event takes one."""

    name: str
    argument: Hashable = None
    costs: str | None = None


class Step(NamedTuple):
    """A component's new local state, and the messages that it sends."""

    state: Local
    sends: tuple[Message, ...] = ()


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


class Action(NamedTuple):
    """What leads from one state to the next: an event of a component, a message it receives, or what the network does."""

    name: str
    component: int
    message: Message | None
    sends: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A system, the world it lives in, and what is asked of it.

    `describe` names local states and messages for people. `record` makes the events of a Run from a way through the state space,
    in the system's own vocabulary, so that its trace checker can judge them; without it they are the explorer's.
    """

    system: System
    component_names: tuple[str, ...]
    network: Network = Network.CONSUMED
    messages_max: int = 8
    budgets: Mapping[str, int] = field(default_factory=dict)
    always: tuple[Property, ...] = ()
    sometimes: tuple[Property, ...] = ()
    describe: Callable[[Any], str] = str
    record: Callable[[Sequence[Action]], Sequence[Struct]] | None = None


# The network's own events, if a budget of that name is given.
DROP = "drops"
DUPLICATE = "duplicates"
