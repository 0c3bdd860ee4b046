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


class Generation:
    """`created` is the main revision of the put that made the key, `version` that of the last put or tombstone."""

    __slots__ = ("created", "revisions", "version")

    def __init__(self, created: int = 0, version: int = 0) -> None:
        self.created = created
        self.version = version
        self.revisions: list[Revision] = []


class KeyIndex:
    """All revisions of a key that are left. There is at least one generation."""

    __slots__ = ("generations",)

    def __init__(self) -> None:
        self.generations = [Generation()]

    def put(self, revision: Revision) -> None:
        """A put at a revision behind all others."""
        generation = self.generations[-1]
        if not generation.revisions:
            generation.created = revision[0]
        generation.revisions.append(revision)
        generation.version += 1

    def tombstone(self, revision: Revision) -> None:
        """A deletion: it ends the generation, and the next one is open."""
        self.put(revision)
        self.generations.append(Generation())

    def restore(self, created: int, version: int, revision: Revision) -> None:
        """The first revision that is left of a key, when a store is opened."""
        generation = self.generations[-1]
        generation.created, generation.version = created, version
        generation.revisions.append(revision)

    def restore_tombstone(self, revision: Revision) -> None:
        """A tombstone is all that is left of a generation; who made it was removed (etcd#19179)."""
        self.restore(0, 1, revision)
        self.generations.append(Generation())

    def latest(self) -> Generation | None:
        """The open generation; None if the key does not exist now."""
        generation = self.generations[-1]
        return generation if generation.revisions else None

    def get(self, at_revision: int) -> Revision | None:
        """The revision of the key as of a main revision; None if it did not exist then."""
        last = self.generations[-1].revisions
        if last and last[-1][0] <= at_revision:
            return last[-1]
        for generation in reversed(self.generations):
            revisions = generation.revisions
            if not revisions or revisions[0][0] > at_revision:
                continue
            if revisions is not last and revisions[-1][0] <= at_revision:
                return None
            return revisions[bisect_left(revisions, (at_revision + 1, 0)) - 1]
        return None

    def until(self, at_revision: int) -> list[Revision]:
        """The revisions up to a main revision."""
        found: list[Revision] = []
        for generation in self.generations:
            revisions = generation.revisions
            if revisions and revisions[0][0] > at_revision:
                break
            found += revisions[: bisect_left(revisions, (at_revision + 1, 0))]
        return found

    def compact(self, at_revision: int, tombstone_too: bool = False) -> Revision | None:
        """Forget what no read from a main revision on can see. The revision up to it that is kept, if there is one.

        A tombstone at exactly this revision stays: a watch from here must tell the deletion (etcd#18089).
        """
        self._forget_generations(at_revision, tombstone_too)
        generation = self.generations[0]
        up_to = bisect_left(generation.revisions, (at_revision + 1, 0))
        if up_to == 0:
            return None
        del generation.revisions[: up_to - 1]
        return generation.revisions[0]

    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return len(self.generations) == 1 and not self.generations[0].revisions

    def _forget_generations(self, at_revision: int, tombstone_too: bool) -> None:
        """Those whose tombstone lies before the revision."""
        last_forgotten = at_revision if tombstone_too else at_revision - 1
        while len(self.generations) > 1 and self.generations[0].revisions[-1][0] <= last_forgotten:
            del self.generations[0]
