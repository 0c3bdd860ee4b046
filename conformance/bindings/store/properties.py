"""What must hold of members: everything is compared with what the log has made (history.py)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from kubeproof.conformance.bindings.store.history import History, history
from kubeproof.conformance.bindings.store.member import ALL_KEYS, NOW_MS, Member, is_compacting
from kubeproof.conformance.explore.system import Local, Property
from kubeproof.impl.store import Options, Server, StoreError, StorePanic, hash_kv


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks members whatever can be asked. One that has panicked answers nothing any more: that is a property of its own."""

    options: Options

    def lives(self, state: Local) -> bool:
        """No panic."""
        return not isinstance(state, Member) or not state.panic

    def one_change(self, state: Local) -> bool:
        """No two records of a key have the same main revision."""
        if not isinstance(state, Member):
            return True
        changes = Counter((main, record.key) for (main, _), record in state.server.written.key)
        return all(count == 1 for count in changes.values())

    def has_revision(self, state: Local) -> bool:
        """The current and the compacted revision are those of the log."""
        if not isinstance(state, Member):
            return True
        made = _made(state)
        return (state.server.revision, state.server.compact_revision) == (made.revision, made.compact_revision)

    def reads(self, state: Local) -> bool:
        """A read at a revision gives what it contained, also if it is past; before the compacted one it is refused."""
        if not isinstance(state, Member) or state.panic:
            return True
        server, made = self._server(state), _made(state)
        return all(_read(server, revision) == _expected(made, revision) for revision in range(1, made.revision + 2))

    def has_history(self, state: Local) -> bool:
        """Every change from the compacted revision on can be told to a watcher."""
        if not isinstance(state, Member) or state.panic:
            return True
        since = max(1, state.server.compact_revision)
        try:
            return tuple(self._server(state).store.records_since(since)) == _made(state).since(since)
        except KeyError:
            return False

    def has_leases(self, state: Local) -> bool:
        """The leases are those that the log has granted, with the time that its checkpoints have left them."""
        if not isinstance(state, Member):
            return True
        return tuple((each.id, each.ttl, each.remaining_ttl) for each in state.server.leases) == _made(state).leases

    def agree(self, one: Local, other: Local) -> bool:
        """Members that have applied the same entries have the same revision and hash."""
        if not isinstance(one, Member) or not isinstance(other, Member) or one.applied != other.applied:
            return True
        return one.server.revision == other.server.revision and hash_kv(self._server(one).store) == hash_kv(
            self._server(other).store
        )

    def _server(self, state: Member) -> Server:
        return Server.restore(self.options, state.server, NOW_MS)


def _made(state: Member) -> History:
    return history(state.log[: state.applied])


def _read(server: Server, revision: int) -> object:
    try:
        return server.store.range(ALL_KEYS, b"", revision).kvs
    except StoreError as error:
        return type(error).__name__
    except StorePanic as panic:
        return panic


def _expected(made: History, revision: int) -> object:
    if revision > made.revision:
        return "ErrFutureRev"
    return "ErrCompacted" if revision < made.compact_revision else list(made.at(revision).values())


def interrupted(state: Local) -> bool:
    """A crash would come in the middle of a compaction, with records removed."""
    if not isinstance(state, Member) or not is_compacting(state.server.committed):
        return False
    return len(state.server.committed.key) < len(_made(state).changes) and state.is_replayed


def replays(state: Local) -> bool:
    """A member has entries to apply again."""
    return isinstance(state, Member) and not state.is_replayed


def has_past(state: Local) -> bool:
    """A key has an older record that can be read."""
    return isinstance(state, Member) and state.server.revision > max(2, state.server.compact_revision)


def apart(one: Local, other: Local) -> bool:
    """One member has removed what a compaction forgot, the other has not yet."""
    if not isinstance(one, Member) or not isinstance(other, Member) or one.applied != other.applied:
        return False
    return one.server.compact_revision > 0 and len(one.server.written.key) != len(other.server.written.key)


def always(options: Options) -> dict[str, Property]:
    """All by their ids."""
    asking = Asking(options)
    properties = (
        Property("no_panic", "No request of a client stops a member.", asking.lives),
        Property("one_change_of_a_key", "One revision changes a key once at most.", asking.one_change),
        Property("members_agree", "Members with the same applied index have the same revision and hash.", asking.agree, 2),
        Property("revision_is_of_log", "The revision is what the applied entries have made.", asking.has_revision),
        Property("reads_what_was_written", "A read at a revision gives what that revision contained.", asking.reads),
        Property("history_is_kept", "Every change from the compacted revision on is recorded.", asking.has_history),
        Property("leases_are_of_log", "Leases have what the applied entries have left them.", asking.has_leases),
    )
    return {each.id: each for each in properties}


AN_INTERRUPTED_COMPACTION = Property(
    "an_interrupted_compaction", "A crash would come in the middle of a compaction.", interrupted
)
A_REPLAY = Property("a_replay", "A member that has restarted has entries to apply again.", replays)
A_PAST = Property("a_past_revision", "A revision before the current one can be read.", has_past)
MEMBERS_APART = Property("members_apart", "One member has removed what another has still to remove.", apart, 2)
