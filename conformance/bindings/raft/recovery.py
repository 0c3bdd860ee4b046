"""From where a cluster must be able to recover, and what that is (AG EF: a way must be open, it need not be taken)."""

from __future__ import annotations

from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore.system import Local, Recoverable
from kubeproof.impl.raft.quorum import VoteResult


def recoverable(setup: Setup) -> tuple[Recoverable, ...]:
    """What is asked where `recovery` is set."""
    if not setup.recovery:
        return ()
    wanted = [] if setup.candidates else [_commits_again(setup)]  # it takes whoever can win
    if setup.check_quorum and not setup.changes:
        wanted.append(_all_follow(setup))
    if setup.replace and not setup.explicit:
        wanted.append(_joint_is_left(setup))
    if setup.remove_leader:
        wanted.append(_removed_leader_steps_down())
    return tuple(wanted)


def _commits_again(setup: Setup) -> Recoverable:
    # without PreVote a leader of a lower term may have to be deposed first by one that cannot win
    terms = 1 if setup.pre_vote and not setup.pre_vote_rollout else 2
    return Recoverable(
        "commits_again",
        "While a majority is up, a leader can be elected that commits an entry of its own.",
        goal=lambda *states: any(_commits(state) for state in states),
        when=lambda *states: _can_elect(setup, states, terms),
        without=("crashes", "stops", "partitions", "transfers", "changes", "compactions"),
    )


def _all_follow(setup: Setup) -> Recoverable:
    """A member that has fallen out must be able to come back while the leader is heard in time (etcd#5468)."""
    return Recoverable(
        "all_follow",
        "All members can follow one leader again, without waiting until the present one is not heard any more.",
        goal=lambda *states: _one_leader(states),
        when=lambda *states: _can_elect(setup, states) and _most_follow(states),
        without=("crashes", "stops", "partitions", "transfers", "timeouts", "quorum_checks"),
    )


def _joint_is_left(setup: Setup) -> Recoverable:
    return Recoverable(
        "joint_is_left",
        "A joint membership that is to be left automatically can be left.",
        goal=lambda *states: (
            not any(isinstance(state, Running) and state.leads and state.config.is_joint for state in states)
            and any(_commits(state) for state in states)
        ),
        when=lambda *states: _can_elect(setup, states),
        without=("crashes", "stops", "partitions", "transfers", "changes"),
    )


def _removed_leader_steps_down() -> Recoverable:
    """A removed leader that goes on leading takes no proposals, and its heartbeats keep others from campaigning (raft#77)."""
    return Recoverable(
        "removed_leader_steps_down",
        "A leader that was removed does not lead any more, although it is heard in time.",
        goal=lambda *states: not any(_leads_without_being_a_member(state) for state in states),
        without=("crashes", "stops", "partitions", "transfers", "changes", "timeouts", "quorum_checks"),
    )


def _running(states: tuple[Local, ...]) -> list[Running]:
    return [state for state in states if isinstance(state, Running)]


def _commits(state: Local) -> bool:
    """A leader has committed an entry of its term."""
    return (
        isinstance(state, Running)
        and state.leads
        and any(entry.term == state.term and entry.index <= state.commit for entry in state.log)
    )


def _can_elect(setup: Setup, states: tuple[Local, ...], terms: int = 1) -> bool:
    """There are terms left to campaign for, and each voter that is up sees a quorum of its own membership up."""
    up = _running(states)
    votes = {member.id: True for member in up}
    voters = [member for member in up if member.id in member.config.voters.ids()]
    return (
        bool(voters)
        and max(member.term for member in up) + terms <= setup.terms
        and not any(member.cut_off for member in up)
        and all(member.config.voters.vote_result(votes) is VoteResult.VoteWon for member in voters)
    )


def _most_follow(states: tuple[Local, ...]) -> bool:
    """There is a leader whom a majority follows."""
    up = _running(states)
    return any(2 * _followers(leader, up) > len(states) for leader in up if leader.leads)


def _one_leader(states: tuple[Local, ...]) -> bool:
    up = _running(states)
    return any(_followers(leader, up) == len(up) for leader in up if leader.leads)


def _followers(leader: Running, members: list[Running]) -> int:
    """How many follow it, itself included."""
    return sum((member.term, member.node.raft.lead) == (leader.term, leader.id) for member in members)


def _leads_without_being_a_member(state: Local) -> bool:
    return isinstance(state, Running) and state.leads and state.id not in state.config.voters.ids()
