"""The systems that ship: known counts, witnesses, and planted mistakes that must be found."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace

import pytest

from kubeproof.conformance.explore.counterexample import shortest
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.system import Event, Model, Network, Step
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.scenarios.systems import register, two_phase_commit


def explored(model: Model) -> Exploration:
    exploration = Exploration(model, Limits())
    exploration.run()
    return exploration


@pytest.mark.parametrize(("managers", "states"), [(1, 12), (3, 288), (5, 8_832), (7, 296_448)])
def test_two_phase_commit_has_the_states_that_stateright_counts(managers: int, states: int) -> None:
    exploration = explored(two_phase_commit.model(managers))
    assert exploration.statistics.distinct == states
    assert exploration.witnessed.keys() == {"all_committed", "all_aborted"}
    assert exploration.steps.computed < 2_000


@pytest.mark.parametrize(("managers", "states"), [(3, 584), (5, 33_824)])
def test_with_messages_consumed_there_are_more(managers: int, states: int) -> None:
    model = replace(two_phase_commit.model(managers), network=Network.CONSUMED)
    assert explored(model).statistics.distinct == states


class Hasty(two_phase_commit.TwoPhaseCommit):
    """Managers that change their mind when they are prepared already."""

    def events(self, component: int, state: Hashable) -> Iterator[Event]:
        yield from super().events(component, state)
        if state == "prepared":
            yield two_phase_commit.ABORT

    def step(self, component: int, state: Hashable, event: Event) -> Step | None:
        return super().step(component, state, event)


def test_a_manager_that_changes_its_mind_is_found() -> None:
    model = replace(two_phase_commit.model(2), system=Hasty(2))
    with pytest.raises(Broken) as broken:
        explored(model)
    _, steps = shortest(model, Limits())
    assert broken.value.property.id == "consistent"
    assert [action.name for action, _ in steps] == ["prepare", "prepare", "receive", "receive", "abort", "commit"] or len(
        steps
    ) == 6
    outcomes = [two_phase_commit.outcome(local) for local in steps[-1][1].locals]
    assert {"committed", "aborted"} <= set(outcomes)


def test_two_servers_lose_a_write() -> None:
    model = register.model(servers=2)
    with pytest.raises(Broken):
        explored(model)
    _, steps = shortest(model, Limits())
    assert [(action.name, model.component_names[action.component]) for action, _ in steps] == [
        ("begin", "client 0"),
        ("receive", "server 0"),
        ("receive", "client 0"),
        ("receive", "server 1"),
        ("receive", "client 0"),
    ]


def test_with_lost_requests_clients_wait_for_ever() -> None:
    without = explored(register.model()).statistics
    lossy = explored(replace(register.model(), budgets={"drops": 1})).statistics
    assert lossy.distinct > without.distinct
    assert lossy.ends > without.ends


def test_tables_grow() -> None:
    exploration = explored(two_phase_commit.model(8))
    assert exploration.statistics.distinct == 1_745_408
    assert sum(exploration.statistics.levels) == exploration.statistics.distinct


def test_limits_are_looked_at() -> None:
    with pytest.raises(LimitReached, match="time limit"):
        Exploration(two_phase_commit.model(12), Limits(time_limit_s=0.2)).run()
