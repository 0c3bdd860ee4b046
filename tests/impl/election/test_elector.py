"""What a candidate does, one behaviour at a time (client-go, tools/leaderelection)."""

from __future__ import annotations

from typing import Any

import pytest

from kubeproof.impl.election import (
    Answer,
    Callback,
    Elector,
    ElectorState,
    LeaderElectionRecord,
    LeaseEvent,
    LeaseState,
    Options,
    Outcome,
    Phase,
    Request,
    Signal,
    Tick,
    Verb,
    guarded_leader,
    lease_step,
    works,
)
from tests.impl.election.world import CANCELLED, NEW_LEADER, STARTED, STOPPED, World

LEASE, DEADLINE, RETRY = 10, 5, 2
"""Lease duration, renew deadline and retry period of most tests, in ticks. The longest sleep to acquire is 4."""


def options(**settings: Any) -> Options:
    return Options(**{"lease_duration": LEASE, "renew_deadline": DEADLINE, "retry_period": RETRY, **settings})


def world(names: str = "ab", wall_times: dict[str, int] | None = None, **settings: Any) -> World:
    return World({name: options(**settings) for name in names}, wall_times)


def leading(names: str = "ab", **settings: Any) -> World:
    """A world in which all have started, and the first one leads."""
    made = world(names, **settings)
    made.start(*names)
    assert made.guarded() == ["a"]
    return made


# ---- acquire


def test_creates_the_lease_where_there_is_none() -> None:
    w = world("a")
    w.do("a", Signal.START)
    assert w.requests == [Request("a", 0, Verb.GET)]
    w.serve("a")
    w.deliver("a")
    assert w.requests == [Request("a", 0, Verb.CREATE, LeaderElectionRecord("a", LEASE))]
    assert not guarded_leader(w["a"])
    w.exchange("a")
    assert guarded_leader(w["a"])
    assert w.holder == "a"


def test_takes_a_released_lease_at_once() -> None:
    w = world("a")
    w.lease = LeaseState(LeaderElectionRecord("", 1, leader_transitions=3), 8)
    w.start("a")
    assert w.guarded() == ["a"]
    assert w.lease.record == LeaderElectionRecord("a", LEASE, leader_transitions=4)


def test_refuses_a_held_lease() -> None:
    w = leading()
    assert w["b"].phase is Phase.ACQUIRE_WAIT
    assert w.guarded() == ["a"]


def test_takes_over_when_the_lease_duration_has_passed_since_the_observation() -> None:
    w = leading()
    w.do("a", Signal.CRASH)
    leaders = w.run(LEASE, cut=["a"])
    assert leaders == [[]] * (LEASE - 1) + [["b"]]
    assert w.lease.record == LeaderElectionRecord("b", LEASE, leader_transitions=1)


def test_the_recorded_duration_counts_and_not_ones_own() -> None:
    w = World({"a": Options(lease_duration=20, renew_deadline=9, retry_period=2), "b": options()})
    w.start("a", "b")
    w.do("a", Signal.CRASH)
    assert w.run(20)[LEASE:] == [[]] * 9 + [["b"]]


def test_a_fresh_candidate_waits_even_for_a_lease_that_expired_long_ago() -> None:
    w = world("b", wall_times={"b": 1000})
    w.lease = LeaseState(LeaderElectionRecord("a", LEASE, 0, 0), 5)
    w.start("b")
    assert w.run(LEASE) == [[]] * (LEASE - 1) + [["b"]]


@pytest.mark.parametrize("skew", [-1000, 0, 1000])
def test_clock_skew_in_the_record_does_not_matter(skew: int) -> None:
    w = world(wall_times={"a": 5000, "b": 5000 + skew})
    w.start("a", "b")
    w.run(3)
    w.do("a", Signal.CRASH)
    w.run(1)  # b has seen the last renewal at tick 2
    assert w.run(LEASE) == [[]] * (LEASE - 3) + [["b"]] * 3


