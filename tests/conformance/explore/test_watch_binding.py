"""Watches as a system: states are whole servers, streams end and go on as they must, and every property can be broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import permutations

import pytest

from kubeproof.conformance.bindings import watch
from kubeproof.conformance.bindings.store.log import Proposed, Script
from kubeproof.conformance.bindings.store.member import CRASH, NOW_MS, Entry, Member, MemberComponent
from kubeproof.conformance.bindings.watch import WatchSystem, labels, menu, properties
from kubeproof.conformance.bindings.watch.client import Client, Watched, heard
from kubeproof.conformance.bindings.watch.member import BREAK, RETRY, SEND, SYNC, WatchedMember
from kubeproof.conformance.bindings.watch.messages import Ended, FetchSnapshot, Open, RequestProgress, Sent, Snapshot
from kubeproof.conformance.explore import liveness
from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.local_steps import Taken
from kubeproof.conformance.explore.system import Event, Model, Step
from kubeproof.conformance.limits import Limits
from kubeproof.impl.store import Options, Server, WatchOptions
from kubeproof.impl.store.requests import (
    CompactionRequest,
    PutRequest,
    Request,
    ResponseHeader,
    WatchCreateRequest,
    WatchResponse,
)
from kubeproof.impl.store.watch_group import Group

CLIENT = 1
OPTIONS = Options(watch=WatchOptions(channel_limit=1, batch_revisions=1, watchers_per_sync=1))
MEMBER = WatchedMember(MemberComponent(OPTIONS, 0, 2))
ONE, OTHER = menu.watches(2, 2, filters=False, progress_notify=False)
PUT = menu.PUT


@cache
def steps() -> tuple[Taken, ...]:
    exploration = Exploration(watch.model(members=2, proposals=2, compactions=1, snapshots=1, crashes=1), Limits())
    exploration.run()
    return tuple(exploration.taken_steps())


def test_states_are_whole_servers() -> None:
    states = {step.state for _, _, _, step in steps() if isinstance(step.state, Member)}
    assert len(states) > 200
    for state in states:
        assert Server.restore(OPTIONS, state.server, NOW_MS).export(NOW_MS) == state.server


def test_whoever_crashes_has_no_stream_left_and_says_so() -> None:
    crashes = [(before, step) for _, before, cause, step in steps() if isinstance(cause, Event) and cause.name == CRASH.name]
    assert len(crashes) > 100
    for before, step in crashes:
        assert isinstance(before, Member)
        assert isinstance(step.state, Member)
        assert [(each.to, each.body) for each in step.sends] == [(stream.id, Ended()) for stream in before.server.watches]
        assert not step.state.server.watches


def test_streams_go_on_through_a_snapshot_and_their_watches_are_behind() -> None:
    restored = [(before, step.state) for _, before, _, step in steps() if labels.SNAPSHOT_RESTORED in step.labels]
    assert len(restored) > 20
    synced = 0
    for before, after in restored:
        assert isinstance(before, Member)
        assert isinstance(after, Member)
        assert before.server.revision < after.server.revision
        for was, now in zip(before.server.watches, after.server.watches, strict=True):
            assert was.waiting == now.waiting
            assert [each.watch for each in was.watchers] == [each.watch for each in now.watchers]
            assert all(each.group is not Group.SYNCED for each in now.watchers)
            synced += sum(each.group is Group.SYNCED for each in was.watchers)
    assert synced > 5


def test_what_is_compacted_is_removed_at_once() -> None:
    compacted = [
        step.state for _, _, _, step in steps() if isinstance(step.state, Member) and step.state.server.compact_revision > 1
    ]
    assert compacted
    assert not any(state.server.compactions for state in compacted)


def test_messages_of_different_kinds_differ() -> None:
    messages = [Open(1, ()), RequestProgress(1), Ended(), FetchSnapshot(1, 2), Sent(WatchResponse())]
    assert all(one != other for one, other in permutations(messages, 2))


def test_a_script_goes_on_where_it_is() -> None:
    script = Script(menu.MIXED)
    log = script.first(3)
    assert log == menu.MIXED[:3]
    assert list(script.proposals(log)) == [menu.MIXED[3]]
    assert list(script.proposals((*log, CompactionRequest(2)))) == [menu.MIXED[3]]
    assert script.first(5)[4] == menu.MIXED[0]


# ---- what is wanted


@pytest.mark.parametrize("filters", [False, True])
@pytest.mark.parametrize("start", range(1, 8))
def test_what_a_watch_wants_is_what_a_server_tells(start: int, *, filters: bool) -> None:
    log = Script(menu.MIXED).first(6)
    server = Server.alone()
    server.watches.open_stream(0)
    requests = menu.watches(2, start, filters=filters, progress_notify=False)
    for request in requests:
        server.watches.request(0, request)
    for each in log:
        server.do(each, NOW_MS)
    told = server.watches.settle()[0]
    for request in requests:
        events = tuple(event for response in told for event in response.events if response.watch_id == request.watch_id)
        assert events == properties.wanted(request, log)
        assert len({event.kv.mod_revision for event in events}) == properties.revisions_wanted(request, log)
        assert events or (filters and start == 7)


# ---- every property can be broken

LOG: tuple[Request, ...] = (menu.BOTH, PUT, CompactionRequest(2), PUT)
A2, B2, A3, A4 = properties.wanted(OTHER, LOG)
LATER = WatchCreateRequest(*OTHER[:2], start_revision=3, watch_id=2)


def broken(watched: Watched, request: WatchCreateRequest = OTHER) -> list[str]:
    """What a client breaks that has this of a watch."""
    promised = properties.always((request,))
    return [each.id for each in promised if not each.holds(Client((watched,)), Proposed(LOG))]


@pytest.mark.parametrize(
    "watched",
    [Watched(), Watched((A2, B2)), Watched((A2, B2, A3), 3), Watched((A2, B2, A3, A4)), Watched((), 1), Watched((A2, B2), 2)],
)
def test_what_is_promised_holds(watched: Watched) -> None:
    assert not broken(watched, replaced(OTHER, 1))


def replaced(request: WatchCreateRequest, start: int) -> WatchCreateRequest:
    return request._replace(start_revision=start)


@pytest.mark.parametrize(
    ("names", "watched", "request_"),
    [
        (["from_start_revision"], Watched((A2, B2, A3)), LATER),
        (["from_start_revision"], Watched((), 2), LATER),
        (["only_what_is_wanted"], Watched((A2, B2)), ONE),
        (["only_what_is_wanted"], Watched((A2, B2, A3._replace(kv=A3.kv._replace(value=b"w")), A3)), OTHER),
        (["unique"], Watched((A2, B2, A2)), OTHER),
        (["ordered"], Watched((A3, A2, B2)), OTHER),
        (["atomic", "reliable", "resumable"], Watched((A2,)), OTHER),
        (["reliable", "resumable"], Watched((A2, B2, A4)), OTHER),
        (["bookmarkable", "resumable"], Watched((A2, B2), 3), OTHER),
        (["bookmarkable"], Watched((A2, B2, A3, A4), 5), OTHER),
        (["canceled_only_if_compacted"], Watched((A2, B2), compacted=3), OTHER),
        (["canceled_only_if_compacted"], Watched((A2, B2), compacted=2), OTHER),
    ],
)
def test_a_client_that_has_something_else_breaks_a_property(
    names: list[str], watched: Watched, request_: WatchCreateRequest
) -> None:
    assert broken(watched, request_) == names


def test_a_watch_may_be_canceled_when_what_comes_next_is_compacted() -> None:
    log = (*LOG, CompactionRequest(4))
    promised = properties.always((OTHER,))
    assert all(each.holds(Client((Watched((A2, B2), compacted=4),)), Proposed(log)) for each in promised)


def test_properties_are_asked_of_clients_and_the_log_alone() -> None:
    state = MEMBER.store.initial()
    assert all(each.holds(state, Proposed(LOG)) for each in properties.always((OTHER,)))


# ---- where a watch resumes


def test_a_client_resumes_behind_what_it_has_got_or_was_told_of() -> None:
    watched = Watched()
    assert watched.next_revision(4) == 4
    watched = heard(watched, WatchResponse(ResponseHeader(2)))
    assert (watched.progress, watched.next_revision(1), watched.next_revision(4)) == (2, 3, 4)
    watched = heard(watched, WatchResponse(ResponseHeader(9), 2, events=(A3,)))
    assert (watched.progress, watched.next_revision(1)) == (0, 4)
    assert heard(watched, WatchResponse(ResponseHeader(0), 2, canceled=True, compact_revision=5)).compacted == 5


def test_a_stream_is_opened_with_what_is_not_canceled() -> None:
    client = watch.model(watches=2).system
    assert isinstance(client, WatchSystem)
    step = client.clients[0].step(Client((Watched((A2, B2, A3)), Watched(compacted=3))), Event("open_stream", 0))
    assert step.sends[0].body == Open(1, (replaced(ONE, 4),))


# ---- what must be possible


class Forgetful(WatchedMember):
    """It never looks again at a watch whose response had no room."""

    def events(self, state: Member) -> Iterator[Event]:
        return (each for each in super().events(state) if each != RETRY)


class Silent(WatchedMember):
    """It answers no request for progress."""

    def receive(self, state: Member, body: object) -> Step | None:
        return Step(state) if isinstance(body, RequestProgress) else super().receive(state, body)  # type: ignore[arg-type]


def with_members(kind: type[WatchedMember], model: Model) -> Model:
    """The model with members of another kind."""
    system = model.system
    assert isinstance(system, WatchSystem)
    members = tuple(kind(each.store, each.others, each.breaks, each.notifies) for each in system.members)
    return replace(model, system=replace(system, members=members))


def unrecoverable(model: Model) -> list[str]:
    exploration = Exploration(model, Limits(), numbered=True)
    exploration.run()
    return [each.id for each in model.recoverable if liveness.unrecoverable(exploration, each) is not None]


def test_who_forgets_victims_lets_clients_wait_for_ever() -> None:
    model = watch.model(proposals=2)
    assert unrecoverable(with_members(WatchedMember, model)) == []
    assert unrecoverable(with_members(Forgetful, model)) == ["catches_up"]


def test_who_answers_no_request_lets_nobody_know_how_far_it_is() -> None:
    model = watch.model(proposals=1, any_progress=True)
    assert unrecoverable(with_members(WatchedMember, model)) == []
    assert unrecoverable(with_members(Silent, model)) == ["progress_is_told"]


# ---- a member by hand


def state_of(step: Step | None) -> Member:
    assert step is not None
    assert isinstance(step.state, Member)
    return step.state


def after(*log: Request, watches: tuple[WatchCreateRequest, ...] = (ONE,)) -> Member:
    """A member that has applied a log, with a stream that was opened before."""
    state = state_of(MEMBER.receive(MEMBER.store.initial(), Open(CLIENT, watches)))
    for request in log:
        state = state_of(MEMBER.receive(state, Entry(request)))
    return state


def test_a_response_that_has_no_room_waits() -> None:
    state = after(PUT, PUT)
    assert [each.group for each in state.server.watches[0].watchers] == [Group.VICTIM]
    step = MEMBER.step(state, Event(SEND, CLIENT))
    assert step is not None
    (sent,) = step.sends
    assert isinstance(sent.body, Sent)
    assert [event.kv.mod_revision for event in sent.body.response.events] == [2]
    assert [each.group for each in state_of(MEMBER.step(state_of(step), RETRY)).server.watches[0].watchers] == [Group.SYNCED]


def test_what_does_nothing_is_no_step() -> None:
    state = after()
    assert MEMBER.step(state, SYNC) is None
    assert MEMBER.step(state, RETRY) is None
    assert MEMBER.step(state, Event(SEND, CLIENT)) is None


def test_a_stream_that_breaks_is_gone_with_all_that_waits() -> None:
    step = MEMBER.step(after(PUT), Event(BREAK, CLIENT))
    assert state_of(step).server.watches == ()
    assert step is not None
    assert [each.body for each in step.sends] == [Ended()]


def test_a_snapshot_is_of_something_newer_and_committed() -> None:
    state = after(PUT)
    assert MEMBER.receive(state, FetchSnapshot(1, 2)) is None
    step = MEMBER.receive(state, FetchSnapshot(1, 1))
    assert step is not None
    committed = state_of(step).server.committed
    assert committed.key == state.server.written.key != state.server.committed.key
    assert [each.body for each in step.sends] == [Snapshot(0, committed, (PutRequest(b"a", b"v"),))]
