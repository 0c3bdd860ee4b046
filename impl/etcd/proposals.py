"""Proposals on their way to consensus: those that must wait for a leader do so here."""

from __future__ import annotations

from kubeproof.impl.etcd.consensus import Consensus
from kubeproof.impl.etcd.encoding import encode
from kubeproof.impl.etcd.requests import InternalRaftRequest, Request
from kubeproof.impl.etcd.state import Proposal
from kubeproof.impl.raft.errors import ErrProposalDropped


class Proposals:
    """The proposals of a member. `has_leader` is told by the server."""

    def __init__(self, consensus: Consensus) -> None:
        self.has_leader = False
        self.unsent: list[Proposal] = []
        self._consensus = consensus

    def propose(self, id_: int, request: Request) -> None:
        """For a client: ErrProposalDropped if consensus does not take it now. Without a leader it waits."""
        self._send(Proposal(encode(InternalRaftRequest(id_, request)), 0))

    def insist(self, id_: int, request: Request, term: int = 0) -> None:
        """For the server: it waits until consensus takes it; or is dropped when this member does not lead the term (0: any)."""
        self._try(Proposal(encode(InternalRaftRequest(id_, request)), term))

    def send_unsent(self) -> None:
        """Try again what has waited."""
        unsent, self.unsent = self.unsent, []
        for proposal in unsent:
            self._try(proposal)

    def _send(self, proposal: Proposal) -> None:
        if proposal.term and not self._consensus.leads(proposal.term):
            return
        if self.has_leader:
            self._consensus.propose(proposal.data)
        else:
            self.unsent.append(proposal)

    def _try(self, proposal: Proposal) -> None:
        try:
            self._send(proposal)
        except ErrProposalDropped:
            self.unsent.append(proposal)
