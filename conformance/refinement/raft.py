"""Raft's local states, messages and steps, in the terms of models/raft.py.

Known of a member: its own term, log and commit index; its vote, and whether it leads, in its own term. Unknown: earlier terms,
what is compacted, and all others. Later terms have nothing yet: that is an invariant. Members must store at once what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
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
from kubeproof.conformance.refinement.judge import Abstract, Call, Fact, Facts, Known, World
from kubeproof.conformance.refinement.once import Alike, Once
from kubeproof.impl.raft.types import NO_ID, Entry, EntryType, Message, MessageType, Snapshot, StateType
from kubeproof.models import raft as spec
from kubeproof.models.logic.formulas import Function, Sort

Payload = tuple[EntryType, bytes]
NOTHING: Payload = (EntryType.EntryNormal, b"")

WITH_CONTENTS: dict[MessageType, Sort] = {
    MessageType.MsgApp: spec.Append,
    MessageType.MsgHeartbeat: spec.Heartbeat,
    MessageType.MsgSnap: spec.Snapshot,
}
"""The messages that are elements, and of which sort."""

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
    mapped = Map(common)
    return Reading(
        common,
        [First(mapped.known(state), mapped.knowledge(state)) for state in first],
        steps,
        lambda each: mapped.abstract(step_of(each)),
        led,
    )


def _of_running(taken: Iterable[Taken]) -> list[Taken]:
    return [each for each in taken if isinstance(each[1], Running) and isinstance(each[3].state, Running)]


def step_of(taken: Taken) -> Step:
    """The step of a member that runs, and goes on doing so."""
    _, state, cause, step = taken
    reached, sends = step.state, step.sends
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


class Map:
    """The map of steps. States and messages are mapped once, as many steps have them in common."""

    def __init__(self, common: World) -> None:
        universes = common.universes
        self.quorums: Sequence[frozenset[int]] = universes[spec.Quorum]
        known: Alike[Known] = Alike()
        self.known = known.once(partial(known_of, universes[spec.Term], universes[spec.Index]))
        self.knowledge: Once[Running, Facts] = Once(lambda state: frozenset(knowledge(state)))
        self._facts: Once[Message, Facts] = Once(lambda message: frozenset(facts(message)))
        self._element = Once(element)
        self._contents = Once(contents)

    def abstract(self, step: Step) -> Abstract:
        """The step as the specification sees it."""
        arrived = () if step.message is None else (step.message,)
        elements, values = self._messages((*arrived, *step.sends))
        return Abstract(
            self.known(step.before),
            self.knowledge(step.before).union(*map(self._facts, arrived)),
            tuple(calls(step, self.quorums)),
            self.known(step.after),
            self.knowledge(step.after).union(*map(self._facts, step.sends)),
            elements,
            values,
        )

    def _messages(self, messages: Iterable[Message]) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Appends, heartbeats and snapshots are elements; these functions are what is known of their contents."""
        elements: dict[Sort, list[Message]] = {}
        values: dict[Function, dict[tuple[Any, ...], Any]] = {}
        for each in messages:
            if each.type in WITH_CONTENTS:
                sort, one = WITH_CONTENTS[each.type], self._element(each)
                if one not in elements.setdefault(sort, []):
                    elements[sort].append(one)
                    for function, content in self._contents(one).items():
                        values.setdefault(function, {}).update(content)
        return elements, values


def known_of(terms: Iterable[int], indexes: Sequence[int], state: Running) -> Known:
    """What the member's tuples are."""
    known, member, log, vote = Known(), state.id, state.log, state.node.raft.vote
    known.close(spec.current, (member,), state.term)
    known.close(spec.left, (member,), *range(state.term))
    for term in terms:
        if term >= state.term:
            known.close(spec.voted, (member, term), *([vote] if term == state.term and vote != NO_ID else []))
        if (leads := _leads(state, term)) is not None:
            known.set(spec.leader, (member, term), leads)
    known.close(spec.compacted, (member,), *(range(log[0].index + 1) if log[0].index else ()))
    for index in indexes[log[0].index :]:  # what is before is compacted
        _map_entry(known, state, index)
    known.close(spec.committed, (member,), *range(state.commit + 1))
    known.close(spec.log_reaches, (member,), *range(log[-1].index + 1))
    return known


def _map_entry(known: Known, state: Running, index: int) -> None:
    entry = entry_at(state.log, index)
    known.close(spec.log, (state.id, index), *([] if entry is None else [entry.term]))
    if entry is not None and (index == 0 or index > state.log[0].index):
        known.assign(spec.value, (state.id, index), payload(entry))


def contents(m: Message) -> dict[Function, dict[tuple[Any, ...], Any]]:
    """What is in such a message."""
    if m.type is MessageType.MsgApp:
        return {
            spec.append_term: {(m,): m.term},
            spec.append_previous: {(m,): m.index},
            spec.append_previous_term: {(m,): m.log_term},
            spec.append_last: {(m,): m.index + len(m.entries)},
            spec.append_entry: {(m, entry.index): entry.term for entry in m.entries},
            spec.append_value: {(m, entry.index): payload(entry) for entry in m.entries},
            spec.append_commit: {(m,): m.commit},
        }
    if m.type is MessageType.MsgHeartbeat:
        return {spec.heartbeat_term: {(m,): m.term}, spec.heartbeat_to: {(m,): m.to}, spec.heartbeat_commit: {(m,): m.commit}}
    snapshot = covered(m)
    return {
        spec.snapshot_term: {(m,): m.term},
        spec.snapshot_index: {(m,): snapshot.index},
        spec.snapshot_entry: {(m, snapshot.index): snapshot.term},
    }


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
