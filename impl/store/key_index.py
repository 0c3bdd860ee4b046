"""The revisions of one key (etcd's keyIndex): a list of generations, each from a put that makes the key to its tombstone.

    put 2, put 3, delete 4, put 6, delete 7   {2, 3, 4(t)}  {6, 7(t)}  {}
    compact 3                                 {3, 4(t)}  {6, 7(t)}  {}
    compact 4                                 {4(t)}  {6, 7(t)}  {}
    compact 5                                 {6, 7(t)}  {}
    compact 8                                 {}: the key is forgotten

The last generation is open: it has no tombstone yet.
"""

from __future__ import annotations

from bisect import bisect_left

from kubeproof.impl.store.records import Revision
from kubeproof.impl.store.state import KeyState


class KeyIndex:
    """All revisions of a key that are left: `revisions` of the open generation, `ended` those of the others.

    `created` is the main revision of the put that made the key, `version` that of the last put; both say nothing while the open
    generation is empty. Most keys are never deleted, and what a store keeps for each of them is what a put costs: an object
    less is one less for Python's garbage collector to visit. So there is no list of `ended` before the first deletion.
    """

    __slots__ = ("created", "ended", "revisions", "version")

    def __init__(self) -> None:
        self.created = 0
        self.version = 0
        self.revisions: list[Revision] = []
        self.ended: list[list[Revision]] | tuple[()] = ()

    def put(self, revision: Revision) -> None:
        """A put at a revision behind all others."""
        if not self.revisions:
            self.created = revision[0]
            self.version = 0
        self.revisions.append(revision)
        self.version += 1

    def tombstone(self, revision: Revision) -> None:
        """A deletion: it ends the generation, and the next one is open."""
        self.revisions.append(revision)
        if self.ended:
            self.ended.append(self.revisions)
        else:
            self.ended = [self.revisions]
        self.revisions = []

    def restore(self, created: int, version: int, revision: Revision) -> None:
        """The first revision that is left of a key, when a store is opened."""
        self.created, self.version = created, version
        self.revisions.append(revision)

    def exists(self) -> bool:
        """Whether the key exists now."""
        return bool(self.revisions)

    def get(self, at_revision: int) -> Revision | None:
        """The revision of the key as of a main revision; None if it did not exist then."""
        revisions = self.revisions
        if revisions and revisions[-1][0] <= at_revision:
            return revisions[-1]
        if revisions and revisions[0][0] <= at_revision:
            return _last_until(revisions, at_revision)
        for ended in reversed(self.ended):
            if ended[0][0] <= at_revision:
                return None if ended[-1][0] <= at_revision else _last_until(ended, at_revision)
        return None

    def until(self, at_revision: int) -> list[Revision]:
        """The revisions up to a main revision."""
        found: list[Revision] = []
        for revisions in (*self.ended, self.revisions):
            found += revisions[: bisect_left(revisions, (at_revision + 1, 0))]
        return found

    def compact(self, at_revision: int, tombstone_too: bool = False) -> Revision | None:
        """Forget what no read from a main revision on can see. The revision up to it that is kept, if there is one.

        A tombstone at exactly this revision stays: a watch from here must tell the deletion (etcd#18089).
        """
        self._forget_generations(at_revision, tombstone_too)
        oldest = self.ended[0] if self.ended else self.revisions
        up_to = bisect_left(oldest, (at_revision + 1, 0))
        if up_to == 0:
            return None
        del oldest[: up_to - 1]
        return oldest[0]

    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return not (self.revisions or self.ended)

    def export(self, key: bytes) -> KeyState:
        """All that is known of the key; `of` makes it again."""
        created, version = (self.created, self.version) if self.revisions else (0, 0)
        return KeyState(key, created, version, tuple(self.revisions), tuple(map(tuple, self.ended)))

    @classmethod
    def of(cls, state: KeyState) -> KeyIndex:
        """The index with this state."""
        index = cls()
        index.created, index.version = state.created, state.version
        index.revisions, index.ended = list(state.revisions), list(map(list, state.ended))
        return index

    def _forget_generations(self, at_revision: int, tombstone_too: bool) -> None:
        """Those whose tombstone lies before the revision."""
        last_forgotten = at_revision if tombstone_too else at_revision - 1
        while self.ended and self.ended[0][-1][0] <= last_forgotten:
            del self.ended[0]


def _last_until(revisions: list[Revision], at_revision: int) -> Revision:
    return revisions[bisect_left(revisions, (at_revision + 1, 0)) - 1]
