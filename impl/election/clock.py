"""The local clock: what passing time does to an elector, and how long it may pass before a timer is due."""

from __future__ import annotations

from kubeproof.impl.election.options import Options
from kubeproof.impl.election.state import ElectorState, Phase


def advance(options: Options, state: ElectorState, ticks: int) -> ElectorState:
    """Let ticks pass. Nothing else happens, even if timers are overdue then."""
    deadline_left = max(0, state.deadline_left - ticks)
    return state._replace(
        request_left=max(0, state.request_left - ticks),
        observed_age=min(state.observed_age + ticks, _observed_age_max(options, state)),
        waited=min(state.waited + ticks, _wait_max(options, state)),
        deadline_left=deadline_left,
        retry_ready=deadline_left > 0 and (state.retry_ready or _ticker_ticks(options, state, ticks)),
        wall_time=None if state.wall_time is None else state.wall_time + ticks,
    )


def _observed_age_max(options: Options, state: ElectorState) -> int:
    """The age from which on an observation makes no more difference: it has expired, and a leader is unhealthy."""
    if state.observed_record.lease_duration == 0:
        return 0
    age = state.observed_record.lease_duration
    if options.faults.own_lease_duration_used:
        age = max(age, options.lease_duration)
    if options.watchdog_timeout is not None:
        age = max(age, options.lease_duration + options.watchdog_timeout + 1)
    return age


def _wait_max(options: Options, state: ElectorState) -> int:
    if state.phase is Phase.ACQUIRE_WAIT:
        return options.acquire_wait_max
    return options.retry_period if state.phase is Phase.RENEW_WAIT else 0


def _ticker_ticks(options: Options, state: ElectorState, ticks: int) -> bool:
    """Whether the ticker, which runs since the deadline does, ticks within the next ticks. One that is missed is one at most."""
    if state.phase not in (Phase.RENEW, Phase.RENEW_RETRY):
        return False
    elapsed = options.renew_deadline - state.deadline_left
    return (elapsed + ticks) // options.retry_period > elapsed // options.retry_period


def retry_is_due(options: Options, state: ElectorState) -> bool:
    """Whether the sleep between two attempts may end."""
    if state.phase is Phase.RENEW_RETRY:
        return state.retry_ready
    return state.phase in (Phase.ACQUIRE_WAIT, Phase.RENEW_WAIT) and state.waited >= options.retry_period


def deadline_has_passed(options: Options, state: ElectorState) -> bool:
    """Whether the renew deadline may end what is going on."""
    if state.phase is Phase.RENEW and options.faults.deadline_waits_for_answer:
        return False
    return state.phase in (Phase.RENEW, Phase.RENEW_RETRY, Phase.RELEASE) and state.deadline_left == 0


def slack(options: Options, state: ElectorState) -> int | None:
    """Ticks that may pass until the elector has to do something by itself; None is any number.

    Zero is a timer that fires now at the latest: RETRY, DEADLINE_EXCEEDED or REQUEST_FAILED. Who lets time pass only within the
    slack of all electors explores processes that are never paused.
    """
    bounds = []
    if state.phase in (Phase.ACQUIRE_WAIT, Phase.RENEW_WAIT):
        bounds.append(_wait_max(options, state) - state.waited)
    if state.phase is Phase.RENEW_RETRY:
        elapsed = options.renew_deadline - state.deadline_left
        bounds.append(0 if state.retry_ready else options.retry_period - elapsed % options.retry_period)
    if state.phase in (Phase.RENEW_RETRY, Phase.RELEASE) or (
        state.phase is Phase.RENEW and not options.faults.deadline_waits_for_answer
    ):
        bounds.append(state.deadline_left)
    if state.request is not None and options.request_timeout:
        bounds.append(state.request_left)
    return min(bounds, default=None)
