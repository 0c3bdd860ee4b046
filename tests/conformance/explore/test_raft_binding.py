"""impl/raft under the explorer: the same states as a plain search, canonical states, counterexamples that the checker rejects."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from kubeproof.conformance.bindings import raft
from kubeproof.conformance.bindings.raft.member import CAMPAIGN, RESTART, Members, Running
from kubeproof.conformance.bindings.raft.model import ALWAYS
from kubeproof.conformance.bindings.raft.record import record
from kubeproof.conformance.explore.counterexample import shortest
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.plain import first_state, successors
from kubeproof.conformance.explore.system import Action, Local, Model, Property
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace.raft import RaftChecker, Violation
from kubeproof.conformance.trace.raft_events import Event
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.raft.state import NodeState
from kubeproof.impl.raft.storage import StorageState
from kubeproof.impl.raft.types import Entry, Message, MessageType, StateType


@pytest.mark.parametrize(
    "model", [raft.model(2, terms=2, proposals=1, crashes=1, messages=3), raft.model(3, terms=1, drops=1, messages=3)]
)
def test_it_visits_the_states_of_a_plain_search(model: Model) -> None:
    exploration = Exploration(model, Limits())
    exploration.run()
    level, seen, levels = [first_state(model)], {first_state(model)}, []
    while level:
        levels.append(len(level))
        following = []
        for state in level:
            for _, reached in successors(model, state):
                if reached not in seen:
                    seen.add(reached)
                    following.append(reached)
        level = following
    assert exploration.statistics.levels == levels


def first(members: Members) -> Running:
    state = members.initial()[0]
    assert isinstance(state, Running)
    return state


def test_states_are_canonical() -> None:
    members = Members(3, 3)
    candidate = members.step(0, first(members), CAMPAIGN)
    assert candidate is not None
    restarted = members.step(0, candidate.state, RESTART)
    assert restarted is not None
    again = members.step(0, restarted.state, RESTART)
    assert again is not None
    assert again.state == restarted.state
    assert hash(again.state) == hash(restarted.state)
    assert [sent.body.type for sent in candidate.sends if isinstance(sent.body, Message)] == [MessageType.MsgVote] * 2


def inside(state: Local) -> bool:
    return isinstance(state, Running) and state.term <= 2 and len(state.log) <= 3


def test_bounds_and_budgets_are_kept() -> None:
    """Two terms begin with an entry each, and there is one proposal."""
    bounded = Property("inside", "Terms and logs are bounded.", inside)
    model = replace(raft.model(3, terms=2, proposals=1, messages=3), always=(bounded,))
    exploration = Exploration(model, Limits())
    exploration.run()
    assert exploration.witnessed.keys() == {"elected", "committed"}


def violated(*faults: str) -> Model:
    return raft.model(3, terms=2, proposals=1, messages=3, faults=faults)


def test_a_counterexample_is_a_run_that_the_checker_rejects() -> None:
    model = violated("vote_for_shorter_log")
    with pytest.raises(Broken):
        Exploration(model, Limits()).run()
    steps = shortest(model, Limits())
    assert isinstance(model.system, Members)
    with pytest.raises(Violation) as violation:
        check(record(model.system, [action for action, _ in steps]))
    assert violation.value.property == "vote_up_to_date"


def check(events: list[Event]) -> None:
    checker = RaftChecker()
    for line, event in enumerate(events, 2):
        checker.take(line, event)


def test_the_way_to_a_correct_state_is_a_run_that_the_checker_accepts() -> None:
    """Any way will do: here always the last of all successors, which restarts and loses things, too."""
    model = raft.model(3, terms=2, proposals=1, crashes=2, drops=1, duplicates=1, messages=4)
    actions: list[Action] = []
    state = first_state(model)
    while reached := list(successors(model, state)):
        action, state = reached[len(actions) % len(reached)]
        actions.append(action)
        if len(actions) == 60:
            break
    assert isinstance(model.system, Members)
    events = record(model.system, actions)
    check(events)
    assert len(events) > len(actions) > 20


def test_unknown_faults_are_refused() -> None:
    with pytest.raises(InvalidInput, match="expected names of"):
        raft.model(faults=("flood",))


def test_a_panic_is_a_state_of_its_own() -> None:
    model = raft.model(3, terms=2, proposals=1, heartbeats=1, messages=3, faults=("commit_beyond_matched_prefix",))
    with pytest.raises(Broken) as broken:
        Exploration(model, Limits()).run()
    assert broken.value.property.id == "no_panic"
    steps = shortest(model, Limits())
    assert any("out of range" in str(local) or "lastIndex" in str(local) for local in steps[-1][1].locals), steps[-1][1].locals


def member(*log: tuple[int, bytes], term: int, commit: int = 0, leads: bool = False) -> Running:
    """Just what the properties look at; the log is given by term and payload."""
    storage = SimpleNamespace(entries=(Entry(0, 0), *(Entry(each, at, data=data) for at, (each, data) in enumerate(log, 1))))
    state = StateType.StateLeader if leads else StateType.StateFollower
    raft_ = SimpleNamespace(term=term, state=state, log=SimpleNamespace(committed=commit))
    return Running(cast(NodeState, SimpleNamespace(raft=raft_)), cast(StorageState, storage))


X, Y = (1, b"x"), (1, b"y")


@pytest.mark.parametrize(
    ("broken", "one", "other"),
    [
        ("election_safety", member(term=2, leads=True), member(term=2, leads=True)),
        ("log_matching", member(X, (2, b""), term=2), member(Y, (2, b""), term=2)),
        ("state_machine_safety", member(X, term=1, commit=1), member((2, b"z"), term=2, commit=1)),
        ("leader_completeness", member(term=2, leads=True), member(X, term=1, commit=1)),
    ],
)
def test_each_property_of_two_members_can_break(broken: str, one: Running, other: Running) -> None:
    verdicts = {each.id: each.holds(one, other) for each in ALWAYS if each.components == 2}
    assert verdicts == {each: each != broken for each in verdicts}
    assert {each.id: each.holds(other, one) for each in ALWAYS if each.components == 2} == verdicts


def test_what_looks_alike_does_not_break_them() -> None:
    for one, other in (
        (member(term=2, leads=True), member(term=3, leads=True)),
        (member(X, (2, b""), term=2), member(X, (3, b""), term=3)),
        (member(X, term=1, commit=1), member(X, (2, b"z"), term=2, commit=2)),
        (member(term=1, leads=True), member(X, term=2, commit=1)),
    ):
        assert all(each.holds(one, other) for each in ALWAYS if each.components == 2)
