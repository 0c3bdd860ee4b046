"""Findings in etcd, each as a few requests to a new server on loopback that show whether it has the defect (docs/findings).

What a server answers, and whether it dies and serves again after a restart on the same data, is recorded as a case, which
`kubeproof check` holds against impl/store (docs/store.md). What needs watches or three members is recorded as a Run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from kubeproof.conformance.adapters.etcd.answers import UNAVAILABLE, ask, for_gateway, from_gateway
from kubeproof.conformance.adapters.etcd.gateway import JSON, Gateway, Stream, Unavailable
from kubeproof.conformance.adapters.etcd.record import outcome
from kubeproof.conformance.adapters.etcd.server import START_S, Cluster, EtcdFailed, Member, running
from kubeproof.conformance.adapters.etcd.traffic import Asked
from kubeproof.conformance.trace.run import Event, Header, RunWriter
from kubeproof.impl.store.versions import Version

EVERY_KEY = {"key": "\0", "range_end": "\0"}
DIE_S = 5.0
IN_STEP_S = 0.3
"""Time enough for watches to be canceled and to catch up: the server looks at them every 100 ms."""
SERVES, DIES_AGAIN = "serves", "dies again"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A finding. `seen_in` are the release lines whose last releases have it (3.4.23, 3.5.33, 3.6.14)."""

    about: str
    seen_in: frozenset[Version]
    record: Callable[[str, str, BinaryIO], bool]
    """Given its name, the binary and where to record: whether the defect shows. Raises EtcdFailed."""


# ---- requests and answers


def _case(steps: tuple[Asked, ...], shows: Callable[[JSON], bool]) -> Callable[[str, str, BinaryIO], bool]:
    def record(name: str, binary: str, file: BinaryIO) -> bool:
        case = run_case(name, binary, steps)
        file.write(json.dumps(case).encode() + b"\n")
        return shows(case)

    return record


def run_case(name: str, binary: str, steps: tuple[Asked, ...]) -> JSON:
    """Ask a new server; if it dies of a request, start it again. Raises EtcdFailed."""
    with running(binary) as cluster:
        [member] = cluster.members
        case: JSON = {"case": name, "server": cluster.version, "steps": []}
        with member.gateway() as gateway:
            for op, req in steps:
                line = ask(gateway, op, req)
                case["steps"].append(line)
                if line.get("err", {}).get("code") == UNAVAILABLE:
                    return case | _death(member)
        return case


def _death(member: Member) -> JSON:
    if not member.ends(DIE_S):
        raise EtcdFailed(f"{member.name} does not answer, but has not ended")
    died: JSON = {"server_died": True, "panic": member.last_words()}
    member.start()
    deadline = time.monotonic() + START_S
    while member.runs and time.monotonic() < deadline:
        with suppress(Unavailable), member.gateway() as gateway:
            answer = ask(gateway, "Range", EVERY_KEY)
            if "resp" in answer:
                return died | {"after_restart_on_same_data": SERVES, "full_range_after_restart": answer["resp"]}
        time.sleep(0.05)
    return died | {"after_restart_on_same_data": DIES_AGAIN}


def _put(key: str, value: str) -> Asked:
    return "Put", {"key": key, "value": value}


def _txn(*operations: JSON) -> Asked:
    return "Txn", {"success": list(operations)}


def _is_accepted(case: JSON) -> bool:
    """Whether a transaction was."""
    return any(step["op"] == "Txn" and "resp" in step for step in case["steps"])


DELETE_FROM_A: JSON = {"request_delete_range": {"key": "a", "range_end": "\0"}}

put_without_previous = (
    _put("a", "1"),
    _txn(DELETE_FROM_A, {"request_put": {"key": "a", "ignore_value": True}}),
)
two_changes_open_range = (
    _put("a", "1"),
    _txn(DELETE_FROM_A, {"request_put": {"key": "a", "value": "2"}}),
    ("Range", EVERY_KEY),
)
two_changes_nested = (
    _txn(
        {"request_txn": {"success": [{"request_put": {"key": "a", "value": "1"}}]}},
        {"request_txn": {"success": [{"request_delete_range": {"key": "a"}}]}},
    ),
    ("Range", EVERY_KEY),
)
live_key_compacted = (
    _put("a", "1"),
    _txn(DELETE_FROM_A, {"request_put": {"key": "a", "value": "2"}}),
    ("Compact", {"revision": 3, "physical": True}),
    ("Range", {"key": "a"}),
)
write_and_read_the_past = _txn({"request_put": {"key": "b", "value": "3"}}, {"request_range": {"key": "a", "revision": 2}})
unknown_sort_target = (
    _put("a", "1"),
    _put("b", "2"),
    ("Range", {**EVERY_KEY, "sort_target": 9}),
)


