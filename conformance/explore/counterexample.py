"""From a state that breaks a property back to the beginning: a shortest counterexample, replayed by the system itself.

A second search, which visits the states in the same order, notes where each comes from. What it finds is then done again step
by step without any table: if the system does not get there, the explorer is wrong, and that is an internal error.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from kubeproof.conformance.explore.explorer import Broken, Exploration, Level
from kubeproof.conformance.explore.kernel import Numbers
from kubeproof.conformance.explore.plain import GlobalState, UnderWay, first_state, successors
from kubeproof.conformance.explore.system import Action, Model
from kubeproof.conformance.limits import Limits


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
    messages = [UnderWay(steps.messages[message]) for message in row[components + 1 :] if message >= 0]
    return GlobalState(locals_, tuple(sorted(messages, key=repr)), steps.budgets[row[components]])
