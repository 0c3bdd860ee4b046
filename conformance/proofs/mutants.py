"""Wrong protocols as results: the verdict is that on the wrong protocol, and `expected` what it must be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.proofs.work import SOLVER, How, specification
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict
from kubeproof.models.logic import hints
from kubeproof.models.logic.hints import Hints
from kubeproof.models.logic.parallel import over_processes
from kubeproof.models.logic.specification import Specification
from kubeproof.models.logic.teeth import WITHOUT, Breaker, Change, Finding, changes, expected_to_hold
from kubeproof.models.logic.unbounded import Status

_VERDICT = {Status.PROVED: Verdict.HOLDS, Status.REFUTED: Verdict.VIOLATED, Status.UNKNOWN: Verdict.UNKNOWN}


def judge_mutants(names: Sequence[str], how: How, limits: Limits) -> Iterator[Result]:
    """A result for each mutant and each guard taken away, in the order of the specification."""
    specs: dict[str, Specification] = {}
    for name in names:
        try:
            specs[name] = specification(name)
        except InvalidInput as error:
            yield Result(name, "mutant", Verdict.INVALID, message=str(error), details=_details(name, name, Verdict.HOLDS))
    tasks = [change for spec in specs.values() for change in changes(spec)]
    found: dict[Change, Finding] = {}
    limit = ""
    try:
        for finding in over_processes(Breaker(specs, how.hints), tasks, how.jobs, limits.check):
            found[finding.change] = finding
            how.progress(len(found), len(tasks))
    except LimitReached as reached:
        limit = str(reached)
    if how.update_hints:
        for spec in specs.values():
            save_hints(spec, [each for each in found.values() if each.change.spec == spec.name])
    for change in tasks:
        yield result(specs[change.spec], change, found.get(change), limit)


def save_hints(spec: Specification, findings: Iterable[Finding]) -> None:
    """Keep which property breaks without which guard."""
    guards = {each.change.mutant: each.breaks for each in findings if each.breaks and each.change.mutant not in spec.mutants}
    breaks = {name.removeprefix(WITHOUT): breaks for name, breaks in guards.items()}
    hints.save(spec.name, Hints(hints.load(spec.name).proofs, breaks))


def result(spec: Specification, change: Change, finding: Finding | None, limit: str) -> Result:
    """Of a mutant the property that breaks is known, so another one is not as expected."""
    mutant = spec.mutants.get(change.mutant)
    sentence = mutant.sentence if mutant else spec.redundant.get(change.mutant.removeprefix(WITHOUT), "")
    expected = Verdict.HOLDS if expected_to_hold(spec, change) else Verdict.VIOLATED
    details = _details(spec.name, change.mutant, expected) | {"sentence": sentence}
    subject = f"{spec.name} {change.mutant}"
    if finding is None:
        return Result(subject, "mutant", Verdict.UNKNOWN, None, limit, 0.0, details)
    details["picture"] = list(finding.picture)
    message = ""
    if finding.status is Status.UNKNOWN:
        message = "neither a counterexample nor a proof was found"
    elif _VERDICT[finding.status] is not expected:
        message = f"expected {expected}: " + (sentence or "a guard that nothing needs is to be listed as redundant")
    return Result(subject, "mutant", _VERDICT[finding.status], finding.breaks, message, finding.seconds, details)


def as_expected(result: Result) -> bool:
    """Whether the verdict is the expected one."""
    return result.verdict == result.details["expected"]


def _details(spec: str, mutant: str, expected: Verdict) -> dict[str, object]:
    return {"spec": spec, "mutant": mutant, "expected": expected.value, "solver": SOLVER}
