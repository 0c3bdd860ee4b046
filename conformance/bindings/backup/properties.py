"""What must hold over restores; the names are those of models/backup.py.

`made` is what the writes to the present store have made, said apart from it (bindings/store/history.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from kubeproof.conformance.bindings.backup.state import Client, Cluster
from kubeproof.conformance.bindings.backup.system import NOW_MS
from kubeproof.conformance.bindings.store.history import Change
from kubeproof.conformance.explore.system import Local, Property
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.store import Options, Server
from kubeproof.impl.store.watch_state import Queued


def never_falls(state: Local) -> bool:
    """No store has given a later revision than the present one has."""
    return not isinstance(state, Cluster) or state.server.revision >= state.last_revision


def never_repeat(state: Local) -> bool:
    """No revision is of two changes, be they lost."""
    if not isinstance(state, Cluster):
        return True
    written = {*state.lost, *state.made.changes}
    return len({change.revision for change in written}) == len(written)


def are_told(state: Local) -> bool:
    """Nobody watches with a list of a former store."""
    return all(client.restores == cluster.restores for cluster, client in watching(state))


def skip_nothing(state: Local) -> bool:
    """Who watches was sent every change since its list, up to what it knows."""
    return all({each.record for each in since_list(cluster, client)} <= set(client.seen) for cluster, client in watching(state))


def know_nothing_lost(state: Local) -> bool:
    """Who watches was sent nothing else since its list."""
    return all(set(client.seen) <= {each.record for each in since_list(cluster, client)} for cluster, client in watching(state))


def believe_what_is_there(state: Local) -> bool:
    """Who watches believes of the revision that it knows what the store had at it."""
    return all(client.believes == tuple(cluster.made.at(client.position).values()) for cluster, client in watching(state))


def refused_only_if_compacted(state: Local) -> bool:
    """Who is to be told to list anew has compacted revisions behind what it knows."""
    return all(client.position + 1 < cluster.server.compact_revision for cluster, client in refused(state))


def everybody_watches(state: Local) -> bool:
    """Nobody is left behind when nothing happens any more."""
    return len(list(watching(state))) == len(_clients(state))


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks the store itself."""

    options: Options

    def reads(self, state: Local) -> bool:
        """At each revision that can be read the store has what was written, or what the backup had."""
        if not isinstance(state, Cluster):
            return True
        store = Server.restore(self.options, state.server, NOW_MS).store
        readable = range(max(1, store.compact_revision), store.revision + 1)
        return all(store.range(b"\x00", b"", each).kvs == list(state.made.at(each).values()) for each in readable)


def watching(state: Local) -> Iterator[tuple[Cluster, Client]]:
    """The clients whose watch goes on."""
    if isinstance(state, Cluster):
        yield from ((state, client) for number, client in enumerate(state.clients) if state.watches(number))


def refused(state: Local) -> Iterator[tuple[Cluster, Client]]:
    """The clients that are to be told that what they want is compacted."""
    if isinstance(state, Cluster):
        for number, client in enumerate(state.clients):
            stream = state.stream(number)
            if stream is not None and any(isinstance(each, Queued) and each.compact_revision for each in stream.waiting):
                yield state, client


def since_list(cluster: Cluster, client: Client) -> list[Change]:
    """The changes behind a client's list, up to what it knows."""
    return [each for each in cluster.made.changes if client.listed_at < each.revision[0] <= client.position]


def _clients(state: Local) -> tuple[Client, ...]:
    return state.clients if isinstance(state, Cluster) else ()


def always(options: Options, leaves_out: Collection[str] = ()) -> tuple[Property, ...]:
    """All but these. InvalidInput for a name that is none of them."""
    properties = (
        Property("revision_never_falls", "The revision never falls, over all restores.", never_falls),
        Property("revisions_never_repeat", "A revision is of one write, over all restores.", never_repeat),
        Property("watchers_are_told", "No watch goes on from a list that was made before a restore.", are_told),
        Property("watchers_know_nothing_lost", "What who watches has seen is in the store's history.", know_nothing_lost),
        Property("watchers_skip_nothing", "Who watches has seen every write up to what it knows.", skip_nothing),
        Property("watchers_believe_what_is_there", "Who watches believes what the store contains.", believe_what_is_there),
        Property("refused_only_if_compacted", "Who is told to list anew is behind a compaction.", refused_only_if_compacted),
        Property("reads_what_was_written", "A restored store has what its backup had.", Asking(options).reads),
    )
    if unknown := sorted(set(leaves_out) - {each.id for each in properties}):
        known = ", ".join(each.id for each in properties)
        raise InvalidInput("leaves_out", None, f"expected some of {known}, got {', '.join(unknown)}")
    return tuple(each for each in properties if each.id not in leaves_out)


def is_refused_after_restore(state: Local) -> bool:
    """A client that knows what is lost is to be told."""
    return any(client.restores < cluster.restores and client.position > 0 for cluster, client in refused(state))


def goes_on(state: Local) -> bool:
    """A client has listed after a restore in which writes were lost, and was sent what was written since."""
    return any(client.seen and client.restores and cluster.lost for cluster, client in watching(state))


TOLD = Property("told_after_restore", "A client with a list of a lost store is told to list anew.", is_refused_after_restore)
GOES_ON = Property("goes_on_after_restore", "A client has listed anew, and is sent what is written then.", goes_on)
