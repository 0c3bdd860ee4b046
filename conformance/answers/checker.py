"""Replays recorded requests and watches on impl/store, and compares every answer.

The reference does what the release of the recording does, mistakes included (faults.as_released): what is judged is whether the
answers are those of such a server, not whether they are what etcd promises.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from kubeproof.conformance.answers import recorded
from kubeproof.conformance.answers.convert import NotBytes, request_of, response_of, watch_request_of, watch_response_of
from kubeproof.conformance.answers.difference import NOTHING, Difference, first_difference, shown
from kubeproof.conformance.answers.reading import Event, Overlaid, version_of
from kubeproof.conformance.answers.recorded import Case, Error, Exchange, LeaseGrant, LeaseKeepAlive, Recording
from kubeproof.conformance.answers.watching import Mismatch, Step, WatchedStream
from kubeproof.impl.store import Options, Server, StoreError, StorePanic, Version, as_released
from kubeproof.impl.store.errors import CODE_NAMES
from kubeproof.impl.store.requests import LeaseGrantRequest, LeaseTimeToLiveResponse, Request, Response

UNAVAILABLE = 14
"""gRPC's code when the server is gone before it has answered."""
LONGEST_TEXT = 500


class AnswersProperty(NamedTuple):
    """What a recording is judged by."""

    id: str
    sentence: str


SAME_ANSWERS = AnswersProperty("same_answers", "Every answer is that of the reference store to the same requests.")


