"""From a state that breaks a property back to the beginning: a shortest counterexample, replayed by the system itself.

A second search, which visits the states in the same order, notes where each comes from. What it finds is then done again step
by step without any table: if the system does not get there, the explorer is wrong, and that is an internal error.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from kubeproof.conformance.explore.explorer import Broken, Exploration, Level
from kubeproof.conformance.explore.kernel import Numbers
from kubeproof.conformance.explore.system import DROP, DUPLICATE, Action, Local, Message, Model, Network
from kubeproof.conformance.limits import Limits


class GlobalState(NamedTuple):
    """Local states by component, messages under way (in any order, so sorted by what they print as), and budgets."""

    locals: tuple[Local, ...]
    messages: tuple[Message, ...]
    budgets: tuple[int, ...]


def shortest(model: Model, limits: Limits) -> list[tuple[Action, GlobalState]]:
    """The steps from the first state to one that breaks a property. Empty if the first state does."""
    with TemporaryDirectory(prefix="kubeproof-") as folder:
        states = list(_states(model, limits, Path(folder)))
    assert states[0] == first_state(model), "the explorer begins in another state than the system"
    steps = []
    for state, wanted in pairwise(states):
        action = next((action for action, reached in successors(model, state) if reached == wanted), None)
        assert action is not None, f"the system does not take the step that the explorer took: {state} to {wanted}"
        steps.append((action, wanted))
    return steps


def _states(model: Model, limits: Limits, folder: Path) -> Iterator[GlobalState]:
    depths = 0

    def record(level: Level, parents: list[Numbers]) -> None:
        nonlocal depths
        np.save(folder / f"rows-{depths}.npy", np.concatenate([rows for rows, _ in level]))
        np.save(folder / f"parents-{depths}.npy", np.concatenate(parents))
        depths += 1

    exploration = Exploration(model, limits, record)
    try:
        exploration.run()
    except Broken as broken:
        chain = [broken.index]
        for depth in range(broken.depth, 0, -1):
            chain.append(int(np.load(folder / f"parents-{depth}.npy", mmap_mode="r")[chain[-1]]))
        for depth, index in enumerate(reversed(chain)):
            yield _decoded(exploration, np.load(folder / f"rows-{depth}.npy", mmap_mode="r")[index].tolist())
        return
    raise AssertionError("the second search finds no violation")


def _decoded(exploration: Exploration, row: list[int]) -> GlobalState:
    steps = exploration.steps
    components = len(exploration.model.component_names)
    locals_ = tuple(steps.locals[local][1] for local in row[:components])
    messages = [steps.messages[message] for message in row[components + 1 :] if message >= 0]
    return _state(locals_, messages, steps.budgets[row[components]])


def _state(locals_: tuple[Local, ...], messages: list[Message], budgets: tuple[int, ...]) -> GlobalState:
    return GlobalState(locals_, tuple(sorted(messages, key=repr)), budgets)


# ---- the plain semantics, without tables


def first_state(model: Model) -> GlobalState:
    """Where the system begins."""
    return _state(tuple(model.system.initial()), [], tuple(model.budgets.values()))


def successors(model: Model, state: GlobalState) -> Iterator[tuple[Action, GlobalState]]:
    """Everything that may happen next, inside the bounds."""
    yield from (each for each in _all_successors(model, state) if len(each[1].messages) <= model.messages_max)


def _all_successors(model: Model, state: GlobalState) -> Iterator[tuple[Action, GlobalState]]:
    system = model.system
    for component, local in enumerate(state.locals):
        for event in system.events(component, local):
            step = system.step(component, local, event)
            budgets = _spend(model, state.budgets, event.costs)
            if step is not None and budgets is not None:
                action = Action(event.name, component, None, step.sends)
                yield action, _after(model, state, component, step.state, step.sends, None, budgets)
    for message in dict.fromkeys(state.messages):
        step = system.receive(message.to, state.locals[message.to], message)
        if step is not None:
            action = Action("receive", message.to, message, step.sends)
            yield action, _after(model, state, message.to, step.state, step.sends, message, state.budgets)
        if DROP in model.budgets and (budgets := _spend(model, state.budgets, DROP)) is not None:
            left = list(state.messages)
            left.remove(message)
            yield Action("drop", message.to, message, ()), _state(state.locals, left, budgets)
        if DUPLICATE in model.budgets and (budgets := _spend(model, state.budgets, DUPLICATE)) is not None:
            yield Action("duplicate", message.to, message, ()), _state(state.locals, [*state.messages, message], budgets)


def _spend(model: Model, budgets: tuple[int, ...], name: str | None) -> tuple[int, ...] | None:
    if name is None:
        return budgets
    place = list(model.budgets).index(name)
    return (*budgets[:place], budgets[place] - 1, *budgets[place + 1 :]) if budgets[place] else None


def _after(
    model: Model,
    state: GlobalState,
    component: int,
    local: Local,
    sends: tuple[Message, ...],
    taken: Message | None,
    budgets: tuple[int, ...],
) -> GlobalState:
    messages = list(state.messages)
    if model.network is Network.KEPT:
        messages += [message for message in dict.fromkeys(sends) if message not in messages]
    else:
        if taken is not None:
            messages.remove(taken)
        messages += sends
    locals_ = (*state.locals[:component], local, *state.locals[component + 1 :])
    return _state(locals_, messages, budgets)
