"""Install the versions of PySyncObj that are named, or all: `python -m kubeproof.conformance.adapters.pysyncobj [VERSION...]`."""

from __future__ import annotations

import sys

from kubeproof.conformance.adapters.pysyncobj import versions

for version in sys.argv[1:] or versions.SHA256:
    if version not in versions.SHA256:
        sys.exit(f"expected some of {', '.join(versions.SHA256)}, got {version}")
    versions.release(version).require()
