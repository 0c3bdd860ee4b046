"""`kubeproof check`: recognise what a file is, read it, and judge it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

import msgspec

from kubeproof.conformance.answers import AnswersChecker, AnswersReader, CannotBeReplayed, OtherAnswer
from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.ndjson import read_blocks
from kubeproof.conformance.trace import raft_events
from kubeproof.conformance.trace.etcd_raft import EtcdRaftReader
from kubeproof.conformance.trace.raft import CannotBeJudged, RaftChecker, Violation
from kubeproof.conformance.trace.raft.violation import shortened
from kubeproof.conformance.trace.run import RunReader
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict

EVENTS_BETWEEN_LIMITS = 512


class EventReader(Protocol):
    """Reads events in blocks: the number of the block's first line, and an event (or None) for each line."""

    def blocks(self) -> Iterator[tuple[int, Sequence[Any]]]: ...


def check_file(path: str, format_: str | None, limits: Limits) -> Result:
    """Judge a recorded run; `format_` is None (recognise by content) or one of FORMATS."""
    begun = time.perf_counter()
    verdict, message, broken = Verdict.HOLDS, "", None
    details: dict[str, object] = {
        "format": format_,
        "events": 0,
        "line": None,
        "evidence": [],
        "assumptions": 0,
        "properties": {},
    }
    checker: RaftChecker | AnswersChecker = RaftChecker()
    try:
        limits.check()
        details["format"], reader, checker = _open(path, format_, limits)
        _judge(path, reader, checker, limits)
        if not checker.events:
            raise InvalidInput(path, None, _NO_EVENTS[str(details["format"])])
    except (Violation, OtherAnswer) as violation:
        verdict, broken, message = Verdict.VIOLATED, violation.property, violation.message
        details |= violation.details(path)
    except InvalidInput as error:
        verdict, message = Verdict.INVALID, shortened(str(error))
        details["line"] = error.line
    except LimitReached as limit:
        verdict, message = Verdict.UNKNOWN, f"{limit}; {checker.events} events were accepted"
    except MemoryError:
        verdict, message = Verdict.UNKNOWN, f"no memory left; {checker.events} events were accepted"
    details["events"] = checker.events
    details["assumptions"] = checker.assumptions
    if verdict in (Verdict.HOLDS, Verdict.VIOLATED):
        held = {each.id: Verdict.HOLDS.value for each in checker.judged()}
        details["properties"] = held if broken is None else held | {broken: Verdict.VIOLATED.value}
    return Result(path, "check", verdict, broken, message, time.perf_counter() - begun, details)


def _judge(path: str, reader: EventReader, checker: RaftChecker | AnswersChecker, limits: Limits) -> None:
    take = checker.take
    for first, block in reader.blocks():
        for line, event in enumerate(block, first):
            if event is None:
                continue
            try:
                take(line, event)
            except (CannotBeJudged, CannotBeReplayed) as error:
                raise InvalidInput(path, line, str(error)) from error
            if checker.events % EVENTS_BETWEEN_LIMITS == 0:
                limits.check()


# ---- formats

FORMATS = ("run", "etcd-raft", "etcd-answers")
_NO_EVENTS = {
    "run": "expected events after the header, found none",
    "etcd-raft": 'expected lines with "tag":"trace" (a trace of etcd-io/raft) or the header of a Run, found none',
    "etcd-answers": "expected requests and their answers, found none",
}


class _FirstLine(msgspec.Struct):
    """What tells the formats apart: the header of a Run, or an event whose header is missing; a recording's head, or a case."""

    kubeproof: msgspec.Raw = msgspec.Raw()
    action: msgspec.Raw = msgspec.Raw()
    meta: msgspec.Raw = msgspec.Raw()
    case: msgspec.Raw = msgspec.Raw()


def _open(path: str, format_: str | None, limits: Limits) -> tuple[str, EventReader, RaftChecker | AnswersChecker]:
    """The format's name, a reader, and a checker that knows what the file tells about itself."""
    blocks = read_blocks(path, limits)
    first = next(blocks, b"")
    if format_ is None:
        format_ = _recognise(path, first)
    blocks = chain((first,), blocks) if first else iter(())
    if format_ == "etcd-raft":
        return format_, EtcdRaftReader(path, blocks), RaftChecker()
    if format_ == "etcd-answers":
        answers = AnswersReader(path, blocks, limits)
        return format_, answers, AnswersChecker(answers.recording)
    run = RunReader[raft_events.Event](path, raft_events.Event, blocks)
    if run.header.system == "etcd":
        raise InvalidInput(path, 1, "system: expected raft, got 'etcd': of etcd only recorded answers are judged (docs/store.md)")
    if run.header.system != "raft":
        raise InvalidInput(path, 1, f"system: expected raft, got {run.header.system!r}")
    return format_, run, RaftChecker(run.header.options)


def _recognise(path: str, block: bytes) -> str:
    """A Run begins with its header; etcd-io/raft's trace may begin with other records of the log."""
    if not block.strip():
        raise InvalidInput(path, 1, "expected a recorded run, got an empty file")
    line = block.split(b"\n", 1)[0]
    try:
        head = msgspec.json.decode(line, type=_FirstLine)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if b'"tag":"trace"' in block.replace(b" ", b""):
            return "etcd-raft"
        raise InvalidInput(path, 1, f"expected a Run (its header) or a trace of etcd-io/raft (JSON Lines): {error}") from error
    if head.kubeproof or head.action:
        return "run"
    return "etcd-answers" if head.meta or head.case else "etcd-raft"
