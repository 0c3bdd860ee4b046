"""What is explored of backups: how much happens, how a restore is done, and what must hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kubeproof.conformance.bindings.backup import labels, properties
from kubeproof.conformance.bindings.backup.state import Client, Cluster
from kubeproof.conformance.bindings.backup.system import COMPACTIONS, DISCONNECTS, SAVES, WRITES, BackupSystem
from kubeproof.conformance.bindings.store.menu import KEYS
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.verdict import InvalidInput
from kubeproof.impl.store import KeyValue, Options


def model(
    clients: int = 1,
    keys: int = 1,
    writes: int = 3,
    compactions: int = 0,
    disconnects: int = 0,
    saves: int = 1,
    restores: int = 1,
    bump: int = 0,
    *,
    mark_compacted: bool = True,
    saves_empty: bool = False,
    leaves_out: Collection[str] = (),
) -> Model:
    """So many clients list and watch all of so many `keys`, of which the first is also deleted.

    - `writes`, `compactions`, `disconnects` and `saves` are budgets, of all stores together. A backup is restored at any later
      moment; there are up to so many `restores`.
    - A restore bumps the revision by `bump`, and marks it as compacted unless `mark_compacted` is off. With 0 it does neither.
    - `saves_empty` also backs up a store in which nothing was written yet.
    - `leaves_out` are properties that are not asked for, to see what comes of it where they do not hold.

    InvalidInput if the settings make no sense together.
    """
    if not 1 <= keys <= len(KEYS):
        raise InvalidInput("size", None, f"keys: expected 1 to {len(KEYS)}, got {keys}")
    options = Options()
    return Model(
        BackupSystem(clients, keys, restores, bump, mark_compacted, saves_empty, options),
        ("cluster",),
        messages_max=0,
        budgets={WRITES: writes, COMPACTIONS: compactions, DISCONNECTS: disconnects, SAVES: saves},
        always=properties.always(options, leaves_out),
        sometimes=(properties.TOLD, properties.GOES_ON),
        may_end=properties.everybody_watches,
        labels=(
            *labels.ALWAYS,
            *((labels.COMPACTED,) if compactions else ()),
            *((labels.DISCONNECTED,) if disconnects else ()),
        ),
        describe=describe,
    )


def describe(value: object) -> str:
    """A short line for a state."""
    assert isinstance(value, Cluster)
    compacted = [f"compacted {value.server.compact_revision}"] if value.server.compact_revision > 0 else []
    saved = [] if value.saved is None else [f"backup of {value.saved.made.revision}"]
    there = _spoken(value.made.at(value.made.revision).values())
    store = ", ".join([f"revision {value.server.revision}", *compacted, f"has {there}", *saved])
    return "; ".join([store, *(_of_client(value, number, each) for number, each in enumerate(value.clients))])


def _of_client(cluster: Cluster, number: int, client: Client) -> str:
    if not client.has_list:
        return f"client {number} has no list"
    stream = cluster.stream(number)
    watch = [] if stream is None else [f"watches from {stream.watchers[0].watch.start_revision}"]
    refused = ["which is compacted"] if watch and not cluster.watches(number) else []
    knows = f"client {number} knows {client.position}, believes {_spoken(client.believes)}"
    return ", ".join([knows, *watch, *refused])


def _spoken(records: Iterable[KeyValue]) -> str:
    return " and ".join(f"{each.key.decode()} = {each.value.decode()}" for each in records) or "nothing"
