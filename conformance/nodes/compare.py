"""`kubeproof compare`: is a program's every answer the reference's, in all states that the reference reaches?"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from kubeproof.conformance.adapters.nodes import node_of
from kubeproof.conformance.bindings.raft.model import model_of
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.nodes.agreement import Agreement, questions
from kubeproof.conformance.nodes.child import Child
from kubeproof.conformance.nodes.options import Options, every_option
from kubeproof.conformance.nodes.outcome import Difference
from kubeproof.conformance.nodes.ways import Ways, begun, beyond
from kubeproof.conformance.scenarios.scenario import load
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict

KIND = "comparison"
AGREEMENT = "agreement"
"""The property: whatever happens in whatever state, both do the same."""
OTHERS_MAX = 99
"""Differences in the same fields that are told besides the first: each has two whole states in it."""


def compare(
    name: str,
    settings: Iterable[str],
    node: str,
    limits: Limits,
    threads: int = 1,
    progress: Callable[[Exploration], object] | None = None,
) -> Result:
    """Compare all local steps that a scenario reaches."""
    begun_s = time.perf_counter()
    setup = setup_of(name, settings)
    model = replace(model_of(setup), symmetry=None, always=(), sometimes=(), recoverable=())
    exploration = Exploration(model, limits, threads=threads, progress=progress)
    agreement = Agreement(begun(setup), program(node, setup, every_option(setup)))
    verdict, message = Verdict.HOLDS, ""
    try:
        with agreement.child:
            exploration.run()
            agreement.run(questions(exploration, agreement.members), limits)
        if not agreement.asked:
            raise InvalidInput(
                name, None, "expected a scenario in which something happens, so that there is something to compare"
            )
        states = exploration.statistics.distinct
        message = f"equal on all {agreement.asked:,} local transitions reachable in {states:,} global states"
    except LimitReached as limit:
        verdict, message = Verdict.UNKNOWN, f"{limit} after {agreement.asked:,} local transitions"
    found = agreement.differences
    if found:
        message = (
            f"{len(found):,} of {agreement.asked:,} local transitions differ; {agreement.behind:,} behind them were not asked"
        )
        verdict = Verdict.VIOLATED
    figures = {"states": exploration.statistics.distinct, "local_transitions": agreement.asked}
    return _result(name, node, verdict, message, begun_s, figures, found)


def compare_at_random(name: str, settings: Iterable[str], node: str, steps: int, seed: int, limits: Limits) -> Result:
    """Compare so many steps of random ways, without the scenario's bounds. That they are equal proves nothing."""
    begun_s = time.perf_counter()
    setup = beyond(setup_of(name, settings))
    ways = Ways(setup, program(node, setup, {**every_option(setup), "keeps_states": False}))
    verdict, message, found = Verdict.UNKNOWN, f"equal on {steps:,} random steps, which proves nothing", None
    try:
        found = ways.run(steps, seed, limits)
    except LimitReached as limit:
        message = f"{limit} after {ways.taken:,} random steps"
    if found is not None:
        verdict = Verdict.VIOLATED
        message = f"a difference after {len(found.history)} steps of one member; found by {ways.taken:,} random ones"
    return _result(name, node, verdict, message, begun_s, {"walked": ways.taken, "seed": seed}, [] if found is None else [found])


def setup_of(name: str, settings: Iterable[str]) -> Setup:
    """The setup of a scenario. InvalidInput if it is one of another system."""
    scenario = load(name, settings)
    if scenario.system != "raft":
        raise InvalidInput(name, None, f"expected a scenario of the system raft, got one of {scenario.system}")
    sizes: dict[str, Any] = {**scenario.size, **scenario.options}
    return Setup(**sizes, faults=scenario.faults)


def program(node: str, setup: Setup, options: Options) -> Child:
    """The program that is compared. InvalidInput if it is no program."""
    child = node_of(node, setup.members, options)
    if not isinstance(child, Child):
        raise InvalidInput("node", None, f"expected a program that tells of itself as the reference does, got {node}")
    return child


def _result(
    name: str,
    node: str,
    verdict: Verdict,
    message: str,
    begun_s: float,
    figures: dict[str, int],
    differences: Iterable[Difference],
) -> Result:
    details = {"node": node, **figures, "differences": grouped(differences)}
    broken = AGREEMENT if verdict is Verdict.VIOLATED else None
    return Result(name, KIND, verdict, broken, message, time.perf_counter() - begun_s, details)


def grouped(differences: Iterable[Difference]) -> list[dict[str, Any]]:
    """Differences by the fields that differ, the most frequent first; of each the first that was met, and some others."""
    alike: dict[tuple[str, ...], list[Difference]] = defaultdict(list)
    for each in differences:
        alike[each.fields].append(each)
    return [
        {
            "fields": list(cause),
            "count": len(found),
            "first": _told(found[0]),
            "others": [_told(each) for each in found[1 : OTHERS_MAX + 1]],
        }
        for cause, found in sorted(alike.items(), key=lambda item: -len(item[1]))
    ]


def _told(found: Difference) -> dict[str, Any]:
    told = {"member": found.number, "state": found.state, "event": found.event, "ours": found.ours, "theirs": found.theirs}
    return {**told, "history": list(found.history)} if found.history else told
