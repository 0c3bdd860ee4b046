"""PySyncObj as released: its documented bugs are found where they are, and nothing where they are mended."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from kubeproof.conformance import bugs
from kubeproof.conformance.adapters.nodes import node_of
from kubeproof.conformance.adapters.pysyncobj import PySyncObj, over_tcp, versions
from kubeproof.conformance.adapters.pysyncobj.process import LEADER, Local, frozen, thawed
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.node import CAMPAIGN, HEARTBEAT, PROPOSE, RESTART, Answer, Event, Panic, Role, Sent
from kubeproof.conformance.verdict import InvalidInput, Verdict

ROWS = {id_: scenario for id_, scenario in bugs.load_bugs().items() if id_.startswith("pysyncobj-")}
OLD, FORGETS, NEW = "0.3.11", "0.3.14", "0.3.17"

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its journal leaves a file open

needed = pytest.mark.skipif(
    not all(map(versions.is_installed, versions.SHA256)), reason="not all versions of pysyncobj are installed: `make adapters`"
)


@needed
@pytest.mark.parametrize("id_", ROWS)
def test_each_bug_is_found_where_it_is_and_only_there(id_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = bugs.judge(id_, Limits())
    assert (result.verdict, result.message) == (Verdict.HOLDS, "")
    assert result.details["states"] == ROWS[id_].pinned()
    (run,) = map(str, tmp_path.rglob("*.ndjson"))
    assert over_tcp.retake(run).endswith(f"steps again over TCP; {ROWS[id_].property} is broken")


def test_a_row_whose_version_is_not_there_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    id_, scenario = next(iter(ROWS.items()))
    assert "is not installed: `make adapters`" in str(bugs.left_out(scenario))
    with pytest.raises(InvalidInput, match="is not installed"):
        bugs.judge(id_, Limits())


@pytest.mark.parametrize("name", ["pysyncobj-1.0", "pysyncobj-"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="expected pysyncobj-"):
        node_of(name, 3, {})


@needed
def test_versions_stand_beside_each_other() -> None:
    old, new = versions.load(OLD), versions.load(NEW)
    assert old is not new
    assert not hasattr(old.createJournal(), "getCurrentTerm")
    assert hasattr(new.createJournal(), "getCurrentTerm")
    assert "pysyncobj" not in sys.modules


# ---- one node


def led(node: PySyncObj) -> tuple[Answer, Answer]:
    """Node 1 campaigns, and leads by the vote of node 2."""
    campaigns = node.step(1, node.initial(1), Event(CAMPAIGN))
    assert campaigns is not None
    votes = node.receive(2, node.initial(2), 1, to(2, campaigns))
    assert votes is not None
    leads = node.receive(1, campaigns.state, 2, to(1, votes))
    assert leads is not None
    return leads, votes


def to(receiver: int, answer: Answer) -> Sent:
    return next(sent for sent in answer.sends if sent.to == receiver)


@needed
@pytest.mark.parametrize("version", versions.SHA256)
def test_every_version_elects_commits_and_restarts(version: str) -> None:
    node = PySyncObj(version, 3)
    leads, follows = led(node)
    assert node.observe(1, leads.state).role is Role.LEADER
    proposed = node.step(1, leads.state, Event(PROPOSE))
    assert proposed is not None
    beats = node.step(1, proposed.state, Event(HEARTBEAT))
    assert beats is not None
    first = node.receive(2, follows.state, 1, to(2, leads))
    assert first is not None
    second = node.receive(2, first.state, 1, to(2, beats))
    assert second is not None
    answers_one_less = version in ("0.3.8", "0.3.9", "0.3.10", "0.3.11")  # pysyncobj#167
    assert to(1, second).acknowledges == (2 if answers_one_less else 3)
    committed = node.receive(1, beats.state, 2, to(1, second))
    assert committed is not None
    assert node.observe(1, committed.state).commit_index == (2 if answers_one_less else 3)
    restarted = node.step(1, committed.state, Event(RESTART))
    assert restarted is not None
    seen = node.observe(1, restarted.state)
    keeps_term = version in ("0.3.15", "0.3.16", "0.3.17") and hasattr(versions.load(version).createJournal(), "getCurrentTerm")
    assert (seen.role, seen.term, seen.voted_for) == ((Role.FOLLOWER, 1, 1) if keeps_term else (Role.FOLLOWER, 0, 0))
    assert [(entry.index, entry.term) for entry in seen.log] == [(1, 0), (2, 1), (3, 1)]


@needed
def test_steps_are_pure() -> None:
    """Whatever its object was asked before: the same question has the same answer."""
    node = PySyncObj(NEW, 3)
    leads, follows = led(node)
    before = node.step(1, leads.state, Event(PROPOSE))
    for state in (node.initial(1), follows.state):
        node.step(1, state, Event(CAMPAIGN))
        assert node.step(1, leads.state, Event(PROPOSE)) == before
    assert led(node) == (leads, follows)
    assert led(PySyncObj(NEW, 3)) == (leads, follows)


@needed
@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_loaded_state_is_read_back(version: str) -> None:
    node = PySyncObj(version, 3)
    log = ((b"\x00", 1, 0), (b"\x00", 2, 1), (b"\x01a", 3, 4))
    state = Local(LEADER, 4, 1, 0, 1, log, 2, 2, 1, (4, 3), (2, 0))
    assert node._loaded(1, state).read(1) == state


@needed
def test_what_it_dies_of_is_told() -> None:
    node = PySyncObj(NEW, 3)
    with pytest.raises(Panic, match="KeyError"):
        node.receive(2, node.initial(2), 1, Sent(2, "rubbish", (("type", "request_vote"), ("term", 1))))


@pytest.mark.parametrize("message", [{"type": "a", "entries": [(b"x", 1, 2)]}, {"type": "b", "term": 1, "success": True}])
def test_messages_are_hashable_and_the_same_again(message: dict[str, Any]) -> None:
    assert hash(frozen(message)) == hash(frozen(dict(reversed(message.items()))))
    assert thawed(frozen(message)) == message
