"""Leases: granted, renewed, checkpointed, handed to another primary, expired."""

from __future__ import annotations

import pytest

from kubeproof.impl.store import Backend, Lessor, Server
from kubeproof.impl.store.errors import ErrLeaseExist, ErrLeaseNotFound, ErrLeaseTTLTooLarge, ErrNotPrimary
from kubeproof.impl.store.lessor import CHECKPOINT_INTERVAL_MS
from kubeproof.impl.store.requests import (
    DeleteRangeRequest,
    LeaseCheckpoint,
    LeaseGrantRequest,
    LeaseGrantResponse,
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
    LeaseLeasesRequest,
    LeaseLeasesResponse,
    LeaseRevokeRequest,
    LeaseStatus,
    LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
    PutRequest,
    ResponseHeader,
)

SECOND = 1000


def lessor(*ttls: int) -> Lessor:
    """A primary with leases 1, 2, ... granted at time 0."""
    made = Lessor(Backend(), 2)
    made.promote(0, 0)
    for id_, ttl in enumerate(ttls, 1):
        made.grant(id_, ttl, 0)
    return made


def test_grant() -> None:
    made = lessor(10)
    assert made.grant(-7, -5, 0).ttl == 2
    for id_, ttl, error in (0, 10, ErrLeaseNotFound), (1, 10, ErrLeaseExist), (2, 9_000_000_001, ErrLeaseTTLTooLarge):
        with pytest.raises(error):
            made.grant(id_, ttl, 0)


def test_time_to_live_is_cut_to_seconds() -> None:
    made = lessor(10)
    assert [made.time_to_live(1, now) for now in (0, 1, 1000, 9999, 10_999, 11_000)] == [10, 9, 9, 0, 0, -1]


def test_renewal_and_expiry() -> None:
    made = lessor(10, 20)
    made.renew(1, 9 * SECOND)
    assert made.expired(10 * SECOND) == []
    assert [lease.id for lease in made.leases()] == [1, 2]
    made.renew(1, 11 * SECOND)
    assert [lease.id for lease in made.leases()] == [2, 1]
    assert made.expired(20 * SECOND) == [2]
    assert made.expired(21 * SECOND) == [2, 1]


def test_only_the_primary_keeps_time() -> None:
    made = lessor(10)
    made.demote()
    assert made.expired(10**9) == []
    for ask in (lambda: made.renew(1, 0), lambda: made.time_to_live(1, 0)):
        with pytest.raises(ErrNotPrimary):
            ask()
    made.promote(100 * SECOND, extend_ms=SECOND)
    assert made.time_to_live(1, 100 * SECOND) == 11


def test_a_checkpoint_counts_at_the_next_primary() -> None:
    made = lessor(1000, 300)
    assert made.due_checkpoints(CHECKPOINT_INTERVAL_MS - 1) == ()
    assert made.due_checkpoints(CHECKPOINT_INTERVAL_MS) == (LeaseCheckpoint(1, 700),)
    assert made.due_checkpoints(CHECKPOINT_INTERVAL_MS) == ()
    made.checkpoint(1, 700, CHECKPOINT_INTERVAL_MS)
    made.checkpoint(99, 1, 0)
    made.demote()
    made.promote(CHECKPOINT_INTERVAL_MS, 0)
    assert made.time_to_live(1, CHECKPOINT_INTERVAL_MS) == 700


# ---- through a server


def server() -> Server:
    made = Server.alone()
    made.answer(LeaseGrantRequest(10, 1), 0)
    for key in b"a", b"c", b"b":
        made.answer(PutRequest(key, lease=1), 0)
    return made


def attached(of: Server) -> tuple[bytes, ...]:
    answer = of.answer(LeaseTimeToLiveRequest(1, True), 0)
    assert isinstance(answer, LeaseTimeToLiveResponse)
    return answer.keys


def test_puts_attach_and_detach() -> None:
    made = server()
    assert attached(made) == (b"a", b"b", b"c")
    made.answer(PutRequest(b"a", ignore_lease=True), 0)
    made.answer(PutRequest(b"b"), 0)
    made.answer(DeleteRangeRequest(b"c"), 0)
    assert attached(made) == (b"a",)


def test_revoke_deletes_the_keys_in_order_at_one_revision() -> None:
    events = server().do(LeaseRevokeRequest(1), 0).events
    assert [(event.kv.key, event.kv.mod_revision) for event in events] == [(b"a", 5), (b"b", 5), (b"c", 5)]


def test_a_lease_without_keys_takes_no_revision() -> None:
    made = Server.alone()
    made.answer(LeaseGrantRequest(10, 1), 0)
    made.answer(LeaseRevokeRequest(1), 0)
    assert made.store.revision == 1
    assert isinstance(made.answer(LeaseRevokeRequest(1), 0), ErrLeaseNotFound)


def test_unknown_leases_are_answered() -> None:
    made = Server.alone()
    header = ResponseHeader(1)
    assert made.answer(LeaseKeepAliveRequest(5), 0) == LeaseKeepAliveResponse(header, 5)
    assert made.answer(LeaseTimeToLiveRequest(5), 0) == LeaseTimeToLiveResponse(header, 5, -1)


def test_the_server_chooses_an_id() -> None:
    made = server()
    answer = made.answer(LeaseGrantRequest(10), 0)
    assert isinstance(answer, LeaseGrantResponse)
    assert answer.id > 1
    assert made.answer(LeaseLeasesRequest(), 0) == LeaseLeasesResponse(
        ResponseHeader(4), (LeaseStatus(1), LeaseStatus(answer.id))
    )


def test_keep_alive_of_what_has_expired_waits_for_the_revocation() -> None:
    made = server()
    assert made.answer(LeaseKeepAliveRequest(1), 10 * SECOND) == LeaseKeepAliveResponse(ResponseHeader(4), 1)
    assert made.lessor.lookup(1) is None
    assert made.store.revision == 5


def test_tick_revokes_and_checkpoints() -> None:
    made = server()
    made.answer(LeaseGrantRequest(1000, 2), 0)
    assert [event.kv.key for event in made.tick(10 * SECOND)] == [b"a", b"b", b"c"]
    assert made.tick(CHECKPOINT_INTERVAL_MS) == ()
    lease = made.lessor.lookup(2)
    assert lease is not None
    assert lease.remaining_ttl == 700
    assert made.answer(LeaseKeepAliveRequest(2), CHECKPOINT_INTERVAL_MS) == LeaseKeepAliveResponse(ResponseHeader(5), 2, 1000)
    assert lease.remaining_ttl == 0


def test_leases_are_attached_again_after_a_restart() -> None:
    made = server()
    made.answer(PutRequest(b"c"), 0)
    made.backend.commit()
    assert attached(Server.alone(backend=made.backend)) == (b"a", b"b")
