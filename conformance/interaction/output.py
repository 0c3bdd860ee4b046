"""What a directive prints: text of the harness and log lines of the nodes, filtered by level, indented where nested."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE")
DEBUG, INFO, WARN, ERROR, FATAL, NONE = range(len(LEVELS))


class Output:
    """Collects text; it is the nodes' logger too.

    Log lines below `level` are dropped; at NONE everything is.
    """

    def __init__(self) -> None:
        self.level = DEBUG
        self._parts: list[str] = []

    def write(self, text: str) -> None:
        if self.level != NONE:
            self._parts.append(text)

    def take(self) -> str:
        """Everything since the last call."""
        text = "".join(self._parts)
        self._parts = []
        return text

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Indent every line printed inside by two spaces and end the last one."""
        outer, self._parts = self._parts, []
        try:
            yield
        finally:
            inner = self.take()
            self._parts = outer
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

    def fatal(self, text: str) -> None:
        self._log(FATAL, text)

    def _log(self, level: int, text: str) -> None:
        if level >= self.level:
            self.write(f"{LEVELS[level]} {text}\n")
