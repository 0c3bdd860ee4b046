"""The simulated clock and its queue, and the streams of random choices."""

from __future__ import annotations

import pytest

from kubeproof.impl.sim.streams import Stream
from kubeproof.impl.sim.world import World


def test_actions_run_in_order_of_time_then_of_scheduling() -> None:
    world = World(1)
    seen: list[tuple[int, str]] = []
    for delay_ms, name in ((5, "c"), (1, "a"), (5, "d"), (3, "b")):
        world.after(delay_ms, lambda name=name: seen.append((world.now_ms, name)))
    world.run()
    assert seen == [(1, "a"), (3, "b"), (5, "c"), (5, "d")]


def test_run_until_stops_before_later_actions_and_sets_the_clock() -> None:
    world = World(1)
    seen: list[str] = []
    world.after(5, seen.append, "early")
    world.after(6, seen.append, "late")
    world.run(until_ms=5)
    assert (seen, world.now_ms) == (["early"], 5)
    world.run(until_ms=20)
    assert (seen, world.now_ms) == (["early", "late"], 20)


def test_stop_ends_the_run_after_the_action_under_way() -> None:
    world = World(1)
    seen: list[str] = []
    world.after(1, world.stop)
    world.after(1, seen.append, "next")
    world.run(until_ms=10)
    assert (seen, world.now_ms) == ([], 1)
    world.run()
    assert seen == ["next"]


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_has_64_bits(seed: int) -> None:
    with pytest.raises(ValueError, match="a seed is an integer"):
        World(seed)


def test_streams_differ_by_name_and_seed_and_repeat() -> None:
    def draws(seed: int, name: str) -> list[int]:
        stream = Stream(seed, name)
        return [stream.below(2**40) for _ in range(3)]

    assert draws(7, "disk") == draws(7, "disk")
    assert len({tuple(draws(seed, name)) for seed in (7, 8) for name in ("disk", "network")}) == 4


def test_streams_keep_their_sequence() -> None:
    """Recorded Runs are made again byte for byte: these numbers must never change."""
    stream = Stream(2026, "network")
    assert [stream.between(1, 6) for _ in range(8)] == [2, 3, 6, 6, 4, 5, 4, 1]
    assert stream.shuffled("abcd") == ["c", "b", "a", "d"]


def test_choices_cover_their_range() -> None:
    stream = Stream(1, "range")
    assert {stream.between(2, 4) for _ in range(100)} == {2, 3, 4}
    assert {stream.choose("xy") for _ in range(100)} == {"x", "y"}
    assert not any(stream.chance(0.0) for _ in range(100))
    assert all(stream.chance(1.0) for _ in range(100))
