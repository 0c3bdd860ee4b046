"""`kubeproof bugs`: the track record. Each documented bug must be found when it is there, and nothing when it is not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from kubeproof.conformance.adapters.nodes import not_installed
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios.explore import How, explore_scenario
from kubeproof.conformance.scenarios.scenario import BUGS, Scenario, load, shipped
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict
from kubeproof.impl.cluster.faults import APPLICATION_MISTAKES
from kubeproof.impl.election.faults import MISTAKES as ELECTION_MISTAKES
from kubeproof.impl.etcd.faults import MISTAKES as ETCD_MISTAKES
from kubeproof.impl.mistakes import Mistake
from kubeproof.impl.raft.faults import MISTAKES as RAFT_MISTAKES
from kubeproof.impl.store.faults import MISTAKES as STORE_MISTAKES

PARTS = (RAFT_MISTAKES, APPLICATION_MISTAKES, ELECTION_MISTAKES, STORE_MISTAKES, ETCD_MISTAKES)
DECLARED: dict[str, Mistake] = {name: mistake for part in PARTS for name, mistake in part.items()}
"""Every switch by its name, which no other part uses."""


def load_bugs() -> dict[str, Scenario]:
    """The scenario of every bug by its id, which is the name of the file. InvalidInput for one that says too little."""
    return {path.stem: _load(path) for path in shipped(BUGS)}


def _load(path: Path) -> Scenario:
    scenario = load(str(path))
    if scenario.bug is None or not reference(scenario) or not fault(scenario):
        raise InvalidInput(path.name, None, "expected bug.reference, or faults that have one, and faults or bug.control")
    if scenario.expected is not Verdict.VIOLATED or scenario.property is None:
        raise InvalidInput(path.name, None, "expected `expected: violated` and a property")
    return scenario


def reference(scenario: Scenario) -> str:
    """Where the bug is documented: in the scenario, or where its faults are declared."""
    if scenario.bug is not None and scenario.bug.reference:
        return scenario.bug.reference
    return ", ".join(DECLARED[name].reference for name in scenario.faults if name in DECLARED)


def fault(scenario: Scenario) -> str:
    """What makes the bug: faults that are on, or options and sizes that the control sets otherwise."""
    control = {} if scenario.bug is None else scenario.bug.control
    node = [] if scenario.node is None else [scenario.node]
    made_by = {
        name: str(not value).lower() if isinstance(value, bool) else scenario.size[name] for name, value in control.items()
    }
    return ", ".join([*scenario.faults, *node, *(f"{name}={value}" for name, value in made_by.items())])


def left_out(scenario: Scenario) -> str | None:
    """Why a bug of somebody else's implementation cannot be looked for here; None if it can."""
    mended = None if scenario.bug is None else scenario.bug.node
    return next(filter(None, map(not_installed, filter(None, (scenario.node, mended)))), None)


def judge(id_: str, limits: Limits) -> Result:
    """Judge one of the bugs that ship."""
    bugs = load_bugs()
    if id_ not in bugs:
        raise InvalidInput(id_, None, f"expected one of {', '.join(bugs)}")
    return judge_scenario(id_, bugs[id_], limits)


def judge_scenario(id_: str, scenario: Scenario, limits: Limits) -> Result:
    """Explore a bug's scenario without it and with it. `holds` if the first holds and the second breaks what it must.

    Where the bug is one of steps, a specification must refuse some with it, for the reason given, and none without it.
    """
    begun = time.perf_counter()
    refused_by = {} if scenario.bug is None else scenario.bug.refused_by
    how = How(refines=tuple(refused_by))
    off = explore_scenario(f"{id_} (control)", scenario.control(), limits, how)
    on = explore_scenario(id_, scenario, limits, how)
    verdict, message = _verdict(scenario, off, on)
    details = {
        "bug": id_,
        "reference": reference(scenario),
        "fault": fault(scenario),
        "engine": "explore",
        "off": off.verdict.value,
        "on": on.verdict.value,
        "steps": on.details["steps"],
        "states": on.details["distinct"],
        "counterexample": on.details["counterexample"],
        "refused_by": refused_by,
    }
    return Result(id_, "bug", verdict, scenario.property, message, time.perf_counter() - begun, details)


def _verdict(scenario: Scenario, off: Result, on: Result) -> tuple[Verdict, str]:
    for which, result in (("off", off), ("on", on)):
        if result.verdict is Verdict.UNKNOWN:
            return Verdict.UNKNOWN, f"{which}: {result.message}"
    if off.verdict is not Verdict.HOLDS:
        return Verdict.VIOLATED, f"off: expected holds, seen {off.property}: {off.message}"
    if (on.verdict, on.property) != (Verdict.VIOLATED, scenario.property):
        return (
            Verdict.VIOLATED,
            f"on: expected a violation of {scenario.property}, seen {on.property or on.verdict}: {on.message}",
        )
    for spec, reason in scenario.bug.refused_by.items() if scenario.bug is not None else ():
        judged = cast(Mapping[str, Mapping[str, Mapping[str, int]]], on.details.get("refines", {}))
        if spec not in judged:
            why = cast(Mapping[str, str], on.details["not_judged"])[spec]
            return Verdict.UNKNOWN, f"on: not judged by {spec}: {why}"
        seen = judged[spec]["refused_by"]
        if reason not in seen:
            return Verdict.VIOLATED, f"on: expected steps refused by {reason} of {spec}, seen {', '.join(seen) or 'none'}"
    return Verdict.HOLDS, ""
