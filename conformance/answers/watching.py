"""Compares what arrived on a watch stream, recorded or live, with what impl/store sends, watch by watch.

What etcd does not determine is not judged (docs/store.md): the order between watches, whether something arrives a step later,
how many progress notifications come, how the events of a watcher that catches up are divided into responses, and whether it has
caught up when progress is asked for.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from kubeproof.conformance.answers.difference import NOTHING, Difference, first_difference, shown
from kubeproof.impl.store import Server
from kubeproof.impl.store.records import Event
from kubeproof.impl.store.requests import INVALID_WATCH_ID, ResponseHeader, WatchCancelRequest, WatchRequest, WatchResponse
from kubeproof.impl.store.watch_group import Group, Watcher

STREAM = 0
_NO_HEADER = ResponseHeader()


class Step(NamedTuple):
    """A step of the recording: its place in the order, its line, and what it is called."""

    number: int
    line: int
    where: str


class Mismatch(NamedTuple):
    """What is not as the reference has it, and at which step."""

    step: Step
    difference: Difference


class Awaited(NamedTuple):
    """A response of the reference that must arrive in its step or the next one.

    `catching_up` tells that a watch of which it is, or whose progress it tells, has begun behind in this step or the one before.
    """

    step: Step
    response: WatchResponse
    catching_up: bool


class WatchedStream:
    """A client's stream, on a server of the reference. In a step: `ask` if it asks there, `begin`, `take` what arrives, `end`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._hub = server.watches
        self._hub.open_stream(STREAM)
        self._awaited: dict[int, deque[Awaited]] = {}
        self._behind: dict[int, int] = {}
        self._canceled: Watcher | None = None
        self._revisions = deque([server.store.revision] * 2, maxlen=2)
        """Before this step and before the last one, of which something may arrive in this one."""

    def ask(self, request: WatchRequest | None) -> None:
        """What a step asks on the stream, if it does."""
        if isinstance(request, WatchCancelRequest):
            self._canceled = self._hub.streams[STREAM].watchers.get(request.watch_id)
        if request is not None:
            self._hub.request(STREAM, request)

    def compare(self, step: Step, got: tuple[WatchResponse, ...], is_last: bool) -> Mismatch | None:
        """Hold what arrived after a step against what the reference has sent by then."""
        self.begin(step)
        for place, seen in enumerate(got):
            found = self.take(step, seen, f"got[{place}]")
            if found is not None:
                return found
        self.end()
        return self.missing(step.number + is_last)

    def begin(self, step: Step) -> None:
        """What the reference sends after a step is awaited from now on."""
        for id_, watcher in self._hub.streams[STREAM].watchers.items():
            if watcher.group == Group.UNSYNCED:
                self._behind[id_] = step.number
        behind = self._catching_up(step.number)
        for response in self._hub.settle()[STREAM]:
            catching_up = bool(behind) if _is_progress(response) else bool(response.events) and response.watch_id in behind
            self._awaited.setdefault(response.watch_id, deque()).append(Awaited(step, response, catching_up))

    def is_catching_up(self, number: int) -> bool:
        """Whether a watch may still be behind in the step with this number: it was in that step or the one before."""
        return bool(self._catching_up(number))

    def _catching_up(self, number: int) -> set[int]:
        return {id_ for id_, begun in self._behind.items() if number <= begun + 1}

    def missing(self, before: int) -> Mismatch | None:
        """What should have arrived, of the steps before that number."""
        for queue in self._awaited.values():
            while queue and _may_be_missing(queue[0]):
                queue.popleft()
        heads = (queue[0] for queue in self._awaited.values() if queue)
        missed = min((head for head in heads if head.step.number < before), key=lambda head: head.step, default=None)
        return None if missed is None else _missing(missed)

    def end(self) -> None:
        """The step is over."""
        self._revisions.append(self._server.store.revision)

    def take(self, step: Step, seen: WatchResponse, field: str) -> Mismatch | None:
        """Compare what has arrived."""
        if _is_notification(seen):
            return self._compare_notification(step, seen, field)
        queue = self._awaited.get(seen.watch_id)
        while queue and _may_be_missing(queue[0]) and queue[0].response != seen:
            queue.popleft()
        if not queue:
            return Mismatch(step, Difference(field, NOTHING, shown(seen)))
        head = queue[0]
        if head.catching_up and seen.events:
            difference = self._catch_up(queue, seen, field)
        else:
            difference = first_difference(head.response, seen, field)
            if difference is None:
                queue.popleft()
            elif head.step.number < step.number and len(queue) > 1 and queue[1].response == seen:
                return _missing(head)
        return None if difference is None else Mismatch(step, difference)

    def _compare_notification(self, step: Step, seen: WatchResponse, field: str) -> Mismatch | None:
        """Nobody knows when one is sent, but it may be sent only if all events up to its revision were."""
        revision, current = (seen.header or _NO_HEADER).revision, self._server.store.revision
        if not self._may_be_notified(seen.watch_id, revision):
            return Mismatch(step, Difference(field, NOTHING, shown(seen)))
        if not self._revisions[0] <= revision <= current:
            return Mismatch(step, Difference(f"{field}.header.revision", str(current), str(revision)))
        for awaited in self._awaited.get(seen.watch_id, ()):
            if any(event.kv.mod_revision <= revision for event in awaited.response.events):
                return _missing(awaited)
        return None

    def _may_be_notified(self, watch_id: int, revision: int) -> bool:
        watcher = self._watcher(watch_id)
        if watcher is None or watcher.group == Group.COMPACTED or not watcher.watch.progress_notify:
            return False
        return watcher.watch.start_revision <= revision or self._server.options.faults.future_watch_taken_for_past

    def _watcher(self, watch_id: int) -> Watcher | None:
        """The watch with this id: until its cancellation has arrived, one that is canceled, too."""
        canceled = self._canceled
        if canceled is not None and canceled.watch.id == watch_id and self._awaited.get(watch_id):
            return canceled
        return self._hub.streams[STREAM].watchers.get(watch_id)

    def _catch_up(self, queue: deque[Awaited], seen: WatchResponse, field: str) -> Difference | None:
        """The events in their order; they may be divided otherwise if writes came while the watcher was still behind."""
        revision, current = (seen.header or _NO_HEADER).revision, self._server.store.revision
        if not seen.events[-1].kv.mod_revision <= revision <= current:
            return Difference(f"{field}.header.revision", str(current), str(revision))
        if len({event.kv.mod_revision for event in seen.events}) > self._server.options.watch.batch_revisions:
            return Difference(f"{field}.events", f"at most {self._server.options.watch.batch_revisions} revisions", "more")
        more = False
        for place, event in enumerate(seen.events):
            if not (queue and queue[0].response.events):
                return Difference(f"{field}.events[{place}]", NOTHING, shown(event))
            awaited, more = _next_event(queue)
            difference = first_difference(awaited, event, f"{field}.events[{place}]")
            if difference is not None:
                return difference
        rest = seen._replace(header=None, events=())
        is_cut = more and (seen.fragment or not queue or queue[0].response.fragment)
        return first_difference(WatchResponse(None, seen.watch_id, fragment=is_cut), rest, field)


def _next_event(queue: deque[Awaited]) -> tuple[Event, bool]:
    """Take the first event that is awaited; and whether the response that it comes in goes on after it."""
    head = queue.popleft()
    first, *rest = head.response.events
    if rest:
        queue.appendleft(head._replace(response=head.response._replace(events=tuple(rest))))
    return first, bool(rest) or head.response.fragment


def _is_notification(response: WatchResponse) -> bool:
    """Whether it tells one watch of progress without being asked."""
    return response.watch_id != INVALID_WATCH_ID and _tells_progress(response)


def _is_progress(response: WatchResponse) -> bool:
    """Whether it answers a progress request."""
    return response.watch_id == INVALID_WATCH_ID and _tells_progress(response)


def _tells_progress(response: WatchResponse) -> bool:
    return not (response.created or response.canceled or response.events)


def _may_be_missing(awaited: Awaited) -> bool:
    """A watch that catches up is in step some time later, and progress is told only then."""
    return awaited.catching_up and _is_progress(awaited.response)


def _missing(awaited: Awaited) -> Mismatch:
    return Mismatch(awaited.step, Difference("got", shown(awaited.response), NOTHING))
