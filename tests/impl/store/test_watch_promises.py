"""Whatever happens in whatever order: watches are ordered, unique, reliable, atomic, resumable and bookmarkable."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kubeproof.impl.store.requests import DeleteRangeRequest, PutRequest, TxnRequest, WatchCreateRequest
from tests.impl.store.watch_world import Action, World

KEY = st.sampled_from([b"a", b"b", b"c"])
END = st.sampled_from([b"", b"", b"\x00", b"c", b"d"])
PUT = st.tuples(KEY, st.sampled_from([b"x", b"y" * 400_000])).map(lambda pair: PutRequest(*pair))
TXN = st.builds(
    lambda puts: TxnRequest(success=tuple(PutRequest(key, b"z") for key in sorted(puts))), st.sets(KEY, min_size=2, max_size=3)
)
WRITE = st.one_of(PUT, PUT, st.tuples(KEY, END).map(lambda pair: DeleteRangeRequest(*pair)), TXN)
FILTERS = st.sampled_from([(), (), (), (0,), (1,), (0, 1)])
WATCH = st.builds(
    WatchCreateRequest,
    st.just(b"a"),
    st.sampled_from([b"", b"\x00", b"c"]),
    st.sampled_from([0, 0, 1, 2, 3, 4, 6, 9, 14]),
    st.booleans(),
    FILTERS,
    st.booleans(),
    st.just(0),
    st.booleans(),
)
STREAM = st.integers(0, 3)


def doing(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Action]:
    return st.tuples(st.just(name), *arguments)


WATCHED = [doing("watch", WATCH, STREAM), doing("write", WRITE), doing("watch", WATCH, STREAM), doing("propose", WRITE)]
ACTION = st.one_of(
    *WATCHED,
    *[doing("write", WRITE), doing("propose", WRITE), doing("apply"), doing("compact", st.integers(1, 12)), doing("compact_now")],
    *[doing("sync"), doing("sync"), doing("retry"), doing("send", STREAM), doing("send", STREAM), doing("snapshot")],
    *[doing("ask_progress", STREAM), doing("notify_progress"), doing("resume", STREAM), doing("cancel", STREAM)],
    *[doing("snapshot"), doing("restart"), doing("commit"), doing("exported")],
)
ACTIONS = st.tuples(st.tuples(*WATCHED), st.lists(ACTION, max_size=40)).map(lambda parts: [*parts[0], *parts[1]])


@settings(max_examples=400, deadline=None)
@given(ACTIONS, st.integers(1, 3), st.integers(1, 3))
def test_promises(actions: list[Action], channel_limit: int, batch_revisions: int) -> None:
    World(channel_limit=channel_limit, batch_revisions=batch_revisions).run(actions)
