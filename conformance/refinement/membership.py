"""Raft's local steps in the terms of models/membership.py: with changes of membership, and with writes that take their time.

An element of sort Entry is a log up to that entry. Of the logs of others a member is told index and term of an entry: if it has
that one itself, all before it is the same (`one_entry`), and whatever it does not have, it does not look at. So `Place` will do.

Writes in hand end later and in their order, and each has what the member was when it handed it over. What leaves with a write is
about what is stored then, and the member may be in a newer term by that time: it is known what a write in hand has, whom it votes
for, and that it is to ask for votes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import combinations, product
from typing import Any, NamedTuple

from kubeproof.conformance.bindings.raft.member import CAMPAIGN, RESTART, WRITE, WRITTEN
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.refinement.binding import Binding, First, Reading
from kubeproof.conformance.refinement.judge import Abstract, Call, Fact, Known, World
from kubeproof.conformance.refinement.once import Once
from kubeproof.conformance.refinement.raft import Step, beginning, step_of
from kubeproof.impl.raft.confchange import ConfChangeType, ConfChangeV2, decode_conf_change
from kubeproof.impl.raft.types import (
    EMPTY_HARD_STATE,
    NO_ID,
    ConfState,
    Entry,
    EntryType,
    HardState,
    Message,
    MessageType,
    StateType,
)
from kubeproof.models import membership as spec

Log = tuple[Entry, ...]
"""The entries up to one of them. The first stands at index 0, before all others: nothing is compacted."""


class Shown(tuple[Entry, ...]):
    """A log, the same as any other, that tells itself in short."""

    __slots__ = ()

    def __repr__(self) -> str:
        entries = (f"{each.term}/{each.index}" + "c" * is_change(each) for each in self[1:])
        return f"[{' '.join(entries)}]"


EMPTY: Log = Shown((Entry(0, 0),))

BEYOND = ("compactions", "pre_vote", "heartbeats", "endless_heartbeats", "reads")
"""What a setup may have that this map does not speak of (docs/fidelity.md)."""


class Place(NamedTuple):
    """An entry in another member's log, of which no more than index and term are told."""

    index: int  # type: ignore[assignment]  # the field hides tuple.index
    term: int


class Append(NamedTuple):
    """A MsgApp: the log that ends with what it carries, and how much of that is committed."""

    term: int
    last: Log
    commit: Log


class Halves(NamedTuple):
    """The voters of a configuration."""

    incoming: frozenset[int]
    outgoing: frozenset[int] = frozenset()

    def is_quorum(self, members: frozenset[int]) -> bool:
        """Whether these are a majority of either half; outside of joint consensus there is one."""
        return all(is_majority(members, half) for half in self if half)


def is_majority(members: frozenset[int], voters: frozenset[int]) -> bool:
    """Whether more than half of the voters are among these."""
    return 2 * len(members & voters) > len(voters)


# ---- logs


@dataclass(frozen=True)
class Tree:
    """All logs that are seen, and what each makes of the first configuration: computed here, not by the code that is judged."""

    configurations: Mapping[Log, Halves]
    places: Mapping[Place, Log | Place]
    """The log that ends with an entry of this index and term, if it is the only one."""

    @classmethod
    def of(cls, first: ConfState, logs: Iterable[Log]) -> Tree:
        """The tree of these logs, and of all that they begin with."""
        configurations: dict[Log, Halves] = {EMPTY: Halves(frozenset(first.voters), frozenset(first.voters_outgoing))}
        places: dict[Place, Log | Place] = {Place(0, 0): EMPTY}
        for log in sorted({log[:end] for log in logs for end in range(2, len(log) + 1)}, key=lambda log: (len(log), log)):
            configurations[Shown(log)] = changed(configurations[log[:-1]], log[-1])
            place = Place(len(log) - 1, log[-1].term)
            places[place] = place if place in places else log
        return cls(configurations, places)

    @property
    def logs(self) -> Sequence[Log]:
        return list(self.configurations)

    def asked_with(self, request: Message) -> Log | Place:
        """The log that a candidate asks for votes with."""
        place = Place(request.index, request.log_term)
        return self.places.get(place, place)


