"""impl/etcd as a system to explore: members with Raft, store and disk, each sync point an event of its own, and a client."""

from kubeproof.conformance.bindings.etcd.model import model

__all__ = ["model"]
