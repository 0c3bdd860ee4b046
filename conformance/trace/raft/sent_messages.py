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
    """A map from fingerprints to small integers in two arrays with open addressing: 18 to 54 bytes a message.

    The value is the number of the Ready, counted for each sender, with which the message leaves.
    """

    __slots__ = ("_count", "_keys", "_mask", "_values")

    def __init__(self) -> None:
        self._count = 0
        self._reserve(1 << 10)

    def __len__(self) -> int:
        return self._count

    def get(self, key: int) -> int | None:
        """The value of a key, None if it is not there."""
        slot = self._slot(key & _MASK or 1)
        return self._values[slot] if self._keys[slot] else None

    def put(self, key: int, value: int) -> None:
        """Set the value of a key."""
        key = key & _MASK or 1
        slot = self._slot(key)
        if not self._keys[slot]:
            if 3 * self._count > 2 * self._mask:
                self._grow()
                slot = self._slot(key)
            self._count += 1
            self._keys[slot] = key
        self._values[slot] = value

    def _slot(self, key: int) -> int:
        keys, mask = self._keys, self._mask
        slot = key & mask
        while keys[slot] and keys[slot] != key:
            slot = (slot + 1) & mask
        return slot

    def _reserve(self, capacity: int) -> None:
        self._keys = array("Q", bytes(8 * capacity))
        self._values = array("I", bytes(4 * capacity))
        self._mask = capacity - 1

    def _grow(self) -> None:
        old_keys, old_values = self._keys, self._values
        self._reserve(2 * len(old_keys))
        for key, value in zip(old_keys, old_values, strict=True):
            if key:
                slot = self._slot(key)
                self._keys[slot] = key
                self._values[slot] = value
