"""impl/etcd's leases as a system to explore: members with impl/store, a log with a leader for each term, clients, clocks."""

from kubeproof.conformance.bindings.lease.model import LeaseSystem, model

__all__ = ["LeaseSystem", "model"]
