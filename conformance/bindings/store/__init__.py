"""impl/store as a system to explore: members that apply one log, each with its own crashes, commits and compactions."""

from kubeproof.conformance.bindings.store.model import StoreSystem, model

__all__ = ["StoreSystem", "model"]
