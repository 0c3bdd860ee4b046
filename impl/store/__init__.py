"""etcd's store: revisions, ranges, transactions, compaction, leases and watches, on a backend with explicit sync points."""

from kubeproof.impl.store.backend import Backend, Committed
from kubeproof.impl.store.errors import StoreError, StorePanic
from kubeproof.impl.store.faults import MISTAKES, Faults, as_released
from kubeproof.impl.store.hash_kv import HashKV, hash_kv
from kubeproof.impl.store.lessor import Lessor
from kubeproof.impl.store.mvcc import Store, WriteTransaction
from kubeproof.impl.store.records import Event, EventType, KeyValue, Revision
from kubeproof.impl.store.server import Applied, Options, Server
from kubeproof.impl.store.state import ServerState
from kubeproof.impl.store.versions import Version
from kubeproof.impl.store.watch import WatchHub, WatchOptions
from kubeproof.impl.store.watch_state import StreamState

__all__ = [
    "MISTAKES",
    "Applied",
    "Backend",
    "Committed",
    "Event",
    "EventType",
    "Faults",
    "HashKV",
    "KeyValue",
    "Lessor",
    "Options",
    "Revision",
    "Server",
    "ServerState",
    "Store",
    "StoreError",
    "StorePanic",
    "StreamState",
    "Version",
    "WatchHub",
    "WatchOptions",
    "WriteTransaction",
    "as_released",
    "hash_kv",
]
