"""The Raft checker."""

from kubeproof.conformance.trace.raft.checker import RaftChecker
from kubeproof.conformance.trace.raft.properties import PROPERTIES
from kubeproof.conformance.trace.raft.violation import CannotBeJudged, Evidence, Violation

__all__ = ["PROPERTIES", "CannotBeJudged", "Evidence", "RaftChecker", "Violation"]
