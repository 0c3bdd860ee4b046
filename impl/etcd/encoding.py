"""Values as bytes: what members put into the log and send to each other.

One value has one encoding, and nothing else is read. A value is a letter for its kind and its content; lengths and numbers are
varints as protobuf has them. A message is its number, and its fields in order: those of one kind only, as its defaults show.
(etcd has protobuf, which takes fields in any order, twice, and unknown.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubeproof.impl.etcd.requests import (
    AlarmMember,
    AlarmRequest,
    ClusterMemberAttrSetRequest,
    ConfChangeContext,
    InternalRaftRequest,
    Member,
)
from kubeproof.impl.store.backend import Committed, LeaseRecord
from kubeproof.impl.store.records import KeyValue
from kubeproof.impl.store.requests import (
    CompactionRequest,
    Compare,
    DeleteRangeRequest,
    LeaseCheckpoint,
    LeaseCheckpointRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    PutRequest,
    RangeRequest,
    TxnRequest,
)

MESSAGES: tuple[type[Any], ...] = (
    InternalRaftRequest,
    RangeRequest,
    PutRequest,
    DeleteRangeRequest,
    TxnRequest,
    Compare,
    CompactionRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    LeaseCheckpointRequest,
    LeaseCheckpoint,
    ClusterMemberAttrSetRequest,
    AlarmRequest,
    AlarmMember,
    ConfChangeContext,
    Member,
    Committed,
    KeyValue,
    LeaseRecord,
)
"""A message's place is its number: new ones come behind the others."""

_NUMBERS = {message: number for number, message in enumerate(MESSAGES)}
_KINDS = [tuple(type(message._field_defaults.get(name)) for name in message._fields) for message in MESSAGES]
_DEPTH_MAX = 64


class DecodeError(ValueError):
    """The bytes are not what `encode` makes of a value."""


def encode(value: object) -> bytes:
    """A value as bytes: messages, tuples, integers, booleans, bytes, text, None."""
    parts = bytearray()
    _put(parts, value)
    return bytes(parts)


def _put(parts: bytearray, value: Any) -> None:
    if isinstance(value, bytes):
        parts += b"b"
        _put_varint(parts, len(value))
        parts += value
    elif value is True or value is False:
        parts += b"T" if value else b"F"
    elif isinstance(value, int):
        parts += b"i"
        _put_varint(parts, value << 1 if value >= 0 else (~value << 1) | 1)
    elif (number := _NUMBERS.get(type(value))) is not None:
        parts += b"m"
        _put_varint(parts, number)
        for each in value:
            _put(parts, each)
    elif type(value) is tuple:
        parts += b"t"
        _put_varint(parts, len(value))
        for each in value:
            _put(parts, each)
    elif isinstance(value, str):
        text = value.encode()
        parts += b"s"
        _put_varint(parts, len(text))
        parts += text
    elif value is None:
        parts += b"0"
    else:
        raise TypeError(f"{type(value).__name__} has no encoding")


def _put_varint(parts: bytearray, number: int) -> None:
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)


def decode(data: bytes) -> Any:
    """The value of these bytes. DecodeError unless `encode` makes just these of it."""
    reader = _Reader(data)
    value = reader.value(_DEPTH_MAX)
    if reader.place != len(data):
        raise DecodeError(f"{len(data) - reader.place} bytes too many")
    return value


def decode_request(data: bytes) -> InternalRaftRequest:
    """What an entry of the log holds."""
    value = decode(data)
    if not isinstance(value, InternalRaftRequest):
        raise DecodeError(f"expected InternalRaftRequest, got {type(value).__name__}")
    return value


class _Reader:
    """Takes values off bytes."""

    __slots__ = ("data", "place")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def value(self, depth: int) -> Any:
        if depth == 0:
            raise DecodeError("nested too deeply")
        read = _READS.get(self._take(1))
        if read is None:
            raise DecodeError(f"unknown kind at byte {self.place - 1}")
        return read(self, depth - 1)

    def message(self, depth: int) -> Any:
        number = self.varint()
        if number >= len(MESSAGES):
            raise DecodeError(f"unknown message {number}")
        fields = []
        for name, kind in zip(MESSAGES[number]._fields, _KINDS[number], strict=True):
            value = self.value(depth)
            if not _fits(value, kind):
                raise DecodeError(f"{MESSAGES[number].__name__}.{name}: a {type(value).__name__}")
            fields.append(value)
        return MESSAGES[number]._make(fields)

    def tuple(self, depth: int) -> Any:
        return tuple([self.value(depth) for _ in range(self.varint())])

    def number(self, _: int) -> int:
        number = self.varint()
        return ~(number >> 1) if number & 1 else number >> 1

    def bytes(self, _: int) -> Any:
        return self._take(self.varint())

    def text(self, _: int) -> str:
        try:
            return str(self._take(self.varint()), "utf-8")
        except UnicodeDecodeError as error:
            raise DecodeError(str(error)) from error

    def varint(self) -> int:
        number = shift = 0
        byte: int
        while (byte := self._take(1)[0]) >= 0x80:
            number |= (byte & 0x7F) << shift
            shift += 7
        if shift and byte == 0:
            raise DecodeError("a number with more bytes than it needs")
        return number | byte << shift

    def _take(self, count: int) -> Any:
        taken = self.data[self.place : self.place + count]
        if len(taken) != count:
            raise DecodeError("the end is missing")
        self.place += count
        return taken


def _fits(value: object, kind: type) -> bool:
    """Whether a field may have this value: of the kind of its default, or a message where that is one."""
    if kind is bytes or kind is str or kind is bool:
        return type(value) is kind
    if issubclass(kind, int):
        return type(value) is int
    if kind is tuple:
        return type(value) is tuple
    return type(value) in _NUMBERS if kind is not type(None) else type(value) in (bytes, int)


_READS: dict[bytes, Callable[[_Reader, int], Any]] = {
    b"b": _Reader.bytes,
    b"i": _Reader.number,
    b"m": _Reader.message,
    b"t": _Reader.tuple,
    b"s": _Reader.text,
    b"T": lambda _reader, _depth: True,
    b"F": lambda _reader, _depth: False,
    b"0": lambda _reader, _depth: None,
}
