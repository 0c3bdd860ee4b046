"""Conf changes as entry payloads: the protobuf wire format of etcd's raftpb messages ConfChange and ConfChangeV2.

Fields that etcd always sets (type, node id) are always written; the others only when set. Reading takes fields in any order,
lets the last one win and skips unknown ones, as protobuf demands.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubeproof.impl.raft.confchange.conf_change import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
)
from kubeproof.impl.raft.types import EntryType

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}


class ConfChangeDecodeError(ValueError):
    """The bytes are not a conf change."""


def encode_conf_change(change: ConfChange | ConfChangeV2 | None) -> tuple[EntryType, bytes]:
    """The type and payload of the entry that proposes `change`; None is the empty V2 that leaves a joint configuration."""
    if change is None:
        return EntryType.EntryConfChangeV2, b""
    if isinstance(change, ConfChange):
        return EntryType.EntryConfChange, _encode_v1(change)
    return EntryType.EntryConfChangeV2, _encode_v2(change)


def decode_conf_change(entry_type: EntryType, data: bytes) -> ConfChange | ConfChangeV2:
    """Read an entry's payload. ConfChangeDecodeError for malformed bytes and for entries that are not conf changes."""
    if entry_type is EntryType.EntryConfChange:
        return _decode_v1(data)
    if entry_type is EntryType.EntryConfChangeV2:
        return _decode_v2(data)
    raise ConfChangeDecodeError(f"{entry_type.name} holds no conf change")


def _encode_v1(change: ConfChange) -> bytes:
    return b"".join(
        [
            _varint_field(1, change.id) if change.id else b"",
            _varint_field(2, change.type),
            _varint_field(3, change.node_id),
            _bytes_field(4, change.context) if change.context else b"",
        ]
    )


def _encode_v2(change: ConfChangeV2) -> bytes:
    transition = b"" if change.transition is None else _varint_field(1, change.transition)
    changes = [_bytes_field(2, _varint_field(1, single.type) + _varint_field(2, single.node_id)) for single in change.changes]
    context = _bytes_field(3, change.context) if change.context else b""
    return transition + b"".join(changes) + context


def _decode_v1(data: bytes) -> ConfChange:
    kind, node_id, context, change_id = 0, 0, b"", 0
    for number, value in _fields(data):
        match number, value:
            case 1, int():
                change_id = value
            case 2, int():
                kind = value
            case 3, int():
                node_id = value
            case 4, bytes():
                context = value
    return ConfChange(_change_type(kind), node_id, context, change_id)


def _decode_v2(data: bytes) -> ConfChangeV2:
    transition: ConfChangeTransition | None = None
    changes: list[ConfChangeSingle] = []
    context = b""
    for number, value in _fields(data):
        match number, value:
            case 1, int():
                transition = _transition(value)
            case 2, bytes():
                changes.append(_decode_single(value))
            case 3, bytes():
                context = value
    return ConfChangeV2(transition, tuple(changes), context)


def _decode_single(data: bytes) -> ConfChangeSingle:
    kind = node_id = 0
    for number, value in _fields(data):
        match number, value:
            case 1, int():
                kind = value
            case 2, int():
                node_id = value
    return ConfChangeSingle(_change_type(kind), node_id)


def _change_type(number: int) -> ConfChangeType:
    try:
        return ConfChangeType(number)
    except ValueError:
        raise ConfChangeDecodeError(f"unknown conf change type {number}") from None


def _transition(number: int) -> ConfChangeTransition:
    try:
        return ConfChangeTransition(number)
    except ValueError:
        raise ConfChangeDecodeError(f"unknown conf change transition {number}") from None


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field's number, and its value if it is a varint or bytes (other wire types are given as raw bytes)."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise ConfChangeDecodeError(f"field number 0 before byte {position}")
        if wire_type == _VARINT:
            integer, position = _read_varint(data, position)
            yield number, integer
            continue
        if wire_type == _BYTES:
            size, position = _read_varint(data, position)
        elif wire_type in _FIXED_SIZES:
            size = _FIXED_SIZES[wire_type]
        else:
            raise ConfChangeDecodeError(f"wire type {wire_type} of field {number} before byte {position}")
        if position + size > len(data):
            raise ConfChangeDecodeError(f"field {number} needs {size} bytes after byte {position} of {len(data)}")
        if wire_type == _BYTES:
            yield number, data[position : position + size]
        position += size


def _read_varint(data: bytes, start: int) -> tuple[int, int]:
    """The 64-bit integer at `start` and the position after it."""
    value = 0
    for position in range(start, min(start + 10, len(data))):
        value |= (data[position] & 0x7F) << 7 * (position - start)
        if data[position] < 0x80:
            if value >= 2**64:
                raise ConfChangeDecodeError(f"integer at byte {start} does not fit into 64 bits")
            return value, position + 1
    raise ConfChangeDecodeError(f"integer at byte {start} does not end")
