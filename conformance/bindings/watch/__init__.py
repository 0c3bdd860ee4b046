"""impl/store's watches as a system to explore: clients whose streams end, and members that apply one log, each at its pace."""

from kubeproof.conformance.bindings.watch.model import WatchSystem, model

__all__ = ["WatchSystem", "model"]
