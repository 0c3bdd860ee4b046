"""Local steps kept on disk between runs, so that a second exploration of a scenario asks its system nothing.

They are in the user's cache folder, under a digest of the scenario and of the program's sources. What is damaged is made anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from kubeproof.conformance.explore import saving
from kubeproof.conformance.explore.local_steps import LocalSteps
from kubeproof.conformance.verdict import InvalidInput

SCENARIOS_MAX = 64
WORTH_KEEPING = 500
"""Fewer steps than this are computed as fast as they are read."""


def folder() -> Path:
    """Where they are: `kubeproof/steps` in XDG_CACHE_HOME, which is ~/.cache unless somebody says otherwise."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubeproof" / "steps"


def recall(key: str, steps: LocalSteps) -> int:
    """Know what was kept under this key. Returns how many steps the system had been asked for then."""
    path = folder() / key
    if not path.is_dir():
        return 0
    try:
        steps.restore(saving.read(path))
        os.utime(path)
    except (InvalidInput, KeyError, ValueError, TypeError, OSError):
        shutil.rmtree(path, ignore_errors=True)
        return 0
    return steps.computed


def keep(key: str, steps: LocalSteps) -> None:
    """Keep what is known, and forget what was not used for longest. Where nothing can be written, nothing is kept."""
    if steps.computed < WORTH_KEEPING:
        return
    try:
        saving.write(folder() / key, steps.export())
        _forget(sorted(folder().iterdir(), key=lambda path: path.stat().st_mtime)[:-SCENARIOS_MAX])
    except OSError:
        return


def _forget(paths: Sequence[Path]) -> None:
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
