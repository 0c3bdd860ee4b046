"""The store as a system: what a log makes is said twice, states are whole servers, and every property can be broken."""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random

import pytest

from kubeproof.conformance.bindings import store
from kubeproof.conformance.bindings.store import labels, menu, properties
from kubeproof.conformance.bindings.store.history import History, extended, history
from kubeproof.conformance.bindings.store.member import NOW_MS, Entry, Member, MemberComponent
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Step
from kubeproof.conformance.limits import Limits
from kubeproof.impl.store import Faults, Options, Server
from kubeproof.impl.store.requests import FROM_KEY, CompactionRequest, DeleteRangeRequest, PutRequest, Request

A, B = menu.KEYS[:2]
PUT, DELETE = PutRequest(A, menu.VALUE), DeleteRangeRequest(A)
REQUESTS: tuple[Request, ...] = (
    *(PUT, DELETE, PutRequest(B, b"w"), PutRequest(B, ignore_value=True), DeleteRangeRequest(A, FROM_KEY)),
    *(menu.TOGGLE, menu.DELETE_FIRST, menu.PUT_AND_READ_PAST, menu.PUT_AGAIN, menu.KEEP_VALUE, *menu.LEASES),
    *map(CompactionRequest, range(1, 6)),
)


def made_by(server: Server) -> History:
    """What a server that has lost nothing has made, as far as it can be read yet."""
    state = server.export(NOW_MS)
    leases = tuple((each.id, each.ttl, each.remaining_ttl) for each in state.leases)
    return History(state.revision, state.compact_revision, (), leases)


@pytest.mark.parametrize("seed", range(40))
def test_a_log_makes_what_a_server_makes_of_it(seed: int) -> None:
    random = Random(seed)
    server, made = Server.start(Options()), History()
    for index in range(1, 25):
        request = random.choice(REQUESTS)
        server.apply(index, request, NOW_MS)
        made = extended(made, request)
        assert made_by(server) == made._replace(changes=())
        for revision in range(max(1, made.compact_revision), made.revision + 1):
            assert server.store.range(b"\x00", b"", revision).kvs == list(made.at(revision).values())
        since = max(1, made.compact_revision)
        assert tuple(server.store.records_since(since)) == made.since(since)


@cache
def steps() -> tuple[Taken, ...]:
    exploration = Exploration(store.model(compactions=1, crashes=1, past_reads=True), Limits())
    exploration.run()
    return tuple(exploration.taken_steps())


def test_states_are_whole_servers() -> None:
    states = {step.state for _, _, _, step in steps() if isinstance(step.state, Member)}
    assert len(states) > 300
    for state in states:
        assert Server.restore(Options(), state.server, NOW_MS).export(NOW_MS) == state.server


def test_a_crash_loses_what_was_not_committed_and_nothing_else() -> None:
    crashes = [(before, step.state) for _, before, _, step in steps() if labels.CRASHED in step.labels]
    assert len(crashes) > 100
    for before, after in crashes:
        assert isinstance(before, Member)
        assert isinstance(after, Member)
        assert after.log == before.log
        assert after.server.committed.key == after.server.written.key == before.server.committed.key
        assert after.applied == dict(before.server.committed.meta).get("consistent_index", 0)


def test_a_step_has_one_sync_point_at_most() -> None:
    """So a crash within a step leaves what one before or after it does."""
    server, commits = Server.start(Options()), Counter[int]()
    note = server.backend.on_commit
    assert note is not None

    def sync_point() -> None:
        note()
        commits[server.consistent_index] += 1

    server.backend.on_commit = sync_point
    log: tuple[Request, ...] = (*menu.LEASES, PUT, menu.TOGGLE, CompactionRequest(3))
    for index, request in enumerate(log, 1):
        server.apply(index, request, NOW_MS)
    assert commits == {len(log): 1}


# ---- every property can be broken


def member(*log: Request, asked: bool = True, **faults: bool) -> Member:
    """A member that has applied a log."""
    component = MemberComponent(Options(faults=Faults(**faults)), 0, 1, asked=asked)
    state = component.initial()
    for request in log:
        step = component.receive(state, Entry(request))
        assert isinstance(step, Step)
        assert isinstance(step.state, Member)
        state = step.state
    return state


WRITTEN = (PUT, PutRequest(B, menu.VALUE), DELETE)


def test_what_a_member_has_made_is_what_must_hold() -> None:
    state = member(*WRITTEN)
    assert all(each.holds(*([state] * (each.components or 1))) for each in properties.always(Options()).values())


@pytest.mark.parametrize(
    ("broken", "by"),
    [
        ("no_panic", member(*WRITTEN)._replace(panic="range failed to find revision pair")),
        ("one_change_of_a_key", member(PUT, menu.PUT_AGAIN)),
        ("revision_is_of_log", member(*WRITTEN)._replace(log=(PUT, DELETE, DELETE))),
        ("reads_what_was_written", member(*WRITTEN)._replace(log=(PUT, PUT, DELETE))),
        ("history_is_kept", member(*WRITTEN)._replace(log=(PUT, PUT, DELETE))),
        ("leases_are_of_log", member(*menu.LEASES[:3])._replace(log=(*menu.LEASES[:2], PUT))),
    ],
)
def test_a_member_that_has_made_something_else_breaks_a_property(broken: str, by: Member) -> None:
    assert not properties.always(Options())[broken].holds(by)


def test_members_that_differ_break_a_property() -> None:
    log = (PUT, CompactionRequest(2), menu.PUT_AND_READ_PAST)
    agree = properties.always(Options())["members_agree"].holds
    assert agree(member(*log), member(*log, asked=False))
    assert not agree(member(*log), member(*log, asked=False, ranges_dropped_where_nobody_waits=True))
    assert not agree(member(PUT, PUT), member(PUT, PutRequest(A, b"w")))
    assert history(log).revision == 2
