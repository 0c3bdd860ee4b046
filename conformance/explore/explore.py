"""`kubeproof explore`: exhaust a scenario, hold the outcome against what is expected, and leave a counterexample."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from kubeproof.conformance.explore.counterexample import shortest
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.plain import GlobalState
from kubeproof.conformance.explore.scenario import Scenario, load
from kubeproof.conformance.explore.system import Action, Model
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.trace.run import Event, Header, write_run
from kubeproof.conformance.verdict import Result, Verdict

NOT_AS_PINNED = "pinned_count"
NOT_WITNESSED = "sometimes"


def explore(name: str, settings: Iterable[str], limits: Limits) -> Result:
    """Explore a scenario. The verdict is about the system; whether it is the expected one, `as_expected` tells."""
    begun = time.perf_counter()
    scenario = load(name, settings)
    model = scenario.model()
    exploration = Exploration(model, limits)
    details: dict[str, object] = {"complete": False, "counterexample": None, "steps": None}
    verdict, broken, message = Verdict.HOLDS, None, ""
    try:
        exploration.run()
        details["complete"] = True
        verdict, broken, message = _outcome(scenario, model, exploration)
    except Broken as found:
        verdict, broken = Verdict.VIOLATED, found.property.id
        steps = shortest(model, limits)
        message = f"{found.property.sentence} Not so after {len(steps)} steps."
        path = _write(name, scenario, model, steps)
        details |= {"steps": len(steps), "counterexample": path, "evidence": _evidence(path, model, steps)}
    except LimitReached as limit:
        verdict, message = Verdict.UNKNOWN, f"{limit} at depth {exploration.statistics.depth}"
    details |= _figures(exploration)
    as_pinned = scenario.pinned() in (None, exploration.statistics.distinct)
    as_expected = as_pinned and verdict is scenario.expected and broken == scenario.property
    details |= {"expected": scenario.expected.value, "as_expected": as_expected}
    return Result(name, "exploration", verdict, broken, message, time.perf_counter() - begun, details)


def _outcome(scenario: Scenario, model: Model, exploration: Exploration) -> tuple[Verdict, str | None, str]:
    """All states hold: is the search also as big as it was, and did it see what it must see?"""
    pinned, distinct = scenario.pinned(), exploration.statistics.distinct
    if pinned not in (None, distinct):
        return Verdict.VIOLATED, NOT_AS_PINNED, f"expected {pinned} distinct states at this size, found {distinct}"
    missed = [each.id for each in model.sometimes if each.id not in exploration.witnessed]
    if missed:
        return Verdict.VIOLATED, NOT_WITNESSED, f"never seen: {', '.join(missed)}"
    return Verdict.HOLDS, None, ""


def _figures(exploration: Exploration) -> dict[str, object]:
    statistics = exploration.statistics
    return {
        "distinct": statistics.distinct,
        "generated": statistics.generated,
        "depth": statistics.depth,
        "outside": statistics.outside,
        "ends": statistics.ends,
        "local_steps": exploration.steps.computed,
        "witnessed": exploration.witnessed,
        "collision_probability": statistics.distinct**2 / 2**65,
    }


# ---- the counterexample


def _write(name: str, scenario: Scenario, model: Model, steps: list[tuple[Action, GlobalState]]) -> str:
    """Keep the counterexample as a Run."""
    path = Path(tempfile.mkdtemp(prefix="kubeproof-")) / f"{Path(name).stem}.ndjson"
    header = Header(system=scenario.system, source=f"kubeproof explore {name}", options=dict(scenario.size))
    recorded = None if model.record is None else model.record([action for action, _ in steps])
    with path.open("wb") as file:
        write_run(file, header, recorded or [_event(model, action, state) for action, state in steps])
    if recorded:
        judged = check_file(str(path), "run", Limits())
        assert judged.verdict is Verdict.VIOLATED, f"the trace checker accepts the counterexample {path}"
    return str(path)


def _event(model: Model, action: Action, state: GlobalState) -> Event:
    message = action.message
    return Event(
        action=action.name,
        actor=model.component_names[action.component],
        state={"local": model.describe(state.locals[action.component])},
        args={"sends": [f"{model.component_names[sent.to]}: {model.describe(sent.body)}" for sent in action.sends]},
        message=None if message is None else {"body": model.describe(message.body)},
    )


def _evidence(path: str, model: Model, steps: list[tuple[Action, GlobalState]]) -> list[dict[str, object]]:
    return [
        {"file": path, "line": None, "what": f"{number}. {_sentence(model, action, state)}"}
        for number, (action, state) in enumerate(steps, 1)
    ]


def _sentence(model: Model, action: Action, state: GlobalState) -> str:
    taken = "" if action.message is None else f" {model.describe(action.message.body)}"
    return f"{model.component_names[action.component]}: {action.name}{taken} -> {model.describe(state.locals[action.component])}"
