"""Documented bugs of Raft as scenarios: some of each kind are found, with a silent control. (`kubeproof bugs` shows all.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeproof.conformance import bugs
from kubeproof.conformance.bindings.raft.setup import EXPLORED_APPLICATION_FAULTS
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios.scenario import Scenario
from kubeproof.conformance.verdict import Verdict
from kubeproof.impl.raft.faults import MISTAKES

RAFT = {id_: scenario for id_, scenario in bugs.load_bugs().items() if scenario.system == "raft"}
QUICK = (
    "raft-sent-before-written",
    "raft-unapplied-check-skipped-for-transfer",
    "raft-learner-counted-as-voter",
    "raft-learner-refuses-votes",
    "raft-removed-leader-leads-on",
    "raft-single-voter-commits-before-write",
    "raft-pagination-skips-entries",
    "raft-read-served-before-applied",
    "raft-lease-outlives-election",
)


@pytest.mark.parametrize("id_", QUICK)
def test_a_bug_is_found_with_a_silent_control(id_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = bugs.judge(id_, Limits())
    assert result.verdict is Verdict.HOLDS, result.message
    assert result.details["states"] == RAFT[id_].pinned()


@pytest.mark.parametrize(("id_", "scenario"), RAFT.items(), ids=list(RAFT))
def test_a_scenario_is_named_after_its_fault_and_builds(id_: str, scenario: Scenario) -> None:
    for fault in scenario.faults:
        assert id_ == f"raft-{fault.replace('_', '-')}"
        assert fault in MISTAKES or fault in EXPLORED_APPLICATION_FAULTS
    assert scenario.pinned()
    model = scenario.model()
    assert scenario.property in properties(model)
    assert properties(scenario.control().model()) == properties(model)


def properties(model: Model) -> set[str]:
    return {each.id for each in model.always} | {each.id for each in model.recoverable}