def test_the_record_tells_the_times_of_its_writer() -> None:
    w = world(wall_times={"a": 500, "b": 900})
    w.start("a", "b")
    w.run(4)
    assert w.lease.record == LeaderElectionRecord("a", LEASE, acquire_time=500, renew_time=504)
    w.do("a", Signal.CRASH)
    w.run(LEASE)
    assert w.lease.record == LeaderElectionRecord("b", LEASE, 900 + 14, 900 + 14, 1)


def test_a_renewal_is_a_change_and_the_wait_begins_anew() -> None:
    w = leading()
    assert w.run(5 * LEASE) == [["a"]] * (5 * LEASE)


def test_the_lease_is_judged_by_when_the_attempt_began() -> None:
    w = leading()
    w.do("a", Signal.CRASH)
    for _ in range(2):
        w.tick(4)
        w.do("b", Signal.RETRY)
        w.exchange("b")
    w.do("b", Tick(1))
    assert not w.enabled("b", Signal.RETRY)
    w.do("b", Tick(1))
    assert w["b"].observed_age == LEASE
    w.do("b", Signal.RETRY)
    assert w["b"].expired
    # the same, but for a request that takes long: at its beginning the lease was valid
    w = leading()
    w.tick(LEASE - 1)
    w.do("b", Signal.RETRY)
    w.do("b", Tick(5))
    w.serve("b")
    w.deliver("b")
    assert w["b"].phase is Phase.ACQUIRE_WAIT


@pytest.mark.parametrize("first", ["a", "b"])
def test_one_of_two_gets_the_lease_that_both_saw_expire(first: str) -> None:
    w = world("ab")
    w.lease = LeaseState(LeaderElectionRecord("x", LEASE), 1)
    w.start("a", "b")
    w.tick(LEASE)
    second = "b" if first == "a" else "a"
    for name in (first, second):
        w.do(name, Signal.RETRY)
        w.serve(name)
        w.deliver(name)
    for name in (first, second):
        assert w.requests[-1].resource_version == 1
        w.serve(name)
    assert [answer.outcome for answer in w.answers] == [Outcome.OK, Outcome.CONFLICT]
    w.deliver(first)
    w.deliver(second)
    assert w.guarded() == [first]
    assert w[second].phase is Phase.ACQUIRE_WAIT


def test_one_of_two_creates_the_lease() -> None:
    w = world("ab")
    for name in ("a", "b"):
        w.do(name, Signal.START)
        w.serve(name)
        w.deliver(name)
    w.serve("b")
    assert w.serve("a").outcome is Outcome.ALREADY_EXISTS
    w.deliver("a")
    w.deliver("b")
    assert w.guarded() == ["b"]
    # nothing is remembered that could be updated
    assert w["a"].resource_version == 0


def test_a_failed_attempt_to_acquire_is_repeated() -> None:
    w = world("a")
    w.do("a", Signal.START)
    w.do("a", Signal.REQUEST_FAILED)
    assert w["a"].phase is Phase.ACQUIRE_WAIT
    w.lose_messages("a")
    assert w.run(RETRY) == [[], ["a"]]


def test_jitter_bounds() -> None:
    w = leading()
    for waited in range(12):
        assert w.enabled("b", Signal.RETRY) == (waited >= RETRY)
        assert w.electors["b"].slack(w["b"]) == max(0, 4 - waited)
        w.do("b", Tick(1))
    assert w["b"].waited == 4


def test_an_acquisition_whose_answer_is_lost_is_found_by_reading() -> None:
    w = world("a")
    w.do("a", Signal.START)
    w.serve("a")
    w.deliver("a")
    w.serve("a")
    w.do("a", Signal.REQUEST_FAILED)
    assert w.guarded() == []
    assert w.holder == "a"
    w.lose_messages("a")
    w.run(RETRY)
    assert w.guarded() == ["a"]
    assert w.lease == LeaseState(LeaderElectionRecord("a", LEASE), 3)  # acquired by an update, renewed by another


# ---- renew


