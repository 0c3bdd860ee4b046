"""Prepared beginnings: the first steps of a search taken once, so that what it is about is not so deep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kubeproof.conformance.bindings.raft.member import ANSWER, APPLY, CAMPAIGN, WRITE, WRITTEN, Members
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.explore import system
from kubeproof.conformance.explore.plain import GlobalState, first_state, successors
from kubeproof.conformance.explore.system import Action, Model

_SETTLES = ("receive", WRITE, WRITTEN, ANSWER, APPLY)


def before(setup: Setup) -> Members:
    """Who takes the first steps: the same members, but without mistakes."""
    return Members(replace(setup, candidates=0, faults=()))


def prepared(setup: Setup) -> tuple[Sequence[system.Local], list[Action]]:
    """Where the system begins, and the actions that have led there; all of them steps of the implementation."""
    members = before(setup)
    if not setup.elected:
        return members.initial(), []
    names = tuple(map(str, range(len(members.initial()))))
    world = Model(members, names, messages_max=10 * setup.members, budgets=dict.fromkeys(setup.budgets()))
    actions: list[Action] = []
    state = _take(world, first_state(world), CAMPAIGN, actions)
    while state.messages or any(action.name in _SETTLES for action, _ in successors(world, state)):
        state = _take(world, state, None, actions)
    return state.locals, actions


def _take(world: Model, state: GlobalState, name: str | None, actions: list[Action]) -> GlobalState:
    """The first action of that name, or the first that settles something."""
    action, reached = next(
        (action, reached)
        for action, reached in successors(world, state)
        if action.name == name or (name is None and action.name in _SETTLES)
    )
    actions.append(action)
    return reached
