"""Systems that ship: small ones to learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kubeproof.conformance.bindings import election, raft, store
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.scenarios.systems import register, two_phase_commit

SYSTEMS: Mapping[str, Callable[..., Model]] = {
    "election": election.model,
    "raft": raft.model,
    "register": register.model,
    "store": store.model,
    "two-phase-commit": two_phase_commit.model,
}
"""Models by name; the keyword arguments are integers, their sizes and bounds."""
