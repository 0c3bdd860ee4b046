"""`kubeproof check` on recorded watches: what is the same, what no server determines, and each kind of change at its line."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.verdict import Result, Verdict
from tests.conformance.answers.test_check_answers import ABSENT, GIVEN, Line, ok

Change = Callable[[list[Line]], object]


def event(key: str, revision: int, **more: object) -> Line:
    return {"kv": {"key": key, "create_revision": revision, "mod_revision": revision, "version": 1, **more}}


def told(revision: int, *events: Line, **more: object) -> Line:
    return {"header": {"revision": revision}, **more, **({"events": list(events)} if events else {})}


def put(key: str, revision: int, *got: Line) -> Line:
    return {"do": "kv", "op": "Put", "req": {"key": key}, "resp": ok(revision), "got": list(got)}


def ask(do: str, *got: Line, **req: object) -> Line:
    return {"do": do, **({"req": req} if req else {}), "got": list(got)}


COMPACTED = "etcdserver: mvcc: required revision has been compacted"
STEPS = [
    put("a", 2),
    put("b", 3),
    ask("create", told(3, created=True), told(3, event("a", 2), event("b", 3)), key="a", range_end="\0", start_revision=1),
    ask("create", told(3, watch_id=1, created=True), key="c", progress_notify=True),
    put("c", 4, told(4, event("c", 4), watch_id=1), told(4, event("c", 4))),
    ask("progress", told(4, watch_id=-1)),
    ask("wait", told(4, watch_id=1), told(4, watch_id=1)),
    {"do": "kv", "op": "Compact", "req": {"revision": 4}, "resp": ok(4)},
    ask(
        "create",
        told(4, watch_id=2, created=True),
        told(0, watch_id=2, canceled=True, compact_revision=4),
        key="a",
        start_revision=2,
    ),
    ask("progress"),
    ask("cancel", told(4, watch_id=2, canceled=True), watch_id=2),
    ask("progress", told(4, watch_id=-1)),
    ask("create", told(4, watch_id=-1, created=True, canceled=True, cancel_reason=COMPACTED), key="a", start_revision=-1),
    put("d", 5, told(5, event("d", 5))),
    put("e", 6, told(6, event("e", 6))),
]


def steps(change: Change = lambda _: None) -> list[Line]:
    lines = copy.deepcopy(STEPS)
    change(lines)
    return [{"i": number, **line} for number, line in enumerate(lines)]


def check(path: Path, lines: list[Line], server: str = "3.6.14") -> Result:
    meta = {"meta": {"name": "w", "kind": "random", "server": server, "steps": len(lines), "progress_notify_interval": "1s"}}
    path.write_text("".join(json.dumps(each) + "\n" for each in [meta, *lines]))
    return check_file(str(path), None, Limits())


def got(lines: list[Line], number: int) -> list[Line]:
    responses: list[Line] = lines[number]["got"]
    return responses


def late(lines: list[Line], number: int, place: int) -> None:
    got(lines, number + 1).insert(0, got(lines, number).pop(place))


# ---- the same


@pytest.mark.parametrize(
    "change",
    [
        lambda it: got(it, 4).sort(key=len),
        lambda it: got(it, 4).reverse(),
        lambda it: late(it, 13, 0),
        lambda it: late(it, 4, 0),
        lambda it: late(it, 10, 0),
        lambda it: got(it, 6).clear(),
        lambda it: got(it, 6).append(told(4, watch_id=1)),
        lambda it: got(it, 2).__setitem__(slice(1, 2), [told(2, event("a", 2)), told(3, event("b", 3))]),
    ],
)
def test_the_same(tmp_path: Path, change: Change) -> None:
    """Undetermined are the order between watches, a step's delay, the number of notifications, how a watch catches up."""
    result = check(tmp_path / "w.ndjson", steps(change))
    assert (result.verdict, result.message) == (Verdict.HOLDS, "")
    assert (result.details["format"], result.details["events"]) == ("etcd-answers", len(STEPS))


def test_catching_up_together_with_a_write(tmp_path: Path) -> None:
    created = ask("create", told(3, created=True), key="a", range_end="\0", start_revision=1)
    written = put("c", 4, told(4, event("a", 2), event("b", 3), event("c", 4)))
    lines = [put("a", 2), put("b", 3), created, written]
    assert check(tmp_path / "w", [{"i": number, **line} for number, line in enumerate(lines)]).verdict is Verdict.HOLDS


def test_progress_while_a_watch_catches_up(tmp_path: Path) -> None:
    """Nobody knows whether it is in step when progress is asked for right after its creation; later it is."""
    created = ask("create", told(2, created=True), key="b", start_revision=1)
    answered, unanswered = ask("progress", told(2, watch_id=-1)), ask("progress")
    for lines, verdict in (
        ([answered, answered], Verdict.HOLDS),
        ([unanswered, answered], Verdict.HOLDS),
        ([answered, unanswered], Verdict.VIOLATED),
    ):
        numbered = [{"i": number, **line} for number, line in enumerate([put("a", 2), created, *lines])]
        assert check(tmp_path / "w", numbered).verdict is verdict


