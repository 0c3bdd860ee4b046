"""Backups as a system: states are whole servers, what is restored is what was saved, and every property can be broken."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from kubeproof.conformance.bindings import backup
from kubeproof.conformance.bindings.backup import labels, properties
from kubeproof.conformance.bindings.backup.state import Client, Cluster
from kubeproof.conformance.bindings.backup.system import (
    COMPACT,
    DELIVER,
    LIST,
    NOW_MS,
    RESTORE,
    SAVE,
    WATCH,
    WRITE,
    BackupSystem,
)
from kubeproof.conformance.bindings.store.menu import KEYS
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event
from kubeproof.conformance.limits import Limits
from kubeproof.impl.store import Options, Server
from kubeproof.impl.store.requests import CompactionRequest, DeleteRangeRequest, PutRequest

PUT, DELETE = PutRequest(KEYS[0], b"1"), DeleteRangeRequest(KEYS[0])
W, S, R, L, G, D = Event(WRITE, PUT), Event(SAVE), Event(RESTORE), Event(LIST, 0), Event(WATCH, 0), Event(DELIVER, 0)
"""Write, save, restore; a client lists, watches, is delivered something."""


def after(*events: Event, **settings: Any) -> Cluster:
    """What comes of these events, each of which is possible where it happens."""
    system = backup.model(**settings).system
    assert isinstance(system, BackupSystem)
    [state] = system.initial()
    for event in events:
        offered = {(each.name, each.argument) for each in system.events(0, state)}
        assert event.name == WRITE or (event.name, event.argument) in offered, event
        after = system.step(0, state, event).state
        assert isinstance(after, Cluster)
        state = after
    return state


@cache
def steps() -> tuple[Taken, ...]:
    exploration = Exploration(backup.model(writes=3, disconnects=1, bump=4), Limits())
    exploration.run()
    return tuple(exploration.taken_steps())


def test_states_are_whole_servers() -> None:
    states = {step.state for _, _, _, step in steps() if isinstance(step.state, Cluster)}
    assert len(states) > 1000
    for state in states:
        assert Server.restore(Options(), state.server, NOW_MS).export(NOW_MS) == state.server


def test_a_restore_ends_all_streams_and_nothing_else_of_clients() -> None:
    restores = [(before, step.state) for _, before, _, step in steps() if labels.RESTORED in step.labels]
    assert len(restores) > 300
    for before, state in restores:
        assert isinstance(before, Cluster)
        assert isinstance(state, Cluster)
        assert before.saved is not None
        assert (state.server.watches, state.clients) == ((), before.clients)
        assert state.server.revision == state.server.compact_revision == before.saved.made.revision + 4


def test_a_client_that_was_told_lists_anew_and_believes_what_is_there() -> None:
    told = after(W, S, L, W, G, D, R, G, D, bump=3)
    assert told.clients == (Client(),)
    listed = after(W, S, L, W, G, D, R, G, D, L, bump=3)
    [client] = listed.clients
    assert (client.listed_at, client.restores, client.believes) == (5, 1, tuple(listed.made.at(5).values()))


def test_a_client_believes_what_it_has_listed_and_was_sent_since() -> None:
    [client] = after(W, L, G, Event(WRITE, PutRequest(KEYS[1], b"1")), Event(WRITE, DELETE), D, D).clients
    assert [(each.key, each.mod_revision) for each in client.believes] == [(KEYS[1], 3)]
    assert client.position == 4


# ---- every property can be broken

KNOWS_LOST = (W, S, L, W, G, D, R, G)
"""A client has seen a write that is lost, and goes on."""
REPEATED = (*KNOWS_LOST[:-1], Event(WRITE, PutRequest(KEYS[0], b"2")), G)


def test_what_comes_about_as_it_must_is_what_must_hold() -> None:
    for state in (after(), after(W, L, G, W, D), after(*KNOWS_LOST, D, L, G, bump=3)):
        assert all(each.holds(state) for each in properties.always(Options()))


def holds(id_: str, state: Cluster) -> bool:
    [asked] = [each for each in properties.always(Options()) if each.id == id_]
    return asked.holds(state)


@pytest.mark.parametrize(
    ("broken", "by"),
    [
        ("revision_never_falls", after(W, S, W, R)),
        ("revisions_never_repeat", after(*REPEATED)),
        ("watchers_are_told", after(*KNOWS_LOST)),
        ("watchers_know_nothing_lost", after(*KNOWS_LOST)),
        ("watchers_skip_nothing", after(*REPEATED)),
        ("watchers_believe_what_is_there", after(W, S, W, L, R, G)),
        (
            "refused_only_if_compacted",
            after(W, L, W, W, Event(COMPACT, CompactionRequest(4)), G)._replace(clients=(Client(9, position=9),)),
        ),
        ("reads_what_was_written", after(W, W)._replace(made=after(W, Event(WRITE, DELETE)).made)),
    ],
)
def test_every_property_can_be_broken(broken: str, by: Cluster) -> None:
    assert not holds(broken, by)


def test_a_client_without_a_watch_may_believe_anything() -> None:
    assert all(each.holds(after(*KNOWS_LOST[:-1], bump=3)) for each in properties.always(Options()))
