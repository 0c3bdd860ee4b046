"""What may be on a disk after a crash, against an enumeration of all crash points."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import pytest

from kubeproof.conformance.trace.raft.log_trie import Log, empty_log
from kubeproof.conformance.trace.raft.stable_storage import Restart, StableStorage

Entries = tuple[int, ...]


class State(NamedTuple):
    """What a Ready hands out to be written."""

    term: int
    vote: str
    entries: Entries


class Disk(NamedTuple):
    """What a crash leaves, and the last Ready whose write may have been finished."""

    term: int
    vote: str
    entries: Entries
    finished: int


@dataclass
class Node:
    """The oracle: every Ready since the start, the number of the first one, and how many are known to be written."""

    states: list[State] = field(default_factory=lambda: [State(0, "", ())])
    first: int = 0
    written: int = 0
    # For each Ready from before a restart: the line of the restart that lost it, 0 if its write was finished.
    fates: dict[int, int] = field(default_factory=dict)

    @property
    def readys(self) -> int:
        return self.first + len(self.states) - 1

    def disks(self) -> set[Disk]:
        """A crash after each single step of writing: entry by entry, then term and vote."""
        found = set()
        for at in range(self.written, len(self.states)):
            term, vote, entries = self.states[at]
            finished = at
            while finished + 1 < len(self.states) and self.states[finished + 1] == self.states[at]:
                finished += 1
            found.add(Disk(term, vote, entries, self.first + finished))
            following = self.states[at + 1].entries if at + 1 < len(self.states) else entries
            shared = 0
            while following[: shared + 1] == entries[: shared + 1] and shared < min(len(entries), len(following)):
                shared += 1
            for end in range(shared + 1, len(following) + 1):
                found.add(Disk(term, vote, following[:end], self.first + finished))
        return found

    def restart(self, disk: Disk, line: int) -> None:
        for ready in range(self.first + 1, self.readys + 1):
            self.fates[ready] = 0 if ready <= disk.finished else line
        self.first, self.written = self.readys, 0
        self.states = [State(disk.term, disk.vote, disk.entries)]


class Comparison:
    """Both, side by side, doing random things."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.root = empty_log()
        self.node = Node()
        self.storage = StableStorage(self.root)
        self.storage.restart(0, "", self.root, 0, 1)
        self.line = 1

    def log(self, entries: Entries) -> Log:
        log = self.root
        for term in entries:
            log = log.append(term)
        return log

    def ready(self) -> None:
        term, vote, entries = self.node.states[-1]
        if self.random.random() < 0.3:
            term, vote = term + 1, ""
        if self.random.random() < 0.3:
            vote = vote or self.random.choice("123")
        if self.random.random() < 0.2:
            entries = entries[: self.random.randint(0, len(entries))]
        entries += (max(term, 1),) * self.random.choice((0, 0, 1, 3))
        self.node.states.append(State(term, vote, entries))
        self.storage.ready(term, vote, self.log(entries))

    def answer(self) -> None:
        """An answer of some Ready arrives. One that a crash lost is noticed, and changes nothing."""
        if not self.node.readys:
            return
        ready = self.random.randint(1, self.node.readys)
        lost_on = self.node.fates.get(ready, 0)
        restart = self.storage.confirm(ready, self.line)
        assert (0 if restart is None else restart.line) == lost_on
        if ready > self.node.first:
            self.node.written = max(self.node.written, ready - self.node.first)

    def crash(self) -> None:
        disk = self.random.choice(sorted(self.node.disks()))
        assert disk in self.survivors(len(disk.entries))
        self.node.restart(disk, self.line)
        self.storage.restart(disk.term, disk.vote, self.log(disk.entries), disk.finished, self.line)

    def survivors(self, last_index: int) -> list[Disk]:
        return [
            Disk(each.written.term, each.written.vote, self.entries(each.log), each.survived)
            for each in self.storage.survivors(last_index)
        ]

    def entries(self, log: Log) -> Entries:
        return tuple(log.at(index).last_term() or 0 for index in range(1, log.last + 1))

    def compare(self) -> None:
        disks = self.node.disks()
        longest = max(len(disk.entries) for disk in disks)
        for last_index in range(longest + 2):
            assert set(self.survivors(last_index)) == {disk for disk in disks if len(disk.entries) == last_index}
        stored = self.storage.stored()
        assert (stored.term, stored.vote, self.entries(stored.log)) == self.node.states[self.node.written]
        assert self.storage.readys == self.node.readys
        for ready in range(1, self.node.readys + 1):
            assert self.storage.is_lost(ready) == (self.node.fates.get(ready, 0) > 0)


