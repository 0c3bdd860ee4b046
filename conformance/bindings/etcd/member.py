"""A member as a component: impl/etcd's Member, whose every step it takes itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kubeproof.conformance.bindings.etcd import client, labels
from kubeproof.conformance.bindings.etcd.client import Answered, Applied, Ask, Asked
from kubeproof.conformance.bindings.raft.canonical import by_receiver, canonical
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.explore.system import Event, Local, Message, Step
from kubeproof.impl.etcd.encoding import decode_request
from kubeproof.impl.etcd.member import Member, MemberOptions
from kubeproof.impl.etcd.requests import InternalRaftRequest
from kubeproof.impl.etcd.state import MemberState
from kubeproof.impl.raft.errors import RaftPanic
from kubeproof.impl.raft.types import NO_LIMIT, Entry, EntryType, MessageType
from kubeproof.impl.raft.types import Message as RaftMessage
from kubeproof.impl.store import StoreError, StorePanic
from kubeproof.impl.store.requests import RangeRequest

CRASHES, DEFRAGMENTS, READ_RETRIES, HEARTBEATS, REPORTS = "crashes", "defragments", "read_retries", "heartbeats", "reports"
STEP, COMMIT = Event("step"), Event("backend_commit")
CRASH, DEFRAGMENT = Event("crash", costs=CRASHES), Event("defragment", costs=DEFRAGMENTS)
CAMPAIGN, ASK_AGAIN = Event("campaign"), Event("read_index_again", costs=READ_RETRIES)
HEARTBEAT, REPORT = Event("heartbeat", costs=HEARTBEATS), Event("snapshot_failed", costs=REPORTS)

NOW_MS = 0
"""No time passes: what comes with it are events."""

SMALL = Setup(members=1)
"""What of a node can matter here is what matters to Raft without timeouts (bindings/raft/canonical.py)."""


class Running(NamedTuple):
    """A member between two events; how often it was started, and under which id it is publishing itself (0: it has)."""

    member: MemberState
    boots: int = 1
    publishing: int = 0

    @property
    def applied(self) -> int:
        """The index of the last entry that its store has."""
        return self.member.server.kv.consistent_index

    @property
    def term(self) -> int:
        return self.member.node.raft.term

    @property
    def leads(self) -> bool:
        return self.member.server.leadership.leads

    def __str__(self) -> str:
        server, raft = self.member.server, self.member.node.raft
        synced = self.member.wal.synced.entries[-1].index
        committed = dict(server.kv.committed.meta).get("consistent_index", 0)
        at = f"{raft.state.name} term {raft.term}, log synced to {synced}, applied {self.applied}, committed {committed}"
        in_hand = f", to do: {', '.join(self.member.phases)}" if self.member.phases else ""
        return f"{at}, revision {server.kv.revision}{in_hand}"


class Dead(NamedTuple):
    """A member that has panicked, or cannot start."""

    reason: str


@dataclass(frozen=True, slots=True)
class MemberComponent:
    """What member `id` does; `client` is a component. It works off a Ready `stepwise`, or all at once.

    It may campaign up to the term `terms`, and crash if it `crashes`. Followers take writes if it `forwards`. What it sends to
    member 1 in terms from `unheard` on is lost (0: nothing is). Clients are served when it has published itself, or at once.
    """

    id: int
    options: MemberOptions
    client: int
    stepwise: bool
    terms: int
    crashes: bool
    forwards: bool
    unheard: int
    serves_at_once: bool

    def events(self, state: Local) -> Iterator[Event]:
        """What it may do by itself. A budget of none is none."""
        if not isinstance(state, Running):
            return
        if self.stepwise:
            yield from (STEP, COMMIT)
        if self.crashes:
            yield CRASH
        if state.leads:
            yield from (HEARTBEAT, REPORT)
        else:
            yield ASK_AGAIN
            if state.term < self.terms:
                yield CAMPAIGN
        yield DEFRAGMENT

    def step(self, state: Local, event: Event) -> Step | None:
        """One of these events; None if nothing comes of it."""
        assert isinstance(state, Running)
        if event == CRASH:
            return self._restarted(state)
        member = self.member(state)
        match event:
            case _ if event == COMMIT:
                member.server.kv.backend.commit()
            case _ if event == DEFRAGMENT:
                member.ask(client.DEFRAGMENT, NOW_MS)
            case _ if event == CAMPAIGN:
                member.node.campaign()
            case _ if event == HEARTBEAT:
                member.node.raft.step(RaftMessage(MessageType.MsgBeat))
            case _ if event == ASK_AGAIN:
                member.server.reads.ask_again(NOW_MS)
            case _ if event == REPORT:
                for id_ in member.match():
                    if id_ != self.id:
                        member.report_snapshot(id_, succeeded=False)
        step = self._after(member, state, 1 if event == STEP else 0, event.name)
        return None if step.state == state and not step.sends else step

    def receive(self, state: Local, message: Message) -> Step | None:
        """A client asks, or another member has sent something."""
        if not isinstance(state, Running):
            return None if message.synchronous else Step(state)
        member, body = self.member(state), message.body
        if isinstance(body, RaftMessage):
            member.receive(body, NOW_MS)
            return self._after(member, state, 0, labels.RECEIVED)
        assert isinstance(body, Ask)
        if state.publishing or not (self.forwards or state.leads or isinstance(body.request, RangeRequest)):
            return None
        id_ = member.ask(body.request, NOW_MS)
        asked = Message(self.client, Asked(self.id, id_, body.request), synchronous=True)
        step = self._after(member, state, 0, labels.ASKED)
        return step._replace(sends=(asked, *step.sends))

    def member(self, state: Running) -> Member:
        """The member with this state."""
        return Member.restore(self.id, self.options, state.member, NOW_MS, lambda ticks: ticks)

    def _restarted(self, state: Running) -> Step:
        """What is synced is all that is left. A step has one sync point at most."""
        crashed = Message(self.client, client.Crashed(self.id), synchronous=True)
        disk = self.member(state).disk()
        try:
            member = Member(self.id, self.options, disk, lambda ticks: ticks, first_id=first_id(self.id, state.boots + 1))
        except (StorePanic, RaftPanic) as panic:
            return Step(Dead(str(panic)), (crashed,), (labels.CRASHED, labels.PANICKED))
        publishing = 0 if self.serves_at_once else member.server.publish(f"m{self.id}", (), NOW_MS)
        step = self._after(member, state._replace(boots=state.boots + 1, publishing=publishing), 0, labels.CRASHED)
        return step._replace(sends=(crashed, *step.sends))

    def _after(self, member: Member, state: Running, steps: int, label: str) -> Step:
        """What follows: so many steps, or all of them at once if they are no events."""
        applied: list[Message] = []
        done = 0
        try:
            while not self.stepwise or done < steps:
                before = member.server.applied_index
                if not member.step(NOW_MS):
                    break
                done += 1
                if before < member.server.applied_index >= member.log.first_index():  # else it was a snapshot
                    [entry] = member.log.entries(before + 1, before + 2, NO_LIMIT)
                    applied.append(self._tell(Applied(entry.index, _request(entry))))
        except (StorePanic, RaftPanic) as panic:
            return Step(Dead(str(panic)), (), (label, labels.PANICKED))
        answered = member.take_answers()
        if state.publishing in [each.id for each in answered]:
            state = state._replace(publishing=0)
        answers = [self._tell(_spoken(self.id, each.id, each.answer)) for each in answered]
        sends = [Message(each.to - 1, each) for each in by_receiver(self._on_the_way(member))]
        exported = member.export(NOW_MS)
        exported = exported._replace(node=canonical(exported.node, SMALL))
        said = (labels.APPLIED,) * bool(applied) + (labels.ANSWERED,) * bool(answers)
        return Step(state._replace(member=exported), (*applied, *answers, *sends), (label, *said))

    def _on_the_way(self, member: Member) -> Iterator[RaftMessage]:
        for each in member.take_messages():
            if isinstance(each, RaftMessage) and not (each.to == 1 and 0 < self.unheard <= each.term):
                yield each

    def _tell(self, body: Applied | Answered) -> Message:
        return Message(self.client, body, synchronous=True)


def first_id(member: int, boot: int) -> int:
    """The ids of no two members, and of no two lives, are the same (etcd pkg/idutil)."""
    return (member << 24) + (boot << 16)


def _request(entry: Entry) -> InternalRaftRequest | None:
    return decode_request(entry.data) if entry.type is EntryType.EntryNormal and entry.data else None


def _spoken(member: int, id_: int, answer: object) -> Answered:
    return Answered(member, id_, None if isinstance(answer, StoreError) else answer)  # type: ignore[arg-type]
