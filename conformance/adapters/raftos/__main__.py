"""Install raftos, and what it needs: `python -m kubeproof.conformance.adapters.raftos`."""

from __future__ import annotations

from kubeproof.conformance.adapters.raftos.release import RELEASE

RELEASE.require()
