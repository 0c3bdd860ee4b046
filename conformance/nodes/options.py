"""A setup of Raft, as options of anybody's node."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields

from kubeproof.conformance.bindings.raft.setup import Setup
from kubeproof.conformance.verdict import InvalidInput

OF_THE_WORLD = (
    *("members", "messages", "drops", "duplicates", "lossy", "symmetry", "recovery"),
    *("client", "reads", "read_retries", "stops", "partitions", "faults"),
)
"""What no node need know."""
BUDGETS = ("terms", "proposals", "crashes", "heartbeats", "endless_heartbeats", "transfers", "changes", "compactions")
"""What a node offers need not depend on: the harness counts. Who is compared must know it, to offer the same."""
ONLY_OURS = ("vote_request_after_write",)
"""Options that only the reference has."""

Options = dict[str, int | bool]


def every_option(setup: Setup) -> Options:
    """All that a node must know that is to answer as the reference does in this setup."""
    refuse(setup, (*ONLY_OURS, "stops", "partitions"), "nobody but the reference knows it")
    return {name: value for name, value in _values(setup).items() if name not in (*OF_THE_WORLD, *ONLY_OURS)}


def changed_options(setup: Setup) -> Options:
    """What must be said to a node that is as usual: how it is configured, if not by default."""
    usual = _values(Setup())
    return {name: value for name, value in every_option(setup).items() if value != usual[name] and name not in BUDGETS}


def refuse(setup: Setup, names: Collection[str], why: str) -> None:
    """InvalidInput if the setup has any of these."""
    for name in names:
        if getattr(setup, name):
            raise InvalidInput(name, None, f"expected none: {why}")


def _values(setup: Setup) -> Options:
    return {each.name: getattr(setup, each.name) for each in fields(Setup)}
