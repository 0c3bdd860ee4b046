"""What is explored of Raft, and what must hold: the paper's safety properties on local states, each of one or two members."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps

from kubeproof.conformance.bindings.raft.member import PAYLOAD, Members, Panicked, Running
from kubeproof.conformance.bindings.raft.record import record
from kubeproof.conformance.explore.system import DROP, DUPLICATE, Local, Model, Property
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.raft.faults import MISTAKES, Faults
from kubeproof.impl.raft.types import Message


def model(
    members: int = 3,
    terms: int = 2,
    proposals: int = 0,
    crashes: int = 0,
    heartbeats: int = 0,
    drops: int = 0,
    duplicates: int = 0,
    messages: int = 4,
    *,
    pre_vote: bool = False,
    faults: Collection[str] = (),
) -> Model:
    """A cluster of `members` voters; the other numbers are budgets and bounds. InvalidInput for faults that are not known."""
    unknown = sorted(set(faults) - set(MISTAKES))
    if unknown:
        raise InvalidInput("faults", None, f"expected names of docs/faults.md (inside the library), got {', '.join(unknown)}")
    budgets = {"proposals": proposals, "crashes": crashes, "heartbeats": heartbeats}
    if drops:
        budgets[DROP] = drops
    if duplicates:
        budgets[DUPLICATE] = duplicates
    system = Members(members, terms, pre_vote, Faults(**dict.fromkeys(faults, True)))
    return Model(
        system,
        tuple(f"member {number}" for number in range(1, members + 1)),
        messages_max=messages,
        budgets=budgets,
        always=ALWAYS,
        sometimes=SOMETIMES if proposals else SOMETIMES[:1],
        describe=describe,
        record=lambda actions: record(system, actions),
    )


def describe(value: object) -> str:
    """Local states and messages for people."""
    if isinstance(value, Message):
        entries = f", {len(value.entries)} entries" if value.entries else ""
        rejected = ", rejected" if value.reject else ""
        return (
            f"{value.type.name} {value.from_}->{value.to} (term {value.term}, {value.log_term}/{value.index}, "
            f"commit {value.commit}{entries}{rejected})"
        )
    return str(value)


def no_panic(state: Local) -> bool:
    """A member that has panicked says why."""
    return not isinstance(state, Panicked)


def of_running(holds: Callable[[Running, Running], bool]) -> Callable[[Local, Local], bool]:
    """A property of two members that run; who has panicked breaks another one."""

    @wraps(holds)
    def of_any(one: Local, other: Local) -> bool:
        return not (isinstance(one, Running) and isinstance(other, Running)) or holds(one, other)

    return of_any


@of_running
def election_safety(one: Running, other: Running) -> bool:
    """Two members that lead do so in different terms."""
    return not (one.leads and other.leads and one.term == other.term)


@of_running
def log_matching(one: Running, other: Running) -> bool:
    """Where two logs have an entry of the same term at an index, they are the same up to there."""
    shared = [at for at, (mine, theirs) in enumerate(zip(one.log, other.log, strict=False), 1) if mine.term == theirs.term]
    last = max(shared, default=0)
    return one.log[:last] == other.log[:last]


@of_running
def state_machine_safety(one: Running, other: Running) -> bool:
    """What both know to be committed is the same."""
    last = min(one.commit, other.commit)
    return one.log[:last] == other.log[:last]


@of_running
def leader_completeness(one: Running, other: Running) -> bool:
    """A leader has what a member of no later term knows to be committed."""
    return _complete(one, other) and _complete(other, one)


def _complete(leader: Running, member: Running) -> bool:
    if not leader.leads or member.term > leader.term:
        return True
    return leader.log[: member.commit] == member.log[: member.commit]


def elected(state: Local) -> bool:
    """Somebody leads."""
    return isinstance(state, Running) and state.leads


def committed(state: Local) -> bool:
    """A proposal is committed."""
    return isinstance(state, Running) and any(entry.data == PAYLOAD for entry in state.log[: state.commit])


ALWAYS = (
    Property("no_panic", "No member finds its own state impossible.", no_panic),
    Property("election_safety", "No two members lead the same term.", election_safety, 2),
    Property("log_matching", "Logs that share an entry share all before it.", log_matching, 2),
    Property("state_machine_safety", "Members agree on what is committed.", state_machine_safety, 2),
    Property("leader_completeness", "A leader has all that was committed in earlier terms.", leader_completeness, 2),
)
SOMETIMES = (
    Property("elected", "A leader is elected.", elected),
    Property("committed", "A proposal is committed.", committed),
)
