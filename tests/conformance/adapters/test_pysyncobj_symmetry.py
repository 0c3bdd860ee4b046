"""Renaming nodes of PySyncObj: it commutes with every step, and a search that uses it finds the same with fewer states."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from kubeproof.conformance.adapters.pysyncobj import PySyncObj, versions
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Message, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.cluster import BREAK, model
from kubeproof.conformance.scenarios.explore import explore
from kubeproof.conformance.verdict import InvalidInput, Verdict
from tests.conformance.nodes.counters import Counters

OLD, FORGETS, NEW = "0.3.11", "0.3.14", "0.3.17"

pytestmark = pytest.mark.skipif(
    not all(map(versions.is_installed, (OLD, FORGETS, NEW))), reason="pysyncobj is not installed: `make adapters`"
)


@pytest.fixture(scope="module")
def taken() -> list[Taken]:
    """The local steps of three nodes with two proposals, a restart and a break."""
    budgets = {"proposals": 2, "restarts": 1, "heartbeats": 2, "breaks": 1}
    exploration = Exploration(model(PySyncObj(NEW, 3), 3, 1, budgets, capacity=1), Limits())
    exploration.run()
    return [each for each in exploration.taken_steps() if not (isinstance(each[2], Event) and each[2].name == BREAK)]


def test_it_commutes_with_every_step(taken: list[Taken]) -> None:
    cluster = model(PySyncObj(NEW, 3), 3, 1, {"proposals": None, "restarts": None}, capacity=1, symmetry=True)
    assert cluster.symmetry is not None
    rename, system = cluster.symmetry.rename, cluster.system
    assert len(taken) > 300
    for places in permutations(range(3)):
        for component, before, cause, step in taken:
            to, state = places[component], rename(before, places)
            if isinstance(cause, Event):
                reached = system.step(to, state, cause)
            else:
                reached = system.receive(to, state, Message(to, rename(cause.body, places)))
            assert reached is not None
            assert as_sent(reached) == as_sent(
                Step(
                    rename(step.state, places), tuple([Message(places[to_], rename(body, places)) for to_, body, _ in step.sends])
                )
            )


def as_sent(step: Step) -> tuple[object, ...]:
    """The state, and what each receiver is sent, in order."""
    return step.state, sorted(step.sends, key=lambda message: message.to)


def test_renaming_there_and_back_is_nothing(taken: list[Taken]) -> None:
    cluster = model(PySyncObj(NEW, 3), 3, 1, {}, capacity=1, symmetry=True)
    assert cluster.symmetry is not None
    for _, before, _, _ in taken:
        there = cluster.symmetry.rename(before, (1, 2, 0))
        assert there != before
        assert cluster.symmetry.rename(there, (2, 0, 1)) == before


def test_the_same_is_found_with_fewer_states() -> None:
    whole, reduced = (
        explore("pysyncobj-two-leaders-after-restart", (f"symmetry={each}",), Limits()) for each in ("false", "true")
    )
    assert (whole.property, whole.details["steps"]) == (reduced.property, reduced.details["steps"]) == ("election_safety", 7)
    assert int(str(reduced.details["distinct"])) < int(str(whole.details["distinct"])) / 4


def test_what_holds_holds_with_fewer_states(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        f"system: cluster\nnode: pysyncobj-{NEW}\nexpected: holds\n"
        "size: {members: 3, terms: 1, proposals: 1, heartbeats: 2, capacity: 1}\n"
    )
    whole, reduced = (explore(str(own), (f"symmetry={each}",), Limits()) for each in ("false", "true"))
    assert whole.verdict is reduced.verdict is Verdict.HOLDS
    assert (
        int(str(whole.details["distinct"])) / 6 <= int(str(reduced.details["distinct"])) < int(str(whole.details["distinct"])) / 4
    )


def test_a_node_that_cannot_be_renamed_is_refused() -> None:
    with pytest.raises(InvalidInput, match="symmetry: expected a node that can be renamed, which counters cannot"):
        model(Counters(3), 3, 1, {}, symmetry=True)


def test_parts_of_commands_are_refused(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        f"system: cluster\nnode: pysyncobj-{NEW}\nexpected: holds\n"
        "size: {members: 2, terms: 1, proposals: 1, capacity: 8, command_bytes: 64, batch_bytes: 32}\noptions: {symmetry: true}\n"
    )
    with pytest.raises(InvalidInput, match="expected commands that are smaller than a batch"):
        explore(str(own), (), Limits())
