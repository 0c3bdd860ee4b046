"""What clients of a real etcd ask and hear while its members are killed and paused: as a Run, or as recorded answers.

docs/recording-etcd.md tells the actions of the Run.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from random import Random
from threading import Event as Flag
from threading import Lock
from typing import Any, BinaryIO

from kubeproof.conformance.adapters.etcd.answers import UNAVAILABLE, ask, for_gateway, from_gateway
from kubeproof.conformance.adapters.etcd.gateway import JSON, Gateway, Refused, Stream, Unavailable
from kubeproof.conformance.adapters.etcd.server import Cluster, EtcdFailed, Member, running
from kubeproof.conformance.adapters.etcd.traffic import END, Traffic
from kubeproof.conformance.trace.run import Event, Header, RunWriter

CLIENT_S = 2.0
"""How long a client waits for an answer."""
IDLE_S = 0.2
"""How long a watcher waits before it asks for progress."""
RETRY_S = 0.05
CATCH_UP_S = 10.0

UNKNOWN_OUTCOMES = frozenset((1, 2, 4, 13, UNAVAILABLE))
"""gRPC's codes after which a request may be carried out: canceled, unknown, deadline exceeded, internal, unavailable."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is recorded. `faults` are names of FAULTS."""

    members: int = 1
    clients: int = 1
    operations: int = 1000
    seed: int = 0
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class Log:
    """Takes the events of all threads in the order in which they happen."""

    writer: RunWriter
    counts: Counter[str] = field(default_factory=Counter)
    _lock: Any = field(default_factory=Lock)
    _begun: float = field(default_factory=time.monotonic)

    def write(self, action: str, actor: str, **args: Any) -> None:
        """What has happened."""
        with self._lock:
            time_ms = int((time.monotonic() - self._begun) * 1000)
            self.writer.write(Event(action=action, actor=actor, time_ms=time_ms, args=args or None))
            self.counts["unknown" if "unknown" in args else action] += 1


def record_run(binary: str, plan: Plan, file: BinaryIO) -> tuple[str, Mapping[str, int]]:
    """Write a Run; the server's version, and how often what happened. Raises EtcdFailed."""
    with running(binary, plan.members) as cluster:
        options = {**asdict(plan), "server": cluster.version}
        log = Log(RunWriter(file, Header(system="etcd", source="kubeproof record etcd", options=options)))
        for member in cluster.members:
            log.write("start", member.name)
        stop = Flag()
        watchers = [
            Watcher(number, cluster.members[number % plan.members], log, stop)
            for number in range(max(plan.clients, plan.members))
        ]
        with ThreadPoolExecutor(plan.clients + len(watchers)) as threads:
            try:
                watching = [threads.submit(watcher.run) for watcher in watchers]
                asking = [threads.submit(_client, cluster, plan, number, log, stop) for number in range(plan.clients)]
                _inject(cluster, plan, log, lambda: _all_done(asking))
                _catch_up(cluster, watchers)
            finally:
                stop.set()
        _all_done(watching)
        return cluster.version, log.counts


def _all_done(threads: list[Future[None]]) -> bool:
    """Raises what a thread has raised."""
    for thread in threads:
        if thread.done():
            thread.result()
    return all(thread.done() for thread in threads)


# ---- clients


def _client(cluster: Cluster, plan: Plan, number: int, log: Log, stop: Flag) -> None:
    """Ask one request after the other, of one member until it does not answer."""
    actor, place = f"client-{number}", number
    traffic = Traffic(plan.seed, number)
    count = plan.operations // plan.clients + (number < plan.operations % plan.clients)
    with ExitStack() as closing:
        gateways = [closing.enter_context(member.gateway(CLIENT_S)) for member in cluster.members]
        for _ in range(count):
            op, req = traffic.next()
            while not _connects(gateways[place % plan.members]):
                place += 1
                if stop.wait(RETRY_S):
                    return
            member = place % plan.members
            log.write("invoke", actor, member=cluster.members[member].name, op=op, req=req)
            heard = outcome(ask(gateways[member], op, req))
            log.write("return", actor, **heard)
            traffic.learn(heard.get("resp", {}))
            if "unknown" in heard:
                place += 1
            if stop.is_set():
                return


def _connects(gateway: Gateway) -> bool:
    try:
        gateway.connect()
    except Unavailable:
        return False
    return True


def outcome(line: JSON) -> JSON:
    """`resp`, `err`, or `unknown` where nobody knows whether the request was carried out."""
    if "resp" in line:
        return {"resp": line["resp"]}
    err = line["err"]
    return {"unknown": err["msg"]} if err["code"] in UNKNOWN_OUTCOMES else {"err": err}


# ---- watchers


