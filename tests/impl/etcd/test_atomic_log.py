"""Servers over a log without Raft: what a server asks of consensus is all that it needs."""

from __future__ import annotations

from collections.abc import Mapping

from kubeproof.impl.etcd.errors import ErrMemberNotFound
from kubeproof.impl.etcd.requests import HashKVRequest, HashKVResponse, MemberPromoteRequest, Response
from kubeproof.impl.etcd.server import EtcdServer, ServerOptions
from kubeproof.impl.raft.confchange import ConfChange, encode_conf_change
from kubeproof.impl.raft.types import Entry, EntryType, ReadState
from kubeproof.impl.store import Backend, StoreError
from kubeproof.impl.store.requests import (
    LeaseGrantRequest,
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
    PutRequest,
    RangeRequest,
    RangeResponse,
)

TERM = 1


class AtomicLog:
    """Appends what anybody proposes, in the term of member 1, and confirms every read. As consensus it is one member's."""

    def __init__(self, entries: list[Entry], id_: int) -> None:
        self.entries = entries
        self.id = id_
        self.confirmed: list[ReadState] = []
        self.changes: list[ConfChange] = []

    def propose(self, data: bytes) -> None:
        self.entries.append(Entry(TERM, len(self.entries) + 1, EntryType.EntryNormal, data))

    def propose_conf_change(self, change: ConfChange) -> None:
        kind, data = encode_conf_change(change)
        self.entries.append(Entry(TERM, len(self.entries) + 1, kind, data))

    def apply_conf_change(self, change: ConfChange) -> None:
        self.changes.append(change)

    def read_index(self, context: bytes) -> None:
        self.confirmed.append(ReadState(len(self.entries), context))

    def transfer_leadership(self, to: int) -> None:
        raise NotImplementedError

    def leads(self, term: int) -> bool:
        return (self.id, term) == (1, TERM)

    def match(self) -> Mapping[int, int]:
        return dict.fromkeys((1, 2), len(self.entries)) if self.id == 1 else {}

    def is_connected(self, _: int) -> bool:
        return True

    @property
    def committed_index(self) -> int:
        return len(self.entries)


class Servers:
    """Two servers of one log, of which the first leads."""

    def __init__(self) -> None:
        entries = [Entry(TERM, 1)]
        self.logs = {id_: AtomicLog(entries, id_) for id_ in (1, 2)}
        self.all = {id_: EtcdServer(id_, ServerOptions(), Backend(), log, id_ << 32) for id_, log in self.logs.items()}
        for id_, server in self.all.items():
            server.lead(1, TERM, 0, leads=id_ == 1)

    def ask(
        self, id_: int, request: PutRequest | RangeRequest | LeaseGrantRequest | LeaseKeepAliveRequest | HashKVRequest
    ) -> Response:
        asked = self.all[id_].ask(request, 0)
        for _ in range(4):
            self.go_on()
        answers = {each.id: each.answer for each in self.all[id_].waits.take_answers()}
        answer = answers[asked]
        assert not isinstance(answer, StoreError)
        return answer

    def go_on(self) -> None:
        """Confirm reads, apply entries, deliver messages."""
        for id_, server in self.all.items():
            log = self.logs[id_]
            confirmed, log.confirmed = log.confirmed, []
            for read in confirmed:
                server.confirm(read, 0)
            while server.applied_index < len(log.entries):
                server.apply(log.entries[server.applied_index], 0)
            for message in server.waits.take_messages():
                self.all[message.to].receive(message, 0)


def test_writes_and_reads() -> None:
    servers = Servers()
    servers.ask(2, PutRequest(b"a", b"1"))
    answer = servers.ask(1, RangeRequest(b"a"))
    assert isinstance(answer, RangeResponse)
    assert [kv.value for kv in answer.kvs] == [b"1"]
    hashes = [servers.ask(id_, HashKVRequest()) for id_ in servers.all]
    assert isinstance(hashes[0], HashKVResponse)
    assert hashes[0] == hashes[1]


def test_leases() -> None:
    servers = Servers()
    servers.ask(1, LeaseGrantRequest(10, 5))
    assert servers.all[1].kv.lessor.is_primary
    answer = servers.ask(2, LeaseKeepAliveRequest(5))
    assert isinstance(answer, LeaseKeepAliveResponse)
    assert answer.ttl == 10


def test_a_change_of_a_member_that_is_not_there_changes_nothing() -> None:
    servers = Servers()
    servers.all[1].ask(MemberPromoteRequest(2), 0)
    servers.go_on()
    [told] = servers.all[1].waits.take_answers()
    assert isinstance(told.answer, ErrMemberNotFound)
    assert [change.node_id for log in servers.logs.values() for change in log.changes] == [0, 0]
