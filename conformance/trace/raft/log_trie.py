"""Logs as positions in a trie of (term, payload): equal logs are the same position, a prefix is an ancestor.

Entries that one leader appended in one term follow each other, so they share one segment: a log of any length is a segment and
an index, and its entries cost memory once, however many nodes hold them. Segments point to their parent and to one ancestor
further up, so that going back to any index takes a number of steps logarithmic in the number of terms (Myers, "An applicative
random-access stack", 1983).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import NamedTuple

Change = tuple[tuple[str, str], ...]
"""A membership change: (type of change, node) each; empty for one that the source does not tell, such as leaving a joint one."""


class Segment:
    """Entries `start` to `last` of one term. None stands for a term or a payload that the source does not tell."""

    __slots__ = (
        "_change_before",
        "_change_indexes",
        "_later_payloads",
        "_payloads",
        "_terms",
        "changes",
        "children",
        "depth",
        "jump",
        "last",
        "latest_places",
        "parent",
        "start",
        "term",
    )

    def __init__(self, parent: Segment | None, start: int, term: int | None) -> None:
        self.parent = parent or self
        self.start = start
        self.last = start - 1
        self.term = term
        self.children: dict[tuple[int, int | None], list[Segment]] = {}
        self.changes: dict[int, Change] = {}
        # Of changes whose index the source does not tell (they stand at the first that is possible): the last that is.
        self.latest_places: dict[int, int] = {}
        self._change_indexes: list[int] = []
        self._change_before = 0 if parent is None else parent.last_change(start - 1)
        self._payloads: list[str] = []
        # Those behind one that is not told; of a log from before the trace that may be the last of very many.
        self._later_payloads: dict[int, str] = {}
        self._terms: dict[int, int] = {}
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.jump: Segment = _ancestor_to_jump_to(self, parent)

    def note_change(self, index: int, change: Change, latest: int | None = None) -> None:
        """The entry at `index` is a membership change; or, if the source does not tell, one of those up to `latest` is."""
        if latest is not None and latest > index:
            self.latest_places[index] = latest
        if index not in self.changes:
            insort(self._change_indexes, index)
        self.changes[index] = change

    def last_change(self, index: int) -> int:
        """Index of the last membership change at or before `index`, 0 if there is none."""
        position = bisect_right(self._change_indexes, index)
        return self._change_indexes[position - 1] if position else self._change_before

    def payload(self, index: int) -> str | None:
        """Payload of an entry of this segment."""
        at = index - self.start
        return self._payloads[at] if at < len(self._payloads) else self._later_payloads.get(index)

    def fits(self, index: int, payload: str | None) -> bool:
        """Whether the entry at `index` may have this payload; from now on it has."""
        if payload is None:
            return True
        known = self.payload(index)
        if known is None:
            if index - self.start == len(self._payloads):
                self._payloads.append(payload)
            else:
                self._later_payloads[index] = payload
            return True
        return known == payload

    def term_at(self, index: int) -> int | None:
        """Term of an entry of this segment, if it is known."""
        return self._terms.get(index) if self.term is None else self.term

    def learn_term(self, index: int, term: int) -> None:
        """The source tells the term of an entry that was there before the trace began."""
        if self.term is None:
            self._terms[index] = term


def _ancestor_to_jump_to(segment: Segment, parent: Segment | None) -> Segment:
    if parent is None:
        return segment
    jump = parent.jump
    return jump.jump if parent.depth - jump.depth == jump.depth - jump.jump.depth else parent


class Log(NamedTuple):
    """A log: all entries up to `last`, an index in `segment`. Equal logs compare equal."""

    segment: Segment
    last: int

    def at(self, index: int) -> Log:
        """The first `index` entries of this log, which has at least so many."""
        segment = self.segment
        while index < segment.start:
            segment = segment.jump if index < segment.jump.start else segment.parent
        return Log(segment, index)

    def has_prefix(self, other: Log) -> bool:
        """Whether `other` is this log or the beginning of it."""
        return other.last <= self.last and self.at(other.last) == other

    def last_term(self) -> int | None:
        """Term of the last entry; 0 for the empty log, None if it is not known."""
        return self.segment.term_at(self.last)

    def last_change(self) -> int:
        """Index of the last membership change in this log; 0 if there is none."""
        return self.segment.last_change(self.last)

    def has_for_certain(self, place: int) -> bool:
        """Whether the membership change that is noted at `place` is in this log wherever it really is."""
        segment = self.at(place).segment
        latest = segment.latest_places.get(place, place)
        return latest == place or (latest <= self.last and self.at(latest).segment is segment)

    def last_certain_change(self) -> int:
        """Index of the last membership change that is in this log for certain; 0 if there is none."""
        last = self.last_change()
        while last and not self.has_for_certain(last):
            last = self.at(last - 1).last_change()
        return last

    def changes_after(self, index: int) -> list[tuple[int, Change]]:
        """Membership changes behind `index`, in ascending order."""
        found = []
        log = self
        while (last := log.last_change()) > index:
            log = log.at(last)
            found.append((last, log.segment.changes[last]))
            log = log.at(last - 1)
        return found[::-1]

    def append(self, term: int, payload: str | None = None) -> Log:
        """This log with one more entry."""
        segment, index = self.segment, self.last + 1
        if segment.term == term:
            if index > segment.last:
                segment.last = index
                segment.fits(index, payload)
                return Log(segment, index)
            if segment.fits(index, payload):
                return Log(segment, index)
        siblings = segment.children.setdefault((index, term), [])
        for child in siblings:
            if child.fits(index, payload):
                return Log(child, index)
        child = Segment(segment, index, term)
        child.last = index
        child.fits(index, payload)
        siblings.append(child)
        return Log(child, index)


def empty_log() -> Log:
    """The root of a new trie. Its term is 0, as etcd has it for the entry before the first."""
    return Log(Segment(None, 0, 0), 0)


def common_prefix(one: Log, other: Log) -> int:
    """Index of the last entry that two logs share."""
    while one.segment is not other.segment:
        if one.segment.start < other.segment.start:
            one, other = other, one
        one = one.at(one.segment.start - 1)
    return min(one.last, other.last)
