"""One node of the package, for each step a new one: a local state is loaded into it, and read back from it.

Nothing of the package is changed; what it finds around itself is ours. Its files are in memory, its coroutines run to their end
behind the handler that has started them, what it puts into its queue for the network is the step's, and its timers go off when
they are told to. As its asyncio is of 2017, so is ours where the two differ.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from kubeproof.conformance.adapters.raftos.release import package
from kubeproof.conformance.nodes.node import CAMPAIGN, HEARTBEAT, PROPOSE, Event, Sent

FOLLOWER, CANDIDATE, LEADER = "Follower", "Candidate", "Leader"
"""The names of its classes (state.py)."""
HOST = "node"
"""Nodes have the address (HOST, number)."""
KEY = "key"
"""What all clients write."""
ANSWER_TO_APPEND = "append_entries_response"
STEP_DOWN = "step_down"
"""A candidate or a leader gives up: it was not elected in time, or too few have answered its heartbeats."""


class Local(NamedTuple):
    """What a node's behaviour depends on. `log` has terms and values.

    `term`, `voted_for` and `log` are on disk. `next_index` and `match_index` are those of the other nodes, in the order of their
    numbers, while it leads. Its state machine makes no difference; nor do the numbers of requests, as a leader counts answers to
    them only to know whether to step down, which it may do at any time here.
    """

    role: str
    term: int
    voted_for: int
    votes: int
    log: tuple[tuple[int, str], ...]
    commit: int
    applied: int
    next_index: tuple[int, ...] = ()
    match_index: tuple[int, ...] = ()


class Process:
    """A node by its number, in a cluster of so many members, on a disk that it may have used before."""

    def __init__(self, number: int, members: int, surroundings: Surroundings) -> None:
        self._number, self._loop = number, surroundings.loop
        self._others = [other for other in range(1, members + 1) if other != number]
        raftos = package()
        surroundings.enter(raftos)
        self._classes = raftos.state
        self._node = raftos.server.Node((HOST, number), self._loop)
        raftos.server.Node.nodes.clear()  # it keeps all that ever were
        for other in self._others:
            self._node.update_cluster((HOST, other))

    # ---- what happens

    def start(self) -> None:
        """As it does when its socket is open."""
        self._run(self._node.state.start)

    def happen(self, event: Event) -> None:
        """One of its timers goes off, or a client writes to the leader. That it waits for its answer is nothing to us."""
        role = self._node.state.state
        if event.name == PROPOSE:
            value = chr(ord("a") + self._number - 1)
            self._run(lambda: self._loop.create_task(role.execute_command({KEY: value})))
        else:
            gives_up = "step_down_timer" if self.read().role == LEADER else "election_timer"
            timers = {CAMPAIGN: "election_timer", HEARTBEAT: "heartbeat_timer", STEP_DOWN: gives_up}
            self._run(getattr(role, timers[event.name])._run)

    def receive(self, sender: int, message: Hashable) -> None:
        """A datagram."""
        self._run(lambda: self._node.request_handler({**thawed(message), "sender": (HOST, sender)}))

    def _run(self, happens: Callable[[], object]) -> None:
        try:
            happens()
            self._loop.run()
        finally:
            self._loop.forget()

    def sent(self) -> tuple[Sent, ...]:
        """What it has sent since the last time. The order in which it serves the others is that of a set."""
        requests = [(request["destination"][1], request["data"]) for request in self._node.requests.taken()]
        return tuple([_sent(to, message) for to, message in sorted(requests, key=lambda each: each[0])])

    # ---- local states

    def load(self, local: Local) -> None:
        """Be in this state."""
        state = self._node.state
        state.storage.update({"term": local.term, "voted_for": _id(local.voted_for) if local.voted_for else None})
        for term, value in local.log:
            state.log.write(term, {KEY: value})
        state.log.commit_index, state.log.last_applied = local.commit, local.applied
        state.state = role = getattr(self._classes, local.role)(state)
        if local.role == CANDIDATE:
            role.vote_count = local.votes
        if local.role == LEADER:
            ids = [_id(other) for other in self._others]
            state.log.next_index = dict(zip(ids, local.next_index, strict=True))
            state.log.match_index = dict(zip(ids, local.match_index, strict=True))
        for timer in ("heartbeat_timer", "step_down_timer") if local.role == LEADER else ("election_timer",):
            getattr(role, timer).start()

    def read(self) -> Local:
        """The state it is in."""
        state = self._node.state
        role, storage, log = type(state.state).__name__, state.storage, state.log
        indices = (self._indices(log.next_index), self._indices(log.match_index)) if role == LEADER else ()
        return Local(
            role,
            storage.term,
            _number(storage.voted_for) if storage.voted_for else 0,
            state.state.vote_count if role == CANDIDATE else 0,
            _values(log.cache),
            log.commit_index,
            log.last_applied,
            *indices,
        )

    def _indices(self, of: Mapping[str, int]) -> tuple[int, ...]:
        return tuple([of[_id(other)] for other in self._others])


# ---- what it finds around itself


class Surroundings:
    """Of one node, or of several: a loop, and a disk, on which each has files of its own."""

    def __init__(self) -> None:
        self.loop, self._disk = Loop(), Disk()
        self._asyncio = SimpleNamespace(**vars(asyncio))
        self._asyncio.futures = SimpleNamespace(InvalidStateError=asyncio.InvalidStateError)  # where it was before Python 3.8
        self._asyncio.get_event_loop = lambda: self.loop
        self._asyncio.Queue = Queue

    def enter(self, raftos: Any) -> None:
        """Be what the package finds.

        It is configured with the serializer of its examples: with the default one it cannot read its log
        (docs/findings/raftos.md).
        """
        for module in (raftos.server, raftos.state, raftos.timer):
            module.asyncio = self._asyncio
        raftos.configure({"serializer": raftos.serializers.JSONSerializer})
        raftos.storage.os = SimpleNamespace(path=os.path, makedirs=lambda *_, **__: None)
        raftos.storage.open = self._disk.open


class Disk:
    """Files in memory."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def open(self, name: str, mode: str) -> io.BytesIO:
        """Like open(), in the modes that it uses."""
        if mode == "rb" and name not in self._files:
            raise FileNotFoundError(name)
        file = _File(b"" if mode.startswith("w") else self._files.get(name, b""), self._files, name)
        file.seek(0, io.SEEK_END if mode.startswith("a") else io.SEEK_SET)
        return file


