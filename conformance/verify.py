"""The main job: judge everything that ships. Each part is one result; `holds` means that the part came out as it should."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import msgspec

from kubeproof.conformance.interaction import run_file
from kubeproof.conformance.limits import Limits, available_processors
from kubeproof.conformance.proofs import work
from kubeproof.conformance.proofs.prove import load_hints, prove
from kubeproof.conformance.scenarios.explore import explore
from kubeproof.conformance.scenarios.scenario import shipped
from kubeproof.conformance.simulation import simulate_varied
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.verdict import Result, Verdict
from kubeproof.models.catalogue import NAMES

PACKAGE = Path(__file__).parents[1]


class RecordedRun(msgspec.Struct, forbid_unknown_fields=True):
    """What traces/manifest.json says of one recorded Run."""

    file: str
    source: str
    sha256: str
    events: int
    verdict: Verdict
    property: str | None
    line: int | None


def parts(seeds: int) -> Iterator[Result]:
    """Every part of the main job, each judged when it is asked for."""
    yield from recorded_runs(PACKAGE / "traces")
    yield from proven_specifications()
    yield from interaction_scenarios(PACKAGE / "conformance" / "interaction" / "scenarios")
    yield from explored_scenarios()
    yield simulated_seeds(seeds)


def recorded_runs(folder: Path) -> Iterator[Result]:
    """Each Run of the folder against its row in manifest.json: digest, number of events, verdict, property and line."""
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=list[RecordedRun])
    if not manifest:
        yield Result("traces", "check", Verdict.INVALID, message="no recorded runs were found")
    listed = {row.file for row in manifest}
    present = {item.name for item in folder.iterdir() if ".ndjson" in item.name}
    for name in sorted(listed ^ present):
        yield Result(f"traces/{name}", "check", Verdict.INVALID, message="manifest.json and the folder disagree about this file")
    for row in manifest:
        if row.file in present:
            yield _recorded_run(row, folder / row.file)


def _recorded_run(row: RecordedRun, path: Path) -> Result:
    begun = time.perf_counter()
    seen = check_file(str(path), None, Limits())
    facts: dict[str, tuple[object, object]] = {
        "sha256": (row.sha256, sha256(path.read_bytes()).hexdigest()),
        "events": (row.events, seen.details.get("events")),
        "verdict": (row.verdict, seen.verdict),
        "property": (row.property, seen.property),
        "line": (row.line, seen.details.get("line")),
    }
    wrong = [f"{name}: expected {expected}, seen {got}" for name, (expected, got) in facts.items() if expected != got]
    verdict = Verdict.VIOLATED if wrong else Verdict.HOLDS
    message = "; ".join(wrong) or f"{row.verdict} as recorded" + (f" ({row.property}, line {row.line})" if row.property else "")
    seconds = time.perf_counter() - begun
    return Result(f"traces/{row.file}", "check", verdict, None, message, seconds, {"events": row.events})


def interaction_scenarios(folder: Path) -> Iterator[Result]:
    """Our scenarios in etcd-io/raft's datadriven format against the reference."""
    scenarios = sorted(folder.glob("*.txt"))
    if not scenarios:
        yield Result("scenarios", "interaction", Verdict.INVALID, message="no interaction scenarios were found")
    for scenario in scenarios:
        yield replace(run_file(str(scenario), Limits()), subject=f"scenarios/{scenario.name}")


def proven_specifications() -> Iterator[Result]:
    """Every promised property of every specification, proven with hints; and that the specifications are not empty.

    Before anything is explored: its worker processes are forked from this one, which then has no other threads.
    """
    how = work.How(available_processors(), load_hints(NAMES))
    yield from prove(NAMES, None, how, Limits())


def explored_scenarios() -> Iterator[Result]:
    """Every scenario that ships, explored: `holds` means that the outcome is the expected one, with the pinned count."""
    if not shipped():
        yield Result("scenarios", "exploration", Verdict.INVALID, message="no exploration scenarios were found")
    for path in shipped():
        result = explore(path.stem, (), Limits())
        verdict = Verdict.HOLDS if result.details["as_expected"] else Verdict.VIOLATED
        message = f"{result.verdict} as expected" if verdict is Verdict.HOLDS else f"expected otherwise: {result.message}"
        details = {key: result.details[key] for key in ("distinct", "generated", "refines") if key in result.details}
        yield Result(result.subject, "exploration", verdict, None, message, result.seconds, details)


def simulated_seeds(seeds: int) -> Result:
    """Simulated clusters of varied size, options and faults, each checked while it runs; the first alarm is the result."""
    begun = time.perf_counter()
    events = 0
    for seed in range(1, seeds + 1):
        result = simulate_varied(seed, Limits())
        if result.verdict is not Verdict.HOLDS:
            return result
        events += int(str(result.details["events"]))
    seconds = time.perf_counter() - begun
    return Result("raft, varied", "simulation", Verdict.HOLDS, None, "", seconds, {"seeds": seeds, "events": events})
