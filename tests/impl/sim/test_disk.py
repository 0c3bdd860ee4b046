"""What is durable when: exactly what a completed sync covers, and after a crash a prefix of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from kubeproof.impl.sim.disk import Disk
from kubeproof.impl.sim.world import World


def test_a_sync_makes_durable_what_was_written_before_it() -> None:
    world = World(1)
    contents: list[Any] = []
    done: list[Any] = []
    disk = Disk(world, "d")
    disk.latency_ms = (3, 3)
    disk.write(contents.append, 1)
    disk.sync(done.append, "first")
    disk.write(contents.append, 2)
    world.run()
    assert (contents, done, world.now_ms) == ([1], ["first"], 3)
    disk.sync(done.append, "second")
    world.run()
    assert (contents, done) == ([1, 2], ["first", "second"])


def test_syncs_asked_for_meanwhile_are_done_together_in_order() -> None:
    world = World(1)
    contents: list[Any] = []
    done: list[Any] = []
    disk = Disk(world, "d")
    disk.latency_ms = (5, 5)
    for number in range(4):
        disk.write(contents.append, number)
        disk.sync(lambda number=number: done.append((number, len(contents), world.now_ms)))
    world.run()
    assert done == [(0, 1, 5), (1, 2, 10), (2, 3, 10), (3, 4, 10)]


def test_a_sync_of_nothing_takes_no_time_but_keeps_its_place() -> None:
    world = World(1)
    done: list[str] = []
    disk = Disk(world, "d")
    disk.latency_ms = (5, 5)
    disk.sync(done.append, "nothing to write")
    assert done == ["nothing to write"]
    disk.write(done.append, "write")
    disk.sync(done.append, "first")
    disk.sync(done.append, "second")
    assert done == ["nothing to write"]
    world.run()
    assert (done, world.now_ms) == (["nothing to write", "write", "first", "second"], 5)


def test_without_latency_a_sync_is_immediate() -> None:
    contents: list[int] = []
    done: list[Any] = []
    disk = Disk(World(1), "d")
    disk.write(contents.append, 1)
    disk.sync(done.append, "done")
    assert (contents, done) == ([1], ["done"])


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_a_crash_loses_all_but_a_prefix_of_what_was_not_synced(kept: int) -> None:
    world = World(1)
    contents: list[Any] = []
    done: list[Any] = []
    disk = Disk(world, "d")
    disk.latency_ms = (1, 1)
    for number in range(3):
        disk.write(contents.append, number)
    disk.sync(done.append, "never")
    assert disk.crash(kept) == 3 - kept
    world.run()
    assert (contents, done) == (list(range(kept)), [])


def test_how_much_survives_a_crash_is_chance() -> None:
    def survivors(seed: int) -> int:
        contents: list[int] = []
        disk = Disk(World(seed), "d")
        for number in range(3):
            disk.write(contents.append, number)
        disk.crash()
        assert contents == list(range(len(contents)))
        return len(contents)

    assert {survivors(seed) for seed in range(50)} == {0, 1, 2, 3}


def test_after_a_crash_the_disk_works_again() -> None:
    world = World(1)
    contents: list[Any] = []
    done: list[Any] = []
    disk = Disk(world, "d")
    disk.latency_ms = (5, 5)
    disk.write(contents.append, "lost")
    disk.sync(done.append, "never")
    disk.crash(0)
    disk.write(contents.append, "kept")
    disk.sync(done.append, "done")
    world.run()
    assert (contents, done) == (["kept"], ["done"])


def test_a_held_disk_syncs_when_it_is_released() -> None:
    contents: list[int] = []
    done: list[Any] = []
    disk = Disk(World(1), "d")
    disk.held = True
    for number in range(2):
        disk.write(contents.append, number)
        disk.sync(done.append, number)
    assert (contents, done) == ([], [])
    assert disk.release()
    assert (contents, done) == ([0], [0])
    assert disk.release()
    assert not disk.release()
    assert (contents, done) == ([0, 1], [0, 1])
