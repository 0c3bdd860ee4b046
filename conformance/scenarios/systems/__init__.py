"""Systems that ship: small ones to learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kubeproof.conformance.bindings import backup, election, etcd, lease, raft, store, watch
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.scenarios.systems import cluster, raft_nodes, register, two_phase_commit

SYSTEMS: Mapping[str, Callable[..., Model]] = {
    "backup": backup.model,
    "cluster": cluster.model,
    "election": election.model,
    "etcd": etcd.model,
    "lease": lease.model,
    "raft": raft.model,
    "raft-nodes": raft_nodes.model,
    "register": register.model,
    "store": store.model,
    "two-phase-commit": two_phase_commit.model,
    "watch": watch.model,
}
"""Models by name. Keyword arguments that are integers are sizes and bounds, booleans are options."""
