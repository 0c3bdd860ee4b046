"""etcd-io/raft's datadriven suites (interaction, confchange, quorum), run against the reference implementation."""

from kubeproof.conformance.interaction.runner import Violation, rewrite_file, run_file

__all__ = ["Violation", "rewrite_file", "run_file"]
