"""Clusters of implementations that are not ours, by name."""

from __future__ import annotations

from collections.abc import Collection

from kubeproof.conformance.adapters.nodes import node_of
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.nodes import cluster


def model(
    node: str,
    members: int = 3,
    terms: int = 2,
    candidates: int = 0,
    proposals: int = 0,
    restarts: int = 0,
    heartbeats: int = 0,
    capacity: int = 0,
    breaks: int = 0,
    messages: int = 4,
    drops: int = 0,
    duplicates: int = 0,
    command_bytes: int = 0,
    batch_bytes: int = 0,
    *,
    leaves_out: Collection[str] = (),
    recovery: bool = False,
    symmetry: bool = False,
) -> Model:
    """See nodes/cluster.py. 0 `heartbeats` are any number of them.

    `command_bytes` is the size of a client's command, `batch_bytes` that of a batch of entries; 0 is as usual.
    """
    options = {name: size for name, size in (("command_bytes", command_bytes), ("batch_bytes", batch_bytes)) if size}
    return cluster.model(
        node_of(node, members, options),
        members,
        terms,
        {
            "proposals": proposals,
            "restarts": restarts,
            "heartbeats": heartbeats or None,
            "breaks": breaks,
            "drops": drops,
            "duplicates": duplicates,
        },
        candidates=candidates,
        capacity=capacity,
        messages=messages,
        leaves_out=leaves_out,
        recovery=recovery,
        symmetry=symmetry,
    )
