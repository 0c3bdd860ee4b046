"""Recorded runs: the Run format, importers of other formats, and the checkers."""

from kubeproof.conformance.trace.check import check_file

__all__ = ["check_file"]
