"""Raft's local states, messages and steps, and the client's, in the terms of models/reads.py.

Known of a member: its term, its commit index, and of its own term whether it leads, and the numbers that it has given to reads.
Known of the client: which reads it has asked for. Unknown: earlier terms, and all others. Later terms have nothing yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

from kubeproof.conformance.bindings.raft.client import Ask, Client, Served
from kubeproof.conformance.bindings.raft.member import RESTART
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore import system
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Model
from kubeproof.conformance.refinement.binding import Binding, First, Reading
from kubeproof.conformance.refinement.judge import Abstract, Call, Fact, Facts, Known, NotAllowed, World
from kubeproof.conformance.refinement.once import Alike, Once
from kubeproof.conformance.refinement.raft import FUTURE, beginning
from kubeproof.impl.raft.read_only import PendingRead
from kubeproof.impl.raft.types import Message, MessageType, ReadState, StateType
from kubeproof.models import reads as spec
from kubeproof.models.logic.formulas import Sort
from kubeproof.models.raft import Index, Node, Quorum, Term

BEYOND = ("changes", "slow_writes", "slow_answers", "apply_while_writing")
"""What a setup may have that this map does not speak of (docs/fidelity.md)."""

NO_CLOCKS = "read_by_lease is not possible: its guard lease_holds is not known to hold, as explored members have no clocks"

HEARTBEAT, HEARTBEAT_ANSWER = MessageType.MsgHeartbeat, MessageType.MsgHeartbeatResp

Proposal = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """A member's local step."""

    before: Running
    cause: object
    after: Running
    sends: tuple[object, ...]

    @property
    def messages(self) -> list[Message]:
        """What it sends to other members."""
        return [each for each in self.sends if isinstance(each, Message)]

    @property
    def leads_on(self) -> bool:
        """Whether the member leads a term before and afterwards."""
        return self.before.leads and self.after.leads and self.before.term == self.after.term


def leaves_out(model: Model) -> list[str]:
    """What of a model cannot be judged."""
    setup = getattr(model.system, "setup", None)
    if not isinstance(setup, Setup):
        return ["another system than raft"]
    return [name for name in BEYOND if getattr(setup, name)]


def read(model: Model, taken: Iterable[Taken]) -> Reading:
    """The steps of members that run and go on doing so, and of the client. (Who contradicts the client breaks a property.)"""
    setup = getattr(model.system, "setup")  # noqa: B009 - a system need not have one
    first, prepared = beginning(setup)
    steps = [each for each in taken if _is_spoken_of(each)]
    common = world(setup, first, [*prepared, *steps])
    mapped = Map(common.universes, setup.lease_based_reads)
    return Reading(
        common,
        [First(mapped.known(state), mapped.knowledge(state)) for state in (*first, Client())],
        steps,
        mapped.abstract,
        prepared,
    )


def _is_spoken_of(taken: Taken) -> bool:
    return any(isinstance(taken[1], kind) and isinstance(taken[3].state, kind) for kind in (Running, Client))


