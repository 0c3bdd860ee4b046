"""Majorities: what a set of voters, or a joint pair of sets, has committed or elected.

Usable alone. A configuration is an immutable, hashable set of voter ids; acknowledgements and votes come in as arguments.
Sources: Raft paper sections 5.2 to 5.4, Raft thesis section 4.3 (joint consensus), etcd quorum/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import NamedTuple

INFINITY = 2**64 - 1
"""The committed index of an empty configuration: it never holds the other half of a joint one back."""


class VoteResult(IntEnum):
    """The outcome of an election so far; `VotePending` means that later votes decide. Numbered as in etcd."""

    VotePending = 1
    VoteLost = 2
    VoteWon = 3


class MajorityConfig(frozenset[int]):
    """Voters that decide by simple majority. An empty configuration wins every vote and commits everything."""

    def __str__(self) -> str:
        """The ids in hexadecimal, ascending: `(1 2 a)`."""
        return "(" + " ".join(f"{voter:x}" for voter in sorted(self)) + ")"

    def committed_index(self, acked: Callable[[int], int | None]) -> int:
        """The largest index that a majority has acknowledged; `acked(id)` is None for a voter not heard of (counts as 0)."""
        size = len(self)
        if size == 0:
            return INFINITY
        indexes = sorted([acked(voter) or 0 for voter in self])
        return indexes[(size - 1) // 2]

    def vote_result(self, votes: Mapping[int, bool]) -> VoteResult:
        """Judge the votes of this configuration's voters (True = granted); other ids are ignored."""
        granted = missing = 0
        for voter in self:
            vote = votes.get(voter)
            if vote is None:
                missing += 1
            elif vote:
                granted += 1
        majority = len(self) // 2 + 1 if self else 0
        if granted >= majority:
            return VoteResult.VoteWon
        if granted + missing >= majority:
            return VoteResult.VotePending
        return VoteResult.VoteLost


class JointConfig(NamedTuple):
    """Two configurations that must agree while the membership changes; `outgoing` is empty outside of joint consensus."""

    incoming: MajorityConfig = MajorityConfig()
    outgoing: MajorityConfig = MajorityConfig()

    def __str__(self) -> str:
        """`(1 2)` or, while joint, `(1 2)&&(1 3)`."""
        return f"{self.incoming}&&{self.outgoing}" if self.outgoing else str(self.incoming)

    def ids(self) -> MajorityConfig:
        """The voters of either half."""
        return MajorityConfig(self.incoming | self.outgoing) if self.outgoing else self.incoming

    def committed_index(self, acked: Callable[[int], int | None]) -> int:
        """The largest index that both halves have committed."""
        committed = self.incoming.committed_index(acked)
        if not self.outgoing:
            return committed
        return min(committed, self.outgoing.committed_index(acked))

    def vote_result(self, votes: Mapping[int, bool]) -> VoteResult:
        """Won or lost if both halves say so, lost as soon as one half is lost."""
        result = self.incoming.vote_result(votes)
        if not self.outgoing:
            return result
        other = self.outgoing.vote_result(votes)
        if result == other:
            return result
        return VoteResult.VoteLost if VoteResult.VoteLost in (result, other) else VoteResult.VotePending
