"""How long proofs take: with hints, from scratch, mutants and guards; and refinement beside the exploration that it judges.

Wanted on two quiet cores, for Raft, membership changes, reads and leader election together: 12 s with hints, 60 s from scratch,
3 minutes for mutants; and refinement that takes no longer than the exploration.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.limits import Limits, available_processors
from kubeproof.conformance.proofs.mutants import judge_mutants
from kubeproof.conformance.proofs.prove import load_hints, prove
from kubeproof.conformance.proofs.work import How
from kubeproof.conformance.refinement.refine import BINDINGS, refine
from kubeproof.conformance.scenarios.scenario import load
from kubeproof.conformance.verdict import Result, Verdict

CONSENSUS_AND_ELECTION = ("raft", "membership", "reads", "lease_reads", "election")
STORE = ("mvcc", "watch", "lease", "backup")
SCENARIOS = ("raft-crash", "raft-lossy", "raft-transfer", "raft-membership", "raft-read-index", "election-fencing")


def timed(what: str, results: Callable[[], Iterable[Result]]) -> None:
    begun = time.perf_counter()
    found = list(results())
    wrong = sum(result.verdict is not Verdict.HOLDS for result in found if result.kind == "proof")
    print(f"{what}: {time.perf_counter() - begun:.1f} s, {len(found)} results" + (f", {wrong} NOT PROVEN" if wrong else ""))


def measure_proofs(names: tuple[str, ...]) -> None:
    jobs = available_processors()
    title = ", ".join(names)
    timed(f"{title} with hints", lambda: prove(names, None, How(jobs, load_hints(names)), Limits()))
    timed(f"{title} from scratch", lambda: prove(names, None, How(jobs), Limits()))
    timed(f"{title} mutants and guards", lambda: judge_mutants(names, How(jobs, load_hints(names)), Limits()))


def measure_refinement(name: str) -> None:
    scenario = load(name)
    model = scenario.model()
    exploration = Exploration(model, Limits())
    begun = time.process_time()
    exploration.run()
    explored_s = time.process_time() - begun
    for spec in scenario.refines:
        begun = time.process_time()
        found = refine(BINDINGS[spec], model, exploration.taken_steps())
        judged_s = time.process_time() - begun
        print(f"{name} as {spec}: {found.judged:,} local steps judged in {judged_s:.1f} s, explored in {explored_s:.1f} s")


if __name__ == "__main__":
    if "refinement" not in sys.argv[1:]:
        measure_proofs(CONSENSUS_AND_ELECTION)
        measure_proofs(STORE)
    for each in SCENARIOS:
        measure_refinement(each)
