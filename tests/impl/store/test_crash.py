"""A crash at any sync point, before it and after it: what is left is a prefix of the log, and the log makes up for the rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubeproof.impl.store import Backend, Options, Server, StoreError, hash_kv
from kubeproof.impl.store.compaction import remove_batch
from kubeproof.impl.store.requests import (
    CompactionRequest,
    DeleteRangeRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    PutRequest,
    Request,
)
from kubeproof.impl.store.server import needs_consensus
from tests.impl.store.strategies import REQUEST

OPTIONS = Options(compaction_batch_limit=1)
SCRIPT: tuple[Request, ...] = (
    PutRequest(b"a", b"1"),
    PutRequest(b"b", b"2"),
    LeaseGrantRequest(100, 1),
    PutRequest(b"c", b"3", lease=1),
    PutRequest(b"a", b"4"),
    DeleteRangeRequest(b"b"),
    CompactionRequest(5),
    LeaseRevokeRequest(1),
    PutRequest(b"b", b"5"),
    CompactionRequest(7),
    DeleteRangeRequest(b"", b"\x00"),
)


class Crash(Exception):
    """The process dies."""


class CrashingBackend(Backend):
    """Dies at the nth commit: before it or after it."""

    def __init__(self, commits: int, after: bool) -> None:
        super().__init__(batch_limit=3)
        self.commits = commits
        self.after = after

    def commit(self) -> None:
        self.commits -= 1
        if self.commits == 0 and not self.after:
            raise Crash
        super().commit()
        if self.commits == 0 and self.after:
            raise Crash


def run(server: Server, log: list[Request]) -> Iterator[int]:
    """Apply what the backend has not yet; between two entries a compaction goes on by one batch. Yields the applied index."""
    for index, request in enumerate(log, 1):
        if server.apply(index, request, 0) is not None:
            remove_batch(server.store)
            yield index
    while remove_batch(server.store):
        pass


def content(server: Server) -> object:
    """What clients can see, and that the records are what they should be."""
    since = max(server.store.compact_revision, 1)
    history = [tuple(server.store.range(b"\x00", b"", revision).kvs) for revision in range(since, server.store.revision + 1)]
    leases = [(lease.id, lease.ttl, sorted(lease.keys)) for lease in server.lessor.leases()]
    return server.store.revision, since, history, leases, server.backend.written().key, hash_kv(server.store)


def uncrashed(log: list[Request]) -> object:
    """What all of the log comes to."""
    server = Server.alone(OPTIONS, Backend(batch_limit=3))
    for _ in run(server, log):
        pass
    return content(server)


def crash_everywhere(log: list[Request]) -> int:
    """How many sync points there are."""
    expected = uncrashed(log)
    commits = 0
    while True:
        commits += 1
        for after in (False, True):
            backend = CrashingBackend(commits, after)
            server = Server.alone(OPTIONS, backend)
            applied = []
            try:
                for index in run(server, log):
                    applied.append(index)  # noqa: PERF402
                return commits - 1
            except Crash:
                backend.crash()
            again = Server.alone(OPTIONS, backend)
            assert again.consistent_index <= len(applied) + 1
            for _ in run(again, log):
                pass
            assert content(again) == expected


def test_every_sync_point_of_a_script() -> None:
    assert crash_everywhere(list(SCRIPT)) >= 8


@given(st.lists(REQUEST.filter(needs_consensus), max_size=12))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_sync_point_of_random_logs(log: list[Request]) -> None:
    accepted = []
    server = Server.alone(OPTIONS)
    for request in log:
        try:
            server.check(request)
        except StoreError:
            continue
        accepted.append(request)
    crash_everywhere(accepted)


@pytest.mark.parametrize("entries", range(len(SCRIPT) + 1))
def test_what_is_on_disk_is_what_was_written_at_the_last_commit(entries: int) -> None:
    server = Server.alone(OPTIONS, Backend(batch_limit=10**6))
    for index, request in enumerate(SCRIPT[:entries], 1):
        server.apply(index, request, 0)
    server.backend.commit()
    written = server.backend.written()
    for index, request in enumerate(SCRIPT[entries:], entries + 1):
        if not isinstance(request, CompactionRequest):  # whose mark is a sync point
            server.apply(index, request, 0)
    assert server.backend.committed() == written
    server.backend.crash()
    assert server.backend.written() == written
    assert Server.alone(OPTIONS, server.backend).consistent_index == entries