def test_progress_until_a_watch_is_canceled(tmp_path: Path) -> None:
    """A notification may have been under way when the client canceled; none comes after the answer to that."""
    created = ask("create", told(2, watch_id=1, created=True), key="b", progress_notify=True, watch_id=1)
    notified, canceled = told(2, watch_id=1), told(2, watch_id=1, canceled=True)
    for got_, verdict in (([notified, canceled], Verdict.HOLDS), ([canceled, notified], Verdict.VIOLATED)):
        lines = [put("a", 2), created, ask("cancel", *got_, watch_id=1)]
        assert check(tmp_path / "w", [{"i": number, **line} for number, line in enumerate(lines)]).verdict is verdict


# ---- not the same


@pytest.mark.parametrize(
    ("number", "change", "field", "expected", "seen"),
    [
        (0, lambda it: it[0]["resp"]["header"].update(revision=3), "resp.header.revision", "2", "3"),
        (2, lambda it: got(it, 2)[1]["events"].pop(0), "got[1].events[0].kv.key", "'a'", "'b'"),
        (2, lambda it: got(it, 2)[1]["events"].pop(), "got", "{header: {revision: 3}, events: [{kv: {key: 'b', ", "nothing"),
        (2, lambda it: got(it, 2)[1]["events"].append(event("b", 3)), "got[1].events[2]", "nothing", "{kv: {key: 'b', "),
        (2, lambda it: got(it, 2)[1]["header"].update(revision=4), "got[1].header.revision", "3", "4"),
        (2, lambda it: got(it, 2)[1].update(fragment=True), "got[1].fragment", "false", "true"),
        (2, lambda it: got(it, 2).pop(0), "got[0].created", "true", "false"),
        (4, lambda it: got(it, 4)[0]["events"][0]["kv"].update(version=2), "got[0].events[0].kv.version", "1", "2"),
        (4, lambda it: got(it, 4)[1]["events"][0].update(type="DELETE"), "got[1].events[0].type", "0", "1"),
        (
            4,
            lambda it: got(it, 4)[1]["events"][0].update(prev_kv=event("c", 3)["kv"]),
            "got[1].events[0].prev_kv",
            "nothing",
            "{key",
        ),
        (4, lambda it: got(it, 4)[1]["header"].update(revision=5), "got[1].header.revision", "4", "5"),
        (4, lambda it: got(it, 4).append(got(it, 4)[0]), "got[2]", "nothing", "{header: {revision: 4}, watch_id: 1, events: "),
        (4, lambda it: got(it, 4).pop(1), "got", "{header: {revision: 4}, events: [{kv: {key: 'c', ", "nothing"),
        (4, lambda it: got(it, 4).pop(0), "got", "{header: {revision: 4}, watch_id: 1, events: ", "nothing"),
        (5, lambda it: got(it, 5).clear(), "got", "{header: {revision: 4}, watch_id: -1}", "nothing"),
        (6, lambda it: got(it, 6)[0].pop("watch_id"), "got[0]", "nothing", "{header: {revision: 4}}"),
        (6, lambda it: got(it, 6)[0]["header"].update(revision=3), "got[0].header.revision", "4", "3"),
        (8, lambda it: got(it, 8)[1].update(compact_revision=3), "got[1].compact_revision", "4", "3"),
        (8, lambda it: got(it, 8)[1].pop("canceled"), "got[1]", "nothing", "{header: {}, watch_id: 2, compact_revision: 4}"),
        (9, lambda it: got(it, 9).append(told(4, watch_id=-1)), "got[0]", "nothing", "{header: {revision: 4}, watch_id: -1}"),
        (12, lambda it: got(it, 12)[0].update(cancel_reason="no"), "got[0].cancel_reason", COMPACTED, "no"),
        (13, lambda it: got(it, 13).clear(), "got", "{header: {revision: 5}, events: [{kv: {key: 'd', ", "nothing"),
        (14, lambda it: got(it, 14).clear(), "got", "{header: {revision: 6}, events: [{kv: {key: 'e', ", "nothing"),
    ],
)
def test_first_difference(tmp_path: Path, number: int, change: Change, field: str, expected: str, seen: str) -> None:
    result = check(tmp_path / "w.ndjson", steps(change))
    assert (result.verdict, result.property) == (Verdict.VIOLATED, "same_answers")
    assert (result.details["line"], result.details["field"]) == (number + 2, field)
    assert str(result.details["expected"]).startswith(expected)
    assert str(result.details["seen"]).startswith(seen)
    assert result.message.startswith(f"step {number} (")


