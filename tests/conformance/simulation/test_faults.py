"""Every fault shows when it is on and does not when it is off."""

from __future__ import annotations

import io
from dataclasses import fields
from pathlib import Path

import pytest

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.simulation.demonstrate import demonstrate
from kubeproof.conformance.simulation.registry import FAULTS, Fault
from kubeproof.conformance.simulation.tables import PAGES, with_tables
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.verdict import Verdict
from kubeproof.impl.cluster.faults import ApplicationFaults
from kubeproof.impl.raft.faults import Faults

ROOT = Path(__file__).parents[3]
each_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


@each_fault
def test_on_it_breaks_its_property(fault: Fault, tmp_path: Path) -> None:
    run = tmp_path / "run.ndjson"
    with run.open("wb") as file:
        result = demonstrate(fault, on=True, limits=Limits(), file=file)
    assert (result.verdict, result.property) == (Verdict.VIOLATED, fault.breaks), result.message
    if fault.kind != "liveness":
        judged = check_file(str(run), None, Limits())
        assert (judged.verdict, judged.property) == (Verdict.VIOLATED, fault.breaks)


@each_fault
def test_off_everything_holds(fault: Fault) -> None:
    result = demonstrate(fault, on=False, limits=Limits())
    assert (result.verdict, result.property) == (Verdict.HOLDS, None), result.message


def test_every_switch_is_in_the_table() -> None:
    by_layer = {layer: {fault.name for fault in FAULTS.values() if fault.layer == layer} for layer in ("library", "application")}
    assert by_layer["library"] == {switch.name for switch in fields(Faults)}
    assert by_layer["application"] == {switch.name for switch in fields(ApplicationFaults)}
    assert len(FAULTS) >= 20


def test_every_switch_is_off_by_default() -> None:
    assert not any(getattr(switches, field.name) for switches in (Faults(), ApplicationFaults()) for field in fields(switches))


@pytest.mark.parametrize("page", PAGES)
def test_the_tables_of_the_pages_are_current(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert with_tables(text) == text, "run python -m kubeproof.conformance.simulation.tables"


def test_schedules_are_deterministic() -> None:
    def run() -> bytes:
        file = io.BytesIO()
        demonstrate(FAULTS["append_response_without_term"], on=True, limits=Limits(), file=file)
        return file.getvalue()

    assert run() == run()