@pytest.mark.parametrize("seed", range(150))
def test_survivors_are_all_crash_points(seed: int) -> None:
    random = Random(seed)
    comparison = Comparison(random)
    for _ in range(25):
        comparison.line += 1
        step = random.choices((comparison.ready, comparison.answer, comparison.crash), (6, 2, 1))[0]
        step()
        comparison.compare()


def written(*states: State) -> tuple[StableStorage, list[Log]]:
    """A storage to which these states were handed out, and their logs."""
    root = empty_log()
    storage = StableStorage(root)
    storage.restart(0, "", root, 0, 1)
    logs = []
    for term, vote, entries in states:
        log = root
        for each in entries:
            log = log.append(each)
        storage.ready(term, vote, log)
        logs.append(log)
    return storage, logs


def test_the_latest_state_comes_first() -> None:
    storage, logs = written(State(1, "1", (1,)), State(2, "", (1,)), State(3, "2", (1,)))
    survivors = storage.survivors(1)
    assert [(each.written.term, each.survived) for each in survivors] == [(3, 3), (2, 2), (1, 1), (0, 0)]
    assert {each.log for each in survivors} == {logs[0]}


def test_an_old_tail_may_come_back() -> None:
    storage, logs = written(State(1, "", (1, 1, 1)), State(2, "", (1, 2)))
    assert {(each.log, each.written.term) for each in storage.survivors(3)} == {(logs[0], 1), (logs[0], 0)}
    assert {(each.log, each.written.term) for each in storage.survivors(2)} == {
        (logs[1], 2),
        (logs[1], 1),
        (logs[0].at(2), 0),
    }


def test_an_answer_proves_what_was_handed_out_before() -> None:
    storage, logs = written(State(1, "1", (1,)), State(1, "1", (1, 1)), State(2, "", (1, 1)))
    assert (storage.stored().ready, storage.proof) == (0, 0)
    assert storage.confirm(2, 17) is None
    assert (storage.stored().log, storage.proof) == (logs[1], 17)
    assert storage.confirm(1, 18) is None
    assert storage.proof == 17
    assert storage.survivors(1) == []


def test_an_answer_of_a_lost_write_names_the_restart() -> None:
    storage, logs = written(State(1, "1", (1,)), State(2, "", (1,)))
    storage.restart(1, "1", logs[0], 1, 30)
    storage.ready(3, "", logs[0])
    storage.restart(1, "1", logs[0], 2, 40)
    assert [storage.is_lost(ready) for ready in (1, 2, 3)] == [False, True, True]
    assert storage.confirm(1, 50) is None
    assert storage.confirm(2, 50) == Restart(2, 1, 30)
    assert storage.confirm(3, 50) == Restart(3, 2, 40)


def test_a_first_start_loses_nothing() -> None:
    storage, _ = written()
    assert not storage.is_lost(1)
    assert storage.confirm(1, 2) is None


def test_a_copy_shares_nothing() -> None:
    storage, logs = written(State(1, "1", (1,)), State(2, "", (1, 1)))
    other = storage.copy()
    assert other.confirm(2, 5) is None
    other.restart(2, "", logs[1], 2, 6)
    other.ready(3, "", logs[1])
    assert (storage.readys, storage.proof, storage.stored().ready) == (2, 0, 0)
    assert len(storage.survivors(1)) == 2
    assert (other.readys, other.proof) == (3, 5)
