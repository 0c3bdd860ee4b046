"""impl/election as a system to explore: client-go's elector and the Lease take every step."""

from kubeproof.conformance.bindings.election.model import Election, model

__all__ = ["Election", "model"]
