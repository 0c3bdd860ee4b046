"""The import rule: models and impl import nothing of ours but themselves, impl besides only the standard library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODELS_MAY_IMPORT = {"z3"}


def imported_modules(source: str) -> Iterator[str]:
    """Absolute names of everything that a source text imports; a relative import yields its leading dots."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def forbidden(package: str, source: str) -> list[str]:
    """The imports of a source text in `package` that break the rule."""
    broken = []
    for module in imported_modules(source):
        top = module.split(".")[0]
        own = module == f"kubeproof.{package}" or module.startswith(f"kubeproof.{package}.")
        outside = top in sys.stdlib_module_names or (package == "models" and top in MODELS_MAY_IMPORT)
        if not own and not outside:
            broken.append(module)
    return broken


@pytest.mark.parametrize("package", ["models", "impl"])
def test_import_rule(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"no Python files in {package}/"
    broken = {str(file.relative_to(ROOT)): names for file in files if (names := forbidden(package, file.read_text()))}
    assert not broken


@pytest.mark.parametrize(
    ("package", "source", "names"),
    [
        ("impl", "import kubeproof.models.raft", ["kubeproof.models.raft"]),
        ("impl", "from kubeproof.conformance import verdict", ["kubeproof.conformance"]),
        ("impl", "import msgspec", ["msgspec"]),
        ("impl", "from ..models import raft", ["..models"]),
        ("models", "from kubeproof.impl.raft import RawNode", ["kubeproof.impl.raft"]),
        ("impl", "import heapq\nfrom kubeproof.impl.raft import RawNode", []),
        ("models", "import z3", []),
    ],
)
def test_the_rule_finds_what_it_forbids(package: str, source: str, names: list[str]) -> None:
    assert forbidden(package, source) == names


def test_traces_are_data() -> None:
    assert not list((ROOT / "traces").rglob("*.py"))