class OtherAnswer(Exception):
    """An answer is not the reference's. `line` is that of the file that is judged, None if it stands in another one."""

    def __init__(self, where: str, accepted: int, difference: Difference, file: str | None, line: int) -> None:
        super().__init__(where)
        self.property = SAME_ANSWERS.id
        self._where = where
        self._accepted = accepted
        self._field, *values = difference
        self._expected, self._seen = (text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..." for text in values)
        self._file = file
        self._line = line

    @property
    def message(self) -> str:
        """One sentence for people."""
        place = "" if self._file is None else f" at {self._file}:{self._line}"
        return f"{self._where}{place}: {self._what}; the {self._accepted} answers before are the same"

    def details(self, path: str) -> dict[str, object]:
        """For the details of a result; `path` is the file that is judged."""
        file = path if self._file is None else self._file
        return {
            "line": self._line if self._file is None else None,
            "field": self._field,
            "expected": self._expected,
            "seen": self._seen,
            "evidence": [{"file": file, "line": self._line, "what": f"{self._where}: {self._what}"}],
        }

    @property
    def _what(self) -> str:
        return f"{self._field}: expected {self._expected}, seen {self._seen}"


class CannotBeReplayed(Exception):
    """A line that no server can have recorded: input that is invalid, not a violation."""


class AnswersChecker:
    """Takes the lines of a recording, or cases, in order. `events` is how many answers are the same so far."""

    assumptions = 0

    def __init__(self, recording: Recording | None) -> None:
        self.events = 0
        if recording is not None:
            version = version_of(recording.server)
            assert version is not None
            self._replay = Replay(version, recording.max_request_bytes, recording.min_lease_ttl)
            # Times to live count down while a recording is made: some ms a request.
            self._longest_s = max(10, (recording.operations or 0) // 500)
            self._steps = recording.steps
            self._stream = WatchedStream(self._replay.server)

    def judged(self) -> tuple[AnswersProperty, ...]:
        return (SAME_ANSWERS,)

    def take(self, line: int, event: Event) -> None:
        """Judge a line; OtherAnswer, CannotBeReplayed."""
        if isinstance(event, Case):
            self._take_case(line, event)
            return
        if isinstance(event, recorded.Step):
            self._take_step(line, event)
            return
        file = None
        if isinstance(event, Overlaid):
            event, file, line = event
        difference = self._replay.compare(event, self._longest_s)
        if difference is not None:
            raise OtherAnswer(f"request {event.i} ({type(event).__name__})", self.events, difference, file, line)
        self.events += 1

    def _take_step(self, line: int, event: recorded.Step) -> None:
        step = Step(self.events, line, f"step {event.i} ({_called(event)})")
        mismatch = self._compare_step(step, event)
        if mismatch is not None:
            raise OtherAnswer(mismatch.step.where, self.events, mismatch.difference, None, mismatch.step.line)
        self.events += 1

    def _compare_step(self, step: Step, event: recorded.Step) -> Mismatch | None:
        try:
            request = watch_request_of(event)
            got = tuple(map(watch_response_of, event.got))
        except NotBytes as error:
            raise CannotBeReplayed(str(error)) from error
        if isinstance(event, recorded.Request):
            difference = self._replay.compare(_exchange_of(event), self._longest_s)
            if difference is not None:
                return Mismatch(step, difference)
        self._stream.ask(request)
        try:
            return self._stream.compare(step, got, is_last=step.number + 1 == self._steps)
        except StorePanic as panic:
            raise CannotBeReplayed(f"the server dies when it reads what was there before an event: {panic}") from panic

    def _take_case(self, line: int, case: Case) -> None:
        version = version_of(case.server)
        if version is None:
            raise CannotBeReplayed(f"server: expected a version of {', '.join(map(str, Version))}, got {case.server[:40]!r}")
        replay = Replay(version)
        for number, step in enumerate(case.steps):
            difference = replay.compare(step, longest_s=10)
            if difference is not None:
                raise OtherAnswer(f"case {case.case}, step {number} ({type(step).__name__})", self.events, difference, None, line)
            self.events += 1
        if replay.died != case.server_died:
            difference = Difference("server_died", shown(replay.died), shown(case.server_died))
            raise OtherAnswer(f"case {case.case}", self.events, difference, None, line)


class Replay:
    """A server of the reference that is asked what was asked when the recording was made."""

    def __init__(self, version: Version, max_request_bytes: int = 1_572_864, min_lease_ttl: int = 2) -> None:
        options = Options(version, max_request_bytes, min_lease_ttl=min_lease_ttl, faults=as_released(version))
        self.server = Server.alone(options)
        self._now_ms = 0
        self.died = False

    def compare(self, exchange: Exchange, longest_s: int) -> Difference | None:
        """Where the recorded answer is not the reference's; None if it is. `longest_s`: the longest that the recording took."""
        if self.died:
            raise CannotBeReplayed("expected no request after one that the server has died of")
        if (exchange.resp is None) == (exchange.err is None):
            raise CannotBeReplayed("expected either resp or err")
        try:
            request, seen = request_of(exchange), response_of(exchange)
        except NotBytes as error:
            raise CannotBeReplayed(str(error)) from error
        except RecursionError as error:
            raise CannotBeReplayed("expected transactions that are not so deeply nested") from error
        if isinstance(exchange, LeaseGrant) and isinstance(request, LeaseGrantRequest):
            request = _with_chosen_id(request, exchange)
        if isinstance(exchange, (LeaseGrant, LeaseKeepAlive)):
            # Leases are told in the order in which they expire: what is granted or renewed later expires later.
            self._now_ms += 1
        try:
            expected = self.server.answer(request, self._now_ms)
        except StorePanic as panic:
            self.died = True
            return _of_death(str(panic), exchange.err)
        return _compare(expected, seen, exchange.err, longest_s)


_exchanges: msgspec.json.Decoder[Exchange] = msgspec.json.Decoder(Exchange)


def _exchange_of(request: recorded.Request) -> Exchange:
    try:
        return _exchanges.decode(request.exchange())
    except (msgspec.DecodeError, RecursionError) as error:
        raise CannotBeReplayed(str(error)) from error


def _called(step: recorded.Step) -> str:
    return step.op if isinstance(step, recorded.Request) else type(step).__name__.lower()


def _with_chosen_id(request: LeaseGrantRequest, exchange: LeaseGrant) -> Request:
    """Where the server was to choose the id of a lease, any will do: it is taken from the answer."""
    if request.id == 0 and exchange.resp is not None and exchange.resp.id > 0:
        return request._replace(id=exchange.resp.id)
    return request


def _of_death(panic: str, err: Error | None) -> Difference | None:
    if err is not None and err.code == UNAVAILABLE:
        return None
    return Difference("err", f"code {UNAVAILABLE}: the server dies ({panic})", _status(err) if err else NOTHING)


def _compare(expected: Response | StoreError, seen: Response | None, err: Error | None, longest_s: int) -> Difference | None:
    if isinstance(expected, StoreError):
        if err is None:
            return Difference("err", _status(_error_of(expected)), NOTHING)
        return _compare_errors(_error_of(expected), err)
    if err is not None:
        return Difference("err", NOTHING, _status(err))
    if isinstance(seen, LeaseTimeToLiveResponse):
        seen = _at_the_same_time(expected, seen, longest_s)
    return first_difference(expected, seen, "resp")


def _at_the_same_time(expected: Response, seen: LeaseTimeToLiveResponse, longest_s: int) -> LeaseTimeToLiveResponse:
    """What the answer would be by our clock: nobody has recorded how far theirs had gone on."""
    if isinstance(expected, LeaseTimeToLiveResponse) and expected.ttl >= 0 and 0 <= expected.granted_ttl - seen.ttl <= longest_s:
        return seen._replace(ttl=expected.ttl)
    return seen


def _error_of(error: StoreError) -> Error:
    return Error(error.code, error.text, CODE_NAMES[error.code])


def _compare_errors(expected: Error, seen: Error) -> Difference | None:
    if seen.code != expected.code:
        return Difference("err.code", _status(expected), _status(seen))
    if seen.name not in ("", expected.name):
        return Difference("err.name", expected.name, seen.name)
    if seen.msg != expected.msg:
        return Difference("err.msg", expected.msg, seen.msg)
    return None


def _status(error: Error) -> str:
    return f"code {error.code}: {error.msg}"