def changed(before: Halves, entry: Entry) -> Halves:
    """The configuration after one more entry. Learners have no part in it."""
    if not is_change(entry):
        return before
    change = change_in(entry)
    if change.leave_joint():
        return Halves(before.incoming)
    voters = set(before.incoming)
    for each in change.changes:
        if each.type is ConfChangeType.ConfChangeAddNode:
            voters.add(each.node_id)
        elif each.type is not ConfChangeType.ConfChangeUpdateNode:
            voters.discard(each.node_id)
    voters.discard(NO_ID)  # stands for no change (etcd confchange.go)
    _, joint = change.enter_joint()
    return Halves(frozenset(voters), before.incoming if joint else before.outgoing)


def change_in(entry: Entry) -> ConfChangeV2:
    return decode_conf_change(entry.type, entry.data).as_v2()


def is_change(entry: Entry) -> bool:
    return entry.type is not EntryType.EntryNormal


def version(log: Log) -> int:
    """How many changes a log has."""
    return sum(map(is_change, log))


# ---- what members are


class Image(NamedTuple):
    """What is written of a member, or will be."""

    term: int
    vote: int
    log: Log
    commit: int

    def with_write(self, entries: Sequence[Entry], hard_state: HardState) -> Image:
        """When this is written too."""
        log = (*self.log[: entries[0].index], *entries) if entries else self.log
        term, vote, commit = hard_state if hard_state != EMPTY_HARD_STATE else (self.term, self.vote, self.commit)
        return Image(term, vote, log, commit)


class Member(NamedTuple):
    """A member as the specification sees it: what it remembers, has stored and is to store, and whom it counts on."""

    id: int
    now: Image
    applied: int
    role: StateType
    stored: Image
    in_hand: tuple[Image, ...] = ()
    requests: frozenset[Image] = frozenset()  # those in hand after which it asks for votes
    votes: frozenset[int] = frozenset()
    matches: tuple[tuple[int, int], ...] = ()

    @property
    def leads(self) -> bool:
        return self.role is StateType.StateLeader

    @property
    def candidate(self) -> bool:
        return self.role is StateType.StateCandidate

    def match(self, member: int) -> int:
        """Up to where this leader knows the member to have its log."""
        return dict(self.matches).get(member, 0)


def member_of(state: Running) -> Member:
    """The member in this state."""
    raft, (stored, *in_hand, now) = state.node.raft, images_of(state)
    handed = state.ready.committed_entries if state.ready is not None else ()
    applied = handed[-1].index if handed else state.applied
    requests = frozenset(image for image, work in zip(in_hand, state.writes, strict=False) if _asks_for_votes(work))
    votes = frozenset(voter for voter, granted in raft.tracker.votes if granted and state.role is StateType.StateCandidate)
    matches = tuple((other, progress.match) for other, progress in raft.tracker.progress if state.leads)
    return Member(state.id, now, applied, state.role, stored, tuple(in_hand), requests, votes, matches)


def _asks_for_votes(work: Message) -> bool:
    return any(each.type is MessageType.MsgVote for each in work.responses)


def images_of(state: Running) -> list[Image]:
    """What is stored, what will be when each of the writes in hand has ended, and what the member has in memory."""
    storage = state.storage
    images = [Image(storage.hard_state.term, storage.hard_state.vote, storage.entries, storage.hard_state.commit)]
    for entries, hard_state in _in_hand(state):
        images.append(images[-1].with_write(entries, hard_state))
    return [*images, Image(state.term, state.node.raft.vote, state.log, state.commit)]


def _in_hand(state: Running) -> list[tuple[Sequence[Entry], HardState]]:
    if state.ready is not None:
        return [(state.ready.entries, state.ready.hard_state)]
    return [(each.entries, HardState(each.term, each.vote, each.commit)) for each in state.writes]


# ---- what they know, stand for and tell


