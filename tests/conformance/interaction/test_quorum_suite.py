"""The quorum suite: its alarms go off when the reference disagrees with the other computations."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeproof.conformance.interaction.datadriven import BadDirective, parse
from kubeproof.conformance.interaction.quorum_suite import QuorumSuite
from kubeproof.impl.raft.quorum import JointConfig, MajorityConfig, VoteResult


def answer(line: str) -> str:
    (directive,) = parse(f"{line}\n----\n")
    return QuorumSuite().handle(directive)


def test_a_wrong_majority_index_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MajorityConfig, "committed_index", lambda self, acked: max(acked(voter) or 0 for voter in self))
    lines = answer("committed cfg=(1, 2, 3) idx=(10, 20, 30)").splitlines()
    assert lines[4:] == ["20 <-- via alternative computation", "30"]


def test_a_wrong_joint_index_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JointConfig, "committed_index", lambda self, acked: self.incoming.committed_index(acked))
    lines = answer("committed cfg=(1) cfgj=(2) idx=(10, 20)").splitlines()
    assert lines[3:] == ["20 <-- via symmetry", "10"]
    monkeypatch.setattr(JointConfig, "committed_index", lambda self, _: len(self.outgoing))
    lines = answer("committed cfg=(1, 2) idx=(10, 20)").splitlines()
    assert lines[3:] == ["0 <-- via zero-joint quorum", "2 <-- via self-joint quorum", "10"]


def test_an_index_that_depends_on_a_straggler_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def mean(self: MajorityConfig, acked: Callable[[int], int | None]) -> int:
        return sum(acked(voter) or 0 for voter in self) // len(self)

    monkeypatch.setattr(MajorityConfig, "committed_index", mean)
    text = answer("committed cfg=(1, 2, 3) idx=(10, 20, 30)")
    assert "19 <-- overlaying 1->9\n" in text
    assert "16 <-- overlaying 1->0\n" in text
    assert "overlaying 2" not in text


def test_a_wrong_vote_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JointConfig, "vote_result", lambda self, votes: self.incoming.vote_result(votes))
    assert answer("vote cfg=(1) cfgj=(2) votes=(y, n)") == "VoteLost <-- via symmetry\nVoteWon\n"


@pytest.mark.parametrize(
    "line",
    [
        "committed cfg=(1, x) idx=(1, 2)",
        "committed cfg=() idx=(1)",
        "committed cfg=(1) idx=(0)",
        "committed cfg=(1) cfgj=(zero, 2) idx=(1)",
        "committed colour=green",
        "vote cfg=(1) votes=(x)",
        "elect cfg=(1) idx=(1)",
        f"vote cfg=({', '.join(map(str, range(1, 1002)))})",
    ],
)
def test_bad_arguments_are_refused(line: str) -> None:
    with pytest.raises(BadDirective):
        answer(line)


def test_values_are_counted_before_the_command_is_looked_at() -> None:
    """As in etcd's quorum/datadriven_test.go: indexes unless the command is `vote`."""
    assert answer("elect cfg=(3, 1)") == "error: mismatched input (explicit or _) for voters map[1:{} 3:{}]: []"
    assert answer("vote cfg=(1) idx=(7)") == "error: mismatched input (explicit or _) for voters map[1:{}]: []"


def test_vote_results_have_names() -> None:
    assert [result.name for result in VoteResult] == ["VotePending", "VoteLost", "VoteWon"]
