"""Clusters of nodes: their networks, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.plain import GlobalState, first_state, successors
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.cluster import BREAK, model
from kubeproof.conformance.nodes.member import Member, Panicked
from kubeproof.conformance.nodes.node import CAMPAIGN, State
from kubeproof.conformance.nodes.node import Event as NodeEvent
from kubeproof.conformance.verdict import InvalidInput
from tests.conformance.nodes.counters import Counters


def after(explored: Model, state: GlobalState, *names: str) -> GlobalState:
    """The state behind the first of the events with these names, one after the other."""
    for name in names:
        state = next(reached for action, reached in successors(explored, state) if action.name == name)
    return state


def names(explored: Model, state: GlobalState) -> set[str]:
    return {action.name for action, _ in successors(explored, state)}


def test_messages_arrive_in_order_on_connections_and_in_any_order_as_datagrams() -> None:
    for capacity, arrive in ((2, {1}), (0, {1, 2})):
        cluster = model(Counters(2), 2, 1, {"proposals": 2}, capacity=capacity, messages=4)
        sent = after(cluster, first_state(cluster), "propose", "propose")
        arrived = [reached.locals[1] for action, reached in successors(cluster, sent) if action.name == "receive"]
        assert {each.state[1] for each in arrived if isinstance(each, Member)} == arrive  # type: ignore[index]


def test_a_connection_takes_no_more_than_its_capacity() -> None:
    cluster = model(Counters(2), 2, 1, {"proposals": 3}, capacity=2)
    assert "propose" not in names(cluster, after(cluster, first_state(cluster), "propose", "propose"))


def test_what_is_under_way_is_lost_when_a_connection_breaks_or_a_node_restarts() -> None:
    cluster = model(Counters(3), 3, 1, {"proposals": 1, "restarts": 1, "breaks": 1}, capacity=1)
    sent = after(cluster, first_state(cluster), "propose")
    assert len(sent.messages) == 2
    assert len(after(cluster, sent, BREAK).messages) == 1
    restarted = [reached for action, reached in successors(cluster, sent) if action.name == "restart"]
    assert sorted(len(each.messages) for each in restarted) == [0, 1, 1]


def test_nobody_campaigns_beyond_the_last_term() -> None:
    cluster = model(Counters(2), 2, 1, {})
    first = first_state(cluster)
    assert "campaign" in names(cluster, first)
    assert "campaign" not in names(cluster, after(cluster, first, "campaign"))


class Campaigners(Counters):
    """All of them may campaign."""

    def events(self, number: int, state: State) -> Iterator[NodeEvent]:  # noqa: ARG002
        yield NodeEvent(CAMPAIGN)


def test_only_candidates_campaign() -> None:
    for candidates, campaign in ((1, {0}), (2, {0, 1}), (0, {0, 1, 2})):
        cluster = model(Campaigners(3), 3, 1, {}, candidates=candidates)
        actions = [action for action, _ in successors(cluster, first_state(cluster))]
        assert {action.component for action in actions if action.name == "campaign"} == campaign


def test_a_node_that_dies_breaks_a_property_and_hears_nothing() -> None:
    cluster = model(Counters(2, dies_at=2), 2, 1, {"proposals": 3}, messages=4)
    dead = after(cluster, first_state(cluster), "propose", "propose")
    assert dead.locals[0] == Panicked(1, "one too many")
    with pytest.raises(Broken) as broken:
        Exploration(cluster, Limits()).run()
    assert broken.value.property.id == "no_panic"


def test_a_promise_over_restarts_is_judged() -> None:
    for forgets in (True, False):
        exploration = Exploration(model(Counters(2, forgets=forgets), 2, 2, {"restarts": 1}), Limits())
        if forgets:
            with pytest.raises(Broken) as broken:
                exploration.run()
            assert broken.value.property.id == "term_never_falls"
        else:
            exploration.run()
            assert exploration.statistics.distinct > 4


def test_properties_that_are_left_out_must_exist() -> None:
    with pytest.raises(InvalidInput, match=r"leaves_out: expected some of no_panic, .*, got safety"):
        model(Counters(2), 2, 1, {}, leaves_out=("safety",))
    ids = [each.id for each in model(Counters(2), 2, 1, {}, leaves_out=("log_matching",)).always]
    assert "log_matching" not in ids
    assert "election_safety" in ids
