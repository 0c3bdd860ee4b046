"""How fast the store is in memory: puts a second, a range over 10,000 keys, compaction, watches, answers judged.

Wanted on one core: 100,000 puts a second, a range over 10,000 keys in less than 10 ms, compaction linear in what it removes, an
event to each of many watchers of a key in the same time however many there are. Arguments are files of recorded answers to time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace import check_file
from kubeproof.impl.store import Server
from kubeproof.impl.store.requests import (
    CompactionRequest,
    PutRequest,
    RangeRequest,
    RangeResponse,
    WatchCreateRequest,
)

PUTS = 200_000
KEYS = 10_000
ROUNDS = 3
REMOVED = (25_000, 50_000, 100_000, 200_000)
UNTOUCHED = 100_000
WATCHERS = (1, 10, 100, 1000, 10_000)
EVENTS = 100_000
BEHIND = (25_000, 50_000, 100_000)


def key(number: int) -> bytes:
    return b"/registry/pods/default/pod-%06d" % number


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def put_all(server: Server, keys: list[bytes]) -> None:
    for number, each in enumerate(keys):
        server.answer(PutRequest(each, b"value of a pod"), number)


def write_all(server: Server, keys: list[bytes]) -> None:
    """The same without requests: one write transaction each."""
    for each in keys:
        transaction = server.store.write()
        transaction.put(each, b"value of a pod", 0)
        transaction.end()


def puts_a_second(put: Callable[[Server, list[bytes]], None], different: int) -> float:
    keys = [key(number * 7919 % different) for number in range(PUTS)]
    return PUTS / min(seconds(lambda: put(Server.alone(), keys)) for _ in range(ROUNDS))


def range_ms() -> float:
    """A range over all of the keys, of which each has ten versions."""
    server = Server.alone()
    put_all(server, [key(number % KEYS) for number in range(10 * KEYS)])
    answer = server.answer(RangeRequest(b"/registry/", b"/registry0"), 0)
    assert isinstance(answer, RangeResponse)
    assert len(answer.kvs) == KEYS
    return min(seconds(lambda: server.answer(RangeRequest(b"/registry/", b"/registry0"), 0)) for _ in range(5 * ROUNDS)) * 1000


def compaction_us(removed: int) -> float:
    """Microseconds for each record that a compaction removes, beside keys that it leaves alone."""
    server = Server.alone()
    put_all(server, [key(number) for number in range(UNTOUCHED)])
    server.answer(CompactionRequest(server.store.revision), 0)
    put_all(server, [key(number % 100) for number in range(removed)])
    return seconds(lambda: server.answer(CompactionRequest(server.store.revision), 0)) / removed * 1e6


def watched(server: Server, watchers: int, start_revision: int = 0) -> None:
    """Watches of one key, 100 on a stream."""
    for number in range(watchers):
        if number % 100 == 0:
            server.watches.open_stream(number // 100)
        server.watches.request(number // 100, WatchCreateRequest(key(0), start_revision=start_revision))


def event_us(watchers: int) -> float:
    """Microseconds to tell one watcher of one event, where so many watch the key."""
    server = Server.alone()
    watched(server, watchers)
    server.watches.settle()

    def tell() -> None:
        for number in range(EVENTS // watchers):
            server.answer(PutRequest(key(0), b"value of a pod"), number)
            server.watches.settle()

    return seconds(tell) / EVENTS * 1e6


def catching_up_us(revisions: int) -> float:
    """Microseconds for each event that ten watchers are behind."""
    server = Server.alone()
    put_all(server, [key(0)] * revisions)
    watched(server, 10, start_revision=1)
    return seconds(server.watches.settle) / revisions / 10 * 1e6


def main() -> None:
    """Print one line a figure."""
    print(f"put requests, {PUTS:,} of them to 1,000 keys: {puts_a_second(put_all, 1000):,.0f} a second")
    print(f"put requests, each to a key of its own: {puts_a_second(put_all, PUTS):,.0f} a second")
    print(f"write transactions with one put, to 1,000 keys: {puts_a_second(write_all, 1000):,.0f} a second")
    print(f"range over {KEYS:,} keys: {range_ms():.1f} ms")
    for removed in REMOVED:
        print(f"compaction that removes {removed:,} records: {compaction_us(removed):.2f} us a record")
    for watchers in WATCHERS:
        print(f"watches, {watchers:,} of one key: {event_us(watchers):.2f} us an event")
    for revisions in BEHIND:
        print(f"watches that are {revisions:,} revisions behind: {catching_up_us(revisions):.2f} us an event")
    for path in sys.argv[1:]:
        spent = seconds(lambda path=path: check_file(path, None, Limits()))  # type: ignore[misc]
        print(f"{path}: {spent:.2f} s")


if __name__ == "__main__":
    main()
