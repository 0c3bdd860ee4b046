"""A node as a component: its own state, and what of its past its promises need."""

from __future__ import annotations

from typing import NamedTuple

from kubeproof.conformance.nodes.node import RESTART, Answer, Observed, Role, State


class Member(NamedTuple):
    """`acknowledged` is the index up to which it has told the leader of its term that it has the log.

    `broken` are the promises that the step to here has broken.
    """

    number: int
    state: State
    acknowledged: int = 0
    broken: tuple[str, ...] = ()


class Panicked(NamedTuple):
    """A node that has died of a step."""

    number: int
    reason: str


def after(member: Member, before: Observed, reached: Observed, answer: Answer, event: str) -> Member:
    """The member behind a step of its node."""
    broken: list[str] = []
    acknowledged = member.acknowledged
    seen = before
    for each in (*answer.between, reached):
        if each.term != seen.term:
            acknowledged = 0
        broken += broken_promises(seen, each, acknowledged, restarts=event == RESTART)
        seen = each
    told = [sent.acknowledges for sent in answer.sends if sent.acknowledges is not None and sent.term in (None, seen.term)]
    return Member(member.number, answer.state, max([acknowledged, *told]), tuple(dict.fromkeys(broken)))


def broken_promises(before: Observed, after: Observed, acknowledged: int, *, restarts: bool) -> list[str]:
    """The names of what a node has not kept from one moment to the next; see properties.py."""
    same_term = before.term == after.term
    leads_on = before.role is after.role is Role.LEADER and same_term and not restarts
    kept = {
        "term_never_falls": before.term <= after.term,
        "votes_once": not (same_term and before.voted_for) or after.voted_for == before.voted_for,
        "commit_index_never_falls": restarts or before.commit_index <= after.commit_index,
        "match_index_never_falls": not leads_on or _matches_grow(before, after),
        "own_term_committed": not leads_on or _commits_own_term(before, after),
        "acknowledged_entries_kept": not same_term or _keeps(before, after, acknowledged),
    }
    return [name for name, is_kept in kept.items() if not is_kept]


def _matches_grow(before: Observed, after: Observed) -> bool:
    was = {each.node: each.match_index for each in before.progress}
    return all(was.get(each.node, 0) <= each.match_index for each in after.progress)


def _commits_own_term(before: Observed, after: Observed) -> bool:
    if after.commit_index <= before.commit_index:
        return True
    return all(entry.term == after.term for entry in after.log if entry.index == after.commit_index)


def _keeps(before: Observed, after: Observed, acknowledged: int) -> bool:
    """What was compacted is kept, too."""
    first = after.log[0].index if after.log else 0
    there = set(after.log)
    return all(entry in there for entry in before.log if first <= entry.index <= acknowledged)
