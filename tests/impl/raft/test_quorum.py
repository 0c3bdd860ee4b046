"""Quorum arithmetic against a second computation of each result, straight from its definition."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from kubeproof.impl.raft.quorum import INFINITY, JointConfig, MajorityConfig, VoteResult

VOTERS = st.integers(min_value=1, max_value=9)
CONFIGS = st.frozensets(VOTERS, max_size=7).map(MajorityConfig)
ACKED = st.dictionaries(VOTERS, st.integers(min_value=0, max_value=8))
VOTES = st.dictionaries(VOTERS, st.booleans())


def committed_by_definition(config: MajorityConfig, acked: Callable[[int], int | None]) -> int:
    """The largest index that more than half of the voters have acknowledged."""
    reached = [index for index in range(9) if sum((acked(voter) or 0) >= index for voter in config) * 2 > len(config)]
    return max(reached) if config else INFINITY


def outcome_by_definition(config: MajorityConfig, votes: dict[int, bool]) -> VoteResult:
    """Complete the election in every possible way: decided is what comes out the same in all of them."""
    silent = sorted(config - votes.keys())
    wins = set()
    for completion in product((False, True), repeat=len(silent)):
        ballot = {**votes, **dict(zip(silent, completion, strict=True))}
        wins.add(not config or sum(ballot[voter] for voter in config) * 2 > len(config))
    if wins == {True}:
        return VoteResult.VoteWon
    return VoteResult.VoteLost if wins == {False} else VoteResult.VotePending


@given(CONFIGS, ACKED)
def test_committed_index_is_what_a_majority_has_reached(config: MajorityConfig, acked: dict[int, int]) -> None:
    assert config.committed_index(acked.get) == committed_by_definition(config, acked.get)


@given(CONFIGS, CONFIGS, ACKED)
def test_joint_committed_index_is_the_smaller_of_both_halves(
    incoming: MajorityConfig, outgoing: MajorityConfig, acked: dict[int, int]
) -> None:
    halves = [committed_by_definition(half, acked.get) for half in (incoming, outgoing)]
    assert JointConfig(incoming, outgoing).committed_index(acked.get) == min(halves)
    assert JointConfig(outgoing, incoming).committed_index(acked.get) == min(halves)


@given(CONFIGS, VOTES)
def test_vote_result_is_what_no_later_vote_can_change(config: MajorityConfig, votes: dict[int, bool]) -> None:
    assert config.vote_result(votes) == outcome_by_definition(config, votes)


@given(CONFIGS, CONFIGS, VOTES)
def test_joint_vote_needs_both_halves_and_one_can_lose_it(
    incoming: MajorityConfig, outgoing: MajorityConfig, votes: dict[int, bool]
) -> None:
    halves = {outcome_by_definition(half, votes) for half in (incoming, outgoing)}
    expected = next(result for result in (VoteResult.VoteLost, VoteResult.VotePending, VoteResult.VoteWon) if result in halves)
    assert JointConfig(incoming, outgoing).vote_result(votes) == expected


@given(CONFIGS, CONFIGS, VOTES)
def test_two_winning_quorums_have_a_voter_in_common(
    incoming: MajorityConfig, outgoing: MajorityConfig, votes: dict[int, bool]
) -> None:
    config = JointConfig(incoming, outgoing)
    ballot = {voter: votes.get(voter, False) for voter in config.ids()}
    contrary = {voter: not granted for voter, granted in ballot.items()}
    both_win = config.vote_result(ballot) == config.vote_result(contrary) == VoteResult.VoteWon
    assert both_win == (not config.ids())


def test_configurations_are_values() -> None:
    assert hash(MajorityConfig({1, 2})) == hash(MajorityConfig([2, 1]))
    assert JointConfig(MajorityConfig({1}), MajorityConfig({2})) != JointConfig(MajorityConfig({2}), MajorityConfig({1}))


def test_text_is_hexadecimal_and_ascending() -> None:
    assert str(MajorityConfig({17, 3, 10})) == "(3 a 11)"
    assert str(JointConfig(MajorityConfig({1}))) == "(1)"
    assert str(JointConfig(MajorityConfig({1}), MajorityConfig({2, 1}))) == "(1)&&(1 2)"
    assert str(JointConfig()) == "()"
