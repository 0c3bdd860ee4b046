"""Raft's local states, messages and steps, in the terms of models/raft.py.

Known of a member: its own term, log and commit index; its vote, and whether it leads, in its own term. Unknown: earlier terms,
what is compacted, and all others. Later terms have nothing yet: that is an invariant. Members must store at once what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any

from kubeproof.conformance.bindings.raft.client import Ask
from kubeproof.conformance.bindings.raft.member import CAMPAIGN, COMPACT, RESTART
from kubeproof.conformance.bindings.raft.prepare import before, prepared
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore import system
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Model
from kubeproof.conformance.refinement.binding import Binding, First, Reading
from kubeproof.conformance.refinement.judge import Abstract, Call, Fact, Known, World
from kubeproof.impl.raft.types import NO_ID, Entry, EntryType, Message, MessageType, Snapshot, StateType
from kubeproof.models import raft as spec

Payload = tuple[EntryType, bytes]
NOTHING: Payload = (EntryType.EntryNormal, b"")

WITH_CONTENTS = (MessageType.MsgApp, MessageType.MsgHeartbeat, MessageType.MsgSnap)
"""Messages that are elements, in the order of their sorts below."""

FUTURE = frozenset({MessageType.MsgPreVote, MessageType.MsgPreVoteResp})
"""What may carry a term in which nobody has campaigned."""

BEYOND = ("changes", "slow_writes", "slow_answers", "apply_while_writing")
"""What a setup may have that this map does not speak of (docs/fidelity.md)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A member's local step."""

    before: Running
    cause: Event | Message | Ask
    after: Running
    sends: tuple[Message, ...]

    @property
    def id(self) -> int:
        return self.after.id

    @property
    def message(self) -> Message | None:
        """What has arrived."""
        return self.cause if isinstance(self.cause, Message) else None

    def happens(self, name: str) -> bool:
        """Whether it is the event of this name."""
        return isinstance(self.cause, Event) and self.cause.name == name


def leaves_out(model: Model) -> list[str]:
    """What of a model cannot be judged."""
    setup = getattr(model.system, "setup", None)
    if not isinstance(setup, Setup):
        return ["another system than raft"]
    return [name for name in BEYOND if getattr(setup, name)]


def read(model: Model, taken: Iterable[Taken]) -> Reading:
    """The steps of members that run and go on doing so. (Who panics breaks a property; who has stopped does nothing.)"""
    setup = getattr(model.system, "setup")  # noqa: B009 - a system need not have one
    first, prepared = beginning(setup)
    led, steps = _of_running(prepared), _of_running(taken)
    common = world(setup, first, map(step_of, [*led, *steps]))
    mapped = Map.into(common)
    return Reading(
        common,
        [First(mapped.known(state), frozenset(knowledge(state))) for state in first],
        steps,
        lambda each: mapped.abstract(step_of(each)),
        led,
    )


def _of_running(taken: Iterable[Taken]) -> list[Taken]:
    return [each for each in taken if isinstance(each[1], Running) and isinstance(each[3].state, Running)]


def step_of(taken: Taken) -> Step:
    """The step of a member that runs, and goes on doing so."""
    _, state, cause, (reached, sends, _) = taken
    assert isinstance(state, Running)
    assert isinstance(reached, Running)
    body = cause.body if isinstance(cause, system.Message) else cause
    assert isinstance(body, Event | Message | Ask)
    return Step(state, body, reached, tuple([each.body for each in sends if isinstance(each.body, Message)]))


def beginning(setup: Setup) -> tuple[list[Running], list[Taken]]:
    """The members as they start from nothing, and the steps that lead from there to where the search begins."""
    first = [state for state in before(setup).initial() if isinstance(state, Running)]
    states: list[system.Local] = list(before(setup).initial())
    taken: list[Taken] = []
    for action in prepared(setup)[1]:
        for component, cause, step in action.taken:
            taken.append((component, states[component], cause, step))
            states[component] = step.state
    return first, taken


