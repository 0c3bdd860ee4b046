"""Every console example in the README and in docs/ is run, and prints what it says it prints.

In a block marked `console`, a line `$ command` is run from the project's root with .venv/bin first on the path; the lines behind
it are its expected output, where `...` stands for anything. `console exit=1` names another exit code than 0.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from kubeproof.conformance.adapters import etcd_raft_go

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```console(?: exit=(\d+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


class Example(NamedTuple):
    page: str
    command: str
    output: str
    exit_code: int


def examples() -> list[Example]:
    found = []
    for page in PAGES:
        for code, block in BLOCK.findall(page.read_text()):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append(Example(str(page.relative_to(ROOT)), command, output, int(code or 0)))
    return found


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"{example.page}: {example.command[:50]}")
def test_example(example: Example, tmp_path: Path) -> None:
    if "record etcd" in example.command and shutil.which("etcd") is None:
        pytest.skip("no etcd is installed")
    if "--node etcd-raft" in example.command and not etcd_raft_go.is_built():
        pytest.skip(str(etcd_raft_go.why_not_built()))
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", example.command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == example.exit_code, done.stdout + done.stderr
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(example.output, done.stdout + done.stderr, flags), done.stdout + done.stderr


def test_there_are_examples() -> None:
    assert {"README.md"} <= {example.page for example in examples()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert not missing
