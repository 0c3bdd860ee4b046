"""impl/election as a system to explore: client-go's elector and the Lease take every step."""

from kubeproof.conformance.bindings.election.model import model

__all__ = ["model"]
