"""The index: which revisions each key has, in the order of keys (etcd's treeIndex). It is in memory, made from the records."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from kubeproof.impl.store.faults import Faults
from kubeproof.impl.store.key_index import KeyIndex
from kubeproof.impl.store.records import KeyValue, Revision, is_tombstone
from kubeproof.impl.store.sorted_keys import SortedKeys
from kubeproof.impl.store.state import KeyState


class TreeIndex:
    """The keys with their revisions.

    `recent` are the revisions from the last compaction on, in order: those that were written since, and those at its revision.
    What is older is one put for each key that has not been touched since. So a compaction looks at `recent` only. What it removes
    at its own revision, by mistake, stays in the list.
    """

    __slots__ = ("_faults", "_keys", "_sorted", "recent")

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._keys: dict[bytes, KeyIndex] = {}
        self._sorted = SortedKeys()
        self.recent: list[Revision] = []

    @classmethod
    def restore(cls, records: Mapping[Revision, KeyValue], compact_revision: int, faults: Faults) -> TreeIndex:
        """The index of the records that are on disk; `compact_revision` is that of the last compaction that has finished."""
        index = cls(faults)
        revisions = sorted(records)
        for revision in revisions:
            index._restore_record(revision, records[revision])
        index._sorted = SortedKeys(index._keys)
        index.recent = revisions[bisect_left(revisions, (compact_revision, 0)) :]
        return index

    def _restore_record(self, revision: Revision, record: KeyValue) -> None:
        key_index = self._keys.get(record.key)
        if is_tombstone(record):
            if key_index is not None:
                if key_index.exists():
                    key_index.tombstone(revision)
            elif not self._faults.lone_tombstone_not_restored:
                # Who made the key was removed (etcd#19179).
                self._keys[record.key] = key_index = KeyIndex()
                key_index.tombstone(revision)
        elif key_index is None:
            self._keys[record.key] = key_index = KeyIndex()
            key_index.restore(record.create_revision, record.version, revision)
        else:
            key_index.put(revision)

    def put(self, key: bytes, revision: Revision) -> KeyIndex:
        """What the key has then."""
        key_index = self._keys.get(key)
        if key_index is None:
            self._keys[key] = key_index = KeyIndex()
            self._sorted.add(key)
        key_index.put(revision)
        self.recent.append(revision)
        return key_index

    def tombstone(self, key: bytes, revision: Revision) -> Revision:
        """The key must exist. Its last revision before."""
        key_index = self._keys[key]
        last = key_index.revisions[-1]
        key_index.tombstone(revision)
        self.recent.append(revision)
        return last

    def revisions(self, key: bytes, end: bytes | None, at_revision: int) -> list[Revision]:
        """The revisions of the keys from `key` to `end` as of a main revision, in the order of keys.

        `end` None is the one key, empty is the end of the key space.
        """
        keys = self._keys
        if end is None:
            key_index = keys.get(key)
            revision = None if key_index is None else key_index.get(at_revision)
            return [] if revision is None else [revision]
        found = [keys[each].get(at_revision) for each in self._sorted.between(key, end)]
        return [revision for revision in found if revision is not None]

    def keys(self, key: bytes, end: bytes | None) -> list[bytes]:
        """The keys that exist now, from `key` to `end`, in order."""
        keys = self._keys
        if end is None:
            return [key] if key in keys and keys[key].exists() else []
        return [each for each in self._sorted.between(key, end) if keys[each].exists()]

    def compact(self, at_revision: int, records: Mapping[Revision, KeyValue]) -> list[Revision]:
        """Forget what no read from a main revision on can see. The revisions whose records can be removed, in order.

        The work grows with what was written since the last compaction, and with nothing else.
        """
        recent = self.recent
        written = [each for each in recent[: bisect_left(recent, (at_revision + 1, 0))] if each in records]
        removed: list[Revision] = []
        if self._faults.lone_tombstone_not_restored:
            removed += [revision for revision in written if records[revision].key not in self._keys]
        for key in dict.fromkeys(records[revision].key for revision in written):
            if key in self._keys:
                removed += self._compact_key(key, at_revision)
        del recent[: bisect_left(recent, (at_revision, 0))]
        removed.sort()
        return removed

    def _compact_key(self, key: bytes, at_revision: int) -> list[Revision]:
        key_index = self._keys[key]
        before = key_index.until(at_revision)
        first = key_index.compact(at_revision, self._faults.tombstone_compacted)
        # etcd marks only the first as one to keep (keyIndex.doCompact), although the index goes on having the others.
        kept = [] if first is None else [first] if self._faults.second_change_compacted else key_index.until(at_revision)
        if key_index.is_empty():
            del self._keys[key]
            self._sorted.remove(key)
        return [revision for revision in before if revision not in kept]

    def written_since(self, at_revision: int) -> list[Revision]:
        """The revisions from a main revision on, in order; it must not lie before the last compaction."""
        return self.recent[bisect_left(self.recent, (at_revision, 0)) :]

    # state

    def unlike(self, other: TreeIndex) -> tuple[KeyState, ...]:
        """The keys of which the other one has something else, as they are here."""
        here = (self._state_of(key) for key in sorted(self._keys.keys() | other._keys.keys()))
        return tuple(state for state in here if state != other._state_of(state.key))

    def take(self, states: Iterable[KeyState]) -> None:
        """Have of these keys what a state tells."""
        for state in states:
            if state.key in self._keys:
                del self._keys[state.key]
                self._sorted.remove(state.key)
            key_index = KeyIndex.of(state)
            if not key_index.is_empty():
                self._keys[state.key] = key_index
                self._sorted.add(state.key)

    def _state_of(self, key: bytes) -> KeyState:
        return self._keys.get(key, KeyIndex()).export(key)
