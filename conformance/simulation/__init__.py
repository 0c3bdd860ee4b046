"""Simulated clusters, checked while they run."""

from kubeproof.conformance.simulation.simulate import simulate, simulate_varied

__all__ = ["simulate", "simulate_varied"]
