"""Nodes in child processes: what is explored, how they are brought to a state, and that nothing of them is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from kubeproof.conformance.explore.asking import MANY, Askers, Query
from kubeproof.conformance.explore.asking import Answer as Asked
from kubeproof.conformance.explore.counterexample import shortest
from kubeproof.conformance.explore.explorer import Broken, Exploration
from kubeproof.conformance.explore.system import Event as ExploreEvent
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.child import Child, State
from kubeproof.conformance.nodes.conversation import Conversation
from kubeproof.conformance.nodes.node import CAMPAIGN, Answer, Event, Panic
from kubeproof.conformance.nodes.process import Process
from kubeproof.conformance.nodes.retake import retake
from kubeproof.conformance.verdict import InvalidInput
from tests.conformance.nodes.programs import MENDED, cluster, edited, written

NO_RESTORE = {'"restores": True': '"restores": False'}
ONLY_ITS_OWN = {
    'return {"restored": True}': 'return {"restored": str(arguments["state"]) in known}',
    "return raft.observe()": "known.add(str(vars(raft)))\n            return raft.observe()",
    "def answer(": "known = set()\n\n\ndef answer(",
}
"""Knows only states that this process has been in. (In others the order of keys is another one: so they are told again.)"""
EAGER = {"last[0] >= self.last()[0]": "True"}
"""Votes for anybody, so that the counterexample is short."""


WAYS = pytest.mark.parametrize(
    "how", [{}, NO_RESTORE, ONLY_ITS_OWN], ids=["restores", "takes its steps again", "restores its own"]
)


@WAYS
def test_the_same_is_explored_however_it_is_brought_there(tmp_path: Path, how: dict[str, str]) -> None:
    with Child(edited(tmp_path, MENDED | how), 2) as child:
        exploration = Exploration(cluster(child, 2, proposals=1, restarts=1, heartbeats=1, messages=2), Limits())
        exploration.run()
    assert (exploration.statistics.distinct, exploration.statistics.generated) == (900, 1944)
    assert exploration.witnessed.keys() == {"elected", "committed"}


def test_a_mistake_is_found_and_can_be_taken_again(tmp_path: Path) -> None:
    with Child(edited(tmp_path, EAGER), 3) as child:
        explored = cluster(child, 3, proposals=1, messages=3)
        broken, way = shortest(explored, Limits())
        assert (broken.id, len(way)) == ("leader_completeness", 12)
        retake(child, way)


RESTART = '"follower", [], [0] * self.members, 0\n'


@pytest.mark.parametrize(
    ("text", "instead", "budgets", "property_"),
    [
        ("if self.log[: len(log)] != log:", "if self.log != log:", {"proposals": 2}, "acknowledged_entries_kept"),
        ('if self.log[majority]["term"] == self.term:', "if True:", {"proposals": 1}, "own_term_committed"),
        ("max(self.commit_index, commit_index)", "commit_index", {"proposals": 1}, "commit_index_never_falls"),
        (RESTART, f"{RESTART}        self.voted_for = 0\n", {"restarts": 1}, "votes_once"),
        (RESTART, f"{RESTART}        self.term = 0\n", {"restarts": 1}, "term_never_falls"),
        (
            '"state": vars(self)}',
            '"state": vars(self), "progress": [{"node": 2, "match_index": 1, "next_index": 1}]}',
            {},
            "next_index_above_match_index",
        ),
    ],
)
def test_properties_see_what_it_tells(tmp_path: Path, text: str, instead: str, budgets: dict[str, int], property_: str) -> None:
    with Child(edited(tmp_path, MENDED | {text: instead}), 2) as child, pytest.raises(Broken) as broken:
        Exploration(cluster(child, 2, messages=3, **budgets), Limits()).run()
    assert broken.value.property.id == property_


def test_histories_are_the_shortest_that_are_known(tmp_path: Path) -> None:
    with Child(edited(tmp_path, NO_RESTORE), 1) as child:
        first = child.initial(1)
        once = _reached(child.step(1, first, Event(CAMPAIGN)))
        twice = _reached(child.step(1, once, Event(CAMPAIGN)))
        assert [len(each.history) for each in (once, twice)] == [1, 2]
        long = State(once.told, twice.history)
        assert long == once
        assert len(_reached(child.step(1, long, Event(CAMPAIGN))).history) == 2


def test_what_dies_of_a_step_and_says_so_panics(tmp_path: Path) -> None:
    panics = {"return raft.step(**arguments)": 'return {"panic": "no more terms"}'}
    with Child(edited(tmp_path, panics), 3) as child:
        with pytest.raises(Panic, match="no more terms"):
            child.step(1, child.initial(1), Event(CAMPAIGN))
        with pytest.raises(Broken) as broken:
            Exploration(cluster(child, 3), Limits()).run()
        assert broken.value.property.id == "no_panic"
        _, way = shortest(cluster(child, 3), Limits())
        retake(child, way)


def test_what_is_not_enabled_does_not_happen(tmp_path: Path) -> None:
    refuses = {"return raft.step(**arguments)": 'return {"enabled": False}'}
    with Child(edited(tmp_path, refuses), 3) as child:
        assert child.step(1, child.initial(1), Event(CAMPAIGN)) is None


def test_what_could_be_seen_in_between_is_told(tmp_path: Path) -> None:
    between = {
        "return raft.step(**arguments)": "return raft.step(**arguments) | "
        + textwrap.dedent("""\
        {"between": [{"role": "candidate", "term": 7, "log": [{"index": 0, "term": 0}], "commit_index": 0}]}""")
    }
    with Child(edited(tmp_path, between), 3) as child:
        answer = child.step(1, child.initial(1), Event(CAMPAIGN))
        assert answer is not None
        assert [each.term for each in answer.between] == [7]


def test_options_are_those_that_it_has(tmp_path: Path) -> None:
    has = {'"restores": True': '"restores": True, "options": {"fast": False}'}
    command = edited(tmp_path, has)
    with Child(command, 3, {"fast": True}) as child:
        child.initial(1)
    with (
        Child(command, 3, {"quick": True}) as child,
        pytest.raises(InvalidInput, match="has the options fast: expected one of them, got quick"),
    ):
        child.initial(1)


def test_a_counterexample_that_another_process_does_not_make_is_none(tmp_path: Path) -> None:
    """Every process gives another data to entries, so that a fresh one does not do what the first has done."""
    with Child(
        edited(tmp_path, EAGER | {'"data": "x"': '"data": str(os.getpid())', "import sys": "import os\nimport sys"}), 3
    ) as child:
        explored = cluster(child, 3, proposals=1, messages=3)
        _, way = shortest(explored, Limits())
        with pytest.raises(InvalidInput, match="takes another way in a fresh process: step 5: log: was"):
            retake(child, way)


def test_more_than_pipes_hold_goes_both_ways() -> None:
    lines = [str(number).encode() * 100_000 for number in range(10, 40)]
    process = Process(["cat"], "cat", 30)
    assert process.exchange(lines) == lines
    process.stop()


# ---- what is left behind

ENDLESS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").write(str(os.getpid()))
while True:
    time.sleep(1)
"""


