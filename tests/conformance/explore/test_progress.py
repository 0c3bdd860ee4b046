"""The line that tells how far a search is: only on a terminal, with an outlook that is none while levels grow."""

from __future__ import annotations

import io

import pytest

from kubeproof.conformance.explore import progress
from kubeproof.conformance.explore.explorer import Exploration, Statistics
from kubeproof.conformance.explore.progress import line, progress_line
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.scenarios.systems import two_phase_commit


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_where_nobody_looks_nothing_is_shown() -> None:
    with progress_line(io.StringIO()) as show:
        assert show is None


def test_on_a_terminal_each_level_is_shown_and_the_line_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    terminal = Terminal()
    with progress_line(terminal) as show:
        exploration = Exploration(two_phase_commit.model(3), Limits(), progress=show)
        exploration.run()
    lines = terminal.getvalue().split("\r\x1b[K")
    assert len(lines) == 2 + len(exploration.statistics.levels)
    assert (lines[0], lines[-1]) == ("", "")
    assert "288 states" in lines[-2]
    assert "depth 10" in lines[-2]


def test_the_outlook_is_that_of_a_shrinking_series() -> None:
    growing = line(Statistics(distinct=7_000, depth=2, levels=[1_000, 2_000, 4_000]), 2.0)
    assert growing.startswith("7,000 states, 3,500/s, depth 2, ")
    assert growing.endswith("levels still grow")
    shrinking = line(Statistics(distinct=7_000, depth=2, levels=[4_000, 2_000, 1_000]), 2.0)
    assert shrinking.endswith("about 1,000 to come (0 s)")
