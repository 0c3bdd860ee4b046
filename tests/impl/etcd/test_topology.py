"""What a cluster is after its hosts have failed."""

from __future__ import annotations

import pytest

from kubeproof.impl.etcd.topology import Topology, external, stacked
from kubeproof.impl.store.requests import PutRequest
from tests.impl.etcd.cluster import Cluster

MASTERS = ("master-1", "master-2", "master-3")
STACKED = stacked(MASTERS)
EXTERNAL = external(MASTERS, ("etcd-1", "etcd-2", "etcd-3"))


def serves_without(topology: Topology, failed: tuple[str, ...]) -> bool:
    """Whether writes go on when these hosts are gone."""
    cluster = Cluster(3)
    for host in failed:
        for id_ in topology.members_on(host):
            cluster.crash(id_)
    cluster.ticks(25)
    id_ = next(iter(cluster.members), 0)
    return id_ != 0 and cluster.begin(id_, PutRequest(b"a")) in cluster.answers


@pytest.mark.parametrize(
    ("topology", "failed", "serves"),
    [
        (STACKED, MASTERS[:1], True),
        (STACKED, MASTERS[:2], False),
        (EXTERNAL, MASTERS, True),
        (EXTERNAL, ("etcd-1", "etcd-3"), False),
        (EXTERNAL, ("master-1", "etcd-1"), True),
    ],
)
def test_who_serves(topology: Topology, failed: tuple[str, ...], serves: bool) -> None:
    assert serves_without(topology, failed) == serves


def test_an_unknown_host() -> None:
    with pytest.raises(KeyError):
        STACKED.members_on("worker-1")
