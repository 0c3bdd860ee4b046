"""The invariants that are proven hold where the code comes; wrong ones, and wrong maps, are found out there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from random import Random

import pytest

from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.refinement.binding import Binding, Reading
from kubeproof.conformance.refinement.inductive import Disproved, hold_along, hold_in_every_state
from kubeproof.conformance.refinement.judge import Abstract
from kubeproof.conformance.refinement.raft import RAFT
from kubeproof.conformance.refinement.refine import BINDINGS
from kubeproof.conformance.scenarios.scenario import load
from kubeproof.models import raft as spec
from kubeproof.models.logic import Formula, forall
from kubeproof.models.logic.specification import Kind, Property

SMALL = {
    "raft": ("raft-crash", ("members=2", "terms=1", "messages=2")),
    "membership": ("raft-membership", ("terms=1", "messages=3", "proposals=0")),
    "reads": ("raft-read-index", ("members=2", "messages=2", "proposals=0")),
    "election": ("election-failover", ("writes=3",)),
    "mvcc": ("store-crash", ("proposals=2", "crashes=1")),
    "watch": ("watch-snapshot", ("proposals=2", "compactions=0")),
    "backup": ("backup-restore", ()),
    "lease": ("lease-checkpoint", ("members=1", "terms=1")),
}
"""A scenario for each specification, small enough to carry all history along."""

ONE_HISTORY = ("election", "mvcc", "lease")
"""Where history grows for ever, as time does."""

BIG = {
    "raft": ("raft-crash", ("terms=8", "proposals=6", "crashes=3", "messages=12")),
    "membership": ("raft-membership", ("terms=6", "proposals=4", "changes=4", "messages=16")),
    "reads": ("raft-read-index", ("terms=5", "proposals=3", "reads=6", "messages=20")),
    "election": ("election-fencing", ("writes=30",)),
    "mvcc": ("store-crash-keys", ("proposals=8", "compactions=4", "crashes=4")),
    "watch": ("watch-everything", ("proposals=8", "compactions=3", "crashes=3", "snapshots=3", "breaks=3", "progress=6")),
    "backup": ("backup-two-clients", ("writes=16", "compactions=6", "disconnects=8", "bump=17")),
    "lease": (
        "lease-checkpoint",
        ("members=3", "terms=6", "ttl=4", "ticks=20", "keepalives=8", "revocations=1", "crashes=2"),
    ),
}
"""One for random runs, which is too big to be explored."""


@cache
def explored(name: str, settings: tuple[str, ...]) -> tuple[Model, tuple[Taken, ...]]:
    model = load(name, settings).model()
    exploration = Exploration(model, Limits())
    exploration.run()
    return model, tuple(exploration.taken_steps())


def small(name: str) -> tuple[Model, tuple[Taken, ...]]:
    return explored(*SMALL[name])


@pytest.mark.parametrize("name", BINDINGS)
def test_invariants_hold_in_every_state(name: str) -> None:
    binding = BINDINGS[name]
    held = hold_in_every_state(binding, *small(name), one_history=name in ONE_HISTORY)
    states = [each for each in binding.specification.properties.values() if each.kind is not Kind.STEP]
    assert (held.states > 100, held.invariants) == (True, len(states))


@pytest.mark.parametrize("name", BINDINGS)
@pytest.mark.parametrize("seed", range(3))
def test_invariants_hold_along_random_runs(name: str, seed: int) -> None:
    scenario, settings = BIG[name]
    held = hold_along(BINDINGS[name], load(scenario, settings).model(), 200, Random(seed))
    assert held.states > 15


# ---- what is wrong is found out


def with_invariant(name: str, formula: Formula) -> Binding:
    """Raft with another invariant."""
    wrong = Property(name, Kind.INVARIANT, "", (), formula)
    return RAFT._replace(specification=replace(spec.raft, properties=spec.raft.properties | {name: wrong}))


def test_a_false_invariant_is_found_out() -> None:
    nobody_leads = forall(spec.Node, spec.Term, lambda n, t: ~spec.leader(n, t))
    with pytest.raises(Disproved, match="nobody_leads"):
        hold_in_every_state(with_invariant("nobody_leads", nobody_leads), *small("raft"))


def lying(change: str) -> Binding:
    """Raft with a map that tells something else of steps."""

    def read(model: Model, taken: Iterable[Taken]) -> Reading:
        reading = RAFT.read(model, taken)

        def abstract(each: Taken) -> Abstract:
            step = reading.abstract(each)
            if change == "an action is left out":
                return replace(step, calls=tuple(call for call in step.calls if call.action != "grant_vote"))
            return replace(step, calls=(*step.calls, *(call for call in step.calls if call.action == "become_leader")))

        return replace(reading, abstract=abstract)

    return RAFT._replace(read=read)


@pytest.mark.parametrize("change", ["an action is left out", "an action is taken twice"])
def test_a_wrong_map_is_found_out(change: str) -> None:
    with pytest.raises(Disproved):
        hold_in_every_state(lying(change), *small("raft"))
