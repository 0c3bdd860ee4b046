"""impl/raft as a node like others: as big as it is by its own binding, and in words that can be read back."""

from __future__ import annotations

import json

import msgspec
import pytest

from kubeproof.conformance.adapters.nodes import REFERENCE, node_of
from kubeproof.conformance.bindings.raft.model import model_of
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.node import Event, Panic
from kubeproof.conformance.nodes.words import decoded, encoded, plain
from kubeproof.conformance.scenarios.explore import explore_scenario
from kubeproof.conformance.scenarios.scenario import Scenario, checked, load
from kubeproof.conformance.verdict import InvalidInput, Verdict
from kubeproof.impl.raft.types import Message


def as_nodes(name: str, *settings: str) -> Scenario:
    return load(name, settings, REFERENCE)


@pytest.mark.parametrize("name", ["raft-elections", "raft-replication", "raft-pre-vote"])
def test_as_nodes_there_are_as_many_states_as_by_the_binding(name: str) -> None:
    result = explore_scenario(name, as_nodes(name), Limits())
    assert (result.verdict, result.details["distinct"]) == (Verdict.HOLDS, checked(name, load(name)).pinned())


def test_a_fault_is_found_as_by_the_binding() -> None:
    scenario = load("raft-vote-granted-twice")
    nodes = msgspec.structs.replace(scenario, system="raft-nodes", node=REFERENCE, bug=None, distinct=[], refines=[])
    result = explore_scenario("twice", checked("twice", nodes), Limits())
    assert (result.verdict, result.property) == (Verdict.VIOLATED, "votes_once")


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("reads=1", "reads"),
        ("stops=1", "stops"),
        ("symmetry=true", "symmetry"),
        ("vote_request_after_write=true", "vote_request"),
    ],
)
def test_what_clusters_of_nodes_do_not_have_is_refused(setting: str, name: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^{name}\w*: expected none: "):
        as_nodes("raft-elections", setting).model()


def sent(setup: Setup) -> set[Message]:
    exploration = Exploration(model_of(setup), Limits())
    exploration.run()
    steps = [step for *_, step in exploration.taken_steps()]
    return {each.body for step in steps for each in step.sends if isinstance(each.body, Message)}


def test_whatever_is_sent_can_be_read_back() -> None:
    setups = (
        Setup(terms=1, proposals=1, heartbeats=1, compactions=1, drops=1, candidates=1, messages=2, elected=True),
        Setup(terms=1, learners=1, changes=1, promote=True, messages=2, elected=True),
        Setup(terms=1, reads=1, candidates=1, messages=2, elected=True),
    )
    messages = set().union(*map(sent, setups))
    assert {message.type.name for message in messages} >= {"MsgSnap", "MsgApp", "MsgReadIndex", "MsgHeartbeatResp"}
    assert [decoded(encoded(message)) for message in messages] == list(messages)


def test_what_is_zero_or_empty_is_not_told() -> None:
    node = node_of(REFERENCE, 2, {})
    told = plain(node.initial(1))
    assert told["storage"] == {"snapshot": {"conf_state": {"voters": [1, 2]}}, "entries": [{}]}
    assert json.dumps(told, sort_keys=True).count("false") == 0


def test_a_panic_is_one() -> None:
    node = node_of(REFERENCE, 3, {"crashes": 1, "last_entries_lost_at_restart": True, "elected": True, "proposals": 1})
    state = node.initial(2)
    answer = node.step(2, state, Event("restart"))
    assert answer is not None
    heartbeat = encoded(decoded('{"commit":1,"from":1,"term":1,"to":2,"type":"MsgHeartbeat"}'))
    from kubeproof.conformance.nodes.node import Sent

    with pytest.raises(Panic, match="out of range"):
        node.receive(2, answer.state, 1, Sent(2, "MsgHeartbeat", heartbeat, 1))
