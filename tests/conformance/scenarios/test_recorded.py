"""A way through the state space becomes a Run whose header leads along the same way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from io import BytesIO

import msgspec
import pytest

from kubeproof.conformance.explore.plain import GlobalState, first_state, successors
from kubeproof.conformance.explore.system import Action, Event, Local, Message, Model, Step
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios import recorded
from kubeproof.conformance.scenarios.scenario import Scenario, checked
from kubeproof.conformance.trace.run import Header
from kubeproof.conformance.verdict import Verdict


def random_way(model: Model, seed: int, steps: int) -> recorded.Way:
    draw, state = random.Random(seed), first_state(model)
    way: list[tuple[Action, GlobalState]] = []
    while len(way) < steps and (choices := list(successors(model, state))):
        way.append(draw.choice(choices))
        state = way[-1][1]
    return way


@pytest.mark.parametrize(
    ("system", "size"),
    [
        ("register", {"servers": 2, "clients": 3}),
        ("two-phase-commit", {"managers": 4}),
        ("raft", {"members": 3, "proposals": 1, "crashes": 1, "drops": 1, "duplicates": 1}),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_the_header_leads_along_the_same_way(system: str, size: dict[str, int], seed: int) -> None:
    scenario = checked("test", Scenario(system, Verdict.HOLDS, size=size))
    model, file = scenario.model(), BytesIO()
    way = random_way(model, seed, steps=25)
    recorded.write(file, "test", scenario, model, way)
    header = msgspec.json.decode(file.getvalue().splitlines()[0], type=Header)
    again, numbers = recorded.scenario_of(header)
    assert (again.system, again.size) == (system, scenario.size)
    assert recorded.take(again.model(), numbers, Limits()) == way


class Lamp:
    """Is switched on once, and then blinks."""

    def initial(self) -> tuple[Local, ...]:
        return ("new",)

    def events(self, _component: int, _state: Local) -> Iterator[Event]:
        yield Event("switch")

    def step(self, _component: int, state: Local, _event: Event) -> Step:
        return Step("on" if state in ("new", "off") else "off")

    def receive(self, _component: int, _state: Local, _message: Message) -> None:
        return None


def test_a_way_that_goes_round_says_from_where() -> None:
    model = Model(Lamp(), ("lamp",))
    assert recorded.sentences(model, random_way(model, 1, steps=3)) == [
        "1. lamp: switch -> on",
        "From here on the same again and again:",
        "2. lamp: switch -> off",
        "3. lamp: switch -> on",
    ]
