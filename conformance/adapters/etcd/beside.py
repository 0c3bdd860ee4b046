"""impl/store beside a real etcd: both are asked the same, on one watch stream too, and every answer and event is compared.

Where etcd does not determine what happens, because a request races with what a stream is told, the next request waits: until all
has arrived before a compaction (previous values are read when an event is sent) and before a request on the stream, and until all
watches are in step one request after a watch of the past was made. In between events may be a step late, and a watch that catches
up may be told of a write together with what it missed.
"""

from __future__ import annotations

import time
from contextlib import suppress

import msgspec

from kubeproof.conformance.adapters.etcd.answers import UNAVAILABLE, ask, for_gateway, from_gateway
from kubeproof.conformance.adapters.etcd.gateway import JSON, Gateway, Stream
from kubeproof.conformance.adapters.etcd.server import Member
from kubeproof.conformance.adapters.etcd.watches import CANCEL, CREATE, PROGRESS
from kubeproof.conformance.answers import recorded
from kubeproof.conformance.answers.checker import Replay
from kubeproof.conformance.answers.convert import watch_request_of, watch_response_of
from kubeproof.conformance.answers.recorded import Exchange
from kubeproof.conformance.answers.watching import Step, WatchedStream
from kubeproof.impl.store import StorePanic
from kubeproof.impl.store.requests import WatchResponse

ARRIVES_S = 10.0
"""How long something may be under way."""
DIES_S = 10.0
UNSYNCED = "etcd_debugging_mvcc_slow_watcher_total"
"""The metric that tells how many watchers are behind."""

_ON_STREAM = {CREATE: (recorded.Create, "create_request"), CANCEL: (recorded.Cancel, "cancel_request")}


class Differs(Exception):
    """An answer or an event is not the reference's."""


class Beside:
    """A new member and a new reference: both have `died`, or none. `arrived` is what has come on the stream and was equal."""

    def __init__(self, member: Member, gateway: Gateway, stream: Stream, replay: Replay) -> None:
        self.died = False
        self.arrived: list[WatchResponse] = []
        self._member, self._gateway, self._stream = member, gateway, stream
        self._replay, self._watched = replay, WatchedStream(replay.server)
        self._step = Step(0, 0, "")

    def take(self, op: str, req: JSON) -> JSON:
        """One more request, beside the stream or on it; its answer, if it has one. Raises Differs, Unavailable."""
        on_stream = op in (CREATE, CANCEL, PROGRESS)
        waits = on_stream or op == "Compact"
        if waits:
            self._settle()
        was_catching_up = self._watched.is_catching_up(self._step.number)
        self._step = Step(self._step.number + 1, 0, f"request {self._step.number} ({op} {req})")
        answer = self._ask_on_stream(op, req) if on_stream else self._ask(op, req)
        if not self.died:
            self._receive(self._step.number + waits)
            if was_catching_up:
                self._settle()
            self._watched.end()
        return answer

    def finish(self) -> None:
        """Everything has arrived, and nothing else does. Raises Differs, Unavailable."""
        self._settle()
        answer = self._stream.receive(0.2)
        if answer is not None:
            self._compare(answer)

    # asking

    def _ask(self, op: str, req: JSON) -> JSON:
        line = ask(self._gateway, op, req)
        difference = self._replay.compare(msgspec.convert(line, Exchange), longest_s=600)
        self.died = self._replay.died or self._panics()
        if self.died and not self._member.ends(DIES_S):
            raise Differs(f"{self._step.where}: the reference dies of it, etcd does not")
        if difference is not None and not (self.died and line.get("err", {}).get("code") == UNAVAILABLE):
            raise Differs(f"{self._step.where}: {difference.field}: etcd {difference.seen}, ours {difference.expected}: {line}")
        resp: JSON = line.get("resp", {})
        return resp

    def _panics(self) -> bool:
        """Whether the reference dies when it tells its watches."""
        with suppress(StorePanic):
            self._watched.begin(self._step)
            return False
        return True

    def _ask_on_stream(self, op: str, req: JSON) -> JSON:
        if op == PROGRESS:
            step: recorded.Step = recorded.Progress()
            self._stream.send({"progress_request": {}})
        else:
            kind, name = _ON_STREAM[op]
            step = msgspec.convert({"do": op, "req": req}, kind)
            self._stream.send({name: for_gateway(req)})
        self._watched.ask(watch_request_of(step))
        self._watched.begin(self._step)
        return {}

    # what arrives

    def _receive(self, before: int) -> None:
        """Take what is there, and wait for what comes of the steps before that number."""
        deadline = time.monotonic() + ARRIVES_S
        while True:
            missing = self._watched.missing(before)
            answer = self._stream.receive(ARRIVES_S if missing else 0)
            if answer is not None:
                self._compare(answer)
            elif missing is None:
                return
            elif time.monotonic() > deadline:
                raise Differs(
                    f"{missing.step.where}: {missing.difference.field}: etcd nothing, ours {missing.difference.expected}"
                )

    def _compare(self, answer: JSON) -> None:
        response = watch_response_of(msgspec.convert(from_gateway(answer), recorded.WatchResponse))
        found = self._watched.take(self._step, response, "got")
        if found is not None:
            field, expected, seen = found.difference
            raise Differs(f"{found.step.where}: {field}: etcd {seen}, ours {expected}")
        self.arrived.append(response)

    def _settle(self) -> None:
        """Wait until all watches are in step and have been told all. From then on none counts as catching up."""
        if self._watched.is_catching_up(self._step.number):
            deadline = time.monotonic() + ARRIVES_S
            while self._gateway.metric(UNSYNCED) and time.monotonic() < deadline:
                time.sleep(0.01)
        self._receive(self._step.number + 1)
        self._step = self._step._replace(number=self._step.number + 2)
