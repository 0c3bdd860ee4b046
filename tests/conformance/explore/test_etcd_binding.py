"""Members of etcd as a system: states are whole members, a step has one sync point at most, and every property can be broken."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from kubeproof.conformance.bindings import etcd
from kubeproof.conformance.bindings.etcd import labels, properties
from kubeproof.conformance.bindings.etcd.client import (
    Answered,
    Applied,
    Asked,
    Client,
    ClientComponent,
    Contradicted,
    Crashed,
    made,
)
from kubeproof.conformance.bindings.etcd.member import NOW_MS, Dead, MemberComponent, Running
from kubeproof.conformance.bindings.etcd.model import EtcdSystem
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Local
from kubeproof.conformance.limits import Limits
from kubeproof.impl.etcd.member import MemberOptions
from kubeproof.impl.etcd.requests import ClusterMemberAttrSetRequest, InternalRaftRequest
from kubeproof.impl.store import KeyValue
from kubeproof.impl.store.requests import PutRequest, PutResponse, RangeRequest, RangeResponse, ResponseHeader

PUT = InternalRaftRequest(1, PutRequest(b"a", b"v"))
CLIENT = ClientComponent(2, (1,), (1,))


@cache
def steps() -> tuple[Taken, ...]:
    exploration = Exploration(etcd.model(terms=3, crashes=1, reads=1, stepwise=1), Limits())
    exploration.run()
    return tuple(exploration.taken_steps())


def component(model: Any, number: int = 0) -> MemberComponent:
    assert isinstance(model.system, EtcdSystem)
    return model.system.members[number]


def test_states_are_whole_members() -> None:
    member = component(etcd.model(stepwise=1))
    states = {step.state for _, _, _, step in steps() if isinstance(step.state, Running)}
    assert len(states) > 300
    for state in states:
        restored = member.member(state).export(NOW_MS)
        assert restored == state.member


def test_a_crash_loses_what_was_not_synced_and_nothing_else() -> None:
    crashes = [(before, step.state) for _, before, _, step in steps() if labels.CRASHED in step.labels]
    assert len(crashes) > 50
    for before, after in crashes:
        assert isinstance(before, Running)
        assert isinstance(after, Running)
        assert after.member.wal.synced == before.member.wal.synced
        assert after.member.wal.unsynced == ()
        assert after.member.server.kv.committed == before.member.server.kv.committed
        assert after.applied == dict(before.member.server.kv.committed.meta).get("consistent_index", 0)


def test_a_step_has_one_sync_point_at_most() -> None:
    """So a crash within a step leaves what one before or after it does."""
    checked = 0
    for _, before, _, step in steps():
        if isinstance(before, Running) and isinstance(step.state, Running) and step.state.boots == before.boots:
            log = before.member.wal.synced != step.state.member.wal.synced
            backend = before.member.server.kv.committed != step.state.member.server.kv.committed
            assert not (log and backend)
            checked += 1
    assert checked > 300


def test_who_begins_has_everything_on_disk() -> None:
    for each in etcd.model(members=3).system.initial()[:3]:
        assert isinstance(each, Running)
        assert each.member.server.kv.committed == each.member.server.kv.written
        assert each.member.server.leadership.leader == 1


# ---- the client


def hears(state: Local, *told: object) -> Local:
    for body in told:
        state = CLIENT.receive(state, body).state
    return state


def read(revision: int, *values: KeyValue) -> RangeResponse:
    return RangeResponse(ResponseHeader(revision), values)


WRITTEN = hears(Client(), Asked(1, 7, PutRequest(b"a", b"v")), Applied(3, PUT), Answered(1, 7, PutResponse(ResponseHeader(2))))


def test_a_client_knows_what_it_was_told() -> None:
    assert Client((PUT,), 2) == WRITTEN
    assert hears(WRITTEN, Asked(1, 8, RangeRequest()), Crashed(1)) == WRITTEN
    good = read(2, KeyValue(b"a", 2, 2, 1, b"v"))
    assert hears(WRITTEN, Asked(1, 8, RangeRequest()), Answered(1, 8, good)) == WRITTEN
    assert hears(WRITTEN, Answered(1, 9, read(1))) == WRITTEN
    assert hears(WRITTEN, Asked(1, 8, RangeRequest()), Answered(1, 8, None)) == WRITTEN


@pytest.mark.parametrize(
    ("told", "promise"),
    [
        ((Applied(3, PUT._replace(id=2)),), "acknowledged_writes_survive"),
        ((Applied(5, PUT),), "applied_in_order"),
        ((Asked(1, 8, RangeRequest()), Answered(1, 8, read(1))), "reads_are_linearizable"),
        ((Asked(1, 8, RangeRequest()), Answered(1, 8, read(2))), "reads_what_was_written"),
    ],
)
def test_a_client_is_contradicted(told: tuple[object, ...], promise: str) -> None:
    state = hears(WRITTEN, *told)
    assert isinstance(state, Contradicted)
    assert state.promise == promise
    broken = [
        each.id for each in properties.always(MemberOptions(), 2, alone=True) if each.components == 1 and not each.holds(state)
    ]
    assert broken == [promise]


def test_what_is_no_write_makes_nothing() -> None:
    published = InternalRaftRequest(2, ClusterMemberAttrSetRequest(1, "m1"))
    assert made(Client((None, PUT, published))).revision == 2


# ---- the properties of members


def broken(*states: Local) -> set[str]:
    """The properties that do not hold of these."""
    found = set()
    for each in properties.always(MemberOptions(), 2, alone=True):
        if each.components == 1:
            found |= {each.id for state in states if not each.holds(state)}
        elif not each.holds(*states):
            found.add(each.id)
    return found


def running() -> Running:
    """A member that has applied one write."""
    reached = [step.state for _, _, _, step in steps() if isinstance(step.state, Running)]
    return next(state for state in reached if state.applied == 3)


def with_server(state: Running, **changes: Any) -> Running:
    server = state.member.server
    return state._replace(member=state.member._replace(server=server._replace(kv=server.kv._replace(**changes))))


def test_every_property_of_members_can_be_broken() -> None:
    member = running()
    heard = [step.state for _, _, _, step in steps() if isinstance(step.state, Client)]
    client = next(state for state in heard if len(state.applied) == 1)._replace(known=1)
    assert broken(member, client) == set()
    assert broken(member, Dead("x")) == {"no_panic"}
    assert "applied_once" in broken(with_server(member, revision=3), client)
    changed = tuple([(at, record._replace(value=b"w")) for at, record in member.member.server.kv.written.key])
    other = with_server(member, written=member.member.server.kv.written._replace(key=changed))
    assert broken(other, client) == {"has_what_was_written"}
    assert broken(member, other) == {"members_agree"}
    lost = member._replace(member=member.member._replace(wal=member.member.wal._replace(synced=_shortened(member))))
    assert broken(lost, client._replace(known=2)) == {"acknowledged_writes_are_durable"}


def _shortened(member: Running) -> Any:
    synced = member.member.wal.synced
    return synced._replace(entries=tuple([entry for entry in synced.entries if entry.index < 3]))