def gone(pid: int, patience_s: float = 5.0) -> bool:
    """Whether the process ends in time."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_what_hangs_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    with pytest.raises(InvalidInput, match="has not answered within 1 s"):
        Conversation(f"{written(tmp_path, ENDLESS)} {told}", 3, {}, 1)
    assert gone(int(told.read_text()))


def test_what_hangs_is_killed_even_if_we_are(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    command = f"{written(tmp_path, ENDLESS)} {told}"
    asks = f"from kubeproof.conformance.nodes.child import Child\nChild({command!r}, 3, answer_s=60).initial(1)"
    ours = subprocess.Popen([sys.executable, "-c", asks])
    deadline = time.monotonic() + 20
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)  # its guard has started
    ours.send_signal(signal.SIGKILL)
    ours.wait()
    assert gone(int(told.read_text()))


@WAYS
def test_each_process_that_asks_has_a_child_of_its_own_which_ends_with_it(tmp_path: Path, how: dict[str, str]) -> None:
    folder = tmp_path / "pids"
    folder.mkdir()
    tells = {"import sys": f"import os\nimport sys\n\nopen(f'{folder}/{{os.getpid()}}', 'w')"}
    with Child(edited(tmp_path, how | tells), 3) as child:
        answers = _asked_by_two(child)
    assert len(answers) == 1
    pids = [int(path.name) for path in folder.iterdir()]
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


def test_what_is_wrong_in_another_process_is_told_here(tmp_path: Path) -> None:
    dies = f"return raft.step(**arguments) if os.getppid() == {os.getpid()} else sys.exit(3)"
    edits = {"return raft.step(**arguments)": dies, "import sys": "import os\nimport sys"}
    with Child(edited(tmp_path, edits), 3) as child, pytest.raises(InvalidInput, match="my raft has ended with exit code 3"):
        _asked_by_two(child)


def _asked_by_two(child: Child) -> set[Asked]:
    """The answers of two processes that are asked the same, in a state that only one of them has been in."""
    system = cluster(child, 3).system
    candidate = system.step(0, system.initial()[0], ExploreEvent(CAMPAIGN))
    assert candidate is not None
    with Askers(system, [], 2) as askers:
        return set(askers.ask([Query(0, candidate.state, None)] * (10 * MANY)))


def _reached(answer: Answer | None) -> State:
    assert answer is not None
    assert isinstance(answer.state, State)
    return answer.state