def world(setup: Setup, first: Iterable[Running], steps: Iterable[Step]) -> World:
    """What all these states and steps have in common."""
    states = [*first, *(state for step in steps for state in (step.before, step.after))]
    terms = max(state.term for state in states) + 2
    indexes = max(state.log[-1].index for state in states) + 2
    voters = setup.conf_state.voters
    quorums = [frozenset(each) for each in combinations(voters, len(voters) // 2 + 1)]
    payloads = {NOTHING, *(payload(entry) for state in states for entry in state.log)}
    return World(
        universes={
            spec.Node: setup.ids,
            spec.Quorum: quorums,
            spec.Value: sorted(payloads),
            spec.Term: range(terms),
            spec.Index: range(indexes),
        },
        rigid={
            spec.member: {(member, quorum) for quorum in quorums for member in quorum},
            spec.pre_vote: {()} if setup.pre_vote and not setup.pre_vote_rollout else set(),
        },
        values={
            spec.term_0.symbol: {(): 0},
            spec.index_0.symbol: {(): 0},
            spec.value_0.symbol: {(): NOTHING},
        },
    )


@dataclass(frozen=True)
class Map:
    """The map of steps. States are mapped once, as many steps have them in common."""

    terms: Sequence[int]
    indexes: Sequence[int]
    ids: Sequence[int]
    quorums: Sequence[frozenset[int]]
    _known: dict[tuple[Any, ...], Known] = field(default_factory=dict)

    @classmethod
    def into(cls, common: World) -> Map:
        """The map for steps of this world."""
        universes = common.universes
        return cls(universes[spec.Term], universes[spec.Index], universes[spec.Node], universes[spec.Quorum])

    def abstract(self, step: Step) -> Abstract:
        """The step as the specification sees it."""
        arrived = [] if step.message is None else [step.message]
        given = {*knowledge(step.before), *(fact for each in arrived for fact in facts(each))}
        claims = {*knowledge(step.after), *(fact for each in step.sends for fact in facts(each))}
        elements, values = self._messages([*arrived, *step.sends])
        return Abstract(
            self.known(step.before), given, tuple(calls(step, self.quorums)), self.known(step.after), claims, elements, values
        )

    def known(self, state: Running) -> Known:
        """What the member's tuples are."""
        looked_at = state.id, state.term, state.node.raft.vote, state.role, state.commit, state.log
        if looked_at not in self._known:
            self._known[looked_at] = self._map(state)
        return self._known[looked_at]

    def _map(self, state: Running) -> Known:
        known, member = Known(), state.id
        for term in self.terms:
            known.set(spec.current, (member, term), term == state.term)
            known.set(spec.left, (member, term), term < state.term)
            if term >= state.term:
                for other in self.ids:
                    known.set(spec.voted, (member, term, other), term == state.term and other == state.node.raft.vote)
            if (leads := _leads(state, term)) is not None:
                known.set(spec.leader, (member, term), leads)
        for index in self.indexes:
            known.set(spec.log_reaches, (member, index), index <= state.log[-1].index)
            known.set(spec.committed, (member, index), index <= state.commit)
            known.set(spec.compacted, (member, index), 0 < state.log[0].index >= index)
            self._map_entry(known, state, index)
        return known

    def _map_entry(self, known: Known, state: Running, index: int) -> None:
        if index < state.log[0].index:
            return  # compacted
        entry = entry_at(state.log, index)
        for term in self.terms:
            known.set(spec.log, (state.id, index, term), entry is not None and entry.term == term)
        if entry is not None and (index == 0 or index > state.log[0].index):
            known.assign(spec.value, (state.id, index), payload(entry))

    def _messages(self, messages: Iterable[Message]) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Appends, heartbeats and snapshots are elements; these functions are what is known of their contents."""
        elements = dict.fromkeys(map(element, messages))
        appends, heartbeats, snapshots = ([each for each in elements if each.type is kind] for kind in WITH_CONTENTS)
        values = {
            spec.append_term: {(m,): m.term for m in appends},
            spec.append_previous: {(m,): m.index for m in appends},
            spec.append_previous_term: {(m,): m.log_term for m in appends},
            spec.append_last: {(m,): m.index + len(m.entries) for m in appends},
            spec.append_entry: {(m, entry.index): entry.term for m in appends for entry in m.entries},
            spec.append_value: {(m, entry.index): payload(entry) for m in appends for entry in m.entries},
            spec.append_commit: {(m,): m.commit for m in appends},
            spec.heartbeat_term: {(m,): m.term for m in heartbeats},
            spec.heartbeat_to: {(m,): m.to for m in heartbeats},
            spec.heartbeat_commit: {(m,): m.commit for m in heartbeats},
            spec.snapshot_term: {(m,): m.term for m in snapshots},
            spec.snapshot_index: {(m,): covered(m).index for m in snapshots},
            spec.snapshot_entry: {(m, covered(m).index): covered(m).term for m in snapshots},
        }
        return {spec.Append: appends, spec.Heartbeat: heartbeats, spec.Snapshot: snapshots}, values


def element(message: Message) -> Message:
    """What a message is to the specification: nobody looks at who has sent it, or at whom entries are addressed to."""
    anybody = message.type in (MessageType.MsgApp, MessageType.MsgSnap)
    return message._replace(from_=NO_ID, to=NO_ID if anybody else message.to)


def covered(message: Message) -> Snapshot:
    """The snapshot that a message carries."""
    assert message.snapshot is not None
    return message.snapshot


def payload(entry: Entry) -> Payload:
    """The value of an entry."""
    return entry.type, entry.data


def entry_at(log: Sequence[Entry], index: int) -> Entry | None:
    """The entry of a log at an index."""
    at = index - log[0].index
    return log[at] if 0 <= at < len(log) else None


def term_at(log: Sequence[Entry], index: int) -> int | None:
    """The term of that entry."""
    entry = entry_at(log, index)
    return None if entry is None else entry.term


def _leads(state: Running, term: int) -> bool | None:
    """Whether the member was elected in this term: of those past, and of a follower's own, nothing is known."""
    if term > state.term:
        return False
    if term < state.term:
        return None
    return {StateType.StateLeader: True, StateType.StateCandidate: False}.get(state.role)


# ---- what states and messages stand for


def knowledge(state: Running) -> Iterator[Fact]:
    """What a member counts on: messages that have carried its term, the votes and the acknowledgements that it has counted.

    What it has of its own term, and all before, it has acknowledged: so it may do that again without a look at the message.
    """
    if state.term:
        yield spec.begun, (state.term,)
        own = max((entry.index for entry in state.log if entry.term == state.term), default=0)
        yield from _acknowledged(state.id, state.term, own)
    tracker = state.node.raft.tracker
    for voter in (voter for voter, granted in tracker.votes if granted):
        if state.role is StateType.StateCandidate:
            yield spec.vote_granted, (voter, state.term, state.id)
        elif state.role is StateType.StatePreCandidate:
            yield spec.pre_vote_granted, (voter, state.term, state.id)
    if state.leads:
        for member, progress in tracker.progress:
            yield from _acknowledged(member, state.term, progress.match)


def facts(message: Message) -> Iterator[Fact]:
    """What a message says."""
    kind, sender, term = message.type, message.from_, message.term
    if term and (kind not in FUTURE or message.reject):
        yield spec.begun, (term,)
    if kind is MessageType.MsgVote:
        yield spec.vote_requested, (sender, term, message.index, message.log_term)
    elif kind is MessageType.MsgPreVote:
        yield spec.pre_vote_requested, (sender, term, message.index, message.log_term)
    elif kind is MessageType.MsgApp:
        yield spec.append_sent, (element(message),)
    elif kind is MessageType.MsgSnap:
        yield spec.snapshot_sent, (element(message),)
    elif kind is MessageType.MsgHeartbeat and message.commit:
        yield spec.heartbeat_sent, (element(message),)
    elif kind is MessageType.MsgTimeoutNow:
        yield spec.timeout_now_sent, (term, message.to)
    elif not message.reject:
        yield from _agreed(message)


def _agreed(answer: Message) -> Iterator[Fact]:
    kind, sender, term = answer.type, answer.from_, answer.term
    if kind is MessageType.MsgVoteResp:
        yield spec.vote_granted, (sender, term, answer.to)
    elif kind is MessageType.MsgPreVoteResp:
        yield from ((spec.pre_vote_granted, (sender, earlier, answer.to)) for earlier in range(term + 1))
    elif kind is MessageType.MsgAppResp:
        yield from _acknowledged(sender, term, answer.index)


def _acknowledged(member: int, term: int, last: int) -> Iterator[Fact]:
    return ((spec.acked, (member, term, index)) for index in range(1, last + 1))


# ---- which actions should explain a step


def calls(step: Step, quorums: Sequence[frozenset[int]]) -> Iterator[Call]:
    """The actions that a step of this kind may be, in their order."""
    for name, arguments in (
        *_enters_term(step, quorums),
        *_grants(step),
        *_is_elected(step, quorums),
        *_takes_entries(step),
        *_commits(step, quorums),
        *_sends(step),
    ):
        yield Call(name, tuple(({"n": step.id} | arguments).items()))


Proposal = tuple[str, dict[str, Any]]


def _enters_term(step: Step, quorums: Sequence[frozenset[int]]) -> Iterator[Proposal]:
    before, after, message = step.before, step.after, step.message
    last = before.log[-1]
    own = {"t": before.term, "i": last.index, "u": last.term}
    if message is None:
        if step.happens(CAMPAIGN):
            yield from _campaigns(step, own, quorums)
    elif after.term == before.term:
        return
    elif message.type is MessageType.MsgPreVoteResp and not message.reject:
        yield "campaign_after_pre_vote", own | {"t2": after.term, "q": _quorum(_votes(step), quorums)}
    else:
        if before.term < message.term:
            yield "update_term", {"t": before.term, "t2": message.term}
        if message.type is MessageType.MsgTimeoutNow and message.term < after.term:
            yield "receive_timeout_now", own | {"t": message.term, "t2": after.term}


def _campaigns(step: Step, own: dict[str, Any], quorums: Sequence[frozenset[int]]) -> Iterator[Proposal]:
    term, entered = step.before.term, step.after.term
    if step.after.role is StateType.StatePreCandidate or (step.before.pre_vote and entered != term):
        yield "pre_campaign", own | {"t2": term + 1}
        yield "grant_pre_vote", own | {"t2": term + 1, "c": step.id, "j": own["i"], "v": own["u"]}
    if entered != term:
        name = "campaign_after_pre_vote" if step.before.pre_vote else "campaign"
        yield name, own | {"t2": entered, "q": _quorum({step.id}, quorums)}


def _votes(step: Step) -> set[int]:
    """Who has voted for the member, the vote that arrives included."""
    counted = {voter for voter, granted in step.before.node.raft.tracker.votes if granted}
    return counted if step.message is None or step.message.reject else counted | {step.message.from_}


def _quorum(members: set[int], quorums: Sequence[frozenset[int]]) -> frozenset[int]:
    """A quorum among these; if there is none, any."""
    return next((quorum for quorum in quorums if quorum <= members), quorums[0])


def _grants(step: Step) -> Iterator[Proposal]:
    request, (j, v) = step.message, (step.before.log[-1].index, step.before.log[-1].term)
    if request is None:
        return
    asked = {"c": request.from_, "i": request.index, "u": request.log_term, "t": step.after.term, "j": j, "v": v}
    for answer in step.sends:
        if answer.type is MessageType.MsgVoteResp and not answer.reject:
            yield "grant_vote", asked
        elif answer.type is MessageType.MsgPreVoteResp and not answer.reject:
            yield "grant_pre_vote", asked | {"t2": answer.term}


def _is_elected(step: Step, quorums: Sequence[frozenset[int]]) -> Iterator[Proposal]:
    if step.after.leads and not step.before.leads:
        yield "become_leader", {"t": step.after.term, "q": _quorum(_votes(step), quorums)}


def _takes_entries(step: Step) -> Iterator[Proposal]:
    after, message = step.after, step.message
    if after.leads:
        yield from _proposes(step)
    elif message is not None and message.type is MessageType.MsgApp and _is_accepted(step, message):
        yield _takes_append(step.before, message)
    elif message is not None and message.type is MessageType.MsgSnap and _is_accepted(step, message):
        yield _takes_snapshot(step, message)


def _proposes(step: Step) -> Iterator[Proposal]:
    before, after = step.before, step.after
    for last, new in pairwise(after.log):
        if new.index > before.log[-1].index:
            yield "propose", {"t": after.term, "i": last.index, "u": last.term, "j": new.index, "v": payload(new)}
    if (match := _own_match(after, after.term)) > _own_match(before, after.term):
        yield "acknowledge_own", {"t": after.term, "i": match}


def _takes_append(before: Running, message: Message) -> Proposal:
    missing = [each.index for each in message.entries if term_at(before.log, each.index) != each.term]
    if message.index < before.commit:
        return "acknowledge_committed", {"m": element(message), "i": before.commit}
    if not missing:
        return "receive_known_append", {"m": element(message)}
    return "receive_new_append", {"m": element(message), "i": missing[0]}


def _takes_snapshot(step: Step, message: Message) -> Proposal:
    snapshot = covered(message)
    if step.after.commit == step.before.commit:
        return "receive_old_snapshot", {"m": element(message), "i": step.before.commit}
    known = term_at(step.before.log, snapshot.index) == snapshot.term
    return "receive_known_snapshot" if known else "receive_new_snapshot", {"m": element(message)}


def _own_match(state: Running, term: int) -> int:
    """Up to where the member counts itself as leader of this term."""
    leads = state.leads and state.term == term
    return dict(state.node.raft.tracker.progress)[state.id].match if leads else 0


def _is_accepted(step: Step, message: Message) -> bool:
    return message.term == step.after.term and any(
        answer.type is MessageType.MsgAppResp and not answer.reject for answer in step.sends
    )


def _commits(step: Step, quorums: Sequence[frozenset[int]]) -> Iterator[Proposal]:
    after, message, commit = step.after, step.message, step.after.commit
    if step.happens(COMPACT):
        yield "compact", {"i": after.log[0].index}
    elif step.happens(RESTART):
        yield "restart", {"i": commit}
    elif commit <= step.before.commit:
        return
    elif after.leads:
        have = {member for member, progress in after.node.raft.tracker.progress if progress.match >= commit}
        yield "advance_commit", {"t": after.term, "i": commit, "u": term_at(after.log, commit), "q": _quorum(have, quorums)}
    elif message is not None and message.type is MessageType.MsgApp:
        yield "learn_commit", {"m": element(message), "i": commit}
    elif message is not None and message.type is MessageType.MsgHeartbeat:
        yield "receive_heartbeat", {"m": element(message), "i": commit}


def _sends(step: Step) -> Iterator[Proposal]:
    for message in dict.fromkeys(map(element, step.sends)):
        if message.type is MessageType.MsgApp:
            last = term_at(step.after.log, message.index + len(message.entries))
            yield "send_append", {"t": message.term, "m": message, "u": last}
        elif message.type is MessageType.MsgHeartbeat and message.commit:
            yield "send_heartbeat", {"t": message.term, "m": message}
        elif message.type is MessageType.MsgSnap:
            yield "send_snapshot", {"t": message.term, "m": message}
        elif message.type is MessageType.MsgTimeoutNow:
            yield "send_timeout_now", {"t": message.term, "c": message.to}


RAFT = Binding(spec.raft, leaves_out, read)
