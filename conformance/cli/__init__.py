"""The command line: `kubeproof check | simulate | interaction | verify` (docs/command-line.md is its contract)."""

from kubeproof.conformance.cli.main import main

__all__ = ["main"]
