"""The record of an election, as a Lease carries it, and the requests and answers about it (client-go, resourcelock)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

NO_IDENTITY = ""
"""The holder of a lease that was released: whoever sees it may take the lease at once."""

NO_VERSION = 0
"""No resource version: versions count from 1."""


class LeaderElectionRecord(NamedTuple):
    """Who holds the lease. Durations are ticks, times are the writer's wall clock in ticks, or None where they are not kept."""

    holder_identity: str = NO_IDENTITY
    lease_duration: int = 0
    acquire_time: int | None = None
    renew_time: int | None = None
    leader_transitions: int = 0


EMPTY_RECORD = LeaderElectionRecord()
"""What an elector has observed before it has observed anything: it names no holder and is expired."""


class Verb(Enum):
    GET = "get"
    CREATE = "create"
    UPDATE = "update"


class Request(NamedTuple):
    """A call of an elector to the API server. `record` is None in a get, `resource_version` counts only in an update.

    `request_id` tells the answer that is awaited from those of requests that the elector has given up. It is not a running
    number: it changes only when a request is given up.
    """

    identity: str
    request_id: int
    verb: Verb
    record: LeaderElectionRecord | None = None
    resource_version: int = NO_VERSION


class Outcome(Enum):
    """The API server's verdict. That none arrives is not an answer but an event (state.Signal.REQUEST_FAILED)."""

    OK = "ok"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    CONFLICT = "conflict"
    INVALID = "invalid"


class Answer(NamedTuple):
    """The answer to a Request; `record` and `resource_version` are those of the Lease as read or written, if OK."""

    identity: str
    request_id: int
    outcome: Outcome
    record: LeaderElectionRecord | None = None
    resource_version: int = NO_VERSION
