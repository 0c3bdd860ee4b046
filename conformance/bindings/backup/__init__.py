"""A store that is backed up and restored, and the clients that remember what was lost: as a system to explore."""

from kubeproof.conformance.bindings.backup.model import model
from kubeproof.conformance.bindings.backup.system import BackupSystem

__all__ = ["BackupSystem", "model"]