class Seen(NamedTuple):
    """A member in a state, with what its tuples are and what it counts on."""

    member: Member
    known: Known
    knowledge: frozenset[Fact]


class Map:
    """The map of steps into a world. States are mapped once, as many steps have them in common."""

    def __init__(self, world: World, tree: Tree) -> None:
        known = cache(partial(known_of, world.universes[spec.Term]))
        self.tree = tree
        self.seen = Once(partial(seen_in, known))

    def abstract(self, step: Step) -> Abstract:
        """The step as the specification sees it."""
        (before, before_known, before_knowledge), (after, after_known, after_knowledge) = (
            self.seen(step.before),
            self.seen(step.after),
        )
        told = [] if step.message is None else [step.message]
        course = Course(before, after, step, self.tree)
        course.run()
        appends = [*(append_in(each, before.now.log) for each in told), *(append_in(each, after.now.log) for each in step.sends)]
        known = list(dict.fromkeys(each for each in appends if each is not None))
        return Abstract(
            before_known,
            before_knowledge.union(*(heard(each, before, self.tree) for each in told)),
            tuple(course.calls),
            after_known,
            after_knowledge.union(*(said(each, course.log_of(each)) for each in step.sends)),
            {spec.Append: known} if known else {},
            {
                spec.append_term: {(m,): m.term for m in known},
                spec.append_last: {(m,): m.last for m in known},
                spec.append_commit: {(m,): m.commit for m in known},
            },
        )


def seen_in(known: Callable[[Member], Known], state: Running) -> Seen:
    member = member_of(state)
    shown = member._replace(votes=frozenset(), matches=())
    return Seen(member, known(shown), frozenset(knowledge(member)))


def known_of(terms: Iterable[int], member: Member) -> Known:
    """What the member's tuples are."""
    known, now, stored = Known(), member.now, member.stored
    _map_term(known, member.id, now, (spec.current, spec.left, spec.voted), terms)
    _map_term(known, member.id, stored, (spec.stored_current, spec.stored_left, spec.stored_voted), terms)
    for term in _from(now.term, terms):
        known.set(spec.candidate, (member.id, term), term == now.term and member.candidate)
        known.set(spec.leader, (member.id, term), term == now.term and member.leads)
    known.close(spec.last, (member.id,), Shown(now.log))
    known.close(spec.committed, (member.id,), Shown(committed_in(now)))
    known.close(spec.applied, (member.id,), Shown(now.log[: member.applied + 1]))
    known.close(spec.stored_last, (member.id,), Shown(stored.log))
    known.close(spec.stored_committed, (member.id,), Shown(committed_in(stored)))
    for image in member.in_hand:
        known.set(spec.in_hand, (member.id, image.term, image.log, committed_in(image)), True)
        if image.vote != NO_ID:
            known.set(spec.voted, (member.id, image.term, image.vote), True)
    for image in member.requests:
        known.set(spec.campaigned, (member.id, image.term, image.log), True)
    return known


def _map_term(known: Known, member: int, image: Image, relations: tuple[Any, Any, Any], terms: Iterable[int]) -> None:
    current, left, voted = relations
    known.close(current, (member,), image.term)
    known.close(left, (member,), *range(image.term))
    for term in _from(image.term, terms):
        known.close(voted, (member, term), *([image.vote] if term == image.term and image.vote != NO_ID else []))


def _from(first: int, terms: Iterable[int]) -> Iterator[int]:
    return (term for term in terms if term >= first)


def append_in(message: Message, log: Log) -> Append | None:
    """The append in a message, to who has this log; None if there is none, or it does not fit."""
    previous = entry_of(log, message.index, message.log_term)
    if message.type is not MessageType.MsgApp or isinstance(previous, Place):
        return None
    last = (*previous, *message.entries)
    return Append(message.term, last, last[: message.commit + 1])


def entry_of(log: Log, index: int, term: int) -> Log | Place:
    """The entry of this index and term, as far as a member with this log knows it."""
    return Shown(log[: index + 1]) if index < len(log) and log[index].term == term else Place(index, term)


