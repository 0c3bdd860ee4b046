"""What must hold of any Raft node, by what can be observed of it. The names are those of bindings/raft where it has the same."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from kubeproof.conformance.explore.system import Local, Property, Recoverable
from kubeproof.conformance.nodes.member import Member, Panicked
from kubeproof.conformance.nodes.node import Entry, Observed, Role
from kubeproof.conformance.verdict import InvalidInput

Observe = Callable[[Member], Observed]


@dataclass(frozen=True, slots=True)
class Observing:
    """Properties of members, given how to observe them."""

    observe: Observe

    def of_two(self, holds: Callable[[Observed, Observed], bool]) -> Callable[[Local, Local], bool]:
        """A property of two members; of who has panicked, and of connections, there is nothing to say."""

        def of_any(one: Local, other: Local) -> bool:
            if not (isinstance(one, Member) and isinstance(other, Member)):
                return True
            return holds(self.observe(one), self.observe(other))

        return of_any

    def of_one(self, holds: Callable[[Observed], bool]) -> Callable[[Local], bool]:
        """A property of one member."""
        return lambda state: not isinstance(state, Member) or holds(self.observe(state))


# ---- Raft paper, figure 3


def election_safety(one: Observed, other: Observed) -> bool:
    """Two members that lead do so in different terms."""
    return not (one.role is other.role is Role.LEADER and one.term == other.term)


def log_matching(one: Observed, other: Observed) -> bool:
    """Where two logs have an entry of the same term at an index, they are the same up to there."""
    its = {entry.index: entry for entry in other.log}
    shared = [entry.index for entry in one.log if entry.index in its and its[entry.index].term == entry.term]
    return _agree(one.log, other.log, max(shared, default=0))


def state_machine_safety(one: Observed, other: Observed) -> bool:
    """What both know to be committed is the same."""
    return _agree(one.log, other.log, min(one.commit_index, other.commit_index))


def leader_completeness(one: Observed, other: Observed) -> bool:
    """A leader has what a member of no later term knows to be committed."""
    return _complete(one, other) and _complete(other, one)


def _complete(leader: Observed, member: Observed) -> bool:
    if leader.role is not Role.LEADER or member.term > leader.term:
        return True
    last = leader.log[-1].index if leader.log else 0
    return last >= member.commit_index and _agree(leader.log, member.log, member.commit_index)


def _agree(mine: tuple[Entry, ...], theirs: tuple[Entry, ...], last: int) -> bool:
    """Whether two logs are the same up to an index, as far as both have it. What stands for compacted entries has no data."""
    if not mine or not theirs:
        return True
    first = max(mine[0].index, theirs[0].index)
    its = {entry.index: entry for entry in theirs}
    common = [(entry, its[entry.index]) for entry in mine if first <= entry.index <= last and entry.index in its]
    return all(entry.term == other.term and (entry.index == first or entry == other) for entry, other in common)


# ---- what a leader believes


def next_index_above_match_index(leader: Observed) -> bool:
    """A leader sends to nobody what it knows him to have."""
    return all(each.next_index is None or each.match_index < each.next_index for each in leader.progress)


# ---- all of them

OF_STEPS = {
    "term_never_falls": "A node's term never falls, over restarts either.",
    "votes_once": "A node votes once in a term, over restarts too.",
    "commit_index_never_falls": "The commit index falls at restarts only.",
    "match_index_never_falls": "What a leader knows another node to have grows only.",
    "own_term_committed": "A leader commits by counting only entries of its term.",
    "acknowledged_entries_kept": "What a node has acknowledged in a term it keeps in that term.",
}
"""What is judged of each step, in member.py."""


def _keeps(promise: str) -> Callable[[Local], bool]:
    return lambda state: not (isinstance(state, Member) and promise in state.broken)


def always(observe: Observe, leaves_out: Collection[str]) -> tuple[Property, ...]:
    """What must hold in every state, but for some of these. InvalidInput for a name that is none of them."""
    observing = Observing(observe)
    two = observing.of_two
    properties = (
        Property("no_panic", "No node dies of a step.", lambda state: not isinstance(state, Panicked)),
        Property("election_safety", "No two members lead the same term.", two(election_safety), 2),
        Property("log_matching", "Logs that share an entry share all before it.", two(log_matching), 2),
        Property("state_machine_safety", "Members agree on what is committed.", two(state_machine_safety), 2),
        Property("leader_completeness", "A leader has all that was committed in earlier terms.", two(leader_completeness), 2),
        Property(
            "next_index_above_match_index",
            "A leader sends to nobody what it knows him to have.",
            observing.of_one(next_index_above_match_index),
        ),
        *(Property(id_, sentence, _keeps(id_)) for id_, sentence in OF_STEPS.items()),
    )
    known = [each.id for each in properties]
    if unknown := sorted(set(leaves_out) - set(known)):
        raise InvalidInput("leaves_out", None, f"expected some of {', '.join(known)}, got {', '.join(unknown)}")
    return tuple([each for each in properties if each.id not in leaves_out])


def sometimes(observe: Observe, *, proposes: bool) -> tuple[Property, ...]:
    """What a search that proves something has seen."""

    def leads(state: Local) -> bool:
        return isinstance(state, Member) and observe(state).role is Role.LEADER

    def commits(state: Local) -> bool:
        if not isinstance(state, Member):
            return False
        seen = observe(state)
        return any(entry.data and entry.index <= seen.commit_index for entry in seen.log[1:])

    elected = Property("elected", "A leader is elected.", leads)
    committed = Property("committed", "A proposal is committed.", commits)
    return (elected, committed) if proposes else (elected,)


# ---- what must stay possible


def can_commit(observe: Observe, without: tuple[str, ...]) -> Recoverable:
    """A leader of the newest term commits what it has appended, if only messages arrive and it sends heartbeats.

    Nothing is said where a node is dead. Budgets are not needed for it, but heartbeats, of which there must be any number.
    """

    def appended(state: Local) -> bool:
        """Whether it leads, and has an entry of its term that is not committed."""
        if not isinstance(state, Member):
            return False
        seen = observe(state)
        return seen.role is Role.LEADER and seen.log[-1].term == seen.term and seen.log[-1].index > seen.commit_index

    def committed(state: Local) -> bool:
        if not isinstance(state, Member):
            return False
        seen = observe(state)
        return any(entry.term == seen.term for entry in seen.log if entry.index <= seen.commit_index)

    def of_newest(holds: Callable[[Local], bool]) -> Callable[..., bool]:
        def of_all(*states: Local) -> bool:
            members = [state for state in states if isinstance(state, Member)]
            newest = max((observe(member).term for member in members), default=0)
            return len(members) == len(states) and any(holds(each) for each in members if observe(each).term == newest)

        return of_all

    sentence = "A leader can commit what it has appended."
    return Recoverable("can_commit", sentence, of_newest(committed), of_newest(appended), without)
