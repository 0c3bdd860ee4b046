"""What is dropped from local states influences nothing: a search that keeps it visits the same states, perhaps more of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeproof.conformance.bindings.raft import process
from kubeproof.conformance.bindings.raft.canonical import canonical
from kubeproof.conformance.bindings.raft.model import model_of
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.state import Running
from kubeproof.conformance.explore.plain import GlobalState, first_state, successors
from kubeproof.conformance.explore.system import Local
from kubeproof.impl.raft.state import NodeState

SETUPS = {
    "plain": Setup(2, terms=1, proposals=2, heartbeats=1, messages=3, elected=True),
    "three": Setup(3, terms=1, proposals=1, messages=3, elected=True),
    "crash": Setup(2, terms=2, proposals=1, crashes=1, messages=2, elected=True),
    "check_quorum": Setup(
        2, terms=2, heartbeats=1, messages=2, pre_vote=True, check_quorum=True, forget_leader=True, elected=True
    ),
    "snapshot": Setup(2, terms=2, proposals=1, heartbeats=1, drops=1, compactions=1, messages=2, elected=True),
    "window": Setup(2, terms=2, proposals=2, heartbeats=1, drops=1, window=1, messages=2, elected=True),
    "transfer": Setup(2, terms=2, transfers=1, messages=2, elected=True),
    "slow": Setup(2, terms=2, proposals=1, slow_writes=1, slow_applies=1, messages=2, elected=True),
}


def search(setup: Setup) -> set[GlobalState]:
    model = model_of(setup)
    seen = {first_state(model)}
    waiting = list(seen)
    while waiting:
        for _, reached in successors(model, waiting.pop()):
            if reached not in seen:
                seen.add(reached)
                waiting.append(reached)
    return seen


@pytest.mark.parametrize("name", SETUPS)
def test_nothing_is_dropped_that_matters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = SETUPS[name]
    reduced = search(setup)
    monkeypatch.setattr(process, "canonical", keep_all)
    whole = search(setup)
    assert {state._replace(locals=tuple(map(dropping(setup), state.locals))) for state in whole} == reduced
    assert len(reduced) <= len(whole)
    if name == "check_quorum":
        assert len(reduced) < len(whole)


def keep_all(node: NodeState, _setup: Setup) -> NodeState:
    return node


def dropping(setup: Setup) -> Callable[[Local], Local]:
    return lambda state: state._replace(node=canonical(state.node, setup)) if isinstance(state, Running) else state
