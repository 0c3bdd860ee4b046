"""Leases (etcd server/lease/lessor.go): who holds them, for how long, and which keys go with them.

Every member knows every lease: grants and revocations come through consensus. But only the primary, the leader's member, keeps
their time; elsewhere they live for ever. A new primary gives each lease its whole time again (or what a checkpoint says is left),
so leases may live longer than asked for, and never shorter.

Times come in: `now_ms` is any clock that does not go back, in milliseconds. Times to live are in seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kubeproof.impl.store.backend import Backend, LeaseRecord
from kubeproof.impl.store.errors import ErrLeaseExist, ErrLeaseNotFound, ErrLeaseTTLTooLarge, ErrNotPrimary
from kubeproof.impl.store.faults import NO_FAULTS, Faults
from kubeproof.impl.store.requests import LeaseCheckpoint, LeaseCheckpointRequest
from kubeproof.impl.store.state import LeaseState

NO_LEASE = 0
"""The id that means: no lease."""
MAX_LEASE_TTL = 9_000_000_000
CHECKPOINT_INTERVAL_MS = 300_000


class Lease:
    """A lease. `expiry_ms` and `checkpoint_ms` (when to checkpoint next) are None where no time is kept."""

    __slots__ = ("checkpoint_ms", "expiry_ms", "id", "keys", "remaining_ttl", "ttl")

    def __init__(self, id_: int, ttl: int, remaining_ttl: int = 0) -> None:
        self.id = id_
        self.ttl = ttl
        self.remaining_ttl = remaining_ttl
        """What the last checkpoint said; 0 is the whole time."""
        self.expiry_ms: int | None = None
        self.checkpoint_ms: int | None = None
        self.keys: set[bytes] = set()

    def refresh(self, now_ms: int, extend_ms: int = 0) -> None:
        """Let it live for what it has to live from now on."""
        self.expiry_ms = now_ms + extend_ms + self.seconds_to_live() * 1000

    def seconds_to_live(self) -> int:
        return self.remaining_ttl or self.ttl

    def has_expired(self, now_ms: int) -> bool:
        return self.expiry_ms is not None and self.expiry_ms <= now_ms


def cleared(id_: int) -> LeaseCheckpointRequest:
    """What goes through consensus before a lease is renewed that has a checkpoint."""
    return LeaseCheckpointRequest((LeaseCheckpoint(id_, 0),))


class Lessor:
    """The leases of a member. `min_ttl` is the shortest time that is granted, in seconds."""

    def __init__(self, backend: Backend, min_ttl: int, faults: Faults = NO_FAULTS) -> None:
        self._backend = backend
        self._min_ttl = min_ttl
        self._faults = faults
        self.is_primary = False
        self._leases = {
            id_: Lease(id_, max(record.ttl, min_ttl), record.remaining_ttl) for id_, record in sorted(backend.lease.now.items())
        }
        self._lease_of: dict[bytes, int] = {}

    # leases, through consensus

    def grant(self, id_: int, ttl: int, now_ms: int) -> Lease:
        """A new lease. ErrLeaseNotFound (id 0), ErrLeaseTTLTooLarge, ErrLeaseExist."""
        if id_ == NO_LEASE:
            raise ErrLeaseNotFound
        if ttl > MAX_LEASE_TTL:
            raise ErrLeaseTTLTooLarge
        if id_ in self._leases:
            raise ErrLeaseExist
        lease = self._leases[id_] = Lease(id_, max(ttl, self._min_ttl))
        self._backend.lease.put(id_, LeaseRecord(lease.ttl))
        if self.is_primary:
            lease.refresh(now_ms)
            self._schedule_checkpoint(lease, now_ms)
        return lease

    def forget(self, id_: int) -> None:
        """The lease is revoked. Its keys must be deleted in the same transaction, or they would live for ever."""
        del self._leases[id_]
        self._backend.lease.delete(id_)

    def checkpoint(self, id_: int, remaining_ttl: int, now_ms: int) -> None:
        """The primary tells how long the lease has to live. It counts when another member becomes primary."""
        lease = self._leases.get(id_)
        if lease is None:
            return
        lease.remaining_ttl = remaining_ttl
        if not self._faults.checkpoints_not_persisted:
            self._backend.lease.put(id_, LeaseRecord(lease.ttl, remaining_ttl))
        if self.is_primary:
            self._schedule_checkpoint(lease, now_ms)

    def lookup(self, id_: int) -> Lease | None:
        return self._leases.get(id_)

    # keys

    def attach(self, id_: int, key: bytes) -> None:
        """The key goes with the lease, which must exist."""
        self._leases[id_].keys.add(key)
        self._lease_of[key] = id_

    def detach(self, id_: int, key: bytes) -> None:
        """The key does not go with the lease any more."""
        self._leases[id_].keys.discard(key)
        self._lease_of.pop(key, None)

    def lease_of(self, key: bytes) -> int:
        """The id of the lease that the key goes with; 0 is none."""
        return self._lease_of.get(key, NO_LEASE)

    def attached(self) -> Mapping[bytes, int]:
        """The keys that go with a lease, with its id."""
        return self._lease_of

    # time, at the primary

    def promote(self, now_ms: int, extend_ms: int) -> None:
        """This member keeps the time from now on. `extend_ms` (an election timeout) is for what clients have missed."""
        self.is_primary = True
        for lease in self._leases.values():
            lease.refresh(now_ms, extend_ms)
            self._schedule_checkpoint(lease, now_ms)

    def demote(self) -> None:
        """Another member keeps the time from now on."""
        self.is_primary = False
        for lease in self._leases.values():
            lease.expiry_ms = lease.checkpoint_ms = None

    def renew(self, id_: int, now_ms: int) -> Lease:
        """Let a lease live for its whole time again. ErrNotPrimary, ErrLeaseNotFound.

        A lease that has expired is about to be revoked: whoever asks must wait for that, and then gets ErrLeaseNotFound. One with
        a checkpoint needs one of 0 through consensus first.
        """
        lease = self._at_primary(id_)
        lease.refresh(now_ms)
        return lease

    def time_to_live(self, id_: int, now_ms: int) -> int:
        """Whole seconds that a lease has to live; below 0 if it has expired, unrevoked. ErrNotPrimary, ErrLeaseNotFound."""
        expiry_ms = self._at_primary(id_).expiry_ms
        assert expiry_ms is not None
        left_ms = expiry_ms - now_ms
        return left_ms // 1000 if left_ms >= 0 else -(-left_ms // 1000)

    def leases(self) -> list[Lease]:
        """All leases; the one that expires first before the others. Where two expire at once, by id (in etcd: in no order)."""
        return sorted(self._leases.values(), key=lambda lease: (lease.expiry_ms or 0, lease.id))

    def expired(self, now_ms: int) -> list[int]:
        """The ids of leases to revoke: only the primary has any."""
        return [lease.id for lease in self.leases() if lease.has_expired(now_ms)]

    def due_checkpoints(self, now_ms: int, later: Collection[int] = ()) -> tuple[LeaseCheckpoint, ...]:
        """What the primary should send through consensus now, but for those that come `later`.

        Leases that live no longer than the interval have none.
        """
        due = []
        for lease in self.leases():
            if lease.checkpoint_ms is None or lease.checkpoint_ms > now_ms or lease.id in later:
                continue
            lease.checkpoint_ms = None
            assert lease.expiry_ms is not None
            left = -((now_ms - lease.expiry_ms) // 1000)
            if 0 < left < lease.ttl:
                due.append(LeaseCheckpoint(lease.id, left))
        return tuple(due)

    # state

    def export(self, now_ms: int) -> tuple[LeaseState, ...]:
        """The leases by id, with the time that they have left."""
        return tuple(
            LeaseState(
                lease.id,
                lease.ttl,
                lease.remaining_ttl,
                None if lease.expiry_ms is None else lease.expiry_ms - now_ms,
                None if lease.checkpoint_ms is None else lease.checkpoint_ms - now_ms,
            )
            for _, lease in sorted(self._leases.items())
        )

    def restore(self, is_primary: bool, leases: tuple[LeaseState, ...], now_ms: int) -> None:
        """The time that was exported; the leases themselves are in the backend."""
        self.is_primary = is_primary
        for state in leases:
            lease = self._leases[state.id]
            lease.remaining_ttl = state.remaining_ttl
            lease.expiry_ms = None if state.expires_in_ms is None else now_ms + state.expires_in_ms
            lease.checkpoint_ms = None if state.checkpoint_in_ms is None else now_ms + state.checkpoint_in_ms

    def _at_primary(self, id_: int) -> Lease:
        if not self.is_primary:
            raise ErrNotPrimary
        lease = self._leases.get(id_)
        if lease is None:
            raise ErrLeaseNotFound
        return lease

    def _schedule_checkpoint(self, lease: Lease, now_ms: int) -> None:
        if lease.seconds_to_live() * 1000 > CHECKPOINT_INTERVAL_MS:
            lease.checkpoint_ms = now_ms + CHECKPOINT_INTERVAL_MS
