"""A node of a replicated log, as the explorer sees it: it answers (state, event) questions, and no more is asked of it.

States and messages are the implementation's own, and opaque here; what properties need of them is told by `observe` and `Sent`.
Steps are pure: asked the same, a node answers the same, whatever it was asked before. States and messages are hashable, and
canonical: what can make no difference to what comes is not in them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from enum import Enum
from typing import NamedTuple, Protocol, runtime_checkable

State = Hashable
"""A node's whole local state, what is on its disk included."""


class Role(Enum):
    """What a node takes itself for."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre_candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


class Entry(NamedTuple):
    """An entry of a log. `data` is anything that tells different entries apart."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls
    term: int
    data: Hashable = ""


class Progress(NamedTuple):
    """What a leader believes of another node's log. None is what the implementation has no word for."""

    node: int
    match_index: int
    next_index: int | None = None


class Observed(NamedTuple):
    """What properties need to know of a node. Nodes are numbered from 1; 0 is none of them.

    Where the log was compacted its first entry stands for all up to it. `progress` is told by leaders only.
    """

    role: Role
    term: int
    log: tuple[Entry, ...]
    commit_index: int
    voted_for: int = 0
    leader: int = 0
    progress: tuple[Progress, ...] = ()


class Event(NamedTuple):
    """What a node does by itself, or what is asked of it. The names below mean the same for every implementation."""

    name: str
    argument: Hashable = None


CAMPAIGN = "campaign"
"""Its election timeout has passed."""
HEARTBEAT = "heartbeat"
"""It is time to send to the others what they lack, or that there is nothing."""
PROPOSE = "propose"
"""A client wants something appended."""
RESTART = "restart"
"""It crashes, and starts again with what is on its disk. Connections end."""


class Sent(NamedTuple):
    """A message to a node. `term` is the one that it speaks of; None if it does not tell.

    `acknowledges`, in an answer to the leader of the sender's term: up to this index the sender has the leader's log.
    """

    to: int
    type: str
    body: Hashable
    term: int | None = None
    acknowledges: int | None = None


class Answer(NamedTuple):
    """What a step comes to. `between` is what could be observed on the way, before the state that is reached."""

    state: State
    sends: tuple[Sent, ...] = ()
    between: tuple[Observed, ...] = ()


class Panic(Exception):
    """The implementation has died of a step, with these last words."""


class Node(Protocol):
    """An implementation. `number` is the node whose state it is, from 1."""

    @property
    def name(self) -> str:
        """For people: whose it is, and which version."""

    def initial(self, number: int) -> State:
        """A node that has just started for the first time."""

    def events(self, number: int, state: State) -> Iterable[Event]:
        """What it may do by itself now, and what may be asked of it."""

    def step(self, number: int, state: State, event: Event) -> Answer | None:
        """One of these. None: nothing happens after all. Panic if the implementation dies of it."""

    def receive(self, number: int, state: State, sender: int, message: Sent) -> Answer | None:
        """A message arrives. None: it is not taken now. Panic if the implementation dies of it."""

    def observe(self, number: int, state: State) -> Observed:
        """What there is to see of it."""


@runtime_checkable
class Renaming(Node, Protocol):
    """A node that can tell what states and messages would be if nodes had other numbers; needed for symmetry only.

    Of node i the new number is `numbers[i - 1]`.
    """

    def rename_state(self, number: int, state: State, numbers: Sequence[int]) -> State:
        """The state of node `number` under the new numbers, which it then has itself."""

    def rename_message(self, message: Sent, numbers: Sequence[int]) -> Sent:
        """A message under the new numbers."""
