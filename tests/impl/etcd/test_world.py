"""Clusters under crashes at any step, partitions, losses and pauses: equal in the end, with all that was acknowledged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeproof.impl.etcd.faults import Faults
from kubeproof.impl.etcd.member import MemberOptions
from kubeproof.impl.etcd.server import ServerOptions
from kubeproof.impl.store import Faults as StoreFaults
from kubeproof.impl.store import Options
from tests.impl.etcd.world import WorldCluster

OPTIONS = MemberOptions(snapshot_count=50, catch_up_entries=10)
RUN_MS = 20_000


def lived(seed: int, size: int = 3, options: MemberOptions = OPTIONS) -> WorldCluster:
    cluster = WorldCluster(seed, size, options)
    cluster.run(RUN_MS)
    return cluster


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((1, 3)))
def test_members_are_equal_and_have_what_was_acknowledged(seed: int, size: int) -> None:
    cluster = lived(seed, size)
    assert cluster.panic is None
    assert len(cluster.hashes()) == 1
    assert cluster.lost() == []
    assert cluster.stale_reads == []
    assert len(cluster.acknowledged) > 5
    assert cluster.reads > 5


def test_the_same_seed_is_the_same_world() -> None:
    one, other = lived(7), lived(7)
    assert one.hashes() == other.hashes()
    assert one.acknowledged == other.acknowledged


@pytest.mark.parametrize("snapshots", [True])
def test_members_take_snapshots_of_each_other(snapshots: bool) -> None:
    """Otherwise this would say nothing of them."""
    cluster = lived(3, options=replace(OPTIONS, snapshot_count=10, catch_up_entries=0))
    assert (max(host.disk.wal.snapshot.index for host in cluster.hosts) > 0) == snapshots


# ---- with a mistake it is found


def found(options: MemberOptions, size: int) -> bool:
    """In one of a few worlds."""
    for seed in range(12):
        cluster = lived(seed, size, options)
        if cluster.panic is not None or len(cluster.hashes()) > 1 or cluster.lost() or cluster.stale_reads:
            return True
    return False


@pytest.mark.parametrize(
    ("size", "server"),
    [
        (1, ServerOptions(faults=Faults(single_member_answers_before_sync=True))),
        (3, ServerOptions(Options(faults=StoreFaults(consistent_index_saved_apart=True)))),
    ],
    ids=["single_member_answers_before_sync", "consistent_index_saved_apart"],
)
def test_mistakes_are_found(size: int, server: ServerOptions) -> None:
    assert found(replace(OPTIONS, server=server), size)
