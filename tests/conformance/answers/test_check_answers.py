"""`kubeproof check` on recorded answers: what is the same, what is not and where, and input that means no good."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from kubeproof.conformance.limits import Limits
from kubeproof.conformance.trace import check_file
from kubeproof.conformance.verdict import Result, Verdict

GIVEN = Path(__file__).parents[4] / "shared" / "testdata" / "etcd"
ABSENT = pytest.mark.skipif(not GIVEN.exists(), reason=f"no recordings of real servers in {GIVEN}")

Line = dict[str, Any]


def head(operations: int, server: str = "3.6.14", **more: object) -> Line:
    return {"meta": {"name": "x", "server": server, "operations": operations, **more}}


def ok(revision: int, **more: object) -> Line:
    return {"header": {"revision": revision}, **more}


def line(number: int, op: str, req: Line, resp: Line | None = None, **more: object) -> Line:
    return {"i": number, "op": op, "req": req, **({} if resp is None else {"resp": resp}), **more}


COMPACTED = {"code": 11, "name": "OutOfRange", "msg": "etcdserver: mvcc: required revision has been compacted"}
PAIR = {"key": "b", "create_revision": 3, "mod_revision": 3, "version": 1, "value": "ÿ"}
LEASE = 7000000000000000001
PUT_B = {"success": [{"request_put": {"key": "b", "value": "ÿ"}}]}
LINES = [
    line(0, "Put", {"key": "a", "value": "1"}, ok(2)),
    line(1, "Txn", PUT_B, ok(3, succeeded=True, responses=[{"response_put": ok(3)}])),
    line(2, "Range", {"key": "b", "range_end": "\0"}, ok(3, kvs=[PAIR], count=1)),
    line(3, "LeaseGrant", {"TTL": 1000}, ok(3, ID=LEASE, TTL=1000), server_chose_id=True),
    line(4, "Put", {"key": "a", "lease": LEASE}, ok(4)),
    line(5, "LeaseTimeToLive", {"ID": LEASE, "keys": True}, ok(4, ID=LEASE, TTL=998, grantedTTL=1000, keys=["a"])),
    line(6, "LeaseKeepAlive", {"ID": LEASE}, ok(4, ID=LEASE, TTL=1000)),
    line(7, "LeaseLeases", {}, ok(4, leases=[{"ID": LEASE}])),
    line(8, "Compact", {"revision": 4, "physical": True}, ok(4)),
    line(9, "Range", {"key": "a", "revision": 3}, err=COMPACTED),
    line(10, "LeaseRevoke", {"ID": LEASE}, ok(5)),
    line(11, "DeleteRange", {"key": "b", "prev_kv": True}, ok(6, deleted=1, prev_kvs=[PAIR])),
]


def check(path: Path, lines: Iterable[Line]) -> Result:
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return check_file(str(path), None, Limits())


def changed(number: int, change: Callable[[Line], object]) -> list[Line]:
    lines: list[Line] = json.loads(json.dumps(LINES))
    change(lines[number])
    return lines


def test_all_the_same(tmp_path: Path) -> None:
    result = check(tmp_path / "x.ndjson", [head(len(LINES)), *LINES])
    assert (result.verdict, result.message) == (Verdict.HOLDS, "")
    assert result.details["format"] == "etcd-answers"
    assert result.details["events"] == len(LINES)
    assert result.details["properties"] == {"same_answers": "holds"}


@pytest.mark.parametrize(
    ("number", "change", "field", "expected", "seen"),
    [
        (0, lambda it: it["resp"]["header"].update(revision=3), "resp.header.revision", "2", "3"),
        (0, lambda it: it.update(resp={}), "resp.header", "{revision: 2}", "nothing"),
        (1, lambda it: it["resp"].update(succeeded=False), "resp.succeeded", "true", "false"),
        (
            1,
            lambda it: it["resp"].update(responses=[{"response_put": ok(4)}]),
            "resp.responses[0].response_put.header.revision",
            "3",
            "4",
        ),
        (1, lambda it: it["resp"].update(responses=[]), "resp.responses[0]", "{header: {revision: 3}}", "nothing"),
        (2, lambda it: it["resp"]["kvs"][0].update(value="x"), "resp.kvs[0].value", "'ÿ'", "'x'"),
        (2, lambda it: it["resp"].update(more=True), "resp.more", "false", "true"),
        (2, lambda it: it["resp"].update(kvs=[PAIR, PAIR]), "resp.kvs[1]", "nothing", "{key: 'b', "),
        (5, lambda it: it["resp"].update(TTL=989), "resp.TTL", "1000", "989"),
        (5, lambda it: it["resp"].update(TTL=1001), "resp.TTL", "1000", "1001"),
        (5, lambda it: it["resp"].update(keys=[]), "resp.keys[0]", "'a'", "nothing"),
        (7, lambda it: it["resp"].update(leases=[]), "resp.leases[0]", "{ID: 7000000000000000001}", "nothing"),
        (8, lambda it: [it.pop("resp"), it.update(err=COMPACTED)], "err", "nothing", f"code 11: {COMPACTED['msg']}"),
        (9, lambda it: [it.pop("err"), it.update(resp=ok(4))], "err", f"code 11: {COMPACTED['msg']}", "nothing"),
        (9, lambda it: it["err"].update(code=3), "err.code", f"code 11: {COMPACTED['msg']}", f"code 3: {COMPACTED['msg']}"),
        (9, lambda it: it["err"].update(name="NotFound"), "err.name", "OutOfRange", "NotFound"),
        (9, lambda it: it["err"].update(msg="no"), "err.msg", str(COMPACTED["msg"]), "no"),
    ],
)
def test_first_difference(
    tmp_path: Path, number: int, change: Callable[[Line], object], field: str, expected: str, seen: str
) -> None:
    result = check(tmp_path / "x.ndjson", [head(len(LINES)), *changed(number, change)])
    assert (result.verdict, result.property) == (Verdict.VIOLATED, "same_answers")
    assert (result.details["line"], result.details["events"]) == (number + 2, number)
    assert (result.details["field"], result.details["expected"]) == (field, expected)
    assert str(result.details["seen"]).startswith(seen)
    assert result.message.startswith(f"request {number} (")
    assert result.details["evidence"]


@pytest.mark.parametrize(
    ("number", "change", "message"),
    [
        (0, lambda it: it.update(i=4), "x.ndjson:2: i: expected 0, the number of the request, got 4"),
        (0, lambda it: it.update(op="Frob"), "x.ndjson:2: op: expected Range, Put"),
        (0, lambda it: it["req"].update(key=5), "x.ndjson:2: req.key: expected `str`"),
        (0, lambda it: it["req"].update(key="Ā"), "x.ndjson:2: expected code points up to 255"),
        (0, lambda it: it["req"].update(lease=2**63), "x.ndjson:2: req.lease: expected `int` <="),
        (0, lambda it: it["req"].update(colour=1), "x.ndjson:2: req: object contains unknown field `colour`"),
        (2, lambda it: it["req"].update(sort_order="UP"), "x.ndjson:4: req.sort_order: expected "),
        (9, lambda it: it.update(resp=ok(4)), "x.ndjson:11: expected either resp or err"),
        (9, lambda it: it.pop("err"), "x.ndjson:11: expected either resp or err"),
    ],
)
def test_bad_lines(tmp_path: Path, number: int, change: Callable[[Line], object], message: str) -> None:
    result = check(tmp_path / "x.ndjson", [head(len(LINES)), *changed(number, change)])
    assert result.verdict is Verdict.INVALID
    assert message in result.message
    assert "\n" not in result.message
    assert result.details["events"] == number


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (head(13), "expected 13 requests (meta.operations), got 12"),
        (head(12, "3.9.1"), "x.ndjson:1: meta.server: expected a version of 3.4, 3.5, 3.6, got '3.9.1'"),
        ({"meta": {"operations": 1}}, "x.ndjson:1: meta: object missing required field `server`"),
        (
            {"meta": {"server": "3.6.14"}},
            "x.ndjson:1: meta: expected operations (of requests) or steps (of watches), got neither",
        ),
    ],
)
def test_bad_heads(tmp_path: Path, first: Line, message: str) -> None:
    result = check(tmp_path / "x.ndjson", [first, *LINES])
    assert result.verdict is Verdict.INVALID
    assert message in result.message


def test_a_truncated_file(tmp_path: Path) -> None:
    whole = "".join(json.dumps(each) + "\n" for each in [head(len(LINES)), *LINES]).encode()
    (tmp_path / "x.gz").write_bytes(gzip.compress(whole)[:-9])
    result = check_file(str(tmp_path / "x.gz"), None, Limits())
    assert (result.verdict, "expected whole gzip data" in result.message) == (Verdict.INVALID, True)
    (tmp_path / "x").write_bytes(whole[:-9])
    assert "x:13: expected one JSON object" in check_file(str(tmp_path / "x"), None, Limits()).message


@pytest.mark.parametrize("depth", [100, 200, 300, 450, 5000])
def test_nested_transactions(tmp_path: Path, depth: int) -> None:
    """Refused by the server, or too deep to be read: never a traceback."""
    error = {"code": 3, "name": "InvalidArgument", "msg": "etcdserver: too many operations in txn request"}
    request = '{"success":[{"request_txn":' * depth + "{}" + "}]}" * depth
    text = json.dumps(head(1)) + "\n" + json.dumps(line(0, "Txn", {"success": "?"}, err=error)) + "\n"
    (tmp_path / "x").write_text(text.replace('{"success": "?"}', request))
    verdict = check_file(str(tmp_path / "x"), None, Limits()).verdict
    assert verdict is Verdict.VIOLATED if depth == 100 else verdict in (Verdict.HOLDS, Verdict.INVALID)


# ---- releases


def test_releases_differ(tmp_path: Path) -> None:
    request = {"key": "a", "sort_order": 7}
    refused = {"code": 3, "name": "InvalidArgument", "msg": "etcdserver: invalid sort option"}
    for server, answered in ("3.4.23", True), ("3.5.33", True), ("3.6.14", False):
        answers = [line(0, "Range", request, ok(1)), line(0, "Range", request, err=refused)]
        verdicts = [check(tmp_path / "x", [head(1, server), answer]).verdict for answer in answers]
        assert verdicts == ([Verdict.HOLDS, Verdict.VIOLATED] if answered else [Verdict.VIOLATED, Verdict.HOLDS])


def overlay(tmp_path: Path, *lines: Line, first: Line | None = None) -> Result:
    """An overlay for 3.4 over a recording in which the third request is a range with an unknown order."""
    refused = {"code": 3, "name": "InvalidArgument", "msg": "etcdserver: invalid sort option"}
    base = [LINES[0], LINES[1], line(2, "Range", {"key": "a", "sort_order": 7}, err=refused)]
    assert check(tmp_path / "x.ndjson", [head(3), *base]).verdict is Verdict.HOLDS
    return check(tmp_path / "x.v34.overlay.ndjson", [first or head(3, "3.4.23"), *lines])


ANSWERED = line(
    2,
    "Range",
    {"key": "a", "sort_order": 7},
    ok(3, kvs=[{"key": "a", "create_revision": 2, "mod_revision": 2, "version": 1, "value": "1"}], count=1),
)


def test_overlay(tmp_path: Path) -> None:
    assert overlay(tmp_path, ANSWERED).verdict is Verdict.HOLDS
    result = overlay(tmp_path)
    assert (result.verdict, result.details["line"]) == (Verdict.VIOLATED, None)
    assert f"request 2 (Range) at {tmp_path}/x.ndjson:4: err: expected nothing" in result.message
    result = overlay(tmp_path, ANSWERED | {"resp": ok(3)})
    assert (result.verdict, result.details["line"], result.details["field"]) == (Verdict.VIOLATED, 2, "resp.kvs[0]")


@pytest.mark.parametrize(
    ("lines", "first", "message"),
    [
        ([ANSWERED, ANSWERED], None, "overlay.ndjson:3: i: expected each number once, got 2 again"),
        ([ANSWERED, ANSWERED | {"i": 9}], None, "overlay.ndjson:3: i: expected the number of a request in x.ndjson, got 9"),
        ([ANSWERED | {"i": 1}], None, "overlay.ndjson:2: req: expected the request with this number in x.ndjson"),
        ([ANSWERED], head(4, "3.4.23"), "overlay.ndjson:1: meta.name, meta.operations: expected those of x.ndjson"),
    ],
)
def test_bad_overlays(tmp_path: Path, lines: list[Line], first: Line | None, message: str) -> None:
    result = overlay(tmp_path, *lines, first=first)
    assert result.verdict is Verdict.INVALID
    assert message in result.message


def test_an_overlay_without_its_recording(tmp_path: Path) -> None:
    result = check(tmp_path / "y.v35.overlay.ndjson", [head(3, "3.5.33")])
    assert result.verdict is Verdict.INVALID
    assert "expected the recording y.ndjson.gz beside the overlay" in result.message


# ---- cases


def case(*steps: Line, died: bool = False) -> Line:
    return {"case": "c", "server": "3.6.14", "steps": list(steps), "server_died": died}


PUT = {"op": "Put", "req": {"key": "a"}, "resp": ok(2)}
DELETE_ALL = {"request_delete_range": {"key": "a", "range_end": "\0"}}
DEADLY = {"op": "Txn", "req": {"success": [DELETE_ALL, {"request_put": {"key": "a", "ignore_value": True}}]}}
GONE = {"err": {"code": 14, "msg": "error reading from server: EOF"}}


def test_cases(tmp_path: Path) -> None:
    result = check(tmp_path / "x", [case(PUT), case(PUT, DEADLY | GONE, died=True)])
    assert (result.verdict, result.details["events"]) == (Verdict.HOLDS, 3)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (case(PUT, PUT), "case c, step 1 (Put): resp.header.revision: expected 3, seen 2"),
        (case(PUT, died=True), "case c: server_died: expected false, seen true"),
        (case(PUT, DEADLY | {"resp": ok(3)}), "case c, step 1 (Txn): err: expected code 14: the server dies ("),
        (case(PUT, DEADLY | GONE), "case c: server_died: expected true, seen false"),
        (case(PUT | {"resp": None} | GONE), "case c, step 0 (Put): err: expected nothing, seen code 14"),
    ],
)
def test_broken_cases(tmp_path: Path, broken: Line, message: str) -> None:
    result = check(tmp_path / "x", [case(PUT), broken])
    assert (result.verdict, result.details["line"]) == (Verdict.VIOLATED, 2)
    assert result.message.startswith(message)


def test_nothing_is_asked_of_a_dead_server(tmp_path: Path) -> None:
    result = check(tmp_path / "x", [case(PUT, DEADLY | GONE, PUT, died=True)])
    assert result.verdict is Verdict.INVALID
    assert "x:1: expected no request after one that the server has died of" in result.message


# ---- recordings of real servers


@ABSENT
def test_recordings_of_real_servers() -> None:
    rows = [row.split("\t") for row in (GIVEN / "EXPECTED.tsv").read_text().splitlines()]
    rows = [row for row in rows if row[0].startswith(("answers/a", "answers/edited")) and "a16" not in row[0]]
    assert len(rows) > 40
    for row in rows:
        result = check_file(str(GIVEN / row[0]), None, Limits())
        expected = {"accept": Verdict.HOLDS, "reject": Verdict.VIOLATED}[row[3]]
        assert (row[0], result.verdict) == (row[0], expected), result.message
        if expected is Verdict.VIOLATED:
            assert str(result.details["line"]) == row[-1]


@ABSENT
def test_quirks_of_real_servers() -> None:
    result = check_file(str(GIVEN / "answers" / "quirks.ndjson"), None, Limits())
    assert (result.verdict, result.details["events"]) == (Verdict.HOLDS, 126)