def test_renews_without_reading_first() -> None:
    w = leading("a")
    assert w["a"].phase is Phase.RENEW_WAIT
    assert not w.enabled("a", Signal.RETRY)
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    assert w.requests == [Request("a", 0, Verb.UPDATE, LeaderElectionRecord("a", LEASE), 2)]
    w.exchange("a")
    assert w.lease.resource_version == 3


def test_the_first_renewal_follows_the_acquisition_at_once() -> None:
    w = world("a")
    w.do("a", Signal.START)
    for _ in range(2):
        w.serve("a")
        w.deliver("a")
    assert w.step_outputs == (
        Callback(NEW_LEADER, "a"),
        Callback(STARTED, "a"),
        Request("a", 0, Verb.UPDATE, LeaderElectionRecord("a", LEASE), 1),
    )


def test_older_electors_read_before_they_renew() -> None:
    w = leading("a", fast_path=False)
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    assert w.requests == [Request("a", 0, Verb.GET)]
    w.exchange("a")
    assert w.guarded() == ["a"]


def test_reads_before_renewing_where_the_own_lease_has_expired() -> None:
    w = leading("a")
    w.tick(LEASE)
    w.do("a", Signal.RETRY)
    assert w.requests == [Request("a", 0, Verb.GET)]


def test_a_conflict_of_the_fast_path_is_followed_by_a_read() -> None:
    w = leading("a")
    assert w.lease.record is not None
    w.lease = LeaseState(w.lease.record, 9)
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    w.serve("a")
    w.deliver("a")
    assert w.requests == [Request("a", 0, Verb.GET)]
    w.exchange("a")
    assert w.lease.resource_version == 10
    assert w["a"].phase is Phase.RENEW_WAIT


@pytest.mark.parametrize("applied", [True, False])
def test_an_ambiguous_renewal(applied: bool) -> None:
    w = leading("a")
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    if applied:
        w.serve("a")
    w.lose_messages("a")
    w.do("a", Signal.REQUEST_FAILED)
    assert w.requests == [Request("a", 1, Verb.GET)]
    w.exchange("a")
    assert w.guarded() == ["a"]
    assert w.lease.resource_version == (4 if applied else 3)


def test_a_late_effect_of_a_renewal_that_was_given_up() -> None:
    w = leading("a")
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    w.do("a", Signal.REQUEST_FAILED)
    late, read = w.requests
    w.requests = [read]
    w.serve("a")
    w.deliver("a")  # now it updates version 2
    w.requests.insert(0, late)
    assert w.serve("a").outcome is Outcome.OK
    assert w.serve("a").outcome is Outcome.CONFLICT


def test_a_late_answer_is_dropped() -> None:
    w = leading("a")
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    w.serve("a")
    w.do("a", Signal.REQUEST_FAILED)
    before = w["a"]
    w.deliver("a")
    assert w["a"] == before
    assert w.step_outputs == ()


def test_nobody_takes_the_answer_of_another() -> None:
    w = leading()
    assert not w.enabled("a", Answer("b", 0, Outcome.OK))


def test_loses_at_the_renew_deadline() -> None:
    w = leading("a")
    leaders = w.run(RETRY + DEADLINE, cut=["a"])
    assert leaders == [["a"]] * (RETRY + DEADLINE - 1) + [[]]
    assert w["a"].phase is Phase.STOPPED
    assert w.callbacks[-2:] == [Callback(CANCELLED, "a"), Callback(STOPPED, "a")]


def test_the_deadline_ends_a_request_in_flight_and_also_the_wait_for_a_retry() -> None:
    w = leading("a")
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    w.do("a", Tick(DEADLINE - 1))
    assert not w.enabled("a", Signal.DEADLINE_EXCEEDED)
    w.do("a", Signal.REQUEST_FAILED)
    w.do("a", Signal.REQUEST_FAILED)
    assert w["a"].phase is Phase.RENEW_RETRY
    w.do("a", Tick(1))
    assert not w.enabled("a", Signal.RETRY)
    w.do("a", Signal.DEADLINE_EXCEEDED)
    assert w["a"].phase is Phase.STOPPED


