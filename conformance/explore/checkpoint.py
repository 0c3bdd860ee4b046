"""A search that can go on where it was, even after it was killed: all that it knows, saved after a level every now and then."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from kubeproof.conformance.explore import saving
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.verdict import InvalidInput

EVERY_S = 30.0
NAME = "exploration"


class Checkpoint:
    """The state of one search in `folder`. `key` tells one scenario and program from another."""

    def __init__(self, folder: Path, key: str, every_s: float = EVERY_S) -> None:
        self._path = folder / NAME
        self._key = key
        self._every_s = every_s
        self._last = time.monotonic()

    def resume(self, exploration: Exploration) -> bool:
        """Go on with what was saved; False if nothing was. InvalidInput if it is another search that was saved there."""
        if not self._path.exists():
            return False
        saved = saving.read(self._path)
        if saved.values.get("key") != self._key:
            raise InvalidInput(
                str(self._path), None, "expected the state of this exploration, not that of another one; delete it"
            )
        try:
            exploration.restore(saved)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise InvalidInput(str(self._path), None, f"expected a whole state, but {error!r}; delete it") from error
        return True

    def level_is_done(self, exploration: Exploration) -> None:
        """Save if it is time to."""
        if time.monotonic() - self._last >= self._every_s:
            arrays, values = exploration.export()
            saving.write(self._path, saving.Saved(arrays, {**values, "key": self._key}))
            self._last = time.monotonic()

    def forget(self) -> None:
        """The search has come to its end."""
        shutil.rmtree(self._path, ignore_errors=True)
