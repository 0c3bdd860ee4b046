"""Sizes that limits count in: entries as etcd encodes them, and payloads (etcd util.go, types.go)."""

from __future__ import annotations

from collections.abc import Sequence

from kubeproof.impl.raft.types import Entry


def payloads_size(entries: Sequence[Entry]) -> int:
    """Bytes of client payload."""
    return sum([len(entry.data) for entry in entries])


def entry_size(entry: Entry) -> int:
    """Bytes of the entry in protobuf's proto2 encoding: a one-byte tag and a varint for each field that is set.

    The entry in place of a refused conf change is two bytes longer in etcd, which sets its type although it is the default.
    """
    size = 2 + _varint_size(entry.term) + _varint_size(entry.index)
    if entry.type:
        size += 2
    if entry.data:
        size += 1 + _varint_size(len(entry.data)) + len(entry.data)
    return size


def entries_size(entries: Sequence[Entry]) -> int:
    return sum([entry_size(entry) for entry in entries])


def limit_size(entries: Sequence[Entry], max_size: int) -> Sequence[Entry]:
    """The longest prefix within `max_size` bytes, but at least one entry if there is any."""
    size = 0
    for count, entry in enumerate(entries):
        size += entry_size(entry)
        if size > max_size and count > 0:
            return entries[:count]
    return entries


def _varint_size(value: int) -> int:
    return max(1, (value.bit_length() + 6) // 7)
