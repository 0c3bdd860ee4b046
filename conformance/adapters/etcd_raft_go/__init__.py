"""go.etcd.io/raft as it is: a program in Go around its RawNode that speaks the node protocol (docs/comparing.md)."""

from kubeproof.conformance.adapters.etcd_raft_go.program import PROGRAM, build, built, is_built, why_not_built

__all__ = ["PROGRAM", "build", "built", "is_built", "why_not_built"]