def own_entries(log: Log, term: int, last: int) -> list[Log]:
    """The entries of a term up to an index: what an acknowledgement to the leader of the term speaks of."""
    return [Shown(log[: index + 1]) for index in range(1, min(last + 1, len(log))) if log[index].term == term]


def knowledge(member: Member) -> Iterator[Fact]:
    """What a member counts on: votes and acknowledgements."""
    for voter in member.votes:
        yield spec.vote_granted, (voter, member.now.term, member.id)
    for other, match in member.matches:
        yield from ((spec.acked, (other, entry)) for entry in own_entries(member.now.log, member.now.term, match))


def heard(message: Message, reader: Member, tree: Tree) -> Iterator[Fact]:
    """What a message that arrives says."""
    if message.type is MessageType.MsgVote:
        yield spec.vote_requested, (message.from_, message.term, tree.asked_with(message))
    elif message.type is MessageType.MsgApp:
        yield from ((spec.append_sent, (each,)) for each in [append_in(message, reader.now.log)] if each is not None)
    elif message.type is not MessageType.MsgAppResp or (reader.leads and reader.now.term == message.term):
        yield from answers(message, reader.now.log)


def said(message: Message, log: Log) -> Iterator[Fact]:
    """What a message that is sent says, of its sender's log."""
    if message.type is MessageType.MsgVote:
        yield spec.vote_requested, (message.from_, message.term, entry_of(log, message.index, message.log_term))
    elif message.type is MessageType.MsgApp:
        yield spec.append_sent, (append_in(message, log),)
    else:
        yield from answers(message, log)


def answers(message: Message, log: Log) -> Iterator[Fact]:
    """An acknowledgement tells no terms of entries: they are those of this log."""
    if message.reject:
        return
    if message.type is MessageType.MsgVoteResp:
        yield spec.vote_granted, (message.from_, message.term, message.to)
    elif message.type is MessageType.MsgAppResp:
        yield from ((spec.acked, (message.from_, entry)) for entry in own_entries(log, message.term, message.index))


# ---- which actions should explain a step

PROMISES = (MessageType.MsgVote, MessageType.MsgVoteResp, MessageType.MsgAppResp)
"""What must not leave before it is written."""


