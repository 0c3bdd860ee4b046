"""The real etcd of the tests: KUBEPROOF_ETCD, else the one that is installed."""

from __future__ import annotations

import os

import pytest

from kubeproof.conformance.adapters.etcd.server import find

BINARY = find(os.environ.get("KUBEPROOF_ETCD"))
IMPATIENT = ("--heartbeat-interval=20", "--election-timeout=200")
"""Elects sooner than by default, which also makes the shortest lease shorter."""
needs_etcd = pytest.mark.skipif(BINARY is None, reason="no etcd is installed")
