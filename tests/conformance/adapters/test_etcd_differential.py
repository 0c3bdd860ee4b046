"""The same odd requests to a real etcd and to impl/store, which answers as that release does: every field is the same.

So is what watches are told meanwhile. KUBEPROOF_ETCD names another binary than the installed one, and
KUBEPROOF_ETCD_OPERATIONS another number of requests (the slow tier: 100000).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import pytest

from kubeproof.conformance.adapters.etcd.beside import Beside, Differs
from kubeproof.conformance.adapters.etcd.server import running
from kubeproof.conformance.adapters.etcd.traffic import OddTraffic
from kubeproof.conformance.adapters.etcd.watches import CREATE, EVERYTHING, OddWatches
from kubeproof.conformance.answers.checker import Replay
from kubeproof.conformance.answers.reading import version_of
from kubeproof.impl.store import Version, WatchHub
from kubeproof.impl.store.records import Event, EventType
from kubeproof.impl.store.requests import WatchResponse
from tests.conformance.adapters.etcd import BINARY, needs_etcd

OPERATIONS = int(os.environ.get("KUBEPROOF_ETCD_OPERATIONS", "2000"))
MAX_REQUEST_BYTES = 4096
OPTIONS = (f"--max-request-bytes={MAX_REQUEST_BYTES}", "--experimental-watch-progress-notify-interval=1s")


class Compared(NamedTuple):
    """How much was, of one server after the other."""

    requests: int = 0
    events: int = 0


def compare(operations: int) -> Compared:
    """A server dies of some requests, and the reference then dies of them, too: a new one goes on. Raises Differs."""
    done = Compared()
    for seed in count():
        more = compare_one(seed, operations - done.requests)
        done = Compared(done.requests + more.requests, done.events + more.events)
        if done.requests >= operations:
            return done
    raise AssertionError


def compare_one(seed: int, operations: int) -> Compared:
    with new_pair() as (beside, version):
        traffic = OddTraffic(seed, 0, version)
        watches = OddWatches(traffic)
        events = 0
        for number in range(operations):
            try:
                traffic.learn(beside.take(*(watches.next() or traffic.next())))
            except Differs as differs:
                raise Differs(f"etcd {version}, seed {seed}: {differs}") from differs
            for response in beside.arrived:
                watches.learn(response)
                events += len(response.events)
            beside.arrived.clear()
            if beside.died:
                return Compared(number + 1, events)
        beside.finish()
    return Compared(operations, events)


@contextmanager
def new_pair() -> Iterator[tuple[Beside, Version]]:
    """A new etcd and a new reference of its version."""
    assert BINARY is not None
    with (
        running(BINARY, more=OPTIONS) as cluster,
        cluster.members[0].gateway() as gateway,
        gateway.stream("watch") as stream,
    ):
        version = version_of(cluster.version)
        assert version is not None
        yield Beside(cluster.members[0], gateway, stream, Replay(version, MAX_REQUEST_BYTES)), version


@needs_etcd
def test_every_answer_and_event_is_that_of_a_real_etcd() -> None:
    done = compare(OPERATIONS)
    assert done.requests == OPERATIONS
    assert done.events >= OPERATIONS / 4


@needs_etcd
def test_a_long_history_comes_in_pieces() -> None:
    """At most 1,000 revisions are one response, and fragments are about as long as a request may be and 512 KiB more."""
    with new_pair() as (beside, _):
        for number in range(1100):
            beside.take("Put", {"key": f"{number % 7}", "value": "x" * 1000})
        for id_, fragment in ((1, False), (2, True)):
            beside.take(CREATE, EVERYTHING | {"watch_id": id_, "fragment": fragment})
        beside.finish()
    whole, pieces = ([each for each in beside.arrived if each.watch_id == id_ and each.events] for id_ in (1, 2))
    assert [len(response.events) for response in whole] == [1000, 100]
    assert len(pieces) > len(whole)
    assert [event for response in pieces for event in response.events] == [
        event for response in whole for event in response.events
    ]


# ---- teeth: a field of the events that the reference sends is another one


def other_type(event: Event) -> Event:
    return event._replace(type=EventType.DELETE if event.type == EventType.PUT else EventType.PUT)


def other_pair(**fields: Any) -> Callable[[Event], Event]:
    return lambda event: event._replace(kv=event.kv._replace(**fields))


CHANGES: dict[str, Callable[[Event], Event]] = {
    "type": other_type,
    "prev_kv": lambda event: event._replace(prev_kv=event.kv),
    "kv.key": other_pair(key=b"other"),
    "kv.create_revision": other_pair(create_revision=10**6),
    "kv.mod_revision": other_pair(mod_revision=10**6),
    "kv.version": other_pair(version=10**6),
    "kv.value": other_pair(value=b"other"),
    "kv.lease": other_pair(lease=10**6),
}


def change_one(monkeypatch: pytest.MonkeyPatch, change: Callable[[Event], Event]) -> None:
    """The first event of the 20th response that the reference sends."""
    send, sent = WatchHub.send, count(1)

    def changed(hub: WatchHub, stream_id: int) -> tuple[WatchResponse, ...]:
        return tuple(
            each._replace(events=(change(each.events[0]), *each.events[1:])) if each.events and next(sent) == 20 else each
            for each in send(hub, stream_id)
        )

    monkeypatch.setattr(WatchHub, "send", changed)


@needs_etcd
@pytest.mark.parametrize("field", CHANGES)
def test_a_changed_event_is_found(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change_one(monkeypatch, CHANGES[field])
    with pytest.raises(Differs, match=rf"got\.events\[\d+\]\.{re.escape(field)}[.:]"):
        compare(300)
