"""A node of PySyncObj for the explorer: its own code takes every step.

A message is delivered as its loop does it: the message, then a tick, in which it commits and applies; what can be seen between
the two is told. That a timeout has passed is an event.

A restart goes through its file journal: a journal with what the node has written is made on disk, and a new object is started on
it. Of the commit index the journal has what was stored with the last term or vote; its timer, which stores it every second, too,
does not run here.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

from kubeproof.conformance.adapters.pysyncobj import scratch, versions
from kubeproof.conformance.adapters.pysyncobj.process import (
    CANDIDATE,
    FIRST_INDEX,
    LEADER,
    Local,
    Process,
    Settings,
    frozen,
    thawed,
)
from kubeproof.conformance.adapters.pysyncobj.renaming import FIRST_LETTER, renamed, renamed_message
from kubeproof.conformance.explore.counterexample import Way
from kubeproof.conformance.nodes.node import (
    CAMPAIGN,
    HEARTBEAT,
    PROPOSE,
    RESTART,
    Answer,
    Entry,
    Event,
    Observed,
    Panic,
    Progress,
    Role,
    Sent,
    State,
)

ROLES = {LEADER: Role.LEADER, CANDIDATE: Role.CANDIDATE}
NO_OP = b"\x01"
"""The first byte of a command that does nothing when it is applied (_COMMAND_TYPE), as all that clients send here."""
ANSWER_TO_APPEND = "next_node_idx"


class PySyncObj:
    """Nodes of a released version. `command_bytes` is the size of a client's command, `batch_bytes` that of a batch of entries.

    NotInstalled if the version is not there.
    """

    def __init__(self, version: str, members: int, command_bytes: int = 2, batch_bytes: int = 65_536) -> None:
        self.name = f"pysyncobj {version}"
        self._settings = Settings(version, members, command_bytes, batch_bytes)
        self._module = versions.load(version)
        self._commands = [NO_OP + b"%c" % (FIRST_LETTER + place) * (command_bytes - 1) for place in range(members)]

    # ---- the interface of a node

    def initial(self, number: int) -> State:
        """A node without a journal."""
        return self._process(number).read(FIRST_INDEX)

    def events(self, number: int, state: State) -> Iterator[Event]:  # noqa: ARG002
        """Timeouts, what a client asks of a leader, and restarts."""
        if _local(state).role == LEADER:
            yield Event(HEARTBEAT)
            yield Event(PROPOSE)
        else:
            yield Event(CAMPAIGN)
        yield Event(RESTART)

    def step(self, number: int, state: State, event: Event) -> Answer | None:
        """One of these."""
        if event.name == RESTART:
            return Answer(self._restarted(number, _local(state)))
        process = self._loaded(number, _local(state))
        return self._answer(process, _local(state), lambda: self.happen(process, number, event))

    def receive(self, number: int, state: State, sender: int, message: Sent) -> Answer | None:
        """A message, and the tick behind it."""
        before = _local(state)
        process = self._loaded(number, before)
        between: list[Observed] = []

        def happens() -> None:
            process.receive(sender, thawed(message.body))
            between.append(self.observe(number, process.read(before.stored_commit)))
            process.tick()

        return self._answer(process, before, happens)._replace(between=tuple(between))

    def observe(self, number: int, state: State) -> Observed:
        """What it says itself."""
        local = _local(state)
        others = [other for other in range(1, self._settings.members + 1) if other != number]
        progress = zip(others, local.match_index, local.next_index, strict=False)
        return Observed(
            ROLES.get(local.role, Role.FOLLOWER),
            local.term,
            tuple([Entry(index, term, _data(command)) for command, index, term in local.log]),
            local.commit,
            local.voted_for,
            local.leader,
            tuple([Progress(other, match_index, next_index) for other, match_index, next_index in progress]),
        )

    def retake(self, ways: Sequence[Way], *, over_tcp: bool = False) -> None:
        """Take ways again from scratch. InvalidInput names the first step that comes to something else (scratch.py)."""
        scratch.retake(self, self._settings, ways, over_tcp=over_tcp)

    # ---- under other numbers

    def rename_state(self, number: int, state: State, numbers: Sequence[int]) -> State:
        """See renaming.py."""
        return renamed(_local(state), number, numbers)

    def rename_message(self, message: Sent, numbers: Sequence[int]) -> Sent:
        """See renaming.py."""
        return message._replace(to=numbers[message.to - 1], body=frozen(renamed_message(thawed(message.body), numbers)))

    # ---- its objects

    def happen(self, process: Process, number: int, event: Event) -> None:
        """An event, other than a restart, in the object of a node."""
        happens: dict[str, Callable[[], None]] = {
            CAMPAIGN: process.campaign,
            HEARTBEAT: process.heartbeat,
            PROPOSE: lambda: process.propose(self._commands[number - 1]),
        }
        happens[event.name]()

    @cached_property
    def _processes(self) -> list[Process]:
        return [self._process(number) for number in range(1, self._settings.members + 1)]

    def _process(self, number: int, journal: Path | None = None) -> Process:
        return Process(self._module, self._settings, number, journal)

    def _loaded(self, number: int, local: Local) -> Process:
        process = self._processes[number - 1]
        process.load(local)
        return process

    def _answer(self, process: Process, before: Local, happens: Callable[[], None]) -> Answer:
        try:
            happens()
        except Exception as error:
            raise Panic(f"{type(error).__name__}: {error}") from error
        after = process.read(before.stored_commit)
        if self._stores_term and (before.term, before.voted_for) != (after.term, after.voted_for):
            after = after._replace(stored_commit=before.commit)
        in_order = sorted(process.posted, key=itemgetter(0))  # it sends to each of a set, in any order
        return Answer(after, tuple([sent(to, message) for to, message in in_order]))

    @property
    def _stores_term(self) -> bool:
        """Whether its journal keeps term and vote."""
        return hasattr(self._processes[0].journal, "setCurrentTerm")

    def _restarted(self, number: int, before: Local) -> Local:
        with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # its journal does not close a file
            path = Path(directory) / "journal"
            journal = self._module.createJournal(str(path))
            for command, index, term in before.log:
                journal.add(command, index, term)
            journal.setRaftCommitIndex(before.stored_commit)
            if self._stores_term:
                journal.setCurrentTerm(before.term, f"n{before.voted_for}" if before.voted_for else None)
            journal.onOneSecondTimer()
            journal._destroy()
            process = self._process(number, path)
            try:
                process.tick()
                return process.read(before.stored_commit)
            finally:
                process.destroy()


def sent(to: int, message: Mapping[str, Any]) -> Sent:
    """A message that it has posted."""
    type_, term = str(message["type"]), message.get("term")
    next_index = message.get("next_node_idx")
    acknowledges = next_index - 1 if type_ == ANSWER_TO_APPEND and message["success"] and isinstance(next_index, int) else None
    return Sent(to, type_, frozen(message), term if isinstance(term, int) else None, acknowledges)


def _data(command: bytes) -> str:
    """Short, as commands may be long: how many bytes there are of what letter; nothing for a leader's first entry."""
    return "" if command == NO_OP else f"{len(command)} bytes: {command[1:2].decode()}"


def _local(state: State) -> Local:
    assert isinstance(state, Local)
    return state
