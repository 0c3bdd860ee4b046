"""How fast states are explored: distinct and generated states a second, and how much of the time the implementation itself takes.

Wanted on one core: at least 2,000,000 distinct and 15,000,000 generated states a second for three members of impl/raft with log,
crash and loss. Compilation is not counted; processor seconds, best of three, since other work may be going on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kubeproof.conformance.bindings import raft
from kubeproof.conformance.explore import kernel
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.explore.systems import two_phase_commit
from kubeproof.conformance.limits import Limits

ROUNDS = 3
MODELS: dict[str, Callable[[], Model]] = {
    "raft, 3 members, 2 terms, 1 proposal, 1 crash, 4 messages": lambda: raft.model(
        3, terms=2, proposals=1, crashes=1, messages=4
    ),
    "raft, the same with 1 loss and 3 messages": lambda: raft.model(3, terms=2, proposals=1, crashes=1, drops=1, messages=3),
    "two-phase commit, 8 managers": lambda: two_phase_commit.model(8),
}


class Stopwatch:
    """Processor seconds spent in a function that it stands in for."""

    def __init__(self, owner: Any, name: str) -> None:
        self._function = getattr(owner, name)
        self.seconds = 0.0
        setattr(owner, name, self)

    def __call__(self, *arguments: Any) -> Any:
        begun = time.process_time()
        try:
            return self._function(*arguments)
        finally:
            self.seconds += time.process_time() - begun


def measure(model: Model, expand: Stopwatch) -> tuple[float, str]:
    """Processor seconds, and one line about the exploration of a model."""
    begun = time.process_time()
    expand.seconds = 0.0
    exploration = Exploration(model, Limits())
    learn = Stopwatch(exploration.steps, "learn")
    exploration.run()
    spent = time.process_time() - begun
    found, rest = exploration.statistics, spent - learn.seconds
    return spent, (
        f"{found.distinct:,} distinct, {found.generated:,} generated, {exploration.steps.computed:,} local steps; {spent:.1f} s, "
        f"of which local steps {learn.seconds:.1f} s; without them {found.distinct / rest:,.0f} distinct and "
        f"{found.generated / rest:,.0f} generated a second, in the kernel {found.distinct / expand.seconds:,.0f} and "
        f"{found.generated / expand.seconds:,.0f}"
    )


def main() -> None:
    """Print one line a model."""
    Exploration(raft.model(2, terms=1, messages=2), Limits()).run()  # compiles
    expand = Stopwatch(kernel, "expand")
    for name, model in MODELS.items():
        print(f"{name}: {min(measure(model(), expand) for _ in range(ROUNDS))[1]}")


if __name__ == "__main__":
    main()
