"""What a directive prints: text of the harness and log lines of the nodes, filtered by level, indented where nested."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kubeproof.conformance.limits import LimitReached

MAX_OUTPUT = 2**25
"""More characters than this from one directive are no file's expectation, but the sign of work without end."""

LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE")
DEBUG, INFO, WARN, ERROR, FATAL, NONE = range(len(LEVELS))


class Output:
    """Collects text; it is the nodes' logger too.

    Log lines below `level` are dropped; at NONE everything is.
    """

    def __init__(self) -> None:
        self.level = DEBUG
        self._parts: list[str] = []
        self._size = 0

    def write(self, text: str) -> None:
        """LimitReached if this is too much for one directive."""
        if self.level != NONE:
            self._parts.append(text)
            self._size += len(text)
            if self._size > MAX_OUTPUT:
                raise LimitReached(f"a directive prints more than {MAX_OUTPUT} characters")

    def take(self) -> str:
        """Everything since the last call."""
        text = "".join(self._parts)
        self._parts = []
        self._size = 0
        return text

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Indent every line printed inside by two spaces and end the last one."""
        outer, self._parts = self._parts, []
        try:
            yield
        finally:
            inner, self._parts = "".join(self._parts), outer
            lines = inner.removesuffix("\n").split("\n") if inner else []
            self._parts += [f"  {line}\n" for line in lines]

    def debug(self, text: str) -> None:
        self._log(DEBUG, text)

    def info(self, text: str) -> None:
        self._log(INFO, text)

    def warning(self, text: str) -> None:
        self._log(WARN, text)

    def error(self, text: str) -> None:
        self._log(ERROR, text)

    def _log(self, level: int, text: str) -> None:
        if level >= self.level:
            self.write(f"{LEVELS[level]} {text}\n")