class _File(io.BytesIO):
    def __init__(self, content: bytes, files: dict[str, bytes], name: str) -> None:
        super().__init__(content)
        self._files, self._name = files, name

    def close(self) -> None:
        self._files[self._name] = self.getvalue()
        super().close()


class Queue:
    """What is to be sent. Before Python 3.10 it was given a loop."""

    def __init__(self, loop: Loop) -> None:  # noqa: ARG002
        self._items: list[Mapping[str, Any]] = []

    async def put(self, item: Mapping[str, Any]) -> None:
        self._items.append(item)

    def taken(self) -> list[Mapping[str, Any]]:
        """What has come since the last time."""
        items, self._items = self._items, []
        return items


class Loop:
    """Runs coroutines in the order in which they were started, as asyncio does, and before the next datagram is read."""

    def __init__(self) -> None:
        self._started: deque[Coroutine[Any, Any, Any]] = deque()

    def create_task(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._started.append(coroutine)

    def run(self) -> None:
        """All that are started, and what they start, each to its end or to where it waits for a client's command."""
        while self._started:
            coroutine = self._started.popleft()
            try:
                coroutine.send(None)
            except StopIteration:
                continue
            coroutine.close()

    def forget(self) -> None:
        """What an exception has left."""
        while self._started:
            self._started.popleft().close()

    def call_later(self, delay: float, callback: Callable[[], None]) -> SimpleNamespace:  # noqa: ARG002
        """A timer, which goes off when it is told to."""
        return SimpleNamespace(cancel=lambda: None)

    def get_debug(self) -> bool:
        return False


# ---- its values, as hashable ones


def _sent(to: int, message: Mapping[str, Any]) -> Sent:
    has_appended = message["type"] == ANSWER_TO_APPEND and message["success"]
    return Sent(to, message["type"], frozen(message), message["term"], message["last_log_index"] if has_appended else None)


def _id(number: int) -> str:
    return f"{HOST}:{number}"


def _number(id_: str) -> int:
    return int(id_.rpartition(":")[2])


def _values(entries: list[dict[str, Any]]) -> tuple[tuple[int, str], ...]:
    return tuple([(entry["term"], entry["command"][KEY]) for entry in entries])


def frozen(message: Mapping[str, Any]) -> tuple[tuple[str, Hashable], ...]:
    """A message as a hashable value. All requests have the number 0, as have the answers to them that bear one."""
    as_ours: dict[str, Callable[[Any], Hashable]] = {"entries": _values, "request_id": lambda _: 0}
    return tuple([(name, as_ours[name](value) if name in as_ours else value) for name, value in sorted(message.items())])


def thawed(message: Any) -> dict[str, Any]:
    """The message again."""
    return {name: _entries(value) if name == "entries" else value for name, value in message}


def _entries(values: tuple[tuple[int, str], ...]) -> list[dict[str, Any]]:
    return [{"term": term, "command": {KEY: value}} for term, value in values]
