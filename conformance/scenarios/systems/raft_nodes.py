"""Clusters of anybody's Raft under the bounds of a scenario of ours: what `--node` makes of the system `raft`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec

from kubeproof.conformance.adapters.nodes import answers_as_reference, node_of
from kubeproof.conformance.bindings.raft.member import CHANGE, COMPACT, TRANSFER
from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.nodes import cluster
from kubeproof.conformance.nodes.options import changed_options, every_option, refuse

P = ParamSpec("P")

COSTS = {**cluster.COSTS, TRANSFER: "transfers", CHANGE: "changes", COMPACT: "compactions"}
NOT_HERE = ("stops", "partitions", "reads", "read_retries", "client", "symmetry", "recovery")
"""What clusters of nodes do not have."""
NOT_STORED_YET = ("term_never_falls", "votes_once")
"""Promises of what is stored: of a node that writes later, what is seen may still be forgotten."""


@dataclass(frozen=True, slots=True)
class NodesSetup(Setup):
    """A setup of Raft, and whose nodes they are. Its `faults` are options of the node."""

    node: str = ""
    leaves_out: Collection[str] = ()


def model_of(setup: NodesSetup) -> Model:
    """The model of a setup. InvalidInput for what only the binding of the reference can do."""
    refuse(setup, NOT_HERE, "clusters of nodes do not have it")
    options = every_option(setup) if answers_as_reference(setup.node) else changed_options(setup)
    return cluster.model(
        node_of(setup.node, setup.members, {**options, **dict.fromkeys(setup.faults, True)}),
        setup.members,
        setup.terms,
        {
            "proposals": setup.proposals,
            "restarts": setup.crashes,
            "heartbeats": None if setup.endless_heartbeats else setup.heartbeats,
            **{name: getattr(setup, name) for name in ("transfers", "changes", "compactions")},
            "drops": None if setup.lossy else setup.drops,
            "duplicates": setup.duplicates,
        },
        messages=setup.messages,
        leaves_out=(*setup.leaves_out, *(NOT_STORED_YET if setup.asynchronous else ())),
        costs=COSTS,
    )


def _from(setup: Callable[P, NodesSetup]) -> Callable[P, Model]:
    """A function with the arguments of a setup; `kubeproof explore` asks for their names and defaults."""

    @wraps(setup)
    def build(*args: P.args, **kwargs: P.kwargs) -> Model:
        return model_of(setup(*args, **kwargs))

    return build


model = _from(NodesSetup)
