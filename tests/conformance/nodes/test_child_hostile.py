"""Programs that do not speak the node protocol, or do not keep their word: one clear line each, and never a wait without end."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest

from kubeproof.conformance.explore.explorer import Exploration
from kubeproof.conformance.explore.system import Model
from kubeproof.conformance.limits import Limits
from kubeproof.conformance.nodes.child import Child
from kubeproof.conformance.nodes.retake import random_way, retake
from kubeproof.conformance.verdict import InvalidInput
from tests.conformance.nodes.programs import cluster, edited, written

HELLO = 'return {"version": 1, "name": "my raft", "restores": True}'
STEP = "return raft.step(**arguments)"
OBSERVE = "return raft.observe()"
RESTORES = 'vars(raft).update(arguments.get("state", {}))'
PRINT = "    print(json.dumps(answer(**json.loads(line))), flush=True)"
IMPORT = "import sys"


def complaint(command: str, answer_s: float = 10.0) -> str:
    """What is wrong with the program, in one line."""
    with Child(command, 2, answer_s=answer_s) as child, pytest.raises(InvalidInput) as problem:
        Exploration(cluster(child, 2, proposals=1, restarts=1, messages=2), Limits()).run()
    text = str(problem.value)
    assert "\n" not in text
    assert text.startswith(f"{command}: ")
    assert len(text) < 2000
    return text.removeprefix(f"{command}: ")


# ---- no conversation at all


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("/no/such/program", "the node cannot be started: No such file or directory"),
        ("/", "the node cannot be started: Permission denied"),
        ("true", "the node has ended with exit code 0"),
        ("false", "the node has ended with exit code 1"),
        ("sh -c 'echo disk full >&2; exit 7'", "the node has ended with exit code 7; its last words: disk full"),
        ("sh -c 'kill -SEGV $$'", "the node was ended by SIGSEGV"),
        (
            "sh -c 'echo panic: no disk >&2; echo goroutine 1 >&2; exit 2'",
            "ended with exit code 2; its last words: panic: no disk",
        ),
        ("sh -c 'read x; echo hello'", "the node has answered hello wrongly: expected one JSON object, got hello"),
        ("cat", "the node has answered hello wrongly: object "),
    ],
)
def test_programs_that_are_no_nodes(command: str, problem: str) -> None:
    assert problem in complaint(command)


@pytest.mark.parametrize("command", ["", "   ", "python 'my raft.py"])
def test_what_is_no_command_line(command: str) -> None:
    with pytest.raises(InvalidInput, match=r"^node: expected a command line, got "):
        Child(command, 2).initial(1)


@pytest.mark.parametrize(
    "command",
    [
        "sleep 100",
        "sh -c 'exec 0<&-; sleep 100'",
        "sh -c 'read x; while :; do printf x; sleep 0.1; done'",
        "sh -c 'while :; do echo waiting >&2; sleep 0.1; done'",
        "sh -c 'yes >&2'",
    ],
)
def test_who_does_not_answer_is_not_waited_for(command: str) -> None:
    begun = time.monotonic()
    assert complaint(command, answer_s=0.5).startswith("the node has not answered within 0.5 s")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("command", ["sh -c 'read x; cat /dev/zero'", "sh -c 'read x; yes | tr -d \"\\n\"'"])
def test_a_line_without_an_end_is_not_read_for_ever(command: str) -> None:
    assert complaint(command) == "the node has answered with a line of more than 1,048,576 bytes"


def test_lines_without_an_end_are_not_read_for_ever() -> None:
    assert "the node has" in complaint("yes")


# ---- wrong answers


@pytest.mark.parametrize(
    ("text", "instead", "problem"),
    [
        (HELLO, 'return {"version": 2, "names": []}', "the node has answered hello wrongly: version: expected 1, got 2"),
        (HELLO, 'return {"name": "my raft"}', "hello wrongly: object missing required field `version`"),
        (HELLO, 'return {"version": 1, "name": 7}', "hello wrongly: name: expected `str`, got `int`"),
        (HELLO, 'return {"version": 1, "name": "x", "odd": 1}', "hello wrongly: object contains unknown field `odd`"),
        (HELLO, "sys.exit(9)", "the node has ended with exit code 9"),
        (HELLO, 'raise ValueError("not today")', "exit code 1; its last words: ValueError: not today"),
        (HELLO, "return []", "hello wrongly: expected `object`, got `array`"),
        (HELLO, "return None", "hello wrongly: expected `object`, got `null`"),
        (
            'if call == "restore" else {}',
            'if call == "restore" else {"ok": 1}',
            "my raft has answered init wrongly: object contains",
        ),
        ('{"restored": True}', "{}", "my raft has answered restore wrongly: object missing required field `restored`"),
        (STEP, "sys.exit(4)", "my raft has ended with exit code 4"),
        (STEP, 'return {"sends": [{"to": 3, "type": "x"}]}', "step wrongly: sends.to: expected at most 2, got 3"),
        (STEP, 'return {"sends": [{"to": 0, "type": "x"}]}', "step wrongly: sends[0].to: expected `int` >= 1"),
        (STEP, 'return {"sends": [{"to": 2, "type": "x", "term": -1}]}', "step wrongly: sends[0].term: expected `int` >= 0"),
        (STEP, 'return {"sends": [{"to": 2, "type": "x", "term": 1.5}]}', "step wrongly: sends[0].term: expected `int | null`"),
        (STEP, 'return {"sends": [{"to": 2, "type": "x"}] * 65}', "step wrongly: sends: expected `array` of length <= 64"),
        (STEP, 'return {"send": []}', "step wrongly: object contains unknown field `send`"),
        (STEP, 'return {"between": [{"role": "leader"}]}', "step wrongly: between[0]: object missing required field `term`"),
        (STEP, 'return {"sends": [{"to": 2, "type": "x", "body": float("nan")}]}', "step wrongly: expected one JSON object"),
        (
            STEP,
            'print("here we are")\n            return {}',
            "my raft has answered step wrongly: expected one JSON object, got here",
        ),
        (
            OBSERVE,
            'return raft.observe() | {"role": "king"}',
            "observe wrongly: role: expected candidate, follower, leader, pre_can",
        ),
        (OBSERVE, 'return raft.observe() | {"term": -1}', "observe wrongly: term: expected `int` >= 0"),
        (OBSERVE, 'return raft.observe() | {"term": 2**63}', "observe wrongly: term: expected `int` <= 9223372036854775807"),
        (OBSERVE, 'return raft.observe() | {"term": "1"}', "observe wrongly: term: expected `int`, got `str`"),
        (OBSERVE, 'return raft.observe() | {"voted_for": 3}', "observe wrongly: voted_for: expected at most 2, got 3"),
        (OBSERVE, 'return raft.observe() | {"leader": 3}', "observe wrongly: leader: expected at most 2, got 3"),
        (
            OBSERVE,
            'return raft.observe() | {"progress": [{"node": 3, "match_index": 0}]}',
            "progress.node: expected at most 2, got 3",
        ),
        (OBSERVE, 'return raft.observe() | {"log": []}', "observe wrongly: log: expected `array` of length >= 1"),
        (
            OBSERVE,
            'return raft.observe() | {"log": [{"index": i, "term": 1} for i in (4, 6)]}',
            "log[1].index: expected 5, got 6",
        ),
        (OBSERVE, 'return raft.observe() | {"events": [{"name": "Campaign"}]}', "(other names are told by hello), got Campaign"),
        (OBSERVE, 'return raft.observe() | {"events": [{"name": "campaign"}] * 33}', "events: expected `array` of length <= 32"),
        (OBSERVE, 'return raft.observe() | {"observed": 1}', "observe wrongly: object contains unknown field `observed`"),
    ],
)
def test_wrong_answers(tmp_path: Path, text: str, instead: str, problem: str) -> None:
    assert problem in complaint(edited(tmp_path, {text: instead}))


@pytest.mark.parametrize("depth", [101, 900, 5_000, 200_000])
@pytest.mark.parametrize("field", ["body", "state"])
def test_deep_answers(tmp_path: Path, depth: int, field: str) -> None:
    deep = f"'{field}\": {{\"deep\": ' + '[' * {depth} + ']' * {depth} + ', '"
    nested = {
        "json.dumps(answer(**json.loads(line)))": f"json.dumps(answer(**json.loads(line))).replace('{field}\": {{', {deep})"
    }
    assert "expected at most 100 objects and arrays inside each other" in complaint(edited(tmp_path, nested))


def test_broken_text(tmp_path: Path) -> None:
    for number, broken in enumerate(
        (
            b"\xff\xfe\n",
            b"\n",
            b'{"version":1\n',
            b'{"version":1}}\n',
            b'"\\ud800"\n',
            b"{}{}\n",
            b'{"version":' + b"1" * 10000 + b"}\n",
        )
    ):
        source = f"import sys, time\nsys.stdout.buffer.write({broken!r})\nsys.stdout.flush()\ntime.sleep({number} and 0)\ninput()"
        assert complaint(written(tmp_path, source)).startswith("the node has ")


def test_more_is_said_than_was_asked_for(tmp_path: Path) -> None:
    twice = {PRINT: f'{PRINT}\n    print("more", flush=True)\n    import time\n    time.sleep(0.1)'}
    assert "more" in complaint(edited(tmp_path, twice))


# ---- who does not keep his word

ODD = {
    "        if term > self.term:": "        self.odd = not vars(self).get('odd')\n        if term > self.term:",
    "self.term + 1": "self.term + 1 + vars(self).get('odd', False)",
    '"state": vars(self)}': '"state": {name: value for name, value in vars(self).items() if name != "odd"}}',
}


@pytest.mark.parametrize(
    ("edits", "problem"),
    [
        # a step is another one each time
        (
            {STEP: 'return {"sends": [{"to": 2, "type": "x", "body": next(counted)}]}'},
            "answers differently in what it tells to be the same",
        ),
        # what it is brought back to is another state each time
        (
            {OBSERVE: 'return raft.observe() | {"state": {"count": next(counted)}}'},
            "is another one when it is brought back into a state",
        ),
        ({RESTORES: "pass"}, "is another one when it is brought back into a state"),
        ({'"state": vars(self)}': '"state": {}}'}, "is another one when it is brought back into a state"),
        # whether it has heard an odd number of messages matters, and is not told
        (ODD, "answers differently in what it tells to be the same state"),
        # what is not enabled happens
        ({STEP: 'return {**raft.step(**arguments), "enabled": False}'}, "has changed by what is not enabled: role: was "),
    ],
)
def test_who_does_not_keep_his_word(tmp_path: Path, edits: dict[str, str], problem: str) -> None:
    counted = {IMPORT: "import sys\nfrom itertools import count\n\ncounted = count()"}
    assert f"my raft {problem}" in complaint(edited(tmp_path, counted | edits))


LOSES_VOTES = {
    RESTORES: f"{RESTORES}\n            raft.votes = []",
    '"state": vars(self)}': '"state": {**vars(self), "votes": []}}',
}
"""So nobody is elected in the end, and all properties hold."""


@pytest.mark.parametrize("edits", [LOSES_VOTES, ODD | {'"restores": True': '"restores": False'}])
def test_what_is_not_told_is_seen_on_random_ways(tmp_path: Path, edits: dict[str, str]) -> None:
    with Child(edited(tmp_path, edits), 2) as child:
        explored = cluster(child, 2)
        Exploration(explored, Limits()).run()
        with pytest.raises(InvalidInput, match=r"takes another way in a fresh process: step \d+: [a-z]+: was"):
            retake_random_ways(child, explored, 20)


def test_who_keeps_his_word_does_the_same_on_random_ways(tmp_path: Path) -> None:
    with Child(edited(tmp_path, {}), 3) as child:
        retake_random_ways(child, cluster(child, 3, messages=4, proposals=1, restarts=1), 3)


def retake_random_ways(child: Child, explored: Model, count: int) -> None:
    for seed in range(count):
        way = random_way(explored, 10, Random(seed))
        assert len(way) > 2
        retake(child, way)
