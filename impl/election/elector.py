"""A candidate: client-go's LeaderElector (tools/leaderelection/leaderelection.go, v0.37) as pure steps.

Run is acquire, then OnStartedLeading and renew, then release, then the end of the guarded context, then OnStoppedLeading. It is
cut where it waits: for the API server, for a timer, for its context. Who explores it decides which of these comes first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kubeproof.impl.election import attempt, clock, release
from kubeproof.impl.election.attempt import Verdict, end_request
from kubeproof.impl.election.options import Options
from kubeproof.impl.election.record import NO_IDENTITY, NO_VERSION, Answer
from kubeproof.impl.election.state import (
    Callback,
    CallbackKind,
    ElectorState,
    Event,
    Output,
    Phase,
    Signal,
    Step,
    Tick,
    is_leader,
)

_ACQUIRING = (Phase.ACQUIRE, Phase.ACQUIRE_WAIT)
_RENEWING = (Phase.RENEW, Phase.RENEW_RETRY, Phase.RENEW_WAIT)


@dataclass(frozen=True, slots=True)
class Elector:
    """The program of one candidate. It has no state of its own: `step` takes one, and returns the next one with the outputs."""

    identity: str
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        if self.identity == NO_IDENTITY:
            raise ValueError("lock identity is empty")

    def initial(self, wall_time: int | None = None) -> ElectorState:
        """The state before Run is called. With a wall clock the record carries times, which make the states grow."""
        faults = self.options.faults
        if wall_time is None and (faults.expiry_by_renew_time or faults.first_observation_by_renew_time):
            raise ValueError("who trusts the times in the record needs a wall clock")
        return ElectorState(wall_time=wall_time)

    def step(self, state: ElectorState, event: Event) -> Step | None:
        """The next state and what is called and sent meanwhile, in that order; None if the event is not enabled.

        A late answer is enabled but changes nothing: the connection that it comes on is closed.
        """
        if isinstance(event, Tick):
            return (clock.advance(self.options, state, event.ticks), ()) if event.ticks > 0 else None
        if isinstance(event, Answer):
            if event.identity != self.identity:
                return None
            if state.request is None or event.request_id != state.request.request_id:
                return state, ()
            return self._answer(state, event)
        match event:
            case Signal.START:
                return self._start(state)
            case Signal.CANCEL:
                return self._cancel(state)
            case Signal.RETRY:
                return self._retry(state)
            case Signal.DEADLINE_EXCEEDED:
                return self._deadline_exceeded(state)
            case Signal.REQUEST_FAILED:
                return None if state.request is None else self._answer(state, None)
            case Signal.WORK_RETURNED:
                return self._work_returned(state)
            case Signal.CRASH:
                return self._crash(state)

    def slack(self, state: ElectorState) -> int | None:
        """Ticks that may pass until a timer fires at the latest; None is any number (clock.slack)."""
        return clock.slack(self.options, state)

    def is_leader(self, state: ElectorState) -> bool:
        """Whether the candidate was the holder when it last looked, which does not say that it acts as leader."""
        return is_leader(state, self.identity)

    def is_healthy(self, state: ElectorState) -> bool:
        """What HealthzAdaptor answers: unhealthy is who takes itself for the leader, long after it last renewed (k/k#82960)."""
        if self.options.watchdog_timeout is None or not self.is_leader(state):
            return True
        return state.observed_age <= self.options.lease_duration + self.options.watchdog_timeout

    # events

    def _start(self, state: ElectorState) -> Step | None:
        again = state.phase is Phase.STOPPED and self.options.restart
        if state.phase is not Phase.IDLE and not again:
            return None
        fresh = ElectorState(request_id=state.request_id, working=state.working, wall_time=state.wall_time)
        return self._begin_attempt(fresh, Phase.ACQUIRE)

    def _cancel(self, state: ElectorState) -> Step | None:
        if state.phase in _ACQUIRING:
            return self._return(_give_up(state))
        if state.phase in _RENEWING:
            state, cancelled = self._cancel_guarded(_give_up(state))
            state, reported = self._report_transition(state)
            state, stopped = self._stop_renewing(state)
            return state, cancelled + reported + stopped
        if state.phase is Phase.RELEASE and state.guarded:
            return self._cancel_guarded(state)
        return None

    def _retry(self, state: ElectorState) -> Step | None:
        if not clock.retry_is_due(self.options, state):
            return None
        if state.phase is Phase.ACQUIRE_WAIT:
            return self._begin_attempt(state, Phase.ACQUIRE)
        if state.phase is Phase.RENEW_WAIT:
            return self._begin_renewal(state)
        return self._begin_attempt(state, Phase.RENEW)

    def _deadline_exceeded(self, state: ElectorState) -> Step | None:
        if not clock.deadline_has_passed(self.options, state):
            return None
        state = _give_up(state)
        return self._return(state) if state.phase is Phase.RELEASE else self._lose(state)

    def _answer(self, state: ElectorState, answer: Answer | None) -> Step:
        """The request in flight is answered, or fails (None)."""
        if state.phase is Phase.RELEASE:
            state = release.go_on(self.identity, self.options, state, answer)
            return self._return(state) if state.request is None else (state, (state.request,))
        state, verdict = attempt.go_on(self.identity, self.options, state, answer)
        if verdict is Verdict.PENDING:
            assert state.request is not None
            return state, (state.request,)
        if verdict is Verdict.SUCCEEDED:
            return self._acquired(state) if state.phase is Phase.ACQUIRE else self._renewed(state)
        if state.phase is Phase.ACQUIRE:
            return self._report_transition(state._replace(phase=Phase.ACQUIRE_WAIT))
        if state.deadline_left == 0:
            return self._lose(state)
        # who the new leader is, if there is one, is told at the end of the renewal
        return state._replace(phase=Phase.RENEW_RETRY), ()

    def _work_returned(self, state: ElectorState) -> Step | None:
        if not state.working or state.guarded:
            return None
        state = state._replace(working=False)
        return self._release(state) if state.phase is Phase.DRAIN else (state, ())

    def _crash(self, state: ElectorState) -> Step | None:
        if state.phase in (Phase.IDLE, Phase.STOPPED) and not state.working:
            return None
        return ElectorState(Phase.STOPPED, request_id=_give_up(state).request_id, wall_time=state.wall_time), ()

    # the course of Run

    def _begin_attempt(self, state: ElectorState, phase: Phase) -> Step:
        state = attempt.begin(self.identity, self.options, state._replace(phase=phase, waited=0, retry_ready=False))
        assert state.request is not None
        return state, (state.request,)

    def _begin_renewal(self, state: ElectorState) -> Step:
        """A new deadline runs from now on: not from the last renewal."""
        return self._begin_attempt(state._replace(deadline_left=self.options.renew_deadline), Phase.RENEW)

    def _acquired(self, state: ElectorState) -> Step:
        """The first renewal begins at once."""
        state, reported = self._report_transition(state)
        state, outputs = self._begin_renewal(state._replace(guarded=True, working=True))
        return state, (*reported, Callback(CallbackKind.ON_STARTED_LEADING, self.identity), *outputs)

    def _renewed(self, state: ElectorState) -> Step:
        return self._report_transition(state._replace(phase=Phase.RENEW_WAIT, deadline_left=0, retry_ready=False))

    def _lose(self, state: ElectorState) -> Step:
        """The renewal has failed for as long as the deadline allows."""
        state, reported = self._report_transition(state._replace(deadline_left=0, retry_ready=False))
        if self.options.faults.lost_leader_keeps_renewing:
            state = state._replace(phase=Phase.RENEW_WAIT)
            return state, (*reported, Callback(CallbackKind.ON_STOPPED_LEADING, self.identity))
        state, stopped = self._stop_renewing(state)
        return state, reported + stopped

    def _stop_renewing(self, state: ElectorState) -> Step:
        """renew has ended. The release comes before the guarded context's end, unless an option has it the other way round."""
        cancelled: tuple[Output, ...] = ()
        if self.options.cancels_first:
            state, cancelled = self._cancel_guarded(state)
        if self.options.drain_before_release and state.working:
            return state._replace(phase=Phase.DRAIN, waited=0, deadline_left=0, retry_ready=False), cancelled
        state, outputs = self._release(state)
        return state, cancelled + outputs

    def _release(self, state: ElectorState) -> Step:
        if not self.options.release_on_cancel:
            return self._return(state)
        state = release.begin(self.identity, self.options, state)
        return self._return(state) if state.request is None else (state, (state.request,))

    def _return(self, state: ElectorState) -> Step:
        """Run returns. The elector is of no further use; only a watchdog still looks at it, and the work may still run."""
        state, cancelled = self._cancel_guarded(state)
        ended = ElectorState(
            Phase.STOPPED,
            request_id=state.request_id,
            working=state.working,
            fencing_token=state.fencing_token if state.working else NO_VERSION,
            wall_time=state.wall_time,
        )
        if self.options.watchdog_timeout is not None and self.is_leader(state):
            ended = ended._replace(observed_record=state.observed_record, observed_age=state.observed_age)
        return ended, (*cancelled, Callback(CallbackKind.ON_STOPPED_LEADING, self.identity))

    def _cancel_guarded(self, state: ElectorState) -> Step:
        """End the guarded context, and with it the work, unless that drains slowly."""
        if not state.guarded:
            return state, ()
        working = self.options.slow_drain
        state = state._replace(guarded=False, working=working, fencing_token=state.fencing_token if working else NO_VERSION)
        return state, (Callback(CallbackKind.GUARDED_CONTEXT_CANCELLED, self.identity),)

    def _report_transition(self, state: ElectorState) -> Step:
        """client-go's maybeReportTransition: tell whom the elector takes for the leader, if that has changed."""
        leader = state.observed_record.holder_identity
        if leader == state.reported_leader:
            return state, ()
        return state._replace(reported_leader=leader), (Callback(CallbackKind.ON_NEW_LEADER, leader),)


def _give_up(state: ElectorState) -> ElectorState:
    """Wait no longer for the request in flight, if there is one."""
    return state if state.request is None else end_request(state, answered=False)
