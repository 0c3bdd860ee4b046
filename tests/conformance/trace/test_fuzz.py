"""Whatever a file holds, `check_file` comes back with one of the four verdicts, and never with an exception."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import json as msgspec_json

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.trace import raft_events as events
from kubeproof.conformance.trace.raft import CannotBeJudged, RaftChecker, Violation
from kubeproof.conformance.verdict import Verdict
from tests.conformance.trace.random_events import Script
from tests.conformance.trace.samples import HEADER, first_start, run_lines, trace_lines

FUZZ = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
)
BASES: dict[str, Callable[[], Sequence[bytes]]] = {"run": run_lines, "etcd-raft": trace_lines}
VALUES = [
    b"null",
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"1.0",
    b"99999999999999999999999999",
    b"9223372036854775807",
    b'"x"',
    b'""',
    b"[]",
    b"{}",
    b"true",
    b'"\\u0000"',
    b'"\\ud800"',
    b'"\\u001b[2J"',
    b"\xff\xfe",
    b'"<script>"',
]


def judge(folder: Path, data: bytes) -> Verdict:
    """The verdict, of a result that can be told to others."""
    path = folder / "input"
    path.write_bytes(data)
    result = check_file(str(path), None, Limits())
    told = json.loads(json.dumps(result.as_json()))
    assert told["verdict"] in ("holds", "violated", "invalid")
    assert (told["verdict"] == "holds") == (told["message"] == "")
    assert (told["verdict"] == "violated") == (told["property"] is not None)
    assert "\n" not in told["message"]
    return result.verdict


# ---- bytes


@given(data=st.binary(max_size=2000))
@settings(FUZZ, max_examples=300)
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    assert judge(tmp_path, data) is Verdict.INVALID


@given(data=st.binary(max_size=500), head=st.sampled_from([HEADER, HEADER + run_lines()[1], trace_lines()[0], b"\x1f\x8b\x08"]))
@settings(FUZZ, max_examples=300)
def test_any_bytes_after_a_good_beginning(tmp_path: Path, head: bytes, data: bytes) -> None:
    judge(tmp_path, head + data)


@st.composite
def mutants(draw: st.DrawFn, base: Sequence[bytes]) -> bytes:
    """A good file with one to three flaws."""
    lines = list(base[: draw(st.integers(2, len(base)))])
    for _ in range(draw(st.integers(1, 3))):
        lines = draw(st.sampled_from(FLAWS))(draw, lines) or [b""]
    return b"".join(lines)


Lines = list[bytes]


def place(draw: st.DrawFn, lines: Lines) -> int:
    return draw(st.integers(0, len(lines) - 1))


def flip_a_byte(draw: st.DrawFn, lines: Lines) -> Lines:
    at = place(draw, lines)
    line = bytearray(lines[at] or b"x")
    line[draw(st.integers(0, len(line) - 1))] = draw(st.integers(0, 255))
    return [*lines[:at], bytes(line), *lines[at + 1 :]]


def truncate(draw: st.DrawFn, lines: Lines) -> Lines:
    at = place(draw, lines)
    return [*lines[:at], lines[at][: draw(st.integers(0, len(lines[at])))]]


def swap_lines(draw: st.DrawFn, lines: Lines) -> Lines:
    one, other = place(draw, lines), place(draw, lines)
    lines[one], lines[other] = lines[other], lines[one]
    return lines


def delete_lines(draw: st.DrawFn, lines: Lines) -> Lines:
    at = place(draw, lines)
    return lines[:at] + lines[at + draw(st.integers(1, 20)) :]


def repeat_a_line(draw: st.DrawFn, lines: Lines) -> Lines:
    at = place(draw, lines)
    return [*lines[:at], lines[place(draw, lines)], *lines[at:]]


def replace_a_value(draw: st.DrawFn, lines: Lines) -> Lines:
    at = place(draw, lines)
    line = lines[at]
    spots = [spot for spot, byte in enumerate(line) if byte in b":,["] or [0]
    start = draw(st.sampled_from(spots)) + 1
    end = next((spot for spot in range(start, len(line)) if line[spot] in b",}]\n"), len(line))
    return [*lines[:at], line[:start] + draw(st.sampled_from(VALUES)) + line[end:], *lines[at + 1 :]]


def nest_deeply(draw: st.DrawFn, lines: Lines) -> Lines:
    at = place(draw, lines)
    return [*lines[:at], draw(st.sampled_from([b"[", b'{"state":', b'{"a":'])) * 3000 + lines[at], *lines[at + 1 :]]


FLAWS = [flip_a_byte, truncate, swap_lines, delete_lines, repeat_a_line, replace_a_value, nest_deeply]


@pytest.mark.parametrize("base", BASES)
@given(data=st.data())
@settings(FUZZ, max_examples=400)
def test_mutants_of_good_files(tmp_path: Path, base: str, data: st.DataObject) -> None:
    judge(tmp_path, data.draw(mutants(BASES[base]())))


@given(data=st.data())
@settings(FUZZ, max_examples=150)
def test_mutants_of_gzip_files(tmp_path: Path, data: st.DataObject) -> None:
    zipped = gzip.compress(b"".join(run_lines(50)), mtime=0)
    at = data.draw(st.integers(2, len(zipped) - 1))
    judge(tmp_path, zipped[:at] + data.draw(st.binary(max_size=3)) + zipped[at + data.draw(st.integers(0, 3)) :])


# ---- objects

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_HEADER_NAMES = ("kubeproof", "version", "system", "options")
_EVENT_NAMES = (
    "action",
    "actor",
    "state",
    "args",
    "message",
    "tag",
    "event",
    "name",
    "nid",
    "role",
    "log",
    "conf",
    "msg",
    "prop",
)
NAMES = st.sampled_from(_HEADER_NAMES + _EVENT_NAMES)


@given(objects=st.lists(JSON | st.dictionaries(NAMES, JSON, max_size=6), max_size=5), header=st.booleans())
@settings(FUZZ, max_examples=300)
def test_any_json(tmp_path: Path, objects: list[Any], header: bool) -> None:
    text = "\n".join(json.dumps(each) for each in objects)
    assert judge(tmp_path, (HEADER if header else b"") + text.encode(errors="surrogatepass")) is Verdict.INVALID


# ---- events


@pytest.mark.parametrize("batch", range(8))
def test_events_that_come_far(batch: int) -> None:
    """The checker accepts or rejects every event of sequences that it has accepted so far."""
    accepted = 0
    for seed in range(40 * batch, 40 * batch + 40):
        script = Script(seed)
        script.run(120)
        accepted += len(script.accepted)
    assert accepted > 40 * 40


@given(seed=st.integers(0, 2**32), data=st.data())
@settings(FUZZ, max_examples=150)
def test_nonsensical_events_in_a_file(tmp_path: Path, seed: int, data: st.DataObject) -> None:
    script = Script(seed)
    script.noise = 1
    lines = [msgspec_json.encode(event) + b"\n" for event in script.beginning() + [script.anything() for _ in range(40)]]
    judge(tmp_path, HEADER + b"".join(data.draw(st.permutations(lines)) if data.draw(st.booleans()) else lines))


# ---- what once was an internal error, or took for ever


def take(*sequence: Any) -> Violation | CannotBeJudged | None:
    checker = RaftChecker()
    try:
        for line, event in enumerate(sequence, 1):
            checker.take(line, event)
    except (Violation, CannotBeJudged) as rejection:
        return rejection
    return None


def led_by_one(stored: int = 0) -> list[Any]:
    vote = events.Message(type="MsgVoteResp", from_="1", to="1", term=1)
    return [
        events.Start(actor="1", state=events.State(commit=stored, last_index=stored)),
        events.ApplyConfChange(actor="1", args=events.ApplyConfChangeArgs(voters=("1",))),
        events.BecomeFollower(actor="1", state=events.State(term=0, commit=stored)),
        events.BecomeCandidate(actor="1"),
        events.Send(actor="1", message=vote),
        events.Receive(actor="1", message=vote),
        events.BecomeLeader(actor="1"),
    ]


def test_payloads_far_into_a_log_from_before_the_trace() -> None:
    far = 2**62
    applied = events.Apply(actor="1", args=events.ApplyArgs(index=far, term=1, payload="61"))
    other = events.Apply(actor="1", args=events.ApplyArgs(index=far, term=1, payload="62"))
    assert take(*led_by_one(far), applied) is None
    assert isinstance(take(*led_by_one(far), applied, first_start("1"), other), Violation)


def test_a_campaign_before_the_start_is_finished() -> None:
    (
        begun,
        members,
        *_,
    ) = led_by_one()
    rejection = take(begun, members, *led_by_one()[3:], events.BecomeFollower(actor="1", state=events.State(term=5)))
    assert isinstance(rejection, Violation)
    assert (rejection.property, rejection.event) == ("durable_state", 3)


def test_a_voter_named_twice_while_bootstrapping() -> None:
    def voters(*ids: str) -> events.ApplyConfChange:
        state = events.State(last_index=2, commit=2)
        return events.ApplyConfChange(actor="1", state=state, args=events.ApplyConfChangeArgs(voters=ids))

    begun = [first_start("1"), *(events.BecomeFollower(actor="1", state=events.State(term=term, commit=0)) for term in (0, 1))]
    assert take(*begun, voters("1"), voters("1", "2")) is None
    assert isinstance(take(*begun, voters("1"), voters("1", "1")), CannotBeJudged)


def test_an_acknowledgement_in_a_term_that_nobody_leads() -> None:
    answer = events.Message(type="MsgAppResp", from_="2", to="1", term=7, index=1)
    begun = [first_start("2"), *(events.BecomeFollower(actor="2", state=events.State(term=term, commit=0)) for term in (0, 7))]
    rejection = take(*begun, events.Send(actor="2", message=answer))
    assert isinstance(rejection, Violation)
    assert rejection.property == "log_matching"


def test_entry_0_is_not_applied() -> None:
    rejection = take(*led_by_one(), events.Apply(actor="1", args=events.ApplyArgs(index=0, term=0)))
    assert isinstance(rejection, Violation)
    assert rejection.property == "state_machine_safety"


@pytest.mark.parametrize("changes", [5, 3000])
def test_many_changes_whose_effect_is_not_told(changes: int) -> None:
    proposed = [
        events.ChangeConf(
            actor="1",
            args=events.ChangeConfArgs(changes=(events.Change(type="ConfChangeAddNode", node=str(node)),)),
        )
        for node in range(2, 2 + changes)
    ]
    answer = events.Message(type="MsgAppResp", from_="1", to="1", term=1, index=changes)
    stored = [
        events.Ready(actor="1"),
        events.Send(actor="1", message=answer),
        events.Ready(actor="1"),
        events.Receive(actor="1", message=answer),
        events.Commit(actor="1", state=events.State(commit=changes)),
    ]
    again = [
        events.Start(actor="1", state=events.State(commit=changes, last_index=changes)),
        events.ApplyConfChange(actor="1", args=events.ApplyConfChangeArgs(voters=("9",))),
    ]
    rejection = take(*led_by_one(), *proposed, *stored, *again)
    assert isinstance(rejection, Violation if changes == 5 else CannotBeJudged), rejection
