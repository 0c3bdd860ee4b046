"""A server's state is all of it: one that is made of it answers as the one that it is of, whatever mistake is on."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubeproof.impl.store import MISTAKES, Applied, Faults, Options, Server, StoreError, StorePanic, hash_kv
from kubeproof.impl.store.compaction import remove_batch
from kubeproof.impl.store.requests import (
    FROM_KEY,
    CompactionRequest,
    DeleteRangeRequest,
    LeaseCheckpoint,
    LeaseCheckpointRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    PutRequest,
    Request,
    TxnRequest,
    WatchCreateRequest,
)
from kubeproof.impl.store.server import needs_consensus
from kubeproof.impl.store.state import AS_RECORDS_TELL
from tests.impl.store.strategies import REQUEST

STREAM = 0
KEEP = Options(batch_limit=5, compaction_batch_limit=1)
PUT, DELETE = PutRequest(b"a", b"1"), DeleteRangeRequest(b"a")
DELETE_AND_PUT = TxnRequest(success=(DeleteRangeRequest(b"a", FROM_KEY), PutRequest(b"a", b"2")))
GRANT, REVOKE = LeaseGrantRequest(1000, 1), LeaseRevokeRequest(1)
PUT_WITH_LEASE = PutRequest(b"a", b"1", 1)
LIKELY: tuple[Request, ...] = (
    PUT,
    PUT_WITH_LEASE,
    PutRequest(b"a", ignore_lease=True),
    DELETE,
    DELETE_AND_PUT,
    GRANT,
    LeaseCheckpointRequest((LeaseCheckpoint(1, 500),)),
    REVOKE,
)


class Does(Enum):
    """What a member does besides answering."""

    COMPACT = "compaction at the current revision"
    REMOVE = "compact_remove_batch"
    FINISH = "all batches"
    COMMIT = "backend_commit"
    CRASH = "crash"
    SETTLE = "watches are told"


STEPS = st.lists(st.sampled_from([*LIKELY, *Does]), max_size=10) | st.lists(REQUEST | st.sampled_from(Does), max_size=8)


def options(*names: str) -> Options:
    """Two changes of a key at one revision are what several mistakes come from."""
    return replace(KEEP, faults=Faults(**dict.fromkeys({*names, "open_range_not_seen"}, True)) if names else Faults())


def take(server: Server, step: Request | Does) -> tuple[Server, object]:
    """The server afterwards, and what was seen of it."""
    if step is Does.CRASH:
        server.backend.crash()
        return Server.alone(server.options, server.backend), None
    if step is Does.COMMIT:
        server.backend.commit()
        return server, None
    if step is Does.REMOVE:
        return server, remove_batch(server.store)
    if step is Does.FINISH:
        while remove_batch(server.store):
            pass
        return server, None
    if step is Does.SETTLE:
        if STREAM not in server.watches.streams:
            server.watches.open_stream(STREAM)
            server.watches.request(STREAM, WatchCreateRequest(b"a", FROM_KEY, 1, prev_kv=True))
        return server, server.watches.settle()
    request = CompactionRequest(server.store.revision) if isinstance(step, Does) else step
    try:
        server.check(request)
        if needs_consensus(request):
            return server, server.apply(server.consistent_index + 1, request, 0, answered=False)
        return server, server.read(request, 0)
    except StoreError as error:
        return server, error


def shown(server: Server) -> object:
    """All that can be asked."""
    store = server.store
    since = max(store.compact_revision, 1)
    states = [tuple(store.range(b"\x00", b"", revision).kvs) for revision in range(since, store.revision + 1)]
    return store.revision, states, store.records_since(since), hash_kv(store), server.export(0)


def seen(what: object) -> object:
    """Errors compare by kind."""
    if isinstance(what, Applied) and isinstance(what.answer, StoreError):
        return type(what.answer)
    return type(what) if isinstance(what, StoreError) else what


def outcomes(server: Server, steps: list[Request | Does]) -> list[object]:
    """What is seen of a server step by step, until it dies or has a record that it does not find."""
    found: list[object] = []
    try:
        found.append(shown(server))
        for step in steps:
            server, answer = take(server, step)
            found += [seen(answer), shown(server)]
    except (StorePanic, KeyError) as end:
        found.append(type(end))
    return found


def restored(server: Server) -> Server:
    return Server.restore(server.options, server.export(0), 0)


@pytest.mark.parametrize("fault", [None, *MISTAKES])
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(before=STEPS, after=STEPS)
def test_a_restored_server_goes_on_as_the_one_it_is_of(
    fault: str | None, before: list[Request | Does], after: list[Request | Does]
) -> None:
    server = Server.alone(options(*([fault] if fault else [])))
    for step in before:
        try:
            server, _ = take(server, step)
        except (StorePanic, KeyError):
            return
        again = restored(server)
        assert outcomes(again, []) == outcomes(server, [])
        if fault is None:
            assert server.store.memory() == AS_RECORDS_TELL
    assert outcomes(restored(server), after) == outcomes(server, after)


TOMBSTONE_KNOWN = "lone_tombstone_not_restored", (PUT, DELETE, Does.COMPACT, Does.REMOVE)
RECORD_GONE = "second_change_compacted", (PUT, DELETE_AND_PUT, Does.COMPACT, Does.FINISH)
LEASE_GONE = "lease_forgotten_apart", (GRANT, PUT_WITH_LEASE, Does.COMMIT, REVOKE, Does.CRASH, GRANT)


@pytest.mark.parametrize(("fault", "steps"), [TOMBSTONE_KNOWN, RECORD_GONE, LEASE_GONE])
def test_what_records_do_not_tell_is_in_the_state(fault: str, steps: tuple[Request | Does, ...]) -> None:
    server = Server.alone(options(fault))
    for step in steps:
        server, _ = take(server, step)
    assert server.store.memory() != AS_RECORDS_TELL
    assert outcomes(restored(server), [PUT, Does.COMPACT]) == outcomes(server, [PUT, Does.COMPACT])
