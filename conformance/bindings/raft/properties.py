"""What must hold of Raft, on local states of one or two members and of the client."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from kubeproof.conformance.bindings.raft.client import Client, Contradicted
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Panicked, Running
from kubeproof.conformance.explore.system import Local, Property
from kubeproof.impl.raft.types import Entry, EntryType, StateType


def of_running(holds: Callable[[Running], bool]) -> Callable[[Local], bool]:
    """A property of a member that runs; who has panicked breaks another one, who has stopped none."""

    @wraps(holds)
    def of_any(state: Local) -> bool:
        return not isinstance(state, Running) or holds(state)

    return of_any


def of_two_running(holds: Callable[[Running, Running], bool]) -> Callable[[Local, Local], bool]:
    """A property of two members that run."""

    @wraps(holds)
    def of_any(one: Local, other: Local) -> bool:
        return not (isinstance(one, Running) and isinstance(other, Running)) or holds(one, other)

    return of_any


# ---- Raft paper, figure 3


@of_two_running
def election_safety(one: Running, other: Running) -> bool:
    """Two members that lead do so in different terms."""
    return not (one.leads and other.leads and one.term == other.term)


@of_two_running
def log_matching(one: Running, other: Running) -> bool:
    """Where two logs have an entry of the same term at an index, they are the same up to there.

    Of members that have written all of theirs: before, nobody was told of it.
    """
    if one.writes or other.writes:
        return True
    mine, theirs = one.log, other.log
    begin = theirs[0].index - mine[0].index
    side_by_side = zip(mine[max(0, begin) :], theirs[max(0, -begin) :], strict=False)
    return _agree(mine, theirs, max([own.index for own, its in side_by_side if own.term == its.term], default=0))


@of_two_running
def state_machine_safety(one: Running, other: Running) -> bool:
    """What both know to be committed is the same."""
    return _agree(one.log, other.log, min(one.commit, other.commit))


@of_two_running
def leader_completeness(one: Running, other: Running) -> bool:
    """A leader has what a member of no later term knows to be committed."""
    return _complete(one, other) and _complete(other, one)


def _complete(leader: Running, member: Running) -> bool:
    if not leader.leads or member.term > leader.term:
        return True
    return leader.log[-1].index >= member.commit and _agree(leader.log, member.log, member.commit)


def _agree(mine: tuple[Entry, ...], theirs: tuple[Entry, ...], last: int) -> bool:
    """Whether two logs are the same up to an index, as far as both have it; of what is compacted only a term is known."""
    first = max(mine[0].index, theirs[0].index)
    last = min(last, mine[-1].index, theirs[-1].index)
    if first > last:
        return True
    own, its = (log[first - log[0].index : last + 1 - log[0].index] for log in (mine, theirs))
    return own[0].term == its[0].term and own[1:] == its[1:]


# ---- votes and membership


@of_two_running
def votes_are_kept(one: Running, other: Running) -> bool:
    """A vote that a candidate counts is its voter's, as long as the voter is in that term."""
    return _kept(one, other) and _kept(other, one)


def _kept(candidate: Running, voter: Running) -> bool:
    if candidate.role is not StateType.StateCandidate or candidate.term != voter.term:
        return True
    counted = dict(candidate.node.raft.tracker.votes)
    return not counted.get(voter.id, False) or voter.node.raft.vote == candidate.id


@of_running
def campaigns_by_the_newest_membership(member: Running) -> bool:
    """Who campaigns has applied every membership change that it knows to be committed."""
    return not member.campaigns or all(change.index > member.commit for change in member.changes)


@of_running
def one_change_at_a_time(member: Running) -> bool:
    """The changes that a leader has taken in its term come after all others were applied. (To leave a joint one is no change.)"""
    changes = [change for change in member.changes if change.data]
    return not member.leads or all(change.term < member.term for change in changes[1:])


@of_running
def commit_quorum(member: Running) -> bool:
    """What a leader has committed in its own term, a quorum of its voters has acknowledged."""
    own = [entry.index for entry in member.log[1:] if entry.index <= member.commit and entry.term == member.term]
    if not member.leads or not own:
        return True
    progress = dict(member.node.raft.tracker.progress)
    return member.config.voters.committed_index(lambda voter: progress[voter].match if voter in progress else None) >= own[-1]


