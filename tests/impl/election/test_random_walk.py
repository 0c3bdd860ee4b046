"""Three candidates at random, on exact clocks: with valid timing and mended releases at most one ever acts as leader."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from kubeproof.impl.election import Answer, CallbackKind, ElectorState, Options, Outcome, Request, Signal, Tick
from tests.impl.election.world import World

RESPONSE_DELAY_MAX = 1
MENDED: dict[str, Any] = {
    "lease_duration": 9,
    "renew_deadline": 5,
    "retry_period": 2,
    "release_on_cancel": True,
    "restart": True,
    "fencing": True,
    "release_only_own": True,
    "cancel_before_release": True,
    "validated_timing": True,
    "response_delay_max": RESPONSE_DELAY_MAX,
}
RARE = {Signal.CANCEL: 0.01, Signal.CRASH: 0.005, Signal.REQUEST_FAILED: 0.05}


class Walk:
    """A World whose messages are lost, late and out of order, and whose time passes only when no timer is due."""

    def __init__(self, seed: int, pause: float = 0.0, **settings: Any) -> None:
        self.random = random.Random(seed)
        self.world = World({name: Options(**{**MENDED, **settings}) for name in "abc"})
        self.answer_ages: dict[Answer, int] = {}
        self.pause = pause
        """The chance at each tick that an elector is paused."""
        self.paused: dict[str, int] = {}
        self.cut: dict[str, int] = {}
        """Ticks left for which an elector is paused, or its requests are lost."""
        self.taken: Counter[str] = Counter()
        self.foreign_releases = 0
        """How often an elector has cleared the lease of another."""

    def steps(self, count: int) -> Iterator[World]:
        for _ in range(count):
            actor, what = self.choose()
            self.taken[what.value if isinstance(what, Signal) else actor] += 1
            self.move(actor, what)
            yield self.world

    def choose(self) -> tuple[str, Any]:
        w = self.world
        running = [name for name in w.electors if name not in self.paused]
        answers = [answer for answer in w.answers if answer.identity in running]
        moves: list[tuple[float, str, Any]] = []
        for name in running:
            moves += [(RARE.get(signal, 1.0), name, signal) for signal in Signal if w.enabled(name, signal)]
        for request in w.requests:
            moves += [(2.0, "serve", request), (0.03, "lose", request)]
        for answer in answers:
            moves += [(2.0, "answer", answer), (0.03, "lose", answer)]
        slack = [w.electors[name].slack(w[name]) for name in running]
        late = any(self.answer_ages[answer] >= RESPONSE_DELAY_MAX for answer in answers)
        if not late and all(left is None or left > 0 for left in slack):
            moves.append((1.0, "tick", None))
        _, actor, what = self.random.choices(moves, [weight for weight, *_ in moves])[0]
        return actor, what

    def move(self, actor: str, what: Any) -> None:
        w = self.world
        if actor == "tick":
            w.tick()
            self.answer_ages = {answer: self.answer_ages[answer] + 1 for answer in w.answers}
            for spells, chance in ((self.cut, 0.05), (self.paused, self.pause)):
                for name in w.electors:
                    spells[name] = spells.get(name, 0) - 1
                    if spells[name] <= 0:
                        del spells[name]
                if self.random.random() < chance:
                    spells[self.random.choice(w.guarded() or ["a", "b", "c"])] = self.random.randint(5, 15)
        elif actor == "serve":
            w.requests.remove(what)
            if what.identity not in self.cut:
                w.requests.insert(0, what)
                before = w.holder
                self.answer_ages[w.serve(what.identity)] = 0
                self.foreign_releases += w.holder == "" and before not in ("", what.identity)
        elif actor == "answer":
            w.answers.remove(what)
            w.answers.insert(0, what)
            w.deliver(what.identity)
        elif actor == "lose":
            (w.requests if isinstance(what, Request) else w.answers).remove(what)
        else:
            w.do(actor, what)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "settings",
    [{}, {"request_timeout": 3}, {"fast_path": False}, {"drain_before_release": True, "slow_drain": True}],
    ids=["default", "request timeout", "no fast path", "drain"],
)
def test_at_most_one_acts_as_leader(seed: int, settings: dict[str, Any]) -> None:
    walk = Walk(seed, **settings)
    tokens = [0]
    for w in walk.steps(1500):
        assert len(w.guarded()) <= 1
        for name in w.guarded():
            token = w[name].fencing_token
            assert token >= tokens[-1]
            tokens.append(token)
    started = sum(callback.kind is CallbackKind.ON_STARTED_LEADING for callback in walk.world.callbacks)
    assert started > 3
    assert walk.taken["elector_deadline_exceeded"] > 0
    assert walk.taken["tick"] > 100


def finds_two_leaders(walk: Walk) -> bool:
    return any(len(w.guarded()) > 1 for w in walk.steps(1500))


def test_a_pause_breaks_it() -> None:
    assert any(finds_two_leaders(Walk(seed, pause=0.05)) for seed in range(9))


@pytest.mark.parametrize(
    "settings",
    [
        {"validated_timing": False, "lease_duration": 6, "retry_period": 4},
        {"cancel_before_release": False, "validated_timing": False},
    ],
    ids=["validated timing", "cancel before release"],
)
def test_the_options_are_needed(settings: dict[str, Any]) -> None:
    assert any(finds_two_leaders(Walk(seed, **settings)) for seed in range(9))


@pytest.mark.parametrize("only_own", [True, False])
def test_who_releases_whose_lease_even_with_pauses(only_own: bool) -> None:
    released = 0
    for seed in range(3):
        walk = Walk(seed, pause=0.05, release_only_own=only_own)
        for _ in walk.steps(1500):
            pass
        released += walk.foreign_releases
    assert (released == 0) == only_own


def test_steps_are_total_and_time_adds_up() -> None:
    """On states of every kind: any event gives a step or None, and two ticks are the same as one of both lengths."""
    states: set[tuple[str, ElectorState]] = set()
    walk = Walk(1, pause=0.01, request_timeout=3, slow_drain=True, drain_before_release=True, watchdog_timeout=2)
    for w in walk.steps(1500):
        states.update(w.states.items())
    answers = [Answer("a", number, outcome) for number in (0, 1) for outcome in Outcome if outcome is not Outcome.OK]
    for name, state in sorted(states, key=repr)[::3]:
        elector = walk.world.electors[name]
        for event in (*Signal, *answers):
            elector.step(state, event)
        whole, first = elector.step(state, Tick(5)), elector.step(state, Tick(2))
        assert whole is not None
        assert first is not None
        assert elector.step(first[0], Tick(3)) == whole
        if elector.slack(state) == 0:
            assert any(elector.step(state, due) for due in (Signal.RETRY, Signal.DEADLINE_EXCEEDED, Signal.REQUEST_FAILED))


def test_the_same_seed_is_the_same_walk() -> None:
    one, two = Walk(7), Walk(7)
    assert [dict(w.states) for w in one.steps(300)] == [dict(w.states) for w in two.steps(300)]
