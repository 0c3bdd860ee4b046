"""PySyncObj as it is on PyPI, in several versions beside each other: its own code takes every step."""

from kubeproof.conformance.adapters.pysyncobj.node import PySyncObj

__all__ = ["PySyncObj"]