@dataclass
class Course:
    """The actions that a step may be, in their order, and what the member is after those so far.

    An action that should have been, and is not possible, is there too: so that its guard can be named.
    """

    before: Member
    after: Member
    step: Step
    tree: Tree
    calls: list[Call] = field(default_factory=list)
    now: Image = field(init=False)
    applied: int = field(init=False)
    stored: Image = field(init=False)
    own_match: int = field(init=False)
    to_hand_over: list[Image] = field(init=False)
    promises: list[Message] = field(init=False)  # that have not left so far
    appends: list[Message] = field(init=False)  # likewise

    def __post_init__(self) -> None:
        self.now, self.applied, self.stored = self.before.now, self.before.applied, self.before.stored
        self.own_match = self.before.match(self.step.id)
        self.to_hand_over = list(self.after.in_hand[len(self.before.in_hand) - self.ends_write :])
        self.promises = [each for each in self.step.sends if each.type in PROMISES and not each.reject]
        self.appends = [each for each in self.step.sends if each.type is MessageType.MsgApp]

    def run(self) -> None:
        """All of them."""
        if self.step.happens(RESTART):
            stored = self.before.stored
            self._do("restart", z=stored.log, d=self.after.now.log[: self.after.applied + 1], x=committed_in(stored))
            return
        if self.ends_write:
            self._end_write()
        self._enter_term()
        self._grant_vote()
        self._receive_append()
        self._write()
        self._keep_promises(self.now)
        self._be_elected()
        if self.leads:
            self._lead()
        self._apply(self.after.applied)
        self._step_down()
        self._write()

    @property
    def ends_write(self) -> bool:
        """Whether the step is the end of a write that was in hand."""
        return self.step.happens(WRITE) or self.step.happens(WRITTEN)

    @property
    def leads(self) -> bool:
        """Whether the member leads in this step, although it may step down at its end."""
        return self.after.leads or (self.before.leads and self.before.now.term == self.after.now.term)

    def log_of(self, message: Message) -> Log:
        """The log that a message is about that is sent."""
        if self.ends_write and message.type in PROMISES:
            return self.before.in_hand[0].log
        return self.after.now.log if message.term == self.after.now.term else self.before.now.log

    def _do(self, action: str, **arguments: Any) -> None:
        call = Call(action, tuple(({"n": self.step.id} | arguments).items()))
        if not self.calls or self.calls[-1] != call:
            self.calls.append(call)

    @property
    def _applied_log(self) -> Log:
        return self.now.log[: self.applied + 1]

    # ---- storage

    def _end_write(self) -> None:
        written = self.before.in_hand[0]
        self._do("end_write", t=written.term, s=written.log, y=committed_in(written), r=self.stored.log)
        if written.vote != NO_ID:
            self._do("store_vote", t=written.term, c=written.vote)
        self.stored = written
        self._keep_promises(written)

    def _write(self) -> None:
        """What is written within the step, or handed to the append thread."""
        if self.stored not in (self.now, self.after.stored):
            self._do("write", t=self.now.term, z=self.now.log)
            self.stored = self.now
        if self.now in self.to_hand_over:
            self._do("hand_over", t=self.now.term, z=self.now.log, x=committed_in(self.now))
            self.to_hand_over = [each for each in self.to_hand_over if each != self.now]

    def _keep_promises(self, image: Image) -> None:
        """Those of its term leave, now that this is written."""
        of_its_term = [each for each in self.promises if each.term == image.term]
        self.promises = [each for each in self.promises if each.term != image.term]
        for message in of_its_term:
            if message.type is MessageType.MsgVote:
                self._do("request_votes", t=message.term, z=image.log)
            elif message.type is MessageType.MsgVoteResp:
                self._do("send_vote", t=message.term, c=message.to)
            else:
                self._acknowledge(own_entries(image.log, message.term, message.index))

    def _acknowledge(self, entries: Iterable[Log]) -> None:
        for entry in entries:
            self._do("acknowledge", e=entry, s=self.stored.log)

    # ---- elections

    def _enter_term(self) -> None:
        after, message = self.after.now, self.step.message
        told = message is not None and message.term == after.term
        if after.term == self.now.term:
            return
        if after.vote == self.step.id and self._is_to_campaign():
            own = {"z": self.now.log, "d": self._applied_log, "x": committed_in(self.now)}
            self._do("campaign", t=self.now.term, t2=after.term, **own)
            self.now = self.now._replace(term=after.term, vote=after.vote)
        elif told:
            self._do("update_term", t=self.now.term, t2=after.term)
            self.now = self.now._replace(term=after.term, vote=NO_ID)

    def _is_to_campaign(self) -> bool:
        message = self.step.message
        return self.step.happens(CAMPAIGN) or (message is not None and message.type is MessageType.MsgTimeoutNow)

    def _grant_vote(self) -> None:
        message, vote = self.step.message, self.after.now.vote
        if message is not None and message.type is MessageType.MsgVote and self.now.vote != vote == message.from_:
            self._do("grant_vote", t=message.term, c=vote, z=self.tree.asked_with(message), own=self.now.log)
            self.now = self.now._replace(vote=vote)

    def _be_elected(self) -> None:
        member, message, elected = self.step.id, self.step.message, self.after.leads and not self.before.leads
        votes = set(self.before.votes) if self.before.now.term == self.now.term else set()
        if message is not None and message.type is MessageType.MsgVoteResp and not message.reject:
            votes.add(message.from_)
        if (elected or member in self.after.votes - votes) and self._has_stored_own_vote():
            self._do("send_vote", t=self.now.term, c=member)
            votes.add(member)
        if elected:
            self._do("become_leader", t=self.now.term, z=self.now.log, d=self._applied_log, q=frozenset(votes))

    def _has_stored_own_vote(self) -> bool:
        return (self.stored.term, self.stored.vote) == (self.now.term, self.step.id)

    def _step_down(self) -> None:
        acted = self.before.candidate or self.before.leads
        if acted and self.before.now.term == self.now.term and self.after.role is StateType.StateFollower:
            self._do("step_down", t=self.now.term)

    # ---- followers

    def _receive_append(self) -> None:
        message, log = self.step.message, self.now.log
        if message is None or not message.term == self.step.after.term == self.now.term or message.index < self.now.commit:
            return
        append = append_in(message, log)
        if append is not None:
            self._do("receive_append", m=append, z=log, x=committed_in(self.now))
            last = log if log[: len(append.last)] == append.last else append.last
            commit = max(self.now.commit, min(message.commit, len(append.last) - 1))
            self.now = self.now._replace(log=last, commit=commit)

    def _apply(self, index: int) -> None:
        if index > self.applied:
            self._do("apply", d=self._applied_log, e=self.now.log[: index + 1], x=committed_in(self.now))
            self.applied = index

    # ---- leaders

    def _lead(self) -> None:
        """Rounds, as a change that is applied may let the leader commit more, or propose to leave a joint configuration."""
        while self._take_round():
            pass
        for entry in self.after.now.log[len(self.now.log) :]:
            self._propose(entry)
        self._commit(self.after.now.commit)
        self._send_appends(self.appends)

    def _take_round(self) -> bool:
        at = self.now, self.applied
        for entry in self.after.now.log[len(self.now.log) :]:
            if is_change(entry) and version(self._applied_log) != version(self.now.log):
                break
            self._propose(entry)
        self._write()
        self._acknowledge_own()
        self._commit(max(filter(self._may_commit, range(self.now.commit + 1, self.after.now.commit + 1)), default=0))
        self._apply(self._next_configuration())
        return at != (self.now, self.applied)

    def _propose(self, entry: Entry) -> None:
        before, after = self.now.log, (*self.now.log, entry)
        own = {"t": self.now.term, "z": before, "e": after}
        if not is_change(entry):
            self._do("propose", **own)
        else:
            self._do(self._kind_of_change(entry, after), **own, d=self._applied_log)
        self.now = self.now._replace(log=after)

    def _kind_of_change(self, entry: Entry, after: Log) -> str:
        if self.tree.configurations[after].outgoing:
            return "propose_joint"
        return "propose_leave" if change_in(entry).leave_joint() else "propose_simple"

    def _acknowledge_own(self) -> None:
        """A leader hears of its own writes, too."""
        entries = own_entries(self.now.log, self.now.term, self.after.match(self.step.id))
        self._acknowledge(each for each in entries if len(each) - 1 > self.own_match)
        self.own_match = max([self.own_match, *(len(each) - 1 for each in entries)])

    def _may_commit(self, index: int) -> bool:
        of_own_term = index < len(self.now.log) and self.now.log[index].term == self.now.term
        return of_own_term and self.tree.configurations[self._applied_log].is_quorum(self._who_has(index))

    def _who_has(self, index: int) -> frozenset[int]:
        """The members that have acknowledged up to this index, as far as the leader has heard."""
        message, known = self.step.message, [*self.before.matches, *self.after.matches, (self.step.id, self.own_match)]
        if (
            message is not None
            and message.type is MessageType.MsgAppResp
            and message.term == self.now.term
            and not message.reject
        ):
            known.append((message.from_, message.index))
        return frozenset(member for member, match in known if match >= index)

    def _commit(self, index: int) -> None:
        if index <= self.now.commit:
            return
        self._send_appends([each for each in self.appends if each.commit == self.now.commit])
        known = {"z": self.now.log, "x": committed_in(self.now), "d": self._applied_log}
        self._do("advance_commit", t=self.now.term, **known, e=self.now.log[: index + 1], q=self._who_has(index))
        self.now = self.now._replace(commit=index)

    def _next_configuration(self) -> int:
        """Up to where the member applies before it counts by another configuration."""
        last = min(self.now.commit, self.after.applied)
        return next((index for index in range(self.applied + 1, last + 1) if is_change(self.now.log[index])), last)

    def _send_appends(self, messages: Sequence[Message]) -> None:
        """What tells the present commit index, and must be sent before it rises."""
        self.appends = [each for each in self.appends if each not in messages]
        for append in dict.fromkeys(append_in(each, self.now.log) for each in messages):
            self._do("send_append", t=self.now.term, m=append, z=self.now.log, x=committed_in(self.now))


