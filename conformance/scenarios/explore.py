"""`kubeproof explore`: exhaust a scenario, hold the outcome against what is expected, and leave a counterexample."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from kubeproof.conformance.adapters.nodes import digests, is_program
from kubeproof.conformance.explore import known_steps, liveness, saving
from kubeproof.conformance.explore.checkpoint import EVERY_S, Checkpoint
from kubeproof.conformance.explore.counterexample import Way, shortest, way_to
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.nodes.retake import confirm
from kubeproof.conformance.refinement.refine import binding_of, refine
from kubeproof.conformance.scenarios import recorded
from kubeproof.conformance.scenarios.scenario import Scenario, load
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict

NOT_AS_PINNED = "pinned_count"
NOT_WITNESSED = "sometimes"
NOT_REFINED = "refinement"


@dataclass(frozen=True, slots=True)
class How:
    """How to search: with `threads`, telling whole states apart (`exact`), saving the state in a folder (`checkpoint`).

    `progress` is told at every level how far it is. With `keeps_steps`, local steps are kept on disk for the next time. All local
    steps taken are judged by the specifications that the scenario refines, and by those named in `refines`. With a `node` it is
    that implementation which is explored.
    """

    threads: int = 1
    exact: bool = False
    checkpoint: Path | None = None
    checkpoint_every_s: float = EVERY_S
    progress: Callable[[Exploration], object] | None = None
    keeps_steps: bool = False
    refines: tuple[str, ...] = ()
    node: str | None = None


class Violation(NamedTuple):
    """A property that does not hold, and the way that shows it.

    What must never be is shown by its last state. What must be possible or must happen is shown by what comes no more: in a run
    that goes round `loop` for ever, or from the last state on.
    """

    property: str
    sentence: str
    way: Way
    loop: Way
    is_safety: bool


def explore(name: str, settings: Iterable[str], limits: Limits, how: How = How()) -> Result:
    """Explore a scenario of this name. The verdict is about the system; whether it is the expected one, `as_expected` tells.

    As it is in its file it must be judged by all that it refines; with other settings by those that still speak of it.
    """
    settings = list(settings)
    scenario = load(name, settings, how.node)
    if not settings and how.node is None:
        how = replace(how, refines=(*scenario.refines, *how.refines))
    return explore_scenario(name, scenario, limits, how)


def explore_scenario(name: str, scenario: Scenario, limits: Limits, how: How = How()) -> Result:
    """Explore a scenario, which the result calls by this name."""
    begun = time.perf_counter()
    model = scenario.model()
    judge = _judge(scenario.refines, how.refines, model)
    key = saving.key_of(scenario.system, scenario.size, scenario.options, scenario.faults, scenario.node)
    checkpoint = _checkpoint(key, scenario, how)
    exploration = _exploration(name, model, limits, how, checkpoint)
    resumed = checkpoint is not None and checkpoint.resume(exploration)
    keeps_steps = how.keeps_steps and not (scenario.node and is_program(scenario.node))
    recalled = known_steps.recall(key, exploration.steps) if keeps_steps and not resumed else 0
    details: dict[str, object] = {"complete": False, "counterexample": None, "steps": None}
    verdict, broken, message = Verdict.HOLDS, None, ""
    try:
        violation = _explore(exploration, limits)
        if violation is None:
            confirm(model, None)
            details["complete"] = True
            verdict, broken, message = _outcome(scenario, exploration)
        else:
            details |= evidence(name, scenario, model, violation)
            verdict, broken = Verdict.VIOLATED, violation.property
            message = f"{violation.sentence} Not so after {len(violation.way)} steps."
        refused, more = judge(exploration, limits, verdict is Verdict.HOLDS)
        details |= more
        if verdict is Verdict.HOLDS and refused:
            verdict, broken, message = Verdict.VIOLATED, NOT_REFINED, refused[0]
            details["evidence"] = [{"file": None, "line": None, "what": line} for line in refused]
    except LimitReached as limit:
        if verdict is Verdict.HOLDS:
            verdict, message = Verdict.UNKNOWN, f"{limit} at depth {exploration.statistics.depth}"
        else:
            details["not_judged"] = dict.fromkeys((*scenario.refines, *how.refines), str(limit))
    details |= _figures(exploration) | {"resumed": resumed, "local_steps": exploration.steps.computed - recalled}
    details["local_step_seconds"] = round(exploration.learning_s, 3)
    if checkpoint is not None and verdict is not Verdict.UNKNOWN:
        checkpoint.forget()
    if keeps_steps and exploration.steps.computed > recalled:
        known_steps.keep(key, exploration.steps)
    as_pinned = scenario.pinned() in (None, exploration.statistics.distinct)
    as_expected = as_pinned and verdict is scenario.expected and broken == scenario.property and "not_judged" not in details
    details |= {"expected": scenario.expected.value, "as_expected": as_expected}
    return Result(name, "exploration", verdict, broken, message, time.perf_counter() - begun, details)


def _checkpoint(key: str, scenario: Scenario, how: How) -> Checkpoint | None:
    """What is resumed must have been asked the same, of the same program."""
    if how.checkpoint is None:
        return None
    programs = () if scenario.node is None else digests(scenario.node)
    return Checkpoint(how.checkpoint, f"{key} {how.exact} {sorted(scenario.leaves_out)} {programs}", how.checkpoint_every_s)


def _exploration(name: str, model: Model, limits: Limits, how: How, checkpoint: Checkpoint | None) -> Exploration:
    if model.symmetry is not None and (how.exact or model.eventually):
        reason = "whole states are kept" if how.exact else "fair runs are looked for"
        raise InvalidInput(name, None, f"expected no symmetry, as {reason} among all states: set symmetry=false")

    def level_is_done(exploration: Exploration) -> None:
        if checkpoint is not None:
            checkpoint.level_is_done(exploration)
        if how.progress is not None:
            how.progress(exploration)

    numbered = bool(model.recoverable or model.eventually)
    return Exploration(model, limits, threads=how.threads, numbered=numbered, exact=how.exact, progress=level_is_done)


def _explore(exploration: Exploration, limits: Limits) -> Violation | None:
    """Explore everything, then ask about what must be possible and what must happen."""
    model = exploration.model
    try:
        exploration.run()
    except Broken as broken:
        numbered = exploration.stored is not None
        wrong, way = (broken.property, way_to(exploration, broken.state)) if numbered else shortest(model, limits)
        return Violation(wrong.id, wrong.sentence, way, [], wrong in model.always)
    for possible in model.recoverable:
        limits.check()
        stuck = liveness.unrecoverable(exploration, possible)
        if stuck is not None:
            return Violation(possible.id, possible.sentence, stuck, [], False)
    for certain in model.eventually:
        limits.check()
        lasso = liveness.never(exploration, certain)
        if lasso is not None:
            return Violation(certain.id, certain.sentence, lasso.way, lasso.loop, False)
    return None


def _outcome(scenario: Scenario, exploration: Exploration) -> tuple[Verdict, str | None, str]:
    """All states hold: is the search also as big as it was, and did it see what it must see?"""
    pinned, distinct = scenario.pinned(), exploration.statistics.distinct
    if pinned not in (None, distinct):
        return Verdict.VIOLATED, NOT_AS_PINNED, f"expected {pinned} distinct states at this size, found {distinct}"
    missed = [each.id for each in exploration.model.sometimes if each.id not in exploration.witnessed]
    if missed:
        return Verdict.VIOLATED, NOT_WITNESSED, f"never seen: {', '.join(missed)}"
    return Verdict.HOLDS, None, ""


Judged = tuple[list[str], dict[str, object]]
"""What is wrong, in sentences, and details for the result."""


def _judge(own: Iterable[str], asked: Iterable[str], model: Model) -> Callable[[Exploration, Limits, bool], Judged]:
    """Judges by specifications what local steps were taken: the scenario's own, and those that were asked for.

    Where one has nothing to say of the model that is told; InvalidInput for one that was asked for, if all else holds.
    """
    for name in asked:
        binding_of(name, model)

    def judge(exploration: Exploration, limits: Limits, holds: bool) -> Judged:
        sentences: list[str] = []
        judged: dict[str, object] = {}
        not_judged: dict[str, str] = {}
        for name in dict.fromkeys((*own, *asked)):
            try:
                found = refine(binding_of(name, model), model, exploration.taken_steps(), limits)
            except InvalidInput as problem:
                if holds and name in asked:
                    raise
                not_judged[name] = str(problem)
                continue
            judged[name] = found.details()
            if found.refused:
                lines = found.described(model)
                sentences += [f"{len(found.refused)} local steps are no steps of {name}: {lines[-1]}.", *lines]
        told = {"refines": judged, "not_judged": not_judged}
        return sentences, {key: value for key, value in told.items() if value}

    return judge


def _figures(exploration: Exploration) -> dict[str, object]:
    statistics = exploration.statistics
    events, labels = exploration.coverage()
    return {
        "distinct": statistics.distinct,
        "generated": statistics.generated,
        "depth": statistics.depth,
        "outside": statistics.outside,
        "ends": statistics.ends,
        "budgets": dict(exploration.model.budgets),
        "witnessed": exploration.witnessed,
        "events": dict(events),
        "labels": dict(labels),
        "never": _never(events) + _never(labels),
        "collision_probability": exploration.collision_probability(),
    }


def _never(counts: Counter[str]) -> list[str]:
    return sorted(name for name, count in counts.items() if not count)


# ---- the counterexample


def evidence(name: str, scenario: Scenario, model: Model, violation: Violation) -> dict[str, object]:
    """Keep the way as a Run, which the trace checker must reject if it shows what must never be, and accept otherwise."""
    path = Path(tempfile.mkdtemp(prefix="kubeproof-")) / f"{Path(name).stem}.ndjson"
    way = [*violation.way, *violation.loop]
    confirm(model, way)
    with path.open("wb") as file:
        recorded.write(file, f"kubeproof explore {name}", scenario, model, way)
    if model.record is not None:
        wanted = Verdict.VIOLATED if violation.is_safety else Verdict.HOLDS
        judged = check_file(str(path), "run", Limits())
        assert judged.verdict is wanted, f"the trace checker says {judged.verdict} of the counterexample {path}: {judged.message}"
    evidence = [{"file": str(path), "line": None, "what": what} for what in recorded.sentences(model, way)]
    return {
        "steps": len(violation.way),
        **({"loop": len(violation.loop)} if violation.loop else {}),
        "counterexample": str(path),
        "evidence": evidence,
    }