def members_differ(name: str, binary: str, file: BinaryIO) -> bool:
    """A transaction that writes and reads a compacted revision, asked of one of three members; then a local read of each.

    Whether their keys differ afterwards.
    """
    with running(binary, 3) as cluster, ExitStack() as closing:
        recorder = _Recorder(name, cluster, file)
        gateways = [closing.enter_context(member.gateway()) for member in cluster.members]
        for op, req in (_put("a", "1"), _put("a", "2"), ("Compact", {"revision": 3}), write_and_read_the_past):
            recorder.ask(gateways[0], 0, op, req)
        time.sleep(IN_STEP_S)
        local = [
            recorder.ask(gateway, place, "Range", {"key": "b", "serializable": True}) for place, gateway in enumerate(gateways)
        ]
    return len({json.dumps(line.get("resp", {}).get("kvs"), sort_keys=True) for line in local}) > 1


class _Recorder:
    """Writes the Run of a scenario."""

    def __init__(self, name: str, cluster: Cluster, file: BinaryIO) -> None:
        options = {"scenario": name, "server": cluster.version}
        self._writer = RunWriter(file, Header(system="etcd", source="kubeproof record etcd", options=options))
        for member in cluster.members:
            self.write("start", member.name)

    def write(self, action: str, actor: str, **args: Any) -> None:
        self._writer.write(Event(action=action, actor=actor, args=args or None))

    def ask(self, gateway: Gateway, place: int, op: str, req: JSON) -> JSON:
        """Ask a member as a client; the request with its answer."""
        self.write("invoke", "client-0", member=f"m{place + 1}", op=op, req=req)
        line = ask(gateway, op, req)
        self.write("return", "client-0", **outcome(line))
        return line


# ---- watches


def silent_progress(name: str, binary: str, file: BinaryIO) -> bool:
    """A watch in step asks for progress on a stream on which another one was canceled because of compaction.

    Whether that stays without an answer until the client cancels the canceled watch.
    """
    with running(binary) as cluster, cluster.members[0].gateway() as gateway:
        recorder = _Recorder(name, cluster, file)
        for op, req in (_put("a", "1"), _put("a", "2"), ("Compact", {"revision": 3, "physical": True})):
            recorder.ask(gateway, 0, op, req)
        with gateway.stream("watch") as stream:
            watch = _Watch(stream, recorder)
            watch.does({"create_request": {"key": "a"}})
            before = watch.does({"progress_request": {}})
            canceled = watch.does({"create_request": {"key": "a", "start_revision": 1}})
            dead = next((each.get("watch_id", 0) for each in canceled if each.get("canceled")), None)
            while_dead = watch.does({"progress_request": {}})
            watch.does({"cancel_request": {"watch_id": dead}})
            after = watch.does({"progress_request": {}})
    if dead is None or not before or not after:
        raise EtcdFailed("expected a canceled watch, and progress without it")
    return not while_dead


class _Watch:
    """Sends on a stream and tells all that comes of it."""

    def __init__(self, stream: Stream, recorder: _Recorder) -> None:
        self._stream, self._recorder = stream, recorder

    def does(self, req: JSON) -> list[JSON]:
        self._recorder.write("watch_request", "watcher-m1", member="m1", req=req)
        self._stream.send(for_gateway(req))
        answers = []
        while (answer := self._stream.receive(IN_STEP_S)) is not None:
            answers.append(from_gateway(answer))
            self._recorder.write("watch_response", "watcher-m1", resp=answers[-1])
        return answers


# ---- all

ALL = frozenset(Version)

SCENARIOS = {
    "put-without-previous": Scenario(
        "a transaction that kills every member, and again at each start",
        ALL,
        _case(put_without_previous, lambda case: case.get("after_restart_on_same_data") == DIES_AGAIN),
    ),
    "two-changes-open-range": Scenario(
        "one revision deletes and puts a key: a range to the end is not seen", ALL, _case(two_changes_open_range, _is_accepted)
    ),
    "two-changes-nested": Scenario(
        "one revision puts and deletes a key: a later nested deletion is not seen", ALL, _case(two_changes_nested, _is_accepted)
    ),
    "live-key-compacted": Scenario(
        "after such a revision a compaction removes a live key: a read kills the member, then the key is gone",
        ALL - {Version.V3_4},
        _case(
            live_key_compacted,
            lambda case: "full_range_after_restart" in case and not case["full_range_after_restart"].get("kvs"),
        ),
    ),
    "members-differ": Scenario("a transaction that one member refuses and the others carry out", ALL, members_differ),
    "silent-progress": Scenario("a canceled watch keeps progress requests without answer", ALL - {Version.V3_4}, silent_progress),
    "unknown-sort-target": Scenario(
        "a range with an unknown sort target kills the member",
        ALL - {Version.V3_6},
        _case(unknown_sort_target, lambda case: bool(case.get("server_died"))),
    ),
}
