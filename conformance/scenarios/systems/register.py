"""Clients that write a value and then read it back, and servers that do not know of each other.

With one server every read sees a write. With two, which clients use in turn, a client can miss what it wrote itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

from kubeproof.conformance.explore.system import Event, Message, Model, Property, Step

NOTHING = "nothing"
BEGIN = Event("begin")


class Client(NamedTuple):
    """What a client is doing, and what it has read in the end."""

    phase: str = "idle"
    read: Hashable = NOTHING


class Request(NamedTuple):
    """From a client to a server; `value` is None for a read."""

    client: int
    value: Hashable = None


class Register:
    """Components 0 to servers - 1 are servers, whose state is the value they hold; the others are clients."""

    def __init__(self, servers: int, clients: int) -> None:
        self.servers, self.clients = servers, clients

    def initial(self) -> tuple[Hashable, ...]:
        """Nothing is written yet."""
        return (*(NOTHING for _ in range(self.servers)), *(Client() for _ in range(self.clients)))

    def events(self, _component: int, state: Hashable) -> Iterator[Event]:
        """A client begins once."""
        if isinstance(state, Client) and state.phase == "idle":
            yield BEGIN

    def step(self, component: int, _state: Hashable, _event: Event) -> Step | None:
        """Write a value of one's own."""
        return Step(Client("writing"), (Message(component % self.servers, Request(component, f"value {component}")),))

    def receive(self, component: int, state: Hashable, message: Message) -> Step | None:
        """Servers answer at once; a client reads, at the next server, when its write is done."""
        request = message.body
        if isinstance(request, Request):
            value = state if request.value is None else request.value
            return Step(value, (Message(request.client, (request.value is None, value)),))
        assert isinstance(request, tuple)
        is_read, value = request
        if is_read:
            return Step(Client("done", value))
        return Step(Client("reading"), (Message((component + 1) % self.servers, Request(component)),))


def reads_a_write(state: Hashable) -> bool:
    """A client has written before it reads, so it cannot find nothing."""
    return not isinstance(state, Client) or state.phase != "done" or state.read != NOTHING


def reads_anothers(state: Hashable, component: int) -> bool:
    """A client has read what somebody else wrote."""
    return isinstance(state, Client) and state.phase == "done" and state.read not in (NOTHING, f"value {component}")


def model(servers: int = 1, clients: int = 2) -> Model:
    """So many clients, which use so many servers in turn."""
    names = (*(f"server {number}" for number in range(servers)), *(f"client {number}" for number in range(clients)))
    return Model(
        Register(servers, clients),
        names,
        messages_max=clients,
        always=(Property("reads_a_write", "Who has written does not read nothing.", reads_a_write),),
        sometimes=(
            Property(
                "reads_anothers",
                "Somebody reads what somebody else wrote.",
                lambda *states: any(reads_anothers(state, component) for component, state in enumerate(states)),
                None,
            ),
        ),
    )