def test_an_answer_may_still_win_against_the_deadline() -> None:
    w = leading("a")
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    w.serve("a")
    w.tick(DEADLINE)
    assert w.enabled("a", Signal.DEADLINE_EXCEEDED)
    w.deliver("a")
    assert w["a"].phase is Phase.RENEW_WAIT


def test_no_request_is_sent_after_the_deadline() -> None:
    w = leading("a")
    w.lease = LeaseState(w.lease.record, 9)
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    w.serve("a")
    w.tick(DEADLINE)
    w.deliver("a")  # a conflict, that a read would follow
    assert w["a"].phase is Phase.STOPPED
    assert w.requests == []


def test_failed_renewals_are_retried_at_the_ticks_of_the_retry_period() -> None:
    w = leading("a")
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    w.do("a", Tick(1))
    w.do("a", Signal.REQUEST_FAILED)
    w.do("a", Signal.REQUEST_FAILED)
    assert w.electors["a"].slack(w["a"]) == 1
    w.do("a", Tick(1))
    w.do("a", Signal.RETRY)
    # an attempt that takes longer than the period is followed by the next one at once
    w.do("a", Tick(2))
    w.do("a", Signal.REQUEST_FAILED)
    w.do("a", Signal.REQUEST_FAILED)
    assert w.electors["a"].slack(w["a"]) == 0
    w.do("a", Signal.RETRY)
    assert w["a"].deadline_left == 1


def test_a_former_leader_polls_until_its_deadline_though_it_has_seen_the_new_one() -> None:
    w = leading("a")
    w.lease = LeaseState(LeaderElectionRecord("b", LEASE), 9)
    w.run(RETRY)
    assert not w.electors["a"].is_leader(w["a"])
    assert w.run(DEADLINE) == [["a"]] * (DEADLINE - 1) + [[]]
    assert w.callbacks[-3:] == [Callback(NEW_LEADER, "b"), Callback(CANCELLED, "a"), Callback(STOPPED, "a")]


def test_a_leader_whose_record_was_emptied_acquires_again_and_keeps_the_old_acquire_time() -> None:
    w = world("a", wall_times={"a": 100})
    w.start("a")
    w.lease = LeaseState(LeaderElectionRecord("", 1, 7, 7, leader_transitions=5), 9)
    w.run(RETRY)
    assert w.lease.record == LeaderElectionRecord("a", LEASE, 100, 102, 6)
    assert w.guarded() == ["a"]


def test_a_deleted_lease_is_created_again() -> None:
    w = leading("a")
    stepped = lease_step(w.lease, LeaseEvent.DELETE)
    assert stepped is not None
    w.lease = stepped[0]
    w.run(RETRY)
    assert w.holder == "a"
    assert w["a"].phase is Phase.RENEW_WAIT


def test_request_timeout() -> None:
    w = leading("a", request_timeout=2)
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    assert w.electors["a"].slack(w["a"]) == 2
    w.do("a", Tick(2))
    assert w.electors["a"].slack(w["a"]) == 0
    w.do("a", Signal.REQUEST_FAILED)
    assert w.electors["a"].slack(w["a"]) == 2
    w.do("a", Tick(2))
    w.do("a", Signal.REQUEST_FAILED)
    assert w["a"].phase is Phase.RENEW_RETRY


# ---- the end of Run


def test_cancel_before_leading() -> None:
    w = leading("abc")
    w.tick(RETRY)
    w.do("c", Signal.RETRY)
    assert [w[name].phase for name in "bc"] == [Phase.ACQUIRE_WAIT, Phase.ACQUIRE]
    for name in "bc":
        w.do(name, Signal.CANCEL)
        # Run says that it has stopped leading although it never led
        assert w.step_outputs == (Callback(STOPPED, name),)
        assert w[name].phase is Phase.STOPPED


def test_cancel_without_release_leaves_the_lease() -> None:
    w = leading("a")
    w.do("a", Signal.CANCEL)
    assert w.step_outputs == (Callback(CANCELLED, "a"), Callback(STOPPED, "a"))
    assert w.holder == "a"


