"""Backups: what `etcdctl snapshot save` takes, and `etcdutl snapshot restore` makes of it (etcdutl/snapshot/v3_snapshot.go).

A restore begins a new cluster on the old content. Who remembers the old one takes the new one for its continuation, as revisions
go on from the backup; so `bump_revision` and `mark_compacted` let them begin behind what was lost, with nothing to be read from
before (models/backup.py tells how large a bump is large enough).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha1, sha256
from typing import NamedTuple

from kubeproof.impl.etcd.configure import added
from kubeproof.impl.etcd.encoding import encode
from kubeproof.impl.etcd.membership import MEMBERS, REMOVED
from kubeproof.impl.etcd.requests import Member
from kubeproof.impl.etcd.state import Disk
from kubeproof.impl.etcd.wal import Record, mark, store
from kubeproof.impl.raft import Entry, HardState, MemoryStorage
from kubeproof.impl.raft.confchange import encode_conf_change
from kubeproof.impl.raft.storage import StorageState
from kubeproof.impl.store import Backend, Committed, KeyValue
from kubeproof.impl.store.backend import CONSISTENT_INDEX, SCHEDULED_COMPACT

FIRST_TERM = 1
"""Of the log that a restored cluster begins with."""


class RestoreError(Exception):
    """Nothing is restored; the text is etcd's."""


class Snapshot(NamedTuple):
    """A backup. `sha256` is empty if it was not saved but copied from a data directory."""

    content: Committed
    sha256: bytes = b""


class Restored(NamedTuple):
    """A member of a new cluster, and the disk that it starts on."""

    cluster_id: int
    member_id: int
    disk: Disk


def save(backend: Backend) -> Snapshot:
    """Take a backup. A sync point: it has everything written so far."""
    backend.commit()
    content = backend.committed()
    return Snapshot(content, checksum(content))


def checksum(content: Committed) -> bytes:
    """The integrity hash. (etcd's is of the bytes of its own file.)"""
    return sha256(encode(content)).digest()


def restore(
    snapshot: Snapshot,
    name: str,
    initial_cluster: Mapping[str, Sequence[str]],
    token: str = "etcd-cluster",
    *,
    bump_revision: int = 0,
    mark_compacted: bool = False,
    skip_hash_check: bool = False,
) -> Restored:
    """Make the member `name` of a new cluster, of which each member has a name and peer URLs. Raises RestoreError."""
    if mark_compacted != (bump_revision > 0):
        raise RestoreError("--mark-compacted required if --revision-bump > 0")
    members = _members(initial_cluster, token)
    local = next((member for member in members if member.name == name), None)
    if local is None:
        raise RestoreError(f'couldn\'t find local name "{name}" in the initial cluster configuration')
    if not skip_hash_check:
        _check_hash(snapshot)
    content = snapshot.content
    if bump_revision:
        content = scheduled_to_be_compacted(bumped(content, bump_revision))
    content = _with_mark(_with_members(content, members), CONSISTENT_INDEX, len(members))
    return Restored(_cluster_id(members), local.id, Disk(content, _log(members)))


def bumped(content: Committed, amount: int) -> Committed:
    """A record behind the last one, by that much. Without any it counts from 0, although the revision of an empty store is 1.

    Its key is empty, so no client can ask for it. etcd's is all empty, and no tombstone: so it has a version here.
    """
    last = max((main for (main, _), _ in content.key), default=0)
    revision = last + amount
    record = KeyValue(b"", revision, revision, 1)
    return content._replace(key=(*content.key, ((revision, 0), record)))


def scheduled_to_be_compacted(content: Committed) -> Committed:
    """A compaction at the last record's revision is scheduled: whoever starts on this does it before anything is read."""
    return _with_mark(content, SCHEDULED_COMPACT, content.key[-1][0][0])


def _with_mark(content: Committed, name: str, value: int) -> Committed:
    return content._replace(meta=tuple(sorted({**dict(content.meta), name: value}.items())))


def _check_hash(snapshot: Snapshot) -> None:
    if not snapshot.sha256:
        raise RestoreError("snapshot missing hash but --skip-hash-check=false")
    seen = checksum(snapshot.content)
    if snapshot.sha256 != seen:
        raise RestoreError(f"expected sha256 {list(snapshot.sha256)}, got {list(seen)}")


# ---- the new cluster


def _members(initial_cluster: Mapping[str, Sequence[str]], token: str) -> tuple[Member, ...]:
    """In the order of their ids, which are made of URLs and token: so every member's restore agrees (membership/member.go)."""
    members = [Member(_member_id(urls, token), name, tuple(urls)) for name, urls in initial_cluster.items()]
    return tuple(sorted(members))


def _member_id(peer_urls: Sequence[str], token: str) -> int:
    return _id("".join(sorted(peer_urls)).encode() + token.encode())


def _cluster_id(members: Sequence[Member]) -> int:
    return _id(b"".join(member.id.to_bytes(8, "big") for member in members))


def _id(made_of: bytes) -> int:
    return int.from_bytes(sha1(made_of, usedforsecurity=False).digest()[:8], "big")


def _with_members(content: Committed, members: tuple[Member, ...]) -> Committed:
    """These instead of the former ones, who may come back."""
    kept = {name: value for name, value in content.cluster if name not in (MEMBERS, REMOVED)}
    return content._replace(cluster=tuple(sorted({**kept, MEMBERS: members}.items())))


def _log(members: Sequence[Member]) -> StorageState:
    """A new log. Its entries add the members; they are committed, and the backend has them."""
    storage, last = MemoryStorage(), len(members)
    entries = tuple(Entry(FIRST_TERM, index, *encode_conf_change(added(member))) for index, member in enumerate(members, 1))
    store(storage, Record(HardState(FIRST_TERM, members[0].id, last), entries))
    mark(storage, last, last)
    return storage.export()