def test_more_than_a_step_late(tmp_path: Path) -> None:
    def change(lines: list[Line]) -> None:
        late(lines, 4, 1)
        late(lines, 5, 0)

    result = check(tmp_path / "w", steps(change))
    assert (result.verdict, result.details["line"]) == (Verdict.VIOLATED, 6)


def test_notification_before_its_events(tmp_path: Path) -> None:
    def change(lines: list[Line]) -> None:
        late(lines, 4, 0)
        got(lines, 4).append(told(4, watch_id=1))

    result = check(tmp_path / "w", steps(change))
    assert (result.verdict, result.details["line"]) == (Verdict.VIOLATED, 6)


def test_releases_differ(tmp_path: Path) -> None:
    """3.4 answers each progress request at once, and cancels a watch with a negative start after it has created it."""
    canceled = told(0, watch_id=1, canceled=True, compact_revision=3)
    lines = [
        ask("progress", told(1, watch_id=-1)),
        put("a", 2),
        put("a", 3),
        {"do": "kv", "op": "Compact", "req": {"revision": 3}, "resp": ok(3)},
        ask("create", told(3, created=True), key="a", start_revision=9),
        ask("create", told(3, watch_id=1, created=True), canceled, key="a", start_revision=-1),
        ask("progress", told(3, watch_id=-1)),
    ]
    numbered = [{"i": number, **line} for number, line in enumerate(lines)]
    assert check(tmp_path / "w", numbered, "3.4.23").verdict is Verdict.HOLDS
    for server in "3.5.33", "3.6.14":
        result = check(tmp_path / "w", numbered, server)
        assert (result.verdict, result.details["line"]) == (Verdict.VIOLATED, 2)
    lines[0]["got"], lines[6]["got"] = [], []
    lines[5]["got"] = [told(3, watch_id=-1, created=True, canceled=True, cancel_reason=COMPACTED)]
    numbered = [{"i": number, **line} for number, line in enumerate(lines)]
    assert [check(tmp_path / "w", numbered, server).verdict for server in ("3.5.33", "3.6.14")] == [Verdict.HOLDS] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it[0].update(do="jump"), "w:2: do: expected "),
        (lambda it: it[0].update(op="Frob"), "w:2: Invalid value 'Frob'"),
        (lambda it: it[0].update(req={"key": 5}), "w:2: Expected `str`, got `int`"),
        (lambda it: it[0].pop("resp"), "w:2: expected either resp or err"),
        (lambda it: it[2]["req"].update(key="Ā"), "w:4: expected code points up to 255"),
        (lambda it: it[2]["req"].update(colour=1), "w:4: req: object contains unknown field `colour`"),
        (lambda it: got(it, 2)[1]["events"][0].pop("kv"), "w:4: got[1].events[0]: object missing required field `kv`"),
    ],
)
def test_bad_lines(tmp_path: Path, change: Change, message: str) -> None:
    result = check(tmp_path / "w", steps(change))
    assert result.verdict is Verdict.INVALID
    assert message in result.message
    assert "\n" not in result.message


@pytest.mark.parametrize("count", [14, 16])
def test_bad_counts(tmp_path: Path, count: int) -> None:
    path = tmp_path / "w"
    check(path, steps())
    path.write_text(path.read_text().replace('"steps": 15', f'"steps": {count}'))
    result = check_file(str(path), None, Limits())
    assert result.verdict is Verdict.INVALID
    assert f"expected {count} steps (meta.steps), got 15" in result.message


# ---- recordings of real servers


@cache
def recording(name: str) -> list[Line]:
    with gzip.open(GIVEN / "answers" / name, "rt", encoding="utf-8") as lines:
        return [json.loads(each) for each in lines]


NAMES = sorted(path.name for path in (GIVEN / "answers").glob("w*.ndjson.gz"))
SMALL = [name for name in NAMES if "fragment" not in name]


@ABSENT
@pytest.mark.parametrize("name", NAMES)
def test_given_recordings(name: str) -> None:
    assert check_file(str(GIVEN / "answers" / name), None, Limits()).verdict is Verdict.HOLDS


@ABSENT
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("nth", range(8))
def test_a_changed_event_is_found_at_its_line(tmp_path: Path, name: str, nth: int) -> None:
    lines = copy.deepcopy(recording(name))
    with_events = [
        (at, place) for at, line in enumerate(lines) for place, each in enumerate(line.get("got", [])) if "events" in each
    ]
    at, place = with_events[nth * (len(with_events) - 1) // 7]
    events = lines[at]["got"][place]["events"]
    match nth % 4:
        case 0:
            events[-1]["kv"].update(value="edited")
        case 1:
            events[0]["kv"]["mod_revision"] += 1
        case 2:
            events.append(events[0])
        case _:
            lines[at]["got"].pop(place)
    path = tmp_path / name.removesuffix(".gz")
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    result = check_file(str(path), None, Limits())
    assert (result.verdict, result.details["line"]) == (Verdict.VIOLATED, at + 1)
