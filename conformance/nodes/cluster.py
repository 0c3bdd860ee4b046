"""A cluster of somebody's nodes as a model: who they are, how they are connected, and how often things may happen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kubeproof.conformance.explore.system import DROP, DUPLICATE, Event, Local, Message, Model, Network, Step, Symmetry
from kubeproof.conformance.nodes import properties
from kubeproof.conformance.nodes.member import Member, Panicked, after
from kubeproof.conformance.nodes.node import (
    CAMPAIGN,
    HEARTBEAT,
    PROPOSE,
    RESTART,
    Answer,
    Node,
    Observed,
    Panic,
    Renaming,
    Sent,
    State,
)
from kubeproof.conformance.nodes.node import Event as NodeEvent
from kubeproof.conformance.verdict import InvalidInput

BREAK, BREAKS = "break", "breaks"
RECEIVE = "receive"
COSTS = {PROPOSE: "proposals", RESTART: "restarts", HEARTBEAT: "heartbeats"}
"""The budgets of events of nodes; others happen as often as they like."""
NETWORK = (BREAKS, DROP, DUPLICATE)
BYTES_SHOWN = 16


class Delivered(NamedTuple):
    """A message of a node."""

    sender: int
    message: Sent


@dataclass(frozen=True)
class Cluster:
    """The system: a component for each node. If they are `connected`, what is under way is lost where a connection breaks.

    What costs one of the budgets in `never` does not happen.
    """

    node: Node
    members: int
    terms: int
    candidates: int
    connected: bool
    never: frozenset[str]
    costs: Mapping[str, str] = field(default_factory=lambda: COSTS)
    _seen: dict[tuple[int, State], Observed] = field(default_factory=dict)

    def initial(self) -> tuple[Local, ...]:
        """Nodes that have just started."""
        return tuple([Member(number, self.node.initial(number)) for number in range(1, self.members + 1)])

    def observe(self, member: Member) -> Observed:
        """What there is to see of a member. Each state is looked at once."""
        key = member.number, member.state
        if key not in self._seen:
            self._seen[key] = self.node.observe(*key)
        return self._seen[key]

    def events(self, component: int, state: Local) -> Iterator[Event]:
        """What a node does by itself; and the connections to those behind it break."""
        return (event for event in self._events(component, state) if event.costs not in self.never)

    def _events(self, component: int, state: Local) -> Iterator[Event]:
        if isinstance(state, Member):
            for name, argument in self.node.events(state.number, state.state):
                if name != CAMPAIGN or (state.number <= self.candidates and self.observe(state).term < self.terms):
                    yield Event(name, argument, self.costs.get(name))
        if self.connected:
            for other in range(component + 1, self.members):
                yield Event(BREAK, other, BREAKS)

    def step(self, component: int, state: Local, event: Event) -> Step | None:
        """One of these events."""
        if event.name == BREAK:
            assert isinstance(event.argument, int)
            return Step(state, cuts=(event.argument,))
        assert isinstance(state, Member)
        own = NodeEvent(event.name, event.argument)
        step = self._taken(state, event.name, lambda: self.node.step(state.number, state.state, own))
        if step is not None and event.name == RESTART and self.connected:
            step = step._replace(cuts=tuple([other for other in range(self.members) if other != component]))
        return step

    def receive(self, component: int, state: Local, message: Message) -> Step | None:  # noqa: ARG002
        """A node is handed a message; who is dead hears nothing."""
        if not isinstance(state, Member):
            return Step(state)
        body = message.body
        assert isinstance(body, Delivered)
        return self._taken(state, RECEIVE, lambda: self.node.receive(state.number, state.state, body.sender, body.message))

    def _taken(self, member: Member, event: str, asked: Callable[[], Answer | None]) -> Step | None:
        try:
            answer = asked()
        except Panic as panic:
            return Step(Panicked(member.number, str(panic)))
        if answer is None:
            return None
        reached = self.node.observe(member.number, answer.state)
        state = after(member, self.observe(member), reached, answer, event)
        return Step(state, tuple([Message(sent.to - 1, Delivered(member.number, sent)) for sent in answer.sends]))


def model(
    node: Node,
    members: int,
    terms: int,
    budgets: Mapping[str, int | None],
    *,
    candidates: int = 0,
    capacity: int = 0,
    messages: int = 0,
    leaves_out: Collection[str] = (),
    costs: Mapping[str, str] = COSTS,
    recovery: bool = False,
    symmetry: bool = False,
) -> Model:
    """A cluster of so many `members`, all of them of the same implementation. Nobody campaigns beyond term `terms`.

    - `budgets` say how often things happen, all members together; `costs` say which events of nodes take of which. None is any
      number of times.
    - With a `capacity` nodes are connected, each with each: in each direction so many messages are under way at most, and arrive
      in order. As many connections as `breaks` break, and are made anew: what is under way is lost.
    - Without one, messages are datagrams: at most `messages` of them are under way, and arrive in any order; `drops` of them are
      lost, and `duplicates` arrive twice.
    - Only the first `candidates` members campaign; 0 are all of them.
    - `leaves_out` are properties that are not asked for.
    - With `recovery` a leader must be able to commit, too: see properties.can_commit.
    - With `symmetry` states that differ in the numbers of who campaigns are one. InvalidInput if the node cannot rename.
    """
    network = (BREAKS,) if capacity else (DROP, DUPLICATE)
    happens = {name: budget for name, budget in budgets.items() if budget != 0 and (name in network or name not in NETWORK)}
    never = frozenset((*costs.values(), BREAKS)) - happens.keys()
    finite = tuple([name for name, budget in happens.items() if budget is not None])
    cluster = Cluster(node, members, terms, candidates or members, capacity > 0, never, costs)
    return Model(
        cluster,
        tuple([f"member {number}" for number in range(1, members + 1)]),
        Network.FIFO if capacity else Network.CONSUMED,
        capacity * members * (members - 1) if capacity else messages,
        capacity or None,
        happens,
        symmetry=_symmetry(node, candidates or members) if symmetry else None,
        always=properties.always(cluster.observe, leaves_out),
        sometimes=properties.sometimes(cluster.observe, proposes=COSTS[PROPOSE] in happens),
        recoverable=(properties.can_commit(cluster.observe, finite),) if recovery else (),
        describe=Describing(cluster).describe,
    )


def _symmetry(node: Node, alike: int) -> Symmetry:
    """The first so many members are told apart by their numbers only."""
    if not isinstance(node, Renaming):
        raise InvalidInput("symmetry", None, f"expected a node that can be renamed, which {node.name} cannot")

    def rename(value: object, places: Sequence[int]) -> object:
        numbers = [place + 1 for place in places]
        match value:
            case Member(number, state):
                return value._replace(number=numbers[number - 1], state=node.rename_state(number, state, numbers))
            case Panicked(number):
                return value._replace(number=numbers[number - 1])
            case Delivered(sender, message):
                return Delivered(numbers[sender - 1], node.rename_message(message, numbers))
        raise TypeError(f"no state or message of a cluster: {value}")

    return Symmetry(tuple(range(alike)), rename)


@dataclass(frozen=True, slots=True)
class Describing:
    """Local states and messages for people."""

    cluster: Cluster

    def describe(self, value: object) -> str:
        """A short line."""
        match value:
            case Member():
                return _observed(self.cluster.observe(value))
            case Panicked(_, reason):
                return f"dead: {reason}"
            case Delivered(sender, message):
                return f"{message.type} {sender}->{message.to} ({_body(message.body)})"
        return str(value)


def _body(body: Hashable) -> str:
    """A body of names and values as such, any other as it is."""
    if isinstance(body, tuple) and all(isinstance(each, tuple) and len(each) == 2 for each in body):
        return ", ".join(f"{name} {in_brief(value)}" for name, value in body)
    return str(body)


def in_brief(value: object) -> str:
    """A value for people; of many bytes only how many there are."""
    if isinstance(value, tuple):
        return f"({', '.join(map(in_brief, value))})"
    if isinstance(value, bytes) and len(value) > BYTES_SHOWN:
        return f"{len(value):,} bytes"
    return str(value)


def _observed(seen: Observed) -> str:
    log = " ".join(f"{entry.term}/{entry.index}" for entry in seen.log)
    vote = f" voted for {seen.voted_for}" if seen.voted_for else ""
    progress = "".join(f" {each.node} has {each.match_index}, next {each.next_index}" for each in seen.progress)
    return f"{seen.role.value} term {seen.term}{vote} commit {seen.commit_index} log [{log}]{progress}"