class Watcher:
    """Watches all keys on one member; where the watch ends it begins again behind what it has seen.

    It is the watch of the client with its number, or of nobody where there are more members than clients.
    """

    def __init__(self, number: int, member: Member, log: Log, stop: Flag) -> None:
        self.next_revision = 1
        self._member, self._log, self._stop = member, log, stop
        self._actor = f"watcher-{number}"

    def run(self) -> None:
        """Watch until it is told to stop."""
        while not self._stop.is_set():
            with suppress(Unavailable, Refused), self._member.gateway(CLIENT_S).stream("watch") as stream:
                self._watch(stream)
            self._stop.wait(RETRY_S)

    def _watch(self, stream: Stream) -> None:
        create = {"key": "\0", "range_end": END, "start_revision": self.next_revision, "prev_kv": True}
        self._send(stream, {"create_request": create})
        while not self._stop.is_set():
            answer = stream.receive(IDLE_S)
            if answer is None:
                self._send(stream, {"progress_request": {}})
                continue
            resp = from_gateway(answer)
            self._log.write("watch_response", self._actor, resp=resp)
            for event in resp.get("events", ()):
                self.next_revision = event["kv"]["mod_revision"] + 1
            if resp.get("canceled"):
                self.next_revision = max(self.next_revision, resp.get("compact_revision", 0))
                return

    def _send(self, stream: Stream, req: JSON) -> None:
        self._log.write("watch_request", self._actor, member=self._member.name, req=req)
        stream.send(for_gateway(req))


def _catch_up(cluster: Cluster, watchers: list[Watcher]) -> None:
    """Wait until every watcher has seen the last revision. Raises EtcdFailed."""
    with cluster.members[0].gateway() as gateway:
        line = ask(gateway, "Range", {"key": "\0"})
    if "resp" not in line:
        raise EtcdFailed(f"no last revision: {line['err']['msg']}")
    last = line["resp"]["header"]["revision"]
    deadline = time.monotonic() + CATCH_UP_S
    while any(watcher.next_revision <= last for watcher in watchers) and last > 1:
        if time.monotonic() > deadline:
            break  # the Run tells how far each has come
        time.sleep(RETRY_S)


# ---- faults


def _inject(cluster: Cluster, plan: Plan, log: Log, done: Callable[[], bool]) -> None:
    """Do faults, one after the other, until the clients have done. Raises EtcdFailed if a member ends by itself."""
    random = Random(plan.seed)
    pause_until = time.monotonic() + random.uniform(0.2, 0.8)
    while not done():
        for member in cluster.members:
            if not member.runs:
                log.write("panic", member.name, reason=member.last_words())
                raise EtcdFailed(f"{member.name} has ended by itself: {member.last_words()}")
        if plan.faults and time.monotonic() > pause_until:
            FAULTS[random.choice(plan.faults)](cluster, random, log)
            pause_until = time.monotonic() + random.uniform(0.2, 0.8)
        time.sleep(0.02)


def _kill(cluster: Cluster, random: Random, log: Log) -> None:
    """SIGKILL, then start again."""
    member = random.choice(cluster.members)
    member.kill()
    log.write("crash", member.name)
    _start(member, random, log)


def _restart(cluster: Cluster, random: Random, log: Log) -> None:
    """SIGTERM, then start again."""
    member = random.choice(cluster.members)
    member.stop()
    log.write("stop", member.name)
    _start(member, random, log)


def _start(member: Member, random: Random, log: Log) -> None:
    time.sleep(random.uniform(0.05, 0.5))
    log.write("start", member.name)
    member.start()
    member.wait_until_healthy()


def _pause(cluster: Cluster, random: Random, log: Log) -> None:
    """SIGSTOP, often for longer than an election takes; then SIGCONT."""
    member = random.choice(cluster.members)
    member.pause()
    log.write("pause", member.name)
    time.sleep(random.uniform(0.1, 2.0))
    log.write("resume", member.name)
    member.resume()
    member.wait_until_healthy()


def _move_leader(cluster: Cluster, random: Random, log: Log) -> None:
    """The leader hands over to another member. With one member there is nobody to take over."""
    leader = cluster.leader()
    others = [member for member in cluster.members if member is not leader]
    if leader is None or not others:
        return
    other = random.choice(others)
    with suppress(Unavailable, Refused), other.gateway() as there, leader.gateway() as gateway:
        gateway.call("maintenance/transfer-leadership", {"targetID": there.status().member})
        log.write("move_leader", leader.name, to=other.name)


FAULTS: dict[str, Callable[[Cluster, Random, Log], None]] = {
    "kill": _kill,
    "restart": _restart,
    "pause": _pause,
    "leader": _move_leader,
}


# ---- recorded answers


def record_answers(binary: str, plan: Plan, file: BinaryIO) -> str:
    """Write what one client asks one member, and the answers; the server's version. Raises EtcdFailed."""
    with running(binary) as cluster, cluster.members[0].gateway() as gateway:
        meta = {"server": cluster.version, "seed": plan.seed, "operations": plan.operations}
        _write_line(file, {"meta": meta})
        traffic = Traffic(plan.seed, 0)
        for number in range(plan.operations):
            line = ask(gateway, *traffic.next())
            if line.get("err", {}).get("code") == UNAVAILABLE:
                raise EtcdFailed(f"request {number} has no answer: {cluster.members[0].last_words()}")
            _write_line(file, {"i": number, **line})
            traffic.learn(line.get("resp", {}))
    return cluster.version


def _write_line(file: BinaryIO, line: JSON) -> None:
    file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
