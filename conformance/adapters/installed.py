"""Released packages of other people: each release in a folder of its own, with what it needs, and loaded from there.

They are fetched by the ordinary client of the package index, and must have the digests that are pinned here.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple


class NotInstalled(Exception):
    """This release is not there."""


class Distribution(NamedTuple):
    """What is fetched: a source distribution, by its digest."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Release:
    """A release of a package. `needs` are what it imports, and `modules` the names of all that comes from its folder."""

    package: Distribution
    modules: tuple[str, ...]
    needs: tuple[Distribution, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.package.name} {self.package.version}"

    def folder(self) -> Path:
        """Where it is: in XDG_CACHE_HOME, which is ~/.cache unless somebody says otherwise."""
        cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cached / "kubeproof" / self.package.name / self.package.version

    def is_installed(self) -> bool:
        return (self.folder() / self.modules[0]).is_dir()

    def missing(self) -> str | None:
        """How to get it, if it is not there."""
        return None if self.is_installed() else f"{self.name} is not installed: `make adapters` does that"

    def install(self) -> None:
        """Fetch it and unpack it into its folder. CalledProcessError if that cannot be done."""
        target = self.folder()
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as fresh:
            wanted = Path(fresh) / "requirements.txt"
            lines = [f"{name}=={version} --hash=sha256:{digest}\n" for name, version, digest in (self.package, *self.needs)]
            wanted.write_text("".join(lines))
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--retries", "1"]
            pinned = ["--no-deps", "--no-build-isolation", "--require-hashes", "-r", str(wanted)]
            subprocess.run([*pip, *pinned, "--target", f"{fresh}/installed"], check=True)
            Path(fresh, "installed").replace(target)

    def require(self) -> None:
        """Install it unless it is there. SystemExit, with the reason, if it cannot be had."""
        if not self.is_installed():
            try:
                self.install()
            except subprocess.CalledProcessError as error:
                sys.exit(f"{self.name} could not be installed: {error}")

    def load(self, module: str) -> ModuleType:
        """A module of it. NotInstalled if it is not there.

        Other releases may be loaded, too: each keeps its own modules, and none stays where `import` would find it.
        """
        if missing := self.missing():
            raise NotInstalled(missing)
        return _loaded(self, module)


@cache
def _loaded(release: Release, module: str) -> ModuleType:
    with _imported_from(release.folder(), release.modules):
        return importlib.import_module(module)


@contextmanager
def _imported_from(path: Path, names: Collection[str]) -> Iterator[None]:
    def theirs() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in names]

    found = {name: sys.modules.pop(name) for name in theirs()}
    sys.path.insert(0, str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old releases use what newer Pythons warn of
            yield
    finally:
        sys.path.remove(str(path))
        for name in theirs():
            del sys.modules[name]
        sys.modules.update(found)