def world(setup: Setup, first: Iterable[Running], steps: Sequence[Taken]) -> World:
    """What all these states and steps have in common."""
    states = [*first, *(state for _, before, _, step in steps for state in (before, step.state))]
    members = [state for state in states if isinstance(state, Running)]
    sent = [each.body for *_, step in steps for each in step.sends]
    numbers = [last_number(state) for state in members] + [number(each) for each in sent if isinstance(each, Message)]
    voters = setup.conf_state.voters
    quorums = [frozenset(each) for each in combinations(voters, len(voters) // 2 + 1)]
    return World(
        universes={
            Node: setup.ids,
            Quorum: quorums,
            Term: range(max(state.term for state in members) + 2),
            Index: range(max(state.log[-1].index for state in members) + 2),
            spec.Number: range(1, max(numbers, default=0) + 2),
            spec.Read: range(1, max([state.asked for state in states if isinstance(state, Client)], default=0) + 2),
        },
        rigid={spec.member: {(member, quorum) for quorum in quorums for member in quorum}},
        values={spec.index_0.symbol: {(): 0}},
    )


# ---- numbers and reads


def number(message: Message) -> int:
    """The number that a heartbeat or its answer carries; 0 is none."""
    return int.from_bytes(message.context, "little") if message.type in (HEARTBEAT, HEARTBEAT_ANSWER) else 0


def numbered(state: Running) -> dict[int, PendingRead]:
    """The reads that wait at a leader, by the numbers that it has given to them."""
    reads = state.node.raft.read_only
    return {reads.confirmed + place: each for place, each in enumerate(reads.pending, start=1)}


def last_number(state: Running) -> int:
    """The last number that a leader has given; 0 is none."""
    reads = state.node.raft.read_only
    return reads.confirmed + len(reads.pending)


def followers_of(state: Running, x: int) -> set[int]:
    """Who has told a leader that it followed it after this number was given."""
    return {voter for voter, acked in state.node.raft.read_only.acks if isinstance(acked, int) and acked >= x}


def read_of(message: Message) -> int:
    """The read that a MsgReadIndex or its answer is about."""
    return int(message.entries[0].data)


def waiting(state: Running) -> list[int]:
    """The reads that wait until their leader has committed an entry of its own."""
    return [read_of(message) for message in state.node.raft.pending_read_index_messages]


def answer(state: ReadState) -> tuple[int, int]:
    """The read, and the index that is answered."""
    return int(state.request_ctx), state.index


# ---- what states and messages stand for


def knowledge(state: object) -> Iterator[Fact]:
    """What a member counts on: votes, answers to heartbeats, and what it was told of reads."""
    if not isinstance(state, Running):
        return
    if state.role is StateType.StateCandidate:
        for voter in votes(state):
            yield from _left(voter, state.term)
    for r in waiting(state):
        yield spec.asked, (r,)
    for each in state.reads:
        yield spec.answered, answer(each)
    if state.leads:
        yield from _knowledge_of_leader(state)


def _knowledge_of_leader(state: Running) -> Iterator[Fact]:
    for x, each in numbered(state).items():
        yield spec.asked, (read_of(each.request),)
        yield spec.pending, (state.id, state.term, x, read_of(each.request), each.index)
    for voter, acked in state.node.raft.read_only.acks:
        if isinstance(acked, int):
            yield from _acked(voter, state.term, acked)


def facts(message: object) -> Iterator[Fact]:
    """What a message says. One that carries a term tells that its sender has left all terms before."""
    if isinstance(message, Ask):
        yield spec.asked, (message.read,)
    elif isinstance(message, Served):
        yield spec.served, (message.read, message.index)
    elif isinstance(message, Message):
        if message.type not in FUTURE or message.reject:
            yield from _left(message.from_, message.term)
        for index in range(told(message) + 1):
            yield spec.commit_told, (message.term, index)
        yield from _facts_of_read(message)


def _facts_of_read(message: Message) -> Iterator[Fact]:
    if message.type is MessageType.MsgReadIndex:
        yield spec.asked, (read_of(message),)
    elif message.type is MessageType.MsgReadIndexResp:
        yield spec.answered, (read_of(message), message.index)
    elif message.type is HEARTBEAT and number(message):
        yield spec.heartbeat_sent, (message.term, number(message))
    elif message.type is HEARTBEAT_ANSWER:
        yield from _acked(message.from_, message.term, number(message))


def told(message: Message) -> int:
    """Up to where a leader tells that entries are committed; -1 is nothing."""
    if message.type is MessageType.MsgSnap and message.snapshot is not None:
        return message.snapshot.index
    return message.commit if message.type in (MessageType.MsgApp, HEARTBEAT) else -1


def _left(member: int, term: int) -> Iterator[Fact]:
    return ((spec.left, (member, earlier)) for earlier in range(term))


def _acked(member: int, term: int, last: int) -> Iterator[Fact]:
    return ((spec.heartbeat_acked, (member, term, x)) for x in range(1, last + 1))


def votes(state: Running) -> set[int]:
    """Who has voted for a candidate."""
    return {voter for voter, granted in state.node.raft.tracker.votes if granted}


def first_own(state: Running) -> int:
    """Where a leader's own entries begin."""
    return next((entry.index for entry in state.log if entry.term == state.term), state.log[-1].index + 1)


def _leads(state: Running, term: int) -> bool | None:
    """Whether the member was elected in this term: of those past, and of a follower's own, nothing is known."""
    if term > state.term:
        return False
    if term < state.term:
        return None
    return {StateType.StateLeader: True, StateType.StateCandidate: False}.get(state.role)


# ---- the map


class Map:
    """The map of steps. States and messages are mapped once, as many steps have them in common."""

    def __init__(self, universes: Mapping[Sort, Sequence[Any]], lease_based: bool) -> None:
        known: Alike[Known] = Alike()
        self.known = known.once(partial(known_of, universes))
        self._quorums: Sequence[frozenset[int]] = universes[Quorum]
        self._lease_based = lease_based
        self.knowledge: Once[object, Facts] = Once(lambda state: frozenset(knowledge(state)))
        self._facts: Once[object, Facts] = Once(lambda message: frozenset(facts(message)))

    def abstract(self, taken: Taken) -> Abstract:
        """The step as the specification sees it. NotAllowed if it relies on a lease."""
        _, before, cause, step = taken
        after = step.state
        body = cause.body if isinstance(cause, system.Message) else cause
        sent = tuple(each.body for each in step.sends)
        given = self.knowledge(before) | self._facts(body)
        claims = self.knowledge(after).union(*map(self._facts, sent))
        return Abstract(self.known(before), given, tuple(self._calls(before, body, after, sent)), self.known(after), claims)

    def _calls(self, before: object, cause: object, after: object, sends: tuple[object, ...]) -> Iterator[Call]:
        if isinstance(before, Client) and isinstance(after, Client):
            if after.asked > before.asked:
                yield Call("ask", (("r", after.asked),))
            return
        assert isinstance(before, Running)
        assert isinstance(after, Running)
        for name, arguments in proposals(Step(before, cause, after, sends), self._quorums, self._lease_based):
            yield Call(name, tuple(({"n": after.id, "t": after.term} | arguments).items()))


def known_of(universes: Mapping[Sort, Sequence[Any]], state: object) -> Known:
    """What the component's tuples are."""
    if isinstance(state, Running):
        return _known_of_member(state, universes)
    assert isinstance(state, Client)
    known = Known()
    known.close(spec.asked, (), *range(1, state.asked + 1))
    return known


def _known_of_member(state: Running, universes: Mapping[Sort, Sequence[Any]]) -> Known:
    known, member = Known(), state.id
    known.close(spec.committed, (member,), *range(state.commit + 1))
    if state.leads:
        for index in range(first_own(state), len(universes[Index])):
            known.set(spec.own, (state.term, index), True)
    known.close(spec.left, (member,), *range(state.term))
    for term in universes[Term]:
        if (leads := _leads(state, term)) is not None:
            known.set(spec.leader, (member, term), leads)
            known.close(spec.numbered, (member, term), *range(1, last_number(state) + 1 if leads else 1))
    return known


# ---- which actions should explain a member's step


def proposals(step: Step, quorums: Sequence[frozenset[int]], lease_based: bool) -> Iterator[Proposal]:
    """The actions that a step of this kind may be, in their order."""
    if isinstance(step.cause, Event) and step.cause.name == RESTART:
        yield "restart", {"i": step.after.commit}
        return
    yield from _enters_term(step, quorums)
    yield from _commits(step)
    yield from _numbers(step)
    yield from _sends(step)
    answers = list(_answers(step, quorums, lease_based))
    yield from answers
    yield from _serves(step, [*_told(step), *((about["r"], about["i"]) for _, about in answers)])


def _quorum(members: set[int], quorums: Sequence[frozenset[int]]) -> frozenset[int]:
    """A quorum among these; if there is none, any."""
    return next((quorum for quorum in quorums if quorum <= members), quorums[0])


def _enters_term(step: Step, quorums: Sequence[frozenset[int]]) -> Iterator[Proposal]:
    before, after = step.before, step.after
    if after.term > before.term:
        yield "update_term", {}
    if after.leads and not step.leads_on:
        sender = {step.cause.from_} if isinstance(step.cause, Message) else set()
        yield "become_leader", {"q": _quorum({after.id} | votes(before) | sender, quorums), "i": first_own(after)}


def _commits(step: Step) -> Iterator[Proposal]:
    if step.after.commit > step.before.commit:
        yield "advance_commit" if step.after.leads else "learn_commit", {"i": step.after.commit}


def _numbers(step: Step) -> Iterator[Proposal]:
    last = last_number(step.before) if step.leads_on else 0
    for x, each in numbered(step.after).items():
        if x > last:
            yield "receive_read", {"r": read_of(each.request), "i": each.index, "x": x}


def _sends(step: Step) -> Iterator[Proposal]:
    if (commit := max(map(told, step.messages), default=-1)) >= 0:
        yield "tell_commit", {"i": commit}
    for kind, x in dict.fromkeys((each.type, number(each)) for each in step.messages if number(each)):
        yield "send_heartbeat" if kind is HEARTBEAT else "receive_heartbeat", {"x": x}


def _answers(step: Step, quorums: Sequence[frozenset[int]], lease_based: bool) -> Iterator[Proposal]:
    """The answers of a leader, at once or as a quorum has answered."""
    for x, each in numbered(step.before).items():
        if step.leads_on and x not in numbered(step.after):
            q = _quorum(followers_of(step.after, x), quorums)
            yield "confirm_read", {"r": read_of(each.request), "i": each.index, "x": x, "q": q}
    is_alone = len(quorums[0]) == 1
    for r in _neither_numbered_nor_kept(step) if step.after.leads and (is_alone or lease_based) else ():
        if not is_alone:
            raise NotAllowed("read_by_lease", "lease_holds", None, NO_CLOCKS)
        yield "answer_alone", {"r": r, "i": step.after.commit, "q": quorums[0]}


def _neither_numbered_nor_kept(step: Step) -> list[int]:
    """The reads that have come to a leader, if it numbers none: it keeps them until it has committed an entry of its own."""
    kept = waiting(step.after)
    return [r for r in (*waiting(step.before), *_arrived(step.cause)) if r not in kept]


def _arrived(cause: object) -> Iterator[int]:
    if isinstance(cause, Ask):
        yield cause.read
    elif isinstance(cause, Message) and cause.type is MessageType.MsgReadIndex:
        yield read_of(cause)


def _told(step: Step) -> Iterator[tuple[int, int]]:
    """The reads that the member has an answer for, and the index that they need."""
    yield from map(answer, step.before.reads)
    if isinstance(step.cause, Message) and step.cause.type is MessageType.MsgReadIndexResp:
        yield read_of(step.cause), step.cause.index


def _serves(step: Step, answers: Sequence[tuple[int, int]]) -> Iterator[Proposal]:
    """Of several answers to a read the lowest is enough; who serves it without any cannot have been told this index."""
    for each in step.sends:
        if isinstance(each, Served):
            needs = min((index for r, index in answers if r == each.read), default=each.index)
            yield "serve_read", {"r": each.read, "i": needs, "j": each.index}


READS = Binding(spec.reads, leaves_out, read)
