"""Each property breaks where it must, and only there: on states made by hand, of which it looks at little."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from kubeproof.conformance.bindings.raft.client import Applied, Client, Contradicted, Read, Served, receive
from kubeproof.conformance.bindings.raft.properties import CLIENT, COMMIT_QUORUM, MEMBERSHIP, PANIC, PAPER
from kubeproof.conformance.bindings.raft.recovery import recoverable
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Panicked, Running
from kubeproof.impl.raft.quorum import JointConfig, MajorityConfig
from kubeproof.impl.raft.state import NodeState
from kubeproof.impl.raft.storage import StorageState
from kubeproof.impl.raft.tracker import TrackerConfig
from kubeproof.impl.raft.types import Entry, EntryType, StateType

FOLLOWER, CANDIDATE, LEADER = StateType.StateFollower, StateType.StateCandidate, StateType.StateLeader
CHANGE = EntryType.EntryConfChange


def member(
    *log: tuple[int, bytes],
    term: int,
    commit: int = 0,
    role: StateType = FOLLOWER,
    id_: int = 1,
    first: Entry = Entry(0, 0),  # noqa: B008 - a value
    applied: int = 0,
    changes: tuple[int, ...] = (),
    votes: tuple[tuple[int, bool], ...] = (),
    vote: int = 0,
    matches: tuple[int, ...] = (),
    voters: tuple[int, ...] = (1, 2, 3),
    outgoing: tuple[int, ...] = (),
    lead: int = 0,
) -> Running:
    """Just what the properties look at; the log is given by term and payload, `changes` are indexes of membership changes."""
    entries = [
        Entry(each, at, CHANGE if at in changes else EntryType.EntryNormal, data)
        for at, (each, data) in enumerate(log, first.index + 1)
    ]
    progress = tuple((voter, SimpleNamespace(match=match)) for voter, match in enumerate(matches, 1))
    config = TrackerConfig(JointConfig(MajorityConfig(voters), MajorityConfig(outgoing)))
    tracker = SimpleNamespace(votes=votes, progress=progress, config=config)
    log_ = SimpleNamespace(committed=commit, applied=applied, unstable=SimpleNamespace(snapshot=None, entries=()))
    raft = SimpleNamespace(term=term, state=role, vote=vote, lead=lead, log=log_, tracker=tracker)
    storage = SimpleNamespace(entries=(first, *entries))
    return Running(id_, cast(NodeState, SimpleNamespace(raft=raft)), cast(StorageState, storage))


def leader(*log: tuple[int, bytes], **rest: Any) -> Running:
    return member(*log, role=LEADER, **rest)


X, Y = (1, b"x"), (1, b"y")


@pytest.mark.parametrize(
    ("broken", "one", "other"),
    [
        ("election_safety", leader(term=2), leader(term=2)),
        ("log_matching", member(X, (2, b""), term=2), member(Y, (2, b""), term=2)),
        ("log_matching", member((2, b""), term=2, first=Entry(1, 1)), member((2, b""), (2, b""), term=2)),
        ("state_machine_safety", member(X, term=1, commit=1), member((2, b"z"), term=2, commit=1)),
        ("leader_completeness", leader(term=2), member(X, term=1, commit=1)),
        ("leader_completeness", leader(X, (2, b""), term=2), member(X, (1, b""), term=1, commit=2)),
        ("votes_are_kept", member(term=2, role=CANDIDATE, votes=((2, True),)), member(term=2, id_=2, vote=3)),
        ("votes_are_kept", member(term=2, role=CANDIDATE, votes=((2, True),)), member(term=2, id_=2)),
    ],
)
def test_each_property_of_two_members_can_break(broken: str, one: Running, other: Running) -> None:
    verdicts = {each.id: each.holds(one, other) for each in PAPER}
    assert verdicts == {each: each != broken for each in verdicts}
    assert {each.id: each.holds(other, one) for each in PAPER} == verdicts
    assert all(each.holds(one, Panicked("")) for each in PAPER)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (leader(term=2), leader(term=3)),
        (member(X, (2, b""), term=2), member(X, (3, b""), term=3)),
        (member(X, term=1, commit=1), member(X, (2, b"z"), term=2, commit=2)),
        (leader(term=1), member(X, term=2, commit=1)),
        (member((2, b""), term=2, first=Entry(1, 1)), member(X, (2, b""), term=2)),
        (member(term=2, role=CANDIDATE, votes=((2, True),)), member(term=3, id_=2)),
        (member(term=2, role=CANDIDATE, votes=((2, False),)), member(term=2, id_=2, vote=3)),
    ],
)
def test_what_looks_alike_does_not_break_them(one: Running, other: Running) -> None:
    assert all(each.holds(one, other) for each in PAPER)


@pytest.mark.parametrize(
    ("broken", "state"),
    [
        ("no_panic", Panicked("entries are gone")),
        ("campaigns_by_the_newest_membership", member(X, term=2, commit=1, role=CANDIDATE, changes=(1,))),
        ("one_change_at_a_time", leader((1, b"a"), (1, b"b"), term=1, changes=(1, 2))),
        ("commit_quorum", leader(X, term=1, commit=1, matches=(1, 0, 0))),
        ("commit_quorum", leader(X, term=1, commit=1, matches=(1, 1, 0), voters=(1, 2), outgoing=(1, 3))),
    ],
)
def test_each_property_of_one_member_can_break(broken: str, state: Running | Panicked) -> None:
    verdicts = {each.id: each.holds(state) for each in (PANIC, *MEMBERSHIP, COMMIT_QUORUM)}
    assert verdicts == {each: each != broken for each in verdicts}


@pytest.mark.parametrize(
    "state",
    [
        member(X, term=2, commit=1, applied=1, role=CANDIDATE, changes=(1,)),
        member(X, term=2, role=CANDIDATE, changes=(1,)),
        leader((1, b"a"), (2, b""), (2, b"b"), term=2, applied=1, changes=(1, 3)),
        leader((1, b"a"), (1, b""), term=1, changes=(1, 2)),
        leader(X, term=2, commit=1, matches=(1, 0, 0)),
        leader(X, term=1, commit=1, matches=(1, 1, 0)),
    ],
)
def test_what_looks_alike_does_not_break_those(state: Running) -> None:
    assert all(each.holds(state) for each in (PANIC, *MEMBERSHIP, COMMIT_QUORUM))


A, B = Entry(1, 1, data=b"a"), Entry(1, 2, data=b"b")


@pytest.mark.parametrize(
    ("promise", "state", "told"),
    [
        ("applied_in_order", Client((A,)), Applied(B, 0)),
        ("acknowledged_writes_survive", Client((A, B)), Applied(Entry(2, 2), 1)),
        ("reads_are_linearizable", Client((A, B), 1, (Read(1, 3, 2),)), Served(1, 1)),
    ],
)
def test_a_client_is_contradicted(promise: str, state: Client, told: Applied | Served) -> None:
    step = receive(state, told)
    assert step is not None
    assert isinstance(step.state, Contradicted)
    verdicts = {each.id: each.holds(step.state) for each in CLIENT}
    assert verdicts == {each: each != promise for each in verdicts}
    assert receive(step.state, told) == step


@pytest.mark.parametrize(
    ("state", "told", "reached"),
    [
        (Client((A,)), Applied(B, 1), Client((A, B))),
        (Client((A, B)), Applied(A, 0), Client((A, B))),
        (Client((A, B), 2, (Read(1, 3, 2), Read(2, 1, 2))), Served(1, 2), Client((A, B), 2, (Read(2, 1, 2),))),
        (Client((A, B), 1), Served(1, 0), Client((A, B), 1)),
    ],
)
def test_a_client_hears_what_it_was_promised(state: Client, told: Applied | Served, reached: Client) -> None:
    step = receive(state, told)
    assert step is not None
    assert step.state == reached
    assert all(each.holds(step.state) for each in CLIENT)


def test_recovery_is_asked_only_where_it_is_promised() -> None:
    """A majority is up, nobody is cut off, and there are terms left; else nothing is claimed."""
    [wanted] = recoverable(Setup(3, terms=3, recovery=True))
    up = member(term=1)
    assert wanted.when(up, member(term=1, id_=2), Panicked(""))
    assert not wanted.when(up, Panicked(""), Panicked(""))
    assert not wanted.when(up, member(term=2, id_=2), Panicked(""))
    assert not wanted.when(up, member(term=1, id_=2)._replace(cut_off=True), member(term=1, id_=3))
    assert not wanted.goal(leader(X, term=2, commit=1), up, up)
    assert wanted.goal(up, leader(X, (2, b""), term=2, commit=2), up)
    assert recoverable(Setup(3)) == ()