def test_release_on_cancel() -> None:
    w = leading(release_on_cancel=True)
    w.do("a", Signal.CANCEL)
    assert w.step_outputs == (Callback(CANCELLED, "a"), Request("a", 0, Verb.GET))
    w.serve("a")
    w.deliver("a")
    assert w.step_outputs == (Request("a", 0, Verb.UPDATE, LeaderElectionRecord("", 1), 2),)
    w.exchange("a")
    assert w.step_outputs == (Callback(STOPPED, "a"),)
    assert w.holder == ""
    w.run(RETRY)
    assert w.guarded() == ["b"]


def test_release_of_older_electors_updates_at_once() -> None:
    w = leading("a", release_on_cancel=True, release_gets_first=False)
    w.do("a", Signal.CANCEL)
    assert w.requests == [Request("a", 0, Verb.UPDATE, LeaderElectionRecord("", 1), 2)]
    w.lease = LeaseState(w.lease.record, 9)
    w.exchange("a")  # and takes a conflict as its end
    assert w["a"].phase is Phase.STOPPED
    assert w.holder == "a"


def test_release_after_a_renewal_that_was_applied_without_an_answer() -> None:
    w = leading("a", release_on_cancel=True)
    w.tick(RETRY)
    w.do("a", Signal.RETRY)
    late = w.requests.pop()
    w.do("a", Signal.CANCEL)
    w.serve("a")
    w.deliver("a")
    w.requests.insert(0, late)
    w.serve("a")
    assert w.serve("a").outcome is Outcome.CONFLICT
    w.deliver("a")
    w.deliver("a")
    w.exchange("a")
    assert w.holder == ""


@pytest.mark.parametrize("answered", [0, 1])
def test_a_release_that_gets_no_answer_ends_at_its_own_deadline(answered: int) -> None:
    w = leading("a", release_on_cancel=True)
    w.do("a", Signal.CANCEL)
    for _ in range(answered):
        w.serve("a")
        w.deliver("a")
    assert w.electors["a"].slack(w["a"]) == DEADLINE
    w.do("a", Tick(DEADLINE))
    w.do("a", Signal.DEADLINE_EXCEEDED)
    assert w["a"].phase is Phase.STOPPED


@pytest.mark.parametrize("answered", [0, 1])
def test_a_release_ends_when_its_request_fails(answered: int) -> None:
    w = leading("a", release_on_cancel=True)
    w.do("a", Signal.CANCEL)
    for _ in range(answered):
        w.serve("a")
        w.deliver("a")
    w.do("a", Signal.REQUEST_FAILED)
    assert w["a"].phase is Phase.STOPPED


def test_who_has_seen_a_new_holder_does_not_release() -> None:
    w = leading("a", release_on_cancel=True)
    w.lease = LeaseState(LeaderElectionRecord("b", LEASE), 9)
    w.run(RETRY)
    w.do("a", Signal.CANCEL)
    w.exchange("a")
    assert w.holder == "b"


def test_an_elector_is_one_shot() -> None:
    w = leading("a")
    w.run(RETRY + DEADLINE, cut=["a"])
    assert not w.enabled("a", Signal.START)
    assert w.run(3 * LEASE) == [[]] * (3 * LEASE)


def test_the_restart_loop() -> None:
    w = leading("a", restart=True)
    w.run(RETRY + DEADLINE, cut=["a"])
    w.start("a")
    # its identity is the same, so that it need not wait
    assert w.guarded() == ["a"]
    assert w.lease.record is not None
    assert w.lease.record.leader_transitions == 0


def test_a_crash_calls_nothing() -> None:
    w = leading("a")
    w.do("a", Signal.CRASH)
    assert w.step_outputs == ()
    assert w["a"] == ElectorState(Phase.STOPPED)
    assert not w.enabled("a", Signal.CRASH)
    assert not w.enabled("a", Signal.CANCEL)


