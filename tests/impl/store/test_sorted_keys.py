"""Sorted keys against a sorted list, with chunks so short that they split."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubeproof.impl.store import sorted_keys
from kubeproof.impl.store.sorted_keys import SortedKeys

KEYS = st.binary(min_size=1, max_size=2)


@pytest.fixture(autouse=True, scope="module")
def short_chunks() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_keys, "CHUNK_KEYS", 2)
        yield


@pytest.fixture(params=[0, sorted_keys.MANY], ids=["one by one", "all at once"])
def added(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_keys, "MANY", request.param)


@pytest.mark.usefixtures("added")
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(KEYS), st.lists(KEYS), st.data())
def test_same_as_a_sorted_list(first: set[bytes], more: list[bytes], data: st.DataObject) -> None:
    keys, plain = SortedKeys(first), set(first)
    for key in more:
        if data.draw(st.booleans()):
            assert (key in keys) == (key in plain)
        if key in plain and data.draw(st.booleans()):
            keys.remove(key)
            plain.remove(key)
        elif key not in plain:
            keys.add(key)
            plain.add(key)
    assert list(keys) == sorted(plain)
    start, end = data.draw(KEYS), data.draw(st.just(b"") | KEYS)
    assert keys.between(start, end) == [key for key in sorted(plain) if key >= start and (not end or key < end)]
