"""Renaming members: a group action that commutes with every local step, and a search that finds the same with fewer states."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import permutations
from typing import Any

import pytest

from kubeproof.conformance.bindings.raft import model
from kubeproof.conformance.bindings.raft.model import model_of
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.bindings.raft.symmetry import Ids, rename
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.system import Event, Message, Model, Step, Taken
from kubeproof.conformance.limits import Limits
from tests.conformance.explore.raft_walks import FEATURES, walk

ALIKE = {
    "plain": Setup(3, terms=3, proposals=3, heartbeats=2, messages=6),
    "crash": Setup(3, terms=3, proposals=2, crashes=3, drops=3, messages=6),
    "check_quorum": Setup(3, terms=3, crashes=1, heartbeats=4, messages=6, pre_vote=True, check_quorum=True, forget_leader=True),
    "transfer": Setup(3, terms=3, proposals=2, transfers=3, messages=6, forward_proposals=True),
    "snapshot": Setup(3, terms=3, proposals=3, heartbeats=5, drops=4, compactions=3, messages=6, report_snapshots=True),
    "reads": Setup(3, terms=3, proposals=2, heartbeats=3, reads=3, read_retries=1, messages=6),
    "reused": Setup(3, terms=3, heartbeats=3, reads=3, messages=6, faults=("read_index_context_reused",)),
    "slow": Setup(3, proposals=2, crashes=2, slow_writes=3, slow_answers=3, slow_applies=3, messages=6, client=True),
    "slow_votes": Setup(3, crashes=2, slow_writes=3, messages=6, vote_request_after_write=True),
    "apply_while_writing": Setup(3, terms=3, proposals=3, crashes=2, messages=6, apply_while_writing=True),
}
"""Setups in which members are told apart by nothing but their ids."""


def moved(component: int, ids: Ids) -> int:
    return ids[component] if component < len(ids) else component


def renamed_cause(cause: Event | Message, ids: Ids) -> Event | Message:
    """An event's argument is a member's id, such an id and more, or none; of the client's it is that of who is asked."""
    if isinstance(cause, Message):
        return Message(moved(cause.to, ids), rename(cause.body, ids), cause.synchronous)
    if cause.name in ("transfer_leader", "read"):
        assert isinstance(cause.argument, int)
        return cause._replace(argument=ids[cause.argument - 1] + 1)
    if cause.name == "report_snapshot":
        assert isinstance(cause.argument, tuple)
        return cause._replace(argument=(ids[cause.argument[0] - 1] + 1, *cause.argument[1:]))
    return cause


def renamed_step(step: Step, ids: Ids) -> tuple[Any, list[str]]:
    return rename(step.state, ids), sorted(
        repr(Message(moved(sent.to, ids), rename(sent.body, ids), sent.synchronous)) for sent in step.sends
    )


def taken(system: Any, component: int, state: Any, cause: Event | Message) -> tuple[Any, list[str]]:
    step = system.receive(component, state, cause) if isinstance(cause, Message) else system.step(component, state, cause)
    assert step is not None
    return step.state, sorted(map(repr, step.sends))


@pytest.mark.parametrize("setup", ALIKE.values(), ids=list(ALIKE))
def test_renaming_commutes_with_every_local_step(setup: Setup) -> None:
    built = model_of(setup)
    for before, each in local_steps(built):
        for ids in permutations(range(setup.members)):
            cause = renamed_cause(each.cause, ids)
            found = taken(built.system, moved(each.component, ids), rename(before, ids), cause)
            assert found == renamed_step(each.step, ids)
            assert each.step.labels == () or isinstance(each.step.labels[0], str)


def local_steps(built: Model) -> Iterable[tuple[Any, Taken]]:
    """Each different local step of some ways, with the state in which it was taken."""
    seen = set()
    for seed in range(2):
        locals_ = list(built.system.initial())
        for action, _ in walk(built, seed, 50):
            for each in action.taken:
                key = each.component, locals_[each.component], each.cause
                if key not in seen:
                    seen.add(key)
                    yield locals_[each.component], each
                locals_[each.component] = each.step.state


@pytest.mark.parametrize("feature", FEATURES)
def test_renaming_is_a_group_action(feature: str) -> None:
    """The identity changes nothing, and one renaming after the other is the two in one."""
    built = model_of(FEATURES[feature])
    members = FEATURES[feature].members
    values = {
        value for _, state in walk(built, 1, 40) for value in (*state.locals, *(each.message.body for each in state.messages))
    }
    everybody = tuple(range(members))
    first, second = everybody[1:] + everybody[:1], everybody[::-1]
    both = tuple(second[first[each]] for each in everybody)
    for value in values:
        assert rename(value, everybody) == value
        assert rename(rename(value, first), second) == rename(value, both)
        assert hash(rename(value, first)) == hash(rename(rename(value, both), inverse(second)))


def inverse(ids: Ids) -> Ids:
    return tuple(ids.index(each) for each in range(len(ids)))


def outcome(built: Model) -> tuple[int, str | None]:
    exploration = Exploration(built, Limits())
    try:
        exploration.run()
    except Broken as broken:
        return exploration.statistics.distinct, broken.property.id
    return exploration.statistics.distinct, None


SMALL: dict[str, Callable[[bool], Model]] = {
    "holds": lambda symmetry: model(3, terms=1, messages=4, symmetry=symmetry),
    "crash": lambda symmetry: model(2, terms=2, crashes=1, messages=3, symmetry=symmetry),
    "candidate": lambda symmetry: model(3, terms=2, candidates=1, messages=3, symmetry=symmetry),
    "learner": lambda symmetry: model(4, terms=1, learners=1, messages=3, symmetry=symmetry),
    "violated": lambda symmetry: model(3, terms=1, messages=6, symmetry=symmetry, faults=("vote_granted_twice",)),
}


@pytest.mark.parametrize("small", SMALL)
def test_a_search_with_symmetry_finds_the_same_with_fewer_states(small: str) -> None:
    whole, reduced = outcome(SMALL[small](False)), outcome(SMALL[small](True))
    assert reduced[1] == whole[1]
    assert reduced[0] < whole[0]


def test_members_with_a_place_of_their_own_are_not_interchangeable() -> None:
    def alike(built: Model) -> tuple[int, ...]:
        assert built.symmetry is not None
        return built.symmetry.components

    assert alike(model(3, symmetry=True)) == (0, 1, 2)
    assert alike(model(3, slow_writes=3, symmetry=True)) == (0, 1, 2)
    assert alike(model(4, slow_writes=1, fragile=2, symmetry=True)) == (0, 1)
    assert alike(model(4, learners=1, symmetry=True)) == (0, 1, 2)
    assert alike(model(4, candidates=2, symmetry=True)) == (0, 1)
    assert alike(model(4, remove=True, changes=1, symmetry=True)) == (0, 1, 2)
    assert model(3).symmetry is None
