"""Work over processes. Workers are forked, so they have what the parent has; only tasks and results are sent."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_work: Callable[[Any], Any] | None = None


def over_processes(work: Callable[[T], R], tasks: Sequence[T], jobs: int, check: Callable[[], None]) -> Iterator[R]:
    """The result of each task, as they come. `check` is called between them and twice a second; what it raises ends the work."""
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            check()
            yield work(task)
        return
    with multiprocessing.get_context("fork").Pool(min(jobs, len(tasks)), _begin, (work,)) as pool:
        results = pool.imap_unordered(_run, tasks)
        for _ in tasks:
            yield _next(results, check)


def _next(results: Any, check: Callable[[], None]) -> Any:
    while True:
        check()
        try:
            return results.next(timeout=0.5)
        except multiprocessing.TimeoutError:
            continue


def _begin(work: Callable[[Any], Any]) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends its workers
    _work = work


def _run(task: Any) -> Any:
    assert _work is not None
    return _work(task)
