"""`kubeproof check` as a program, with input and surroundings that mean no good."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.conformance.cli.test_contract import GOOD, PROGRAM, ROOT, run

BAD = ROOT / "traces" / "bad-vote-not-stored.ndjson"
HEADER = '{"kubeproof":"run","version":1,"system":"raft"}\n'
ESCAPES = "\\u001b[31m\\u0007\\u0000\\u009b2J\\u202e\\u007f"
# A violation whose message repeats what the input says.
LOUD = (
    HEADER
    + f'{{"action":"start","actor":"é{ESCAPES}","state":{{"commit":0,"last_index":0}}}}\n'
    + f'{{"action":"panic","actor":"é{ESCAPES}","args":{{"reason":"<script>\\n{ESCAPES}"}}}}\n'
)


@pytest.mark.parametrize(
    ("subjects", "code"),
    [
        ((GOOD,), 0),
        ((BAD,), 1),
        (("absent",), 3),
        ((GOOD, "absent"), 3),
        (("absent", BAD, GOOD), 1),
        ((BAD, "absent"), 1),
        ((GOOD, GOOD), 0),
    ],
)
@pytest.mark.parametrize("form", ["--json", None])
def test_exit_code_of_several_subjects(subjects: tuple[object, ...], code: int, form: str | None) -> None:
    done = run("check", *subjects, *filter(None, [form]))
    assert done.returncode == code
    if form:
        assert [json.loads(line)["subject"] for line in done.stdout.splitlines()] == [str(each) for each in subjects]


def test_a_limit_is_less_than_a_violation_and_more_than_nothing() -> None:
    assert run("check", GOOD, "--time-limit", "0").returncode == 2
    assert run("check", GOOD, "absent", "--memory-limit", "1").returncode == 2


def test_each_kind_of_bad_file_has_its_line(tmp_path: Path) -> None:
    bad = {
        "empty": b"",
        "blank": b"\n\n",
        "binary": bytes(range(256)) * 100,
        "truncated": GOOD.read_bytes()[:-30],
        "truncated.gz": gzip.compress(GOOD.read_bytes())[:-30],
        "nested": HEADER.encode() + b"[" * 200_000,
        "long": HEADER.encode() + b"x" * 100_000_000,
        "bomb": gzip.compress(bytes(1 << 28), 1),
        "folder": None,
    }
    for name, data in bad.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
    (tmp_path / "folder").mkdir()
    paths = [*(tmp_path / name for name in bad), "/dev/null", "/dev/zero", tmp_path / "absent", GOOD]
    done = run("check", *paths, "--json")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["subject"] for answer in answers] == [str(path) for path in paths]
    assert [answer["verdict"] for answer in answers] == ["invalid"] * (len(paths) - 1) + ["holds"]
    assert all(answer["message"].startswith(answer["subject"]) for answer in answers[:-1])
    assert (done.returncode, done.stderr) == (3, "")


def test_no_escape_of_the_input_reaches_the_terminal() -> None:
    done = run("check", "-", stdin=LOUD)
    assert done.returncode == 1
    assert all(character == "\n" or character.isprintable() for character in done.stdout)
    assert "\\x1b[31m" in done.stdout
    assert "é" in done.stdout


def test_json_tells_the_input_as_it_is_and_escapes_it() -> None:
    done = run("check", "-", "--json", stdin=LOUD)
    assert done.stdout.isascii()
    assert all(character == "\n" or character.isprintable() or character == "\x7f" for character in done.stdout)
    assert "\x1b[31m" in json.loads(done.stdout)["message"]


@pytest.mark.parametrize("form", ["--json", None])
def test_a_terminal_without_the_input_s_characters(form: str | None) -> None:
    done = subprocess.run(
        [PROGRAM, "check", "-", *filter(None, [form])],
        input=LOUD.encode(),
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("form", ["--json", None])
def test_a_name_that_is_no_text(form: str | None) -> None:
    done = subprocess.run(
        [PROGRAM, "check", b"\xff\x1b[31m", *filter(None, [form])], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert b"\x1b" not in done.stdout
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("data", [GOOD.read_bytes(), gzip.compress(GOOD.read_bytes())], ids=["plain", "gzip"])
def test_standard_input(data: bytes) -> None:
    done = subprocess.run([PROGRAM, "check", "-", "--json"], input=data, capture_output=True, timeout=60, check=False)
    assert json.loads(done.stdout)["verdict"] == "holds"


def test_standard_input_that_says_nothing_is_left_at_the_limit() -> None:
    reader, writer = os.pipe()
    begun = time.monotonic()
    done = subprocess.run(
        [PROGRAM, "check", "-", "--time-limit", "0.3"], stdin=reader, capture_output=True, timeout=60, check=False
    )
    os.close(reader)
    os.close(writer)
    assert done.returncode == 2
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(("closed", "code"), [("<&-", 3), (">&-", 0)])
def test_closed_streams(closed: str, code: int) -> None:
    subject = "-" if closed == "<&-" else str(GOOD)
    done = subprocess.run(f'"{PROGRAM}" check "{subject}" {closed}', shell=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_cannot_be_written_is_no_verdict() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "check", GOOD], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 4
    assert b"cannot write the results" in done.stderr
    assert b"Traceback" not in done.stderr
