"""raftos as it is on PyPI: its own code takes every step."""

from kubeproof.conformance.adapters.raftos.node import Raftos

__all__ = ["Raftos"]
