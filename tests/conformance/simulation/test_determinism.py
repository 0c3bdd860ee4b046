"""The same seed gives the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from kubeproof.conformance.simulation import simulate
from kubeproof.impl.cluster.environment import ENVIRONMENT_FAULTS

PROGRAM = """
import sys
from kubeproof.conformance.simulation import simulate
from kubeproof.impl.cluster.environment import ENVIRONMENT_FAULTS
options = {"async_storage_writes": True, "disk_ms": (1, 5), "snapshot_every": 20}
simulate("raft", nodes=5, seed=11, events=6000, faults=ENVIRONMENT_FAULTS, options=options, liveness=True, out=sys.argv[1])
"""


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_same_seed_gives_the_same_run(tmp_path: Path, asynchronous: bool) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        options = {"async_storage_writes": asynchronous}
        simulate("raft", seed=seed, events=3000, faults=ENVIRONMENT_FAULTS, options=options, out=str(tmp_path / name))
    first, again, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == again != other


def test_hash_seeds_make_no_difference(tmp_path: Path) -> None:
    digests = []
    for hash_seed in ("0", "4242"):
        out = tmp_path / hash_seed
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", PROGRAM, str(out)], env=environment, check=True)
        digests.append(sha256(out.read_bytes()).hexdigest())
    assert digests[0] == digests[1]
