"""Each property of nodes: something that breaks it, and something beside it that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kubeproof.conformance.nodes import properties
from kubeproof.conformance.nodes.member import Member, after, broken_promises
from kubeproof.conformance.nodes.node import RESTART, Answer, Entry, Observed, Progress, Role, Sent

LOG = (Entry(1, 0), Entry(2, 1, "a"), Entry(3, 1, "b"))
FOLLOWER = Observed(Role.FOLLOWER, 2, LOG, 2, voted_for=1)
LEADER = Observed(Role.LEADER, 2, (*LOG, Entry(4, 2, "c")), 2, voted_for=1, progress=(Progress(2, 2, 3),))


def changed(observed: Observed, **changes: Any) -> Observed:
    return observed._replace(**changes)


OF_TWO: list[tuple[Callable[[Observed, Observed], bool], Observed, Observed, Observed]] = [
    (properties.election_safety, LEADER, changed(LEADER, term=3), LEADER),
    (properties.log_matching, FOLLOWER, LEADER, changed(FOLLOWER, log=(*LOG[:1], Entry(2, 1, "x"), LOG[2]))),
    (
        properties.log_matching,
        FOLLOWER,
        changed(FOLLOWER, log=(LOG[0], Entry(2, 2, "x"))),
        changed(FOLLOWER, log=(Entry(1, 1), LOG[1])),
    ),
    (properties.state_machine_safety, FOLLOWER, LEADER, changed(FOLLOWER, log=(LOG[0], Entry(2, 2, "a")))),
    (
        properties.state_machine_safety,
        FOLLOWER,
        changed(FOLLOWER, log=(Entry(2, 1), LOG[2])),
        changed(FOLLOWER, log=(Entry(2, 2), LOG[2])),
    ),
    (properties.leader_completeness, FOLLOWER, LEADER, changed(LEADER, log=LOG[:1])),
    (
        properties.leader_completeness,
        changed(FOLLOWER, term=3),
        changed(LEADER, log=LOG[:1]),
        changed(LEADER, term=4, log=LOG[:1]),
    ),
]


@pytest.mark.parametrize(("holds", "one", "sound", "wrong"), OF_TWO)
def test_two_members(holds: Callable[[Observed, Observed], bool], one: Observed, sound: Observed, wrong: Observed) -> None:
    assert holds(one, sound)
    assert holds(sound, one)
    assert not holds(one, wrong)
    assert not holds(wrong, one)


def test_a_leader_sends_nothing_that_it_knows_to_be_there() -> None:
    assert properties.next_index_above_match_index(LEADER)
    assert properties.next_index_above_match_index(changed(LEADER, progress=(Progress(2, 2),)))
    assert not properties.next_index_above_match_index(changed(LEADER, progress=(Progress(2, 2, 2),)))


OF_STEPS = [
    ("term_never_falls", FOLLOWER, changed(FOLLOWER, term=3, voted_for=0), changed(FOLLOWER, term=1)),
    ("votes_once", FOLLOWER, changed(FOLLOWER, term=3, voted_for=2), changed(FOLLOWER, voted_for=2)),
    ("commit_index_never_falls", FOLLOWER, changed(FOLLOWER, commit_index=3), changed(FOLLOWER, commit_index=1)),
    (
        "match_index_never_falls",
        LEADER,
        changed(LEADER, progress=(Progress(2, 4, 5),)),
        changed(LEADER, progress=(Progress(2, 1, 5),)),
    ),
    ("own_term_committed", LEADER, changed(LEADER, commit_index=4), changed(LEADER, commit_index=3)),
    ("acknowledged_entries_kept", FOLLOWER, changed(FOLLOWER, log=LOG[:2]), changed(FOLLOWER, log=LOG[:1], commit_index=2)),
]


@pytest.mark.parametrize(("promise", "before", "sound", "wrong"), OF_STEPS)
def test_steps(promise: str, before: Observed, sound: Observed, wrong: Observed) -> None:
    assert broken_promises(before, sound, 2, restarts=False) == []
    assert broken_promises(before, wrong, 2, restarts=False) == [promise]


def test_all_promises_of_steps_are_tried() -> None:
    assert {promise for promise, *_ in OF_STEPS} == set(properties.OF_STEPS)


def test_what_a_restart_may_do() -> None:
    forgotten = changed(LEADER, role=Role.FOLLOWER, commit_index=0, progress=())
    assert broken_promises(LEADER, forgotten, 0, restarts=True) == []
    assert broken_promises(LEADER, forgotten, 0, restarts=False) == ["commit_index_never_falls"]


def test_what_was_compacted_is_kept() -> None:
    compacted = changed(FOLLOWER, log=(Entry(2, 1, "a"), LOG[2]))
    assert broken_promises(FOLLOWER, compacted, 3, restarts=False) == []
    assert broken_promises(FOLLOWER, changed(FOLLOWER, log=()), 3, restarts=False) == ["acknowledged_entries_kept"]


def test_what_was_acknowledged_is_remembered_for_a_term() -> None:
    told = Answer("s", (Sent(1, "answer", "", term=2, acknowledges=3),))
    member = after(Member(2, "s"), FOLLOWER, FOLLOWER, told, "receive")
    assert member.acknowledged == 3
    erased = changed(FOLLOWER, log=LOG[:2])
    assert after(member, FOLLOWER, erased, Answer("t"), RESTART).broken == ("acknowledged_entries_kept",)
    newer = changed(erased, term=3)
    assert after(member, FOLLOWER, newer, Answer("t"), "receive") == Member(2, "t")


def test_an_acknowledgement_of_another_term_is_none() -> None:
    told = Answer("s", (Sent(1, "answer", "", term=1, acknowledges=3),))
    assert after(Member(2, "s"), FOLLOWER, FOLLOWER, told, "receive").acknowledged == 0


def test_what_is_only_seen_in_passing_is_judged() -> None:
    passing = Answer("s", between=(changed(FOLLOWER, commit_index=1),))
    assert after(Member(2, "s"), FOLLOWER, FOLLOWER, passing, "receive").broken == ("commit_index_never_falls",)
