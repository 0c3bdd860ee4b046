"""`kubeproof explore --walks`: random walks through a scenario that is too big to exhaust. They find, and prove nothing."""

from __future__ import annotations

import time

from kubeproof.conformance.explore.walks import LENGTH, Walker
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.scenarios.explore import Violation, evidence
from kubeproof.conformance.scenarios.scenario import Scenario
from kubeproof.conformance.verdict import Result, Verdict


def walk(name: str, scenario: Scenario, walks: int, seed: int, limits: Limits) -> Result:
    """The first violation in so many walks, made short. Without one the verdict is `unknown`."""
    begun = time.perf_counter()
    model = scenario.model()
    walker = Walker(model, seed, limits)
    details: dict[str, object] = {"complete": False, "counterexample": None, "steps": None}
    verdict, broken, message = Verdict.UNKNOWN, None, f"nothing found in {walks} walks of {LENGTH} steps, which proves nothing"
    try:
        found = walker.walk(walks)
        if found is not None:
            violation = Violation(found.property.id, found.property.sentence, found.way, [], is_safety=True)
            details |= evidence(name, scenario, model, violation) | {"walks": found.walks}
            verdict, broken = Verdict.VIOLATED, violation.property
            message = f"{violation.sentence} Not so after {len(violation.way)} steps."
    except LimitReached as limit:
        message = str(limit)
    details |= {"walked": walker.taken, "local_steps": walker.local_steps, "seed": seed}
    return Result(name, "exploration", verdict, broken, message, time.perf_counter() - begun, details)
