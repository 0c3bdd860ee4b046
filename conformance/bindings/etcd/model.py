"""What is explored of etcd's members: the cluster's size, what may happen, and what must hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from kubeproof.conformance.bindings.etcd import labels, properties
from kubeproof.conformance.bindings.etcd.client import ALL, PROPOSALS, READS, Client, ClientComponent, Waiting
from kubeproof.conformance.bindings.etcd.member import (
    CRASHES,
    DEFRAGMENTS,
    HEARTBEATS,
    NOW_MS,
    READ_RETRIES,
    REPORTS,
    SMALL,
    MemberComponent,
    Running,
)
from kubeproof.conformance.bindings.etcd.prepare import prepared
from kubeproof.conformance.bindings.raft.canonical import canonical
from kubeproof.conformance.bindings.raft.model import describe as describe_raft
from kubeproof.conformance.explore.system import Event, Local, Message, Model, Step
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.etcd.faults import MISTAKES, Faults
from kubeproof.impl.etcd.member import Member, MemberOptions
from kubeproof.impl.etcd.server import ServerOptions
from kubeproof.impl.raft.faults import MISTAKES as RAFT_MISTAKES
from kubeproof.impl.raft.faults import Faults as RaftFaults
from kubeproof.impl.raft.types import Message as RaftMessage

NEVER = 10_000


@dataclass(frozen=True, slots=True)
class EtcdSystem:
    """The system: the members, then the client. What costs a budget happens if there is one."""

    members: tuple[MemberComponent, ...]
    client: ClientComponent
    first: tuple[Local, ...]
    budgets: frozenset[str]

    def initial(self) -> tuple[Local, ...]:
        """A cluster that has a leader, and a client that has asked for nothing."""
        return self.first

    def events(self, component: int, state: Local) -> Iterator[Event]:
        """What a member or the client may do."""
        who = self.client if component == len(self.members) else self.members[component]
        return (event for event in who.events(state) if event.costs is None or event.costs in self.budgets)

    def step(self, component: int, state: Local, event: Event) -> Step | None:
        """One of these events."""
        if component == len(self.members):
            return self.client.step(state, event)
        return self.members[component].step(state, event)

    def receive(self, component: int, state: Local, message: Message) -> Step | None:
        """A message of a member, or of the client."""
        if component == len(self.members):
            return self.client.receive(state, message.body)
        return self.members[component].receive(state, message)


def model(
    members: int = 1,
    learners: int = 0,
    candidates: int = 0,
    terms: int = 2,
    proposals: int = 1,
    reads: int = 0,
    read_retries: int = 0,
    crashes: int = 0,
    defragments: int = 0,
    heartbeats: int = 0,
    reports: int = 0,
    messages: int = 4,
    snapshot_count: int = 0,
    stepwise: int = 0,
    *,
    forwards: bool = False,
    unaware: bool = False,
    serves_at_once: bool = False,
    faults: Collection[str] = (),
) -> Model:
    """So many `members`, of which the last `learners` have joined and do not know it yet. The first leads term 2.

    - Clients put a key at a leader, or at any member if it `forwards`, and read everything at any member, as often as these
      budgets say; a member asks Raft again for a read index `read_retries` times.
    - The first leader is `unaware` of others: whatever is sent to it in later terms is lost. There clients read, and they write
      at the last member. Member 2 waits for a read index, for which it has asked in vain.
    - Of the voters the last `candidates` campaign (0: all), up to the term `terms`.
    - Members die as often as `crashes`, and are defragmented as often as `defragments`. Of the last `stepwise` members each phase
      of a Ready and each entry is an event, their backends commit at any moment, and only they die.
    - The log is cut after `snapshot_count` entries, with none kept (0: never). A snapshot fails on its way as often as `reports`.
    - Who has restarted serves clients when it has published itself, or at once if it `serves_at_once`.

    InvalidInput if the settings make no sense together.
    """
    if not 0 <= learners < members:
        raise InvalidInput("size", None, f"learners: expected 0 to {members - 1}, got {learners}")
    if unaware and members - learners < 2:
        raise InvalidInput("options", None, "unaware: expected more than one voter")
    options = _options(faults, snapshot_count)
    started = prepared(options, members - learners, learners)
    client = Client(waiting=(_asked_in_vain(started[1]),)) if unaware else Client()
    base, voters = started[0].server.applied_index, range(1, members - learners + 1)
    may_campaign = voters[len(voters) - candidates :] if candidates else voters
    ids = tuple(range(1, members + 1))
    budgets = {
        PROPOSALS: proposals,
        READS: reads,
        READ_RETRIES: read_retries,
        CRASHES: crashes,
        DEFRAGMENTS: defragments,
        HEARTBEATS: heartbeats,
        REPORTS: reports,
    }
    return Model(
        EtcdSystem(
            tuple(
                MemberComponent(
                    id_,
                    options,
                    members,
                    id_ > members - stepwise,
                    terms if id_ in may_campaign else 0,
                    id_ > members - (stepwise or members),
                    forwards,
                    3 * unaware,
                    serves_at_once,
                )
                for id_ in ids
            ),
            ClientComponent(base, tuple(voters)[-1:], (1,)) if unaware else ClientComponent(base, tuple(voters), tuple(voters)),
            (*map(_local, started), client),
            frozenset(name for name, budget in budgets.items() if budget),
        ),
        (*(f"member {id_}" for id_ in ids), "client"),
        messages_max=messages,
        budgets=budgets,
        always=properties.always(options, base, alone=members == 1),
        sometimes=(
            *((properties.AN_UNSYNCED_WRITE,) if stepwise == members else ()),
            *((properties.A_REPLAY,) if crashes else ()),
            *((properties.A_DEPOSED_LEADER,) if len(voters) > 1 and terms > 2 else ()),
            *((properties.A_SNAPSHOT,) if learners else ()),
            *((properties.A_CUT_LOG,) if snapshot_count else ()),
        ),
        labels=(labels.ASKED, labels.APPLIED, labels.ANSWERED, *((labels.CRASHED,) if crashes else ())),
        describe=describe,
    )


def describe(value: object) -> str:
    """Local states and messages for people."""
    return describe_raft(value) if isinstance(value, RaftMessage) else str(value)


def _asked_in_vain(member: Member) -> Waiting:
    """A client waits for a read; the request for a read index was lost."""
    id_ = member.ask(ALL, NOW_MS)
    member.settle(NOW_MS)
    member.take_messages()
    return Waiting(member.id, id_, 1)


def _local(member: Member) -> Running:
    state = member.export(NOW_MS)
    return Running(state._replace(node=canonical(state.node, SMALL)))


def _options(names: Collection[str], snapshot_count: int) -> MemberOptions:
    unknown = sorted(set(names) - set(MISTAKES) - set(RAFT_MISTAKES))
    if unknown:
        raise InvalidInput("faults", None, f"expected names of docs/etcd.md or docs/faults.md, got {', '.join(unknown)}")
    faults = Faults(**{name: True for name in names if name in MISTAKES})
    raft_faults = RaftFaults(**{name: True for name in names if name in RAFT_MISTAKES})
    return MemberOptions(
        ServerOptions(faults=faults),
        pre_vote=False,
        check_quorum=False,
        snapshot_count=snapshot_count or NEVER,
        catch_up_entries=0,
        raft_faults=raft_faults,
    )
