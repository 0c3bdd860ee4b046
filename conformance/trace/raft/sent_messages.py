"""Which messages were sent: a compact set of fingerprints, since with unlimited delay every one of them may still arrive."""

from __future__ import annotations

from array import array

from kubeproof.conformance.trace.raft_events import Message

_MASK = 0xFFFF_FFFF_FFFF_FFFF


def fingerprint(message: Message) -> int:
    """64 bits for all fields of a message. Two that differ share one with probability 2**-64."""
    snapshot = message.snapshot
    count = message.entry_count
    return hash(
        (
            message.type,
            message.from_,
            message.to,
            message.term,
            message.log_term,
            message.index,
            message.commit,
            message.reject,
            message.reject_hint,
            message.context,
            -1 if snapshot is None else snapshot.index,
            tuple([(entry.term, entry.payload) for entry in message.entries]) if count is None else count,
        )
    )


class SentMessages:
    """A map from fingerprints to small integers in two arrays with open addressing.

    It takes 18 to 36 bytes a message, 54 while the arrays grow.

    The value is the number of the Ready, counted for each sender, with which the message leaves.
    """

    __slots__ = ("_count", "_keys", "_mask", "_values")

    def __init__(self) -> None:
        self._count = 0
        self._reserve(1 << 10)

    def __len__(self) -> int:
        return self._count

    def size_bytes(self) -> int:
        """Size of the arrays."""
        return self._keys.itemsize * len(self._keys) + self._values.itemsize * len(self._values)

    def get(self, key: int) -> int | None:
        """The value of a key, None if it is not there."""
        key = key & _MASK or 1
        keys, mask = self._keys, self._mask
        slot = key & mask
        while found := keys[slot]:
            if found == key:
                return self._values[slot]
            slot = (slot + 1) & mask
        return None

    def put(self, key: int, value: int) -> None:
        """Set the value of a key."""
        if 3 * self._count > 2 * self._mask:
            self._grow()
        if self._set(key & _MASK or 1, value):
            self._count += 1

    def _set(self, key: int, value: int) -> bool:
        """Whether the key is new."""
        keys, mask = self._keys, self._mask
        slot = key & mask
        while (found := keys[slot]) and found != key:
            slot = (slot + 1) & mask
        keys[slot] = key
        self._values[slot] = value
        return not found

    def _reserve(self, capacity: int) -> None:
        self._keys = array("Q", bytes(8 * capacity))
        self._values = array("I", bytes(4 * capacity))
        self._mask = capacity - 1

    def _grow(self) -> None:
        old_keys, old_values = self._keys, self._values
        self._reserve(2 * len(old_keys))
        for key, value in zip(old_keys, old_values, strict=True):
            if key:
                self._set(key, value)
