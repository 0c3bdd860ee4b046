"""What tests of go.etcd.io/raft need: the program, built if it can be, and scenarios of it."""

from __future__ import annotations

import msgspec
import pytest

from kubeproof.conformance.adapters import etcd_raft_go
from kubeproof.conformance.scenarios.scenario import Scenario, checked, load

NODE = etcd_raft_go.PROGRAM

needed = pytest.mark.skipif(not etcd_raft_go.is_built(), reason=str(etcd_raft_go.why_not_built()))


def nodes_of(name: str, node: str, faults: list[str], leaves_out: list[str], *settings: str) -> Scenario:
    """A scenario of our own Raft as one of such nodes, with their own mistakes."""
    ours = load(name)
    theirs = msgspec.structs.replace(
        ours,
        system="raft-nodes",
        node=node,
        faults=faults,
        leaves_out=leaves_out,
        options=ours.options | {"vote_request_after_write": False},
        bug=None,
        distinct=[],
        refines=[],
    )
    return checked(name, theirs, settings)
