"""`kubeproof replay`: make a Run again, and hold what happens now against what the Run says, event for event.

The header of a Run from the simulator or the explorer says all that it was made from. What is made again is compared while it is
made, and stops at the first difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from kubeproof.conformance.limits import LimitReached, Limits
from kubeproof.conformance.ndjson import read_blocks
from kubeproof.conformance.scenarios import recorded
from kubeproof.conformance.simulation.demonstrate import demonstrate
from kubeproof.conformance.simulation.plan import Plan, plan_from
from kubeproof.conformance.simulation.registry import FAULTS, Fault
from kubeproof.conformance.simulation.simulate import run_into
from kubeproof.conformance.trace.raft.violation import shortened
from kubeproof.conformance.trace.run import Event, Header, LineSink, RunReader
from kubeproof.conformance.verdict import InvalidInput, Result, Verdict

REPLAY = "replay"
END = "the end of the Run"


class Different(Exception):
    """The first event that is not as the Run says: its line, the field, and what was expected and seen there."""

    def __init__(self, line: int, field: str, expected: object, seen: object) -> None:
        self.line, self.field = line, field
        self.expected, self.seen = _shown(expected), _shown(seen)
        super().__init__(f"line {line}: {field}: expected {self.expected}, seen {self.seen}")


def replay(path: str, limits: Limits, node: str | None = None) -> Result:
    """Make a Run again. `holds` if everything happened again; the evidence are the steps of a counterexample.

    With a `node` a counterexample is that implementation's, which must be given where it is a program.
    """
    begun = time.perf_counter()
    details: dict[str, object] = {"events": 0, "line": None, "steps": None, "evidence": []}
    verdict, broken, message = Verdict.HOLDS, None, ""
    try:
        comparison = Comparison(path, limits)
        maker = _maker(path, comparison.header, limits, node)
        details["steps"] = maker.steps
        details["evidence"] = [{"file": path, "line": None, "what": sentence} for sentence in maker.sentences]
        try:
            maker.make(comparison)
            comparison.end()
        finally:
            details["events"] = comparison.events
    except Different as different:
        verdict, broken, message = Verdict.VIOLATED, REPLAY, str(different)
        details |= {name: getattr(different, name) for name in ("line", "field", "expected", "seen")}
    except InvalidInput as error:
        verdict, message = Verdict.INVALID, shortened(str(error))
        details["line"] = error.line
    except LimitReached as limit:
        verdict, message = Verdict.UNKNOWN, str(limit)
    return Result(path, REPLAY, verdict, broken, message, time.perf_counter() - begun, details)


# ---- comparing


class Comparison:
    """Takes the place of the file that a Run is written to; raises Different. `events` counts those that are as recorded."""

    def __init__(self, path: str, limits: Limits) -> None:
        run = RunReader[Event](path, Event, read_blocks(path, limits))
        self.header = run.header
        self.events = 0
        self._line = 1
        self._recorded = _numbered(run)
        self._decoder = msgspec.json.Decoder(Event)
        self._header_is_written = False

    def write(self, line: bytearray, /) -> None:
        """The next line of the Run. The first is its header, which all is made from."""
        if self._header_is_written:
            self._compare(self._decoder.decode(line))
        self._header_is_written = True

    def end(self) -> None:
        """There are no more events."""
        self._compare(None)

    def _compare(self, seen: Event | None) -> None:
        self._line, expected = next(self._recorded, (self._line + 1, None))
        if expected != seen:
            raise Different(self._line, *_difference(_plain(expected), _plain(seen)))
        self.events += seen is not None


def _numbered(run: RunReader[Event]) -> Iterator[tuple[int, Event]]:
    for first, events in run.blocks():
        for line, event in enumerate(events, first):
            if event is not None:
                yield line, event


def _plain(event: Event | None) -> Any:
    return END if event is None else msgspec.to_builtins(event)


def _difference(expected: Any, seen: Any, field: str = "") -> tuple[str, object, object]:
    """The first field that differs, and both values; None where it is not told."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        for name in expected | seen:
            if expected.get(name) != seen.get(name):
                return _difference(expected.get(name), seen.get(name), f"{field}.{name}" if field else name)
    return field or "event", expected, seen


def _shown(value: object) -> str:
    return "nothing" if value is None else shortened(str(value))


# ---- making it again


class Maker(NamedTuple):
    """Makes the Run once more, into what takes the place of its file; of a counterexample also its steps, and what they are."""

    make: Callable[[LineSink], object]
    steps: int | None = None
    sentences: Sequence[str] = ()


def _maker(path: str, header: Header, limits: Limits, node: str | None) -> Maker:
    """What the header asks for. InvalidInput if it does not say enough, or what cannot be."""
    options = header.options
    try:
        if recorded.WAY in options:
            return _explored(header, limits, node)
        if header.system == "raft" and "schedule" in options:
            return Maker(partial(_demonstrate, _scheduled(options), limits))
        if header.system == "raft" and "seed" in options:
            return Maker(partial(_simulate, plan_from(options), limits))
    except InvalidInput as error:
        raise InvalidInput(path, 1, str(error)) from error
    raise InvalidInput(
        path, 1, "options: expected those of a Run that kubeproof has simulated (seed, schedule) or explored (way)"
    )


def _explored(header: Header, limits: Limits, node: str | None) -> Maker:
    scenario, numbers = recorded.scenario_of(header, node)
    model = scenario.model()
    way = recorded.take(model, numbers, limits)
    write = partial(recorded.write, source=header.source, scenario=scenario, model=model, way=way)
    return Maker(write, len(way), recorded.sentences(model, way))


def _scheduled(options: Mapping[str, object]) -> Fault:
    """The fault whose schedule it is."""
    known = {fault.steps.__name__: fault for fault in FAULTS.values() if options.get("bugs") == [fault.name]}
    schedule = options["schedule"]
    if not isinstance(schedule, str) or schedule not in known:
        raise InvalidInput(
            "options", None, "expected the schedule of a fault of docs/faults.md, and its name as the only one of bugs"
        )
    return known[schedule]


def _demonstrate(fault: Fault, limits: Limits, sink: LineSink) -> None:
    demonstrate(fault, on=True, limits=limits, file=sink)


def _simulate(plan: Plan, limits: Limits, sink: LineSink) -> None:
    outcome = run_into(plan, limits, sink)
    if outcome.verdict is Verdict.UNKNOWN:
        raise LimitReached(outcome.message)
