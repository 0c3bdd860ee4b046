"""The set of sent messages against a dict, its memory, and what tells messages apart."""

from __future__ import annotations

import sys
from array import array
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeproof.conformance.trace.raft.sent_messages import SentMessages, fingerprint
from kubeproof.conformance.trace.raft_events import Entry, Message, Snapshot

BYTES_A_MESSAGE = 64
KEYS = st.integers(-(2**63), 2**64 - 1)
# Keys that meet in one slot of the smallest table, and at its end.
CROWDED = st.integers(0, 40).map(lambda high: (high << 32) + 1022)


def array_bytes(messages: SentMessages) -> int:
    parts = [getattr(messages, slot) for slot in SentMessages.__slots__]
    return sum(sys.getsizeof(part) for part in parts if isinstance(part, array))


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS | CROWDED, st.integers(0, 2**32 - 1)), max_size=200), st.lists(KEYS | CROWDED, max_size=50))
def test_it_is_a_map(puts: list[tuple[int, int]], others: list[int]) -> None:
    messages, oracle = SentMessages(), dict[int, int]()
    for key, value in puts:
        messages.put(key, value)
        oracle[key & (2**64 - 1) or 1] = value
        assert messages.get(key) == value
    assert len(messages) == len(oracle)
    for key in [*others, *(key for key, _ in puts)]:
        assert messages.get(key) == oracle.get(key & (2**64 - 1) or 1)


def test_it_keeps_everything_while_it_grows() -> None:
    random = Random(5)
    messages, oracle = SentMessages(), dict[int, int]()
    for _ in range(30_000):
        key, value = random.getrandbits(64) or 1, random.getrandbits(32)
        messages.put(key, value)
        oracle[key] = value
        again = random.choice((key, key - 1))
        assert messages.get(again) == oracle.get(again)
    assert len(messages) == len(oracle)
    assert all(messages.get(key) == value for key, value in oracle.items())
    for key in list(oracle)[:1000]:
        messages.put(key, 7)
    assert len(messages) == len(oracle)


def test_a_message_costs_at_most_64_bytes() -> None:
    messages, random = SentMessages(), Random(6)
    smallest = array_bytes(messages)
    assert smallest <= 1 << 14
    seen = set()
    for count in range(1, 200_001):
        messages.put(random.getrandbits(64), count)
        if count & (count - 1) == 0 or count % 997 == 0:
            size = array_bytes(messages)
            seen.add(size)
            assert size <= max(smallest, BYTES_A_MESSAGE * len(messages))
    assert len(seen) > 5


MESSAGE = Message(
    type="MsgApp",
    from_="1",
    to="2",
    term=3,
    log_term=2,
    index=7,
    entries=(Entry(term=3, payload="aa"), Entry(term=3, payload="bb")),
    commit=6,
    context="00",
)


@pytest.mark.parametrize(
    "field",
    [
        {"type": "MsgAppResp"},
        {"from_": "3"},
        {"to": "3"},
        {"term": 4},
        {"log_term": 3},
        {"index": 8},
        {"commit": 7},
        {"reject": True},
        {"reject_hint": 1},
        {"context": "01"},
        {"snapshot": Snapshot(index=0)},
        {"entries": (Entry(term=3, payload="aa"),)},
        {"entries": (Entry(term=2, payload="aa"), Entry(term=3, payload="bb"))},
        {"entries": (Entry(term=3, payload="aa"), Entry(term=3, payload="cc"))},
        {"entries": (Entry(term=3, payload="bb"), Entry(term=3, payload="aa"))},
        {"entries": (), "entry_count": 1},
    ],
    ids=str,
)
def test_messages_differ_in_each_field(field: dict[str, object]) -> None:
    assert fingerprint(MESSAGE) == fingerprint(msgspec.structs.replace(MESSAGE))
    assert fingerprint(msgspec.structs.replace(MESSAGE, **field)) != fingerprint(MESSAGE)
