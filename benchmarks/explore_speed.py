"""How fast states are explored, and how much of the time the implementation itself takes.

Without arguments: distinct and generated states a second of a few models, by one thread and by two; bytes for each state.
Wanted on one core: at least 2,000,000 distinct and 15,000,000 generated states a second for three members of impl/raft with log,
crash and loss. Compilation is not counted; best of three, since other work may be going on.

`scenarios`: every scenario that ships, with how often its system was asked and how long that took.
`big [STATES]`: one search of so many states (5 * 10^8), with its memory.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from benchmarks import ongardie_raft
from kubeproof.conformance.bindings import raft
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.limits import LimitReached, Limits, resident_mb
from kubeproof.conformance.scenarios.explore import How, explore
from kubeproof.conformance.scenarios.scenario import GROUPS, shipped
from kubeproof.conformance.scenarios.systems import two_phase_commit

ROUNDS = 3
MODELS: dict[str, Callable[[], Model]] = {
    "raft, 3 members, 2 terms, 1 proposal, 1 crash, 4 messages": lambda: raft.model(
        3, terms=2, proposals=1, crashes=1, messages=4
    ),
    "raft, the same with 2 losses and 3 messages": lambda: raft.model(3, terms=2, proposals=1, crashes=1, drops=2, messages=3),
    "two-phase commit, 8 managers": lambda: two_phase_commit.model(8),
    "ongardie's raft.tla, logs of 2": ongardie_raft.model,
}


def measure(model: Model, threads: int) -> tuple[float, str]:
    """Seconds, and one line about the exploration of a model."""
    cpu, wall, before = time.process_time(), time.perf_counter(), resident_mb()
    exploration = Exploration(model, Limits(), threads=threads)
    exploration.run()
    spent, elapsed = time.process_time() - cpu, time.perf_counter() - wall
    found, rest = exploration.statistics, elapsed - exploration.learning_s
    memory = (resident_mb() - before) * 2**20 / found.distinct
    return elapsed, (
        f"{found.distinct:,} distinct, {found.generated:,} generated, {exploration.steps.computed:,} local steps in "
        f"{exploration.learning_s:.1f} s; {elapsed:.1f} s in all ({spent:.1f} of the processors); without local steps "
        f"{found.distinct / rest:,.0f} distinct and {found.generated / rest:,.0f} generated a second; {memory:.0f} bytes a state"
    )


def speed() -> None:
    """Print one line a model and number of threads."""
    Exploration(raft.model(2, terms=1, messages=2), Limits()).run()  # compiles
    for name, model in MODELS.items():
        for threads in (1, 2):
            print(f"{name}, {threads} threads: {min(measure(model(), threads) for _ in range(ROUNDS))[1]}", flush=True)


def scenarios() -> None:
    """Print one line a scenario."""
    for group in GROUPS:
        for path in shipped(group):
            result = explore(path.stem, (), Limits(), How(threads=2))
            states, steps, seconds = (result.details[name] for name in ("distinct", "local_steps", "local_step_seconds"))
            print(f"{group:6} {path.stem:48} {result.verdict:9} {states:>12,} states {steps:>8,} local steps {seconds:>7} s")


def big(states: int) -> None:
    """One search that is stopped when it has found so many states."""

    def look(exploration: Exploration) -> None:
        found = exploration.statistics
        spent = time.perf_counter() - begun
        print(f"{found.distinct:,} states, depth {found.depth}, {spent:.0f} s, {resident_mb():,.0f} MB", flush=True)
        if found.distinct >= states:
            raise LimitReached(f"{states} states")

    begun = time.perf_counter()
    try:
        Exploration(ongardie_raft.model(3, 2), Limits(), threads=2, progress=look).run()
    except LimitReached as limit:
        print(limit)


def main() -> None:
    """What was asked for."""
    match sys.argv[1:]:
        case []:
            speed()
        case ["scenarios"]:
            scenarios()
        case ["big", *states]:
            big(int(states[0]) if states else 5 * 10**8)
        case other:
            sys.exit(f"expected nothing, `scenarios` or `big [STATES]`, got {' '.join(other)}")


if __name__ == "__main__":
    main()
