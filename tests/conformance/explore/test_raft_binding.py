"""impl/raft under the explorer: the same states as a plain search, canonical states, counterexamples that the checker rejects."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from kubeproof.conformance.bindings import raft
from kubeproof.conformance.bindings.raft.client import Client
from kubeproof.conformance.bindings.raft.member import Members
from kubeproof.conformance.bindings.raft.prepare import prepared
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore.counterexample import shortest
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.plain import first_state, successors
from kubeproof.conformance.explore.system import Action, Event, Local, Model, Property
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace import raft_events
from kubeproof.conformance.trace.raft import RaftChecker, Violation
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.raft.types import Message, MessageType, StateType

CAMPAIGN, RESTART = Event("campaign"), Event("restart", costs="crashes")


@pytest.mark.parametrize(
    "model",
    [
        raft.model(2, terms=2, proposals=1, crashes=1, messages=3),
        raft.model(3, terms=1, drops=1, messages=3),
        raft.model(2, terms=2, reads=1, messages=2, elected=True),
        raft.model(2, terms=2, slow_writes=2, slow_applies=1, crashes=1, messages=2, client=True),
        raft.model(3, terms=1, learners=1, changes=1, promote=True, partitions=1, messages=2, elected=True),
    ],
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


def test_states_are_canonical() -> None:
    members = Members(Setup(3, terms=3, crashes=1))
    candidate = members.step(0, members.initial()[0], CAMPAIGN)
    assert candidate is not None
    restarted = members.step(0, candidate.state, RESTART)
    assert restarted is not None
    again = members.step(0, restarted.state, RESTART)
    assert again is not None
    assert again.state == restarted.state
    assert hash(again.state) == hash(restarted.state)
    assert [sent.body.type for sent in candidate.sends if isinstance(sent.body, Message)] == [MessageType.MsgVote] * 2


def inside(state: Local) -> bool:
    return isinstance(state, Running) and state.term <= 2 and len(state.log) <= 4


def test_bounds_and_budgets_are_kept() -> None:
    """Two terms begin with an entry each, and there is one proposal."""
    bounded = Property("inside", "Terms and logs are bounded.", inside)
    model = replace(raft.model(3, terms=2, proposals=1, messages=3), always=(bounded,))
    exploration = Exploration(model, Limits())
    exploration.run()
    assert exploration.witnessed.keys() == {"elected", "committed"}


def test_a_prepared_beginning_is_one_of_the_implementation() -> None:
    """Member 1 leads, everybody has applied its entry, the client has heard of it, and the way there is recorded, too."""
    setup = Setup(3, reads=1, slow_writes=2, slow_applies=3, candidates=1, elected=True)
    first, way = prepared(setup)
    members = [state for state in first if isinstance(state, Running)]
    assert [state.role is StateType.StateLeader for state in members] == [True, False, False]
    assert {(state.term, state.commit, state.applied, state.writes, state.applies) for state in members} == {(1, 1, 1, (), ())}
    assert isinstance(first[-1], Client)
    assert len(first[-1].applied) == 1
    model = raft.model(3, reads=1, slow_writes=2, slow_applies=3, candidates=1, elected=True)
    assert tuple(model.system.initial()) == tuple(first)
    assert model.record is not None
    assert len(model.record([])) > len(way)
    check(cast(list[raft_events.Event], model.record([])))


def check(events: list[raft_events.Event]) -> None:
    checker = RaftChecker({})
    for line, event in enumerate(events, 2):
        checker.take(line, event)


@pytest.mark.parametrize(
    ("model", "found", "rejected_as"),
    [
        (
            raft.model(3, terms=2, proposals=1, messages=3, faults=("vote_for_shorter_log",)),
            "leader_completeness",
            "vote_up_to_date",
        ),
        (raft.model(4, terms=1, crashes=1, candidates=2, faults=("vote_not_stored",)), "votes_are_kept", "durable_state"),
        (
            raft.model(
                1,
                terms=2,
                proposals=2,
                crashes=1,
                apply_while_writing=True,
                client=True,
                faults=("single_voter_commits_before_write",),
            ),
            "acknowledged_writes_survive",
            "commit_quorum",
        ),
        (
            raft.model(3, terms=1, proposals=1, reads=1, elected=True, faults=("read_served_locally",)),
            "reads_are_linearizable",
            "reads_are_linearizable",
        ),
        (
            raft.model(
                4, terms=1, changes=2, messages=6, remove=True, remove_two=True, elected=True, faults=("second_change_admitted",)
            ),
            "one_change_at_a_time",
            "one_change_at_a_time",
        ),
    ],
)
def test_a_counterexample_is_a_run_that_the_checker_rejects(model: Model, found: str, rejected_as: str) -> None:
    with pytest.raises(Broken) as broken:
        Exploration(model, Limits()).run()
    assert broken.value.property.id == found
    _, way = shortest(model, Limits())
    assert model.record is not None
    with pytest.raises(Violation) as violation:
        check(cast(list[raft_events.Event], model.record([action for action, _ in way])))
    assert violation.value.property == rejected_as


def test_the_way_to_a_correct_state_is_a_run_that_the_checker_accepts() -> None:
    """Any way will do: here one that restarts and loses things, too."""
    model = raft.model(3, terms=2, proposals=1, crashes=2, drops=1, duplicates=1, messages=4)
    actions: list[Action] = []
    state = first_state(model)
    while reached := list(successors(model, state)):
        action, state = reached[len(actions) % len(reached)]
        actions.append(action)
        if len(actions) == 60:
            break
    assert model.record is not None
    events = cast(list[raft_events.Event], model.record(actions))
    check(events)
    assert len(events) > len(actions) > 20


def test_unknown_faults_and_impossible_sizes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="expected some of"):
        raft.model(faults=("flood",))
    with pytest.raises(InvalidInput, match="expected more members"):
        raft.model(3, learners=2, spares=1)


def test_a_panic_is_a_state_of_its_own() -> None:
    model = raft.model(3, terms=2, proposals=1, heartbeats=1, messages=3, faults=("commit_beyond_matched_prefix",))
    with pytest.raises(Broken) as broken:
        Exploration(model, Limits()).run()
    assert broken.value.property.id == "no_panic"
    _, way = shortest(model, Limits())
    assert any("out of range" in str(local) or "lastIndex" in str(local) for local in way[-1][1].locals), way[-1][1].locals
