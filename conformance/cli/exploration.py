"""What people read of an exploration: besides the verdict, what happened how often, and what never did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from kubeproof.conformance.cli.output import lines_for_people, printable
from kubeproof.conformance.verdict import Result

INDENT = " " * 10


def exploration_lines(result: Result) -> list[str]:
    """A few lines; of a violation the counterexample tells enough."""
    lines = lines_for_people(result)
    details = result.details
    if details.get("counterexample"):
        lines.append(f"{INDENT}the Run: {printable(str(details['counterexample']))}")
    for spec, found in cast(Mapping[str, Mapping[str, object]], details.get("refines", {})).items():
        lines.append(INDENT + _refinement(spec, found))
    for spec, why in cast(Mapping[str, str], details.get("not_judged", {})).items():
        lines.append(f"{INDENT}not judged by {spec}: {printable(why)}")
    if details.get("counterexample"):
        return lines
    if "events" in details:
        counts = cast(Mapping[str, int], details["events"])
        lines.append(INDENT + "events: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))
    if never := cast(list[str], details.get("never")):
        lines.append(f"{INDENT}never under these bounds: {', '.join(never)}")
    if probability := details.get("collision_probability"):
        lines.append(f"{INDENT}probability that a state was missed: at most {probability:.1e}")
    return lines


def _refinement(spec: str, found: Mapping[str, object]) -> str:
    actions, refused = cast(Mapping[str, int], found["actions"]), cast(Mapping[str, int], found["refused_by"])
    line = f"{spec}: {found['local_steps']:,} local steps, of which {found['refused']:,} are none of its steps"
    if refused:
        return f"{line}: {', '.join(f'{reason} {count:,}' for reason, count in refused.items())}"
    unused = [name for name, count in actions.items() if not count]
    return f"{line}; of its actions never taken: {', '.join(unused) or 'none'}"
