"""What networks promise: order, loss, duplication, delay, cuts; and the held network of scripts."""

from __future__ import annotations

from typing import Any

from kubeproof.impl.sim.network import HeldNetwork, Network
from kubeproof.impl.sim.world import World

COUNT = 200


def sent(network: Network, world: World, count: int = COUNT) -> list[int]:
    """What endpoint b receives when endpoint a sends it 0, 1, 2, ..."""
    received: list[int] = []
    network.attach("b", received.append)
    for number in range(count):
        network.send("a", "b", number)
    world.run()
    return received


def test_a_link_keeps_its_order() -> None:
    world = World(1)
    assert sent(Network(world), world) == list(range(COUNT))


def test_late_messages_are_overtaken_but_arrive() -> None:
    world = World(1)
    network = Network(world)
    network.conditions.late = 0.3
    received = sent(network, world)
    assert sorted(received) == list(range(COUNT)) != received


def test_lost_messages_are_observed_and_the_sender_does_not_know() -> None:
    world = World(1)
    seen: list[Any] = []
    network = Network(world, lambda what, sender, receiver, message: seen.append((what, sender, receiver, message)))
    network.conditions.loss = 0.5
    received = sent(network, world)
    assert 0 < len(received) < COUNT
    assert sorted(received + [number for _, _, _, number in seen]) == list(range(COUNT))
    assert {(what, sender, receiver) for what, sender, receiver, _ in seen} == {("drop", "a", "b")}


def test_duplicates_arrive_twice_and_are_observed() -> None:
    world = World(1)
    seen: list[Any] = []
    network = Network(world, lambda what, _sender, _receiver, message: seen.append((what, message)))
    network.conditions.duplicate = 1.0
    assert sorted(sent(network, world, 3)) == [0, 0, 1, 1, 2, 2]
    assert seen == [("duplicate", 0), ("duplicate", 1), ("duplicate", 2)]


def test_a_cut_link_loses_what_is_sent_but_not_what_is_under_way() -> None:
    world = World(1)
    received: list[str] = []
    network = Network(world)
    network.attach("a", received.append)
    network.attach("b", received.append)
    assert network.send("a", "b", "before")
    network.cut(["a"], ["b"])
    assert not network.send("a", "b", "lost")
    assert network.send("b", "a", "other way")
    network.heal()
    assert network.send("a", "b", "after")
    world.run()
    assert sorted(received) == ["after", "before", "other way"]


def test_swallowed_messages_are_lost() -> None:
    world = World(1)
    network = Network(world)
    network.swallow = lambda message: message % 2 == 0
    assert sent(network, world, 5) == [1, 3]


def test_nobody_there() -> None:
    world = World(1)
    seen: list[Any] = []
    network = Network(world, lambda what, _sender, _receiver, message: seen.append((what, message)))
    network.attach("b", seen.append)
    network.send("a", "b", "x")
    network.detach("b")
    world.run()
    assert (seen, network.delivered) == ([("drop", "x")], 0)


def test_a_held_network_delivers_what_a_script_wants() -> None:
    network = HeldNetwork()
    received: list[str] = []
    network.attach("b", received.append)
    for message in ("x", "y", "z"):
        network.send("a", "b", message)
    assert network.deliver(lambda held: held.message != "y") == 2
    assert network.duplicate(lambda _: True) == 1
    assert network.drop(lambda _: True) == 2
    assert (received, network.held) == (["x", "z"], [])


def test_what_a_delivery_causes_stays_held() -> None:
    network = HeldNetwork()
    network.attach("b", lambda _: network.send("b", "a", "answer"))
    network.send("a", "b", "question")
    assert network.deliver(lambda _: True) == 1
    assert network.held == [("b", "a", "answer")]
