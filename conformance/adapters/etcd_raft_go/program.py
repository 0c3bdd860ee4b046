"""The program in Go: where it is, and how it is built from the sources beside this file."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from hashlib import sha256
from pathlib import Path

SOURCES = Path(__file__).parent
PROGRAM = "etcd-raft"
"""go.etcd.io/raft/v3 v3.7.0; go.sum says what exactly."""


@cache
def built() -> Path:
    """Where the program of these sources is, or will be: in XDG_CACHE_HOME, which is ~/.cache unless somebody says otherwise."""
    digest = sha256()
    for path in sorted((*SOURCES.glob("*.go"), SOURCES / "go.mod", SOURCES / "go.sum")):
        digest.update(path.read_bytes())
    cache_ = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache_ / "kubeproof" / "etcd_raft_go" / digest.hexdigest()[:16] / PROGRAM


def is_built() -> bool:
    return built().is_file()


def why_not_built() -> str | None:
    """What is to be done to have it; None if it is there."""
    if is_built():
        return None
    if shutil.which("go") is None:
        return f"{PROGRAM} is not built, for which Go 1.26 is needed (https://go.dev), and then `make adapters`"
    return f"{PROGRAM} is not built: `make adapters` does that"


def build() -> None:
    """Build it, unless it is there. CalledProcessError if that cannot be done."""
    if not is_built():
        built().parent.mkdir(parents=True, exist_ok=True)
        fresh = built().with_name(f".{PROGRAM}-{os.getpid()}")
        subprocess.run(["go", "build", "-mod=readonly", "-o", str(fresh), "."], cwd=SOURCES, check=True)
        fresh.replace(built())
