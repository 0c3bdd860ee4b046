"""impl/raft as a system to explore: the code itself takes every step."""

from kubeproof.conformance.bindings.raft.model import model

__all__ = ["model"]
