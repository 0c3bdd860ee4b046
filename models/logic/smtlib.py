"""Obligations as SMT-LIB, for other solvers: unsatisfiable if and only if the obligation holds."""

from __future__ import annotations

from collections.abc import Sequence

from kubeproof.models.logic.obligations import Obligation
from kubeproof.models.logic.unbounded import Translator, solver_for


def smtlib(obligation: Obligation, only: Sequence[str] | None = None) -> str:
    """The text of a script. With `only`, the hypotheses of these names are asserted and no others."""
    text: str = solver_for(obligation, Translator(), only=only).to_smt2()
    # the printer leaves a comment and the benchmark's status at the top, which say nothing
    lines = [line for line in text.splitlines() if not line.startswith((";", "(set-info"))]
    return "\n".join(["(set-logic ALL)", *lines]) + "\n"
