"""What a server asks of consensus. Raft is one (member.py); a log to which proposals are appended at once is another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from kubeproof.impl.raft.confchange import ConfChange


class Consensus(Protocol):
    """Answers come later: as entries that are applied, or as `EtcdServer.confirm`. ErrProposalDropped is Raft's."""

    def propose(self, data: bytes) -> None:
        """Append an entry, or have the leader append it. ErrProposalDropped."""

    def propose_conf_change(self, change: ConfChange) -> None:
        """The same for a change of the membership. ErrProposalDropped."""

    def apply_conf_change(self, change: ConfChange) -> None:
        """A change is in force from now on."""

    def read_index(self, context: bytes) -> None:
        """Let a quorum confirm the leader's commit index; nothing may ever come of it."""

    def transfer_leadership(self, to: int) -> None:
        """Let another member campaign."""

    def leads(self, term: int) -> bool:
        """Whether this member leads that term, as far as it knows at this moment."""

    def match(self) -> Mapping[int, int]:
        """How far each member's log is known to be the leader's; empty where this member does not lead."""

    def is_connected(self, member: int) -> bool:
        """Whether messages come from there (etcd rafthttp, ActiveSince)."""

    @property
    def committed_index(self) -> int: ...
