"""Build the node of go.etcd.io/raft: `python -m kubeproof.conformance.adapters.etcd_raft_go`."""

from __future__ import annotations

import shutil
import subprocess
import sys

from kubeproof.conformance.adapters.etcd_raft_go import PROGRAM, build, is_built, why_not_built

if not is_built() and shutil.which("go") is None:
    print(f"left out: {why_not_built()}", file=sys.stderr)
else:
    try:
        build()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{PROGRAM} could not be built: {error}")
