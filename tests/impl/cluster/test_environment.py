"""Every environment fault happens and ends; an operator leaves a cluster that works."""

from __future__ import annotations

import pytest

from kubeproof.impl.cluster.client import Client
from kubeproof.impl.cluster.cluster import Cluster
from kubeproof.impl.cluster.environment import ENVIRONMENT_FAULTS, Environment
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.sim.network import Network
from kubeproof.impl.sim.world import World


@pytest.mark.parametrize("fault", ENVIRONMENT_FAULTS)
def test_a_cluster_recovers_from_a_fault(fault: str) -> None:
    world = World(7)
    network = Network(world)
    cluster = Cluster(world, network, Settings(snapshot_every=20, keep_entries=0, disk_ms=(0, 2)))
    environment = Environment(cluster, network, [fault], every_ms=60)
    client = Client(cluster, 5, reads=True)
    cluster.bootstrap((1, 2, 3))
    client.start()
    environment.start()
    world.run(until_ms=5_000)
    assert environment.happened.keys() == {fault}
    assert environment.happened[fault] > 5
    environment.heal()
    world.run(until_ms=8_000)
    client.stop()
    for _ in range(20):
        world.run(until_ms=world.now_ms + 100)
        environment.stop_removed()
    leader = cluster.leader()
    assert leader is not None
    states = {cluster.members[id_].machine.export() for id_ in (*leader.conf_state.voters, *leader.conf_state.learners)}
    assert len(states) == 1
    assert all(member.panic is None for member in cluster.members.values())


def test_membership_changes_of_every_kind_happen() -> None:
    world = World(3)
    network = Network(world)
    cluster = Cluster(world, network, Settings())
    environment = Environment(cluster, network, ["membership"], every_ms=20)
    cluster.bootstrap((1, 2, 3))
    Client(cluster, 5, reads=False).start()
    environment.start()
    joint = learners = retired = 0
    for _ in range(600):
        world.run(until_ms=world.now_ms + 50)
        states = [member.conf_state for member in cluster.members.values()]
        joint += any(state.voters_outgoing for state in states)
        learners += any(state.learners for state in states)
        retired += any(member.retired for member in cluster.members.values())
    assert min(joint, learners, retired) > 0


def test_unknown_faults_are_refused() -> None:
    world = World(1)
    network = Network(world)
    with pytest.raises(ValueError, match="unknown faults: flood"):
        Environment(Cluster(world, network, Settings()), network, ["flood"], every_ms=10)
