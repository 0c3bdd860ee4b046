"""Programs that speak the node protocol: the tutorial's Raft, and what edits make of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.nodes.child import Child
from kubeproof.conformance.nodes.cluster import model

MY_RAFT = Path(__file__).parents[3] / "docs" / "tutorial" / "my_raft.py"
MENDED = {"last[0] >= self.last()[0]": "last >= self.last()"}


def edited(folder: Path, edits: Mapping[str, str]) -> str:
    """The command line of the Raft, in which each text stands for another one."""
    source = MY_RAFT.read_text()
    for text, instead in edits.items():
        assert text in source
        source = source.replace(text, instead)
    return written(folder, source)


def written(folder: Path, source: str) -> str:
    """The command line of a program."""
    path = folder / "program.py"
    path.write_text(source)
    return f"{quote(sys.executable)} {quote(str(path))}"


def cluster(child: Child, members: int, messages: int = 2, heartbeats: int | None = None, **budgets: int) -> Model:
    """A small cluster of it, in two terms."""
    return model(child, members, 2, {"heartbeats": heartbeats, "proposals": 0, **budgets}, messages=messages)