def no_panic(state: Local) -> bool:
    """A member that has panicked says why."""
    return not isinstance(state, Panicked)


# ---- what clients were promised


def keeps(promise: str) -> Callable[[Local], bool]:
    """The client was not contradicted in this."""
    return lambda state: not (isinstance(state, Contradicted) and state.promise == promise)


PANIC = Property("no_panic", "No member finds its own state impossible.", no_panic)
PAPER = (
    Property("election_safety", "No two members lead the same term.", election_safety, 2),
    Property("log_matching", "Logs that share an entry share all before it.", log_matching, 2),
    Property("state_machine_safety", "Members agree on what is committed.", state_machine_safety, 2),
    Property("leader_completeness", "A leader has all that was committed in earlier terms.", leader_completeness, 2),
    Property("votes_are_kept", "Whoever has voted for a candidate stands by it for the rest of the term.", votes_are_kept, 2),
)
COMMIT_QUORUM = Property("commit_quorum", "A leader commits what a quorum of the voters has acknowledged.", commit_quorum)
MEMBERSHIP = (
    Property(
        "campaigns_by_the_newest_membership",
        "Nobody campaigns before it has applied the membership changes that it knows to be committed.",
        campaigns_by_the_newest_membership,
    ),
    Property("one_change_at_a_time", "A leader takes no change while another one is not applied.", one_change_at_a_time),
)
CLIENT = (
    Property("applied_in_order", "Entries are applied one after the other.", keeps("applied_in_order")),
    Property(
        "acknowledged_writes_survive",
        "What was applied, and so acknowledged, is never replaced.",
        keeps("acknowledged_writes_survive"),
    ),
    Property(
        "reads_are_linearizable", "A read sees all that was applied before it was asked for.", keeps("reads_are_linearizable")
    ),
)


def always(setup: Setup) -> tuple[Property, ...]:
    """What must hold in every state. While the membership changes, a quorum of today need not have what one of then had."""
    return (
        PANIC,
        *PAPER,
        *(MEMBERSHIP if setup.changes else (COMMIT_QUORUM,)),
        *(CLIENT if setup.has_client else ()),
    )


# ---- what must be seen


def elected(state: Local) -> bool:
    """Somebody leads."""
    return isinstance(state, Running) and state.leads


def committed(state: Local) -> bool:
    """A proposal is committed."""
    return isinstance(state, Running) and any(
        entry.data and entry.type is EntryType.EntryNormal for entry in state.log if entry.index <= state.commit
    )


def joint(state: Local) -> bool:
    """The membership is joint."""
    return isinstance(state, Running) and state.config.is_joint


def snapshot_installed(state: Local) -> bool:
    """A follower's log begins behind a snapshot."""
    return isinstance(state, Running) and not state.leads and state.storage.snapshot.index > 0


def sometimes(setup: Setup) -> tuple[Property, ...]:
    """What a search that proves something has seen."""
    first = setup.conf_state
    gone = first.voters[-1]

    def joint_left(state: Local) -> bool:
        return (
            isinstance(state, Running)
            and not state.config.is_joint
            and setup.replace
            and gone not in state.config.voters.incoming
        )

    def promoted(state: Local) -> bool:
        return isinstance(state, Running) and any(
            each in state.config.voters.incoming for each in (*first.learners, *setup.spare_ids)
        )

    def answered(state: Local) -> bool:
        return isinstance(state, Client) and state.asked > len(state.waiting)

    def transferred(state: Local) -> bool:
        return isinstance(state, Running) and state.leads and state.id != 1 and state.term > 1

    wanted = (
        (True, Property("elected", "A leader is elected.", elected)),
        (setup.proposals > 0, Property("committed", "A proposal is committed.", committed)),
        (setup.changes > 0 and setup.replace, Property("joint", "A joint membership is entered.", joint)),
        (setup.changes > setup.explicit and setup.replace, Property("joint_left", "A joint membership is left.", joint_left)),
        (setup.changes > 0 and setup.promote, Property("promoted", "A learner becomes a voter.", promoted)),
        (setup.compactions > 0, Property("snapshot_installed", "A follower installs a snapshot.", snapshot_installed)),
        (setup.reads > 0, Property("answered", "A read is answered.", answered)),
        (setup.transfers > 0, Property("transferred", "Another member leads after a transfer.", transferred)),
    )
    return tuple(witness for switch, witness in wanted if switch)
