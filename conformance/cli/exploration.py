"""What people read of an exploration: besides the verdict, what happened how often, and what never did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from kubeproof.conformance.cli.output import lines_for_people, printable
from kubeproof.conformance.verdict import Result, Verdict

INDENT = " " * 10


def exploration_lines(result: Result) -> list[str]:
    """A few lines; of a violation the counterexample tells enough."""
    lines = lines_for_people(result)
    details = result.details
    if result.verdict is Verdict.VIOLATED and details.get("counterexample"):
        return [*lines, f"{INDENT}the Run: {printable(str(details['counterexample']))}"]
    if "events" in details:
        counts = cast(Mapping[str, int], details["events"])
        lines.append(INDENT + "events: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))
    if never := cast(list[str], details.get("never")):
        lines.append(f"{INDENT}never under these bounds: {', '.join(never)}")
    if probability := details.get("collision_probability"):
        lines.append(f"{INDENT}probability that a state was missed: at most {probability:.1e}")
    return lines
