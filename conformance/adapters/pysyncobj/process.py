"""One object of the package, into which a local state is loaded, and from which it is read back.

Nothing of the package is changed: its transport is ours by its own interface, its clock stands still, and nothing ticks by
itself. Its fields are private by name, so that they are reached by their mangled names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

NOW, NEVER = 1000.0, 1e9
"""The clock always shows NOW, in seconds."""
FOLLOWER, CANDIDATE, LEADER = range(3)
"""Its own numbers (_RAFT_STATE)."""
FIRST_INDEX = 1


class Local(NamedTuple):
    """What a node's behaviour depends on. `log` has the journal's triples: command, index, term.

    `commit`, `applied` and `stored_commit`, which is on disk, are indices; `next_index` and `match_index` are those of the other
    nodes, in the order of their numbers, while it leads.
    """

    role: int
    term: int
    voted_for: int
    votes: int
    leader: int
    log: tuple[tuple[bytes, int, int], ...]
    commit: int
    applied: int
    stored_commit: int
    next_index: tuple[int, ...] = ()
    match_index: tuple[int, ...] = ()


class Settings(NamedTuple):
    """Which release, how many members, and the sizes of a client's command and of a batch of entries."""

    version: str
    members: int
    command_bytes: int
    batch_bytes: int


class Process:
    """The object of a node, by its number. With a `journal` it starts from that file.

    `nodes` are what the package knows of all members. They are those of its own transport, over TCP, if it is to have that.
    """

    def __init__(
        self,
        module: ModuleType,
        settings: Settings,
        number: int,
        journal: Path | None = None,
        nodes: Sequence[Any] | None = None,
        **conf: object,
    ) -> None:
        module.monotonicTime = lambda: NOW  # type: ignore[attr-defined]
        self.nodes = nodes or [module.Node(f"n{each}") for each in range(1, settings.members + 1)]
        self._numbers = {node: each for each, node in enumerate(self.nodes, 1)}
        self._others = [node for node in self.nodes if self._numbers[node] != number]
        self.posted: list[tuple[int, Mapping[str, Any]]] = []
        configuration = module.SyncObjConf(
            autoTick=False,
            dynamicMembershipChange=False,
            appendEntriesBatchSizeBytes=settings.batch_bytes,
            journalFile=None if journal is None else str(journal),
            **conf,
        )
        transport = None if nodes else _transport(module, self._post)
        self._object = module.SyncObj(self.nodes[number - 1], self._others, configuration, transport=transport)
        self._set(raftElectionDeadline=NEVER, newAppendEntriesTime=NEVER)
        if transport is not None:
            self._object._poller = _NothingToPoll()
            self._set(connectedNodes=set(self._others))

    def _post(self, node: Any, message: Mapping[str, Any]) -> None:
        self.posted.append((self._numbers[node], message))

    # ---- what happens

    def campaign(self) -> None:
        """Its election timeout has passed."""
        self._set(raftElectionDeadline=0.0)
        self.tick()

    def heartbeat(self) -> None:
        """It is time to send entries, or none."""
        self._set(newAppendEntriesTime=0.0)
        self.tick()

    def propose(self, command: bytes) -> None:
        """A client's command is taken from the queue."""
        self._get("commandsQueue").put_nowait((command, None))
        self._object._checkCommandsToApply()

    def receive(self, sender: int, message: Mapping[str, Any]) -> None:
        """A message, without the tick that its loop takes next."""
        self._get("onMessageReceived")(self.nodes[sender - 1], message)

    def tick(self) -> None:
        """What its loop does: time out, commit, apply, send."""
        self._object._onTick(0.0)

    # ---- local states

    def load(self, local: Local) -> None:
        """Be in this state."""
        leads = local.role == LEADER
        self._set(
            raftState=local.role,
            raftCurrentTerm=local.term,
            votedForNodeId=self.nodes[local.voted_for - 1].id if local.voted_for else None,
            votesCount=local.votes,
            raftLeader=self.nodes[local.leader - 1] if local.leader else None,
            raftCommitIndex=local.commit,
            raftLastApplied=local.applied,
            leaderCommitIndex=local.commit,
            raftNextIndex=dict(zip(self._others, local.next_index, strict=True)) if leads else {},
            raftMatchIndex=dict(zip(self._others, local.match_index, strict=True)) if leads else {},
            lastResponseTime=dict.fromkeys(self._others, NOW),
            raftElectionDeadline=NEVER,
            newAppendEntriesTime=NEVER,
            numOneSecondDumps=NEVER,
            recvTransmission="",
            commandsWaitingCommit=defaultdict(list),
            commandsWaitingReply={},
            transferInProgress=False,
        )
        self.journal._MemoryJournal__journal[:] = local.log
        self.posted = []

    def read(self, stored_commit: int) -> Local:
        """The state that it is in; of the disk it does not know."""
        role = self._get("raftState")
        leader, vote = self._get("raftLeader"), self._get("votedForNodeId")
        ids = [None, *(node.id for node in self.nodes)]
        return Local(
            role,
            self._get("raftCurrentTerm"),
            ids.index(vote),
            self._get("votesCount") if role == CANDIDATE else 0,
            self._numbers[leader] if leader is not None else 0,
            tuple(self.journal[:]),
            self._get("raftCommitIndex"),
            self._get("raftLastApplied"),
            stored_commit,
            *((self._indices("raftNextIndex"), self._indices("raftMatchIndex")) if role == LEADER else ()),
        )

    def _indices(self, name: str) -> tuple[int, ...]:
        return tuple([self._get(name)[node] for node in self._others])

    @property
    def journal(self) -> Any:
        """Its journal."""
        return self._get("raftLog")

    def _get(self, name: str) -> Any:
        return getattr(self._object, f"_SyncObj__{name}")

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self._object, f"_SyncObj__{name}", value)

    def destroy(self) -> None:
        """Close its files."""
        self._object._doDestroy()


class _NothingToPoll:
    def poll(self, timeout: float) -> None: ...


def _transport(module: ModuleType, post: Any) -> Any:
    class Ours(module.Transport):  # type: ignore[misc, name-defined]
        ready = True

        def waitReady(self) -> None: ...  # noqa: N802 (its interface)

        def destroy(self) -> None: ...

        def send(self, node: Any, message: Mapping[str, Any]) -> bool:
            post(node, message)
            return True

    return Ours(None, None, None)


def frozen(message: Mapping[str, Any]) -> Hashable:
    """A message as a hashable value."""
    return tuple(sorted((key, tuple(value) if isinstance(value, list) else value) for key, value in message.items()))


def thawed(message: Any) -> dict[str, Any]:
    """The message again."""
    return {key: list(value) if key == "entries" else value for key, value in message}
