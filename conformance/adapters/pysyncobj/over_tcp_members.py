"""Members of scratch.py that are connected by the package's own transport, over TCP on loopback.

Between each two members stands a relay: the one that connects knows the other by the relay's port. It lets the first message of
a connection pass, by which the package says who connects, and holds every other back until the schedule delivers it. What it
holds is lost where a connection breaks. A delivery is what the package's loop makes of it: sockets are polled, then it ticks.

Of the transport two times are set: a silent connection is not given up, and a broken one is made anew at once.
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from kubeproof.conformance.adapters.pysyncobj.node import sent
from kubeproof.conformance.adapters.pysyncobj.process import Process, Settings, frozen
from kubeproof.conformance.adapters.pysyncobj.scratch_members import Members, NotDelivered
from kubeproof.conformance.nodes.cluster import in_brief
from kubeproof.conformance.nodes.node import Sent

HOST = "127.0.0.1"
TIMES = {"connectionTimeout": 3600.0, "connectionRetryTime": 0.0}
WAIT_S, POLL_S = 10.0, 0.001
"""So long at most until something has come through."""
READ_BYTES = 1 << 16
LENGTH = struct.Struct("i")
"""Stands before each message (the package's tcp_connection.py)."""


class Line:
    """One direction of a connection: whole messages, as they are on the wire. `told` of them were told of."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self._source, self._target = source, target
        self._read = b""
        self._held: deque[bytes] = deque()
        self._told = 0

    def held(self) -> int:
        """How many messages it holds, after it has read what there is."""
        while select.select([self._source], [], [], 0)[0] and (read := self._source.recv(READ_BYTES)):
            self._read += read
        while len(self._read) >= LENGTH.size and len(self._read) >= (size := LENGTH.size + LENGTH.unpack_from(self._read)[0]):
            self._held.append(self._read[:size])
            self._read = self._read[size:]
        return len(self._held)

    def fresh(self) -> int:
        """How many of them were not told of."""
        return self.held() - self._told

    def tell(self) -> list[Any]:
        """These messages."""
        fresh = [_message(each) for each in list(self._held)[self._told :]]
        self._told = len(self._held)
        return fresh

    def let_pass(self) -> Any:
        """Let the oldest message pass; it is this one."""
        framed = self._held.popleft()
        self._told = max(0, self._told - 1)
        self._target.sendall(framed)
        return _message(framed)


class Relay:
    """Between two members: one connects to its `port`, the other listens at its own."""

    def __init__(self, listens: int) -> None:
        self._listens = listens
        self._server = socket.create_server((HOST, 0))
        self.port: int = self._server.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self.lines: tuple[Line, Line] | None = None
        """From the one that connects, and to it; None before it has said who it is."""
        self._greeting: tuple[Line, Line] | None = None

    def connect(self) -> None:
        """One step on the way to a connection: take it, then let the first message pass."""
        if not self._sockets and select.select([self._server], [], [], 0)[0]:
            one, other = self._server.accept()[0], socket.create_connection((HOST, self._listens))
            self._sockets = [one, other]
            self._greeting = Line(one, other), Line(other, one)
        if self._greeting is not None and self._greeting[0].held():
            self._greeting[0].let_pass()
            self.lines, self._greeting = self._greeting, None

    def cut(self) -> None:
        """Break the connection."""
        for each in self._sockets:
            each.close()
        self._sockets, self.lines, self._greeting = [], None, None

    def close(self) -> None:
        self.cut()
        self._server.close()


class ConnectedProcess(Process):
    """An object with its own transport. `taken` counts the messages that have arrived."""

    def __init__(self, module: ModuleType, settings: Settings, number: int, journal: Path, nodes: list[Any]) -> None:
        own = nodes[number - 1].address
        super().__init__(module, settings, number, journal, nodes, bindAddress=own, **TIMES)
        self.taken = 0
        self._get("transport").setOnMessageReceivedCallback(self._take)

    def _take(self, sender: Any, message: Mapping[str, Any]) -> None:
        self._get("onMessageReceived")(sender, message)
        self.taken += 1

    def poll(self) -> None:
        """Do what there is to do on its sockets."""
        self._object._poller.poll(POLL_S)

    def is_connected(self, number: int) -> bool:
        return self.nodes[number - 1] in self._get("connectedNodes")


class ConnectedMembers(Members):
    """Members at ports of their own. Use it as a context, to close them all."""

    _processes: dict[int, ConnectedProcess]  # type: ignore[assignment]

    def __init__(self, settings: Settings, folder: Path) -> None:
        probes = [socket.create_server((HOST, 0)) for _ in range(settings.members)]
        ports = dict(enumerate([probe.getsockname()[1] for probe in probes], 1))
        self._addresses = {number: f"{HOST}:{port}" for number, port in ports.items()}
        self._relays: dict[tuple[int, int], Relay] = {}
        """By who connects and who listens: of two members the one with the greater address connects."""
        for pair in combinations(ports, 2):
            listens, connects = sorted(pair, key=self._addresses.__getitem__)
            self._relays[connects, listens] = Relay(ports[listens])
        for probe in probes:
            probe.close()
        super().__init__(settings, folder)
        self._connect()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        for relay in self._relays.values():
            relay.close()

    # ---- connections

    def _started(self, number: int) -> ConnectedProcess:
        nodes = [_node(self._module, address, self._relays.get((number, other))) for other, address in self._addresses.items()]
        return ConnectedProcess(self._module, self._settings, number, self._journals[number], nodes)

    def _restart(self, number: int) -> None:
        for pair in self._relays:
            if number in pair:
                self._cut(pair, but=number)
        super()._restart(number)
        self._connect()

    def _break(self, one: int, other: int) -> None:
        self._cut(next(pair for pair in self._relays if set(pair) == {one, other}))
        self._connect()

    def _cut(self, pair: tuple[int, int], but: int = 0) -> None:
        """Break a connection. Who listens must have noticed before there is another."""
        self._relays[pair].cut()
        connects, listens = pair
        if listens != but:
            self._wait(lambda: not self._processes[listens].is_connected(connects), listens)

    def _connect(self) -> None:
        """Each with each, as they do themselves by their ticks."""
        for process in self._processes.values():
            process.tick()
        if not self._wait(self._all_are_connected, *self._processes):
            raise NotDelivered(f"members are not connected after {WAIT_S:g} s")

    def _all_are_connected(self) -> bool:
        for relay in self._relays.values():
            relay.connect()
        return all(
            relay.lines and self._processes[connects].is_connected(listens) and self._processes[listens].is_connected(connects)
            for (connects, listens), relay in self._relays.items()
        )

    def _line(self, sender: int, receiver: int) -> Line:
        forth, back = self._relays.get((sender, receiver)), self._relays.get((receiver, sender))
        lines = (forth or back).lines  # type: ignore[union-attr]
        assert lines is not None
        return lines[0] if forth else lines[1]

    def _wait(self, done: Callable[[], bool], *polled: int) -> bool:
        """Whether something is done before long, while these members poll."""
        deadline = time.monotonic() + WAIT_S
        while not (is_done := done()) and time.monotonic() < deadline:
            for number in polled:
                self._processes[number].poll()
        return is_done

    # ---- messages

    def _receive(self, number: int, sender: int, message: Sent) -> None:
        line, process = self._line(sender, number), self._processes[number]
        if not line.held():
            raise NotDelivered(f"nothing is under way from member {sender}")
        passed, taken = frozen(line.let_pass()), process.taken
        if passed != message.body:
            raise NotDelivered(f"the next message from member {sender} is {in_brief(passed)}")
        if not self._wait(lambda: process.taken > taken, number):
            raise NotDelivered(f"a message from member {sender} does not arrive in {WAIT_S:g} s")

    def _posted(self, number: int, receivers: tuple[int, ...]) -> tuple[Sent, ...]:
        """What has come to the relays: as many as are expected, or those that come before long, and any more there are."""
        expected = Counter(receivers)
        lines = {other: self._line(number, other) for other in self._processes if other != number}
        self._wait(lambda: all(line.fresh() >= expected[other] for other, line in lines.items()), number)
        return tuple([sent(other, message) for other, line in lines.items() for message in line.tell()])


def _message(framed: bytes) -> Any:
    return pickle.loads(zlib.decompress(framed[LENGTH.size :]))


def _node(module: ModuleType, address: str, relay: Relay | None) -> Any:
    """What a member knows of another: its address, but with the relay's port where there is one to connect to."""

    class Behind(module.TCPNode):  # type: ignore[misc, name-defined]
        @property
        def port(self) -> int:
            assert relay is not None
            return relay.port

    return module.TCPNode(address) if relay is None else Behind(address)
