"""The specifications that ship, by name."""

from __future__ import annotations

from importlib import import_module

from kubeproof.models.logic.specification import Specification

NAMES = ("raft", "membership", "reads", "lease_reads", "mvcc", "watch", "lease", "backup", "election")
"""In the order in which they are best read."""


def load(name: str) -> Specification:
    """The specification in the module of that name. Raises KeyError where none ships."""
    if name not in NAMES:
        raise KeyError(name)
    spec = getattr(import_module(f"kubeproof.models.{name}"), name)
    assert isinstance(spec, Specification)
    return spec
