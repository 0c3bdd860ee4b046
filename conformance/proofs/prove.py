"""Proofs as results: one for each property, which holds if everything that its proof rests on is proven."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.proofs.work import EVERY_ACTION, SOLVER, Checked, Control, How, controls, over, specification
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict
from kubeproof.models.logic import hints
from kubeproof.models.logic.hints import Hints
from kubeproof.models.logic.obligations import all_names, names_below, rests_on
from kubeproof.models.logic.prover import Outcome, Task
from kubeproof.models.logic.specification import Property, Specification
from kubeproof.models.logic.unbounded import Status

_VERDICT = {Status.PROVED: Verdict.HOLDS, Status.REFUTED: Verdict.VIOLATED, Status.UNKNOWN: Verdict.UNKNOWN}


def prove(names: Sequence[str], wanted: str | None, how: How, limits: Limits) -> Iterator[Result]:
    """A result for each promised property of each specification, or for the one that is wanted; and for its controls."""
    specs: dict[str, Specification] = {}
    for name in names:
        try:
            specs[name] = specification(name)
        except InvalidInput as error:
            yield Result(name, "proof", Verdict.INVALID, message=str(error), details=_figures(name, 0, 0))
    targets = {name: promised(spec, wanted) for name, spec in specs.items()}
    if wanted is not None and specs and not any(targets.values()):
        yield Result(
            wanted, "proof", Verdict.INVALID, message=f"{', '.join(specs)}: no such property", details=_figures(None, 0, 0)
        )
        return
    # controls first: they take long, and what comes last should not keep the other processes waiting
    tasks: list[Task | Control] = [control for spec in specs.values() if wanted is None for control in controls(spec)]
    tasks += [task for name, spec in specs.items() for task in _tasks(spec, targets[name])]
    done, limit = over(specs, tasks, how, limits)
    if how.update_hints:
        for spec in specs.values():
            save_hints(spec, [each for each in done if isinstance(each, Outcome) and each.task.spec == spec.name])
    yield from _results(specs, targets, done, limit)


def promised(spec: Specification, wanted: str | None) -> list[Property]:
    """The properties that are of interest by themselves, or the one that is wanted."""
    return [each for each in spec.properties.values() if (each.source if wanted is None else each.name == wanted)]


def save_hints(spec: Specification, done: Iterable[Outcome]) -> None:
    """Keep what the proofs have used, but for those that need no hint; and forget obligations that there are no more."""
    old = hints.load(spec.name)
    proofs = dict(old.proofs)
    for outcome in done:
        proofs.pop(outcome.task.obligation, None)
        if outcome.used is not None and outcome.used != (f"invariant {outcome.task.obligation.partition(': ')[2]}",):
            proofs[outcome.task.obligation] = (outcome.fingerprint, outcome.used)
    known = set(all_names(spec))
    hints.save(spec.name, Hints({name: proof for name, proof in proofs.items() if name in known}, old.breaks))


def _tasks(spec: Specification, targets: Sequence[Property]) -> list[Task]:
    """Every obligation that one of the properties rests on, once."""
    names = {name: None for target in targets for name in names_below(spec, target)}
    return [Task(spec.name, name) for name in names]


def _results(
    specs: Mapping[str, Specification],
    targets: Mapping[str, Sequence[Property]],
    done: Sequence[Outcome | Checked],
    limit: str,
) -> Iterator[Result]:
    outcomes = {each.task: each for each in done if isinstance(each, Outcome)}
    checked = {each.control: each for each in done if isinstance(each, Checked)}
    for name, spec in specs.items():
        for target in targets[name]:
            of_target = [outcomes.get(Task(name, each)) for each in names_below(spec, target)]
            yield _proof(spec, target, of_target, limit)
        for control in controls(spec):
            if control in checked:
                yield _control(spec, checked[control])


def _proof(spec: Specification, target: Property, outcomes: Sequence[Outcome | None], limit: str) -> Result:
    """Refuted obligations come first; one that was not reached is unknown, like one that no try has decided."""
    proved = [each for each in outcomes if each is not None and each.status is Status.PROVED]
    refuted = next((each for each in outcomes if each is not None and each.status is Status.REFUTED), None)
    open_ = next((each for each in outcomes if each is not None and each.status is Status.UNKNOWN), None)
    second = [each for each in proved if each.second is not None]
    doubted = next((each for each in second if each.second is not Status.PROVED), None)
    seconds = sum(each.seconds for each in outcomes if each is not None)
    details = _figures(spec.name, len(outcomes), len(proved)) | {
        "sentence": target.sentence,
        "source": target.source,
        "strength": target.strength.value,
        "assumes": list(target.assumes),
        "rests_on": [each.name for each in rests_on(spec, target) if each is not target],
        "outside_epr": [
            f"{each.task.obligation}: {' '.join(each.cycle)}" for each in outcomes if each is not None and each.cycle
        ],
    }
    if second:
        details["confirmed"] = sum(each.second is Status.PROVED for each in second)
    subject = f"{spec.name} {target.name}"
    worst = refuted or open_ or doubted
    if worst is not None:
        verdict = _VERDICT[worst.status if worst is not doubted else worst.second or Status.UNKNOWN]
        by = "the second solver" if worst is doubted else "the solver"
        message = f"not proven: {worst.task.obligation}" + ("" if worst.picture else f" ({by} says {verdict})")
        details["picture"] = list(worst.picture)
        return Result(subject, "proof", verdict, worst.task.obligation.partition(": ")[2], message, seconds, details)
    if len(proved) < len(outcomes):
        return Result(subject, "proof", Verdict.UNKNOWN, None, limit, seconds, details)
    return Result(subject, "proof", Verdict.HOLDS, None, "", seconds, details)


def _control(spec: Specification, checked: Checked) -> Result:
    name = checked.control.name
    sentence = "Every action can happen where all invariants hold." if name == EVERY_ACTION else spec.witnesses[name].sentence
    verdict = Verdict.HOLDS if checked.wrong is None else Verdict.UNKNOWN if checked.unknown else Verdict.VIOLATED
    details = _figures(spec.name, 1, int(checked.wrong is None)) | {"sentence": sentence}
    broken = name if verdict is Verdict.VIOLATED else None
    return Result(f"{spec.name} {name}", "proof", verdict, broken, checked.wrong or "", checked.seconds, details)


def _figures(spec: str | None, obligations: int, proved: int) -> dict[str, object]:
    return {"spec": spec, "obligations": obligations, "proved": proved, "solver": SOLVER}


def load_hints(names: Iterable[str]) -> dict[str, Hints]:
    """The hints that ship."""
    return {name: hints.load(name) for name in names}
