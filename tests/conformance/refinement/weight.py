"""Planted mistakes: what shows them, and nothing else does."""

from __future__ import annotations

from collections.abc import Set

from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.refinement.binding import Binding
from kubeproof.conformance.refinement.refine import refine
from kubeproof.models.logic.formulas import Symbol


def require_weight(binding: Binding, model: Model, step: Taken, shows: Set[Symbol]) -> None:
    """The step is refused, and would not be if nobody looked at what shows it; each of it is enough."""
    assert refine(binding, model, [step]).refused
    assert not refine(binding, model, [step], ignoring=shows).refused
    for symbol in shows:
        assert refine(binding, model, [step], ignoring=shows - {symbol}).refused
