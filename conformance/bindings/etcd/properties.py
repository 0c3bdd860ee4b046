"""What must hold: members against what the entries have made that anybody has applied (bindings/store/history.py)."""

from __future__ import annotations

from dataclasses import dataclass

from kubeproof.conformance.bindings.etcd.client import Client, Contradicted, made
from kubeproof.conformance.bindings.etcd.member import NOW_MS, Dead, Running
from kubeproof.conformance.bindings.store.history import History
from kubeproof.conformance.explore.system import Local, Property
from kubeproof.impl.etcd.member import MemberOptions
from kubeproof.impl.store import Server, hash_kv


def lives(state: Local) -> bool:
    """No panic."""
    return not isinstance(state, Dead)


@dataclass(frozen=True, slots=True)
class Promise:
    """What the client hears contradicts nothing that it has heard."""

    id: str

    def holds(self, state: Local) -> bool:
        return not (isinstance(state, Contradicted) and state.promise == self.id)


@dataclass(frozen=True, slots=True)
class Asking:
    """Compares the store of a member with what its entries have made. Entries up to `base` were no requests."""

    options: MemberOptions
    base: int

    def applies_once(self, one: Local, other: Local) -> bool:
        """The revision is what the entries up to the consistent index have made: each was applied, and once."""
        pair = self._pair(one, other)
        return pair is None or pair[0].member.server.kv.revision == pair[1].revision

    def is_durable(self, one: Local, other: Local) -> bool:
        """Of a cluster of one: a crash now would leave every write that was acknowledged in the log."""
        if not isinstance(one, Running) or not isinstance(other, Client):
            return True
        synced = one.member.wal.synced.entries[-1].index
        return made(other, synced - self.base).revision >= other.known

    def has_written(self, one: Local, other: Local) -> bool:
        """The store contains what they have made."""
        pair = self._pair(one, other)
        if pair is None:
            return True
        found = self._server(pair[0]).store.range(b"\x00", b"", 0).kvs
        return tuple(found) == tuple(pair[1].at(pair[1].revision).values())

    def agree(self, one: Local, other: Local) -> bool:
        """Members that have applied the same entries have the same revision and hash."""
        if not isinstance(one, Running) or not isinstance(other, Running) or one.applied != other.applied:
            return True
        return hash_kv(self._server(one).store) == hash_kv(self._server(other).store)

    def _pair(self, one: Local, other: Local) -> tuple[Running, History] | None:
        """A member, and what its entries have made."""
        if isinstance(one, Running) and isinstance(other, Client):
            return one, made(other, one.applied - self.base)
        return None

    def _server(self, state: Running) -> Server:
        return Server.restore(self.options.server.store, state.member.server.kv, NOW_MS)


def always(options: MemberOptions, base: int, *, alone: bool) -> tuple[Property, ...]:
    """All of them; in a cluster of one, what was acknowledged must be in its log, elsewhere in the logs of a quorum."""
    asking = Asking(options, base)
    durable = Property(
        "acknowledged_writes_are_durable", "A crash leaves every write that was acknowledged.", asking.is_durable, 2
    )
    return (
        *((durable,) if alone else ()),
        Property("no_panic", "No member dies.", lives),
        Property(
            "acknowledged_writes_survive", "What was applied is not replaced.", Promise("acknowledged_writes_survive").holds
        ),
        Property("applied_in_order", "Entries are applied without gaps.", Promise("applied_in_order").holds),
        Property(
            "reads_are_linearizable",
            "A read is not older than what anybody was told before it was asked for.",
            Promise("reads_are_linearizable").holds,
        ),
        Property("reads_what_was_written", "A read gives what its revision contained.", Promise("reads_what_was_written").holds),
        Property(
            "applied_once", "The revision is what the entries up to the consistent index have made.", asking.applies_once, 2
        ),
        Property("has_what_was_written", "The store contains what these have made.", asking.has_written, 2),
        Property("members_agree", "Members with the same consistent index have the same hash.", asking.agree, 2),
    )


def unsynced(one: Local, other: Local) -> bool:
    """A write was acknowledged, and the backend has not committed it: only the log has it."""
    if not isinstance(one, Running) or not isinstance(other, Client):
        return False
    return other.known > 1 and dict(one.member.server.kv.committed.meta).get("consistent_index", 0) < one.applied


def replays(state: Local) -> bool:
    """After a crash there are entries in the log that the backend does not have."""
    return isinstance(state, Running) and state.boots > 1 and state.member.wal.synced.entries[-1].index > state.applied


def deposed(one: Local, other: Local) -> bool:
    """Two members believe to lead, in different terms."""
    return isinstance(one, Running) and isinstance(other, Running) and one.leads and other.leads and one.term != other.term


def has_snapshot(state: Local) -> bool:
    """A member has been sent a snapshot."""
    return isinstance(state, Running) and bool(state.member.snapshots)


def cut(state: Local) -> bool:
    """A log begins behind a snapshot."""
    return isinstance(state, Running) and state.member.wal.synced.snapshot.index > 0


AN_UNSYNCED_WRITE = Property("an_unsynced_write", "A write was acknowledged that only the log has.", unsynced, 2)
A_REPLAY = Property("a_replay", "A member that has restarted has entries to apply again.", replays)
A_DEPOSED_LEADER = Property("a_deposed_leader", "Two members believe to lead.", deposed, 2)
A_SNAPSHOT = Property("a_snapshot", "A member has been sent a snapshot.", has_snapshot)
A_CUT_LOG = Property("a_cut_log", "A log was cut.", cut)
