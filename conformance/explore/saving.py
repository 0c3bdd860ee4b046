"""Arrays and values in a folder: written beside and then renamed, so that what stands there is whole, whenever one is killed.

Values are immutable ones of the program itself. Reading makes nothing else: a file can name classes of the program, and no code.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kubeproof.conformance.verdict import InvalidInput

PACKAGE = Path(__file__).parents[2]
SOURCES = (
    "impl",
    "conformance/adapters",
    "conformance/bindings",
    "conformance/explore",
    "conformance/nodes",
    "conformance/scenarios",
    "conformance/simulation",
)
SUFFIXES = (".py", ".go", ".mod", ".sum")
VALUES = "values"
ALLOWED = {("fractions", "Fraction"), ("builtins", "frozenset"), ("collections", "Counter")}


class Saved(NamedTuple):
    """Arrays by name, which may be large, and values by name."""

    arrays: Mapping[str, Any]
    values: Mapping[str, Any]


def key_of(*parts: object) -> str:
    """A digest of these and of the program's own sources: with another program, local steps may be other ones."""
    digest = sha256(repr(parts).encode())
    for folder in SOURCES:
        for path in sorted(path for path in (PACKAGE / folder).rglob("*") if path.suffix in SUFFIXES):
            digest.update(str(path.relative_to(PACKAGE)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def write(folder: Path, saved: Saved) -> None:
    """Write a folder, which need not be there; it takes the place of one that is."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = (folder.with_name(f".{folder.name}-{os.getpid()}-{which}") for which in ("new", "old"))
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for name, array in saved.arrays.items():
        np.save(new / f"{name}.npy", array, allow_pickle=False)
    (new / VALUES).write_bytes(pickle.dumps(dict(saved.values)))
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def read(folder: Path) -> Saved:
    """Read a folder. InvalidInput if there is something else in it."""
    try:
        values = _Reader(io.BytesIO((folder / VALUES).read_bytes())).load()
        arrays = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in folder.glob("*.npy")}
        return Saved(arrays, dict(values))
    except Exception as error:  # whatever a file that was not written by `write` makes of the reader
        problem = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InvalidInput(str(folder), None, f"expected what an exploration has saved, got {problem}; delete it") from error


class _Reader(pickle.Unpickler):
    """Makes objects of the program's classes and of a few harmless ones."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ALLOWED:
            return super().find_class(module, name)
        if module.startswith("kubeproof.") and isinstance(found := getattr(importlib.import_module(module), name, None), type):
            return found
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed here")