def committed_in(image: Image) -> Log:
    """The last entry that is known there to be committed."""
    return image.log[: image.commit + 1]


# ---- the world


def leaves_out(model: Model) -> list[str]:
    """What of a model cannot be judged."""
    setup = getattr(model.system, "setup", None)
    if not isinstance(setup, Setup):
        return ["another system than raft"]
    alone = setup.members == 1
    return [
        *[name for name in BEYOND if getattr(setup, name)],
        *(["apply_while_writing and several members"] if setup.apply_while_writing and not alone else []),
    ]


def read(model: Model, taken: Iterable[Taken]) -> Reading:
    """The steps of members that run and go on doing so. (Who panics breaks a property; who has stopped does nothing.)"""
    setup = getattr(model.system, "setup")  # noqa: B009 - a system need not have one
    first, prepared = beginning(setup)
    led, steps = of_running(prepared), of_running(taken)
    states = [*first, *(state for step in map(step_of, [*led, *steps]) for state in (step.before, step.after))]
    images = {image for state in states for image in images_of(state)}
    tree = Tree.of(setup.conf_state, {image.log for image in images})
    common = world(setup, tree, max(image.term for image in images))
    mapped = Map(common, tree)
    return Reading(
        common,
        [First(seen.known, seen.knowledge) for seen in map(mapped.seen, first)],
        steps,
        lambda each: mapped.abstract(step_of(each)),
        led,
    )


