"""How fast simulated clusters run: delivered messages a second without a watcher, events a second with recording and checking.

Wanted on one core: at least 20,000 delivered messages a second without checking. Best of three, since other work may be going on.
"""

from __future__ import annotations

import time

from kubeproof.conformance.simulation import simulate
from kubeproof.impl.cluster.client import Client
from kubeproof.impl.cluster.cluster import Cluster
from kubeproof.impl.cluster.settings import Settings
from kubeproof.impl.sim.network import Network
from kubeproof.impl.sim.world import World

SIMULATED_MS = 8_000
EVENTS = 100_000
ROUNDS = 3


def delivered_a_second(nodes: int, settings: Settings) -> float:
    """A cluster without faults whose clients propose every two milliseconds or so."""
    world = World(1)
    network = Network(world)
    cluster = Cluster(world, network, settings)
    cluster.bootstrap(range(1, nodes + 1))
    Client(cluster, 2, reads=True).start()
    begun = time.process_time()
    world.run(until_ms=SIMULATED_MS)
    return network.delivered / (time.process_time() - begun)


def checked_a_second() -> float:
    """Events a second, made and checked, not written."""
    begun = time.process_time()
    result = simulate("raft", nodes=5, seed=1, events=EVENTS, faults=("crash", "partition", "loss"))
    return int(str(result.details["events"])) / (time.process_time() - begun)


def main() -> None:
    """Print one line a figure."""
    for nodes in (3, 5):
        for name, settings in (
            ("one Ready at a time", Settings()),
            ("disk of 1 to 3 ms", Settings(disk_ms=(1, 3))),
            ("storage threads", Settings(async_storage_writes=True, disk_ms=(1, 3))),
        ):
            best = max(delivered_a_second(nodes, settings) for _ in range(ROUNDS))
            print(f"{nodes} nodes, {name}: {best:,.0f} delivered messages a second without checking")
    print(f"5 nodes with faults: {max(checked_a_second() for _ in range(ROUNDS)):,.0f} events a second, made and checked")


if __name__ == "__main__":
    main()
