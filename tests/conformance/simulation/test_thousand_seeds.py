"""No alarm without a fault: a thousand clusters of every size, option and environment, each checked, each recovering.

The known holes of the original are kept out as `varied_plan` and `varied_settings` say.
"""

from __future__ import annotations

import pytest

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.simulation import simulate_varied
from kubeproof.conformance.simulation.plan import varied_plan
from kubeproof.conformance.verdict import Verdict
from kubeproof.impl.cluster.environment import ENVIRONMENT_FAULTS

SEEDS = 1000
BATCHES = 10


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_alarm(batch: int) -> None:
    for seed in range(1 + batch, 1 + SEEDS, BATCHES):
        result = simulate_varied(seed, Limits())
        assert result.verdict is Verdict.HOLDS, f"seed {seed}: {result.property}: {result.message} ({result.details['run']})"


def test_the_seeds_vary() -> None:
    plans = [varied_plan(seed, 1) for seed in range(1, 1 + SEEDS)]
    assert {plan.nodes for plan in plans} == {1, 2, 3, 4, 5, 7}
    assert all(any(name in plan.faults for plan in plans) for name in ENVIRONMENT_FAULTS)
    for switch in ("pre_vote", "check_quorum", "async_storage_writes", "step_down_on_removal", "apply_while_writing"):
        assert {getattr(plan.settings, switch) for plan in plans} == {True, False}
    assert not any(plan.settings.lease_based_reads for plan in plans)
    assert all(plan.settings.vote_request_after_write for plan in plans if plan.settings.async_storage_writes)
