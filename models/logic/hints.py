"""What earlier proofs used, so that the next ones are fast. Never trusted: a hint only leaves out hypotheses.

A file for each specification, made by `kubeproof prove --update-hints`. A hint that is stale, or a file that is damaged, costs
time and nothing else: what is not proven with it is tried without.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

from kubeproof.models.logic.formulas import Formula, Symbol
from kubeproof.models.logic.obligations import Obligation
from kubeproof.models.logic.rewriting import symbols_of
from kubeproof.models.logic.unbounded import FROM_ALL, Try

FOLDER = Path(__file__).parents[1] / "hints"
FORMAT = "kubeproof hints v1"


@dataclass(frozen=True, slots=True)
class Hints:
    """`proofs`: of an obligation, by name, its fingerprint and what its proof used. `breaks`: what breaks without a guard."""

    proofs: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    breaks: Mapping[str, str] = field(default_factory=dict)

    def used_by(self, obligation: Obligation) -> tuple[str, ...] | None:
        """The hypotheses that an earlier proof used, as far as there are such; None if nothing is known of this formula."""
        fingerprint, used = self.proofs.get(obligation.name, ("", ()))
        if fingerprint != obligation.fingerprint():
            return None
        return tuple(name for name in used if name in obligation.hypotheses)


# From the right hypotheses a proof is found at once or not at all. From more of them it takes longer and succeeds more often, so
# few and all take turns.
HINTED_S = 1
NARROW_S = 0.1
NEAR_S = (0.5, 1, 2)
NEAR = 3


def first_tries(each: Obligation, hints: Hints) -> Iterator[Try]:
    """How to begin a proof: with what a hint says; else with the property itself, as most actions do it no harm.

    Then with the invariants that speak of nothing but what the goal and the guards speak of, with those that speak of a few
    things more, and with all.
    """
    hint = hints.used_by(each)
    itself = f"invariant {each.target}"
    if hint is not None:
        yield Try(HINTED_S, hint)
    elif itself in each.hypotheses:
        yield Try(NARROW_S, (itself,))
    yield Try(NARROW_S, _within(0, each))
    yield Try(NEAR_S[0], _within(NEAR, each))
    yield FROM_ALL[0]


def later_tries(each: Obligation) -> Iterator[Try]:
    """How to go on."""
    near = _within(NEAR, each)
    for near_s, from_all in zip_longest(NEAR_S[1:], FROM_ALL[1:]):
        if near_s is not None:
            yield Try(near_s, near)
        yield from_all


def _within(distance: int, each: Obligation) -> tuple[str, ...]:
    """All but the invariants that speak of more things than so many besides those of the goal and the guards."""
    known = _symbols(each.goal).union(*(_symbols(formula) for name, formula in each.hypotheses.items() if _is_guard(name)))
    return tuple(
        name
        for name, formula in each.hypotheses.items()
        if not name.startswith("invariant ") or len(_symbols(formula) - known) <= distance
    )


def _is_guard(hypothesis: str) -> bool:
    return hypothesis.startswith("guard ")


@lru_cache(maxsize=1000)  # hypotheses occur in many obligations
def _symbols(formula: Formula) -> frozenset[Symbol]:
    return frozenset(symbols_of(formula))


def load(spec: str, folder: Path = FOLDER) -> Hints:
    """The hints for a specification; none if there is no file, or no sense in it."""
    try:
        content = json.loads((folder / f"{spec}.json").read_text())
        if content["format"] != FORMAT:
            return Hints()
        names: list[str] = list(map(str, content["hypotheses"]))
        proofs = {
            str(name): (str(print_), tuple(names[each] for each in used)) for name, (print_, used) in content["proofs"].items()
        }
        return Hints(proofs, {str(guard): str(name) for guard, name in content["breaks"].items()})
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return Hints()


def save(spec: str, hints: Hints, folder: Path = FOLDER) -> None:
    """Write the hints; the same hints give the same file."""
    names = sorted({name for _, used in hints.proofs.values() for name in used})
    number = {name: place for place, name in enumerate(names)}
    proofs = {
        name: [fingerprint, sorted(number[each] for each in used)] for name, (fingerprint, used) in sorted(hints.proofs.items())
    }
    content: dict[str, Any] = {
        "format": FORMAT,
        "hypotheses": names,
        "breaks": dict(sorted(hints.breaks.items())),
        "proofs": proofs,
    }
    folder.mkdir(exist_ok=True)
    (folder / f"{spec}.json").write_text(_lines(content) + "\n")


def _lines(content: Mapping[str, Any]) -> str:
    """JSON with a line for each entry, so that changes are seen."""
    parts = []
    for key, value in content.items():
        rows = (
            ",\n".join(f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in value.items())
            if isinstance(value, dict)
            else ""
        )
        parts.append(f"{json.dumps(key)}: {{\n{rows}\n}}" if rows else f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}"