def test_the_order_of_callbacks() -> None:
    w = leading(release_on_cancel=True)
    w.do("a", Signal.CANCEL)
    w.exchange("a")
    w.run(RETRY)
    assert w.callbacks == [
        Callback(NEW_LEADER, "a"),
        Callback(STARTED, "a"),
        Callback(NEW_LEADER, "a"),  # of b, which sees a leader for the first time
        Callback(CANCELLED, "a"),
        Callback(STOPPED, "a"),
        Callback(NEW_LEADER, "b"),
        Callback(STARTED, "b"),
    ]


def test_that_nobody_leads_is_reported_too() -> None:
    w = leading()
    w.lease = LeaseState(LeaderElectionRecord("", 1), 9)
    w.tick(RETRY)
    w.do("b", Signal.RETRY)
    w.serve("b")
    w.deliver("b")
    w.do("b", Signal.REQUEST_FAILED)
    assert w.step_outputs == (Callback(NEW_LEADER, ""),)


# ---- the guarded work, the watchdog


def test_work_ends_with_its_context() -> None:
    w = leading("a")
    assert works(w["a"])
    w.do("a", Signal.CANCEL)
    assert not works(w["a"])


def test_slow_work_goes_on_after_its_context() -> None:
    w = leading("a", slow_drain=True)
    assert not w.enabled("a", Signal.WORK_RETURNED)
    w.do("a", Signal.CANCEL)
    assert works(w["a"])
    assert not guarded_leader(w["a"])
    w.do("a", Signal.WORK_RETURNED)
    assert not works(w["a"])


def test_the_watchdog_sees_a_leader_that_does_not_renew() -> None:
    w = leading("a", watchdog_timeout=3)
    w.run(LEASE + 3, cut=["a"])
    assert w["a"].phase is Phase.STOPPED  # it has returned, but has the process ended?
    assert w.electors["a"].is_healthy(w["a"])
    w.tick()
    assert not w.electors["a"].is_healthy(w["a"])
    w.do("a", Tick(100))
    assert w["a"].observed_age == LEASE + 4
    assert leading("a").electors["a"].is_healthy(w["a"])


def test_followers_are_healthy() -> None:
    w = leading(watchdog_timeout=0)
    w.do("b", Tick(100))
    assert w.electors["b"].is_healthy(w["b"])


def test_a_fencing_token_is_the_version_of_the_acquisition() -> None:
    w = leading(fencing=True)
    assert w["a"].fencing_token == 1
    w.run(6)
    assert w["a"].fencing_token == 1
    w.do("a", Signal.CANCEL)
    assert w["a"].fencing_token == 0
    version = w.lease.resource_version
    w.run(LEASE)
    assert w["b"].fencing_token == version + 1


# ---- canonical states


def without_versions(state: ElectorState) -> ElectorState:
    request = None if state.request is None else state.request._replace(resource_version=0)
    return state._replace(request=request, resource_version=0, observed_version=0)


def test_a_renewal_leads_back_to_the_same_state() -> None:
    w = leading()
    w.run(RETRY)
    before = [without_versions(w[name]) for name in "ab"]
    w.run(10 * RETRY)
    assert [without_versions(w[name]) for name in "ab"] == before


def test_waiting_longer_than_matters_makes_no_other_state() -> None:
    w = leading()
    w.tick(50)
    before = dict(w.states)
    w.tick(1)
    assert w.states == before


def test_a_returned_elector_remembers_nothing() -> None:
    w = leading("a")
    w.run(3 * LEASE)
    w.do("a", Signal.CANCEL)
    assert w["a"] == ElectorState(Phase.STOPPED)


def test_states_are_hashable_and_steps_are_pure() -> None:
    w = leading()
    state = w["b"]
    assert len({state, ElectorState(*state)}) == 1
    elector = Elector("b", options())
    assert elector.step(state, Tick(1)) == elector.step(state, Tick(1))


@pytest.mark.parametrize("ticks", [0, -1])
def test_time_only_goes_forward(ticks: int) -> None:
    assert not leading("a").enabled("a", Tick(ticks))


@pytest.mark.parametrize("signal", [signal for signal in Signal if signal is not Signal.START])
def test_nothing_but_a_start_happens_to_an_idle_elector(signal: Signal) -> None:
    assert not world("a").enabled("a", signal)
