"""etcd's Raft: a RawNode, its configuration, a storage in memory, and the values that go in and out."""

from kubeproof.impl.raft.config import Config, Logger, ReadOnlyOption, Tracer
from kubeproof.impl.raft.faults import MISTAKES, Faults
from kubeproof.impl.raft.rawnode import Peer, RawNode
from kubeproof.impl.raft.ready import Ready
from kubeproof.impl.raft.storage import MemoryStorage, Storage
from kubeproof.impl.raft.types import (
    ConfState,
    Entry,
    EntryType,
    HardState,
    Message,
    MessageType,
    ReadState,
    Snapshot,
    SoftState,
    StateType,
)

__all__ = [
    "MISTAKES",
    "ConfState",
    "Config",
    "Entry",
    "EntryType",
    "Faults",
    "HardState",
    "Logger",
    "MemoryStorage",
    "Message",
    "MessageType",
    "Peer",
    "RawNode",
    "ReadOnlyOption",
    "ReadState",
    "Ready",
    "Snapshot",
    "SoftState",
    "StateType",
    "Storage",
    "Tracer",
]
