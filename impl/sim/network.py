"""Networks: messages between named endpoints, lost, doubled, late or cut off as the conditions say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from kubeproof.impl.sim.world import World

Endpoint = Hashable
Receive = Callable[[Any], object]
# What became of a message: ("drop" or "duplicate", sender, receiver, message).
Observer = Callable[[str, Any, Any, Any], None]


def unobserved(_what: str, _sender: Endpoint, _receiver: Endpoint, _message: Any) -> None:
    """The observer of networks that nobody watches."""


class Transport(Protocol):
    """What a component needs of a network."""

    def attach(self, endpoint: Endpoint, receive: Receive) -> None: ...

    def detach(self, endpoint: Endpoint) -> None: ...

    def send(self, sender: Endpoint, receiver: Endpoint, message: Any) -> bool: ...


@dataclass(slots=True)
class Conditions:
    """How the network behaves now. Probabilities are for each message, delays in milliseconds, both ends included.

    With `late` = 0 a link keeps the order of its messages; a late message may overtake and be overtaken.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    delay_ms: tuple[int, int] = (1, 5)
    late_ms: tuple[int, int] = (20, 400)


class Network:
    """Delivers in simulated time. What is under way when a link is cut still arrives; what is sent over a cut link is lost."""

    def __init__(self, world: World, observer: Observer = unobserved) -> None:
        self.conditions = Conditions()
        self.delivered = 0
        # Messages for which this is true are lost, whatever the conditions.
        self.swallow: Callable[[Any], bool] | None = None
        self._world = world
        self._stream = world.stream("network")
        self._observe = observer
        self._endpoints: dict[Endpoint, Receive] = {}
        self._cut: set[tuple[Endpoint, Endpoint]] = set()
        self._last_arrival_ms: dict[tuple[Endpoint, Endpoint], int] = {}

    def attach(self, endpoint: Endpoint, receive: Receive) -> None:
        """Deliver to `receive` what is sent to `endpoint`."""
        self._endpoints[endpoint] = receive

    def detach(self, endpoint: Endpoint) -> None:
        """Lose what arrives for `endpoint` from now on."""
        self._endpoints.pop(endpoint, None)

    def cut(self, senders: Collection[Endpoint], receivers: Collection[Endpoint]) -> None:
        """Cut every link from a sender to a receiver; call it both ways for a symmetric partition."""
        self._cut.update((sender, receiver) for sender in senders for receiver in receivers)

    def heal(self) -> None:
        """Mend all links."""
        self._cut.clear()

    def send(self, sender: Endpoint, receiver: Endpoint, message: Any) -> bool:
        """Take a message; it arrives once, twice or never. False when the sender can tell that it will not."""
        conditions, stream = self.conditions, self._stream
        if self._cut and (sender, receiver) in self._cut:
            self._observe("drop", sender, receiver, message)
            return False
        if (conditions.loss and stream.chance(conditions.loss)) or (self.swallow is not None and self.swallow(message)):
            self._observe("drop", sender, receiver, message)
            return True
        self._forward(sender, receiver, message)
        if conditions.duplicate and stream.chance(conditions.duplicate):
            self._observe("duplicate", sender, receiver, message)
            self._forward(sender, receiver, message)
        return True

    def _forward(self, sender: Endpoint, receiver: Endpoint, message: Any) -> None:
        conditions, stream, now_ms = self.conditions, self._stream, self._world.now_ms
        arrival_ms = now_ms + stream.between(*conditions.delay_ms)
        if conditions.late and stream.chance(conditions.late):
            arrival_ms += stream.between(*conditions.late_ms)
        else:
            link = (sender, receiver)
            arrival_ms = max(arrival_ms, self._last_arrival_ms.get(link, 0))
            self._last_arrival_ms[link] = arrival_ms
        self._world.after(arrival_ms - now_ms, self._arrive, sender, receiver, message)

    def _arrive(self, sender: Endpoint, receiver: Endpoint, message: Any) -> None:
        receive = self._endpoints.get(receiver)
        if receive is None:
            self._observe("drop", sender, receiver, message)
            return
        self.delivered += 1
        receive(message)


class Held(NamedTuple):
    """A message that a script has not delivered yet."""

    sender: Any
    receiver: Any
    message: Any


Wanted = Callable[[Held], bool]


class HeldNetwork:
    """Holds every message until a script delivers or drops it: `held` has them in the order of sending."""

    def __init__(self, observer: Observer = unobserved) -> None:
        self.held: list[Held] = []
        self._observe = observer
        self._endpoints: dict[Endpoint, Receive] = {}

    def attach(self, endpoint: Endpoint, receive: Receive) -> None:
        """Deliver to `receive` what a script delivers to `endpoint`."""
        self._endpoints[endpoint] = receive

    def detach(self, endpoint: Endpoint) -> None:
        """Lose what is delivered to `endpoint` from now on."""
        self._endpoints.pop(endpoint, None)

    def send(self, sender: Endpoint, receiver: Endpoint, message: Any) -> bool:
        """Hold the message."""
        self.held.append(Held(sender, receiver, message))
        return True

    def deliver(self, wanted: Wanted) -> int:
        """Deliver the held messages that are wanted, oldest first; messages that this causes stay held. Returns how many."""
        taken = self._take(wanted)
        for sender, receiver, message in taken:
            receive = self._endpoints.get(receiver)
            if receive is None:
                self._observe("drop", sender, receiver, message)
            else:
                receive(message)
        return len(taken)

    def drop(self, wanted: Wanted) -> int:
        """Lose the held messages that are wanted. Returns how many."""
        taken = self._take(wanted)
        for sender, receiver, message in taken:
            self._observe("drop", sender, receiver, message)
        return len(taken)

    def duplicate(self, wanted: Wanted) -> int:
        """Hold the wanted messages once more. Returns how many."""
        copies = [held for held in self.held if wanted(held)]
        for sender, receiver, message in copies:
            self._observe("duplicate", sender, receiver, message)
        self.held += copies
        return len(copies)

    def _take(self, wanted: Wanted) -> list[Held]:
        taken = [held for held in self.held if wanted(held)]
        self.held = [held for held in self.held if not wanted(held)]
        return taken
