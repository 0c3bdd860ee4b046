"""The whole state of an elector as one immutable, hashable, canonical value; what happens to it, and what it does.

Times are relative: ages and what is left of deadlines, in ticks of the local clock, capped where more makes no difference. What
does not matter where the elector stands is cleared. Equal situations are equal values, then, however old the cluster is.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from kubeproof.impl.election.record import EMPTY_RECORD, NO_IDENTITY, NO_VERSION, Answer, LeaderElectionRecord, Request


class Phase(Enum):
    """Where Run stands."""

    IDLE = "idle"
    """Run has not been called."""
    ACQUIRE = "acquire"
    """acquire: an attempt waits for an answer."""
    ACQUIRE_WAIT = "acquire_wait"
    """acquire: sleeps between two attempts."""
    RENEW = "renew"
    """renew: an attempt waits for an answer, within the renew deadline."""
    RENEW_RETRY = "renew_retry"
    """renew: an attempt has failed, the next one waits for the retry period's ticker, within the renew deadline."""
    RENEW_WAIT = "renew_wait"
    """renew: sleeps after a renewal; no deadline runs."""
    DRAIN = "drain"
    """The guarded context is cancelled, the release waits for the work to return (Options.drain_before_release)."""
    RELEASE = "release"
    """release: waits for an answer, within a renew deadline of its own."""
    STOPPED = "stopped"
    """Run has returned, or the process has died."""


class Signal(Enum):
    """What happens to an elector, apart from Tick and Answer."""

    START = "elector_start"
    """Run is called: once, or again after it has returned if Options.restart."""
    CANCEL = "elector_cancel"
    """The context of Run is cancelled (SIGTERM). The guarded context is derived from it and ends with it."""
    RETRY = "elector_retry"
    """The sleep between two attempts ends. Jitter is when that is: to acquire, between retry_period and acquire_wait_max."""
    DEADLINE_EXCEEDED = "elector_deadline_exceeded"
    """The renew deadline has passed, of a renewal or of a release."""
    REQUEST_FAILED = "elector_request_failed"
    """The request in flight ends without an answer: timeout, broken connection. It may have been applied, or be applied yet."""
    WORK_RETURNED = "elector_work_returned"
    """The guarded work returns after its context was cancelled (Options.slow_drain)."""
    CRASH = "elector_crash"
    """The process dies: no callback is called, its work ends."""


class Tick(NamedTuple):
    """`ticks` pass on the local clock. Always enabled: a timer that is due and does not fire is a process that is paused."""

    ticks: int


Event = Signal | Tick | Answer


class CallbackKind(Enum):
    """What is called in the program around the elector (client-go, LeaderCallbacks), in the order of the calls."""

    ON_STARTED_LEADING = "OnStartedLeading"
    GUARDED_CONTEXT_CANCELLED = "guarded_context_cancelled"
    """No callback: the context that was given to OnStartedLeading is cancelled."""
    ON_STOPPED_LEADING = "OnStoppedLeading"
    """Called whenever Run returns, even if it never led."""
    ON_NEW_LEADER = "OnNewLeader"


class Callback(NamedTuple):
    """`identity` is the observed leader for OnNewLeader, which can be nobody; else the elector's own."""

    kind: CallbackKind
    identity: str


Output = Callback | Request


class ElectorState(NamedTuple):
    """A candidate. The first value of each field is that of an elector whose Run was not called."""

    phase: Phase = Phase.IDLE
    # the attempt (tryAcquireOrRenew, release)
    request: Request | None = None
    """The request in flight. Its answer, should it come after the request was given up, is dropped."""
    request_id: int = 0
    """That of the next request. It grows only when a request is given up."""
    request_left: int = 0
    """Ticks until the request in flight times out, if Options.request_timeout."""
    fast_path: bool = False
    """The update in flight was sent without a get before it."""
    draft: LeaderElectionRecord | None = None
    """While a get is in flight: the record that the attempt wants to write, with the times of its beginning."""
    expired: bool = False
    """While a get is in flight: the observed record had expired when the attempt began."""
    # what is known of the Lease
    observed_record: LeaderElectionRecord = EMPTY_RECORD
    observed_age: int = 0
    """Ticks since observedTime, when the local clock saw the record change."""
    observed_version: int = NO_VERSION
    """The version that the last get brought: stands for observedRawRecord. Own writes do not change it."""
    resource_version: int = NO_VERSION
    """The version of the remembered Lease, with which the next update is made. A release changes it without observing."""
    reported_leader: str = NO_IDENTITY
    # timers
    waited: int = 0
    """Ticks slept since the last attempt."""
    deadline_left: int = 0
    """Ticks until the renew deadline."""
    retry_ready: bool = False
    """The ticker of the retry period has ticked since the last attempt began."""
    # the guarded work
    guarded: bool = False
    """OnStartedLeading was called, and its context is not cancelled."""
    working: bool = False
    """OnStartedLeading was called, and has not returned."""
    fencing_token: int = NO_VERSION
    """The version of the write by which the lease was taken, if Options.fencing."""
    wall_time: int | None = None
    """The wall clock, in ticks, for the times in the record; None where these are not kept. No decision depends on it."""


Step = tuple[ElectorState, tuple[Output, ...]]


def guarded_leader(state: ElectorState) -> bool:
    """Whether the candidate acts as leader: OnStartedLeading has been called, and its context is not yet cancelled."""
    return state.guarded


def works(state: ElectorState) -> bool:
    """Whether the guarded work runs, be it that its context is cancelled. Without Options.slow_drain the same as guarded."""
    return state.working


def is_leader(state: ElectorState, identity: str) -> bool:
    """client-go's IsLeader: whether the candidate was the holder when it last looked."""
    return state.observed_record.holder_identity == identity