def of_running(taken: Iterable[Taken]) -> list[Taken]:
    return [each for each in taken if isinstance(each[1], Running) and isinstance(each[3].state, Running)]


def world(setup: Setup, tree: Tree, last_term: int) -> World:
    """What all these states and steps have in common."""
    logs, configs = tree.logs, list(dict.fromkeys(tree.configurations.values()))
    quorums = [frozenset(each) for size in range(1, setup.members + 1) for each in combinations(setup.ids, size)]
    voters = list(dict.fromkeys(half for config in configs for half in config))
    places = [each for each in tree.places.values() if isinstance(each, Place)]
    return World(
        universes={
            spec.Node: setup.ids,
            spec.Quorum: quorums,
            spec.Voters: voters,
            spec.Config: configs,
            spec.Entry: logs,
            spec.Term: range(last_term + 2),
            spec.Index: range(max(map(len, logs)) + 1),
            spec.Version: range(max(map(version, logs)) + 2),
        },
        rigid={
            spec.member: {(each, quorum) for quorum in quorums for each in quorum},
            spec.majority: {(quorum, half) for quorum, half in product(quorums, voters) if is_majority(quorum, half)},
            spec.one_apart: {(one, other) for one, other in product(voters, voters) if len(one ^ other) == 1},
            spec.joint: {(config,) for config in configs if config.outgoing},
            spec.prefix: {(log[:end], log) for log in logs for end in range(1, len(log) + 1)},
        },
        values={
            spec.term_0.symbol: {(): 0},
            spec.entry_0.symbol: {(): EMPTY},
            spec.incoming: {(config,): config.incoming for config in configs},
            spec.outgoing: {(config,): config.outgoing for config in configs},
            spec.term: {(log,): log[-1].term for log in logs} | {(each,): each.term for each in places},
            spec.index: {(log,): len(log) - 1 for log in logs} | {(each,): each.index for each in places},
            spec.version: {(log,): version(log) for log in logs},
            spec.config: {(log,): config for log, config in tree.configurations.items()},
        },
    )


MEMBERSHIP = Binding(spec.membership, leaves_out, read)
